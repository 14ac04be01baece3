"""
mode=cgi: the head that the program prints (RFC 3875, section 6), rule by rule. The program is `cat`,
so the request's body is what it prints.
"""

import os
import re
import threading

import pytest

from cgi_program import EITHER, PIECES, PLAIN, assert_bad_head, assert_bad_head_log, document, shell, steps
from harness import PATIENCE, is_running, wait_gone
from http_client import assert_answer, request_bytes

HEAD_MAX = 64 * 1024  # with its empty line
FIELDS_MAX = 256


@pytest.fixture
def cgi(watchdog):
    return lambda fprocess="cat", **more: watchdog(fprocess, mode="cgi", **more)


def printed(c, output, method="POST", target="/"):
    """The answer to a request whose program prints `output`."""
    sender = threading.Thread(target=c.send_as_far_as_taken, args=(request_bytes(method, target, body=output),))
    sender.start()
    a = c.answer()
    sender.join(PATIENCE)
    return a


def fields_of(a):
    """What the program said: without what the watchdog adds."""
    return [(n, v) for n, v in a.fields if n not in ("Date", "Content-Length", "Transfer-Encoding")]


# --- documents --------------------------------------------------------------------------------------------------------

DOCUMENTS = {
    "lf": b"Content-Type: text/plain\n\nhello",
    "crlf": b"Content-Type: text/plain\r\n\r\nhello",
    "crlf-then-lf": b"Content-Type: text/plain\r\n\nhello",
    "lf-then-crlf": b"Content-Type: text/plain\n\r\nhello",
    "no-blank": b"Content-Type:text/plain\n\nhello",
    "blanks": b"Content-Type: \t  text/plain \t \r\n\r\nhello",
    "status": b"Status: 200 OK\nContent-Type: text/plain\n\nhello",
    "status-behind": b"Content-Type: text/plain\nStatus: 200\n\nhello",
    "length": b"Content-Type: text/plain\nContent-Length: 5\n\nhello",
    "length-with-zeros": b"Content-Type: text/plain\nContent-Length: 005\n\nhello",
}


@pytest.mark.parametrize("output", DOCUMENTS.values(), ids=DOCUMENTS)
def test_document(cgi, output):
    with cgi().connect() as c:
        assert_answer(printed(c, output), 200, b"hello", PLAIN, framing=EITHER)
        c.assert_usable()


@pytest.mark.parametrize("name", ["content-type", "CONTENT-TYPE", "cOnTeNt-TyPe"])
def test_names_in_any_case(cgi, name):
    a = printed(cgi().connect(), f"{name}: a/b\nSTATUS: 404\ncontent-LENGTH: 1\n\nx".encode())
    assert (a.status, fields_of(a), a.length, a.body) == (404, [(name, "a/b")], 1, b"x")


@pytest.mark.parametrize(
    "body",
    [b"", b"\n", b"\r\n\r\n", b"\n\nStatus: 500\n\n", bytes(range(256)) * 50, b"\0", b"x" * 200_000],
    ids=["empty", "lf", "crlf", "like-a-head", "binary", "nul", "large"],
)
def test_body_is_all_behind_the_empty_line(cgi, body):
    with cgi().connect() as c:
        for end in (b"\n", b"\r\n"):
            a = printed(c, b"Content-Type: text/plain" + end + end + body)
            assert_answer(a, 200, body, PLAIN, framing=EITHER)


# --- RFC 3875, section 6 ----------------------------------------------------------------------------------------------


def test_document_response(cgi):
    a = printed(cgi().connect(), b"Content-Type: text/html; charset=utf-8\n\n<p>hello</p>\n")
    assert_answer(a, 200, b"<p>hello</p>\n", {"Content-Type": "text/html; charset=utf-8"}, framing=EITHER)


def test_client_redirect_response(cgi):
    a = printed(cgi().connect(), b"Location: http://other.test/p?q#f\n\n")
    assert (a.status, a.reason, a.value("Location"), a.body) == (302, "Found", "http://other.test/p?q#f", b"")


