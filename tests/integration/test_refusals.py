"""Requests that are not understood: to the letter, and without starting the function."""

import pytest

from http_client import assert_answer, assert_refusal, request_bytes

HOST = b"Host: x\r\n"
LIMIT = 1052672  # bytes of a head


def head(*lines, start=b"GET / HTTP/1.1"):
    return b"".join(line + b"\r\n" for line in (start, b"Host: x", *lines)) + b"\r\n"


def started(w):
    return "Forking fprocess." in w.stop_and_read()


def assert_refused(w, raw, status, detail="", body=None):
    with w.connect() as c:
        c.send_as_far_as_taken(raw)
        assert_refusal(c.answer(), status, detail, body)
        c.assert_closed()
    assert not started(w)


PLAIN_400 = {
    "two-hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "two-equal-hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two-blanks-before-target": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "two-blanks-before-version": b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank-after-version": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "blank-before-method": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tabs": b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "version-x": b"GET / HTTP/1.x\r\n" + HOST + b"\r\n",
    "version-1.10": b"GET / HTTP/1.10\r\n" + HOST + b"\r\n",
    "version-1": b"GET / HTTP/1\r\n" + HOST + b"\r\n",
    "version-lower-case": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "version-other": b"GET / FTP/1.1\r\n" + HOST + b"\r\n",
    "no-version": b"GET /\r\n" + HOST + b"\r\n",
    "no-version-blank": b"GET / \r\n" + HOST + b"\r\n",
    "version-0.9": b"GET / HTTP/0.9\r\n" + HOST + b"\r\n",
    "only-method": b"GET\r\n" + HOST + b"\r\n",
    "method-no-token": b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty-method": b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 60 + b"\r\n\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "relative-target": b"GET foo HTTP/1.1\r\n" + HOST + b"\r\n",
    "query-only": b"GET ?q HTTP/1.1\r\n" + HOST + b"\r\n",
    "control-in-target": b"GET /a\x01b HTTP/1.1\r\n" + HOST + b"\r\n",
    "nul-in-target": b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
    "del-in-target": b"GET /a\x7fb HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab-in-target": b"GET /a\tb HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad-escape": b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n",
    "half-escape": b"GET /%4 HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty-escape": b"GET /% HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad-escape-before-query": b"GET /%g1?q HTTP/1.1\r\n" + HOST + b"\r\n",
    "no-colon": head(b"X-A"),
    "empty-name": head(b": b"),
    "no-token-name": head(b"X(A: b"),
    "control-in-name": head(b"X\x01A: b"),
    "non-ascii-name": head(b"X\xe9A: b"),
    "leading-blank-first": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "nul-in-value": head(b"X-A: a\0b"),
    "control-in-value": head(b"X-A: a\x01b"),
    "escape-in-value": head(b"X-A: a\x1bb"),
    "del-in-value": head(b"X-A: a\x7fb"),
    "bare-cr-in-value": head(b"X-A: a\rb"),
    "bare-cr-before-line-end": head(b"X-A: a\r"),
    "length-negative": head(b"Content-Length: -1"),
    "length-plus": head(b"Content-Length: +3") + b"abc",
    "length-hex": head(b"Content-Length: 0x3") + b"abc",
    "length-list": head(b"Content-Length: 3, 3") + b"abc",
    "length-empty": head(b"Content-Length:"),
    "length-blank": head(b"Content-Length: 3 3") + b"abc",
    "length-fraction": head(b"Content-Length: 3.0") + b"abc",
    "length-64-bit": head(b"Content-Length: 9223372036854775808"),
    "length-beyond-64-bit": head(b"Content-Length: 18446744073709551619") + b"abc",
    "length-two-different": head(b"Content-Length: 3", b"Content-Length: 4") + b"abcd",
    "length-two-equal": head(b"Content-Length: 3", b"Content-Length: 3") + b"abc",
}


