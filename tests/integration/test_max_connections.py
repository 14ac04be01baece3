"""max_connections: more clients wait in the backlog, are served in the end, and cost nothing meanwhile."""

import re
import select
import signal
import time

import pytest

from harness import PATIENCE, SLOW, eventually, free_port
from http_client import Connection, NoAnswer, request_bytes
from test_metrics import scrape
from waiting import is_silent, sockets

REACHED = r"max_connections.*\b{}\b"
AGAIN = "accepting connections again"
CLOSE = [("Connection", "close")]
NO_HURRY = {"read_timeout": "600s", "write_timeout": "600s", "exec_timeout": "600s"}


@pytest.fixture
def limited(watchdog):
    """Like `watchdog`, for connections()."""

    def start(fprocess="cat", **changes):
        w = watchdog(fprocess, **changes)
        w.sockets_at_rest = sockets(w)
        return w

    return start


def connections(w):
    return sockets(w) - w.sockets_at_rest


@pytest.fixture(params=["1", "3"])
def workers(request):
    return request.param


def used(w):
    """A connection that was of use and is kept."""
    c = w.connect()
    assert c.call("GET", "/_/health").status == 200
    return c


def count(w, pattern):
    return len([m for m in w.messages() if re.search(pattern, m)])


# --- who waits --------------------------------------------------------------------------------------------------------


def test_client_waits_for_an_idle_connection_to_close(limited, workers):
    w = limited("cat", max_connections="2", workers=workers, **NO_HURRY)
    idle = [used(w), used(w)]
    c = w.connect()
    c.request("POST", body=b"hello")
    w.wait_for_log(REACHED.format(2))
    assert is_silent(c) and connections(w) == 2
    idle.pop().close()
    assert c.answer().body == b"hello"
    idle.pop().close()
    assert used(w).call("POST", body=b"x").body == b"x"


def test_exactly_so_many(limited, workers):
    """The limit itself is no reason to complain."""
    w = limited("cat", max_connections="3", workers=workers, **NO_HURRY)
    clients = [used(w) for _ in range(3)]
    for _ in range(5):
        for c in clients:
            assert c.call("POST", body=b"x").body == b"x"
    assert connections(w) == 3


def test_connections_that_have_said_nothing_count(limited):
    w = limited("cat", max_connections="2", **NO_HURRY)
    silent = [w.connect(), w.connect()]
    eventually(lambda: connections(w) == 2, "they are accepted")
    c = w.connect()
    c.request("POST", body=b"x")
    w.wait_for_log(REACHED.format(2))
    assert is_silent(c)
    silent[0].close()
    assert c.answer().body == b"x"


def test_client_waits_for_a_call_to_end(limited, gate, mode, workers):
    w = limited("steps say wait out:done", mode=mode, max_connections="2", workers=workers, **gate.env, **NO_HURRY)
    busy = [w.connect(), w.connect()]
    for c in busy:
        c.request("GET", fields=CLOSE)
        gate.started()
    c = w.connect()
    c.request("GET", fields=CLOSE)
    w.wait_for_log(REACHED.format(2))
    assert is_silent(c) and gate.nothing_started()
    for kept in (*busy, c):
        gate.open()
        next_one = [k for k in (*busy, c) if k.socket.fileno() >= 0]
        ready = select.select([k.socket for k in next_one], [], [], PATIENCE)[0]
        k = next(k for k in next_one if k.socket in ready)
        assert k.answer().body == b"done"
        k.assert_closed()
        k.close()
        if kept is busy[0]:
            gate.started()


@pytest.mark.serial
@pytest.mark.parametrize("limit", [1, 4])
def test_many_clients_wait(limited, gate, workers, limit):
    w = limited("steps say wait out:done", max_connections=limit, workers=workers, **gate.env, **NO_HURRY)
    clients = [w.connect() for _ in range(80)]
    for c in clients:
        c.request("GET", fields=CLOSE)
    for _ in range(limit):
        gate.started()
    w.wait_for_log(REACHED.format(limit))
    assert connections(w) == limit and gate.nothing_started()
    most = 0
    for _ in range(len(clients) - limit):
        gate.open()
        gate.started()
        most = max(most, connections(w))
    assert most <= limit
    gate.open(limit)
    for c in clients:
        a = c.answer()
        assert (a.status, a.body) == (200, b"done")
        c.assert_closed()
    for c in [used(w) for _ in range(limit)]:
        c.close()


def test_idle_connections_make_room_in_time(limited):
    """read_timeout closes them, so nobody waits for ever."""
    w = limited("cat", max_connections="2", read_timeout="500ms")
    w.connect(), used(w)
    began = time.monotonic()
    for _ in range(4):
        assert w.call("POST", body=b"x").body == b"x"
    assert time.monotonic() - began < 5 * SLOW


def test_clients_that_leave_the_backlog(limited, workers):
    w = limited("cat", max_connections="1", workers=workers, **NO_HURRY)
    idle = used(w)
    waiting = [w.connect() for _ in range(20)]
    for i, c in enumerate(waiting):
        c.request("POST", body=b"x")
        if i % 2:
            c.close()
        elif i % 4:
            c.reset()
    w.wait_for_log(REACHED.format(1))
    idle.close()
    for c in waiting[::4]:
        assert c.answer().body == b"x"
        c.close()
    assert used(w)


