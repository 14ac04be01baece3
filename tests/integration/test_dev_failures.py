"""bandog dev: its end, by signals and worse, and what may go wrong while it runs."""

import os
import re
import signal
import subprocess

import pytest

from dev import BANDOG, HOLD_SH, SLOW_START, held, project  # noqa: F401
from harness import PATIENCE, eventually, is_running, need_program, wait_gone
from http_client import NoAnswer

STUBBORN = "trap '' TERM INT HUP; " + HOLD_SH
ENDS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_ends_it(project, number):
    for name in ("one", "two"):
        project.function(name, lang="server")
    d = project.dev()
    assert [d.text(name, body=b"x") for name in ("one", "two")] == ["x", "x"]
    d.stop(number)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_to_the_whole_group(project, gate, number):
    """As a terminal sends it: the functions must not get it, only bandog decides about their end."""
    project.function("held", HOLD_SH, environment=gate.env)
    d = project.dev()
    with d.connect("held") as c:
        c.request()
        gate.started()
        os.killpg(d.pid, number)
        gate.open()
        assert c.answer().body == b"done\n"
        d.ended()


@pytest.mark.parametrize("number", ENDS)
def test_calls_under_way_end_first(held, gate, number):
    with held.connect("held") as c:
        c.request()
        gate.started()
        held.process.send_signal(number)
        wait_refused(held)
        gate.open()
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"done\n", False)
        held.ended()


def wait_refused(d):
    """Until its end is under way: nobody new is let in."""

    def is_refused():
        try:
            d.connect_to(d.first_port).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # it was in the backlog when that was closed
        return False

    eventually(is_refused, "the port is closed")


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("handler", [HOLD_SH, STUBBORN], ids=["held", "stubborn"])
def test_a_second_signal_does_not_wait(project, gate, number, handler):
    project.function("held", handler, environment=gate.env)
    d = project.dev()
    with d.connect("held") as c:
        c.request()
        pid = gate.started()
        d.process.send_signal(number)
        wait_refused(d)
        assert is_running(pid)
        d.process.send_signal(number)
        d.process.wait(PATIENCE)
        wait_gone(pid)
        try:
            a = c.answer()
        except NoAnswer:
            pass
        else:
            assert a.cut or a.status >= 500
        d.stop(status=d.process.returncode)


def test_a_signal_while_it_builds(project, gate):
    """What runs then is ended, and what that has started, too."""
    project.template("sh", dev='build: sh -c "echo \\$\\$ >$STARTED; read -r _ <$GATE"; true')
    project.function("hello")
    d = project.dev(**gate.env)
    pid = gate.started()
    d.process.send_signal(signal.SIGTERM)
    wait_gone(pid)
    d.ended()


def test_a_signal_while_it_starts(project, gate):
    project.function("slow", SLOW_START, "server", environment=gate.env)
    d = project.dev()
    pid = gate.started()
    d.process.send_signal(signal.SIGTERM)
    wait_gone(pid)
    d.ended()


def test_an_idle_connection_does_not_keep_it(held):
    with held.connect("held") as c:
        assert c.call(target="/_/health").status == 200
        held.stop()


@pytest.mark.parametrize("lang", ["sh", "server"])
def test_killed(project, lang):
    """kill -9 leaves no process: neither the functions nor what serves them."""
    project.function("one", lang=lang)
    project.function("two", lang=lang)
    d = project.dev()
    assert [d.text(name, body=b"x") for name in ("one", "two")] == ["x", "x"]
    family = d.family()
    d.process.kill()
    for pid in family:
        wait_gone(pid)
    d.kill()


def test_killed_during_a_call(held, gate):
    with held.connect("held") as c:
        c.request()
        pid = gate.started()
        family = held.family()
        assert pid in family
        held.process.kill()
        for pid in family:
            wait_gone(pid)
    held.kill()


def test_killed_while_it_builds(project, gate):
    project.template("sh", dev="build: echo $$ >$STARTED; read -r _ <$GATE")
    project.function("hello")
    d = project.dev(**gate.env)
    pid = gate.started()
    d.process.kill()
    wait_gone(pid)
    d.kill()


