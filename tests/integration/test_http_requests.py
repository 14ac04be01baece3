"""
mode=http: what reaches the function, byte for byte. The tables hold heads as a client sends them and
as they arrive; whatever HTTP lets pass has to pass unchanged, and what is between two neighbours only
(RFC 9110, 7.6.1) has to stay there. The upstream is a recorder, see upstream.py.
"""

import pytest

from http_client import chunked
from upstream import answer_bytes

HOST = "Host: function.test"
COOKIES = [f"session{i}={'0123456789abcdef' * 250}" for i in range(15)]  # 60 KB


def head(*lines):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def relay(w, upstream, raw):
    """Sends `raw` and gives the request that reached the upstream; the client is answered."""
    with w.connect() as c:
        c.send(raw)
        link = upstream.link()
        request = link.request()
        assert link.at == len(link.received), "something follows the request"
        assert request.made_id or request.values("X-Call-Id"), "every call has an id"
        answer = answer_bytes()
        link.send(answer[: -len(b"ok")] if request.method == "HEAD" else answer)
        a = c.answer(request.method)
        assert (a.status, a.body) == (200, b"" if request.method == "HEAD" else b"ok"), a
    upstream.when_used_again(link)
    return request


# --- heads that pass as they are --------------------------------------------------------------------------------------

