"""max_queue: calls over max_inflight wait for a place, first come first served, whoever serves them."""

import json
import re
import signal
import time

import pytest

from harness import eventually, proc_stat
from http_client import assert_answer, request_bytes
from test_big_bodies import expected
from test_http_tunnel import SWITCH, asking
from test_inflight import assert_limited
from test_metrics import rows
from upstream import read_request
from waiting import FORKING, Forked, Line, Served, assert_places, is_silent

MODES = [*FORKING, "http"]
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.fixture(params=MODES)
def function(request):
    return make(request, request.param)


@pytest.fixture(params=["streaming", "http"])
def either(request):
    """One mode with processes and the one without are enough for what modes have no part in."""
    return make(request, request.param)


@pytest.fixture
def streaming(request):
    return make(request, "streaming")


def make(request, mode):
    get = request.getfixturevalue
    return Served(get("proxied"), get("upstream")) if mode == "http" else Forked(get("watchdog"), get("gate"), mode)


def assert_done(c, method="GET"):
    a = c.answer(method)
    assert (a.status, a.body, a.cut, a.interim) == (200, b"done", False, [])
    return a


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_calls_wait_for_a_place(function):
    line = function.start(max_queue="2")
    with line.w.connect() as busy, line.w.connect() as other:
        busy.request("GET", "/busy")
        assert function.started() == "/busy"
        waiting = [line.join("GET", "/first"), line.join("GET", "/second")]
        for _ in range(3):
            assert_limited(other.call("POST", body=b"x" * 1000), 1)
        assert function.nothing_started() and all(is_silent(c) for c in waiting)
        for c, target in zip([busy, *waiting], ["/first", "/second", None]):
            function.release()
            assert_done(c)
            if target:
                assert function.started() == target
        assert line.depth() == 0
        other.request("GET", "/later")
        assert function.started() == "/later", "the connection of a refused call is kept"
        function.release()
        assert_done(other)


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("workers", ["1", "4"])
def test_order(either, workers, limit):
    """Each new connection goes to another worker, so neighbours in the line belong to different ones."""
    line = either.start(max_inflight=limit, max_queue="100", workers=workers)
    connections = []
    for i in range(limit):
        connections.append(line.w.connect())
        connections[-1].request("GET", f"/{i}")
        assert either.started() == f"/{i}"
    connections += [line.join("GET", f"/{i}") for i in range(limit, 17)]
    for i in range(limit, 17):
        either.release()
        assert either.started() == f"/{i}"
        assert either.nothing_started()
    either.release(limit)
    for c in connections:
        assert_done(c)


@pytest.mark.parametrize("workers", ["1", "2", "4"])
def test_order_when_several_places_become_free_at_once(request, workers):
    """The calls end while the watchdog cannot look, so that it sees all of it in one turn."""
    function = make(request, "http")
    line = function.start(max_inflight="4", max_queue="100", workers=workers)
    connections = [line.w.connect() for _ in range(4)]
    for c in connections:
        c.request("GET", "/running")
    assert {function.started() for _ in range(4)} == {"/running"}
    connections += [line.join("GET", f"/{i}") for i in range(20)]
    for first in range(0, 20, 4):
        line.w.send_signal(signal.SIGSTOP)
        eventually(lambda: proc_stat(line.w.pid)["state"] == "T", "it is stopped")
        function.release(4)
        line.w.send_signal(signal.SIGCONT)
        assert {function.started() for _ in range(4)} == {f"/{first + i}" for i in range(4)}
    function.release(4)
    for c in connections:
        assert_done(c)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_who_calls_again_goes_to_the_end(either, workers):
    """Also when that is at the very moment at which a place is free."""
    line = either.start(max_queue="10", workers=workers)
    first = line.w.connect()
    first.request("GET", "/0/0")
    running = either.started()
    clients = [first, *(line.join("GET", f"/{i}/0") for i in range(1, 4))]
    for turn in range(5):
        for i, c in enumerate(clients):
            assert running == f"/{i}/{turn}"
            either.release()
            assert_done(c)
            if turn < 4:
                c.request("GET", f"/{i}/{turn + 1}")
                line.wait_depth(3)
            if c is not clients[-1] or turn < 4:
                running = either.started()


