"""HTTP connections: keep-alive, pipelining, HTTP/1.0, HEAD, Expect, half-close, what is left unread."""

import re
import socket
import time

import pytest

from harness import PATIENCE, SLOW, eventually, wait_gone
from http_client import HOST, NoAnswer, assert_answer, chunked, request_bytes

CHUNKED = [("Transfer-Encoding", "chunked")]


def body_of(c, method="POST", target="/", **more):
    a = c.call(method, target, **more)
    assert (a.status, a.cut) == (200, False), a
    return a.body


# --- keep-alive -------------------------------------------------------------------------------------------------------


def test_keep_alive_is_the_default(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        for i in range(5):
            a = c.call("POST", body=b"call %d" % i)
            assert a.body == b"call %d" % i
            assert a.values("Connection") == []


@pytest.mark.parametrize(
    "fields",
    [
        [("Connection", "close")],
        [("Connection", "Close")],
        [("connection", "keep-alive, close")],
        [("Connection", "x , close,y")],
        [("Connection", "keep-alive"), ("Connection", "close")],
    ],
)
def test_close_is_honoured_wherever_it_stands(watchdog, mode, fields):
    with watchdog("cat", mode=mode).connect() as c:
        a = c.call("POST", fields=fields, body=b"x")
        assert (a.body, a.value("Connection")) == (b"x", "close")
        c.assert_closed()


@pytest.mark.parametrize("value", ["keep-alive", "closed", "x-close", "enclose, foo", ""])
def test_other_connection_options_keep_it(watchdog, value):
    with watchdog("cat").connect() as c:
        assert body_of(c, fields=[("Connection", value)], body=b"x") == b"x"
        assert body_of(c, body=b"y") == b"y"


def test_http_1_0_closes(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.request("POST", version="HTTP/1.0", body=b"x")
        a = c.answer()
        assert (a.status, a.body) == (200, b"x")
        assert a.framing in ("length", "close")
        c.assert_closed()


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive"])
def test_http_1_0_keep_alive(watchdog, value):
    """Echoed, and kept for an answer with Content-Length."""
    with watchdog("cat").connect() as c:
        for _ in range(3):
            c.request("POST", version="HTTP/1.0", host=None, fields=[("Connection", value)], body=b"x")
            a = c.answer()
            assert (a.body, a.framing, a.value("Connection")) == (b"x", "length", "keep-alive")


def test_http_1_0_keep_alive_without_known_length_closes(watchdog, gate):
    w = watchdog("steps out:a say wait out:b", mode="streaming", **gate.env)
    with w.connect() as c:
        c.request(version="HTTP/1.0", fields=[("Connection", "keep-alive")])
        a = c.begin()
        assert a.framing == "close" and a.values("Connection") in ([], ["close"])
        gate.started()
        gate.open()
        assert c.rest(a).body == b"ab"
        assert not a.cut


def test_http_1_0_never_gets_chunks(watchdog):
    with watchdog("steps outbytes:500000", mode="streaming").connect() as c:
        c.request(version="HTTP/1.0")
        a = c.answer()
        assert (len(a.body), a.framing, a.values("Transfer-Encoding")) == (500_000, "close", [])


def test_many_calls_over_one_connection(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        for i in range(200):
            assert body_of(c, body=b"%d" % i) == b"%d" % i


# --- how requests may arrive ------------------------------------------------------------------------------------------


def test_one_byte_at_a_time(watchdog, mode):
    raw = request_bytes("POST", "/a?b", [("X-Y", "z"), *CHUNKED]) + chunked(b"one", b"two", trailers=[b"T: t"])
    with watchdog("cat", mode=mode).connect() as c:
        for i in range(len(raw)):
            c.send(raw[i : i + 1])
        assert c.answer().body == b"onetwo"
        c.assert_usable()


def test_pipelining_in_order(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(b"".join(request_bytes("POST", body=b"number %d" % i) for i in range(50)))
        for i in range(50):
            assert c.answer().body == b"number %d" % i


def test_pipelining_waits_for_the_slow_one(watchdog, gate, mode):
    w = watchdog("steps in say wait", mode=mode, **gate.env)
    with w.connect() as c:
        c.send(b"".join(request_bytes("POST", body=b"%d" % i) for i in range(3)))
        gate.started()
        assert gate.nothing_started(), "one after the other"
        for i in range(3):
            gate.open()
            assert c.answer().body == b"%d" % i


def test_pipelining_of_all_kinds(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(
            request_bytes("POST", body=b"a" * 100_000)
            + request_bytes("GET")
            + request_bytes("POST", fields=CHUNKED)
            + chunked(b"b" * 70_000, b"c", trailers=[b"X: y"])
            + request_bytes("GET", "/_/health")
            + request_bytes("POST", body=b"")
            + request_bytes("PUT", fields=[("Connection", "close")], body=b"last")
            + request_bytes("POST", body=b"never")
        )
        answers = [c.answer() for _ in range(6)]
        assert [a.body for a in answers] == [b"a" * 100_000, b"", b"b" * 70_000 + b"c", b"OK", b"", b"last"]
        assert c.raw_until_close() == b"", "nothing is answered after close"


def test_pipelining_behind_a_refusal_is_not_answered(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        c.send(request_bytes("POST", body=b"one") + b"GET /\r\n\r\n" + request_bytes("POST", body=b"two"))
        assert c.answer().body == b"one"
        assert c.answer().status == 400
        assert c.raw_until_close() == b""
    assert w.stop_and_read().count("Forking fprocess.") == 1


@pytest.mark.parametrize("lines", [1, 3])
def test_empty_lines_before_a_request_are_skipped(watchdog, lines):
    with watchdog("cat").connect() as c:
        for _ in range(2):
            c.send(b"\r\n" * lines + request_bytes("POST", body=b"x"))
            assert c.answer().body == b"x"


def test_ipv4_and_ipv6(watchdog):
    w = watchdog("cat")
    for host in ("127.0.0.1", "::1"):
        try:
            with w.connect(host=host) as c:
                assert body_of(c, body=b"x") == b"x"
        except OSError:
            if host == "127.0.0.1" or ipv6_works():
                raise


def ipv6_works():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


# --- request bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"3;name=value\r\nabc\r\n0\r\n\r\n",
        b'3;name="quoted; text"\r\nabc\r\n0;last\r\n\r\n',
        b"3 ;x\r\nabc\r\n0\r\n\r\n",
        b"0003\r\nabc\r\n000\r\n\r\n",
        b"3\r\nabc\r\n0\r\nTrailer: dropped\r\nOther: too\r\n\r\n",
        b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
    ],
    ids=["extension", "quoted-extension", "blank-extension", "leading-zeros", "trailers", "small"],
)
def test_chunked_body_that_is_fine(watchdog, mode, body):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED) + body)
        a = c.answer()
        if b" ;x" in body and a.status == 400:
            return  # RFC 9112 lets a server refuse this blank
        assert (a.status, a.body) == (200, b"abc")
        c.assert_usable()


def test_chunk_sizes_in_both_cases(watchdog):
    with watchdog("cat").connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED) + b"1a\r\n" + b"x" * 26 + b"\r\n1B\r\n" + b"y" * 27 + b"\r\n0\r\n\r\n")
        assert c.answer().body == b"x" * 26 + b"y" * 27


