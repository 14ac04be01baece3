"""cgi_response=true: classic, streaming and serializing functions that say status and fields themselves."""

import os
import re
import threading

import pytest

from call_ids import without_made_id_in_document
from cgi_program import EITHER, PIECES, PLAIN, TEXT, assert_bad_head, assert_bad_head_log, document, shell, steps
from harness import PATIENCE, eventually, wait_gone
from http_client import SECONDS, assert_answer, request_bytes

DURATION = {"classic": {"X-Duration-Seconds": SECONDS}, "streaming": {}, "serializing": {"X-Duration-Seconds": SECONDS}}
ADDED = ("Date", "Content-Length", "Transfer-Encoding", "X-Duration-Seconds")
waiting = pytest.mark.parametrize("mode", ["classic", "serializing"])  # for the exit status


@pytest.fixture
def function(watchdog, mode):
    return lambda fprocess="cat", **more: watchdog(fprocess, **{"mode": mode, "cgi_response": "true", **more})


def printed(w, output, method="POST", target="/", **request):
    """The answer to a request whose function, `cat`, prints `output`."""
    with w.connect() as c:
        raw = request_bytes(method, target, body=output, **request)
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(raw,))
        sender.start()
        a = c.answer()
        sender.join(PATIENCE)
    return a


def fields_of(a):
    return [(n, v) for n, v in a.fields if n not in ADDED]


# --- what all have in common ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_document(function, mode, end):
    output = end.join(["Content-Type: text/plain", "X-A: b", "", "hello"]).encode()
    assert_answer(printed(function(), output), 200, b"hello", {**PLAIN, "X-A": "b", **DURATION[mode]}, framing=EITHER)


@pytest.mark.parametrize(
    "value, status, reason", [("404", 404, "Not Found"), ("201 Done", 201, "Done"), ("599 X", 599, "X")]
)
def test_status(function, mode, value, status, reason):
    output = f"Status: {value}\nContent-Type: text/plain\n\nhello".encode()
    fields = {**PLAIN, **DURATION[mode]}
    assert_answer(printed(function(), output), status, b"hello", fields, framing=EITHER, reason=reason)


@pytest.mark.parametrize("location", ["/there?x=y", "http://other.test/"])
def test_location_is_never_local(function, scratch, location):
    w = function(shell(f"echo run >>{scratch}/runs; printf 'Location: {location}\\n\\n'"))
    a = w.call()
    assert (a.status, a.reason, a.value("Location"), a.body) == (302, "Found", location, b"")
    assert (scratch / "runs").read_text() == "run\n"


def test_fields_pass(function):
    fields = [("Set-Cookie", "a=1"), ("Content-Type", "a/b"), ("set-cookie", "b=2"), ("X-High", "caf\u00e9")]
    lines = [f"{n}: {v}" for n, v in fields] + ["Connection: X-Hop, close", "X-Hop: 1", "Transfer-Encoding: chunked"]
    with function().connect() as c:
        a = c.call("POST", body="\n".join([*lines, "", "x"]).encode("latin-1"))
        assert (fields_of(a), a.body) == (fields, b"x")
        c.assert_usable()


def test_not_by_default(watchdog, mode):
    output = b"Status: 404\nContent-Type: text/plain\n\nhello"
    for more in ({}, {"cgi_response": "false"}, {"cgi_response": ""}):
        a = watchdog("cat", mode=mode, **more).call("POST", body=output)
        assert (a.status, a.body) == (200, output)


BAD = {
    "nothing": (b"", ""),
    "text": (b"hello world\n", "hello world"),
    "no-empty-line": (b"Content-Type: text/plain\n", ""),
    "none-of-the-three": (b"X-A: b\n\nx", ""),
    "folded": (b"Status: 200\n c\n\nx", " c"),
    "two": (b"Status: 200\nStatus: 404\n\nx", "Status: 404"),
    "control": (b"Content-Type: a/b\nX-A: \x1b[31m\rX\n\nx", "X-A: \\x1b[31m\\x0dX"),
    "status": (b"Status: 600\n\nx", "600"),
    "65537": (b"Content-Type: a/b\nX-A: " + b"x" * (65537 - 25) + b"\n\n", ""),
    "large": (b"Content-Type: a/b\nX-A: " + b"x" * 2_000_000 + b"\n\nx", ""),
    "many": (b"Content-Type: a/b\n" + b"A: b\n" * 256 + b"\nx", ""),
}


