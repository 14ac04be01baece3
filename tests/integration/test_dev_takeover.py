"""bandog dev: a new version takes over, and no call notices more of that than the new answer."""

import os
import select
import threading

import pytest

from dev import HOLD_SERVER, HOLD_SH, LANGUAGES, SERVER, SH, project  # noqa: F401
from harness import SAN, eventually, free_port, status_kb, wait_gone
from http_client import NoAnswer

PID = "import os\ndef answer(target, body):\n    return b'%d ' % os.getpid() + {version!r}\n"


class Caller(threading.Thread):
    """Calls without a pause, over a kept connection or each over a new one, and keeps the answers."""

    def __init__(self, d, kept):
        super().__init__(daemon=True)
        self.d = d
        self.kept = kept
        self.enough = threading.Event()
        self.numbers = []
        self.failure = None
        self.start()

    def run(self):
        c = None
        try:
            while not self.enough.is_set():
                if c is None or is_closed(c):
                    c = self.d.connect("hello")
                a = c.call()
                assert (a.status, a.cut) == (200, False), a
                self.numbers.append(int(a.body))
                if not self.kept or "close" in a.values("Connection"):
                    c.close()
                    c = None
        except (AssertionError, NoAnswer, OSError, ValueError) as failure:
            self.failure = failure

    def ended(self):
        self.enough.set()
        self.join()
        assert self.failure is None, f"{'kept' if self.kept else 'new'} connection, after {self.numbers[-1:]}"
        assert self.numbers == sorted(self.numbers), "an older version answered after a newer one"
        return self.numbers


def is_closed(c):
    """The server has ended the connection while nothing was under way, as it may."""
    return bool(select.select([c.socket], [], [], 0)[0])


@pytest.mark.parametrize("lang, file, handler", LANGUAGES)
def test_no_call_fails_while_files_are_saved(project, lang, file, handler):
    project.function("hello", handler.format(0), lang)
    d = project.dev()
    d.port("hello")
    callers = [Caller(d, kept) for kept in (True, False, True, False)]
    for i in range(1, 31):
        d.write(f"hello/{file}", handler.format(i))
    numbers = [caller.ended() for caller in callers]
    assert int(d.text("hello")) == 30
    assert all(len(set(n)) > 5 for n in numbers), "they were not there during the saves"


@pytest.mark.parametrize("dev", ["", "dev: {}\n"], ids=["fixed", "movable"])
def test_a_template_that_says_its_port(project, dev):
    """Without `dev` in template.yml nobody knows whether it could listen elsewhere: then one runs after the other."""
    project.template("server")
    dockerfile = project.path("template/server/Dockerfile").read_text()
    dockerfile = dockerfile.replace("http+unix:///tmp/function.sock", f"http://127.0.0.1:{free_port()}")
    project.write("template/server/Dockerfile", dockerfile)
    project.write("template/server/template.yml", "language: Python\nfprocess: /usr/bin/python3 -S index.py\n" + dev)
    project.function("hello", SERVER.format(0), "server")
    d = project.dev()
    d.port("hello")
    callers = [Caller(d, kept) for kept in (True, False)]
    for i in range(1, 6):
        d.write("hello/handler.py", SERVER.format(i))
    for caller in callers:
        caller.ended()
    assert int(d.text("hello")) == 5


@pytest.mark.parametrize("lang, file, handler", LANGUAGES)
def test_a_kept_connection(project, lang, file, handler):
    """It is idle during the restart; the call after that is the new version's."""
    project.function("hello", handler.format("one"), lang)
    d = project.dev()
    with d.connect("hello") as c:
        assert c.call().body == b"one\n"
        d.write(f"hello/{file}", handler.format("two"))
        if not is_closed(c):
            assert c.call().body == b"two\n"
    assert d.text("hello") == "two\n"