def test_trailers_do_not_become_fields(watchdog, mode):
    with watchdog("env", mode=mode).connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED) + chunked(b"x", trailers=[b"X-Trailer: evil", b"Content-Length: 9"]))
        a = c.answer()
        assert a.status in (200, 400)
        assert b"evil" not in a.body


def test_get_with_a_body(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        assert body_of(c, "GET", body=b"x") == b"x"
        assert body_of(c, "GET") == b""


# --- Expect: 100-continue ---------------------------------------------------------------------------------------------

EXPECT = [("Expect", "100-continue")]


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_continue_is_sent_before_the_body_is_read(watchdog, mode, value):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(request_bytes("POST", fields=[("Expect", value), ("Content-Length", "5")]))
        while len(c.buffer) < 25:
            assert c.fill()
        assert c.buffer == b"HTTP/1.1 100 Continue\r\n\r\n"
        c.buffer = b""
        c.send(b"hello")
        a = c.answer()
        assert (a.body, a.interim) == (b"hello", [])
        c.assert_usable()


def test_continue_for_a_chunked_body(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(request_bytes("POST", fields=EXPECT + CHUNKED))
        while len(c.buffer) < 25:
            assert c.fill()
        assert c.buffer == b"HTTP/1.1 100 Continue\r\n\r\n"
        c.buffer = b""
        c.send(chunked(b"hello"))
        assert c.answer().body == b"hello"


def test_continue_once_only_and_for_bodies_that_do_not_wait(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        for _ in range(3):
            a = c.call("POST", fields=EXPECT, body=b"x" * 100_000)
            assert len(a.body) == 100_000 and len(a.interim) <= 1


def test_no_continue_without_a_body(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        assert c.call("GET", fields=EXPECT).interim == []
        assert c.call("POST", fields=EXPECT, body=b"").interim == []


def test_no_continue_for_http_1_0(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.request("POST", version="HTTP/1.0", fields=EXPECT, body=b"x")
        a = c.answer()
        assert (a.body, a.interim) == (b"x", [])


def test_no_continue_with_405(watchdog):
    with watchdog("cat").connect() as c:
        c.send(request_bytes("OPTIONS", fields=[*EXPECT, ("Content-Length", "5")]))
        a = c.answer()
        assert (a.status, a.interim, a.value("Connection")) == (405, [], "close")
        c.assert_closed()


def test_no_continue_with_429(watchdog, gate, mode):
    w = watchdog("steps say wait", mode=mode, max_inflight="1", **gate.env)
    with w.connect() as busy, w.connect() as c:
        busy.request()
        gate.started()
        c.send(request_bytes("POST", fields=[*EXPECT, ("Content-Length", "5")]))
        a = c.answer()
        assert (a.status, a.interim, a.value("Connection")) == (429, [], "close")
        gate.open()
        assert busy.answer().status == 200


# --- half-close, clients that leave -----------------------------------------------------------------------------------


def test_half_close_after_the_request_is_answered(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.request("POST", body=b"hello")
        c.half_close()
        a = c.answer()
        assert (a.status, a.body) == (200, b"hello")
        c.assert_closed()


@pytest.mark.parametrize("seconds", [0, 1.2])
def test_half_close_while_the_function_works(watchdog, gate, mode, seconds):
    """Also past the moment when the watchdog asks whether somebody is still there (100 Continue)."""
    w = watchdog("steps say wait out:done", mode=mode, **gate.env)
    with w.connect() as c:
        c.request("GET")
        gate.started()
        c.half_close()
        time.sleep(seconds)
        gate.open()
        a = c.answer()
        assert (a.status, a.body) == (200, b"done")
        assert all(i.status == 100 for i in a.interim)


def test_half_close_with_pipelined_requests(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(b"".join(request_bytes("POST", body=b"%d" % i) for i in range(5)))
        c.half_close()
        assert [c.answer().body for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        c.assert_closed()


@pytest.mark.parametrize("raw", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "line", "head"])
def test_connection_that_ends_before_a_request(watchdog, raw):
    w = watchdog("cat")
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        rest = c.raw_until_close()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 Bad Request\r\n"), rest
    w.idle_descriptors()
    assert w.stop_and_read() == []


# --- what is left unread ----------------------------------------------------------------------------------------------


def test_small_unread_body_keeps_the_connection(watchdog, mode):
    with watchdog("steps out:done", mode=mode).connect() as c:
        for _ in range(5):
            a = c.call("POST", body=b"x" * 100_000)
            assert (a.status, a.body) == (200, b"done")


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(
    "mode, method, function, status",
    [
        ("classic", "POST", "steps out:done", 200),
        ("streaming", "POST", "steps out:done", 200),
        ("serializing", "POST", "steps out:done", 200),
        ("classic", "OPTIONS", "cat", 405),
        ("streaming", "POST", "steps exit:1", 500),
    ],
)
def test_flaw_34_answer_survives_unread_input(watchdog, mode, method, function, status, close):
    """
    The client reads its answer only after it has sent everything: a reset on the way would have
    destroyed it.
    """
    w = watchdog(function, mode=mode)
    body = b"x" * 20_000_000
    fields = [("Connection", "close")] if close else []
    for _ in range(3):
        with w.connect() as c:
            c.request(method, fields=[*fields, ("Content-Length", str(len(body)))])
            c.send_as_far_as_taken(body)
            a = c.answer(method)
            assert (a.status, a.cut, c.was_reset) == (status, False, False)


def test_unread_body_is_never_taken_for_a_request(watchdog):
    """Bytes of a body that look like a request stay bytes of a body."""
    w = watchdog("steps out:done")
    smuggled = request_bytes("DELETE", "/smuggled") * 20_000
    with w.connect() as c:
        c.request("POST", fields=[("Content-Length", str(len(smuggled)))])
        c.send_as_far_as_taken(smuggled)
        assert c.answer().body == b"done"
        try:
            assert c.call("GET", "/after").body == b"done"
        except (NoAnswer, BrokenPipeError, ConnectionResetError):
            pass
    assert w.stop_and_read().count("Forking fprocess.") <= 2


# --- targets ----------------------------------------------------------------------------------------------------------


def test_options_asterisk(watchdog, mode):
    w = watchdog("cat", mode=mode)
    with w.connect() as c:
        assert_answer(c.call("OPTIONS", "*"), 200, b"")
        c.assert_usable()
    assert w.stop_and_read() == []


@pytest.mark.parametrize("method", ["GET", "POST", "PRI"])
def test_asterisk_of_other_methods(watchdog, mode, method):
    w = watchdog("cat", mode=mode)
    with w.connect() as c:
        a = c.call(method, "*")
        assert (a.status, a.value("Connection")) == (400, "close")
        c.assert_closed()
    assert w.stop_and_read() == []


def test_connect(watchdog, mode):
    w = watchdog("cat", mode=mode)
    a = w.call("CONNECT", "example.org:443", host="example.org:443")
    assert a.status == 404
    assert w.stop_and_read() == []


@pytest.mark.parametrize("path", ["//a", "/a//b", "/a/./b", "/a/../b", "/..", "/a%2f%2e%2e/b", "/a%20b//c"])
def test_flaw_18_unclean_paths_reach_the_function(watchdog, mode, path):
    a = watchdog("env", mode=mode).call("GET", path + "?q=1")
    wanted = path.replace("%2f", "/").replace("%2e", ".").replace("%20", " ")
    assert a.status == 200
    assert f"Http_Path={wanted}".encode() in a.body.split(b"\n")


# --- fields of every answer -------------------------------------------------------------------------------------------


def test_nothing_of_the_server_is_told(watchdog, mode):
    a = watchdog("cat", mode=mode).call("POST", body=b"x")
    allowed = {"Date", "Content-Type", "Content-Length", "Transfer-Encoding", "X-Duration-Seconds"}
    assert {n for n, _ in a.fields} <= allowed


def test_answer_in_http_1_1(watchdog, mode):
    w = watchdog("cat", mode=mode)
    assert w.call().version == "HTTP/1.1"
    assert re.fullmatch(r"HTTP/1\.[01]", w.call(version="HTTP/1.0", host=HOST).version)


# --- connections in number --------------------------------------------------------------------------------------------


def test_idle_connections_do_not_hinder(watchdog, mode):
    w = watchdog("cat", mode=mode)
    idle = [w.connect() for _ in range(200)]
    with w.connect() as c:
        assert body_of(c, body=b"x") == b"x"
    for i, c in enumerate(idle):
        if i % 20 == 0:
            assert body_of(c, body=b"%d" % i) == b"%d" % i
        c.close()
    w.idle_descriptors()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_flaw_26_client_that_leaves_ends_its_function(watchdog, gate, mode, how):
    w = watchdog("steps say wait", mode=mode, write_timeout="600s", exec_timeout="600s", **gate.env)
    c = w.connect()
    c.request("GET")
    pid = gate.started()
    getattr(c, how)()
    wait_gone(pid, timeout=min(PATIENCE, 15 * SLOW))
    w.wait_no_processes()
    w.idle_descriptors()


def test_flaw_26_client_that_leaves_ends_a_function_that_writes(watchdog, mode):
    """`yes` writes for ever; nobody may gather that in memory or on disk."""
    w = watchdog("yes", mode=mode, write_timeout="600s", exec_timeout="600s")
    c = w.connect(receive_buffer=65536)
    c.request("GET")
    if mode == "streaming":
        a = c.begin()
        assert len(next(a.stream)) > 0
    else:
        eventually(w.family, "the function runs")
    c.close()
    w.wait_no_processes(timeout=min(PATIENCE, 15 * SLOW))


def test_slow_reader_holds_the_function_back(watchdog):
    """The output waits in the pipe, not in memory; all of it comes once it is read."""
    w = watchdog("steps outbytes:30000000", mode="streaming")
    with w.connect(receive_buffer=65536) as c:
        c.request()
        a = c.begin()
        first = next(a.stream)
        time.sleep(0.3)
        assert w.family(), "the function is still writing"
        total = len(first) + sum(len(piece) for piece in a.stream)
    assert (total, a.cut) == (30_000_000, False)
