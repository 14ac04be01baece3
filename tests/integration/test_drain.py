"""
The drain, in every mode: no call that ends in time is lost, nobody who connects is reset, and it is over with the
last call or after shutdown_timeout. Stopped as Kubernetes and systemd do it.
"""

import os
import signal
import threading
import time

import pytest

from harness import PATIENCE, SLOW, eventually, free_port, proc_stat, wait_gone
from held import MODES, Held
from http_client import NoAnswer

DRAINING = r"^No new connections allowed, draining: %s requests$"
GIVEN_UP = "Error in Shutdown: "
KILLED = {"classic": 408, "streaming": 504, "serializing": 500, "cgi": 504, "http": 504}


@pytest.fixture(params=MODES)
def held(request, watchdog, scratch, gate):
    return Held(watchdog, scratch, gate, request.param)


@pytest.fixture(params=[m for m in MODES if m != "static"])
def with_process(request, watchdog, scratch, gate):
    """The modes whose calls are ended by exec_timeout, and whose functions are processes."""
    return Held(watchdog, scratch, gate, request.param)


@pytest.fixture
def streaming(watchdog, scratch, gate):
    return Held(watchdog, scratch, gate, "streaming")


@pytest.fixture
def http(watchdog, scratch, gate):
    return Held(watchdog, scratch, gate, "http")


def refused(w):
    try:
        w.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def freeze(w):
    """Until SIGCONT it sees nothing of what happens."""
    w.send_signal(signal.SIGSTOP)
    eventually(lambda: proc_stat(w.pid)["state"] == "T", "it is stopped")


def assert_ends_at_once(w, status=0):
    began = time.monotonic()
    w.ended(status)
    assert time.monotonic() - began < 5 * SLOW


def assert_ends_in(w, seconds):
    """Not before, and not much later; measured from now."""
    began = time.monotonic()
    w.ended()
    assert seconds - 0.1 < time.monotonic() - began < seconds + 5 * SLOW


# --- calls in flight --------------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_none_of_200_calls_in_flight_is_lost(held):
    w = held.start()
    calls = held.begin(w, 200)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 200)
    eventually(lambda: refused(w), "nobody can connect any more")
    held.finish(calls)
    assert_ends_at_once(w)
    assert w.messages()[-1] == "Exiting. Active connections: 0"
    assert not [m for m in w.messages() if m.startswith(GIVEN_UP)]


def test_requests_that_arrived_before_the_drain_are_answered(held):
    """They wait in the backlog, more of them than are taken at a time, when the signal comes."""
    w = held.start(workers="2")
    freeze(w)
    waiting = [w.connect() for _ in range(100)]
    for c in waiting:
        c.request("GET", held.quick)
    w.send_signal(signal.SIGTERM)
    w.send_signal(signal.SIGCONT)
    for c in waiting:
        held.assert_quick(c.answer())
    assert_ends_at_once(w)


def test_client_that_has_just_connected_is_answered(held):
    """Its connection was accepted, and its request comes a moment after the drain has begun."""
    w = held.start()
    freeze(w)
    waiting = [w.connect() for _ in range(20)]
    w.send_signal(signal.SIGTERM)
    w.send_signal(signal.SIGCONT)
    w.wait_for_log(DRAINING % 0)
    for c in waiting:
        c.request("GET", held.quick)
    for c in waiting:
        held.assert_quick(c.answer())
    assert_ends_at_once(w)


class Clients:
    """Threads that call until they are refused, or told to stop, and remember what went wrong."""

    def __init__(self, w, held, n, kept=False):
        self.w = w
        self.held = held
        self.kept = kept  # each on one connection, instead of a new one for each call
        self.over = threading.Event()
        self.answers = 0
        self.errors = []
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            connection = self.w.connect() if self.kept else None
            while not self.over.is_set():
                try:
                    c = connection or self.w.connect()
                except ConnectionRefusedError:
                    return
                fields = [] if self.kept else [("Connection", "close")]
                self.held.assert_quick(c.call("GET", self.held.quick, fields=fields))
                if not self.kept:
                    c.close()
                with self.changed:
                    self.answers += 1
                    self.changed.notify_all()
        except (AssertionError, NoAnswer, OSError) as error:
            with self.changed:
                self.errors.append(error)
                self.changed.notify_all()

    def wait_for_more(self, n):
        with self.changed:
            wanted = self.answers + n
            assert self.changed.wait_for(lambda: self.answers >= wanted or self.errors, PATIENCE)

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert self.errors == [], self.errors