@pytest.mark.parametrize("limit", [None, "0"])
def test_no_limit_no_line(streaming, limit):
    line = streaming.start(max_inflight=limit, max_queue="1")
    busy = [line.w.connect() for _ in range(10)]
    for c in busy:
        c.request()
    for _ in busy:
        streaming.started()
    streaming.release(len(busy))
    for c in busy:
        assert_done(c)


@pytest.mark.parametrize("value", [None, "0"])
def test_no_line(either, value):
    line = either.start(max_queue=value)
    with line.w.connect() as busy, line.w.connect() as c:
        busy.request()
        either.started()
        assert_limited(c.call(), 1)
        either.release()
        assert_done(busy)


def test_very_long_line(streaming):
    """A number that nobody reaches means everybody waits."""
    line = streaming.start(max_queue="1000000000")
    with line.w.connect() as busy:
        busy.request()
        streaming.started()
        waiting = [line.w.connect() for _ in range(50)]
        for c in waiting:
            c.request()
        line.wait_depth(50)
        streaming.release(51)
        for c in [busy, *waiting]:
            assert_done(c)


def test_depth_is_there_from_the_start(streaming):
    assert streaming.start(max_queue="5").depth() == 0


# --- kinds of calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_classic_refuses_methods_when_it_is_their_turn(request, method):
    function = make(request, "classic")
    line = function.start(max_queue="2")
    with line.w.connect() as busy:
        busy.request()
        function.started()
        waiting = [line.join(method), line.join("GET", "/after")]
        assert_limited(line.w.call(method), 1, method)
        function.release()
        assert_done(busy)
        assert waiting[0].answer(method).status == 405
        assert function.started() == "/after"
        function.release()
        assert_done(waiting[1])


def test_head(streaming):
    line = streaming.start(max_queue="1")
    with line.w.connect() as busy:
        busy.request()
        streaming.started()
        c = line.join("HEAD", "/head")
        assert_limited(line.w.call("HEAD"), 1, "HEAD")
        streaming.release(2)
        a = c.answer("HEAD")
        assert (a.status, a.framing) == (200, "none")
        assert_done(busy)
        c.assert_usable()


@pytest.mark.parametrize("kept", [False, True])
def test_http_1_0(function, kept):
    fields = [("Connection", "keep-alive")] if kept else []
    line = function.start(max_queue="1")
    with line.w.connect() as busy, line.w.connect() as refused:
        busy.request()
        function.started()
        c = line.join("GET", "/old", version="HTTP/1.0", fields=fields)
        refused.request("GET", version="HTTP/1.0")
        a = refused.answer()
        assert (a.status, a.value("Retry-After")) == (429, "1")
        refused.assert_closed()
        function.release()
        assert_done(busy)
        assert function.started() == "/old"
        function.release()
        a = assert_done(c)
        if kept and a.framing == "length":
            c.assert_usable()
        else:
            c.assert_closed()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_pipelining(function, workers):
    """One connection has one place in the line; what is behind waits for its turn, and goes to the end then."""
    line = function.start(max_queue="2", workers=workers)
    with line.w.connect() as busy:
        busy.request()
        function.started()
        c = line.join(raw=b"".join(request_bytes("GET", f"/piped/{i}") for i in range(3)))
        d = line.join("GET", "/between")
        assert_limited(line.w.call(), 1)
        function.release()
        assert_done(busy)
        for target, connection in [("/piped/0", c), ("/between", d), ("/piped/1", c), ("/piped/2", c)]:
            assert function.started() == target
            function.release()
            assert_done(connection)


