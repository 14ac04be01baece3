"""
mode=http and functions, or clients, that fail: what fails before the head of an answer is a 502, what
fails after it is an answer that cannot be taken for a whole one, and whatever happens the next call is
served, in its own slot (max_inflight=1), with its own answer.
"""

import time

import pytest

from harness import eventually, free_port
from http_client import assert_failure, chunked, request_bytes
from upstream import CHUNKED_HEAD, Upstream, always, answer_bytes, close, half_close, read_head, read_request, reset

OK_10 = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
CHUNKED = [("Transfer-Encoding", "chunked")]
ACCEPTS = pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])


@pytest.fixture
def single(proxied):
    """One call at a time: a slot that is not given back shows at once."""
    return lambda **more: proxied(**{"max_inflight": "1", **more})


def assert_serves(w, upstream, c=None):
    """The next call is answered as if nothing had happened; with `c` over this connection."""
    c = c or w.connect()
    upstream.script(read_request, answer_bytes(b"fine"))
    a = c.call("POST", "/next", body=b"x")
    assert (a.status, a.body) == (200, b"fine"), a


# --- before the head --------------------------------------------------------------------------------------------------

BEFORE = {
    "eof-at-once": [read_head, close],
    "eof-after-the-request": [read_request, close],
    "half-close": [read_request, half_close],
    "reset": [read_request, reset],
    "eof-in-the-status-line": [read_request, b"HTTP/1.1 200", close],
    "eof-in-the-head": [read_request, OK_10[:-2], close],
    "reset-in-the-head": [read_request, OK_10[:-2], reset],
    "eof-after-an-interim": [read_request, b"HTTP/1.1 103 Early Hints\r\n\r\n", close],
}
GARBAGE = {
    "text": b"garbage\r\n\r\n",
    "other-protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x0a",
    "zeros": bytes(100),
    "http-2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "http-0.9": b"<html>hello</html>",
    "http-1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "lower-case": b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "icy": b"ICY 200 OK\r\n\r\n",
    "a-request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "status-word": b"HTTP/1.1 abc OK\r\n\r\n",
    "status-missing": b"HTTP/1.1 OK\r\n\r\n",
    "status-2": b"HTTP/1.1 2 OK\r\n\r\n",
    "status-20": b"HTTP/1.1 20 OK\r\n\r\n",
    "status-0": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-99": b"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
    "status-1000": b"HTTP/1.1 1000 High\r\nContent-Length: 2\r\n\r\nok",
    "status-2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-negative": b"HTTP/1.1 -200 OK\r\n\r\n",
    "no-colon": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "empty-name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "blank-before-colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "bad-name": b"HTTP/1.1 200 OK\r\nX(y): z\r\nContent-Length: 2\r\n\r\nok",
    "nul-in-a-value": b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "control-in-a-value": b"HTTP/1.1 200 OK\r\nX-A: b\x01c\r\nContent-Length: 2\r\n\r\nok",
    "bare-cr": b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: evil\r\nContent-Length: 2\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "both-framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "both-framings-turned": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length-list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    "length-negative": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "length-plus": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "length-hex": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "length-empty": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "length-too-large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "huge-head": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 1_100_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "huge-fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 0123456789\r\n" * 70_000 + b"Content-Length: 0\r\n\r\n",
    "endless-head": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * (3 << 20),
}  # fmt: skip


@ACCEPTS
@pytest.mark.parametrize("steps", BEFORE.values(), ids=BEFORE)
def test_no_answer_is_502(single, upstream, steps, accept):
    w = single()
    upstream.script(*steps)
    with w.connect() as c:
        a = c.call("POST", body=b"hello", fields=[("Accept", accept)])
        assert_failure(a, 502)
        assert len(upstream.links) == 1, "a fresh link is not tried again"
        assert_serves(w, upstream, c)


def say(data):
    """A step for bytes that may not be wanted to their end."""
    return lambda link: link.send_as_far_as_taken(data)


@ACCEPTS
@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
def test_no_http_is_502(single, upstream, raw, accept):
    w = single()
    upstream.script(read_request, say(raw), *[half_close] * (raw == GARBAGE["http-0.9"]))
    with w.connect() as c:
        a = c.call("POST", body=b"hello", fields=[("Accept", accept)])
        assert_failure(a, 502)
        assert_serves(w, upstream, c)
    assert len(upstream.links) == 2, "that link is not used again"


def test_head_just_short_of_huge(proxied, upstream):
    upstream.script(read_request, answer_bytes(fields=[("X-A", "x" * 500_000), ("X-B", "y" * 500_000)]))
    assert proxied().call().value("X-B") == "y" * 500_000


