"""How calls leave the line without having run: the client goes, queue_timeout comes, the watchdog ends."""

import os
import re
import signal
import time

import pytest

from harness import SLOW
from http_client import NoAnswer, assert_answer, request_bytes
from life import TERMINATED, Life
from test_inflight import assert_limited
from test_metrics import rows
from waiting import FORKING, Forked, Line, Served, assert_places, is_silent, send_until_held_back

CHUNKED = [("Transfer-Encoding", "chunked")]
DRAINING = "^No new connections allowed, draining: "


@pytest.fixture(params=[*FORKING, "http"])
def function(request):
    return make(request, request.param)


@pytest.fixture(params=["streaming", "http"])
def either(request):
    return make(request, request.param)


@pytest.fixture
def streaming(request):
    return make(request, "streaming")


def make(request, mode):
    get = request.getfixturevalue
    return Served(get("proxied"), get("upstream")) if mode == "http" else Forked(get("watchdog"), get("gate"), mode)


@pytest.fixture
def busy(function):
    """A line behind a call that runs: busy(settings) -> line, and line.busy is that call's connection."""
    return lambda **settings: begin(function, **settings)


def begin(function, **settings):
    line = function.start(**{"max_queue": "5", "queue_timeout": "600s", "workers": "2", **settings})
    line.busy = line.w.connect()
    line.busy.request("GET", "/busy")
    assert function.started() == "/busy"
    return line


def assert_done(c):
    a = c.answer()
    assert (a.status, a.body, a.cut) == (200, b"done", False), a
    return a


def assert_waited_too_long(a, value, n=1):
    assert (a.status, a.reason, a.cut) == (429, "Too Many Requests", False), a
    assert a.value("Retry-After") == "1", a
    assert a.value("Content-Type").startswith("text/plain"), a
    text = a.body.decode()
    assert re.fullmatch(rf"queue_timeout {value} reached\b[^\n]*\n", text), a
    assert re.search(rf"\b{n}\b", text.partition("reached")[2]), f"how many are under way? {text!r}"


# --- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_gives_its_place_back(function, how):
    line = begin(function, max_queue="2")
    first = line.join("GET", "/first")
    leaver = line.join("POST", "/leaver", body=b"x" * 100)
    assert_limited(line.w.call(), 1)
    getattr(leaver, how)()
    line.wait_depth(1)
    last = line.join("GET", "/last")
    for c, target in ((line.busy, "/first"), (first, "/last")):
        function.release()
        assert_done(c)
        assert function.started() == target
    function.release()
    assert_done(last)
    assert_places(function, line, 1)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_first_second_or_last_leaves(either, at):
    line = begin(either)
    waiting = {f"/{i}": line.join("GET", f"/{i}") for i in range(3)}
    waiting.pop(f"/{at}").reset()
    line.wait_depth(2)
    either.release()
    assert_done(line.busy)
    for target, c in waiting.items():
        assert either.started() == target
        either.release()
        assert_done(c)
    assert either.nothing_started()


def test_everybody_leaves(either):
    line = begin(either)
    for c in [line.join() for _ in range(5)]:
        c.reset()
    line.wait_depth(0)
    either.release()
    assert_done(line.busy)
    assert either.nothing_started()
    assert_places(either, line, 1)