# --- no room is lost --------------------------------------------------------------------------------------------------


def test_each_way_to_end_makes_room(limited, gate, workers):
    program = 'case "$Http_Path" in /wait) echo x >"$STARTED"; read -r _ <"$GATE";; esac; exec cat'
    w = limited('["sh", "-c", ' + quoted(program) + "]", max_connections="1", workers=workers, max_body="1000",
                 **gate.env)  # fmt: skip

    def reset():
        used(w).reset()

    def reset_in_a_call():
        with w.connect() as c:
            c.request("GET", "/wait")
            gate.word()
            c.reset()

    def refused():
        with w.connect() as c:
            c.send(b"nonsense\r\n\r\n")
            assert c.answer().status == 400

    def too_large():
        with w.connect() as c:
            c.send(request_bytes("POST", fields=[("Content-Length", "1001")]))
            assert c.answer().status == 413

    def half_head():
        with w.connect() as c:
            c.send(b"GET / HTTP/1.1\r\nHo")

    def nothing():
        w.connect().close()

    def old():
        with w.connect() as c:
            assert c.call(version="HTTP/1.0").status == 200
            c.assert_closed()

    for _ in range(3):
        for way in (reset, reset_in_a_call, refused, too_large, half_head, nothing, old):
            way()
            assert w.call("POST", body=b"x").body == b"x", way.__name__
    eventually(lambda: connections(w) == 0, "all are closed")


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_one_line_when_reached_and_one_when_it_is_over(limited):
    """Not one for each connection that makes room for the next."""
    w = limited("cat", max_connections="4", workers="2", **NO_HURRY)
    for i in range(1, 4):
        idle = [used(w) for _ in range(4)]
        waiting = [w.connect() for _ in range(6)]
        for c in waiting:
            c.request("POST", body=b"x", fields=CLOSE)
        w.wait_for_log(REACHED.format(4), count=i)
        assert is_silent(waiting[0])
        for c in idle:
            c.close()
        for c in waiting:
            assert c.answer().body == b"x"
            c.close()
        eventually(lambda: connections(w) == 0, "all are closed")
        used(w).close()
        w.wait_for_log(AGAIN, count=i)
        eventually(lambda: connections(w) == 0, "all are closed")
    w.stop()
    assert (count(w, REACHED.format(4)), count(w, AGAIN)) == (3, 3)


def test_nothing_is_said_without_need(limited):
    w = limited("cat", max_connections="5", **NO_HURRY)
    for _ in range(20):
        assert w.call("POST", body=b"x").body == b"x"
    assert [m for m in w.stop_and_read() if "connections" in m] == []


@pytest.mark.parametrize("value", [None, "0"])
def test_no_limit(limited, value):
    w = limited("cat", max_connections=value, **NO_HURRY)
    assert len([used(w) for _ in range(100)]) == 100


def test_no_work_while_it_waits(limited):
    """A client in the backlog must not keep the acceptor awake."""
    w = limited("cat", max_connections="1", **NO_HURRY)
    idle = used(w)
    c = w.connect()
    c.request("POST", body=b"x")
    w.wait_for_log(REACHED.format(1))
    before = cpu_ticks(w.pid)
    assert is_silent(c, 1)
    assert cpu_ticks(w.pid) - before <= 20, "it is busy"
    idle.close()
    assert c.answer().body == b"x"


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


# --- others -----------------------------------------------------------------------------------------------------------


def test_metrics_are_not_limited(limited):
    w = limited("cat", max_connections="1", metrics_port=free_port(), **NO_HURRY)
    w.wait_for_log("^Metrics listening on port: ")
    idle = used(w)
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as other:
        other.request("GET", "/metrics")
        assert other.answer().status == 200
        assert scrape(w).status == 200
    idle.close()


@pytest.mark.parametrize("held", ["idle", "active"])
def test_sigterm_while_clients_wait(limited, gate, held):
    w = limited("steps say wait out:done", max_connections="1", **gate.env, **NO_HURRY)
    c = used(w)
    if held == "active":
        c.request()
        gate.started()
    waiting = [w.connect() for _ in range(5)]
    for k in waiting:
        k.request("GET", "/_/health")
    w.wait_for_log(REACHED.format(1))
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^No new connections allowed, draining: ")
    if held == "active":
        gate.open()
        assert c.answer().body == b"done"
    c.assert_closed()
    for k in waiting:
        try:
            assert k.answer().status in (200, 503)
        except NoAnswer:
            pass
    w.ended()


def test_lame_watchdog_serves_who_waits(limited):
    w = limited("cat", max_connections="1", healthcheck_interval="600s", **NO_HURRY)
    idle = used(w)
    c = w.connect()
    c.request("POST", body=b"x")
    w.wait_for_log(REACHED.format(1))
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIGTERM: no new connections in ")
    idle.close()
    assert c.answer().body == b"x"
    w.stop()
