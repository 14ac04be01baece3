"""The lock file and the private endpoints that probes ask."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from harness import BINARY, eventually
from http_client import SECONDS, assert_answer

HEALTH = "/_/health"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def assert_healthy(a):
    assert_answer(a, 200, b"OK", TEXT)


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
    assert_answer(w.call("GET", HEALTH), 503, b"")
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
        assert_answer(w.call("GET", "/_/ready"), 429, b"")
        gate.open()
        assert c.answer().status == 200
    assert eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready again")


def test_ready_follows_the_lock_file(watchdog, other):
    w = watchdog("cat", mode=other)
    os.unlink(w.lock)
    assert_answer(w.call("GET", "/_/ready"), 503, b"")
    w.lock.touch()
    assert_answer(w.call("GET", "/_/ready"), 200, b"")


def test_flaw_42_ready_without_lock_file_is_from_state(watchdog, other):
    assert_answer(watchdog("cat", mode=other, suppress_lock="true").call("GET", "/_/ready"), 200, b"")


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