def test_client_redirect_response_with_document(cgi):
    output = b"Location: http://other.test/p\nStatus: 302 Found\nContent-Type: text/plain\n\nover there\n"
    fields = {"Location": "http://other.test/p", **PLAIN}
    assert_answer(printed(cgi().connect(), output), 302, b"over there\n", fields, framing=EITHER)


@pytest.mark.parametrize(
    "value, status, reason",
    [
        ("200", 200, "OK"),
        ("200 OK", 200, "OK"),
        ("200 Fine by me", 200, "Fine by me"),
        ("404", 404, "Not Found"),
        ("404 Nowhere  to be\tfound", 404, "Nowhere  to be found"),
        ("  404  ", 404, "Not Found"),
        ("418", 418, "I'm a teapot"),
        ("422 caf\u00e9", 422, "caf\u00e9"),
        ("599 Odd", 599, "Odd"),
        ("299 Odd", 299, "Odd"),
        ("503 200 OK", 503, "200 OK"),
    ],
)
def test_status(cgi, value, status, reason):
    with cgi().connect() as c:
        a = printed(c, f"Status: {value}\nContent-Type: text/plain\n\nx".encode("latin-1"))
        assert (a.status, re.sub(r"\s", " ", a.reason), a.body) == (status, re.sub(r"\s", " ", reason), b"x")
        assert fields_of(a) == [("Content-Type", "text/plain")], "Status is not passed on"
        c.assert_usable()


def test_unknown_status_without_words(cgi):
    a = printed(cgi().connect(), b"Status: 299\n\n")
    assert a.status == 299


@pytest.mark.parametrize("status", [200, 201, 301, 303, 307, 308, 404, 500])
def test_status_with_location(cgi, status):
    """Status is never changed, and with it `Location: /path` means what it says to the client."""
    a = printed(cgi().connect(), f"Location: /there\nStatus: {status}\n\n".encode())
    assert (a.status, a.value("Location"), a.body) == (status, "/there", b"")


@pytest.mark.parametrize("more", [b"Content-Type: text/plain\n", b"X-A: b\n", b"Set-Cookie: a=b\n"])
def test_location_without_status_is_302(cgi, more):
    for output in (b"Location: http://other.test/\n" + more + b"\n", more + b"Location: /there\n\n"):
        a = printed(cgi().connect(), output)
        assert (a.status, a.reason) == (302, "Found")


@pytest.mark.parametrize("head", [b"Status: 200\n\n", b"Status: 404 Not Found\n\n", b"Status: 404\nX-A: b\n\n"])
def test_status_alone_is_a_head(cgi, head):
    a = printed(cgi().connect(), head + b"body")
    assert (a.status, a.body, a.cut) == (404 if b"404" in head else 200, b"body", False)


# --- other fields -----------------------------------------------------------------------------------------------------


