"""The lock file and the private endpoints that probes ask."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from harness import BINARY, eventually, wait_gone
from http_client import SECONDS, assert_answer
from test_inflight import assert_limited
from test_metrics import rows

HEALTH = "/_/health"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def assert_healthy(a):
    assert_answer(a, 200, b"OK", TEXT)


def assert_lock_missing(a, w):
    assert_answer(a, 503, f"the lock file {w.lock} is missing\n".encode(), TEXT)


def assert_full(a, n):
    assert_answer(a, 429, b"max_inflight %d reached\n" % n, {**TEXT, "Retry-After": "1"})


# --- lock file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask, permissions", [(0o000, 0o660), (0o022, 0o640), (0o077, 0o600)])
def test_lock_file(watchdog, mode, umask, permissions):
    w = watchdog("cat", mode=mode, popen={"umask": umask})
    status = w.lock.lstat()
    assert stat.S_ISREG(status.st_mode) and status.st_size == 0
    assert stat.S_IMODE(status.st_mode) == permissions


def test_lock_file_that_exists_is_truncated_and_kept(watchdog, scratch):
    lock = scratch / "tmp" / ".lock"
    lock.write_text("old")
    lock.chmod(0o644)
    before = lock.stat()
    watchdog("cat")
    eventually(lambda: lock.stat().st_size == 0, "it is truncated")
    after = lock.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_lock_file_is_there_when_the_server_answers(watchdog):
    w = watchdog("cat", ready=False)
    w.wait_for_log("^Writing lock-file to: ")
    assert_healthy(eventually(lambda: (a := w.call("GET", HEALTH)).status == 200 and a, "it is healthy"))
    assert w.lock.exists()


def test_health_check_of_the_program_agrees(watchdog, fwatchdog):
    w = watchdog("cat")
    assert fwatchdog("--run-healthcheck").status == 0
    w.stop()
    assert fwatchdog("--run-healthcheck").status == 1


# --- /_/health --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [HEALTH, HEALTH + "?q=1", "/%5f/health", "/_/%68ealth", "/_/health?"])
def test_health(watchdog, mode, path):
    w = watchdog("cat", mode=mode)
    assert_healthy(w.call("GET", path))
    assert w.stop_and_read() == [], "it is not logged"


@pytest.mark.parametrize("path", ["/_/health/", "/_/Health", "/_/healthx", "/_/", "/_", "//_/health"])
def test_other_paths_go_to_the_function(watchdog, mode, path):
    a = watchdog("steps out:function", mode=mode).call("GET", path)
    assert (a.status, a.body) == (200, b"function")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", "FOO"])
def test_health_by_other_methods_is_405(watchdog, mode, method):
    w = watchdog("cat", mode=mode)
    with w.connect() as c:
        a = c.call(method, HEALTH)
        assert_answer(a, 405, b"", {"Allow": "GET"} if a.values("Allow") else {}, framing=("length", "none"))
        c.assert_usable()
    assert w.stop_and_read() == []


def test_health_with_a_body(watchdog):
    with watchdog("cat").connect() as c:
        assert_healthy(c.call("GET", HEALTH, body=b"x" * 1000))
        c.assert_usable()


def test_health_follows_the_lock_file(watchdog, mode):
    w = watchdog("cat", mode=mode)
    os.unlink(w.lock)
    assert_lock_missing(w.call("GET", HEALTH), w)
    assert w.call("POST", body=b"x").body == b"x", "it still serves"
    w.lock.touch()
    assert_healthy(w.call("GET", HEALTH))


@pytest.mark.parametrize("mode, value", [("classic", "true"), ("streaming", "true"), ("serializing", "1")])
def test_flaw_42_health_without_lock_file_is_from_state(watchdog, mode, value):
    w = watchdog("cat", mode=mode, suppress_lock=value)
    assert_healthy(w.call("GET", HEALTH))
    assert not w.lock.exists()


def test_health_is_outside_the_limit(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, max_inflight="1", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        assert_healthy(w.call("GET", HEALTH))
        gate.open()
        assert c.answer().status == 200


# --- /_/ready ---------------------------------------------------------------------------------------------------------


def test_ready_goes_to_the_function_in_classic(watchdog):
    a = watchdog("steps out:function").call("GET", "/_/ready")
    assert_answer(a, 200, b"function", {**TEXT, "X-Duration-Seconds": SECONDS})


@pytest.fixture(params=["streaming", "serializing"])
def other(request):
    return request.param


@pytest.mark.parametrize("path", ["/_/ready", "/_/ready?q", "/%5f/read%79"])
def test_ready(watchdog, other, path):
    w = watchdog("cat", mode=other)
    assert_answer(w.call("GET", path), 200, b"")
    assert w.stop_and_read() == []


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_ready_by_other_methods_is_405(watchdog, other, method):
    a = watchdog("cat", mode=other).call(method, "/_/ready")
    assert_answer(a, 405, b"", {"Allow": "GET"} if a.values("Allow") else {}, framing=("length", "none"))


def test_ready_says_when_the_limit_is_reached(watchdog, gate, other):
    w = watchdog("steps say wait", mode=other, max_inflight="1", **gate.env)
    with w.connect() as c:
        assert_answer(w.call("GET", "/_/ready"), 200, b"")
        c.request()
        gate.started()
        assert_full(w.call("GET", "/_/ready"), 1)
        gate.open()
        assert c.answer().status == 200
    assert eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready again")


def test_ready_follows_the_lock_file(watchdog, other):
    w = watchdog("cat", mode=other)
    os.unlink(w.lock)
    assert_lock_missing(w.call("GET", "/_/ready"), w)
    w.lock.touch()
    assert_answer(w.call("GET", "/_/ready"), 200, b"")


def test_flaw_42_ready_without_lock_file_is_from_state(watchdog, other):
    assert_answer(watchdog("cat", mode=other, suppress_lock="true").call("GET", "/_/ready"), 200, b"")


@pytest.mark.parametrize("path", [HEALTH, "/_/ready"])
def test_first_reason_is_told(watchdog, gate, other, path):
    """Why it is unhealthy comes before being full, and that it stops before the lock file, which is gone then too."""
    w = watchdog("steps say wait out:done", mode=other, max_inflight="1", healthcheck_interval="600s", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        os.unlink(w.lock)
        assert_lock_missing(w.call("GET", path), w)
        assert_answer(w.call("HEAD", path), 405, b"", framing="none")
        w.lock.touch()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^Removing lock-file : ")
        assert_answer(w.call("GET", path), 503, b"shutting down\n", TEXT)
        assert_answer(w.call("POST", path), 405, b"")
        gate.open()
        assert c.answer().body == b"done"


def test_the_folder_of_the_lock_file_may_have_any_name(watchdog, scratch):
    folder = scratch / "a\tb \u00e4"
    w = watchdog("cat", TMPDIR=folder)
    w.lock.unlink()
    a = w.call("GET", HEALTH)
    assert_answer(a, 503, f"the lock file {folder}/.lock is missing\n".encode(), TEXT)


# --- ready_path -------------------------------------------------------------------------------------------------------


@pytest.fixture
def probed(measured, gate, other):
    """A function that is asked by probes, too, and has one place."""

    def start(fprocess="steps say wait out:done", **more):
        return measured(fprocess, **{"mode": other, "ready_path": "/ready", "max_inflight": "1", **gate.env, **more})

    return start


def test_ready_path_takes_a_place(probed, gate):
    w = probed()
    with w.connect() as probe, w.connect() as c:
        probe.request("GET", "/_/ready")
        gate.started()
        assert_limited(c.call(), 1)
        assert_full(w.call("GET", "/_/ready"), 1)
        assert gate.nothing_started()
        gate.open()
        assert probe.answer().body == b"done"
        c.request()
        gate.started()
        assert_full(probe.call("GET", "/_/ready"), 1)
        gate.open()
        assert c.answer().body == b"done"
        probe.request("GET", "/_/ready")
        gate.started()
        gate.open()
        assert probe.answer().body == b"done"


def test_call_waits_for_the_place_of_a_probe(probed, gate):
    """A probe itself never waits in the line."""
    w = probed(max_queue="2")
    with w.connect() as probe, w.connect() as c, w.connect() as d:
        probe.request("GET", "/_/ready")
        gate.started()
        for i, waiting in enumerate((c, d), 1):
            waiting.request()
            eventually(lambda i=i: rows(w)["bandog_queue_depth"] == str(i), "it waits")
        assert_full(w.call("GET", "/_/ready"), 1)
        for answered in (probe, c):
            gate.open()
            assert answered.answer().body == b"done"
            gate.started()
            assert_full(w.call("GET", "/_/ready"), 1)
        gate.open()
        assert d.answer().body == b"done"


@pytest.mark.parametrize("how", ["reset", "close", "timeout"])
def test_place_of_a_probe_comes_back(probed, gate, how):
    w = probed(exec_timeout="400ms" if how == "timeout" else "600s", max_queue="1")
    for _ in range(3):
        with w.connect() as probe:
            probe.request("GET", "/_/ready")
            pid = gate.started()
            if how == "timeout":
                assert probe.answer().status in (500, 504)
            else:
                getattr(probe, how)()
            wait_gone(pid)
    with w.connect() as c:
        c.request()
        gate.started()
        gate.open()
        assert c.answer().body == b"done"


def test_probe_of_a_function_that_fails_gives_its_place_back(probed):
    w = probed("no-such-program")
    for _ in range(3):
        assert w.call("GET", "/_/ready").status == 500
        assert w.call().status == 500, "it had a place"


def test_probes_are_no_requests_of_the_metrics(probed, gate):
    w = probed()
    with w.connect() as probe:
        probe.request("GET", "/_/ready")
        gate.started()
        assert rows(w)["http_requests_in_flight"] == "0"
        assert w.call("GET", "/_/ready").status == 429
        gate.open()
        assert probe.answer().status == 200
    assert [name for name in rows(w) if name.startswith("http_requests_total")] == []


def test_ready_path_with_a_body_is_400_and_takes_no_place(probed, gate):
    w = probed()
    with w.connect() as probe, w.connect() as c:
        assert probe.call("GET", "/_/ready", body=b"x").status == 400
        c.request()
        gate.started()
        gate.open()
        assert c.answer().body == b"done"


@pytest.mark.parametrize("value", [None, ""])
def test_default_folder_of_the_lock_file(watchdog, scratch, value):
    """/tmp, which is another folder inside this watchdog's mount namespace."""
    wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /tmp && exec "$@"', str(scratch / "tmp")]
    if Path("/tmp") in BINARY.parents:
        pytest.skip("the program itself is below /tmp")
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    w = watchdog("cat", TMPDIR=value, wrapper=wrapper)
    w.wait_for_log("^Writing lock-file to: /tmp/.lock$")
    assert_healthy(w.call("GET", HEALTH))
