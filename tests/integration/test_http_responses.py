"""
mode=http: what the function answers and what of it reaches the client. That nothing is held back is
shown by order, not by time: the upstream sends its next piece only when the client has the last one.
"""

import gzip
import os
import re
import threading

import pytest

from harness import PATIENCE
from http_client import IMF_FIXDATE, SECONDS, chunked, request_bytes
from upstream import CHUNKED_HEAD, always, answer_bytes, close, echo, read_request

TEXT = ("Content-Type", "text/plain")
OURS = ("X-Duration-Seconds", "Date", "Content-Length", "Transfer-Encoding", "Connection")


def head(*lines):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def call(w, upstream, raw, method="GET", **request):
    """One call that the upstream answers with these bytes and then keeps its link."""
    upstream.script(read_request, raw)
    return w.call(method, **request)


def without(a, *names):
    """The fields of an answer, but for those that are the watchdog's business."""
    return [(n, v) for n, v in a.fields if n not in (*OURS, *names)]


# --- the head ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, status, reason",
    [
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.1 200 Fine, by (me)!", 200, "Fine, by (me)!"),
        ("HTTP/1.1 200 caf\xe9", 200, "caf\xe9"),
        ("HTTP/1.1 200 ", 200, ""),
        ("HTTP/1.1 201 Created", 201, "Created"),
        ("HTTP/1.1 302 Found", 302, "Found"),
        ("HTTP/1.1 404 Nowhere To Be Seen", 404, "Nowhere To Be Seen"),
        ("HTTP/1.1 418 I'm a teapot", 418, "I'm a teapot"),
        ("HTTP/1.1 500 Internal Server Error", 500, "Internal Server Error"),
        ("HTTP/1.1 502 The Function's Own", 502, "The Function's Own"),
        ("HTTP/1.1 599 Odd", 599, "Odd"),
        ("HTTP/1.1 600 Odder", 600, "Odder"),
        ("HTTP/1.1 999 Oddest", 999, "Oddest"),
        ("HTTP/1.0 200 Old", 200, "Old"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_status_and_reason(proxied, upstream, line, status, reason, accept):
    raw = head(line, "Content-Type: text/plain", "Content-Length: 2") + b"ok"
    a = call(proxied(), upstream, raw, fields=[("Accept", accept)])
    assert (a.version, a.status, a.reason, a.body) == ("HTTP/1.1", status, reason, b"ok")


def test_no_reason_at_all(proxied, upstream):
    """Not even the blank before it, as some servers have it."""
    a = call(proxied(), upstream, head("HTTP/1.1 204"))
    assert (a.status, a.reason) == (204, "")


FIELDS = [
    ("Content-Type", "x/y; charset=\xe9"),
    ("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT"),
    ("X-b", "2"),
    ("set-cookie", "b=2"),
    ("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT"),
    ("X-Empty", ""),
    ("x-B", "\xff\x80 \t \xe9"),
    ("Location", "http://127.0.0.1:1/elsewhere"),
    ("Server", "its own"),
    ("Content-Encoding", "br"),
    ("ETag", 'W/"x"'),
    ("Trailer", "X-Sum"),
    ("X-Openfaas-Internal", "no"),
    ("X-Call-Id", "1"),
    ("Via", "1.1 a"),
    ("Via", "1.1 b"),
]


@pytest.mark.parametrize("status", ["200 OK", "301 Moved Permanently", "404 Not Found", "500 Oops"])
def test_all_fields_in_order(proxied, upstream, status):
    a = call(proxied(), upstream, answer_bytes(status=status, fields=FIELDS))
    assert without(a) == FIELDS
    assert (a.body, a.framing, a.length) == (b"ok", "length", 2)


def test_many_and_long_fields(proxied, upstream):
    fields = [TEXT, *[(f"X-{i}", "v" * i) for i in range(1000)], ("Set-Cookie", "c" * 100_000)]
    a = call(proxied(), upstream, answer_bytes(fields=fields))
    assert without(a) == fields


@pytest.mark.parametrize("size", [1, 2, 7])
def test_head_in_small_pieces(proxied, upstream, size):
    raw = answer_bytes(fields=FIELDS)
    with proxied().connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        for i in range(0, len(raw), size):
            link.send(raw[i : i + size])
        a = c.answer()
        assert (without(a), a.body) == (FIELDS, b"ok")


HOPS = [
    ["Connection: close"],
    ["Connection: keep-alive", "Keep-Alive: timeout=5, max=100"],
    ["Proxy-Connection: keep-alive"],
    ["Proxy-Authenticate: Basic"],
    ["Proxy-Authorization: Basic eA=="],
    ["TE: trailers"],
    ["Upgrade: h2c"],
    ["Connection: Upgrade", "Upgrade: h2,h2c"],
    ["X-One: 1", "Connection: x-one,, X-TWO", "x-two: 2", "X-one: 3"],
    ["Connection: x-one", "X-One: 1", "connection: close, x-two", "X-Two: 2"],
    ["Connection: Set-Cookie", "Set-Cookie: a=b"],
]


@pytest.mark.parametrize("lines", HOPS, ids=lambda lines: lines[0])
def test_fields_of_the_link_stay_there(proxied, upstream, lines):
    raw = head("HTTP/1.1 200 OK", "Content-Type: text/plain", "A: b", *lines, "Content-Length: 2", "C: d") + b"ok"
    with proxied().connect() as c:
        upstream.script(read_request, raw)
        a = c.call()
        assert without(a) == [TEXT, ("A", "b"), ("C", "d")]
        assert (a.body, a.values("Connection")) == (b"ok", [])
        c.assert_usable()


@pytest.mark.parametrize("line", ["Connection: content-length", "Connection: Content-Type, Content-Length"])
def test_connection_cannot_take_the_framing_away(proxied, upstream, line):
    a = call(proxied(), upstream, head("HTTP/1.1 200 OK", line, "Content-Length: 2") + b"ok")
    assert (a.body, a.length, a.cut) == (b"ok", 2, False)


def test_duration(proxied, upstream):
    a = call(proxied(), upstream, answer_bytes())
    assert SECONDS.fullmatch(a.value("X-Duration-Seconds"))
    assert 0 < float(a.value("X-Duration-Seconds")) < PATIENCE


def test_duration_of_the_function_is_replaced(proxied, upstream):
    a = call(proxied(), upstream, answer_bytes(fields=[TEXT, ("x-duration-seconds", "9999"), ("X-Duration-Seconds", "1e9")]))
    assert 0 < float(a.value("X-Duration-Seconds")) < PATIENCE


@pytest.mark.parametrize("fields", [[("Accept", "text/event-stream")], [("Accept", "a/b, application/x-ndjson")]])
def test_streams_have_no_duration(proxied, upstream, fields):
    a = call(proxied(), upstream, answer_bytes(), fields=fields)
    assert a.values("X-Duration-Seconds") == []


DATE = "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize("name", ["Date", "date"])
def test_date_of_the_function_is_kept(proxied, upstream, name):
    a = call(proxied(), upstream, answer_bytes(fields=[(name, DATE), TEXT]))
    assert a.value("Date") == DATE


def test_date_is_added(proxied, upstream):
    assert IMF_FIXDATE.fullmatch(call(proxied(), upstream, answer_bytes()).value("Date"))


@pytest.mark.parametrize(
    "fields, body, wanted",
    [
        ([], b"<html>x", ["text/html; charset=utf-8"]),
        ([], b"plain", ["text/plain; charset=utf-8"]),
        ([], b"\x89PNG\r\n\x1a\n", ["image/png"]),
        ([], b"\0\1\2", ["application/octet-stream"]),
        ([], b"", []),
        ([("Content-Encoding", "gzip")], b"<html>x", []),
        ([("Content-Type", "a/b")], b"<html>x", ["a/b"]),
        ([("content-type", "")], b"<html>x", [""]),
        ([("Content-Type", "a/b"), ("Content-Type", "c/d")], b"<html>x", ["a/b", "c/d"]),
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_content_type_is_found_where_it_is_missing(proxied, upstream, fields, body, wanted, framing):
    if framing == "chunked":
        raw = answer_bytes(b"", fields=[*fields, ("Transfer-Encoding", "chunked")], length=False) + chunked(body)
    else:
        raw = answer_bytes(body, fields=fields, length=framing == "length")
    upstream.script(read_request, raw, *[close] * (framing == "close"))
    a = proxied().call()
    assert (a.values("Content-Type"), a.body, a.cut) == (wanted, body, False)


# --- bodies, piece by piece -------------------------------------------------------------------------------------------

FLOWS = {
    "length": (head("HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: 30"), False),
    "chunked": (CHUNKED_HEAD, True),
    "until-close": (head("HTTP/1.1 200 OK", "Content-Type: text/plain"), False),
    "until-close-1.0": (head("HTTP/1.0 200 OK", "Content-Type: text/plain"), False),
    "no-type": (head("HTTP/1.1 200 OK", "Content-Length: 30"), False),
    "events": (head("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"), True),
}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "application/x-ndjson"])
@pytest.mark.parametrize("start, in_chunks", FLOWS.values(), ids=FLOWS)
def test_every_piece_is_passed_on_at_once(proxied, upstream, start, in_chunks, accept, version):
    with proxied().connect() as c:
        c.request(version=version, fields=[("Accept", accept)])
        link = upstream.link()
        link.request()
        link.send(start)
        a = None
        for i in range(10):
            (link.send_chunk if in_chunks else link.send)(b"%3d" % i)
            a = a or c.begin()
            c.read_until(a, a.body + b"%3d" % i)
        if in_chunks:
            link.send_last_chunk()
        elif b"Length" not in start:
            link.close()
        c.rest(a)
        assert (a.status, a.cut, len(a.body)) == (200, False, 30)
        if version == "HTTP/1.0":
            assert a.framing == ("length" if b"Length" in start else "close")
            c.assert_closed()
        else:
            assert a.framing == ("length" if b"Length" in start else "chunked")
            c.assert_usable()


@pytest.mark.parametrize("start", [FLOWS["length"][0], CHUNKED_HEAD, FLOWS["until-close"][0]], ids=["l", "c", "u"])
def test_head_does_not_wait_for_the_body(proxied, upstream, start):
    with proxied().connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        link.send(start)
        assert c.begin().status == 200
        link.close()


def test_both_directions_at_once(proxied, upstream):
    """What the client sends comes back before its body is over, again and again."""
    with proxied().connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]))
        link = upstream.link()
        link.head()
        link.send(CHUNKED_HEAD)
        a = c.begin()
        for i in range(10):
            c.send(chunked(b"%d" % i)[:-5])
            link.send_chunk(link.chunk())
            c.read_until(a, a.body + b"%d" % i)
        c.send(chunked())
        assert (link.chunk(), link.chunk_end()) == (b"", [])
        link.send_last_chunk()
        assert c.rest(a).body == b"0123456789" and not a.cut
        c.assert_usable()


