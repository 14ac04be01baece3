"""
mode=http: SIGTERM. The function hears of it when the last call is over, or the time for that is; then it
has stop_grace to end, and nothing of it is left.
"""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import PATIENCE, SLOW, SYSTEM_PATH, eventually, wait_gone
from life import Life
from test_pid1 import UNSHARE, Container

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


def begin_call(life, w, *steps):
    """A call that the function keeps."""
    c = w.connect()
    c.request("GET", "/wait")
    assert life.gate.word() == "call"
    return c


# --- after the last call ----------------------------------------------------------------------------------------------


@SIGNALS
def test_function_hears_of_it_after_the_last_call(life, number):
    """flaw 35: until then it is needed."""
    w = life.start("catch-term:0")
    with begin_call(life, w) as c, begin_call(life, w) as d:
        w.send_signal(number)
        w.wait_for_log("^No new connections allowed, draining: 2 requests$")
        life.gate.open()
        assert life.gate.word() == "answered"
        life.gate.open()
        assert life.gate.word() == "answered"
        assert c.answer().body == d.answer().body == b"done"
    assert life.gate.word() == "term"
    w.ended()
    assert not [m for m in w.messages() if m.startswith("Forked function has terminated")]
    assert w.messages()[-1] == "Exiting. Active connections: 0"


def test_function_serves_while_the_watchdog_is_lame(life):
    w = life.start("catch-term:0", healthcheck_interval="600s")
    with w.connect() as old:
        assert old.call("GET", "/status/200").status == 200
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^Removing lock-file : ")
        assert old.call("GET", "/status/201").status == 201
        assert w.call("GET", "/status/202").status == 202
        assert w.call("GET", "/_/ready").status == 503
        assert life.gate.nothing_started(), "it was told too early"
        w.send_signal(signal.SIGTERM)
        assert life.gate.word() == "term"
    w.ended()


def test_answer_under_way_is_a_call(life):
    w = life.start("catch-term:0")
    with w.connect() as c:
        c.request("GET", "/half")
        a = c.begin()
        assert life.gate.word() == "half"
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        assert life.gate.nothing_started()
        life.gate.open()
        c.rest(a)
        assert a.body == b"x" * 100 and not a.cut
    assert life.gate.word() == "term"
    w.ended()


# --- when the time is over --------------------------------------------------------------------------------------------


def test_time_for_draining_is_over(life):
    """A second signal says so: the call is cut, and the function told."""
    w = life.start("catch-term:0")
    with begin_call(life, w) as c:
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        assert life.gate.nothing_started()
        w.send_signal(signal.SIGTERM)
        assert b" 200 " not in c.raw_until_close().split(b"\r\n")[0]
        assert life.gate.word() == "term"
    w.ended()
    assert "Error in Shutdown: context deadline exceeded" in w.messages()


def test_no_time_for_draining(life):
    w = life.start("catch-term:0", write_timeout="-1s")
    with begin_call(life, w):
        w.send_signal(signal.SIGTERM)
        assert life.gate.word() == "term"
    w.ended()


def test_calls_that_are_held_are_not_waited_for_in_vain(life):
    """The function does not listen yet, and never will."""
    w = life.start("say", "wait", exec_timeout="600s")
    life.gate.started()
    with w.connect() as c:
        c.request("GET", "/held")
        eventually(lambda: w.call("GET", "/_/health").status == 200, "it has arrived")
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        w.send_signal(signal.SIGTERM)
        assert b" 200 " not in c.raw_until_close().split(b"\r\n")[0]
    w.ended()


# --- stop_grace -------------------------------------------------------------------------------------------------------


def test_function_that_does_not_listen_to_it(life):
    w = life.start("ignore-term", stop_grace="300ms")
    assert w.call("GET", "/status/200").status == 200
    w.send_signal(signal.SIGTERM)
    assert life.gate.word() == "ignored"
    began = time.monotonic()
    w.ended()
    assert 0.2 < time.monotonic() - began < 0.3 + 5 * SLOW
    assert "Forked function has terminated: signal: killed" in w.messages()


def test_default_of_stop_grace(life):
    w = life.start("ignore-term")
    assert w.call("GET", "/status/200").status == 200
    w.send_signal(signal.SIGTERM)
    assert life.gate.word() == "ignored"
    began = time.monotonic()
    w.ended()
    assert 4.5 < time.monotonic() - began < 5 + 5 * SLOW


def test_further_signal_does_not_wait(life):
    w = life.start("ignore-term", stop_grace="600s")
    assert w.call("GET", "/status/200").status == 200
    w.send_signal(signal.SIGTERM)
    assert life.gate.word() == "ignored"
    w.send_signal(signal.SIGTERM)
    w.ended()