@pytest.mark.parametrize("attempt", range(3))
def test_new_connections_are_answered_or_refused(held, attempt):
    """Clients connect all the time while it goes from serving to gone."""
    del attempt  # it depends on what happens between which two steps of the shutdown
    w = held.start(workers="2")
    clients = Clients(w, held, 6)
    clients.wait_for_more(30)
    w.send_signal(signal.SIGTERM)
    clients.join()
    assert_ends_at_once(w)


def test_call_that_reaches_its_time_limit_gets_its_answer(with_process):
    """exec_timeout ends it while others are waited for; what it is told is not cut."""
    w = with_process.start(exec_timeout="700ms")
    if with_process.life:
        eventually(lambda: w.call("GET", "/_/ready").status == 200, "the function listens")
    (c,) = with_process.begin(w, 1)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 1)
    a = c.answer()
    assert (a.status, a.cut) == (KILLED[with_process.mode], False), a
    if with_process.life:
        with_process.gate.open()  # it still waits, and would say "answered" for ever
    w.ended()
    assert not [m for m in w.messages() if m.startswith(GIVEN_UP)]


def test_request_behind_an_answer_of_the_drain(held):
    """What was sent on the same connection behind a call in flight is not answered, and the client can tell."""
    w = held.start()
    (c,) = held.begin(w, 1)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 1)
    c.request("GET", held.quick)
    held.finish([c])
    rest = c.raw_until_close()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 200 "), rest
    w.ended()


# --- shutdown_timeout -------------------------------------------------------------------------------------------------


def test_time_for_draining(held):
    w = held.start(shutdown_timeout="700ms")
    held.begin(w, 2)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 2)
    assert_ends_in(w, 0.7)
    assert [m for m in w.messages() if "shutdown_timeout" in m and "700ms" in m], "the log says which limit it was"


def test_cut_answers_look_cut(streaming):
    w = streaming.start(shutdown_timeout="300ms")
    (c,) = streaming.begin(w, 1)
    w.send_signal(signal.SIGTERM)
    assert b" 200 " not in c.raw_until_close().split(b"\r\n")[0]
    w.ended()


def test_it_begins_when_the_wait_is_over(streaming):
    w = streaming.start(shutdown_timeout="500ms", healthcheck_interval="500ms")
    streaming.begin(w, 1)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIGTERM: no new connections in 500ms$")
    assert_ends_in(w, 1.0)


def test_time_of_the_function_comes_on_top(http):
    w = http.start("ignore-term", shutdown_timeout="500ms", stop_grace="500ms")
    http.begin(w, 1)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 1)
    assert_ends_in(w, 1.0)
    assert "Forked function has terminated: signal: killed" in w.messages()


def test_longer_than_write_timeout(watchdog, gate):
    """Without a limit for answers there still is one for draining; formerly it was none, so no time at all."""
    w = watchdog("steps say wait out:done", write_timeout="0", shutdown_timeout="600s", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log(DRAINING % 1)
        gate.open()
        assert c.answer().body == b"done"
    assert_ends_at_once(w)


@pytest.mark.parametrize("value", ["0", "0s", "-1s"])
def test_no_time_for_draining(streaming, value):
    w = streaming.start(shutdown_timeout=value)
    streaming.begin(w, 2)
    pids = w.family()
    w.send_signal(signal.SIGTERM)
    assert_ends_at_once(w)
    for pid in pids:
        wait_gone(pid)


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({}, ("30s", "default")),
        ({"write_timeout": "90"}, ("1m30s", "default")),
        ({"write_timeout": "90", "shutdown_timeout": ""}, ("1m30s", "default")),
        ({"write_timeout": "90", "shutdown_timeout": "5"}, ("5s", "environment")),
        ({"write_timeout": "5d"}, ("30s", "default")),
    ],
    ids=lambda v: None if isinstance(v, tuple) else " ".join(map("=".join, v.items())),
)
def test_default(fwatchdog, given, wanted):
    for mode in ("classic", "streaming"):
        ended = fwatchdog("--check", fprocess="cat", mode=mode, **given)
        assert ended.settings().get("shutdown_timeout") == wanted, ended


