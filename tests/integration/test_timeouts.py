"""exec_timeout, read_timeout, write_timeout: who is told what, and what ends."""

import re
import threading
import time

import pytest

from harness import PATIENCE, SLOW, eventually, is_running, wait_gone
from http_client import NoAnswer, assert_answer, assert_refusal, request_bytes

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
LENGTH_10 = [("Content-Length", "10")]


def soon(seconds):
    """An upper bound: what is due after `seconds` must have come by then."""
    return seconds + 5 * SLOW


# --- read_timeout -----------------------------------------------------------------------------------------------------


def test_read_timeout_closes_an_unused_connection_silently(watchdog):
    with watchdog("cat", read_timeout="300ms").connect() as c:
        began = time.monotonic()
        c.assert_closed()
        assert 0.2 < time.monotonic() - began < soon(0.3)


def test_read_timeout_closes_an_idle_connection_silently(watchdog):
    with watchdog("cat", read_timeout="300ms").connect() as c:
        assert c.call("POST", body=b"x").body == b"x"
        began = time.monotonic()
        c.assert_closed()
        assert 0.2 < time.monotonic() - began < soon(0.3)


def test_read_timeout_within_the_fields_closes_silently(watchdog):
    w = watchdog("cat", read_timeout="300ms")
    with w.connect() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-")
        c.assert_closed()
    assert w.stop_and_read() == []


def test_read_timeout_within_the_request_line_is_400(watchdog):
    with watchdog("cat", read_timeout="300ms").connect() as c:
        c.send(b"POST / HT")
        assert_refusal(c.answer(), 400)
        c.assert_closed()


def test_read_timeout_counts_the_whole_head(watchdog):
    """A byte now and then does not buy time."""
    with watchdog("cat", read_timeout="500ms").connect() as c:
        began = time.monotonic()
        c.send(b"POST / HTTP/1.1\r\nHost: x\r\n")
        try:
            for i in range(10_000):
                c.send(b"X-%d: y\r\n" % i)
                time.sleep(0.05)
                if time.monotonic() - began > soon(0.5):
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - began < soon(0.5)


def test_read_timeout_within_the_body(watchdog, mode):
    w = watchdog("steps say eat out:done", mode=mode, read_timeout="400ms", STARTED="/dev/null")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=LENGTH_10) + b"12345")
        began = time.monotonic()
        a = c.answer()
        assert 0.2 < time.monotonic() - began < soon(0.4)
        c.assert_closed()
    assert a.status == 400
    assert b"i/o timeout" in a.body and b"read_timeout" in a.body
    assert (a.value("Content-Type"), a.value("Connection")) == (TEXT["Content-Type"], "close")
    w.wait_no_processes()


def test_read_timeout_within_the_body_after_output_cuts(watchdog):
    w = watchdog("cat", mode="streaming", read_timeout="400ms")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=LENGTH_10) + b"12345")
        a = c.answer()
    assert (a.status, a.body, a.cut) == (200, b"12345", True)
    w.wait_no_processes()


def test_read_timeout_does_not_touch_a_running_function(watchdog, gate, mode):
    w = watchdog("steps eat say wait out:done", mode=mode, read_timeout="300ms", **gate.env)
    with w.connect() as c:
        c.request("POST", body=b"12345")
        gate.started()
        time.sleep(0.7)
        gate.open()
        assert c.answer().body == b"done"


def test_read_timeout_starts_anew_with_each_request(watchdog):
    with watchdog("cat", read_timeout="1s").connect() as c:
        for _ in range(4):
            assert c.call("POST", body=b"x").body == b"x"
            time.sleep(0.4)
        assert c.call("POST", body=b"x").body == b"x"


@pytest.mark.parametrize("value", ["0", "-1s"])
def test_no_read_timeout(watchdog, value):
    with watchdog("cat", read_timeout=value).connect() as c:
        time.sleep(0.3)
        c.send(b"POST / HTTP/1.1\r\n")
        time.sleep(0.3)
        c.send(b"Host: x\r\nContent-Length: 2\r\n\r\n1")
        time.sleep(0.3)
        c.send(b"2")
        assert c.answer().body == b"12"
        time.sleep(0.3)
        assert c.call("POST", body=b"x").body == b"x"


# --- write_timeout ----------------------------------------------------------------------------------------------------


def test_flaw_8_write_timeout_before_the_answer_is_504(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, exec_timeout="0", write_timeout="400ms", **gate.env)
    began = time.monotonic()
    a = w.call()
    assert 0.2 < time.monotonic() - began < soon(0.4)
    assert (a.status, a.cut) == (504, False)
    assert b"write_timeout" in a.body
    wait_gone(gate.started())
    if mode != "classic":
        w.wait_for_log(r"^GET / - 504 - ContentLength: \d+B ")


def test_flaw_8_write_timeout_after_the_head_cuts(watchdog, gate):
    w = watchdog("steps out:some say wait", mode="streaming", exec_timeout="0", write_timeout="400ms", **gate.env)
    a = w.call()
    assert (a.status, a.body, a.cut) == (200, b"some", True)
    wait_gone(gate.started())


