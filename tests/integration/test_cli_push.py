"""bandog push: images go to their registry."""

import re
import signal

import pytest

from cli import project  # noqa: F401
from harness import wait_gone

NO_PREFIX = "Unable to push one or more of your functions to Docker Hub:"


def pushed(project):
    calls = project.engine.calls()
    assert all(call.args[0] == "push" and len(call.args) == 2 for call in calls), calls
    return [call.args[1] for call in calls]


def test_push(project):
    project.stack({"one": {}, "two": {"image": "host:5000/two"}})
    project.engine.answer("push", stdout="layer\n")
    lines = project.done("push").stdout.splitlines()
    assert pushed(project) == ["me/one:1", "host:5000/two:latest"]
    assert lines[0] == "[0] > Pushing one [me/one:1]."
    assert lines[1:3] == ["one | layer", "[0] < Pushing one [me/one:1] done."]
    assert "[0] > Pushing two [host:5000/two:latest]." in lines
    assert "[0] < Pushing two [host:5000/two:latest] done." in lines
    assert project.engine.calls()[0].cwd == project.folder and not (project.folder / "build").exists()


def test_push_needs_neither_template_nor_handler(project):
    project.stack({"one": {"lang": "nonsense", "handler": "./nowhere"}, "two": {"lang": None, "handler": None}})
    project.done("push")
    assert pushed(project) == ["me/one:1", "me/two:1"]


def test_quiet(project):
    project.stack({"one": {}})
    project.engine.answer("push", stdout="layer\n")
    out = project.done("push", "--quiet").stdout
    assert "layer" not in out and "Pushing one" in out


def test_skipped(project):
    """What is not built here is not pushed either; its image may have any name."""
    project.stack({"one": {"skip_build": True, "image": "plain"}, "two": {}})
    assert "Skipping one\n" in project.done("push").stdout
    assert pushed(project) == ["me/two:1"]


@pytest.mark.parametrize("image", ["plain", "plain:1", None])
def test_images_need_a_prefix(project, image):
    """All are named, none is pushed."""
    project.stack({"one": {"image": image}, "two": {}, "three": {"image": "x"}})
    ended = project.refused(1, NO_PREFIX, "\n- one\n- three\n", args=["push"])
    assert "two" not in ended.stderr and not project.engine.calls()


def test_only_the_chosen_need_a_prefix(project):
    project.stack({"one": {"image": "plain"}, "two": {}})
    project.done("push", "two")
    assert pushed(project) == ["me/two:1"]


def test_failures(project):
    """The others are still pushed."""
    project.stack({"one": {}, "two": {}, "three": {}})
    project.engine.answer("me/one:1", status=1, stderr="denied: no access\n")
    ended = project.run("push")
    assert ended.status == 1
    assert pushed(project) == ["me/one:1", "me/two:1", "me/three:1"]
    assert re.search(r"^Errors received during push:\n- \[one\] .*denied: no access", ended.stderr, re.M), ended
    assert "< Pushing one" not in ended.stdout and "[0] < Pushing two [me/two:1] done." in ended.stdout


def test_parallel(project, gate):
    project.stack({"one": {}, "two": {}})
    project.engine.answer("push", **{"started": gate.env["STARTED"], "gate": gate.env["GATE"]})
    running = project.start("push", "--parallel=2")
    gate.started()
    gate.started()
    gate.open(2)
    assert running.ended().status == 0


def test_a_signal_ends_the_engines(project, gate):
    project.stack({"one": {}, "two": {}})
    project.engine.answer("push", **{"started": gate.env["STARTED"], "gate": gate.env["GATE"]})
    running = project.start("push")
    pid = gate.started()
    running.process.send_signal(signal.SIGINT)
    wait_gone(pid)
    assert running.ended().status not in (0, 2)
    assert pushed(project) == ["me/one:1"]


def test_no_stack_file(project):
    project.refused(1, "stack.yaml or stack.yml", args=["push"])


def test_no_engine(project, scratch):
    project.stack({"one": {}})
    (scratch / "lean").mkdir()
    project.refused(1, "docker", "podman", args=["push"], env={"PATH": f"{scratch}/lean"})