def test_head_request_has_no_body_at_502(single, upstream):
    w = single()
    upstream.script(read_request, reset)
    with w.connect() as c:
        a = c.call("HEAD")
        assert (a.status, a.body) == (502, b"")
        assert_serves(w, upstream, c)


def test_failures_of_old_clients(single, upstream):
    w = single()
    upstream.script(read_request, reset)
    with w.connect() as c:
        c.request(version="HTTP/1.0")
        assert_failure(c.answer(), 502)
        c.assert_closed()
    assert_serves(w, upstream)


# --- after the head ---------------------------------------------------------------------------------------------------

AFTER = {
    "length-eof": [OK_10, b"12345", close],
    "length-reset": [OK_10, b"12345", reset],
    "chunked-eof-between-chunks": [CHUNKED_HEAD, b"5\r\n12345\r\n", close],
    "chunked-reset-between-chunks": [CHUNKED_HEAD, b"5\r\n12345\r\n", reset],
    "chunked-eof-in-a-chunk": [CHUNKED_HEAD, b"a\r\n12345", close],
    "chunked-reset-in-a-chunk": [CHUNKED_HEAD, b"a\r\n12345", reset],
    "chunked-eof-in-a-size": [CHUNKED_HEAD, b"5\r\n12345\r\n1", close],
    "chunked-eof-in-the-last-chunk": [CHUNKED_HEAD, b"5\r\n12345\r\n0\r\n", close],
    "chunked-eof-in-the-trailers": [CHUNKED_HEAD, b"5\r\n12345\r\n0\r\nX-A: b\r\n", close],
    "chunked-bad-size": [CHUNKED_HEAD, b"5\r\n12345\r\nzz\r\n"],
    "chunked-no-line-end": [CHUNKED_HEAD, b"5\r\n12345xx0\r\n\r\n"],
    "chunked-size-too-large": [CHUNKED_HEAD, b"5\r\n12345\r\nfffffffffffffffff\r\n"],
    "chunked-bad-trailer": [CHUNKED_HEAD, b"5\r\n12345\r\n0\r\nno colon\r\n\r\n"],
    "until-close-reset": [UNTIL_CLOSE, b"12345", reset],
}


@ACCEPTS
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("steps", AFTER.values(), ids=AFTER)
def test_a_broken_answer_never_looks_whole(single, upstream, steps, accept, version):
    """The client has read the beginning before the function breaks off."""
    w = single()
    start, *end = steps
    with w.connect() as c:
        c.request(version=version, fields=[("Accept", accept)])
        link = upstream.link()
        link.request()
        link.send(start)
        begins = end[0][:5] if start != CHUNKED_HEAD else end[0][:8]
        link.send(begins)
        a = c.begin()
        c.read_until(a, b"12345")
        for step in [end[0][len(begins) :], *end[1:]]:
            link.send(step) if isinstance(step, bytes) else step(link)
        c.rest(a)
        assert (a.status, a.body, a.cut, a.trailers) == (200, b"12345", True, [])
        link.close()
    assert_serves(w, upstream)


@pytest.mark.parametrize("size", [100, 1_000_000])
@pytest.mark.parametrize("ending", [close, reset])
def test_broken_at_once(single, upstream, size, ending):
    """Head, some body and the end in one go: what the client gets is a 502 or an answer that is cut."""
    w = single()
    upstream.script(read_request, answer_bytes(b"x" * (size + 1))[:-1], ending)
    a = w.call()
    assert a.status == 502 or (a.status, a.cut) == (200, True), a
    assert_serves(w, upstream)


@pytest.mark.parametrize("steps", AFTER.values(), ids=AFTER)
def test_broken_answer_to_head(single, upstream, steps):
    """There is no body to break."""
    w = single()
    upstream.script(read_request, steps[0], close)
    with w.connect() as c:
        assert c.call("HEAD").status == 200
        assert_serves(w, upstream, c)


# --- more than was asked for ------------------------------------------------------------------------------------------

