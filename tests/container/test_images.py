"""What containers of the templates' images do, as an orchestrator starts them."""

import pytest

from containers import files_of
from starters import GREETING, NAMES

HARDENED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
NOT_OF_THE_FUNCTION = {"Dockerfile", "README.md", "template.yml", ".dockerignore", ".git"}

pytestmark = pytest.mark.parametrize("template", NAMES)


def assert_greets(container):
    a = container.call("GET", "/")
    assert (a.status, a.cut) == (200, False) and GREETING.encode() in a.body, a


def test_life(template, image, container):
    """It becomes healthy, answers, has no rights, and ends well and by itself when asked to."""
    c = container(image(template), healthcheck_interval="0s")
    assert_greets(c)
    assert c.users() == {("1000", "1000")}
    assert c.inspect()["Config"]["User"] == "1000:1000"
    assert c.stop() == 0


def test_hardened(template, image, container):
    """Nothing is written but below /tmp, and no capability is needed."""
    c = container(image(template), *HARDENED)
    assert_greets(c)


def test_files(template, image, project, engine):
    """The image holds what runs and not what it was made from."""
    image(template)
    done = project.build(template, "cloned", handler={".git/HEAD": "ref: refs/heads/main\n"})
    names = files_of(engine, done.image)
    assert "usr/bin/fwatchdog" in names
    own = {part for name in names if name.startswith("home/app/") for part in name.split("/")}
    assert own & NOT_OF_THE_FUNCTION == set()