@pytest.mark.parametrize("size", [0, 1, 16_383, 65_536, 65_537, 5_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_body_of_any_size(proxied, upstream, size, framing):
    body = os.urandom(size)
    if framing == "chunked":
        raw = CHUNKED_HEAD + chunked(*[body[i : i + 70_001] for i in range(0, size, 70_001)])
    else:
        raw = answer_bytes(body, length=framing == "length")
    upstream.script(read_request, raw, *[close] * (framing == "close"))
    with proxied().connect() as c:
        a = c.call()
        assert (a.status, a.cut, a.body == body) == (200, False, True)
        assert a.framing == "length" if framing == "length" else a.framing in ("chunked", "length")
        c.assert_usable()


def test_large_bodies_both_ways_at_once(proxied, upstream):
    body = os.urandom(5_000_000)

    def mirror(link):
        r = link.head()
        link.send(head("HTTP/1.1 200 OK", "Content-Type: a/b", f"Content-Length: {r.length}"))
        for _ in range(0, r.length, 100_000):
            link.send(link.exactly(100_000))

    upstream.script(mirror)
    with proxied().connect() as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": body})
        sender.start()
        a = c.answer()
        sender.join(PATIENCE)
        assert (a.status, a.cut, a.body == body) == (200, False, True)


def test_compressed_bodies_are_left_alone(proxied, upstream):
    body = gzip.compress(b"<html>" * 1000)
    a = call(proxied(), upstream, answer_bytes(body, fields=[("Content-Type", "text/html"), ("Content-Encoding", "gzip")]))
    assert (a.value("Content-Encoding"), a.length, a.body) == ("gzip", len(body), body)


@pytest.mark.parametrize("raw", [b"3;a=b\r\nabc\r\n0;x\r\n\r\n", b"0003\r\nabc\r\n000\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"])
def test_chunks_in_any_form(proxied, upstream, raw):
    a = call(proxied(), upstream, CHUNKED_HEAD + raw)
    assert (a.body, a.cut) == (b"abc", False)


# --- trailers ---------------------------------------------------------------------------------------------------------

TRAILERS = [b"X-Sum: 1", b"x-empty:", b"X-Sum: 2", b"Set-Cookie: a=b"]


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 100_000])
def test_trailers_reach_the_client(proxied, upstream, accept, body):
    raw = head("HTTP/1.1 200 OK", "Content-Type: a/b", "Trailer: X-Sum", "Transfer-Encoding: chunked")
    with proxied().connect() as c:
        upstream.script(read_request, raw + chunked(body, trailers=TRAILERS))
        a = c.call(fields=[("TE", "trailers"), ("Accept", accept)])
        assert (a.body, a.framing, a.values("Trailer")) == (body, "chunked", ["X-Sum"])
        assert a.trailers == [("X-Sum", "1"), ("x-empty", ""), ("X-Sum", "2"), ("Set-Cookie", "a=b")]
        c.assert_usable()