def test_function_that_is_quick_is_not_waited_for(life):
    w = life.start("catch-term:0", stop_grace="600s")
    assert w.call("GET", "/status/200").status == 200
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * SLOW


@pytest.mark.parametrize("status", [0, 3])
def test_status_after_sigterm_is_an_orderly_end(life, status):
    """It did as it was told, whatever it says about that; the log has it."""
    w = life.start(f"catch-term:{status}")
    assert w.call("GET", "/status/200").status == 200
    w.stop()
    told = [m for m in w.messages() if m.startswith("Forked function has terminated")]
    assert told == ([f"Forked function has terminated: exit status {status}"] if status else [])
    assert w.stdout().endswith("stdout: bye\n"), "its last words are logged"


def test_group_is_ended_with_it(life):
    """SIGTERM is for all of it; what has not ended a moment later, together with the function, is killed."""
    w = life.start("catch-term:0", stop_grace="600s")
    assert w.call("GET", "/hold").body == b"held"
    other = life.gate.started()
    w.send_signal(signal.SIGTERM)
    assert life.gate.word() == "term"
    w.ended()
    wait_gone(other)


def test_stubborn_group_is_killed_after_stop_grace(life):
    w = life.start("catch-term:0", stop_grace="300ms")
    assert w.call("GET", "/hold-stubborn").body == b"held"
    other = life.gate.started()
    w.send_signal(signal.SIGTERM)
    w.ended()
    wait_gone(other)


# --- ends that coincide -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 0), (signal.SIGKILL, 137)])
@pytest.mark.parametrize("stage", ["lame", "draining"])
def test_somebody_else_ends_the_function_during_the_shutdown(life, stage, number, status):
    """Who ends everybody at once, as systemd does, is no failure; another end is one."""
    w = life.start("say", healthcheck_interval="600s" if stage == "lame" else "0")
    pid = life.gate.started()
    with begin_call(life, w) as c:
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^SIGTERM: " if stage == "lame" else "^No new connections allowed, draining: 1 requests$")
        os.kill(pid, number)
        assert c.answer().status == 502
    w.ended(status)


def test_no_restart_during_the_shutdown(life):
    w = life.start("say", restart="always", healthcheck_interval="600s")
    pid = life.gate.started()
    with begin_call(life, w):
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^Removing lock-file : ")
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)  # its back-off is 100 ms
        w.send_signal(signal.SIGTERM)
        w.process.wait(PATIENCE)
    assert len([m for m in w.messages() if m.startswith("Starting the function again")]) <= 1
    w.ended(w.process.returncode)


# --- as process 1 -----------------------------------------------------------------------------------------------------


@pytest.fixture
def contained(life):
    """The watchdog as process 1 of a container of its own, with a function in it."""
    if subprocess.run([*UNSHARE, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces are not permitted here")
    inner = life.watchdog

    def start(*steps, **changes):
        life.watchdog = lambda *args, **more: inner(*args, wrapper=UNSHARE, **more)
        return Container(life.start(*steps, **changes))

    return start


def test_container_stops(contained, life):
    c = contained("catch-term:0")
    with begin_call(life, c.w) as call:
        c.signal(signal.SIGTERM)
        c.w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        life.gate.open()
        assert life.gate.word() == "answered"
        assert call.answer().body == b"done"
    assert life.gate.word() == "term"
    c.w.ended()


@pytest.mark.parametrize("target, status", [("/exit/0", 0), ("/exit/3", 3), (f"/kill/{signal.SIGKILL:d}", 137)])
def test_container_ends_with_the_functions_status(contained, target, status):
    c = contained()
    lock = c.w.lock
    assert c.w.call("GET", target).status == 502
    c.w.ended(status)
    assert not lock.exists()


def test_container_reaps_what_a_function_leaves(contained, life):
    """flaw 27: orphans have nobody but process 1."""
    c = contained()
    assert c.w.call("GET", "/").status == 200
    quiet = len(c.members())
    for _ in range(3):
        assert c.w.call("GET", "/orphan").body == b"held"
        life.gate.started()
    life.gate.open(3)
    eventually(lambda: len(c.members()) == quiet and not c.zombies(), "the orphans are reaped")
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_container_restarts_its_function(contained, life):
    c = contained(restart="always")
    with c.w.connect() as call:
        for _ in range(2):
            first = call.call("GET", "/")
            assert call.call("GET", "/hold").body == b"held"
            life.gate.started()
            life.end(c.w, 0)
            second = call.call("GET", "/")
            assert (second.status, second.body != first.body) == (200, True)
    eventually(lambda: len(c.members()) == 3 and not c.zombies(), "process 1, its worker and the function")
    c.signal(signal.SIGTERM)
    c.w.ended()
    assert re.search("Starting the function again", c.w.err.text())
