"""A short run of everything under valgrind: it must find nothing, no leak either."""

import os
import shutil

import pytest

from http_client import chunked, request_bytes

pytestmark = [
    pytest.mark.valgrind,
    pytest.mark.skipif(os.environ.get("VALGRIND") != "1", reason="only with VALGRIND=1"),
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
]
VALGRIND = [
    "valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite",
    "--error-exitcode=86", "--track-fds=no",
]  # fmt: skip


@pytest.fixture
def checked(watchdog):
    def start(fprocess, **env):
        return watchdog(fprocess, wrapper=VALGRIND, workers="2", **env)

    return start


def test_calls_of_all_kinds(checked, mode):
    w = checked("cat", mode=mode)
    with w.connect() as c:
        for size in (0, 1, 3000, 100_000, 700_000):
            assert len(c.call("POST", "/p?q", fields=[("A", "b")], body=b"x" * size).body) == size
        c.send(request_bytes("PUT", fields=[("Transfer-Encoding", "chunked")]) + chunked(b"one", b"two"))
        assert c.answer().body == b"onetwo"
        c.call("OPTIONS", "*")
        c.call("GET", "/_/health")
        c.send(b"GET /\r\n\r\n")
        assert c.answer().status == 400
    w.stop()
    assert "==" not in w.err.text()


def test_failures_of_all_kinds(checked, gate, mode):
    w = checked("steps take:1 errline:why say wait", mode=mode, max_inflight="2", exec_timeout="2s", **gate.env)
    with w.connect() as c:  # a bad body
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"1\r\n1\r\nzz\r\n")
        assert c.answer().status == 400
    gate.reset()
    c = w.connect()  # a client that leaves
    c.request("POST", body=b"1")
    gate.started()
    c.reset()
    w.wait_no_processes()
    gate.reset()
    assert w.call("POST", body=b"1").status in (408, 500, 504)  # exec_timeout
    w.stop()
    assert "==" not in w.err.text()


def test_shutdown_with_calls_under_way(checked, gate, mode):
    w = checked("steps say wait out:done", mode=mode, **gate.env)
    connections = [w.connect() for _ in range(5)]
    for c in connections[:3]:
        c.request()
        gate.started()
    w.send_signal(15)
    w.wait_for_log("^No new connections allowed")
    gate.open(3)
    for c in connections[:3]:
        assert c.answer().body == b"done"
    w.ended()
    assert "==" not in w.err.text()


def test_check_and_help(fwatchdog):
    for args in (["--check"], ["--help"], ["--version"]):
        ended = fwatchdog(*args, wrapper=VALGRIND, fprocess='["cat"]', exec_timeout="5d", mode="streaming")
        assert "==" not in ended.stderr
