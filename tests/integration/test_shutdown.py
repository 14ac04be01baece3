"""SIGTERM and SIGINT: say so, keep serving for a while, drain, leave nothing behind."""

import os
import re
import signal
import time

import pytest

from harness import SLOW, eventually, wait_gone
from http_client import assert_answer, request_bytes

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
LAME = r"^SIG(TERM|INT): no new connections in "


def refused(w):
    try:
        w.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def tail(w):
    """The lines of the shutdown."""
    lines = w.messages()
    return lines[next(i for i, m in enumerate(lines) if re.match(LAME, m)) :]


@SIGNALS
def test_log_lines(watchdog, mode, number):
    w = watchdog("cat", mode=mode, healthcheck_interval="100ms")
    lock = w.lock
    w.stop(number)
    lines = tail(w)
    assert lines[0] in (f"{number.name}: no new connections in 100ms", "SIGTERM: no new connections in 100ms")
    assert lines[1:] == [
        f"Removing lock-file : {lock}",
        "No new connections allowed, draining: 0 requests",
        "Exiting. Active connections: 0",
    ]


def test_interval_is_logged_like_a_duration(watchdog):
    w = watchdog("cat", healthcheck_interval=None, write_timeout="90")
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIGTERM: no new connections in 1m30s$")
    w.stop()


def test_lame_but_serving(watchdog, mode):
    """Between the signal and the drain: unhealthy, and every request is answered."""
    w = watchdog("cat", mode=mode, healthcheck_interval="600s")
    with w.connect() as old:
        assert old.call("POST", body=b"x").body == b"x"
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^Removing lock-file : ")
        eventually(lambda: not w.lock.exists(), "the lock file is gone")
        assert_answer(w.call("GET", "/_/health"), 503, b"shutting down\n", PLAIN)
        if mode != "classic":
            assert_answer(w.call("GET", "/_/ready"), 503, b"shutting down\n", PLAIN)
        assert old.call("POST", body=b"y").body == b"y"
        assert w.call("POST", body=b"z").body == b"z"
        w.lock.touch()
        assert_answer(w.call("GET", "/_/health"), 503, b"shutting down\n", PLAIN)
        os.unlink(w.lock)
    w.stop()


def test_drain_waits_for_calls(watchdog, gate, mode):
    w = watchdog("steps say wait out:done", mode=mode, **gate.env)
    with w.connect() as c, w.connect() as idle:
        assert idle.call("GET", "/_/health").status == 200
        c.request()
        pid = gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        eventually(lambda: refused(w), "nobody can connect any more")
        idle.assert_closed()
        os.kill(pid, 0)
        gate.open()
        a = c.answer()
        assert (a.status, a.body, a.value("Connection")) == (200, b"done", "close")
        c.assert_closed()
    w.ended()
    assert "Exiting. Active connections: 0" in w.messages()


def test_drain_is_over_as_soon_as_nothing_is_in_flight(watchdog, gate):
    w = watchdog("steps say wait", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed")
        began = time.monotonic()
        gate.open()
        assert c.answer().status == 200
        w.ended()
        assert time.monotonic() - began < 5 * SLOW


@SIGNALS
def test_second_signal_skips_the_wait(watchdog, number):
    w = watchdog("cat", healthcheck_interval="600s")
    began = time.monotonic()
    w.stop(number, times=2)
    assert time.monotonic() - began < 10 * SLOW


def test_second_signal_skips_to_the_drain_and_third_ends_it(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, healthcheck_interval="600s", write_timeout="600s", exec_timeout="600s",
                 **gate.env)  # fmt: skip
    with w.connect() as c:
        c.request()
        pid = gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log(LAME)
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        os.kill(pid, 0)
        w.send_signal(signal.SIGTERM)
        rest = c.raw_until_close()
        assert b" 200 " not in rest.split(b"\r\n")[0]
    w.ended()
    wait_gone(pid)


def test_flaw_39_calls_that_are_cut_lose_their_processes(watchdog, gate):
    """write_timeout=0: the drain does not wait at all."""
    w = watchdog("steps hold ignore-term say wait", write_timeout="0", **gate.env)
    with w.connect() as c:
        c.request()
        pids = [gate.started(), gate.started()]
        w.send_signal(signal.SIGTERM)
        w.ended()
    for pid in pids:
        wait_gone(pid)
    assert "Error in Shutdown: context deadline exceeded" in w.messages()
    assert [m for m in w.messages() if re.fullmatch(r"Exiting\. Active connections: \d+", m)]


@pytest.mark.parametrize("value", ["0", "-1s"])
@SIGNALS
def test_flaw_37_no_interval_is_no_wait(watchdog, mode, value, number):
    w = watchdog("cat", mode=mode, healthcheck_interval=value)
    began = time.monotonic()
    w.stop(number)
    assert time.monotonic() - began < 5 * SLOW


def test_flaw_37_interval_from_write_timeout_0(watchdog):
    w = watchdog("cat", healthcheck_interval=None, write_timeout="0")
    w.stop()


def test_flaw_38_unused_connections_do_not_delay(watchdog):
    w = watchdog("cat", write_timeout="600s", read_timeout="600s")
    used = w.connect()
    used.call("POST", body=b"x")
    for _ in range(5):
        w.connect()
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * SLOW


@pytest.mark.parametrize("raw", [b"GET / HT", b"GET / HTTP/1.1\r\nHost"], ids=["line", "head"])
def test_flaw_38_half_a_request_does_not_delay(watchdog, raw):
    """Nothing is in flight until its head is there."""
    w = watchdog("cat", write_timeout="600s", read_timeout="600s")
    c = w.connect()
    c.call("POST", body=b"x")
    c.send(raw)
    time.sleep(0.2)
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * SLOW


def test_flaw_41_sigint_drains_too(watchdog, gate, mode):
    w = watchdog("steps say wait out:done", mode=mode, **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGINT)
        w.wait_for_log("^No new connections allowed")
        gate.open()
        assert c.answer().body == b"done"
    w.ended()
    assert not w.lock.exists()


def test_lock_file_that_is_gone_already(watchdog):
    w = watchdog("cat")
    os.unlink(w.lock)
    lock = w.lock
    w.stop()
    assert f"Unable to mark server as unhealthy: remove {lock}: no such file or directory" in tail(w)


def test_suppressed_lock_is_not_removed_nor_missed(watchdog):
    w = watchdog("cat", suppress_lock="true")
    w.stop()
    assert "Exiting. Active connections: 0" in tail(w)


def test_body_that_is_still_coming_is_waited_for(watchdog, mode):
    w = watchdog("cat", mode=mode)
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"12345")
        eventually(w.family, "the function runs")
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        c.send(b"67890")
        assert c.answer().body == b"1234567890"
    w.ended()


def test_exit_while_many_calls_are_running(watchdog, gate):
    w = watchdog("steps say wait out:done", **gate.env)
    connections = [w.connect() for _ in range(50)]
    for c in connections:
        c.request()
    for _ in connections:
        gate.started()
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^No new connections allowed, draining: 50 requests$")
    gate.open(50)
    for c in connections:
        assert c.answer().body == b"done"
    w.ended()


def test_functions_do_not_get_the_signal(watchdog, gate):
    """A drain would be of no use if the calls it waits for were told to stop."""
    w = watchdog("steps catch-term say wait out:done", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed")
        assert gate.nothing_started(), "it was not told"
        gate.open()
        assert c.answer().body == b"done"
    w.ended()