def test_started_again_after_a_kill(project):
    """What the killed one has left is in nobody's way."""
    project.function("hello", lang="server")
    d = project.dev()
    d.port("hello")
    d.process.kill()
    d.kill()
    for left in os.listdir(project.scratch / "tmp"):
        subprocess.run(["rm", "-r", project.scratch / "tmp" / left], check=True)
    assert project.dev(port=d.first_port).text("hello", body=b"x") == "x"


def test_nobody_reads_what_it_says(project):
    """The pipe of stdout is closed: whether it goes on or ends, nothing is left."""
    project.function("hello", "echo to the log >&2; echo hi\n")
    read, write = os.pipe()
    d = project.dev(popen={"stdout": write})
    os.close(write)
    with open(read, "rb") as reader:
        for line in iter(reader.readline, b""):
            if line.startswith(b"hello is ready"):
                break
    try:
        with d.connect_to(d.first_port) as c:
            c.call()
        d.process.send_signal(signal.SIGTERM)
    except (ConnectionError, NoAnswer):
        pass
    d.process.wait(PATIENCE)
    d.stop(status=d.process.returncode)
    assert d.process.returncode in (0, 1), "it must not end by SIGPIPE"


# --- while it runs ----------------------------------------------------------------------------------------------------


def test_a_function_that_ends_by_itself(project):
    """It is said, calls are told, and the next save starts it."""
    project.function("hello", "import os\ndef answer(target, body):\n    os._exit(7)\n", "server")
    d = project.dev()
    assert d.call("hello").status == 502
    d.complained("^bandog: hello: ")
    a = d.call_when_refused("hello")
    assert (a.status, a.value("Content-Type").split(";")[0]) == (503, "text/plain")
    project.write("hello/handler.py", "def answer(target, body):\n    return b'repaired'\n")
    d.said("^hello is ready", 2)
    assert d.text("hello") == "repaired"


def test_a_function_that_is_restarted_by_its_watchdog(project):
    """restart=always: the watchdog does it, bandog has nothing to say."""
    handler = "import os\ndef answer(target, body):\n    target == '/end' and os._exit(7)\n    return b'here'\n"
    project.function("hello", handler, "server", environment={"restart": "always"})
    d = project.dev()
    assert d.call("hello", target="/end").status == 502
    assert d.text("hello") == "here"


def test_one_function_fails_and_another_serves(project):
    project.function("bad", "import os\ndef answer(target, body):\n    os._exit(7)\n", "server")
    project.function("good", "echo good\n")
    d = project.dev()
    d.call("bad")
    d.complained("^bandog: bad: ")
    assert d.text("good") == "good\n"


@pytest.mark.parametrize("start", ["def answer(\n", "import os\nos.kill(os.getpid(), 9)\n"], ids=["exits", "is killed"])
def test_why_it_does_not_start(project, start):
    """Exit status or signal are in the complaint and in the answer, the language's own words in the log."""
    project.function("hello", start, "server")
    d = project.dev()
    complaint = d.complained("^bandog: hello: does not start.*")[0]
    assert re.search(r"\(.*(status 1|exit status 1|signal|137).*\)", complaint), complaint


def test_unreadable_file(project):
    """As another user than root, whom everything is readable for."""
    other = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    need_program("setpriv")
    if subprocess.run([*other, str(BANDOG), "--version"], capture_output=True, check=False).returncode:
        pytest.skip("another user can run nothing here")
    project.function("hello", "echo one\n")
    for folder in (project.scratch, *project.scratch.rglob("*")):
        os.chown(folder, 54321, 54321)
    if subprocess.run([*other, "test", "-w", project.path(".")], check=False).returncode:
        pytest.skip("another user can write nothing here, even in a folder of its own")
    d = project.dev(wrapper=other)
    assert d.text("hello") == "one\n"
    complaint = d.refused("hello", os.chmod, project.path("hello/handler.sh"), 0)
    assert "hello/handler.sh" in complaint and "ermission denied" in complaint
    assert d.text("hello") == "one\n"
    d.after("hello", os.chmod, project.path("hello/handler.sh"), 0o644)
    assert d.text("hello") == "one\n"


def test_text_that_would_play_with_a_terminal(project):
    """Names of files reach stderr with their control characters escaped."""
    project.function("hello")
    d = project.dev()
    d.port("hello")
    path = project.path("hello/a\x1b[31mb\nc")
    complaint = d.refused("hello", os.mkfifo, path)
    path.unlink()
    d.stop()
    assert "\x1b" not in d.out.text() + d.err.text(), complaint