@pytest.mark.parametrize("sent", [b"", b"12345", b"x" * 1000], ids=["none", "some", "more"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_in_its_body(either, how, sent):
    line = begin(either)
    c = line.join(raw=request_bytes("POST", "/leaver", fields=[("Content-Length", "100000")]) + sent)
    d = line.join("GET", "/after")
    getattr(c, how)()
    line.wait_depth(1)
    either.release()
    assert_done(line.busy)
    assert either.started() == "/after"
    either.release()
    assert_done(d)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_client_that_is_held_back_leaves(either, framing):
    """Nobody reads what it sends, but it can be noticed that it has reset its connection."""
    line = begin(either)
    size = 30_000_000
    c = line.join("POST", "/leaver", fields=CHUNKED if framing == "chunked" else [("Content-Length", str(size))])
    data = (b"%x\r\n" % size if framing == "chunked" else b"") + b"x" * size
    assert send_until_held_back(c, data) < size
    c.reset()
    line.wait_depth(0)
    either.release()
    assert_done(line.busy)
    assert_places(either, line, 1)


def test_client_that_leaves_with_requests_behind(either):
    line = begin(either)
    c = line.join(raw=b"".join(request_bytes("GET", f"/piped/{i}") for i in range(5)))
    c.reset()
    line.wait_depth(0)
    either.release()
    assert_done(line.busy)
    assert either.nothing_started()
    assert_places(either, line, 1)


def test_client_that_leaves_is_499_or_nothing(streaming):
    """It had no answer, so none is counted or logged as such."""
    line = begin(streaming)
    line.join("GET", "/leaver").reset()
    line.wait_depth(0)
    streaming.release()
    assert_done(line.busy)
    counts = {n: v for n, v in rows(line.w).items() if n.startswith("http_requests_total")}
    counts.pop('http_requests_total{code="499",method="get"}', None)
    assert counts == {'http_requests_total{code="200",method="get"}': "1"}
    assert [m for m in line.w.stop_and_read() if "/leaver" in m and " 499 " not in m] == []


# --- queue_timeout ----------------------------------------------------------------------------------------------------


def test_queue_timeout(busy, function):
    line = busy(queue_timeout="400ms")
    with line.w.connect() as c:
        began = time.monotonic()
        a = c.call("POST", "/late", body=b"x" * 1000)
        assert 0.3 < time.monotonic() - began < 0.4 + 5 * SLOW
        assert_waited_too_long(a, "400ms")
        assert line.depth() == 0
        c.assert_usable()
        assert_waited_too_long(c.call(), "400ms")
    assert function.nothing_started(), "it never ran"
    function.release()
    assert_done(line.busy)
    assert function.nothing_started()
    assert_places(function, line, 1)


def test_queue_timeout_of_each_is_its_own(either):
    line = begin(either, queue_timeout="1s")
    c = line.join("GET", "/early")
    time.sleep(0.5)
    d = line.join("GET", "/late")
    assert_waited_too_long(c.answer(), "1s")
    assert line.depth() == 1
    either.release()
    assert_done(line.busy)
    assert either.started() == "/late"
    either.release()
    assert_done(d)


@pytest.mark.parametrize("value", ["0", "0s"])
def test_no_queue_timeout(either, value):
    line = begin(either, queue_timeout=value)
    c = line.join("GET", "/waiting")
    assert is_silent(c, 1)
    either.release()
    assert_done(line.busy)
    assert either.started() == "/waiting"
    either.release()
    assert_done(c)


def test_queue_timeout_names_how_many_are_under_way(streaming):
    line = streaming.start(max_inflight="3", max_queue="1", queue_timeout="300ms")
    running = [line.w.connect() for _ in range(3)]
    for c in running:
        c.request()
        streaming.started()
    assert_waited_too_long(line.w.call(), "300ms", 3)
    streaming.release(3)
    for c in running:
        assert_done(c)


def test_queue_timeout_does_not_touch_a_call_that_runs(either):
    line = begin(either, queue_timeout="600ms")
    c = line.join("GET", "/waiting")
    either.release()
    assert_done(line.busy)
    assert either.started() == "/waiting"
    assert is_silent(c, 1)
    either.release()
    assert_done(c)


def test_queue_timeout_by_other_methods(either):
    line = begin(either, queue_timeout="200ms")
    with line.w.connect() as c:
        a = c.call("HEAD")
        assert (a.status, a.framing, a.value("Retry-After")) == (429, "none", "1")
        c.assert_usable()
    with line.w.connect() as c:
        assert_waited_too_long(c.call(version="HTTP/1.0"), "200ms")
        c.assert_closed()
    either.release()
    assert_done(line.busy)


def test_place_in_the_line_of_who_waited_too_long(either):
    line = begin(either, max_queue="1", queue_timeout="500ms")
    c = line.join()
    assert_limited(line.w.call(), 1)
    assert_waited_too_long(c.answer(), "500ms")
    c = line.join("GET", "/again", c=c)
    either.release()
    assert_done(line.busy)
    assert either.started() == "/again"
    either.release()
    assert_done(c)


@pytest.mark.parametrize("value", ["soon", "10 s", "5d"])
def test_bad_queue_timeout(fwatchdog, value):
    ended = fwatchdog("--check", fprocess="cat", max_inflight="1", max_queue="1", queue_timeout=value)
    assert ended.status == 1, ended
    assert re.search(rf"queue_timeout.*{value}.*duration", ended.all), ended


# --- other timers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timer", ["exec_timeout", "write_timeout"])
def test_timers_start_behind_the_line(function, timer):
    """Each of them takes all of its time and is followed by the next one, which has all of its own."""
    times = {"exec_timeout": "600s", "write_timeout": "600s", timer: "3s"}
    line = begin(function, queue_timeout="0", **times)
    waiting = [line.join("GET", f"/{i}") for i in range(3)]
    late = {line.busy.answer().status}
    for i in range(2):
        assert function.started() == f"/{i}"
        late.add(waiting[i].answer().status)
    assert late <= {408, 500, 504}, late
    assert function.started() == "/2"
    function.forget(3)
    function.release()
    assert_done(waiting[2])


def test_read_timeout_does_not_count_in_the_line(streaming):
    """A client that waits to be asked for its body cannot be late with it, nor one that has said all."""
    line = begin(streaming, read_timeout="500ms", queue_timeout="0")
    asking = line.join("POST", "/asking", fields=[("Expect", "100-continue"), ("Content-Length", "5")])
    whole = line.join("POST", "/whole", body=b"hello")
    assert is_silent(asking, 1.5) and is_silent(whole, 0)
    assert line.depth() == 2
    streaming.release()
    assert_done(line.busy)
    assert streaming.started() == "/asking"
    assert asking.line() == "HTTP/1.1 100 Continue"
    assert asking.line() == ""
    asking.send(b"hello")
    streaming.release()
    assert_done(asking)
    assert streaming.started() == "/whole"
    streaming.release()
    assert_done(whole)


def test_read_timeout_counts_behind_the_line(streaming):
    line = begin(streaming, read_timeout="500ms", queue_timeout="0")
    c = line.join("POST", "/never", fields=[("Content-Length", "100000")])
    streaming.release()
    assert_done(line.busy)
    assert streaming.started() == "/never"
    a = c.answer()
    assert a.status == 400 and b"read_timeout 500ms" in a.body
    assert_places(streaming, line, 1)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_waiting_calls_are_served_while_lame(function):
    line = begin(function, healthcheck_interval="600s")
    first = line.join("GET", "/first")
    line.w.send_signal(signal.SIGTERM)
    line.w.wait_for_log("^Removing lock-file : ")
    last = line.join("GET", "/last")
    for c, target in ((line.busy, "/first"), (first, "/last")):
        function.release()
        assert_done(c)
        assert function.started() == target
    assert_answer(first.call("GET", "/_/health"), 503, b"shutting down\n",
                  {"Content-Type": "text/plain; charset=utf-8"})  # fmt: skip
    function.release()
    assert_done(last)
    line.w.stop()


def test_waiting_calls_are_served_while_draining(function):
    line = begin(function)
    kept = line.w.connect()
    assert kept.call("GET", "/_/health").status == 200
    waiting = [line.join("GET", "/0"), line.join("GET", "/1", c=kept), line.join("POST", "/2", body=b"x" * 50_000)]
    line.w.send_signal(signal.SIGTERM)
    line.w.wait_for_log(DRAINING + "4 requests$")
    for i, c in enumerate([line.busy, *waiting]):
        function.release()
        a = assert_done(c)
        assert a.value("Connection") == "close"
        c.assert_closed()
        if i < 3:
            assert function.started() == f"/{i}"
    line.w.ended()


def test_queue_timeout_while_draining(either):
    line = begin(either, queue_timeout="1s")
    c = line.join()
    line.w.send_signal(signal.SIGTERM)
    line.w.wait_for_log(DRAINING)
    assert_waited_too_long(c.answer(), "1s")
    c.assert_closed()
    either.release()
    assert_done(line.busy)
    line.w.ended()
    assert either.nothing_started()


def test_client_that_leaves_while_draining(either):
    line = begin(either)
    c = line.join()
    line.w.send_signal(signal.SIGTERM)
    line.w.wait_for_log(DRAINING)
    c.reset()
    either.release()
    assert_done(line.busy)
    line.w.ended()
    assert either.nothing_started()


def assert_ended_without_a_run(c):
    """A sentence or nothing, but no success."""
    try:
        a = c.answer()
    except NoAnswer:
        return
    assert a.status == 503 and not a.cut, a
    c.assert_closed()


@pytest.mark.parametrize("stalled", [False, True], ids=["whole", "stalled"])
def test_waiting_calls_when_nobody_waits_any_more(function, stalled):
    """No place that becomes free while everything ends is given to anyone."""
    times = {"write_timeout": "600s", "exec_timeout": "600s", "read_timeout": "600s"}
    line = begin(function, queue_timeout="0", **times)
    fields = [("Content-Length", "100000")] if stalled else []
    waiting = [line.join("POST" if stalled else "GET", f"/{i}", fields=fields) for i in range(5)]
    line.w.send_signal(signal.SIGTERM)
    line.w.wait_for_log(DRAINING)
    line.w.send_signal(signal.SIGTERM)
    for c in waiting:
        assert_ended_without_a_run(c)
    assert b" 200 " not in line.busy.raw_until_close().split(b"\r\n")[0]
    line.w.ended()
    assert function.nothing_started(), "one of them was started in the end"


def test_waiting_calls_without_time_for_draining(watchdog, gate):
    """write_timeout=0: the drain does not wait at all."""
    function = Forked(watchdog, gate, "classic")
    line = begin(function, write_timeout="0")
    waiting = [line.join("GET", f"/{i}") for i in range(3)]
    line.w.send_signal(signal.SIGTERM)
    for c in waiting:
        assert_ended_without_a_run(c)
    line.w.ended()
    assert function.nothing_started()


def test_waiting_calls_when_time_for_draining_is_over(streaming):
    line = begin(streaming, queue_timeout="0", exec_timeout="0", write_timeout="1s")
    waiting = [line.join("GET", f"/{i}") for i in range(5)]
    began = time.monotonic()
    line.w.send_signal(signal.SIGTERM)
    for c in [line.busy, *waiting]:
        raw = c.raw_until_close()
        assert re.match(rb"HTTP/1\.1 50[34] |$", raw), raw
    line.w.ended()
    assert time.monotonic() - began < 5 * SLOW
    while not streaming.nothing_started():
        streaming.started()


@pytest.mark.parametrize("restart", ["never", "always"])
def test_end_of_the_function_in_mode_http(watchdog, gate, restart):
    life = Life(watchdog, gate)
    line = Line(lambda **more: life.start("say", max_inflight="1", max_queue="3", restart=restart, **more))
    pid = gate.started()
    busy = line.w.connect()
    busy.request("POST", "/wait", body=b"x" * 70_000)
    assert gate.word() == "call"
    waiting = [line.join("POST", "/status/201", body=b"x" * 70_000) for _ in range(3)]
    os.kill(pid, signal.SIGKILL)
    line.w.wait_for_log("^" + TERMINATED)
    assert busy.answer().status == 502
    if restart == "always":
        # Whose turn came while the end was not known yet has failed; the others wait for the new one.
        assert {c.answer().status for c in waiting} <= {201, 502}
        assert [line.w.call("POST", "/status/201", body=b"x").status for _ in range(3)] == [201] * 3
        return
    for c in waiting:
        try:
            assert c.answer().status in (502, 503)
        except NoAnswer:
            pass
    line.w.ended(status=128 + signal.SIGKILL)