def test_pipelined_behind_a_refused_call(either):
    line = either.start(max_queue="1")
    with line.w.connect() as busy, line.w.connect() as c:
        busy.request()
        either.started()
        waiting = line.join()
        c.send(b"".join(request_bytes("POST", body=b"x" * 100) for _ in range(5)))
        for _ in range(5):
            assert_limited(c.answer(), 1)
        either.release()
        assert_done(busy)
        either.started()
        either.release()
        assert_done(waiting)


def test_connection_waits_again_and_again(either):
    line = either.start(max_queue="1", workers="2")
    with line.w.connect() as a, line.w.connect() as b:
        a.request("GET", "/first")
        either.started()
        for i in range(10):
            line.join("GET", f"/{i}", c=b)
            either.release()
            assert_done(a)
            assert either.started() == f"/{i}"
            a, b = b, a
        either.release()
        assert_done(a)


def test_upgrade_waits_and_holds_its_place(request):
    function = make(request, "http")
    line = function.start(max_queue="2")
    with line.w.connect() as busy:
        busy.request()
        function.started()
        client = line.join("GET", "/chat", fields=asking())
        c = line.join("GET", "/after")
        function.release()
        assert_done(busy)
        assert function.started() == "/chat"
        server = function.running.pop()
        server.send(SWITCH % b"websocket")
        assert client.begin().status == 101
        client.send(b"hello")
        assert server.exactly(5) == b"hello"
        assert function.nothing_started() and line.depth() == 1
        client.close()
        server.assert_ended()
        server.close()
        assert function.started() == "/after"
        function.release()
        assert_done(c)


def test_static(site):
    """A download holds its place until its last byte."""
    size = 20_000_000
    site.write("big.bin", expected(0, size))
    site.write("small.txt", b"small")
    line = Line(lambda **more: site.start(max_inflight="1", max_queue="2", workers="2", **more))
    with line.w.connect(receive_buffer=4096) as slow:
        slow.request("GET", "/big.bin")
        a = slow.begin()
        c = line.join("GET", "/small.txt")
        d = line.join("GET", "/big.bin")
        assert_limited(line.w.call("GET", "/small.txt"), 1)
        assert is_silent(c)
        assert slow.rest(a).body == expected(0, size)
        assert c.answer().body == b"small"
        assert d.answer().body == expected(0, size)


# --- functions that fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", FORKING)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_long_line_of_calls_that_fail_at_once(watchdog, gate, scratch, mode, workers):
    """Each gives its place to the next one while it is being started."""
    program = scratch / "program"
    program.write_text('#!/bin/sh\necho x >"$STARTED"\nread -r _ <"$GATE"\n')
    program.chmod(0o755)
    line = Line(watchdog, json.dumps([str(program)]), mode=mode, max_inflight="1", max_queue="300", workers=workers,
                **gate.env)  # fmt: skip
    with line.w.connect() as busy:
        busy.request()
        gate.word()
        waiting = [line.w.connect() for _ in range(300)]
        for c in waiting:
            c.request()
        line.wait_depth(300)
        program.unlink()
        gate.open()
        busy.answer()
        assert {c.answer().status for c in waiting} == {500}
        assert {c.call().status for c in waiting[:20]} == {500}
    assert line.depth() == 0


def test_long_line_of_calls_that_are_answered_at_once(site):
    site.write("big.bin", expected(0, 20_000_000))
    line = Line(lambda **more: site.start(max_inflight="1", max_queue="300", **more))
    with line.w.connect(receive_buffer=4096) as slow:
        slow.request("GET", "/big.bin")
        slow.begin()
        waiting = [line.w.connect() for _ in range(300)]
        for c in waiting:
            c.request("GET", "/missing")
        line.wait_depth(300)
        slow.reset()
        assert {c.answer().status for c in waiting} == {404}


def test_function_that_fails_gives_its_place_to_the_next(watchdog, gate, mode):
    line = Line(watchdog, "steps say wait exit:3", mode=mode, max_inflight="1", max_queue="5", **gate.env)
    with line.w.connect() as busy:
        busy.request()
        gate.started()
        waiting = [line.join() for _ in range(5)]
        gate.open()
        assert busy.answer().status == 500
        for c in waiting:
            gate.started()
            gate.open()
            assert c.answer().status == 500