def test_flaw_8_write_timeout_with_a_client_that_does_not_read(watchdog, mode):
    w = watchdog("steps outbytes:30000000", mode=mode, exec_timeout="0", write_timeout="700ms")
    with w.connect(receive_buffer=4096) as c:
        c.request()
        w.wait_no_processes()
        time.sleep(1.5)
        try:
            assert c.answer().cut
        except NoAnswer:
            pass
    w.idle_descriptors()


def test_write_timeout_counts_from_the_head(watchdog, gate, mode):
    """The upload is included, the time before the head is not."""
    w = watchdog("steps eat say wait", mode=mode, exec_timeout="0", write_timeout="800ms", **gate.env)
    with w.connect() as c:
        time.sleep(1)
        c.send(request_bytes("POST", fields=LENGTH_10))
        began = time.monotonic()
        time.sleep(0.4)
        c.send(b"1234567890")
        a = c.answer()
        assert time.monotonic() - began < soon(0.8)
        assert time.monotonic() - began > 0.6
    assert a.status == 504


@pytest.mark.parametrize("value", ["-1s"])
def test_no_write_timeout(watchdog, gate, mode, value):
    w = watchdog("steps say wait out:done", mode=mode, write_timeout=value, **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        time.sleep(0.3)
        gate.open()
        assert c.answer().body == b"done"


@pytest.mark.parametrize(
    "mode, status, body",
    [
        ("classic", 408, re.compile(rb"Killed process\.\n")),
        ("streaming", 504, re.compile(rb"(?s).*exec_timeout.*")),
        ("serializing", 500, re.compile(rb"signal: killed")),
    ],
)
def test_flaw_8_exec_timeout_wins_over_an_equal_write_timeout(watchdog, gate, mode, status, body):
    w = watchdog("steps say wait", mode=mode, exec_timeout="500ms", write_timeout="500ms", **gate.env)
    for _ in range(3):
        a = w.call()
        assert (a.status, a.cut) == (status, False)
        assert body.fullmatch(a.body), a
        wait_gone(gate.started())


# --- exec_timeout -----------------------------------------------------------------------------------------------------


def test_flaw_9_one_owner_of_the_answer_at_the_boundary(watchdog):
    """A function that takes as long as it may: either answer is right, a mix of both never."""
    w = watchdog("sleep 0.05", exec_timeout="55ms")
    seen = {200: 0, 408: 0}
    lock = threading.Lock()

    def client():
        with w.connect() as c:
            for _ in range(30):
                a = c.call()
                assert (a.status, a.body, a.cut) in ((200, b"", False), (408, b"Killed process.\n", False))
                with lock:
                    seen[a.status] += 1

    run_together(client, 4)
    assert sum(seen.values()) == 120
    eventually(lambda: len([m for m in w.messages() if m.startswith("Wrote 0 Bytes")]) == seen[200], "log is right")
    eventually(lambda: w.messages().count("Killing process: sleep 0.05") == seen[408], "log is right")
    assert "superfluous" not in w.err.text()


def run_together(work, n):
    errors = []

    def guarded():
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE * 3)
    if errors:
        raise errors[0]


def test_exec_timeout_is_term_then_kill(watchdog, gate, mode):
    """A function that heeds SIGTERM can tidy up; one that does not is killed after kill_grace."""
    w = watchdog("steps catch-term say wait", mode=mode, exec_timeout="300ms", kill_grace="60s", **gate.env)
    w.call()
    pid = gate.started()
    assert gate.word() == "term"
    wait_gone(pid)


def test_kill_grace(watchdog, gate, mode):
    w = watchdog("steps ignore-term say wait", mode=mode, exec_timeout="200ms", kill_grace="700ms", **gate.env)
    began = time.monotonic()
    a = w.call()
    assert a.end_at - began < soon(0.2), "the client does not wait for the grace"
    pid = gate.started()
    wait_gone(pid, timeout=soon(0.9))
    assert time.monotonic() - began > 0.7, "killed before its grace was over"


def test_kill_grace_0_kills_at_once(watchdog, gate):
    w = watchdog("steps ignore-term say wait", exec_timeout="200ms", kill_grace="0", **gate.env)
    w.call()
    wait_gone(gate.started(), timeout=soon(0.2))


@pytest.mark.parametrize("mode, status", [("classic", 408), ("streaming", 504), ("serializing", 500)])
def test_connection_is_kept_after_exec_timeout(watchdog, gate, mode, status):
    w = watchdog("steps say wait out:done", mode=mode, exec_timeout="500ms", **gate.env)
    with w.connect() as c:
        a = c.call()
        assert a.status == status
        if a.values("Connection") == ["close"]:
            c.assert_closed()
            return
        wait_gone(gate.started())
        gate.open()
        assert c.call().body == b"done"


def test_process_is_gone_soon_after_the_answer(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, exec_timeout="200ms", **gate.env)
    w.call()
    pid = gate.started()
    wait_gone(pid, timeout=soon(0))
    assert not is_running(pid)


def test_timeout_answer_is_whole(watchdog, gate):
    w = watchdog("steps outbytes:100000 say wait", exec_timeout="300ms", **gate.env)
    assert_answer(w.call(), 408, b"Killed process.\n", TEXT)