@pytest.mark.parametrize("output, line", BAD.values(), ids=BAD)
def test_malformed_head_is_502(function, output, line):
    w = function(max_inflight="1")
    for _ in range(2):
        a = printed(w, output)
        # It may be kept for no long upload, and may say how long it took.
        assert_bad_head(a, **{n: v for n, v in a.fields if n in ("Connection", "X-Duration-Seconds")})
    assert_bad_head_log(w, line)
    assert re.fullmatch(r"[\x20-\x7e\t\n]*", w.err.text()), "bytes of the function are escaped"


def test_large_head_and_body(function):
    start, body = b"Content-Type: a/b\nX-A: ", os.urandom(5_000_000)
    a = printed(function(), start + b"v" * (65536 - len(start) - 2) + b"\n\n" + body)
    assert (a.status, len(a.value("X-A")), a.cut) == (200, 65536 - len(start) - 2, False)
    assert a.body == body


@pytest.mark.parametrize("i", [1, 11, 12, 30, 31, 32, 33, 34, 35])
def test_head_in_pieces(function, i):
    a = printed(function(PIECES), b"Status: 201\nContent-Type: a/b\r\n\r\nhello", target=f"/?{i}")
    assert (a.status, fields_of(a), a.body) == (201, [("Content-Type", "a/b")], b"hello")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [[], ["outline:Content-Length: 5"]], ids=["unsaid", "said"])
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_statuses_without_body(function, status, length, size):
    """304 may tell the length of the body that it does not have (RFC 9110, 8.6)."""
    with function(steps(f"outline:Status: {status}", *length, "outline:", f"outbytes:{size}")).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.status, a.body, a.cut) == (status, b"", False)
            assert status == 304 or a.length is None
        assert c.buffer == b""


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_head(function, mode):
    w = function(document("out:hello"))
    with w.connect() as c:
        for _ in range(2):
            assert_answer(c.call("HEAD"), 200, b"", {**PLAIN, **DURATION[mode]}, framing="none")
        assert c.buffer == b""


@pytest.mark.parametrize("more", [0, 1, 3_000_000])
@pytest.mark.parametrize("length", [0, 5, 262_144, 300_000])
def test_content_length_is_honoured(function, mode, length, more):
    """And what is printed behind it is dropped, wherever it was held."""
    words = [f"outbytes:{length}", f"outbytes:{more}"]
    w = function(steps("outline:Content-Type: text/plain", f"outline:Content-Length: {length}", "outline:", *words))
    with w.connect() as c:
        for _ in range(2):
            assert_answer(c.call(), 200, b"x" * length, {**PLAIN, **DURATION[mode]})
        c.assert_usable()


@pytest.mark.parametrize("more", [[], ["out:hello"]], ids=["none", "some"])
def test_fewer_bytes_than_promised_never_look_whole(function, more):
    a = function(steps("outline:Content-Type: a/b", "outline:Content-Length: 9", "outline:", *more)).call()
    assert a.cut or a.status == 502


def test_missing_program(function):
    a = function("no-such-program").call()
    assert (a.status, a.body.rstrip(b"\n")) == (500, b'exec: "no-such-program": executable file not found in $PATH')


@pytest.mark.parametrize(
    "part", [[], ["out:Content-Ty"], ["outline:Content-Type: text/plain"]], ids=["nothing", "line", "half"]
)
def test_failure_before_the_head_is_500(function, part):
    a = function(steps(*part, "exit:3")).call()
    assert a.status == 500 and a.body.startswith(b"exit status 3")


def test_environment_is_as_without(watchdog, mode):
    """The meta-variables of CGI belong to mode=cgi; this is about the answer alone."""
    plain = watchdog("env -0", mode=mode)
    w = watchdog(shell("printf 'Content-Type: a/b\\n\\n'; cat /proc/$$/environ"), mode=mode, cgi_response="true")

    def names(a):
        return {row.split(b"=")[0] for row in a.body.split(b"\0")}

    request = {"target": "/p?q", "fields": [("A", "b"), ("Proxy", "evil")], "body": b"x"}
    assert names(w.call("POST", **request)) - {b"cgi_response"} == names(plain.call("POST", **request))


# --- content_type -----------------------------------------------------------------------------------------------------


def test_content_type_of_the_head_wins(function):
    w = function(content_type="x/setting")
    a = printed(w, b"Content-Type: a/b\n\n<html>", fields=[("Content-Type", "x/request")])
    assert a.values("Content-Type") == ["a/b"]