def test_trailers_have_no_place_in_http_1_0(proxied, upstream):
    upstream.script(read_request, CHUNKED_HEAD + chunked(b"hello", trailers=TRAILERS))
    with proxied().connect() as c:
        c.request(version="HTTP/1.0")
        a = c.answer()
        assert (a.body, a.framing, a.cut) == (b"hello", "close", False)


# --- 1xx --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_interim_answers_are_passed_on_at_once(proxied, upstream, accept):
    with proxied().connect() as c:
        c.request(fields=[("Accept", accept)])
        link = upstream.link()
        link.request()
        for i, (status, reason) in enumerate([(103, "Early Hints"), (102, "Processing"), (103, "More"), (199, "")]):
            link.send(head(f"HTTP/1.1 {status} {reason}", f"Link: </{i}.css>", "link: </b>", "Connection: X-Hop", "X-Hop: 1"))
            assert c.line() == f"HTTP/1.1 {status} {reason}"
            assert c.field_lines() == [("Link", f"</{i}.css>"), ("link", "</b>")]
        link.answer()
        a = c.answer()
        assert (a.status, a.body, a.interim) == (200, b"ok", [])
        c.assert_usable()


def test_interim_and_final_answer_in_one_piece(proxied, upstream):
    raw = head("HTTP/1.1 103 Early Hints", "Link: </a>") + head("HTTP/1.1 102 P") + answer_bytes()
    a = call(proxied(), upstream, raw)
    assert (a.status, a.body) == (200, b"ok")
    assert [(i.status, i.fields) for i in a.interim] == [(103, [("Link", "</a>")]), (102, [])]


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_100_that_nobody_waits_for_is_swallowed(proxied, upstream, accept):
    raw = head("HTTP/1.1 100 Continue") * 3 + answer_bytes()
    a = call(proxied(), upstream, raw, "POST", body=b"x", fields=[("Accept", accept)])
    assert (a.status, a.body, a.interim) == (200, b"ok", [])


