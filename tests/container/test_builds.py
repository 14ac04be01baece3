"""What `bandog build` makes of an edit, good or bad."""

import re

import pytest

from starters import GREETING, NAMES, OTHER_GREETING, TESTED, in_other_words


def steps(output):
    """The older builder's report: each step with what was said about it."""
    return re.split(r"^Step \d+/\d+ : ", output, flags=re.M)[1:]


@pytest.mark.parametrize("template", NAMES)
def test_an_edit_installs_nothing_again(template, image, project, container):
    image(template)
    done = project.build(template, "edited", handler=in_other_words(template, test_too=True))
    installing = [step for step in steps(done.stdout) if step.startswith("RUN") and "apt-get install" in step]
    assert all(" ---> Using cache" in step for step in installing), done.stdout

    body = container(done.image).call("GET", "/").body.decode()
    assert OTHER_GREETING in body and GREETING not in body


@pytest.mark.parametrize("template", TESTED)
def test_a_failing_test_stops_the_build(template, image, project, engine):
    image(template)
    broken = in_other_words(template, test_too=False)
    done = project.build(template, "broken", handler=broken, check=False)
    assert done.returncode != 0
    assert re.search(r"The command '.*TEST_COMMAND.*' returned a non-zero code", done.stdout), done.stdout
    assert engine.run("image", "inspect", done.image, check=False).returncode != 0

    project.build(template, "untested", handler=broken, TEST_ENABLED="false")


def test_buildkit_runs_the_tests(project, engine, buildkit):
    """It leaves out stages that nothing depends on."""
    broken = in_other_words("python3-http", test_too=False)
    done = project.build("python3-http", "pruned", handler=broken, builder="buildkit", check=False)
    assert done.returncode != 0
    assert OTHER_GREETING in done.stdout, "it is not the test that fails"
    assert engine.run("image", "inspect", done.image, check=False).returncode != 0


def test_buildkit_builds(project, container, buildkit):
    done = project.build("python3-http", "kit", builder="buildkit")
    assert container(done.image).call("GET", "/").status == 200


def test_own_dockerfile(project, container):
    done = project.build("dockerfile")
    assert container(done.image).call("POST", "/", body=b"\0\xff").body == b"\0\xff"


def test_additional_packages(project, engine):
    done = project.build("bash", "figlet", ADDITIONAL_PACKAGE="figlet")
    assert "|_|" in engine.run("run", "--rm", "--entrypoint=figlet", done.image, "hi").stdout
