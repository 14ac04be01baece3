"""
mode=http: how long a function may take. exec_timeout, which a client can shorten with X-Timeout, ends a
call with 504 before the head of its answer and by cutting it later. Streams may last: there it limits
the time to the head, and then between two pieces.
"""

import re
import time

import pytest

from harness import SLOW
from http_client import assert_failure, chunked, request_bytes
from upstream import CHUNKED_HEAD, answer_bytes, read_request

SECONDS = r"\(\d+\.\d{4}s\)"
ACCEPTS = pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "application/x-ndjson"])
LENGTH_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
CLOSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
EVENTS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NDJSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"


def soon(seconds):
    """Upper bound for something that should take so long."""
    return seconds + 5 * SLOW


def assert_next_is_served(upstream, c):
    upstream.script(read_request, answer_bytes(b"fine"))
    a = c.call("POST", "/next", body=b"x")
    assert (a.status, a.body) == (200, b"fine"), a


# --- before the head --------------------------------------------------------------------------------------------------


@ACCEPTS
def test_function_that_never_answers(proxied, upstream, accept):
    w = proxied(exec_timeout="300ms", max_inflight="1")
    with w.connect() as c:
        began = time.monotonic()
        c.request("POST", "/slow?q", fields=[("Accept", accept)], body=b"hello")
        link = upstream.link()
        link.request()
        a = c.answer()
        assert 0.25 < time.monotonic() - began < soon(0.3)
        assert_failure(a, 504, "exec_timeout 300ms")
        assert 0.25 < float(a.value("X-Duration-Seconds")) < soon(0.3)
        link.assert_ended()
        assert_next_is_served(upstream, c)
    url = re.escape(upstream.url)
    w.wait_for_log(rf'^Upstream HTTP request error: Post "{url}/slow\?q": .*exec_timeout 300ms')
    w.wait_for_log(r"^Upstream HTTP killed due to exec_timeout: 300ms$")
    if accept == "*/*":
        w.wait_for_log(rf"^POST /slow\?q - 504 Gateway Timeout - ContentLength: {len(a.body)}B {SECONDS}$")
    else:
        w.wait_for_log(rf"^POST /slow\?q - 504 - Bytes: {len(a.body)}B {SECONDS}$")


@pytest.mark.parametrize("text, printed", [("1", "1s"), ("0.5s", "500ms"), ("1200000us", "1.2s")])
def test_the_setting_is_named_as_it_is_understood(proxied, upstream, text, printed):
    w = proxied(exec_timeout=text)
    assert_failure(w.call(), 504, f"exec_timeout {printed}")
    w.wait_for_log(rf"^Upstream HTTP killed due to exec_timeout: {re.escape(printed)}$")


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nA: b\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"H"])
def test_a_part_of_the_head_is_no_answer(proxied, upstream, begun):
    upstream.script(read_request, begun)
    assert_failure(proxied(exec_timeout="300ms").call(), 504, "exec_timeout 300ms")


@pytest.mark.parametrize("fields", [[("Content-Length", "10")], [("Transfer-Encoding", "chunked")]])
def test_the_upload_counts(proxied, upstream, fields):
    w = proxied(exec_timeout="300ms", max_inflight="1")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=fields) + b"3\r\n")
        link = upstream.link()
        link.head()
        assert_failure(c.answer(), 504, "exec_timeout 300ms")
        assert b"0\r\n\r\n" not in link.rest(), "no regular end"
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"


def test_head_has_no_body_at_504(proxied, upstream):
    w = proxied(exec_timeout="300ms")
    with w.connect() as c:
        a = c.call("HEAD")
        assert (a.status, a.body, a.value("X-Openfaas-Internal")) == (504, b"", "of-watchdog")
        upstream.link()
        assert_next_is_served(upstream, c)


def test_late_answer_reaches_nobody(proxied, upstream):
    with proxied(exec_timeout="300ms").connect() as c:
        c.request("GET", "/late")
        link = upstream.link()
        link.request()
        assert c.answer().status == 504
        link.send_as_far_as_taken(answer_bytes(b"late"))
        assert_next_is_served(upstream, c)


def test_it_wins_over_an_equal_write_timeout(proxied, upstream):
    w = proxied(exec_timeout="400ms", write_timeout="400ms")
    for _ in range(3):
        assert_failure(w.call(), 504, "exec_timeout 400ms")
    assert len(upstream.links) == 3


@pytest.mark.parametrize("value", ["0", "-1s"])
def test_no_exec_timeout(proxied, upstream, value):
    with proxied(exec_timeout=value).connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        time.sleep(0.5)
        link.answer()
        assert c.answer().body == b"ok"


def test_write_timeout_before_the_head(proxied, upstream):
    w = proxied(exec_timeout="0", write_timeout="400ms", max_inflight="1")
    with w.connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        a = c.answer()
        assert a.status == 504 and b"write_timeout" in a.body
        link.assert_ended()
    w.wait_for_log("^GET / - 504 ")
    assert not [m for m in w.messages() if "exec_timeout" in m], "there is none"
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"


