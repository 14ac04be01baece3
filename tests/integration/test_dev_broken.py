"""bandog dev: versions that do not start. The last one that did keeps serving."""

import os
import re
import shutil

import pytest

from dev import HOLD_SERVER, SERVER, hello, project  # noqa: F401


def test_broken_after_a_good_one(project):
    project.function("hello", SERVER.format("one"), "server")
    d = project.dev()
    assert d.text("hello") == "one\n"
    for broken in ("def answer(\n", "import no_such_module\n", "raise SystemExit(3)\n"):
        complaint = d.refused("hello", project.write, "hello/handler.py", broken)
        assert re.fullmatch(r"bandog: hello: does not start \(.+\): the last version keeps serving", complaint)
        assert d.text("hello") == "one\n"
    d.logged("hello", ".*SyntaxError")
    d.write("hello/handler.py", SERVER.format("two"))
    assert d.text("hello") == "two\n"


def test_broken_with_calls_under_way(project, gate):
    """The version that keeps serving is really the same: its process stays, and so do its calls."""
    project.function("hello", HOLD_SERVER, "server", environment=gate.env)
    d = project.dev()
    with d.connect("hello") as c:
        c.request()
        pid = gate.started()
        d.refused("hello", project.write, "hello/handler.py", "def answer(\n")
        with d.connect("hello") as other:
            other.request()
            assert gate.started() == pid
            gate.open(2)
            assert [c.answer().body, other.answer().body] == [b"done\n"] * 2


def test_broken_from_the_start(project):
    project.function("hello", "def answer(\n", "server")
    project.function("other", "echo other\n")
    d = project.dev()
    assert d.text("other") == "other\n"
    d.complained("^bandog: hello: does not start")
    a = d.call_when_refused("hello")
    assert (a.status, a.value("Content-Type").split(";")[0]) == (503, "text/plain")
    assert b"does not start" in a.body
    assert "is ready" not in "".join(m[0] for m in d.matches(d.out, "^hello "))
    project.write("hello/handler.py", SERVER.format("repaired"))
    assert d.text("hello") == "repaired\n"


def test_a_connection_that_was_told(project):
    """It may be kept or not; the repaired version is reached either way."""
    project.function("hello", "def answer(\n", "server")
    d = project.dev()
    d.complained("^bandog: hello: does not start")
    with d.connect_to(d.first_port) as c:
        a = c.call()
        assert a.status == 503
        project.write("hello/handler.py", SERVER.format("repaired"))
        d.port("hello")
        if "close" in a.values("Connection"):
            c.assert_closed()
        else:
            assert c.call().body == b"repaired\n"
    assert d.text("hello") == "repaired\n"


def test_broken_build(project):
    project.template("sh", dev="build: sh -n function/handler.sh")
    project.function("hello", "echo one\n")
    d = project.dev()
    assert d.text("hello") == "one\n"
    complaint = d.refused("hello", project.write, "hello/handler.sh", "echo two; fi\n")
    assert complaint.endswith("the last version keeps serving")
    assert d.text("hello") == "one\n"
    d.logged("hello", ".*[Ss]yntax error")
    d.write("hello/handler.sh", "echo three\n")
    assert d.text("hello") == "three\n"


def test_broken_build_from_the_start(project):
    project.template("sh", dev="build: sh -n function/handler.sh")
    project.function("hello", "fi\n")
    d = project.dev()
    d.complained("^bandog: hello: does not start")
    assert d.call_when_refused("hello").status == 503
    project.write("hello/handler.sh", "echo repaired\n")
    assert d.text("hello") == "repaired\n"


def test_broken_settings(project):
    """fwatchdog itself does not start."""
    project.function("hello", "echo one\n")
    d = project.dev()
    assert d.text("hello") == "one\n"
    project.functions["hello"]["environment"] = {"mode": "nonsense"}
    assert "does not start" in d.refused("hello", project.write_stack)
    assert d.text("hello") == "one\n"
    assert d.restarts("hello") == []
    project.functions["hello"]["environment"] = {}
    d.after("hello", project.write_stack)
    assert d.text("hello") == "one\n"


def test_broken_settings_from_the_start(project):
    """It must not be called ready for the moment until fwatchdog has read them."""
    project.function("hello", "echo one\n", environment={"mode": "nonsense"})
    d = project.dev()
    d.complained("^bandog: hello: does not start")
    assert not d.matches(d.out, "is ready")
    del project.functions["hello"]["environment"]
    project.write_stack()
    assert d.text("hello") == "one\n"


def test_broken_stack_file(hello, project):
    good = project.path("stack.yml").read_text()
    project.write("stack.yml", "functions: [\n")
    hello.complained(r"stack\.yml:")
    assert hello.text("hello") == "one\n"
    project.write("stack.yml", good.replace("functions:", "# repaired\nfunctions:"))
    assert hello.text("hello") == "one\n"
    hello.write("hello/handler.sh", "echo two\n")
    assert hello.text("hello") == "two\n"


@pytest.mark.parametrize("handler, gone", [("hello", "hello"), ("deep/er/hello", "deep")], ids=["plain", "nested"])
def test_deleted_handler(project, handler, gone):
    """The folder goes and comes back, alone or with those above it: meanwhile the last version serves."""
    project.template("sh")
    project.write(f"{handler}/handler.sh", "echo one\n")
    project.functions["hello"] = {"lang": "sh", "handler": handler}
    project.write_stack()
    d = project.dev()
    assert d.text("hello") == "one\n"
    d.refused("hello", shutil.rmtree, project.path(gone))
    assert d.text("hello") == "one\n"
    d.after("hello", project.write, f"{handler}/handler.sh", "echo two\n")
    d.wait_for_answer("hello", "two\n")


def test_deleted_environment_file(project):
    project.write("settings.yml", "environment: {WORD: one}\n")
    project.function("hello", "echo $WORD\n", environment_file=["settings.yml"])
    d = project.dev()
    assert d.text("hello") == "one\n"
    assert "settings.yml" in d.refused("hello", project.path("settings.yml").unlink)
    assert d.text("hello") == "one\n"
    d.after("hello", project.write, "settings.yml", "environment: {WORD: two}\n")
    assert d.text("hello") == "two\n"


@pytest.mark.parametrize("kind", ["pipe", "broken", "circle", "circles"])
def test_files_that_cannot_be_copied(hello, project, kind):
    """A pipe that nobody writes to, a link to nowhere, and links in circles: said, and not waited for."""
    folder = project.path("hello/odd")

    def make():
        folder.mkdir()
        if kind == "pipe":
            os.mkfifo(folder / "pipe")
        elif kind == "broken":
            (folder / "broken").symlink_to("nowhere")
        else:
            for name in ["a", "b", "c"][: 3 if kind == "circles" else 1]:
                (folder / name).symlink_to(".")

    hello.refused("hello", make)
    assert hello.text("hello") == "one\n"
    hello.after("hello", shutil.rmtree, folder)
    hello.wait_for_answer("hello", "one\n")
    hello.write("hello/handler.sh", "echo two\n")
    assert hello.text("hello") == "two\n"