TARGETS = {
    "plain": "/",
    "path": "/a/b.c;d=e,f:g@h$i!j*k'l(m)",
    "encoded-slash": "/a%2Fb%2fc",
    "encoded-anything": "/%00%0a%20%7e%C3%A9%25",
    "slashes": "//a//b///",
    "dots": "/a/./b/../c/..",
    "encoded-dots": "/%2e%2E/a",
    "question-only": "/?",
    "question-after-path": "/a/?",
    "query": "/a?b=c&d=e&b=%20+f",
    "two-questions": "/a??b?c",
    "bad-escapes-in-query": "/a?%zz&%&%4",
    "url-in-query": "/a?u=http://b/c?d#e",
    "fragment": "/a#b?c#d",
    "not-in-any-url": '/^`{}|\\"<>[]?^`{}|\\"<>[]',
    "latin-1": "/caf\xe9?caf\xe9",
    "utf-8": "/caf\xc3\xa9/\xe4\xb8\x96?\xf0\x9f\x98\x80",
    "high-bytes": "/\x80\xff\xa0?\x9b\x85",
    "colon": "/http://other/",
    "authority": "//other/path",
    "long": "/" + "x" * 60_000 + "?" + "y" * 60_000,
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_target_is_unchanged(proxied, upstream, target):
    raw = head(f"GET {target} HTTP/1.1", HOST)
    assert relay(proxied(), upstream, raw).head == raw


@pytest.mark.parametrize(
    "method",
    ["HEAD", "DELETE", "OPTIONS", "TRACE", "FOO", "get", "M-SEARCH", "PROPFIND", "PRI", "!#$%&'*+-.^_`|~09azAZ", "X" * 300],
)
def test_method_is_unchanged(proxied, upstream, method):
    raw = head(f"{method} /x HTTP/1.1", HOST)
    assert relay(proxied(), upstream, raw).head == raw


FIELDS = {
    "case-and-order": ["x-B: 1", "X-a: 2", "ACCEPT: */*", "x-b: 3", "aCCept-languagE: de"],
    "repeated": ["X-A: 1", "X-A: 1", "X-B: 2", "X-A: 3", "x-a: 4"],
    "lists-stay-apart": ["Accept: text/html", "Accept: */*;q=0.1", "Via: 1.1 a", "Via: 1.0 b, 1.1 c"],
    "odd-names": ["!#$%&'*+-.^_`|~09azAZ: v", "_: v", "x_y: v", "1: v"],
    "odd-values": ['X-A: "quo\\"ted", (com(ment)), a=b; c="d;e"', "X-B: ,,, ,", "X-C: a:b: c", "X-D: \\"],
    "blanks-inside": ["X-A: a  b \t c"],
    "non-ascii-values": ["X-A: caf\xe9", "X-B: caf\xc3\xa9 \xe4\xb8\x96", "X-C: \x80\xff\xa0\x85\x9b"],
    "cookies": ["Cookie: a=b; c=d", "Cookie: e=f", "Cookie2: $Version=1"],
    "60-kB-of-cookies": ["Cookie: " + "; ".join(COOKIES)],
    "60-kB-in-fields": [f"Cookie: {cookie}" for cookie in COOKIES],
    "1000-fields": [f"X-{i}: {i * i}" for i in range(1000)],
    "400-kB-value": ["X-Long: " + "z" * 400_000],
    "long-name": ["X-" + "n" * 5000 + ": v"],
    "client-says-who-it-is": ["User-Agent: curl/8", "Referer: http://a/b", "From: a@b", "Origin: null"],
    "two-user-agents": ["User-Agent: x", "User-Agent: y"],
    "encodings": ["Accept-Encoding: br;q=1, gzip;q=0.5", "Accept-Charset: *", "Content-Encoding: gzip"],
    "end-to-end": ["Authorization: Basic YTpi", "Range: bytes=0-1", "If-None-Match: \"x\"", "Max-Forwards: 3", "Via: 1.1 a"],
    "forwarded": ["X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-Proto: https", "X-Forwarded-Host: h", "Forwarded: for=x"],
    "of-openfaas": ["X-Call-Id: 1-2", "X-Start-Time: 123", "X-Timeout: 10s", "X-Duration-Seconds: 7"],
    "httpoxy": ["Proxy: http://evil"],  # no variable is made of it here, so it is nothing special
    "looks-hop-by-hop": ["Connections: x", "X-Connection: close", "Keep-Alives: 5", "TEX: y", "Upgrades: z"],
    "pragma": ["Pragma: no-cache", "Cache-Control: no-store", "Warning: 199 - x"],
    "second-accept-does-not-stream": ["Accept: text/html", "Accept: text/event-stream"],
    "content-fields-without-content": ["Content-Type: text/plain", "Content-Language: de", "Content-Length: 0"],
}  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_fields_are_unchanged(proxied, upstream, fields):
    raw = head("GET /x HTTP/1.1", HOST, *fields)
    assert relay(proxied(), upstream, raw).head == raw


@pytest.mark.parametrize("host", ["a", "a.b:80", "[::1]:8080", "A_b-C.", "10.0.0.1:1", "a:"])
def test_host_is_the_clients(proxied, upstream, host):
    raw = head("GET / HTTP/1.1", f"Host: {host}", "X-A: b")
    assert relay(proxied(), upstream, raw).head == raw


# --- heads that change ------------------------------------------------------------------------------------------------

GET = "GET / HTTP/1.1"
CHANGED = {
    # what the parser takes away
    "empty-lines-before": (["", "", GET, HOST], [GET, HOST]),
    "blanks-around-values": ([GET, HOST, "A:b", "C: \t d \t ", "E:\tf"], [GET, HOST, "A: b", "C: d", "E: f"]),
    "empty-values": ([GET, HOST, "A:", "B: ", "C:\t ", "A: x"], [GET, HOST, "A: ", "B: ", "C: ", "A: x"]),
    "host-comes-first": ([GET, "A: b", HOST, "C: d"], [GET, HOST, "A: b", "C: d"]),
    "host-in-lower-case": ([GET, "A: b", "host: h"], [GET, "Host: h", "A: b"]),
    # absolute-form
    "absolute": (["GET http://other:81/p?q HTTP/1.1", HOST], ["GET /p?q HTTP/1.1", "Host: other:81"]),
    "absolute-without-path": (["GET http://other HTTP/1.1", HOST], ["GET / HTTP/1.1", "Host: other"]),
    "absolute-query-only": (["GET http://other?q HTTP/1.1", HOST], ["GET /?q HTTP/1.1", "Host: other"]),
    "absolute-odd-path": (["GET http://o//a%2F?? HTTP/1.1", HOST], ["GET //a%2F?? HTTP/1.1", "Host: o"]),
    "absolute-https": (["GET HTTPS://[::1]:1/ HTTP/1.1", HOST], ["GET / HTTP/1.1", "Host: [::1]:1"]),
    "absolute-with-user": (["GET http://u:p@other:1/ HTTP/1.1", HOST], [GET, "Host: other:1"]),
    # Host of old and of sloppy clients
    "1.0-without-host": (["GET / HTTP/1.0", "A: b"], [GET, "Host: UPSTREAM", "A: b"]),
    "1.0-with-host": (["GET / HTTP/1.0", "A: b", HOST], [GET, HOST, "A: b"]),
    "1.0-keep-alive": (["GET / HTTP/1.0", HOST, "Connection: keep-alive", "Keep-Alive: 5"], [GET, HOST]),
    "1.0-absolute": (["GET http://other/x HTTP/1.0"], ["GET /x HTTP/1.1", "Host: other"]),
    "empty-host": ([GET, "Host:", "A: b"], [GET, "Host: UPSTREAM", "A: b"]),
    # between neighbours only
    "close": ([GET, HOST, "A: b", "Connection: close", "C: d"], [GET, HOST, "A: b", "C: d"]),
    "keep-alive": ([GET, HOST, "Connection: Keep-Alive", "Keep-Alive: timeout=5", "A: b"], [GET, HOST, "A: b"]),
    "proxy-fields": (
        [GET, HOST, "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA==", "Proxy-Authenticate: x", "A: b"],
        [GET, HOST, "A: b"],
    ),
    "named-by-connection": (
        [GET, HOST, "x-one: 1", "X-Two: 2", "Connection: X-One ,, x-TWO,absent", "X-Three: 3", "X-One: 4"],
        [GET, HOST, "X-Three: 3"],
    ),
    "named-by-two-connections": (
        [GET, HOST, "Connection: x-a", "X-A: 1", "X-B: 2", "connection: x-b, close", "X-C: 3"],
        [GET, HOST, "X-C: 3"],
    ),
    "named-by-part": ([GET, HOST, "Connection: X-A", "X-AB: 1", "X: 2", "X-A: 3"], [GET, HOST, "X-AB: 1", "X: 2"]),
    "host-cannot-be-named": ([GET, HOST, "Connection: host, Host", "A: b"], [GET, HOST, "A: b"]),
    "authorization-can-be-named": ([GET, HOST, "Connection: Authorization", "Authorization: x"], [GET, HOST]),
    "empty-connection": ([GET, HOST, "Connection:", "A: b"], [GET, HOST, "A: b"]),
    "no-field-left": ([GET, HOST, "Connection: close"], [GET, HOST]),
    "te": ([GET, HOST, "TE: gzip;q=0.5", "A: b"], [GET, HOST, "A: b"]),
    "te-trailers": ([GET, HOST, "Connection: TE", "TE: trailers", "A: b"], [GET, HOST, "A: b", "TE: trailers", "Connection: TE"]),
    "te-trailers-among-others": ([GET, HOST, "TE: gzip, Trailers", "A: b"], [GET, HOST, "A: b", "TE: trailers", "Connection: TE"]),
    # streams
    "events": ([GET, HOST, "Accept: text/event-stream"], [GET, HOST, "Accept: text/event-stream", "X-Forwarded-For: CLIENT"]),
    "events-among-others": (
        [GET, HOST, "Accept: text/html, Text/Event-Stream;q=0.9", "A: b"],
        [GET, HOST, "Accept: text/html, Text/Event-Stream;q=0.9", "A: b", "X-Forwarded-For: CLIENT"],
    ),
    "ndjson": (
        [GET, HOST, "accept: application/x-ndjson", "X-Forwarded-For: 1.2.3.4", "A: b"],
        [GET, HOST, "accept: application/x-ndjson", "A: b", "X-Forwarded-For: 1.2.3.4, CLIENT"],
    ),
    "events-forwarded-twice": (
        [GET, HOST, "Accept: text/event-stream", "X-Forwarded-For: 1.2.3.4", "x-forwarded-for: 5.6.7.8, ::1"],
        [GET, HOST, "Accept: text/event-stream", "X-Forwarded-For: 1.2.3.4, 5.6.7.8, ::1, CLIENT"],
    ),
    "te-and-upgrade": (
        [GET, HOST, "TE: trailers", "Connection: TE, Upgrade", "Upgrade: x", "A: b"],
        [GET, HOST, "A: b", "X-Forwarded-For: CLIENT", "TE: trailers", "Connection: Upgrade, TE", "Upgrade: x"],
    ),
    # another protocol, which the function may refuse
    "websocket": (
        [GET, HOST, "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13"],
        [GET, HOST, "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13", "X-Forwarded-For: CLIENT", "Connection: Upgrade",
         "Upgrade: websocket"],
    ),
    "WebSocket": (
        [GET, HOST, "upgrade: WebSocket", "connection: upgrade", "A: b"],
        [GET, HOST, "A: b", "X-Forwarded-For: CLIENT", "Connection: Upgrade", "Upgrade: WebSocket"],
    ),
    "other-protocol": (
        [GET, HOST, "Connection: Upgrade", "Upgrade: foo/2, bar", "A: b"],
        [GET, HOST, "A: b", "X-Forwarded-For: CLIENT", "Connection: Upgrade", "Upgrade: foo/2, bar"],
    ),
    # lengths
    "post-without-length": (["POST / HTTP/1.1", HOST, "A: b"], ["POST / HTTP/1.1", HOST, "A: b", "Content-Length: 0"]),
    "put-without-length": (["PUT / HTTP/1.1", HOST], ["PUT / HTTP/1.1", HOST, "Content-Length: 0"]),
    "patch-without-length": (["PATCH / HTTP/1.1", HOST], ["PATCH / HTTP/1.1", HOST, "Content-Length: 0"]),
    "post-is-case-sensitive": (["post / HTTP/1.1", HOST], ["post / HTTP/1.1", HOST]),
    "delete-with-length-0": (
        ["DELETE / HTTP/1.1", "Content-Length: 0", HOST],
        ["DELETE / HTTP/1.1", HOST, "Content-Length: 0"],
    ),
    "length-0-named-by-connection": (
        ["POST / HTTP/1.1", HOST, "Connection: Content-Length", "Content-Length: 0"],
        ["POST / HTTP/1.1", HOST, "Content-Length: 0"],
    ),
}  # fmt: skip


def expand(lines, upstream):
    known = {"UPSTREAM": upstream.authority, "CLIENT": "127.0.0.1"}
    for word, value in known.items():
        lines = [line.replace(word, value) for line in lines]
    return head(*lines)


@pytest.mark.parametrize("sent, wanted", CHANGED.values(), ids=CHANGED)
def test_head_is_changed_where_it_must(proxied, upstream, sent, wanted):
    assert relay(proxied(), upstream, head(*sent)).head == expand(wanted, upstream)


@pytest.mark.parametrize("lines", [["Upgrade: h2c"], ["Upgrade: h2c", "Connection: x"]])
def test_upgrade_that_connection_does_not_name(proxied, upstream, lines):
    """It was meant for somebody else, so nobody asks for it."""
    got = relay(proxied(), upstream, head(GET, HOST, *lines))
    assert got.values("Upgrade") == got.values("Connection") == []


def test_upgrade_of_http_1_0(proxied, upstream):
    """RFC 9110, 7.8: to be ignored."""
    lines = ["GET / HTTP/1.0", HOST, "Connection: Upgrade", "Upgrade: websocket"]
    got = relay(proxied(), upstream, head(*lines))
    assert got.values("Upgrade") == got.values("Connection") == []


def test_forwarded_for_is_the_address_of_ipv6_clients(proxied, upstream):
    w = proxied()
    with w.connect(host="::1") as c:
        c.send(head(GET, HOST, "Accept: text/event-stream"))
        link = upstream.link()
        assert link.request().values("X-Forwarded-For") == ["::1"]
        link.answer()
        c.answer()


@pytest.mark.parametrize("method", ["GET", "POST", "FOO"])
def test_one_byte_at_a_time(proxied, upstream, method):
    raw = head(f"{method} /a%2Fb?c HTTP/1.1", HOST, "X-A: b", "X-a:", "Content-Length: 2") + b"hi"
    with proxied().connect() as c:
        for i in range(len(raw)):
            c.send(raw[i : i + 1])
        link = upstream.link()
        r = link.request()
        assert (r.target, r.body) == ("/a%2Fb?c", b"hi")
        assert r.fields[:3] == [("Host", "function.test"), ("X-A", "b"), ("X-a", "")]
        link.answer()
        assert c.answer().status == 200


# --- where to: the path and the user of the URL -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "base, target, wanted",
    [
        ("", "/x", "/x"),
        ("/", "/x", "/x"),
        ("/", "/", "/"),
        ("/", "//x", "//x"),
        ("/base", "/x?q", "/base/x?q"),
        ("/base/", "/x?q", "/base/x?q"),
        ("/base", "/", "/base/"),
        ("/base", "/?", "/base/?"),
        ("/base/", "//x//", "/base//x//"),
        ("/base", "/../x", "/base/../x"),
        ("/a/b%2Fc", "/%2F", "/a/b%2Fc/%2F"),
        ("/base", "http://other:1", "/base/"),
        ("/base", "http://other:1/x?y", "/base/x?y"),
        ("/base", "http://other:1?y", "/base/?y"),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "text/event-stream"])