def test_content_type_setting_without_one_in_the_head(function):
    a = printed(function(content_type="x/setting"), b"Status: 200\n\n<html>", fields=[("Content-Type", "x/request")])
    assert a.values("Content-Type") == ["x/setting"]


@pytest.mark.parametrize(
    "mode, sent, wanted",
    [
        ("classic", [("Content-Type", "x/request")], "x/request"),
        ("classic", [], "text/html; charset=utf-8"),
        ("streaming", [("Content-Type", "x/request")], "application/octet-stream"),
        ("serializing", [("Content-Type", "x/request")], "application/octet-stream"),
    ],
)
def test_content_type_by_default(function, sent, wanted):
    """In classic it is found from the body, which is what comes behind the head."""
    a = printed(function(), b"Status: 200\n\n<html>", fields=sent)
    assert (a.values("Content-Type"), a.body) == ([wanted], b"<html>")


@pytest.mark.parametrize("head_bytes", [100, 65_530, 65_534, 65_535, 65_536])
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_content_type_is_found_behind_a_head_of_any_size(watchdog, head_bytes, size):
    head = b"Status: 200\nX-A: "
    output = head + b"y" * (head_bytes - len(head) - 2) + b"\n\n%PDF-" + bytes(size)
    a = printed(watchdog("cat", cgi_response="true"), output)
    assert (a.values("Content-Type"), len(a.body)) == (["application/pdf"], size + 5)


# --- classic and serializing: the exit status first -------------------------------------------------------------------