def test_http_1_0_knows_no_interim_answers(proxied, upstream):
    upstream.script(read_request, head("HTTP/1.1 103 Early Hints", "Link: </a>") + answer_bytes())
    with proxied().connect() as c:
        c.request(version="HTTP/1.0")
        a = c.answer()
        assert (a.status, a.body, a.interim) == (200, b"ok", [])


@pytest.mark.parametrize("n, statuses", [(50, [200]), (10_000, [200, 502])])
def test_interim_answers_without_end(proxied, upstream, n, statuses):
    """Some may be dropped, and of a flood there may be no good end, but it is an end."""
    w = proxied()
    with w.connect() as c:
        upstream.script(read_request, lambda link: link.send_as_far_as_taken(head("HTTP/1.1 102 P") * n + answer_bytes()))
        a = c.call()
        assert a.status in statuses
        upstream.script(read_request, answer_bytes(b"fine"))
        assert c.call().body == b"fine"


# --- answers without a body -------------------------------------------------------------------------------------------

EMPTY = {
    "head-length": ("HEAD", head("HTTP/1.1 200 OK", "Content-Length: 5"), 200, ["5"]),
    "head-length-0": ("HEAD", head("HTTP/1.1 200 OK", "Content-Length: 0"), 200, ["0"]),
    "head-chunked": ("HEAD", head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), 200, []),
    "head-nothing": ("HEAD", head("HTTP/1.1 200 OK"), 200, []),
    "head-404": ("HEAD", head("HTTP/1.1 404 Not Found", "Content-Length: 123456789012"), 404, ["123456789012"]),
    "204": ("GET", head("HTTP/1.1 204 No Content"), 204, []),
    "204-length": ("GET", head("HTTP/1.1 204 No Content", "Content-Length: 5"), 204, []),
    "204-chunked": ("GET", head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked"), 204, []),
    "304": ("GET", head("HTTP/1.1 304 Not Modified", 'ETag: "x"'), 304, []),
    "304-length": ("GET", head("HTTP/1.1 304 Not Modified", "Content-Length: 5"), 304, ["5"]),
    "length-0": ("GET", head("HTTP/1.1 200 OK", "Content-Length: 0"), 200, ["0"]),
}