def test_other_fields_pass_in_order(cgi):
    fields = [
        ("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("X-Odd", ""), ("set-cookie", "b=2; Path=/"),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("ETag", '"x"'), ("X-High", "caf\u00e9 \u00ff"),
        ("X-Tab", "a\tb"), ("Vary", "*"), ("Server", "mine"), ("WWW-Authenticate", "Basic"), ("X_Y.z!#$%&'*+^`|~", "1"),
    ]  # fmt: skip
    output = "".join(f"{name}: {value}\n" for name, value in fields).encode("latin-1") + b"\nx"
    assert fields_of(printed(cgi().connect(), output)) == fields


def test_date_of_the_program_is_kept(cgi):
    a = printed(cgi().connect(), b"Content-Type: a/b\nDate: Sun, 06 Nov 1994 08:49:37 GMT\n\nx")
    assert a.values("Date") == ["Sun, 06 Nov 1994 08:49:37 GMT"]


@pytest.mark.parametrize(
    "line",
    [
        "Connection: close", "Connection: keep-alive", "Connection: X-Hop", "Keep-Alive: timeout=1", "Upgrade: h2c",
        "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Proxy-Connection: close", "TE: trailers",
        "transfer-encoding: CHUNKED",
    ],
)  # fmt: skip
def test_fields_of_one_hop_are_not_the_programs(cgi, line):
    """How the answer is framed and whether the connection is kept is between us and the client."""
    with cgi().connect() as c:
        a = printed(c, f"Content-Type: text/plain\n{line}\nX-Hop: 1\n\n5\r\nhello\r\n0\r\n\r\n".encode())
        hop = [] if line.endswith("X-Hop") else [("X-Hop", "1")]
        assert fields_of(a) == [("Content-Type", "text/plain"), *hop]
        assert (a.status, a.body) == (200, b"5\r\nhello\r\n0\r\n\r\n")
        c.assert_usable()


# --- malformed heads --------------------------------------------------------------------------------------------------

TYPE = b"Content-Type: text/plain\n"
BAD = {
    # what is printed, and the line that the log shows; None: there may be none
    "nothing": (b"", None),
    "text": (b"hello world\n\nx", "hello world"),
    "text-without-end": (b"hello world", "hello world"),
    "json": (b'{"message": "hello"}\n', '{"message": "hello"}'),
    "html": (b"<html>\n<body>\n\n</body></html>\n", "<html>"),
    "empty-line-only": (b"\n", None),
    "empty-line-first": (b"\n" + TYPE + b"\nbody", None),
    "crlf-first": (b"\r\n" + TYPE + b"\nbody", None),
    "none-of-the-three": (b"X-A: b\nX-C: d\n\nbody", None),
    "only-length": (b"Content-Length: 4\n\nbody", None),
    "no-empty-line": (TYPE, None),
    "no-empty-line-crlf": (b"Content-Type: text/plain\r\n", None),
    "half-empty-line": (b"Content-Type: text/plain\r\n\r", None),
    "no-line-end": (b"Content-Type: text/plain", None),
    "nph": (b"HTTP/1.1 200 OK\nContent-Type: text/plain\n\nx", "HTTP/1.1 200 OK"),
    "folded": (TYPE + b"X-A: b\n c\n\nx", " c"),
    "folded-tab": (TYPE + b"X-A: b\r\n\tc\r\n\r\nx", "\\x09c"),
    "folded-first": (b" " + TYPE + b"\nx", " Content-Type: text/plain"),
    "folded-blank": (TYPE + b" \n\nx", None),
    "blank-before-colon": (TYPE + b"X-A : b\n\nx", "X-A : b"),
    "tab-before-colon": (b"Content-Type\t: a/b\n\nx", "Content-Type\\x09: a/b"),
    "no-colon": (TYPE + b"no colon here\n\nx", "no colon here"),
    "no-name": (TYPE + b": x\n\nx", ": x"),
    "colon-only": (TYPE + b":\n\nx", ":"),
    "name-with-blank": (TYPE + b"X A: b\n\nx", "X A: b"),
    "name-with-slash": (TYPE + b"X/A: b\n\nx", "X/A: b"),
    "name-with-brackets": (TYPE + b"X(A): b\n\nx", "X(A): b"),
    "name-with-high-byte": (TYPE + b"X\xc3\xa9: b\n\nx", "X\\xc3\\xa9: b"),
    "name-with-nul": (TYPE + b"X\0A: b\n\nx", "X\\x00A: b"),
    "byte-order-mark": (b"\xef\xbb\xbf" + TYPE + b"\nx", "\\xef\\xbb\\xbfContent-Type: text/plain"),
    "nul": (TYPE + b"X-A: b\0c\n\nx", "X-A: b\\x00c"),
    "nul-at-the-end": (TYPE + b"X-A: b\0\n\nx", "X-A: b\\x00"),
    "bare-cr": (TYPE + b"X-A: b\rSet-Cookie: evil=1\n\nx", "X-A: b\\x0dSet-Cookie: evil=1"),
    "cr-cr-lf": (b"Content-Type: text/plain\r\r\n\r\nx", "Content-Type: text/plain\\x0d"),
    "cr-only": (b"Content-Type: text/plain\r\rx", "Content-Type: text/plain\\x0d\\x0dx"),
    "escape": (TYPE + b"X-A: \x1b[31m\n\nx", "X-A: \\x1b[31m"),
    "delete": (TYPE + b"X-A: \x7f\n\nx", "X-A: \\x7f"),
    "vertical-tab": (TYPE + b"X-A: a\x0bb\n\nx", "X-A: a\\x0bb"),
    "zeros": (bytes(100), None),
    "two-types": (TYPE + b"content-type: a/b\n\nx", "content-type: a/b"),
    "two-types-alike": (TYPE + TYPE + b"\nx", "Content-Type: text/plain"),
    "two-states": (b"Status: 200\nStatus: 404\n\nx", "Status: 404"),
    "two-locations": (b"Location: http://a/\nlocation: http://b/\n\n", "location: http://b/"),
    "two-lengths": (TYPE + b"Content-Length: 1\nContent-Length: 2\n\nx", "Content-Length: 2"),
    "two-lengths-alike": (TYPE + b"Content-Length: 1\nContent-Length: 1\n\nx", "Content-Length: 1"),
    **{
        f"length-{value}": (TYPE + b"Content-Length: " + value.encode() + b"\n\nx", value)
        for value in ("", "one", "-1", "+1", "0x1", "1.0", "1 1", "1, 1", "1;", "9223372036854775808", "9" * 30)
    },
    **{
        f"status-{value}": (b"Status: " + value.encode() + b"\n\nx", value)
        for value in ("", "OK", "0", "20", "99", "100", "101", "103", "199", "600", "999", "1000", "2000", "-200",
                      "+200", "0200", "2e2", "0xc8", "200OK", "200.0", "200,", "HTTP/1.1 200 OK")
    },
    "status-of-wide-digits": (b"Status: \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90\n\nx", "\\xef\\xbc\\x92\\xef\\xbc\\x90"),
    "reason-with-cr": (b"Status: 200 OK\rX-A: b\n\nx", "Status: 200 OK\\x0dX-A: b"),
    "reason-with-escape": (b"Status: 200 \x1b[31m\n\nx", "Status: 200 \\x1b[31m"),
    "location-with-cr": (b"Location: http://a/\rSet-Cookie: x\n\n", "Location: http://a/\\x0dSet-Cookie: x"),
}  # fmt: skip


@pytest.mark.parametrize("output, line", BAD.values(), ids=BAD)
def test_malformed_head_is_502(cgi, output, line):
    w = cgi(max_inflight="1")
    with w.connect() as c:
        assert_bad_head(printed(c, output))
        assert_answer(printed(c, DOCUMENTS["lf"]), 200, b"hello", PLAIN, framing=EITHER)
    assert_bad_head_log(w, line or "")
    w.wait_for_log(r"^POST / - 502 - ContentLength: \d+B \(\d+\.\d{4}s\)$")
    assert re.fullmatch(r"[\x20-\x7e\t\n]*", w.err.text()), "bytes of the program are escaped"


def test_malformed_head_is_one_line_of_a_sane_length_in_the_log(cgi):
    w = cgi()
    assert_bad_head(printed(w.connect(), b"\x01" * 50_000 + b"\n\n"))
    lines = [m for m in w.stop_and_read() if not m.startswith("POST / - 502 ")]
    assert len(lines) == 1 and len(lines[0]) < 2000, lines
    assert "\\x01\\x01\\x01" in lines[0]


def test_malformed_head_cannot_forge_lines(cgi):
    w = cgi()
    assert_bad_head(printed(w.connect(), b"X\x85\r2020/01/01 00:00:00 FAKE\x1b[0m\n2020/01/01 00:00:00 FAKE\n\n"))
    assert not [m for m in w.stop_and_read() if m.startswith(("FAKE", "2020"))]


@pytest.mark.parametrize("output", [b"hello\n\n", b"X-A: b\n\n", b"Status: 1\n\n", b"Content-Type : a/b\n\n"])
def test_malformed_head_ends_the_program_at_once(cgi, scratch, gate, output):
    """It is not waited for: what it goes on to print would be of no use."""
    (scratch / "output").write_bytes(output)
    w = cgi(shell(f'echo $$ >"$STARTED"; cat {scratch}/output; read -r _ <"$GATE"'), exec_timeout="600s", **gate.env)
    assert_bad_head(w.call())
    wait_gone(gate.started())


# --- how large --------------------------------------------------------------------------------------------------------


def head_of(size, end=b"\n"):
    """A good head of exactly that many bytes."""
    start = b"Content-Type: text/plain" + end + b"X-A: "
    return start + b"v" * (size - len(start) - 2 * len(end)) + 2 * end


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_head_as_large_as_may_be(cgi, end):
    with cgi().connect() as c:
        for body in (b"", b"hello", b"x" * 100_000):
            a = printed(c, head_of(HEAD_MAX, end) + body)
            assert (a.status, a.body, len(a.value("X-A"))) == (200, body, HEAD_MAX - 29 - 3 * len(end))


@pytest.mark.parametrize("size", [HEAD_MAX + 1, HEAD_MAX + 2, 100_000, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_head_that_is_larger(cgi, size, end):
    w = cgi()
    a = printed(w.connect(), head_of(size, end) + b"hello")
    assert_bad_head(a, **{n: v for n, v in a.fields if n == "Connection"})  # not kept for a long upload
    assert_bad_head_log(w, "")
    w.wait_no_processes()


def test_number_of_fields(cgi):
    def head(n):
        return TYPE + b"".join(b"X-%d: y\n" % i for i in range(n - 1)) + b"\nhello"

    with cgi().connect() as c:
        a = printed(c, head(FIELDS_MAX))
        assert (a.status, a.body, len(fields_of(a))) == (200, b"hello", FIELDS_MAX)
        assert_bad_head(printed(c, head(FIELDS_MAX + 1)))
        assert_bad_head(printed(c, b"A:\n" * 20_000 + TYPE + b"\n"))


@pytest.mark.parametrize("program", ["yes X-A:b", "yes X", "cat /dev/zero", "sh -c \"yes | tr -d '\\n'\""])
def test_head_that_never_ends(cgi, program):
    """Nor does a program that prints it go on for longer than 64 KiB of it."""
    w = cgi(program, exec_timeout="600s", write_timeout="600s")
    for _ in range(2):
        assert_bad_head(w.call())
        w.wait_no_processes()
    assert_bad_head_log(w, "")


def test_program_of_a_bad_head_that_ignores_sigterm(cgi, gate):
    program = steps("ignore-term", "hold", "say", "take:1", "outline:garbage", "outline:", "wait")
    w = cgi(program, exec_timeout="600s", kill_grace="100ms", **gate.env)
    with w.connect() as c:
        c.request("POST", fields=[("Content-Length", "1")])
        pids = [gate.started() for _ in range(2)]
        c.send(b"x")
        assert_bad_head(c.answer())
    for pid in pids:
        wait_gone(pid)


# --- in pieces --------------------------------------------------------------------------------------------------------

WHOLE = {
    "lf": b"Status: 201 So be it\nContent-Type: a/b\nSet-Cookie: c\n\n\nbody\n\n",
    "crlf": b"Status: 201 So be it\r\nContent-Type: a/b\r\nSet-Cookie: c\r\n\r\n\nbody\n\n",
}


def assert_whole(a):
    assert (a.status, a.reason, a.cut) == (201, "So be it", False)
    assert fields_of(a) == [("Content-Type", "a/b"), ("Set-Cookie", "c")]
    assert a.body == b"\nbody\n\n"


@pytest.mark.parametrize("output", WHOLE.values(), ids=WHOLE)
def test_byte_by_byte(cgi, output):
    assert_whole(printed(cgi(f"{PIECES} 1").connect(), output))


@pytest.mark.parametrize("output", WHOLE.values(), ids=WHOLE)
def test_cut_anywhere(cgi, output):
    with cgi(PIECES).connect() as c:
        for i in range(1, len(output)):
            assert_whole(printed(c, output, target=f"/?{i}"))


@pytest.mark.parametrize("size", [7, 1000, 4096, 65535])
def test_large_head_in_pieces(cgi, size):
    body = os.urandom(150_000)
    output = head_of(HEAD_MAX if size > 100 else 3000) + body[: size * 500]
    a = printed(cgi(f"{PIECES} {size}").connect(), output)
    assert (a.status, a.body) == (200, body[: size * 500])


@pytest.mark.parametrize("cut", [1, 23, 24, 25, 26])
def test_body_behind_a_head_in_pieces_waits_for_a_slow_client(cgi, cut):
    """What came with the end of the head is as safe as the rest while the client does not read."""
    output = TYPE + b"\n" + os.urandom(4_000_000)
    w = cgi(PIECES)
    with w.connect(receive_buffer=4096) as c:
        sender = threading.Thread(target=c.request, args=("POST", f"/?{cut}"), kwargs={"body": output})
        sender.start()
        sender.join(PATIENCE)
        a = c.answer()
    assert (a.status, a.cut) == (200, False)
    assert a.body == output[len(TYPE) + 1 :]


@pytest.mark.parametrize("size", [1, 3, 65536])
@pytest.mark.parametrize("bad", ["text", "none-of-the-three", "no-empty-line", "folded", "two-types", "status-600"])
def test_malformed_in_pieces(cgi, bad, size):
    assert_bad_head(printed(cgi(f"{PIECES} {size}").connect(), BAD[bad][0]))


# --- what requests can do ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("escaped", ["%0d", "%0dSet-Cookie:%20evil=1", "%0d%0d%0a"])
def test_carriage_return_of_a_path_in_a_field_is_malformed(cgi, escaped):
    w = cgi(shell('printf "Content-Type: text/plain\\nX-Path: %s \\n\\n" "$PATH_INFO"'))
    assert_bad_head(w.call("GET", f"/a{escaped}"))


def test_fields_of_requests_reach_no_answer(cgi):
    """Only through the environment, and only as far as the program prints it."""
    fields = [("Status", "500"), ("Location", "http://evil/"), ("Content-Type", "a/evil"), ("X-Evil", "1")]
    w = cgi(document("out:x"))
    assert_answer(w.call("POST", fields=fields, body=b"Status: 500\n\n"), 200, b"x", PLAIN, framing=EITHER)


def test_program_that_prints_its_query_as_location(cgi):
    """A redirector that decodes nothing cannot be made to print a second field."""
    w = cgi(shell('printf "Location: http://other.test/?%s\\n\\n" "$QUERY_STRING"'))
    a = w.call("GET", "/?x%0d%0aSet-Cookie:%20evil=1")
    assert (a.status, a.value("Location")) == (302, "http://other.test/?x%0d%0aSet-Cookie:%20evil=1")
    assert a.values("Set-Cookie") == []


def test_running_program_is_not_disturbed_by_a_bad_one(cgi, gate):
    w = cgi(document("say", "wait", "out:end"), **gate.env)
    with w.connect() as c, w.connect() as other:
        c.request()
        pid = gate.started()
        other.send(request_bytes("GET", "/%00"))
        assert other.answer().status == 500
        assert is_running(pid)
        gate.open()
        assert c.answer().body == b"end"
