"""As process 1 of a container: it reaps orphans, passes signals on and ends with its worker's status."""

import os
import signal
import subprocess

import pytest

from harness import PATIENCE, SYSTEM_PATH, children_of, eventually, proc_stat, wait_gone

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


class Container:
    """A watchdog in a PID namespace of its own."""

    def __init__(self, w):
        self.w = w
        self.first = eventually(lambda: children_of(w.pid), "process 1 is there")[0]

    def signal(self, number):
        os.kill(self.first, number)

    def members(self):
        """Everything that lives in it, zombies too."""
        inside = os.readlink(f"/proc/{self.first}/ns/pid")
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    if os.readlink(f"/proc/{name}/ns/pid") == inside:
                        found.append(int(name))
                except OSError:  # gone, or a zombie, or not ours to look at
                    pass
        return found

    def zombies(self):
        """Their namespace cannot be read, but they are below process 1 or its worker."""
        parents = {self.first, *children_of(self.first)}
        return [p for parent in parents for p in children_of(parent) if (proc_stat(p) or {}).get("state") == "Z"]

    def worker(self):
        """The process that serves: the child of process 1, or process 1 itself."""
        children = [p for p in children_of(self.first) if not (proc_stat(p) or {}).get("state") == "Z"]
        return children[0] if children else self.first


@pytest.fixture
def container(watchdog):
    if subprocess.run([*UNSHARE, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces are not permitted here")

    def start(fprocess, **env):
        return Container(watchdog(fprocess, wrapper=UNSHARE, **env))

    return start


def test_serves(container, mode):
    c = container("cat", mode=mode)
    assert c.w.call("POST", body=b"hello").body == b"hello"
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_function_is_an_ordinary_process(container):
    """Not process 1, and the leader of its own group."""
    c = container("facts")
    facts = c.w.call().body.decode().splitlines()
    assert "leads-group 1" in facts
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_flaw_27_orphans_are_reaped(container, gate, mode):
    c = container("steps orphan orphan out:done", mode=mode, **gate.env)
    quiet = len(c.members())
    calls = 5
    for _ in range(calls):
        assert c.w.call().body == b"done"
    for _ in range(2 * calls):
        gate.started()
    eventually(lambda: len(c.members()) == quiet + 2 * calls, "the orphans are there")
    gate.open(2 * calls)
    eventually(lambda: len(c.members()) == quiet and not c.zombies(), "the orphans are reaped")
    c.signal(signal.SIGTERM)
    c.w.ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_signals_are_passed_on(container, gate, number):
    c = container("steps say wait out:done", **gate.env)
    with c.w.connect() as connection:
        connection.request()
        gate.started()
        c.signal(number)
        c.w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        gate.open()
        assert connection.answer().body == b"done"
    c.w.ended()


def test_second_signal_is_passed_on(container):
    c = container("cat", healthcheck_interval="600s")
    c.signal(signal.SIGTERM)
    c.w.wait_for_log("^SIGTERM: no new connections in ")
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_exit_status_is_passed(container, watchdog, taken_port):
    del container  # it skips where there are no namespaces
    w = watchdog("cat", wrapper=UNSHARE, port=taken_port, ready=False)
    assert w.process.wait(PATIENCE) == 1
    w.ended(status=1)


def test_worker_that_is_killed_ends_the_container(container):
    c = container("cat")
    worker = c.worker()
    if worker == c.first:
        pytest.skip("process 1 serves itself")
    lock = c.w.lock
    os.kill(worker, signal.SIGKILL)
    wait_gone(c.first)
    assert c.w.process.wait(PATIENCE) == 128 + signal.SIGKILL
    lock.unlink(missing_ok=True)
    c.w.ended(status=128 + signal.SIGKILL)


def test_calls_are_killed_with_their_groups(container, gate, mode):
    c = container("steps hold ignore-term say wait", mode=mode, exec_timeout="300ms", kill_grace="100ms", **gate.env)
    quiet = len(c.members())
    assert c.w.call().status in (408, 500, 504)
    for _ in range(2):
        gate.started()
    eventually(lambda: len(c.members()) == quiet and not c.zombies(), "no process of the call is left")
    c.signal(signal.SIGTERM)
    c.w.ended()


def test_nothing_but_the_watchdog_at_rest(container):
    c = container("cat")
    c.w.call("POST", body=b"x")
    eventually(lambda: len(c.members()) <= 2 and not c.zombies(), "at most process 1 and its worker")
    c.signal(signal.SIGTERM)
    c.w.ended()
