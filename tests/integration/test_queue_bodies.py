"""Calls that wait in the line, and their bodies: not read, not asked for, not kept, and all there in the end."""

import threading

import pytest

from cgi_program import shell
from harness import PATIENCE, SAN, status_kb
from http_client import chunked, request_bytes
from test_big_bodies import GROWTH_KB, expected, reset_peak, send_body
from test_inflight import assert_limited
from waiting import HEADS, Line, is_silent, send_until_held_back

CHUNKED = [("Transfer-Encoding", "chunked")]
EXPECT = ("Expect", "100-continue")
NO_HURRY = {"read_timeout": "600s", "write_timeout": "600s", "exec_timeout": "600s"}
# Calls of /hold wait, others answer with their bodies.
ECHO = 'case "${Http_Path-$PATH_INFO}" in /hold) echo x >"$STARTED"; read -r _ <"$GATE";; esac; exec cat'


class Echo:
    """One place, taken by `busy`, and calls that get their bodies back."""

    def __init__(self, request, mode, **settings):
        get = request.getfixturevalue
        settings = {"max_inflight": "1", "max_queue": "30", "workers": "2", **NO_HURRY, **settings}
        if mode == "http":
            get("upstream").serve(self.serve)
            self.called, self.opened = threading.Semaphore(0), threading.Semaphore(0)
            self.line = Line(get("proxied"), **settings)
        else:
            self.gate = get("gate")
            command = shell(HEADS.get(mode, "") + ECHO)
            self.line = Line(get("watchdog"), command, mode=mode, **self.gate.env, **settings)
        self.mode = mode
        self.w = self.line.w
        self.hold()

    def serve(self, link):
        while True:
            request = link.head()
            if request.target == "/hold":
                self.called.release()
                assert self.opened.acquire(timeout=PATIENCE)
            if "100-continue" in request.values("Expect"):
                link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            link.answer(link.body(request))

    def hold(self):
        self.busy = self.w.connect()
        self.busy.request("GET", "/hold")
        if self.mode == "http":
            assert self.called.acquire(timeout=PATIENCE)
        else:
            self.gate.word()

    def release(self):
        if self.mode == "http":
            self.opened.release()
        else:
            self.gate.open()
        assert self.busy.answer().status == 200


@pytest.fixture(params=["classic", "streaming", "serializing", "cgi", "http"])
def echo(request):
    return Echo(request, request.param)


@pytest.fixture
def streaming(request):
    return Echo(request, "streaming")


def assert_echo(c, body, interim=0):
    a = c.answer()
    assert (a.status, a.cut, len(a.body), len(a.interim)) == (200, False, len(body), interim), a
    assert a.body == body