@pytest.mark.parametrize("buffering", [False, True])
def test_read_timeout_within_the_body(proxied, upstream, buffering):
    w = proxied(read_timeout="400ms", max_inflight="1", http_buffer_req_body=str(buffering).lower())
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n")
        a = c.answer()
        assert a.status == 400 and b"i/o timeout" in a.body and b"read_timeout" in a.body
        c.assert_closed()
    if not buffering:
        assert upstream.link().rest().endswith(b"3\r\nabc\r\n"), "no regular end"
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"
    assert len(upstream.links) == 1 + (not buffering)


# --- X-Timeout --------------------------------------------------------------------------------------------------------

CLIENTS = "X-Timeout"
RULES = [
    # exec_timeout, values of X-Timeout, the timer that ends the call
    ("800ms", [], "exec_timeout 800ms"),
    ("800ms", ["200ms"], "X-Timeout 200ms"),
    ("60s", ["200ms"], "X-Timeout 200ms"),
    ("60s", ["0.2s"], ("X-Timeout 0.2s", "X-Timeout 200ms")),
    ("60s", ["+100ms100ms"], ("X-Timeout +100ms100ms", "X-Timeout 200ms")),
    ("60s", ["200000us"], ("X-Timeout 200000us", "X-Timeout 200ms")),
    ("800ms", ["800ms"], ("X-Timeout 800ms", "exec_timeout 800ms")),
    ("800ms", ["801ms"], "exec_timeout 800ms"),
    ("800ms", ["1h"], "exec_timeout 800ms"),
    ("800ms", ["0"], "exec_timeout 800ms"),
    ("800ms", ["0s"], "exec_timeout 800ms"),
    ("800ms", ["-1s"], "exec_timeout 800ms"),
    ("800ms", ["-200ms"], "exec_timeout 800ms"),
    ("800ms", ["200"], "exec_timeout 800ms"),
    ("60s", ["1", "200ms"], None),
    ("800ms", [""], "exec_timeout 800ms"),
    ("800ms", ["soon"], "exec_timeout 800ms"),
    ("800ms", ["200 ms"], "exec_timeout 800ms"),
    ("800ms", ["200MS"], "exec_timeout 800ms"),
    ("800ms", ["200ms,200ms"], "exec_timeout 800ms"),
    ("800ms", ["99999999999999999999h"], "exec_timeout 800ms"),
    ("60s", ["200ms", "60s"], "X-Timeout 200ms"),
    ("800ms", ["2s", "100ms"], "exec_timeout 800ms"),
    ("0", ["200ms"], None),
    ("-1s", ["200ms"], None),
]


@pytest.mark.parametrize("exec_timeout, values, timer", RULES)
def test_x_timeout(proxied, upstream, exec_timeout, values, timer):
    with proxied(exec_timeout=exec_timeout).connect() as c:
        c.request(fields=[(CLIENTS, v) for v in values])
        link = upstream.link()
        assert link.request().values(CLIENTS) == values, "the function may want to know"
        if timer is None:
            time.sleep(0.6)
            link.answer()
            assert c.answer().body == b"ok"
            return
        a = c.answer()
        assert_failure(a, 504)
        assert any(t in a.body.decode() for t in ([timer] if isinstance(timer, str) else timer)), a


@ACCEPTS
def test_x_timeout_of_every_kind_of_call(proxied, upstream, accept):
    w = proxied(exec_timeout="60s")
    a = w.call("POST", fields=[("x-timeout", "300ms"), ("Accept", accept)], body=b"x")
    assert_failure(a, 504, "X-Timeout 300ms")
    upstream.link().request()
    w.wait_for_log(r"^Upstream HTTP request error: Post ")


def test_x_timeout_is_for_one_call(proxied, upstream):
    with proxied(exec_timeout="60s").connect() as c:
        for _ in range(2):
            c.request(fields=[(CLIENTS, "200ms")])
            upstream.link().request()
            assert c.answer().status == 504
            c.request()
            link = upstream.link()
            link.request()
            time.sleep(0.4)
            link.send(answer_bytes(fields=[("Connection", "close")]))
            assert c.answer().body == b"ok"


# --- after the head ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("start", [CHUNKED_HEAD, LENGTH_HEAD, CLOSE_HEAD], ids=["chunked", "length", "until-close"])
@pytest.mark.parametrize("fields, timer", [([], "exec_timeout"), ([(CLIENTS, "400ms")], "X-Timeout")])
def test_answer_that_takes_too_long_is_cut(proxied, upstream, start, version, fields, timer):
    w = proxied(exec_timeout="400ms" if timer == "exec_timeout" else "60s", max_inflight="1")
    with w.connect() as c:
        began = time.monotonic()
        c.request("GET", "/cut", version=version, fields=fields)
        link = upstream.link()
        link.request()
        link.send(start, chunked(b"some")[:-5] if start == CHUNKED_HEAD else b"some")
        a = c.answer()
        assert 0.3 < time.monotonic() - began < soon(0.4)
        assert (a.status, a.body, a.cut) == (200, b"some", True)
        link.assert_ended()
    w.wait_for_log(r"^Error copying response body: .")
    size = "100B" if start == LENGTH_HEAD else "-1B"
    w.wait_for_log(rf"^GET /cut - 200 OK - ContentLength: {size} {SECONDS}$")
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"


