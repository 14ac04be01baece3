"""
As process 1: 1,000 orphans that end at the same time, signals and calls in the middle of that, and the status of a
function that was not the first to end.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cgi_program import shell
from harness import PATIENCE, SYSTEM_PATH, eventually, free_port, proc_stat
from http_client import assert_failure
from life import PROGRAM
from test_pid1 import UNSHARE, Container

pytestmark = pytest.mark.serial

MANY = 1000
# Its orphans wait for the test and end with a status that is nobody's business.
BREED = f'i=0; while [ $i -lt {MANY} ]; do (sh -c "read -r _; exit 9" <"$ORPHANS" &); i=$((i + 1)); done'


class Nursery:
    """Orphans read their end from a pipe whose other end the test holds: closing it ends all of them at once."""

    def __init__(self, folder):
        self.path = folder / "orphans"
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self.env = {"ORPHANS": str(self.path)}

    def end_all(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@pytest.fixture
def nursery(scratch):
    n = Nursery(scratch)
    yield n
    n.end_all()


@pytest.fixture
def container(watchdog, nursery):
    if subprocess.run([*UNSHARE, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces are not permitted here")

    def start(fprocess, **env):
        return Container(watchdog(fprocess, wrapper=UNSHARE, **{"exec_timeout": "600s", **nursery.env, **env}))

    return start


@pytest.fixture
def contained_http(container, gate):
    """mode=http: a function that leaves its orphans and then serves."""

    def start(**changes):
        port = free_port()
        serve = f"exec {sys.executable} -S {PROGRAM} {port} say"
        settings = {"mode": "http", "http_upstream_url": f"http://127.0.0.1:{port}", "workers": "1", **gate.env}
        settings["write_timeout"] = "600s"
        c = container(shell(f"{BREED}; {serve}"), **settings, **changes)
        gate.started(timeout=3 * PATIENCE)
        return c

    return start


def children_count(pid):
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def zombies_count(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum((proc_stat(child) or {}).get("state") == "Z" for child in children)


def wait_orphans(c):
    eventually(lambda: children_count(c.first) > MANY, f"process 1 has {MANY} orphans", timeout=3 * PATIENCE)


def assert_reaped(c, left):
    """Process 1 keeps its worker and nobody else, and then it rests."""
    eventually(lambda: children_count(c.first) == 1 and not c.zombies(), "the orphans are reaped")
    assert len(c.members()) == left
    assert proc_stat(c.first)["state"] in "SI"


def stop(c):
    c.signal(signal.SIGTERM)
    c.w.ended()


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_orphans_of_calls(container, nursery, mode):
    c = container(shell(f'case $Http_Path in /breed) {BREED} >/dev/null 2>&1 ;; esac; printf done'), mode=mode)
    quiet = len(c.members())
    with c.w.connect() as breed:
        assert breed.call("GET", "/breed").body == b"done"
    wait_orphans(c)
    with c.w.connect() as call:
        assert call.call("GET", "/").body == b"done", "it serves beside them"
        nursery.end_all()
        for _ in range(20):
            assert call.call("GET", "/").body == b"done", "and while they end: nobody else's status is taken"
    assert_reaped(c, quiet)
    stop(c)


def test_statuses_of_calls_are_not_mixed_up(container, nursery):
    """Orphans exit with 9, calls with 3: in the middle of the storm, too."""
    c = container(shell(f'case $Http_Path in /breed) {BREED} >/dev/null 2>&1; exit 0 ;; esac; exit 3'))
    assert c.w.call("GET", "/breed").status == 200
    wait_orphans(c)
    nursery.end_all()
    with c.w.connect() as call:
        for _ in range(20):
            a = call.call("GET", "/")
            assert (a.status, a.body.rstrip()) == (500, b"exit status 3")
    assert_reaped(c, 2)
    stop(c)


def test_orphans_of_a_function(contained_http, nursery):
    c = contained_http()
    wait_orphans(c)
    with c.w.connect() as call:
        pid = call.call("GET", "/").body
        nursery.end_all()
        for _ in range(20):
            assert call.call("GET", "/").body == pid
    assert_reaped(c, 3)  # process 1, its worker and the function
    stop(c)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_signal_in_the_storm(contained_http, nursery, gate, number):
    """One SIGCHLD stands for many, and none of them stands for the signal."""
    c = contained_http()
    wait_orphans(c)
    with c.w.connect() as call:
        call.request("GET", "/wait")
        assert gate.word() == "call"
        os.kill(c.first, signal.SIGSTOP)
        eventually(lambda: proc_stat(c.first)["state"] == "T", "process 1 is stopped")
        nursery.end_all()
        eventually(lambda: zombies_count(c.first) >= MANY, "they have ended", timeout=3 * PATIENCE)
        c.signal(number)
        os.kill(c.first, signal.SIGCONT)
        c.w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        eventually(lambda: zombies_count(c.first) == 0, "the orphans are reaped")
        gate.open()
        assert call.answer().body == b"done"
    c.w.ended()


@pytest.mark.parametrize(
    "target, status",
    [("/exit/0", 0), ("/exit/255", 255), (f"/kill/{signal.SIGTERM:d}", 143)],
)
def test_status_of_the_function_is_the_containers(contained_http, nursery, target, status):
    """Not that of an orphan, of which there are 1,000 that have just ended and 1,000 that are to be killed."""
    c = contained_http(restart="never")
    wait_orphans(c)
    if status % 2:
        nursery.end_all()
    assert_failure(c.w.call("GET", target), 502)
    c.w.ended(status)


def test_other_signals_do_no_harm(container):
    """Those that would end an ordinary process, and those that would stop it."""
    c = container("cat")
    for number in set(signal.valid_signals()) - {1, 2, 15, signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        c.signal(number)
    for _ in range(3):
        assert c.w.call("POST", body=b"x").body == b"x"
    stop(c)


def test_stopped_orphan_is_no_dead_one(container, gate):
    """SIGCHLD comes for it, too; and killed by somebody else it goes like the others."""
    c = container("steps orphan out:done", **gate.env)
    quiet = len(c.members())
    assert c.w.call().body == b"done"
    inside = gate.started()
    (orphan,) = [p for p in c.members() if str(inside) in namespaced(p)]
    os.kill(orphan, signal.SIGSTOP)
    eventually(lambda: proc_stat(orphan)["state"] == "T", "it is stopped")
    assert c.w.call().body == b"done"
    gate.started()
    os.kill(orphan, signal.SIGKILL)
    gate.open()
    eventually(lambda: len(c.members()) == quiet and not c.zombies(), "both are reaped")
    stop(c)


def namespaced(pid):
    """The numbers of a process in the namespaces that it is in."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []


def test_long_life(container):
    """Hundreds of calls, each of which leaves a process that ends by itself: none is left, no descriptor either."""
    c = container(shell("(sleep 0.01 &) >/dev/null 2>&1; printf done"), workers="1")
    with c.w.connect() as call:
        assert call.call().body == b"done"
        worker = c.worker()
        before = len(os.listdir(f"/proc/{worker}/fd"))
        for _ in range(300):
            assert call.call().body == b"done"
        eventually(lambda: len(os.listdir(f"/proc/{worker}/fd")) <= before, "no descriptor is left")
    assert_reaped(c, 2)
    stop(c)


def test_it_is_no_reaper_outside_of_a_container(watchdog):
    """As an ordinary process it is one process: no second one beside it for signals."""
    w = watchdog("cat")
    assert w.call("POST", body=b"x").body == b"x"
    w.wait_no_processes()
    assert children_count(w.pid) == 0