@pytest.mark.parametrize("method, raw, status, lengths", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_no_body(proxied, upstream, method, raw, status, lengths, accept):
    """Answers and requests stay in step, on both sides."""
    with proxied().connect() as c:
        c.request(method, "/empty", fields=[("Accept", accept)])
        link = upstream.link()
        assert link.request().method == method
        link.send(raw)
        a = c.answer(method)
        assert (a.status, a.body, a.cut) == (status, b"", False)
        assert a.values("Content-Length") == lengths
        if method == "HEAD" or status in (204, 304):
            assert a.values("Transfer-Encoding") == [] or method == "HEAD"
        c.request("POST", "/next", body=b"x")
        next_link = link if not link_is_over(link) else upstream.link()
        assert next_link.request().target == "/next"
        next_link.answer(b"next")
        assert c.answer().body == b"next"


def link_is_over(link):
    """Waits for the next request or the end of the link, whichever comes."""
    return link.at == len(link.received) and not link.fill()


# --- links that end, old servers, old clients -------------------------------------------------------------------------


def test_a_link_is_used_again(proxied, upstream):
    upstream.serve(echo)
    w = proxied()
    for i in range(20):
        with w.connect() as c:
            assert c.call("POST", body=b"%d" % i).body == b"%d" % i
            assert c.call("POST", body=b"again").body == b"again"
    assert len(upstream.links) == 1


def test_as_many_links_as_calls_at_once(proxied, upstream):
    w = proxied()
    clients, links = [w.connect() for _ in range(30)], []
    for i, c in enumerate(clients):
        c.request("GET", f"/{i}")
        links.append(upstream.link())
        assert links[i].request().target == f"/{i}"
    for i in reversed(range(30)):
        links[i].answer(b"%d" % i)
        assert clients[i].answer().body == b"%d" % i


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "x-y,close"])
@pytest.mark.parametrize("really", [True, False], ids=["closes", "only-says-so"])
def test_upstream_that_says_close(proxied, upstream, value, really):
    """The client's connection goes on, the link does not."""
    answer = {"fields": [TEXT, ("Connection", value)]}
    upstream.serve(lambda link: (link.request(), link.answer(**answer), really or link.rest()))
    with proxied().connect() as c:
        for _ in range(3):
            a = c.call()
            assert (a.status, a.body, a.values("Connection")) == (200, b"ok", [])
    assert len(upstream.links) == 3


@pytest.mark.parametrize("length", [True, False], ids=["length", "until-close"])
def test_upstream_of_http_1_0(proxied, upstream, length):
    upstream.serve(lambda link: (link.request(), link.answer(version="1.0", length=length)))
    with proxied().connect() as c:
        for _ in range(3):
            a = c.call()
            assert (a.version, a.status, a.body, a.cut) == ("HTTP/1.1", 200, b"ok", False)
            assert a.framing == "length" if length else a.framing in ("chunked", "length")
    assert len(upstream.links) == 3