def test_the_old_version_ends(project):
    """An idle connection does not keep it."""
    project.function("hello", PID.format(version=b"one"), "server")
    d = project.dev()
    with d.connect("hello") as c:
        pid, version = c.call().body.split()
        assert version == b"one"
        d.write("hello/handler.py", PID.format(version=b"two"))
        assert d.text("hello").split()[1] == "two"
        wait_gone(int(pid))




@pytest.mark.parametrize(
    "lang, file, held, handler",
    [("sh", "handler.sh", HOLD_SH, SH), ("server", "handler.py", HOLD_SERVER, SERVER)],
    ids=["sh", "server"],
)
def test_a_call_under_way(project, gate, lang, file, held, handler):
    """It is ended by the version that began it, new ones are not kept waiting, and then the old version is over."""
    project.function("hello", held, lang, environment=gate.env)
    d = project.dev()
    with d.connect("hello") as c:
        c.request()
        pid = gate.started()
        d.write(f"hello/{file}", handler.format("two"))
        d.write(f"hello/{file}", handler.format("three"))
        assert d.text("hello") == "three\n"
        gate.open()
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"done\n", False)
        wait_gone(pid)


def test_a_body_under_way(project):
    project.function("hello", "echo one; cat\n")
    d = project.dev()
    with d.connect("hello") as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        d.text("hello", body=b"the first one has begun")
        d.write("hello/handler.sh", "echo two; cat\n")
        c.send(b"world")
        a = c.answer()
        assert (a.status, a.cut) == (200, False)
        assert a.body in (b"one\nhelloworld", b"two\nhelloworld")


STREAM_SH = "for i in 1 2 3; do echo $i; read -r _ <$GATE; done\n"
STREAM_SERVER = """import os
def answer(target, body):
    gate = os.open(os.environ["GATE"], os.O_RDONLY)
    for i in (1, 2, 3):
        yield b"%d\\n" % i
        os.read(gate, 1)
"""


@pytest.mark.parametrize(
    "lang, file, stream, handler, settings",
    [
        ("sh", "handler.sh", STREAM_SH, SH, {"mode": "streaming"}),
        ("server", "handler.py", STREAM_SERVER, SERVER, {}),
    ],
    ids=["sh", "server"],
)
def test_a_stream_under_way(project, gate, lang, file, stream, handler, settings):
    """Each piece of it comes when it is sent, before and after the restart."""
    project.function("hello", stream, lang, environment={**gate.env, **settings})
    d = project.dev()
    with d.connect("hello") as c:
        c.request("GET", fields=[("Accept", "text/event-stream")])
        a = c.begin()
        c.read_until(a, b"1\n")
        d.write(f"hello/{file}", handler.format("two"))
        assert d.text("hello") == "two\n"
        gate.open()
        c.read_until(a, b"1\n2\n")
        gate.open()
        c.read_until(a, b"1\n2\n3\n")
        gate.open()
        c.rest(a)
        assert (a.body, a.cut) == (b"1\n2\n3\n", False)


# --- what stays behind ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang, file, handler", LANGUAGES)
def test_many_restarts_cost_nothing(project, lang, file, handler):
    """No descriptor, process, file or memory is kept for a version that is over."""
    project.function("hello", handler.format(0), lang)
    d = project.dev()
    d.port("hello")

    def restart(times):
        for _ in range(times):
            d.write(f"hello/{file}", handler.format(len(d.restarts("hello")) + 1))
        d.text("hello")

    def is_no_more():
        return all(count <= before[what] for what, count in counts().items())

    def counts():
        return {
            "descriptors": len(os.listdir(f"/proc/{d.pid}/fd")),
            "temporary files": len(list((project.scratch / "tmp").rglob("*"))),
            "processes": len(d.family()),
        }

    before = counts()
    restart(3)
    eventually(is_no_more, f"as at the start: {before}")
    memory = status_kb(d.pid, "VmRSS")
    restart(20)
    eventually(is_no_more, f"as after a few: {before}")
    assert SAN or status_kb(d.pid, "VmRSS") < memory + 1024