@pytest.mark.parametrize("value", ["5d", "soon", "-5"])
def test_bad_value_stops_the_start(fwatchdog, value):
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", shutdown_timeout=value)
        assert ended.status == 1
        assert [m for m in ended.all.splitlines() if "shutdown_timeout" in m and f'"{value}"' in m], ended


# --- Kubernetes -------------------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_kubernetes_stop(held):
    """
    It is served while preStop sleeps. SIGTERM makes it not ready, which the probe finds out. Only then do clients
    stop; those of new connections, of kept ones and of slow calls notice nothing.
    """
    w = held.start(healthcheck_interval="2s")
    probe = "/_/health" if held.mode == "classic" else "/_/ready"
    eventually(lambda: w.call("GET", probe).status == 200, "it is ready")
    slow = held.begin(w, 10)
    clients = [Clients(w, held, 2), Clients(w, held, 2, kept=True)]
    for c in clients:
        c.wait_for_more(10)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIGTERM: no new connections in 2s$")
    for _ in range(2):  # failureThreshold
        eventually(lambda: w.call("GET", probe).status == 503, "the probe fails")
    for c in clients:
        c.wait_for_more(3)
        c.over.set()
        c.join()
    w.wait_for_log(DRAINING % 10)
    held.finish(slow)
    assert_ends_at_once(w)


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_systemd_kills_what_does_not_stop_and_starts_it_again(held):
    """KillMode=mixed: SIGTERM for the main process, SIGKILL for all of the unit when TimeoutStopSec is over."""
    settings = {"port": free_port()}
    w = held.start(**settings)
    held.begin(w, 3)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log(DRAINING % 3)
    for pid in [w.pid, *w.family()]:
        os.kill(pid, signal.SIGKILL)
    w.ended(-signal.SIGKILL)
    again = held.start(**settings)
    eventually(lambda: again.call("GET", held.quick).status == 200, "it serves")
    again.stop()


def test_systemd_starts_it_again_after_a_crash(held):
    """The lock file of the one that was killed is still there."""
    settings = {"port": free_port()}
    w = held.start(**settings)
    held.begin(w, 3)
    w.kill()
    assert w.lock.exists()
    again = held.start(**settings)
    assert again.call("GET", "/_/health").status == 200
    eventually(lambda: again.call("GET", held.quick).status == 200, "it serves")
    again.stop()


@pytest.mark.parametrize("first", ["watchdog", "function"])
def test_systemd_ends_everybody_at_once(with_process, first):
    """KillMode=control-group: SIGTERM for all. Functions that end of it are no failure of the unit."""
    w = with_process.start()
    calls = with_process.begin(w, 3)
    functions = w.family()
    freeze(w)
    order = [w.pid, *functions]
    for pid in order if first == "watchdog" else reversed(order):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: all((proc_stat(p) or {"state": "Z"})["state"] == "Z" for p in functions), "the functions ended")
    w.send_signal(signal.SIGCONT)
    for c in calls:
        assert 500 <= c.answer().status < 600, "it is told what happened"
    w.ended()


def test_systemd_ends_everybody_and_the_function_finishes_its_calls(proxied, upstream, gate):
    """It stops by itself when it is told to, as good servers do: after the call in flight."""
    w = proxied("steps ignore-term say wait", stop_grace="600s", **gate.env)
    pid = gate.started()
    with w.connect() as c:
        c.request("GET", "/x")
        link = upstream.link()
        link.request()
        for each in (w.pid, pid):
            os.kill(each, signal.SIGTERM)
        w.wait_for_log(DRAINING % 1)
        link.answer(b"done")
        assert c.answer().body == b"done"
    gate.open()
    assert_ends_at_once(w)
    assert not [m for m in w.messages() if m.startswith(GIVEN_UP)]