def test_base_path(proxied, upstream, base, target, wanted, accept):
    w = proxied(http_upstream_url=upstream.url + base)
    got = relay(w, upstream, head(f"GET {target} HTTP/1.1", HOST, f"Accept: {accept}"))
    assert got.target == wanted


USER = "Basic dXNlcjpwYXNzOndvcmQ="  # user:pass:word


def test_user_of_the_url(proxied, upstream):
    w = proxied(http_upstream_url=f"http://user:pass%3Aword@{upstream.authority}")
    got = relay(w, upstream, head(GET, HOST, "A: b"))
    assert got.head == head(GET, HOST, "A: b", f"Authorization: {USER}")
    got = relay(w, upstream, head("GET / HTTP/1.0"))
    assert got.head == head(GET, f"Host: {upstream.authority}", f"Authorization: {USER}"), "no user in Host"


@pytest.mark.parametrize("value", ["Bearer x", ""])
def test_user_of_the_client_comes_first(proxied, upstream, value):
    w = proxied(http_upstream_url=f"http://user:pass@{upstream.authority}")
    got = relay(w, upstream, head(GET, HOST, f"authorization: {value}"))
    assert got.values("Authorization") == [value]


# --- bodies -----------------------------------------------------------------------------------------------------------

POST = "POST /x HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"


