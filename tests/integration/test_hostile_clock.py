"""
Time that does not pass as usual: somebody stops fwatchdog or the function for a while, and clocks that are far from
where they are after a start of the machine.
"""

import os
import signal
import subprocess
import time

import pytest

from harness import PATIENCE, SLOW, SYSTEM_PATH, eventually, proc_stat, wait_gone
from http_client import assert_failure, request_bytes
from life import Life
from test_pid1 import UNSHARE, Container

KILLED = {"classic": 408, "streaming": 504, "serializing": 500}
NO_TIME = {"exec_timeout": "600s", "write_timeout": "600s", "read_timeout": "600s"}


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: proc_stat(pid)["state"] == "T", "it is stopped")


def thaw(pid):
    os.kill(pid, signal.SIGCONT)


# --- fwatchdog is stopped ---------------------------------------------------------------------------------------------


def test_function_ends_meanwhile(watchdog, gate, mode):
    w = watchdog("steps say wait out:done", mode=mode, **NO_TIME, **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        freeze(w.pid)
        gate.open()
        eventually(lambda: (proc_stat(pid) or {"state": "Z"})["state"] == "Z", "the function has ended")
        thaw(w.pid)
        assert c.answer().body == b"done"


def test_times_are_over_meanwhile(watchdog, gate, mode):
    """The call is ended late, but ended; and the next one is well."""
    w = watchdog("steps say wait out:done", mode=mode, exec_timeout="300ms", kill_grace="100ms", **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        freeze(w.pid)
        time.sleep(1)
        thaw(w.pid)
        assert c.answer().status == KILLED[mode]
        wait_gone(pid)
        gate.open()
        assert w.call().body == b"done"


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
def test_request_that_came_in_time(watchdog, mode, kept):
    """read_timeout is over when it goes on, but the client had sent all of its request long before."""
    w = watchdog("cat", mode=mode, read_timeout="500ms")
    with w.connect() as c:
        if kept:
            assert c.call("POST", body=b"x").body == b"x"
        else:
            c.send(b"POST / HTTP/1.1\r\n")
            assert w.call("GET", "/_/health").status == 200
        freeze(w.pid)
        c.send(request_bytes("POST", body=b"y")[0 if kept else len(b"POST / HTTP/1.1\r\n") :])
        time.sleep(1)
        thaw(w.pid)
        assert c.answer().body == b"y"


def test_clients_meanwhile(watchdog, mode):
    w = watchdog("cat", mode=mode, workers="2")
    freeze(w.pid)
    clients = [w.connect() for _ in range(50)]
    for i, c in enumerate(clients):
        c.request("POST", body=b"%d" % i)
    clients.pop().reset()
    clients.pop().close()
    thaw(w.pid)
    for i, c in enumerate(clients):
        assert c.answer().body == b"%d" % i


def test_signals_meanwhile(watchdog):
    """Two of the same are one for the kernel; that one is heeded."""
    w = watchdog("cat", healthcheck_interval="100ms")
    freeze(w.pid)
    for _ in range(3):
        w.send_signal(signal.SIGTERM)
    thaw(w.pid)
    w.ended()


def test_long_lived_function_ends_meanwhile(life):
    w = life.start("say", restart="on-failure")
    pid = life.gate.started()
    assert w.call("GET", "/status/200").status == 200
    freeze(w.pid)
    os.kill(pid, signal.SIGKILL)
    with w.connect() as c:
        c.request("GET", "/status/201")
        thaw(w.pid)
        assert life.gate.started() != pid
        assert c.answer().status in (201, 502)
    assert w.call("GET", "/status/202").status == 202


# --- the function is stopped ------------------------------------------------------------------------------------------


def test_stopped_call_goes_on(watchdog, gate, mode):
    """A stop is no end."""
    w = watchdog("steps say wait out:done", mode=mode, **NO_TIME, **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        freeze(pid)
        gate.open()
        assert w.call("GET", "/_/health").status == 200
        assert proc_stat(pid)["state"] == "T"
        thaw(pid)
        assert c.answer().body == b"done"


def test_stopped_call_reaches_its_time_limit(watchdog, gate, mode):
    """SIGTERM does nothing to it, SIGKILL does."""
    w = watchdog("steps say wait", mode=mode, exec_timeout="500ms", kill_grace="100ms", **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        freeze(pid)
        assert c.answer().status == KILLED[mode]
        wait_gone(pid)


def test_stopped_call_whose_client_leaves(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, kill_grace="100ms", **NO_TIME, **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        freeze(pid)
        c.reset()
        wait_gone(pid)


def test_stopped_long_lived_function(life):
    """Calls reach their time limit; when it goes on they are answered again, by the same process."""
    w = life.start("say", exec_timeout="500ms")
    pid = life.gate.started()
    assert w.call("GET", "/status/200").status == 200
    freeze(pid)
    assert_failure(w.call("GET", "/status/200"), 504, "exec_timeout", "500ms")
    thaw(pid)
    eventually(lambda: w.call("GET", "/").body == b"%d" % pid, "it answers again")
    w.stop()


def test_stopped_long_lived_function_is_ended(life):
    w = life.start("say", "catch-term:0", stop_grace="300ms")
    pid = life.gate.started()
    assert w.call("GET", "/status/200").status == 200
    freeze(pid)
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 0.3 + 5 * SLOW
    wait_gone(pid)


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def far_away(watchdog):
    """A watchdog whose monotonic clock shows `seconds`, plus those since the start of this fixture."""

    def start(fprocess, seconds, **changes):
        offset = int(seconds - time.clock_gettime(time.CLOCK_MONOTONIC))
        wrapper = ["unshare", "--time", f"--monotonic={offset}", f"--boottime={offset}", *UNSHARE]
        done = subprocess.run([*wrapper, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("time namespaces are not permitted here")
        return Container(watchdog(fprocess, wrapper=wrapper, **changes))

    return start


def clock_of(c):
    """The seconds that its monotonic clock is ahead of ours."""
    with open(f"/proc/{c.first}/timens_offsets", encoding="ascii") as f:
        return next(int(row.split()[1]) for row in f if row.startswith("monotonic"))


WRAPS = {"2^31 ms": 2**31 / 1e3, "2^32 ms": 2**32 / 1e3, "2^31 s": 2**31, "2^32 s": 2**32}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_clock_passes_a_power_of_two(far_away, gate, wrap):
    """Machines that run for 25 or 50 days; the others are for good measure. Times are kept before and behind it."""
    c = far_away("steps say wait out:done", wrap - 2, exec_timeout="1s", kill_grace="100ms", **gate.env)
    assert abs(clock_of(c) + time.clock_gettime(time.CLOCK_MONOTONIC) - wrap) < PATIENCE
    for _ in range(5):
        began = time.monotonic()
        assert c.w.call().status == 408
        gate.started()
        assert 0.9 < time.monotonic() - began < 1 + 5 * SLOW
    eventually(lambda: len(c.members()) == 2, "nobody waits at the gate any more")
    gate.open()
    assert c.w.call().body == b"done"
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_clock_of_a_century(far_away):
    """X-Duration-Seconds and the log hold differences, not clocks."""
    c = far_away("cat", 100 * 365 * 86400, mode="serializing")
    a = c.w.call("POST", body=b"x")
    assert float(a.value("X-Duration-Seconds")) < PATIENCE
    seconds = c.w.wait_for_log(r"^POST / - 200 - ContentLength: 1B \((.*)s\)$").group(1)
    assert float(seconds) < PATIENCE
    c.signal(signal.SIGTERM)
    c.w.ended()