def test_upstream_of_http_1_0_that_keeps_its_links(proxied, upstream):
    upstream.serve(always(version="1.0", fields=[TEXT, ("Connection", "keep-alive")]))
    with proxied().connect() as c:
        for _ in range(5):
            assert c.call().body == b"ok"


def test_clients_close_is_not_the_functions(proxied, upstream):
    upstream.serve(echo)
    w = proxied()
    for _ in range(3):
        with w.connect() as c:
            a = c.call("POST", fields=[("Connection", "close")], body=b"x")
            assert (a.body, a.value("Connection")) == (b"x", "close")
            c.assert_closed()
    assert len(upstream.links) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_client_of_http_1_0(proxied, upstream, keep):
    upstream.serve(echo)
    with proxied().connect() as c:
        for _ in range(3 if keep else 1):
            c.request("POST", version="HTTP/1.0", fields=[("Connection", "Keep-Alive")] * keep, body=b"hi")
            a = c.answer()
            assert (a.status, a.body, a.framing) == (200, b"hi", "length")
            assert a.values("Connection") == (["keep-alive"] if keep else ["close"])
        if not keep:
            c.assert_closed()


# --- answers that come early ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left, kept", [(1000, True), (200_000, True), (2_000_000, False)])
def test_answer_before_the_body_is_there(proxied, upstream, left, kept):
    """The rest of the body is nobody's: a little is read and dropped, for much the connection is not kept."""
    with proxied().connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", str(left + 5))]) + b"12345")
        link = upstream.link()
        link.head()
        assert link.exactly(5) == b"12345"
        link.answer(b"enough", status="413 Enough")
        a = c.answer()
        assert (a.status, a.reason, a.body) == (413, "Enough", b"enough")
        assert a.values("Connection") == ([] if kept else ["close"])
        if not kept:
            c.send_as_far_as_taken(b"x" * left)
            return
        c.send(b"x" * left + request_bytes("GET", "/next"))
        link = upstream.link()
        assert link.request().target == "/next"
        link.answer(b"next")
        assert c.answer().body == b"next"


def test_answer_before_the_end_of_chunks(proxied, upstream):
    with proxied().connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n")
        link = upstream.link()
        link.head()
        assert link.chunk() == b"abc"
        link.answer(b"enough")
        assert c.answer().body == b"enough"
        c.send(b"4\r\ndefg\r\n0\r\n\r\n" + request_bytes("GET", "/next"))
        link = upstream.link()
        assert link.request().target == "/next"
        link.answer(b"next")
        assert c.answer().body == b"next"


def test_large_answer_before_the_body_is_there(proxied, upstream):
    body = os.urandom(3_000_000)
    with proxied().connect() as c:
        upstream.script(lambda link: (link.head(), link.answer(body), link.rest()))
        c.send(request_bytes("POST", fields=[("Content-Length", "1000")]))
        a = c.answer()
        assert (a.status, a.body == body, a.cut) == (200, True, False)


def test_answer_outlives_the_upload(proxied, upstream):
    """
    A function that answers and closes without reading resets the link, so that sending the body fails.
    The answer was there before.
    """
    w = proxied()
    body = b"x" * 3_000_000
    for _ in range(20):
        upstream.script(lambda link: link.head(), answer_bytes(b"too much", status="413 Too Much"), close)
        with w.connect() as c:
            sender = threading.Thread(target=c.send_as_far_as_taken, args=(request_bytes("POST", body=body),))
            sender.start()
            a = c.answer()
            c.close()
            sender.join(PATIENCE)
            assert (a.status, a.reason, a.body) == (413, "Too Much", b"too much"), a


def test_order_of_the_head(proxied, upstream):
    """The function's fields come first, as it sent them; ours follow."""
    with proxied().connect() as c:
        upstream.script(read_request, answer_bytes(fields=[("A", "b"), TEXT, ("C", "d")]))
        c.request()
        while b"\r\n\r\nok" not in c.buffer:
            assert c.fill()
        pattern = (
            rb"HTTP/1\.1 200 OK\r\nA: b\r\nContent-Type: text/plain\r\nC: d\r\n"
            rb"(?:(?:X-Duration-Seconds: \d+\.\d{6}|Content-Length: 2|Date: [^\r]{29})\r\n){3}\r\nok"
        )
        assert re.fullmatch(pattern, c.buffer), c.buffer