EVIL = head("GET /evil HTTP/1.1", HOST) * 3


def length(n):
    return f"Content-Length: {n}"


BODIES = {
    # what is sent, the head that comes, its body, its trailers
    "length": (head(POST, length(5), HOST, "A: b") + b"hello", head(POST, HOST, "A: b", length(5)), b"hello", []),
    "length-with-zeros": (head(POST, HOST, length("007")) + b"1234567", head(POST, HOST, length(7)), b"1234567", []),
    "length-named-by-connection": (
        head(POST, HOST, "Connection: content-length", length(2)) + b"hi", head(POST, HOST, length(2)), b"hi", [],
    ),
    "binary": (head(POST, HOST, length(512)) + bytes(range(256)) * 2, head(POST, HOST, length(512)),
               bytes(range(256)) * 2, []),
    "looks-like-requests": (head(POST, HOST, length(len(EVIL))) + EVIL, head(POST, HOST, length(len(EVIL))), EVIL, []),
    "get": (head(GET, HOST, length(2)) + b"hi", head(GET, HOST, length(2)), b"hi", []),
    "delete": (head("DELETE / HTTP/1.1", HOST, length(2)) + b"hi", head("DELETE / HTTP/1.1", HOST, length(2)), b"hi", []),
    "http-1.0": (head("POST /x HTTP/1.0", HOST, length(2)) + b"hi", head(POST, HOST, length(2)), b"hi", []),
    "chunked": (head(POST, "transfer-encoding: Chunked", HOST, "A: b") + chunked(b"one", b"two"),
                head(POST, HOST, "A: b", CHUNKED), b"onetwo", []),
    "chunked-get": (head(GET, HOST, CHUNKED) + chunked(b"x"), head(GET, HOST, CHUNKED), b"x", []),
    "chunked-empty": (head(POST, HOST, CHUNKED) + chunked(), head(POST, HOST, CHUNKED), b"", []),
    "chunk-extensions-end-here": (
        head(POST, HOST, CHUNKED) + b'3;a=b\r\nabc\r\n02;c="d;e"\r\nde\r\n000;f\r\n\r\n',
        head(POST, HOST, CHUNKED), b"abcde", [],
    ),
    "chunks-in-small": (head(POST, HOST, CHUNKED) + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n",
                        head(POST, HOST, CHUNKED), b"x" * 1000, []),
    "trailers": (
        head(POST, HOST, "Trailer: X-Sum, X-Other", CHUNKED) + chunked(b"abc", trailers=[b"X-Sum: 1", b"x-other:", b"X-Sum: 2"]),
        head(POST, HOST, "Trailer: X-Sum, X-Other", CHUNKED), b"abc", [("X-Sum", "1"), ("x-other", ""), ("X-Sum", "2")],
    ),
    "events": (
        head(POST, HOST, "Accept: text/event-stream", CHUNKED) + chunked(b"abc", trailers=[b"T: t"]),
        head(POST, HOST, "Accept: text/event-stream", "X-Forwarded-For: CLIENT", CHUNKED), b"abc", [("T", "t")],
    ),
    "events-with-length": (
        head(POST, HOST, "Accept: text/event-stream", length(3)) + b"abc",
        head(POST, HOST, "Accept: text/event-stream", "X-Forwarded-For: CLIENT", length(3)), b"abc", [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("sent, wanted, body, trailers", BODIES.values(), ids=BODIES)
def test_body(proxied, upstream, sent, wanted, body, trailers):
    got = relay(proxied(), upstream, sent)
    assert got.head == wanted.replace(b"CLIENT", b"127.0.0.1")
    assert (got.body, got.trailers) == (body, trailers)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 1_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_of_any_size(proxied, upstream, size, framing):
    body = bytes(i * 7 & 0xFF for i in range(251)) * (size // 251 + 1)
    body = body[:size]
    upstream.script(lambda link: link.answer(link.request().body))
    with proxied().connect() as c:
        if framing == "length":
            a = c.call("POST", body=body)
        else:
            c.send(head(POST, HOST, CHUNKED) + chunked(*[body[i : i + 9999] for i in range(0, size, 9999)]))
            a = c.answer()
    assert (a.status, a.body) == (200, body)


def test_body_flows_while_it_comes(proxied, upstream):
    """Each piece is seen by the function before the client sends the next one."""
    with proxied().connect() as c:
        c.send(head(POST, HOST, length(30)))
        link = upstream.link()
        r = link.head()
        for i in range(10):
            c.send(b"%3d" % i)
            assert link.exactly(3) == b"%3d" % i
        link.answer()
        assert c.answer().status == 200
    assert r.length == 30


def test_chunks_flow_while_they_come(proxied, upstream):
    with proxied().connect() as c:
        c.send(head(POST, HOST, CHUNKED))
        link = upstream.link()
        assert link.head().chunked
        for i in range(10):
            c.send(b"1\r\n%d\r\n" % i)
            assert link.chunk() == b"%d" % i
        c.send(b"0\r\nX-Sum: 45\r\n\r\n")
        assert link.chunk() == b""
        assert link.chunk_end() == [("X-Sum", "45")]
        link.answer()
        assert c.answer().status == 200


def test_pipelined_requests_come_one_after_the_other(proxied, upstream):
    raws = [head(f"{m} /{i} HTTP/1.1", HOST, length(3)) + b"%3d" % i for i, m in enumerate(["GET", "POST", "FOO", "PUT"])]
    with proxied().connect() as c:
        c.send(b"".join(raws))
        link = upstream.link()
        for i, raw in enumerate(raws):
            r = link.request()
            assert r.head + r.body == raw
            assert link.at == len(link.received), "the next one waits for this one's answer"
            link.answer(b"%d" % i)
            assert c.answer().body == b"%d" % i
    assert len(upstream.links) == 1


# --- Expect: 100-continue ---------------------------------------------------------------------------------------------

EXPECT = "Expect: 100-continue"


@pytest.mark.parametrize("framing", [length(5), CHUNKED])
def test_expect_is_passed_on_and_so_is_the_functions_100(proxied, upstream, framing):
    with proxied().connect() as c:
        c.send(head(POST, HOST, EXPECT, framing))
        link = upstream.link()
        r = link.head()
        assert r.head == head(POST, HOST, EXPECT, framing)
        link.send(b"HTTP/1.1 100 Go on, please\r\n\r\n")
        assert c.line().startswith("HTTP/1.1 100 ")
        assert c.line() == ""
        c.send(b"hello" if framing != CHUNKED else chunked(b"hello"))
        assert link.body(r) == b"hello"
        link.answer()
        a = c.answer()
        assert (a.status, a.interim) == (200, [])
        c.assert_usable()


def test_expect_of_a_function_that_does_not_know_it(proxied, upstream):
    """It waits for the body, the client for a 100: after a while the watchdog says it."""
    with proxied().connect() as c:
        c.send(head(POST, HOST, EXPECT, length(5)))
        link = upstream.link()
        r = link.head()
        assert c.line() == "HTTP/1.1 100 Continue"
        assert c.line() == ""
        c.send(b"hello")
        assert link.body(r) == b"hello"
        link.send(b"HTTP/1.1 100 Continue\r\n\r\n")  # too late, and not for the client any more
        link.answer()
        a = c.answer()
        assert (a.status, a.interim) == (200, [])
        c.assert_usable()


@pytest.mark.parametrize("status", ["200 OK", "413 Too Much", "417 No"])
def test_expect_that_is_answered_instead(proxied, upstream, status):
    """The function does not want the body: nobody is asked for it."""
    with proxied().connect() as c:
        c.send(head(POST, HOST, EXPECT, length(5)))
        link = upstream.link()
        link.head()
        link.answer(b"no, thanks", status=status)
        a = c.answer()
        assert (a.status, a.reason, a.interim, a.body) == (int(status[:3]), status[4:], [], b"no, thanks")
        assert a.value("Connection") == "close", "nobody can tell whether a body follows"
        c.assert_closed()


def test_expect_and_a_body_that_does_not_wait(proxied, upstream):
    with proxied().connect() as c:
        c.send(head(POST, HOST, EXPECT, length(5)) + b"hello")
        link = upstream.link()
        r = link.head()
        link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert link.body(r) == b"hello"
        link.answer()
        a = c.answer()
        assert a.status == 200 and len(a.interim) <= 1
        c.assert_usable()


# --- http_buffer_req_body ---------------------------------------------------------------------------------------------


@pytest.fixture
def buffering(proxied):
    return lambda **more: proxied(http_buffer_req_body="true", **more)


@pytest.mark.parametrize(
    "sent, body",
    [
        (head(POST, HOST, length(5), "A: b") + b"hello", b"hello"),
        (head(POST, HOST, CHUNKED, "A: b") + chunked(b"hel", b"lo", trailers=[b"T: t"]), b"hello"),
        (head(POST, HOST, CHUNKED, "A: b") + chunked(), b""),
        (head(POST, HOST, "A: b"), b""),
        (head(POST, HOST, CHUNKED, "A: b") + chunked(*[b"x" * 1000] * 300), b"x" * 300_000),
    ],
    ids=["length", "chunked", "chunked-empty", "none", "large"],
)
def test_buffered_body_has_a_length(buffering, upstream, sent, body):
    got = relay(buffering(), upstream, sent)
    assert got.head == head(POST, HOST, "A: b", length(len(body)))
    assert (got.body, got.trailers) == (body, [])


def test_get_stays_without_a_body(buffering, upstream):
    assert relay(buffering(), upstream, head(GET, HOST)).head == head(GET, HOST)


def test_buffered_body_of_a_stream(buffering, upstream):
    got = relay(buffering(), upstream, head(POST, HOST, "Accept: text/event-stream", CHUNKED) + chunked(b"abc"))
    assert got.head == head(POST, HOST, "Accept: text/event-stream", "X-Forwarded-For: 127.0.0.1", length(3))
    assert got.body == b"abc"


@pytest.mark.parametrize(
    "raw",
    [
        head(POST, HOST, CHUNKED) + b"3\r\nabc\r\nzz\r\n",
        head(POST, HOST, CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n",
        head(POST, HOST, CHUNKED) + b"3\r\nabc\r\n",
        head(POST, HOST, length(10)) + b"abc",
    ],
    ids=["bad-size", "no-line-end", "no-last-chunk", "short"],
)
def test_bad_body_never_reaches_the_function(buffering, upstream, raw):
    with buffering().connect() as c:
        c.send(raw)
        c.half_close()
        assert c.answer().status == 400
        c.assert_closed()
    assert upstream.links == []


def test_function_hears_of_a_buffered_call_when_its_body_is_there(buffering, upstream):
    w = buffering()
    with w.connect() as c:
        c.send(head("POST /first HTTP/1.1", HOST, length(4)) + b"bod")
        assert relay(w, upstream, head("GET /second HTTP/1.1", HOST)).target == "/second", "it overtakes"
        c.send(b"y")
        link = upstream.link()
        r = link.request()
        assert (r.target, r.body) == ("/first", b"body")
        link.answer()
        assert c.answer().status == 200


@pytest.mark.parametrize("expect", [True, False])
def test_buffered_body_that_waits_for_100(buffering, upstream, expect):
    """The function cannot say it, as it does not know of the call yet."""
    with buffering().connect() as c:
        c.send(head(POST, HOST, *[EXPECT] * expect, length(5)))
        if expect:
            assert c.line() == "HTTP/1.1 100 Continue"
            assert c.line() == ""
        c.send(b"hello")
        link = upstream.link()
        assert link.request().body == b"hello"
        link.answer()
        a = c.answer()
        assert (a.status, a.interim) == (200, [])