@pytest.mark.parametrize("raw", PLAIN_400.values(), ids=PLAIN_400)
def test_plain_400(watchdog, raw):
    assert_refused(watchdog("cat"), raw, 400)


FLAW_53 = {
    "http-1.0-chunked": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length-and-chunked": head(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked-and-length": head(b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"0\r\n\r\n",
    "lf-only": b"GET / HTTP/1.1\nHost: x\n\n",
    "lf-after-request-line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "lf-after-field": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "lf-at-the-end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "folded": head(b"X-A: a", b" b"),
    "folded-by-tab": head(b"X-A: a", b"\tb"),
}


@pytest.mark.parametrize("raw", FLAW_53.values(), ids=FLAW_53)
def test_flaw_53_smuggling_aids_are_refused(watchdog, raw):
    """With whatever detail: the originals accept them."""
    assert_refused(watchdog("cat"), raw, 400, detail=None)


@pytest.mark.parametrize(
    "raw",
    [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\n\r\n", b"GET http://a/ HTTP/1.1\r\n\r\n"],
    ids=["nothing", "others", "absolute-form"],
)
def test_missing_host(watchdog, raw):
    assert_refused(watchdog("cat"), raw, 400, ": missing required Host header")


@pytest.mark.parametrize("host", ["a b", "a<b", "a/b", "u@b", "a\tb"])
def test_malformed_host(watchdog, host):
    assert_refused(watchdog("cat"), request_bytes(host=host), 400, ": malformed Host header")


@pytest.mark.parametrize("line", [b"X-A : b", b"X-A\t: b", b"X A: b"])
def test_blank_in_a_name(watchdog, line):
    assert_refused(watchdog("cat"), head(line), 400, ": invalid header name")


@pytest.mark.parametrize(
    "lines",
    [
        [b"Transfer-Encoding: gzip"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: chunked, chunked"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked, gzip"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked;x=y"],
        [b"Transfer-Encoding:"],
    ],
    ids=lambda lines: b" | ".join(lines).decode(),
)
def test_other_transfer_encodings(watchdog, lines):
    raw = head(*lines, start=b"POST / HTTP/1.1") + b"0\r\n\r\n"
    assert_refused(watchdog("cat"), raw, 501, body=b"Unsupported transfer encoding")


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/3.0", "HTTP/1.2", "HTTP/1.9"])
def test_other_versions(watchdog, version):
    assert_refused(watchdog("cat"), request_bytes(version=version), 505, ": unsupported protocol version")


def test_http2_preface(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert c.answer().status in (400, 505)
        assert c.raw_until_close() == b""
    assert not started(w)


def fields_of(total, name=b"X-%04d", size=1000):
    """A head of exactly `total` bytes, in fields of moderate size."""
    start = b"GET / HTTP/1.1\r\n" + HOST
    lines, i = [], 0
    left = total - len(start) - 2
    while left:
        n = left if left < 2 * size else size
        line = (name % i) + b": "
        lines.append(line + b"v" * (n - len(line) - 2) + b"\r\n")
        left -= n
        i += 1
    raw = start + b"".join(lines) + b"\r\n"
    assert len(raw) == total
    return raw


@pytest.mark.parametrize("over", [1, 2, 1000, 3_000_000])
def test_head_too_large(watchdog, over):
    assert_refused(watchdog("cat"), fields_of(LIMIT + over), 431)


def test_head_that_never_ends(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        c.send_as_far_as_taken(b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 300_000)
        assert_refusal(c.answer(), 431)
    assert not started(w)


def test_head_just_small_enough(watchdog, mode):
    with watchdog("cat", mode=mode).connect() as c:
        c.send(fields_of(LIMIT))
        assert c.answer().status == 200
        c.assert_usable()


def test_many_fields(watchdog, mode):
    raw = head(*[b"X-%d: %d" % (i, i) for i in range(20_000)])
    with watchdog("env", mode=mode).connect() as c:
        c.send(raw)
        a = c.answer()
    assert a.status == 200
    rows = set(a.body.split(b"\n"))
    assert all(b"Http_X_%d=%d" % (i, i) in rows for i in range(20_000))


def test_more_environment_than_the_kernel_takes(watchdog, mode):
    """Each row is small; together they are more than execve(2) accepts."""
    raw = head(*[b"%05d:b" % i for i in range(99_999)])
    assert len(raw) < LIMIT
    # Rows may take a quarter of the stack limit.
    a = answer_to(watchdog("env", mode=mode, wrapper=["prlimit", "--stack=4194304:"]), raw)
    assert a.status in (431, 500)
    if a.status == 500:
        assert a.body.rstrip(b"\n").endswith(b"argument list too long")


def answer_to(w, raw):
    with w.connect() as c:
        c.send_as_far_as_taken(raw)
        return c.answer()


TOO_LONG = 128 * 1024


@pytest.mark.parametrize(
    "raw, status",
    [
        (request_bytes("GET", "/" + "p" * TOO_LONG), 414),
        (request_bytes("GET", "/?" + "q" * TOO_LONG), 414),
        (request_bytes("GET", "/" + "%41" * TOO_LONG), 414),
        (request_bytes(fields=[("X-Long", "v" * TOO_LONG)]), 431),
        (request_bytes(fields=[("X" * TOO_LONG, "v")]), 431),
    ],
    ids=["path", "query", "escaped-path", "value", "name"],
)
def test_flaw_46_too_long_for_the_environment_is_refused_before_the_fork(watchdog, mode, raw, status):
    w = watchdog("cat", mode=mode)
    a = answer_to(w, raw)
    assert a.status == status, a
    if mode == "classic":
        assert not started(w)


@pytest.mark.parametrize(
    "raw",
    [
        request_bytes("GET", "/" + "p" * (TOO_LONG - 200)),
        request_bytes("GET", "/?" + "q" * (TOO_LONG - 200)),
        request_bytes(fields=[("X-Long", "v" * (TOO_LONG - 200))]),
    ],
    ids=["path", "query", "value"],
)
def test_flaw_46_just_short_enough(watchdog, mode, raw):
    assert answer_to(watchdog("cat", mode=mode), raw).status == 200


@pytest.mark.parametrize("value", ["200-ok", "100-continue, x", "x"])
def test_other_expectations(watchdog, value):
    w = watchdog("cat")
    with w.connect() as c:
        c.request("POST", fields=[("Expect", value)], body=b"x")
        assert_answer(c.answer(), 417, b"", {"Connection": "close"}, date=False)
        c.assert_closed()
    assert not started(w)


# --- what is accepted -------------------------------------------------------------------------------------------------

ACCEPTED = {
    "empty-host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "blank-host": b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
    "no-blank-after-colon": b"GET / HTTP/1.1\r\nHost:x\r\nA:b\r\n\r\n",
    "no-host-in-1.0": b"GET / HTTP/1.0\r\n\r\n",
    "length-leading-zeros": head(b"Content-Length: 000"),
    "bad-escape-in-query": b"GET /?%zz%4 HTTP/1.1\r\n" + HOST + b"\r\n",
    "non-ascii-target": b"GET /\xe9\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "odd-target": b"GET /^`{}|\"<>\\ HTTP/1.1\r\n" + HOST + b"\r\n",
    "non-ascii-value": head(b"A: \xe9\xff"),
    "tab-in-value": head(b"A: a\tb"),
    "empty-value": head(b"A:"),
    "absolute-form": b"GET http://other/p HTTP/1.1\r\n" + HOST + b"\r\n",
    "upgrade": head(b"Connection: Upgrade", b"Upgrade: h2c"),
}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(watchdog, mode, raw):
    assert answer_to(watchdog("cat", mode=mode), raw).status == 200


def test_refusals_leave_no_descriptor(watchdog):
    w = watchdog("cat", workers="1")

    def refuse_all():
        for raw in PLAIN_400.values():
            answer_to(w, raw)

    w.assert_keeps_no_descriptor(refuse_all, 3)