# --- probes, logs, metrics --------------------------------------------------------------------------------------------


def test_probes_do_not_wait(function):
    line = function.start(max_queue="5")
    with line.w.connect() as busy, line.w.connect() as probe:
        busy.request()
        function.started()
        c = line.join("GET", "/waiting")
        assert_answer(probe.call("GET", "/_/health"), 200, b"OK", TEXT)
        if function.mode != "classic":
            a = probe.call("GET", "/_/ready")
            assert_answer(a, 429, b"max_inflight 1 reached\n", {**TEXT, "Retry-After": "1"})
        assert line.depth() == 1
        function.release()
        assert_done(busy)
        function.started()
        function.release()
        assert_done(c)


def test_ready_is_not_ready_before_the_line_is_empty(streaming):
    """The place of a call that has ended belongs to the next one in the line, not to a probe."""
    line = streaming.start(max_queue="50")
    with line.w.connect() as busy, line.w.connect() as probe:
        busy.request()
        waiting = []
        streaming.started()
        for _ in range(20):
            waiting.append(line.join())
        for c in [busy, *waiting[:-1]]:
            streaming.release()
            assert_done(c)
            assert probe.call("GET", "/_/ready").status == 429
        for _ in waiting:
            streaming.started()
        streaming.release()
        assert_done(waiting[-1])
        assert probe.call("GET", "/_/ready").status == 200


def test_time_in_the_line_is_part_of_the_duration(function):
    line = function.start(max_queue="1")
    with line.w.connect() as busy:
        busy.request("GET", "/busy")
        function.started()
        c = line.join("GET", "/waiting")
        time.sleep(0.5)
        function.release()
        assert_done(busy)
        function.started()
        function.release()
        a = assert_done(c)
        assert [v for v in a.values("X-Duration-Seconds") if float(v) < 0.5] == []
    if function.mode not in ("classic", "static"):
        m = line.w.wait_for_log(r"^GET /waiting - 200 .*\((\d+\.\d{4})s\)")
        assert float(m.group(1)) > 0.5


def test_metrics(streaming):
    """A call that waits is in flight, is counted once, with all its time; one that was refused as 429."""
    line = streaming.start(max_queue="2")
    with line.w.connect() as busy:
        busy.request()
        streaming.started()
        waiting = [line.join(), line.join()]
        assert line.w.call().status == 429
        assert rows(line.w)["http_requests_in_flight"] == "3"
        time.sleep(0.3)
        streaming.release(3)
        for c in [busy, *waiting]:
            assert_done(c)

    def counted():
        now = rows(line.w)
        return now if now.get('http_requests_total{code="200",method="get"}') == "3" else None

    now = eventually(counted, "they are counted")
    assert now['http_requests_total{code="429",method="get"}'] == "1"
    assert now["http_requests_in_flight"] == now["bandog_queue_depth"] == "0"
    sums = [float(v) for n, v in now.items() if re.match(r"http_request_duration_seconds_sum\{.*200", n)]
    assert sum(sums) > 3 * 0.3


def test_all_places_are_there(function):
    line = function.start(max_inflight="4", max_queue="3", workers="3")
    for _ in range(2):
        assert_places(function, line, 4)


def test_call_that_is_made_again_holds_its_place(request):
    """mode=http: the function has closed the link that it was sent over; it takes no second place, nor loses one."""
    function = make(request, "http")
    line = function.start(max_queue="1")
    function.upstream.script(read_request, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", read_request,
                             lambda link: link.close())  # fmt: skip
    with line.w.connect() as busy:
        assert busy.call().body == b"ok"
        busy.request("GET", "/again")
        assert function.started() == "/again"
        c = line.join("GET", "/waiting")
        function.release()
        assert_done(busy)
        assert function.started() == "/waiting"
        function.release()
        assert_done(c)
    assert_places(function, line, 1)
