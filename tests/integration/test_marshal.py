"""marshal_request: what the process reads, byte for byte."""

import base64

import pytest

from call_ids import without_made_id_in_document
from http_client import chunked, request_bytes


@pytest.fixture
def seen(watchdog):
    """stdin of the function for a request."""
    w = watchdog("cat", marshal_request="true")

    def get(raw):
        with w.connect() as c:
            c.send(raw)
            a = c.answer()
        assert a.status == 200, a
        return without_made_id_in_document(a.body)

    return get


def document(header, body=b""):
    return b'{"header":{%s},"body":{"raw":"%s"}}' % (header, base64.b64encode(body))


def test_no_fields_and_no_body(seen):
    assert seen(request_bytes()) == document(b"")


@pytest.mark.parametrize("body", [b"", b"a", b"ab", b"abc", bytes(range(256)) * 40, b"\xfb\xff\xfe" * 1000])
def test_body(seen, body):
    assert seen(request_bytes("POST", body=body)) == document(b'"Content-Length":["%d"]' % len(body), body)


def test_chunked_body(seen):
    raw = request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + chunked(b"a", b"bc", b"defgh", b"i" * 70000)
    assert seen(raw) == document(b"", b"abcdefgh" + b"i" * 70000)


def test_body_in_pieces(watchdog):
    body = bytes(range(256)) * 4000
    w = watchdog("cat", marshal_request="true")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", str(len(body)))]))
        for i in range(0, len(body), 50_001):
            c.send(body[i : i + 50_001])
        got = without_made_id_in_document(c.answer().body)
    assert got == document(b'"Content-Length":["1024000"]', body)


def test_names_are_canonical_and_sorted_bytewise(seen):
    fields = [("x-b", "1"), ("X_A", "2"), ("X-a", "3"), ("accept", "4"), ("Z", "5"), ("~t", "6"), ("^", "7")]
    assert seen(request_bytes(fields=fields)) == document(
        b'"Accept":["4"],"X-A":["3"],"X-B":["1"],"X_a":["2"],"Z":["5"],"^":["7"],"~t":["6"]'
    )


def test_all_values_are_kept(seen):
    fields = [("A", "1"), ("B", ""), ("a", "2"), ("A", " 3 ")]
    assert seen(request_bytes(fields=fields)) == document(b'"A":["1","2","3"],"B":[""]')


def test_host_method_path_and_query_are_not_there(seen):
    assert seen(request_bytes("DELETE", "http://other/a/b?c=d", host="x")) == document(b"")


@pytest.mark.parametrize(
    "value, escaped",
    [
        (b'say "hi"', rb"say \"hi\""),
        (b"a\\b/c", rb"a\\b/c"),
        (b"a\tb", rb"a\tb"),
        (b"<a href='x'>&amp;", rb"\u003ca href='x'\u003e\u0026amp;"),
        ("é 世 😀".encode(), "é 世 😀".encode()),
        ("a\u2028b\u2029c".encode(), rb"a\u2028b\u2029c"),
        (b"a\xffb\xc3(\xe2\x82c", rb"a\ufffdb\ufffd(\ufffd\ufffdc"),
        (b"\xed\xa0\x80\xc0\x80\xf5", rb"\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"),
    ],
)
def test_escapes(seen, value, escaped):
    raw = request_bytes(fields=[("V", value.decode("latin-1"))])
    assert seen(raw) == document(b'"V":["%s"]' % escaped)


def test_large_body(watchdog):
    body = bytes(range(256)) * 12000
    w = watchdog("cat", marshal_request="true")
    a = w.call("POST", body=body)
    assert without_made_id_in_document(a.body) == document(b'"Content-Length":["%d"]' % len(body), body)


def test_bad_body_is_400(watchdog):
    w = watchdog("cat", marshal_request="true")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"123")
        c.half_close()
        a = c.answer()
    assert (a.status, a.body) == (400, b"unexpected EOF\n")
    w.wait_no_processes()


def test_environment_is_as_without(watchdog):
    rows = watchdog("env", marshal_request="true").call("POST", "/p?q", fields=[("A", "b")], body=b"x").body.split(b"\n")
    assert {b"Http_Method=POST", b"Http_Path=/p", b"Http_Query=q", b"Http_A=b", b"Http_ContentLength=1"} <= set(rows)


def test_not_read_by_others(watchdog):
    assert watchdog("cat", mode="streaming", marshal_request="true").call("POST", body=b"x").body == b"x"