EVIL = answer_bytes(b"evil", fields=[("X-Evil", "1")])
FIRST = {
    "length": answer_bytes(b"first"),
    "chunked": CHUNKED_HEAD + chunked(b"first"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "length-0": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@ACCEPTS
@pytest.mark.parametrize("more", [EVIL, b"x", b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["head", "x", "line", "100"])
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_a_second_answer_reaches_nobody(single, upstream, first, more, accept):
    w = single()
    upstream.script(read_request, first + more)
    with w.connect() as c:
        a = c.call(fields=[("Accept", accept)])
        assert (a.status, a.body) in ((200, b"first"), (200, b""), (204, b""), (304, b""))
        assert_serves(w, upstream, c)
        assert_serves(w, upstream)


def test_a_body_for_head_reaches_nobody(single, upstream):
    w = single()
    upstream.script(read_request, EVIL)
    with w.connect() as c:
        a = c.call("HEAD")
        assert (a.status, a.length) == (200, 4)
        assert_serves(w, upstream, c)


@pytest.mark.parametrize("data", [b"x", EVIL, b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"], ids=["x", "a", "408"])
def test_bytes_on_an_idle_link_end_it(single, upstream, data):
    w = single()
    with w.connect() as c:
        link = idle_link(c, upstream)
        link.send(data)
        link.assert_ended()
        assert_serves(w, upstream, c)


# --- links that are dead ----------------------------------------------------------------------------------------------


def idle_link(c, upstream, body=b"first"):
    """A link over which one call has gone."""
    c.request("POST", "/first", body=body)
    link = upstream.link()
    assert link.request().body == body
    link.answer(body)
    assert c.answer().body == body
    return link


@pytest.mark.parametrize("ending", [close, reset])
def test_idle_link_that_was_ended(single, upstream, ending):
    """Whether the watchdog hears of it before the next call or while it is on its way."""
    with single().connect() as c:
        for i in range(20):
            ending(idle_link(c, upstream, body=b"%d" % i))
    assert len(upstream.links) == 20


KEPT = {
    "get": request_bytes("GET", "/x?y", [("X-A", "b"), ("x-a", "")]),
    "head": request_bytes("HEAD", "/x"),
    "post-empty": request_bytes("POST", body=b""),
    "post": request_bytes("POST", body=b"hello"),
    "post-64k": request_bytes("POST", body=b"x" * 65_536),
    "chunked": request_bytes("POST", fields=CHUNKED) + chunked(b"hel", b"lo", trailers=[b"X-T: t"]),
    "chunked-60k": request_bytes("POST", fields=CHUNKED) + chunked(*[b"x" * 5000] * 12),
    "odd-method": request_bytes("FOO", body=b"hello"),
    "events": request_bytes("POST", fields=[("Accept", "text/event-stream")], body=b"hello"),
}


@pytest.mark.parametrize("ending", [close, reset])
@pytest.mark.parametrize("when", [read_head, read_request])
@pytest.mark.parametrize("raw", KEPT.values(), ids=KEPT)
def test_used_link_that_dies_is_replaced(single, upstream, raw, when, ending):
    """The function may have closed it before the call came; who can tell? The client sees nothing of it."""
    method = raw.split(b" ")[0].decode()
    with single().connect() as c:
        old = idle_link(c, upstream)
        c.send(raw)
        first = old.head()
        if when is read_request:
            old.body(first)
        ending(old)
        new = upstream.link()
        second = new.request()
        assert second.head == first.head
        assert second.made_id and second.made_id == first.made_id, "it is the same call"
        if when is read_request:
            assert (second.body, second.trailers) == (first.body, first.trailers)
        new.answer(b"" if method == "HEAD" else b"fresh")
        a = c.answer(method)
        assert (a.status, a.body) == (200, b"" if method == "HEAD" else b"fresh")
        assert upstream.no_link()


def test_used_link_that_dies_late_is_not_replaced(single, upstream):
    """A function that has worked on the call for a while has done something."""
    with single().connect() as c:
        old = idle_link(c, upstream)
        c.send(KEPT["post"])
        old.request()
        time.sleep(1.1)
        close(old)
        assert_failure(c.answer(), 502)
        assert upstream.no_link()


def test_replaced_in_the_middle_of_a_body(single, upstream):
    """What was sent is sent again, and the rest follows."""
    with single().connect() as c:
        old = idle_link(c, upstream)
        c.send(request_bytes("POST", fields=CHUNKED) + b"3\r\nabc\r\n")
        old.head()
        assert old.chunk() == b"abc"
        old.reset()
        new = upstream.link()
        r = new.head()
        assert new.chunk() == b"abc"
        c.send(chunked(b"def"))
        assert new.body(r) == b"def"
        new.answer()
        assert c.answer().status == 200


def test_replacement_that_dies_is_502(single, upstream):
    w = single()
    with w.connect() as c:
        old = idle_link(c, upstream)
        upstream.script(read_request, close)
        c.request("POST", body=b"hello")
        old.request()
        old.close()
        assert_failure(c.answer(), 502)
        assert len(upstream.links) == 2
        assert_serves(w, upstream, c)


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_not_replaced_after_the_first_byte_of_an_answer(single, upstream, begun):
    """The function has worked on the call."""
    w = single()
    with w.connect() as c:
        old = idle_link(c, upstream)
        c.request("POST", body=b"hello")
        old.request()
        old.send(begun)
        old.close()
        assert_failure(c.answer(), 502)
        assert len(upstream.links) == 1
        assert_serves(w, upstream, c)


def test_not_replaced_when_the_body_was_not_kept(single, upstream):
    w = single()
    with w.connect() as c:
        old = idle_link(c, upstream)
        c.send(request_bytes("POST", fields=CHUNKED))
        r = old.head()
        for _ in range(15):
            c.send(chunked(b"x" * 10_000)[:-5])
            old.chunk()
        c.send(chunked())
        old.body(r)
        old.close()
        assert_failure(c.answer(), 502)
        assert len(upstream.links) == 1
        assert_serves(w, upstream)


def test_large_body_gets_a_fresh_link(single, upstream):
    """Because it could not be sent twice."""
    with single().connect() as c:
        idle_link(c, upstream)
        for _ in range(2):
            c.request("POST", body=b"x" * 65_537)
            link = upstream.link()
            assert len(link.request().body) == 65_537
            link.answer()
            assert c.answer().status == 200


# --- functions that are not there -------------------------------------------------------------------------------------


@pytest.fixture
def mortal():
    """An upstream that can die and come back at the same port."""
    with Upstream(port=free_port()) as u:
        yield u


def test_upstream_dies_and_comes_back(watchdog, mortal):
    mortal.serve(always())
    w = watchdog("cat", mode="http", http_upstream_url=mortal.url, workers="1", max_inflight="1")
    with w.connect() as c:
        for _ in range(5):
            assert c.call("POST", body=b"x").body == b"ok"
            mortal.die()
            for _ in range(3):
                assert_failure(c.call("POST", body=b"x"), 502)
            mortal.listen()
            assert c.call("POST", body=b"x").body == b"ok"


def test_calls_wait_for_a_function_that_starts(watchdog):
    with Upstream(port=free_port(), listening=False) as late:
        w = watchdog("cat", mode="http", http_upstream_url=late.url)
        with w.connect() as c, w.connect() as d:
            c.request("POST", "/early", body=b"hello")
            d.request("GET", "/too", fields=[("Accept", "text/event-stream")])
            assert w.call("GET", "/_/ready").status == 503
            late.serve(lambda link: link.answer(link.request().target.encode()))
            late.listen()
            assert c.answer().body == b"/early"
            assert d.answer().body == b"/too"
        eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_function_that_does_not_start_in_time_is_503(watchdog, accept):
    with Upstream(port=free_port(), listening=False) as never:
        w = watchdog("cat", mode="http", http_upstream_url=never.url, exec_timeout="400ms", max_inflight="1")
        with w.connect() as c:
            for _ in range(2):
                assert_failure(c.call("POST", body=b"x", fields=[("Accept", accept)]), 503)
            never.serve(always())
            never.listen()
            eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")
            assert c.call("POST", body=b"x").body == b"ok"


def test_client_that_does_not_wait_for_a_function_that_starts(watchdog):
    with Upstream(port=free_port(), listening=False) as late:
        w = watchdog("cat", mode="http", http_upstream_url=late.url, max_inflight="1")
        with w.connect() as c:
            c.request("GET", "/gone")
            eventually(lambda: w.call().status == 429, "the slot is taken")
            c.reset()
        w.wait_for_log("^GET /gone - 499 ")
        late.serve(always())
        late.listen()
        assert w.call().body == b"ok"
        assert [link.received.split()[1] for link in late.links] == [b"/"]


# --- clients that fail ------------------------------------------------------------------------------------------------


@ACCEPTS
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_client_leaves_while_the_function_works(single, upstream, ending, accept):
    w = single(exec_timeout="600s")
    with w.connect() as c:
        c.request("POST", "/left", fields=[("Accept", accept)], body=b"hello")
        link = upstream.link()
        link.request()
        getattr(c, ending)()
        link.assert_ended()
    w.wait_for_log("^POST /left - 499 ")
    assert_serves(w, upstream)


@ACCEPTS
@pytest.mark.parametrize("start", [CHUNKED_HEAD, OK_10, UNTIL_CLOSE], ids=["chunked", "length", "until-close"])
def test_client_leaves_in_the_middle_of_the_answer(single, upstream, start, accept):
    w = single(exec_timeout="600s")
    with w.connect() as c:
        c.request(fields=[("Accept", accept)])
        link = upstream.link()
        link.request()
        link.send(start, b"1\r\nx\r\n" if start == CHUNKED_HEAD else b"x")
        a = c.begin()
        c.read_until(a, b"x")
        c.reset()
        link.assert_ended()
    assert_serves(w, upstream)


@pytest.mark.parametrize("chunks", [True, False])
def test_client_leaves_in_the_middle_of_its_body(single, upstream, chunks):
    """The function must not take what came for the whole."""
    w = single()
    with w.connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED if chunks else [("Content-Length", "10")]))
        c.send(b"5\r\nhello\r\n" if chunks else b"hello")
        link = upstream.link()
        link.head()
        assert (link.chunk() if chunks else link.exactly(5)) == b"hello"
        c.reset()
        link.assert_ended()
    assert_serves(w, upstream)


@pytest.mark.parametrize(
    "raw",
    [
        request_bytes("POST", fields=CHUNKED) + b"3\r\nabc\r\nzz\r\n",
        request_bytes("POST", fields=CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n",
        request_bytes("POST", fields=CHUNKED) + b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
        request_bytes("POST", fields=CHUNKED) + b"3\r\nabc\r\n",
        request_bytes("POST", fields=[("Content-Length", "10")]) + b"abc",
    ],
    ids=["bad-size", "no-line-end", "bad-trailer", "no-last-chunk", "short"],
)
@ACCEPTS
def test_bad_body_is_400_and_never_ends_regularly(single, upstream, raw, accept):
    upstream.serve(always(body=b"fine"))
    w = single()
    with w.connect() as c:
        c.send(raw.replace(b" / ", b" /bad ").replace(b"\r\n", b"\r\nAccept: " + accept.encode() + b"\r\n", 1))
        c.half_close()
        a = c.answer()
        assert (a.status, a.value("Connection")) == (400, "close")
        c.assert_closed()
    assert w.call().body == b"fine"
    for link in upstream.links:
        if link.received.startswith(b"POST /bad"):
            eventually(lambda: link.socket.fileno() < 0, "that link is ended")  # noqa: B023
            assert len(link.received.split(b"\r\n\r\n", 1)[1]) <= len(b"3\r\nabc\r\n"), "a regular end"


@ACCEPTS
@pytest.mark.parametrize("framing", ["none", "length", "chunked"])
def test_half_closed_client_gets_its_answer(single, upstream, framing, accept):
    """Also when it takes longer than it takes the watchdog to ask (100 Continue) whether somebody is there."""
    w = single()
    raw = {
        "none": request_bytes("GET", fields=[("Accept", accept)]),
        "length": request_bytes("POST", fields=[("Accept", accept)], body=b"hello"),
        "chunked": request_bytes("POST", fields=[("Accept", accept), *CHUNKED]) + chunked(b"hello"),
    }[framing]
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        link = upstream.link()
        assert link.request().body == (b"" if framing == "none" else b"hello")
        assert c.line() == "HTTP/1.1 100 Continue", "the question"
        assert c.line() == ""
        link.answer(b"here")
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"here", False)
        c.assert_closed()
    upstream.when_used_again(link)
    assert_serves(w, upstream)


def test_half_closed_client_gets_a_long_answer(single, upstream):
    body = b"0123456789" * 300_000
    with single().connect() as c:
        c.request("POST", body=b"hello")
        c.half_close()
        link = upstream.link()
        link.request()
        upstream.in_thread(link, lambda link: link.answer(body))
        a = c.answer()
        assert (a.status, a.body == body, a.cut) == (200, True, False)


def test_nothing_is_left_of_failures(single, upstream):
    """Descriptors and connections, after every kind."""
    w = single()
    calls = [*BEFORE.values(), *[[read_request, *steps] for steps in AFTER.values()]]

    def work():
        for steps in calls:
            upstream.script(*steps, close)
            w.call("POST", body=b"x")
        with w.connect() as c:
            c.request()
            upstream.link().request()
            c.reset()

    work()
    upstream.script(read_request, answer_bytes(fields=[("Connection", "close")]))
    eventually(lambda: w.call().status != 429, "the slot of the last one is free")
    before = w.idle_descriptors()
    for _ in range(3):
        work()
    after = w.idle_descriptors()
    assert [d for d in after if after.count(d) > before.count(d)] == []