def test_write_timeout_after_the_head_cuts(proxied, upstream):
    w = proxied(exec_timeout="0", write_timeout="400ms", max_inflight="1")
    with w.connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        link.send(LENGTH_HEAD, b"some")
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"some", True)
        link.assert_ended()
    w.wait_for_log(r"^Error copying response body: .*write_timeout 400ms")
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"


def test_pieces_do_not_buy_time(proxied, upstream):
    with proxied(exec_timeout="500ms").connect() as c:
        began = time.monotonic()
        c.request()
        link = upstream.link()
        link.request()
        link.send(CHUNKED_HEAD)
        while time.monotonic() - began < soon(0.5):
            link.send_as_far_as_taken(b"1\r\nx\r\n")
            time.sleep(0.05)
            if link_is_ended(link):
                break
        assert time.monotonic() - began < soon(0.5)
        assert c.answer().cut


def link_is_ended(link):
    link.socket.settimeout(0.001)
    try:
        return not link.fill()
    except TimeoutError:
        return False
    finally:
        link.socket.settimeout(20)


# --- streams ----------------------------------------------------------------------------------------------------------

STREAMS = {
    "asked-for-events": ([("Accept", "text/event-stream")], CHUNKED_HEAD),
    "asked-for-lines": ([("Accept", "application/x-ndjson")], CLOSE_HEAD),
    "asked-and-got": ([("Accept", "text/event-stream")], EVENTS_HEAD),
    "got-events": ([], EVENTS_HEAD),
    "got-lines": ([], NDJSON_HEAD),
    "got-events-with-charset": ([], EVENTS_HEAD.replace(b"stream\r", b"stream; charset=utf-8\r")),
}


def piece(start, data):
    return chunked(data)[:-5] if b"chunked" in start else data


@pytest.mark.parametrize("fields, start", STREAMS.values(), ids=STREAMS)
def test_streams_last_as_long_as_they_go_on(proxied, upstream, fields, start):
    """Well past exec_timeout, which is cut short only when nothing comes for so long."""
    with proxied(exec_timeout="1s", max_inflight="1").connect() as c:
        began = time.monotonic()
        c.request(fields=fields)
        link = upstream.link()
        link.request()
        link.send(start)
        a = c.begin()
        for _ in range(8):
            link.send(piece(start, b"x"))
            c.read_until(a, a.body + b"x")
            time.sleep(0.3)
        assert time.monotonic() - began > 2
        last = time.monotonic()
        link.send(piece(start, b"y"))
        c.rest(a)
        assert 0.8 < time.monotonic() - last < soon(1)
        assert (a.status, a.body, a.cut) == (200, b"xxxxxxxxy", True)
        link.assert_ended()


@pytest.mark.parametrize("fields, start", STREAMS.values(), ids=STREAMS)
def test_streams_may_be_silent_with_exec_timeout_0(proxied, upstream, fields, start):
    with proxied(exec_timeout="0").connect() as c:
        c.request(fields=fields)
        link = upstream.link()
        link.request()
        link.send(start, piece(start, b"x"))
        a = c.begin()
        c.read_until(a, b"x")
        time.sleep(0.5)
        link.send(piece(start, b"y"))
        c.read_until(a, b"xy")
        if b"chunked" in start:
            link.send_last_chunk()
        link.close()
        c.rest(a)
        assert (a.body, a.cut) == (b"xy", False)


def test_x_timeout_between_two_pieces(proxied, upstream):
    w = proxied(exec_timeout="60s", max_inflight="1")
    with w.connect() as c:
        c.request("GET", "/tokens", fields=[("Accept", "text/event-stream"), (CLIENTS, "700ms")])
        link = upstream.link()
        link.request()
        link.send(EVENTS_HEAD)
        a = c.begin()
        for _ in range(5):
            link.send_chunk(b"x")
            c.read_until(a, a.body + b"x")
            time.sleep(0.2)
        c.rest(a)
        assert (a.body, a.cut) == (b"xxxxx", True)
        link.assert_ended()
    w.wait_for_log(rf"^GET /tokens - 200 - Bytes: 5B {SECONDS}$")
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok"


def test_client_that_reads_slowly_is_no_silent_function(proxied, upstream):
    """The function has more to say, but nobody takes it: that is not its fault."""
    with proxied(exec_timeout="500ms", write_timeout="600s").connect(receive_buffer=4096) as c:
        c.request(fields=[("Accept", "text/event-stream")])
        link = upstream.link()
        link.request()
        data = b"data: 0123456789\n\n" * 400_000
        link.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(data))
        upstream.in_thread(link, lambda link: link.send(data))
        time.sleep(1.5)
        a = c.answer()
        assert (a.cut, len(a.body)) == (False, len(data))