def in_thread(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def one_by_one(c, data):
    for i in range(len(data)):
        c.send(data[i : i + 1])


# --- intact -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 65_536, 65_537, 300_000, 3_000_000])
def test_body_with_length(echo, size):
    body = expected(0, size)
    errors = []
    c = echo.line.join("POST", fields=[("Content-Length", str(size))])
    sender = in_thread(send_body, c, size, False, errors)
    if size < 100_000:
        sender.join(PATIENCE)
    assert echo.line.depth() == 1
    echo.release()
    assert_echo(c, body)
    sender.join(PATIENCE)
    assert not errors
    c.assert_usable()


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_chunked_body(echo, pieces):
    body = expected(0, 400_000)
    step = len(body) // pieces + 1
    data = chunked(*[body[i : i + step] for i in range(0, len(body), step)], trailers=[b"X-Trailer: x"])
    c = echo.line.join("POST", fields=CHUNKED)
    sender = in_thread(c.send, data)
    assert echo.line.depth() == 1
    echo.release()
    assert_echo(c, body)
    sender.join(PATIENCE)
    c.assert_usable()


def test_body_in_the_packet_of_the_head(echo):
    bodies = [b"x", b"y" * 3000, b"z" * 60_000]
    waiting = [echo.line.join("POST", body=body) for body in bodies]
    waiting += [echo.line.join(raw=request_bytes("POST", fields=CHUNKED) + chunked(body)) for body in bodies]
    echo.release()
    for c, body in zip(waiting, bodies * 2):
        assert_echo(c, body)
        c.assert_usable()


def test_body_byte_by_byte_while_it_waits(streaming):
    body = expected(0, 500)
    raw = request_bytes("POST", fields=CHUNKED)
    c = streaming.line.join("POST", fields=[("Content-Length", "500")])
    d = streaming.line.join(raw=raw)
    one_by_one(c, body)
    one_by_one(d, chunked(body[:3], body[3:250], body[250:]))
    assert streaming.line.depth() == 2
    streaming.release()
    assert_echo(c, body)
    assert_echo(d, body)
    c.assert_usable()
    d.assert_usable()


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_body_half_before_and_half_after(echo, cut):
    body = expected(0, 2000)
    with_length = request_bytes("POST", body=body)
    in_chunks = request_bytes("POST", fields=CHUNKED) + chunked(body[:999], body[999:])
    waiting = [(echo.line.join(raw=raw[:-cut]), raw[-cut:]) for raw in (with_length, in_chunks)]
    echo.release()
    for c, rest in waiting:
        c.send(rest)
        assert_echo(c, body)
        c.assert_usable()


def test_pipelined_behind_a_body_in_the_line(echo):
    """What is read of the next request while this one waits is kept for later."""
    body = expected(0, 20_000)
    raw = request_bytes("POST", body=body) + request_bytes("POST", fields=CHUNKED) + chunked(body[:7], body[7:])
    c = echo.line.join(raw=raw)
    d = echo.line.join(raw=raw)
    echo.release()
    for connection in (c, d):
        assert_echo(connection, body)
        assert_echo(connection, body)
        connection.assert_usable()


def test_http_1_0_with_a_body(echo):
    body = expected(0, 200_000)
    c = echo.line.join("POST", version="HTTP/1.0", fields=[("Content-Length", str(len(body)))])
    sender = in_thread(c.send, body)
    echo.release()
    assert_echo(c, body)
    sender.join(PATIENCE)
    c.assert_closed()


def test_half_closed_client_waits_too(echo):
    """It has only nothing more to say. It may be asked meanwhile whether it is there."""
    body = expected(0, 5000)
    c = echo.line.join("POST", body=body)
    c.half_close()
    d = echo.line.join("POST", "/after", body=b"d")
    is_silent(c, 1)
    assert echo.line.depth() == 2
    echo.release()
    a = c.answer()
    assert (a.status, a.body == body) == (200, True)
    assert {i.status for i in a.interim} <= {100}
    c.assert_closed()
    assert_echo(d, b"d")


@pytest.mark.parametrize("bad", [b"1\r\nx\r\nzz\r\n", b"-1\r\n", b"1\r\nxyz"], ids=["size", "negative", "end"])
def test_malformed_body_in_the_line(echo, bad):
    c = echo.line.join(raw=request_bytes("POST", fields=CHUNKED) + bad)
    d = echo.line.join("POST", body=b"after")
    echo.release()
    raw = c.raw_until_close()
    assert b"HTTP/1.1 400 " in raw or not raw.endswith(b"0\r\n\r\n"), raw
    assert_echo(d, b"after")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_short_body_in_the_line(echo, framing):
    """The client ends in the middle of its body."""
    fields = CHUNKED if framing == "chunked" else [("Content-Length", "10")]
    c = echo.line.join(raw=request_bytes("POST", fields=fields) + (b"a\r\n12345" if framing == "chunked" else b"12345"))
    d = echo.line.join("POST", body=b"after")
    c.half_close()
    echo.release()
    raw = c.raw_until_close()
    assert b"HTTP/1.1 400 " in raw or not raw.endswith(b"0\r\n\r\n"), raw
    assert_echo(d, b"after")


# --- not read, not kept -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_in_the_line_are_not_kept_in_memory(streaming, framing):
    size, clients = 20_000_000, 10
    body = expected(0, size)
    if framing == "chunked":
        head = request_bytes("POST", fields=CHUNKED)
        data = chunked(*[body[i : i + 60_000] for i in range(0, size, 60_000)])
    else:
        head, data = request_bytes("POST", fields=[("Content-Length", str(size))]), body
    reset_peak(streaming.w.pid)
    before = status_kb(streaming.w.pid, "VmRSS")
    waiting = [streaming.line.join(raw=head) for _ in range(clients)]
    sent = [send_until_held_back(c, data) for c in waiting]
    assert max(sent) < size and streaming.line.depth() == clients
    if not SAN:
        growth = status_kb(streaming.w.pid, "VmHWM") - before
        assert growth <= GROWTH_KB, f"{clients} bodies that wait cost {growth} KiB"
    for c in waiting[1:]:
        c.reset()
    sender = in_thread(waiting[0].send, data[sent[0] :])
    streaming.release()
    assert_echo(waiting[0], body)
    sender.join(PATIENCE)


def test_many_that_wait_cost_little(streaming):
    """Without bodies it is a connection and a head for each."""
    reset_peak(streaming.w.pid)
    before = status_kb(streaming.w.pid, "VmRSS")
    waiting = [streaming.w.connect() for _ in range(30)]
    for c in waiting:
        c.request("POST", body=b"x")
    streaming.line.wait_depth(30)
    if not SAN:
        assert status_kb(streaming.w.pid, "VmHWM") - before < GROWTH_KB
    streaming.release()
    for c in waiting:
        assert_echo(c, b"x")


# --- Expect: 100-continue ---------------------------------------------------------------------------------------------


def test_body_is_asked_for_behind_the_line(echo):
    c = echo.line.join("POST", fields=[EXPECT, ("Content-Length", "5")])
    d = echo.line.join("POST", fields=[EXPECT, *CHUNKED])
    assert is_silent(c) and is_silent(d)
    echo.release()
    for connection, data in ((c, b"hello"), (d, chunked(b"he", b"llo"))):
        assert connection.line() == "HTTP/1.1 100 Continue"
        assert connection.line() == ""
        connection.send(data)
        assert_echo(connection, b"hello")
        connection.assert_usable()


def test_client_that_does_not_wait_for_the_100(echo):
    """It has sent the body while it was in the line, in one packet with the head or behind it."""
    fields = [EXPECT, ("Content-Length", "5")]
    c = echo.line.join(raw=request_bytes("POST", fields=fields) + b"hello")
    d = echo.line.join("POST", fields=fields)
    d.send(b"hello")
    assert is_silent(c) and is_silent(d)
    echo.release()
    for connection in (c, d):
        a = connection.answer()
        assert (a.status, a.body) == (200, b"hello")
        assert [i.status for i in a.interim] in ([], [100])
        connection.assert_usable()


def test_no_100_for_a_call_beyond_the_line(request):
    echo = Echo(request, "streaming", max_queue="1")
    c = echo.line.join("POST", body=b"c")
    with echo.w.connect() as d:
        d.send(request_bytes("POST", fields=[EXPECT, ("Content-Length", "5")]))
        a = d.answer()
        assert (a.status, a.interim, a.value("Connection")) == (429, [], "close")
        d.assert_closed()
    with echo.w.connect() as e:
        e.request("POST", body=b"x" * 100_000)
        assert_limited(e.answer(), 1)
        e.assert_usable()
    echo.release()
    assert_echo(c, b"c")


@pytest.mark.parametrize("mode", ["streaming", "http"])
def test_no_100_when_it_has_waited_too_long(request, mode):
    echo = Echo(request, mode, queue_timeout="300ms")
    with echo.w.connect() as c:
        c.send(request_bytes("POST", fields=[EXPECT, ("Content-Length", "5")]))
        a = c.answer()
        assert (a.status, a.interim, a.value("Connection")) == (429, [], "close")
        c.assert_closed()
    echo.release()


def test_large_body_of_a_call_that_has_waited_too_long(request):
    """Its client can read the answer, though it is still sending."""
    echo = Echo(request, "streaming", queue_timeout="300ms")
    for framing in ("length", "chunked"):
        size, errors = 20_000_000, []
        with echo.w.connect() as c:
            c.send(request_bytes("POST", fields=CHUNKED if framing == "chunked" else [("Content-Length", str(size))]))
            sender = in_thread(send_body, c, size, framing == "chunked", errors)
            a = c.answer()
            assert (a.status, a.value("Retry-After")) == (429, "1")
            assert b"queue_timeout 300ms" in a.body
        sender.join(PATIENCE)
    echo.release()