@waiting
def test_nothing_leaves_before_the_exit_status(function, gate):
    w = function(document("out:hello", "say", "wait", "exit:1"), **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        gate.open()
        assert c.answer().status == 500


@pytest.mark.parametrize("end, text", [("exit:3", "exit status 3"), ("kill:KILL", "signal: killed")])
def test_classic_failure_is_500_with_all_output(watchdog, end, text):
    a = watchdog(steps("outline:Status: 201", "outline:", "out:some", end), cgi_response="true").call()
    assert_answer(a, 500, f"{text}\nStatus: 201\n\nsome".encode(), TEXT)


@pytest.mark.parametrize("end, text", [("exit:3", b"exit status 3"), ("kill:KILL", b"signal: killed")])
def test_serializing_failure_is_500_without_output(watchdog, end, text):
    w = watchdog(steps("outline:Status: 201", "outline:", "out:some", end), mode="serializing", cgi_response="true")
    a = w.call()
    assert (a.status, a.body) == (500, text)


@waiting
@pytest.mark.parametrize("garbage", ["outline:garbage", "outbytes:300000"])
def test_failure_wins_over_a_malformed_head(function, garbage):
    a = function(steps(garbage, "exit:3")).call()
    assert a.status == 500 and a.body.startswith(b"exit status 3")


@pytest.mark.parametrize("mode, status", [("classic", 408), ("serializing", 500)])
def test_deadline_is_told_as_ever(function, gate, status):
    w = function(document("out:some", "say", "wait"), exec_timeout="1s", **gate.env)
    assert w.call().status == status
    wait_gone(gate.started())


@waiting
@pytest.mark.parametrize("size", [200_000, 262_144, 5_000_000])
def test_held_output_has_its_length(function, mode, size):
    """In memory or in a file; the head is no part of the body."""
    body = os.urandom(size)
    a = printed(function(), b"Status: 404\nContent-Type: text/plain\n\n" + body)
    assert_answer(a, 404, body, {**PLAIN, **DURATION[mode]})
    assert a.length == size


@waiting
def test_held_file_is_closed(function, scratch):
    w = function(workers="1")
    output = b"Content-Type: a/b\n\n" + bytes(1_000_000)

    def call():
        for raw in (output, b"garbage" * 100_000):
            assert printed(w, raw).status in (200, 502)

    w.assert_keeps_no_descriptor(call, 5)
    assert os.listdir(scratch / "tmp") == [".lock"]


# --- settings of classic ----------------------------------------------------------------------------------------------


def test_combine_output_off_keeps_stderr_out_of_the_head(watchdog):
    w = watchdog(steps("errline:oops", "outline:Status: 404", "outline:", "out:x", "err:more"), cgi_response="true",
                 combine_output="false")  # fmt: skip
    a = w.call()
    assert (a.status, a.body) == (404, b"x")
    w.wait_for_log("^stderr: oops$")


def test_combine_output_has_stderr_in_the_body(watchdog):
    a = watchdog(document("out:a", "err:b", "out:c"), cgi_response="true").call()
    assert (a.status, a.body) == (200, b"abc")


def test_combine_output_and_stderr_before_the_head(watchdog):
    """It is output like any other, so what is wrong is said."""
    w = watchdog(steps("errline:a warning", "outline:Status: 404", "outline:", "out:x"), cgi_response="true")
    assert w.call().status == 502
    assert_bad_head_log(w, "a warning")


def test_marshal_request(watchdog):
    program = shell("printf 'Status: 201\\nContent-Type: a/b\\n\\n'; cat")
    a = watchdog(program, cgi_response="true", marshal_request="true").call("POST", body=b"a")
    assert a.status == 201
    assert without_made_id_in_document(a.body) == b'{"header":{"Content-Length":["1"]},"body":{"raw":"YQ=="}}'


def test_debug_headers(watchdog):
    w = watchdog("cat", cgi_response="true", debug_headers="true")
    printed(w, b"Status: 404\nX-Two: v1\nContent-Type: a/b\nX-Two: v2\n\nhello")
    eventually(lambda: "[out] X-Duration-Seconds=" in w.stdout(), "the fields are on stdout")
    out = set(line for line in w.stdout().splitlines() if line.startswith("[out]"))
    assert {"[out] X-Two=[v1 v2]", "[out] Content-Type=[a/b]"} <= out
    assert not [line for line in out if "Status" in line]


def test_write_debug(watchdog):
    w = watchdog("cat", cgi_response="true", write_debug="true")
    output = b"Status: 404\n\nhello"
    assert printed(w, output).status == 404
    eventually(lambda: w.stdout() == output.decode(), "the output is copied to stdout, as it is")


def test_classic_log(watchdog):
    w = watchdog("cat", cgi_response="true")
    printed(w, b"Status: 404\n\nhello")
    lines = w.stop_and_read()
    assert len(lines) == 2 and lines[0] == "Forking fprocess.", lines
    assert re.fullmatch(r"Wrote \d+ Bytes - Duration: \d+\.\d{6}s", lines[1])


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_log_has_the_status(function):
    w = function()
    printed(w, b"Status: 404\n\nhello")
    lines = w.stop_and_read()
    assert len(lines) == 1 and lines[0].startswith("POST / - 404 - ContentLength: 5B "), lines


# --- streaming --------------------------------------------------------------------------------------------------------


@pytest.fixture
def streaming(watchdog):
    return lambda fprocess, **more: watchdog(fprocess, mode="streaming", cgi_response="true", **more)


def test_streaming_leaves_as_it_comes(streaming, gate):
    words = ["outline:Status: 201", "outline:", "say", "wait", "out:first", "say", "wait", "exit:3"]
    w = streaming(steps(*words), **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        assert a.status == 201
        gate.started()
        gate.open()
        c.read_until(a, b"first")
        gate.started()
        gate.open()
        assert c.rest(a).cut


@pytest.mark.parametrize("part", [[], ["outline:Status: 404"]], ids=["nothing", "half"])
def test_streaming_deadline_before_the_head_is_504(streaming, gate, part):
    w = streaming(steps(*part, "say", "wait"), exec_timeout="1s", **gate.env)
    a = w.call()
    assert (a.status, a.cut) == (504, False) and b"exec_timeout" in a.body
    wait_gone(gate.started())


def test_streaming_malformed_head_ends_the_function_at_once(streaming, gate):
    w = streaming(steps("say", "outline:garbage", "outline:", "wait"), exec_timeout="600s", **gate.env)
    assert_bad_head(w.call())
    wait_gone(gate.started())


# --- the setting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["yes", "2", "on"])
def test_bad_value_stops_the_start(fwatchdog, mode, value):
    ended = fwatchdog(fprocess="cat", mode=mode, cgi_response=value)
    assert (ended.status, ended.stdout) == (1, "")
    assert "cgi_response" in ended.stderr and value in ended.stderr and "true" in ended.stderr


def test_check(fwatchdog, mode):
    for value, wanted in ((None, ("false", "default")), ("true", ("true", "environment"))):
        assert fwatchdog("--check", fprocess="cat", mode=mode, cgi_response=value).settings()["cgi_response"] == wanted
