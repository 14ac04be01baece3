"""Mode streaming: answers and log lines, row by row."""

import os
import re
import threading
import time

import pytest

from harness import PATIENCE, SLOW, wait_gone
from http_client import assert_answer, chunked, request_bytes

OCTETS = {"Content-Type": "application/octet-stream"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
EITHER = ("length", "chunked")  # right for short answers: it depends on what the function does at once
SECONDS = r"\(\d+\.\d{4}s\)"


@pytest.fixture
def streaming(watchdog):
    def start(fprocess, **env):
        return watchdog(fprocess, mode="streaming", **env)

    return start


def assert_log(w, *wanted):
    lines = w.stop_and_read()
    assert len(lines) == len(wanted), lines
    for line, expression in zip(lines, wanted):
        assert re.fullmatch(expression, line), lines


def test_answer_and_log(streaming):
    w = streaming("cat")
    assert_answer(w.call("POST", "/p?q=1", body=b"hello"), 200, b"hello", OCTETS, framing=EITHER)
    assert_log(w, rf"POST /p\?q=1 - 200 - ContentLength: 5B {SECONDS}")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "TRACE", "FOO", "get", "M-SEARCH"])
def test_every_method_reaches_the_function(streaming, method):
    w = streaming("cat")
    assert_answer(w.call(method, body=b"body"), 200, b"body", OCTETS, framing=EITHER)
    assert_log(w, rf"{method} / - 200 - ContentLength: 4B {SECONDS}")


def test_content_type_setting(streaming):
    a = streaming("cat", content_type="text/x; y=z").call("POST", fields=[("Content-Type", "a/b")], body=b"<html>")
    assert_answer(a, 200, b"<html>", {"Content-Type": "text/x; y=z"}, framing=EITHER)


def test_no_output(streaming):
    w = streaming("true")
    assert_answer(w.call(), 200, b"", OCTETS)
    assert_log(w, rf"GET / - 200 - ContentLength: 0B {SECONDS}")


def test_head(streaming):
    w = streaming("steps out:hello")
    with w.connect() as c:
        a = c.call("HEAD")
        assert_answer(a, 200, b"", OCTETS, framing="none")
        assert a.length in (None, 5)
        assert c.call().body == b"hello", "HEAD and GET are in step"


@pytest.mark.parametrize("size", [2048, 2049, 65536, 65537, 3_000_000])
def test_output_of_any_size(streaming, size):
    a = streaming(f"steps outbytes:{size}").call()
    assert_answer(a, 200, b"x" * size, OCTETS, framing=EITHER)


def test_output_leaves_as_soon_as_printed(streaming, gate):
    w = streaming("steps out:first say wait out:second", **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        c.read_until(a, b"first")
        gate.started()
        gate.open()
        c.rest(a)
    assert_answer(a, 200, b"firstsecond", OCTETS, framing="chunked")


def test_head_leaves_with_the_first_output_only(streaming, gate):
    """Until then it can still become a 500."""
    w = streaming("steps say wait exit:3", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        gate.open()
        assert c.answer().status == 500


def test_full_duplex(streaming):
    """What is sent comes back before the body is over, again and again."""
    with streaming("cat").connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]))
        a = None
        for i in range(20):
            piece = b"piece %d\n" % i
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            a = a or c.begin()
            c.read_until(a, a.body + piece)
        c.send(b"0\r\n\r\n")
        assert c.rest(a).body.endswith(b"piece 19\n") and not a.cut


def test_http_1_0_is_ended_by_close(streaming):
    with streaming("steps outbytes:100000").connect() as c:
        c.request(version="HTTP/1.0", host=None)
        assert_answer(c.answer(), 200, b"x" * 100_000, {**OCTETS, "Connection": "close"}, framing=("close", "length"))
        c.assert_closed()


# --- failure ----------------------------------------------------------------------------------------------------------


def failure_log(status, text, size=r"\d+B"):
    return text, rf"GET / - {status} - ContentLength: {size} {SECONDS}"


def test_flaw_7_failure_before_output(streaming):
    w = streaming("steps errline:why exit:3")
    a = w.call()
    assert (a.status, a.body.rstrip(b"\n"), a.cut) == (500, b"exit status 3", False)
    w.wait_for_log("^stderr: why$")
    w.wait_for_log(rf"^GET / - 500 - ContentLength: \d+\w+ {SECONDS}$")
    w.wait_for_log("^exit status 3$")


def test_flaw_7_failure_after_output_cuts(streaming, gate):
    w = streaming("steps out:some say wait exit:3", **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        c.read_until(a, b"some")
        gate.open()
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"some", True)
    w.wait_for_log("^exit status 3$")
    w.wait_for_log(rf"^GET / - 200 - ContentLength: 4B {SECONDS}$")


def test_flaw_7_failure_after_large_output_cuts(streaming):
    w = streaming("steps outbytes:3000000 exit:3")
    a = w.call()
    assert (a.status, a.cut) == (200, True)


def test_flaw_7_failure_after_output_cuts_http_1_0_too(streaming, gate):
    """Without framing a plain end would look whole: it has to be a reset."""
    w = streaming("steps out:some say wait exit:3", **gate.env)
    with w.connect() as c:
        c.request(version="HTTP/1.0")
        a = c.begin()
        c.read_until(a, b"some")
        gate.open()
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"some", True)


def test_flaw_7_signal_before_output(streaming):
    a = streaming("steps kill:SEGV").call()
    assert (a.status, a.body.rstrip(b"\n")) == (500, b"signal: segmentation fault")


def test_flaw_7_missing_program_log(streaming):
    w = streaming("no-such-program")
    assert w.call().status == 500
    w.wait_for_log(rf"^GET / - 500 - ContentLength: \d+B {SECONDS}$")


def test_flaw_7_exec_timeout_before_output(streaming, gate):
    w = streaming("steps say wait", exec_timeout="300ms", **gate.env)
    a = w.call()
    assert (a.status, a.cut) == (504, False)
    assert b"exec_timeout" in a.body
    wait_gone(gate.started())
    w.wait_for_log(rf"^GET / - 504 - ContentLength: \d+B {SECONDS}$")


def test_flaw_7_exec_timeout_after_output_cuts(streaming, gate):
    w = streaming("steps out:some say wait", exec_timeout="300ms", **gate.env)
    a = w.call()
    assert (a.status, a.body, a.cut) == (200, b"some", True)
    wait_gone(gate.started())
    w.wait_for_log(rf"^GET / - 200 - ContentLength: 4B {SECONDS}$")


def test_exec_timeout_counts_the_upload(streaming, gate):
    w = streaming("steps say eat out:done", exec_timeout="300ms", **gate.env)
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"1")
        a = c.answer()
    assert a.status == 504
    wait_gone(gate.started())


@pytest.mark.parametrize("value", ["0", "-1s"])
def test_no_exec_timeout(streaming, gate, value):
    w = streaming("steps say wait out:done", exec_timeout=value, **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        time.sleep(0.3)
        gate.open()
        assert c.answer().body == b"done"


# --- bad bodies -------------------------------------------------------------------------------------------------------

CHUNKED = request_bytes("POST", fields=[("Transfer-Encoding", "chunked")])


@pytest.mark.parametrize(
    "raw, text",
    [
        (request_bytes("POST", fields=[("Content-Length", "10")]) + b"123", b"unexpected EOF"),
        (CHUNKED + b"3\r\nabc\r\n", b"unexpected EOF"),
        (CHUNKED + b"3\r\nabc\r\nzz\r\n", b"invalid byte in chunk length"),
        (CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n", b"malformed chunked encoding"),
    ],
    ids=["short", "no-last-chunk", "bad-size", "no-line-end"],
)
def test_bad_body_before_output_is_400(streaming, scratch, raw, text):
    done = scratch / "done"
    w = streaming(f"steps eat mark:{done} out:x")
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        a = c.answer()
        c.assert_closed()
    assert_answer(a, 400, text + b"\n", {**TEXT, "Connection": "close"})
    w.wait_no_processes()
    assert not done.exists(), "the function took a part of the body for the whole"
    w.wait_for_log(rf"^POST / - 400 - ContentLength: \d+B {SECONDS}$")


def test_bad_body_after_output_cuts(streaming, scratch):
    done = scratch / "done"
    w = streaming(f"steps in mark:{done}")
    with w.connect() as c:
        c.send(CHUNKED + b"3\r\nabc\r\n")
        a = c.begin()
        c.read_until(a, b"abc")
        c.send(b"zz\r\n")
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"abc", True)
    w.wait_no_processes()
    assert not done.exists()


# --- bodies and processes that do not want them -----------------------------------------------------------------------


def test_process_that_does_not_read(streaming):
    w = streaming("steps out:done")
    assert_answer(w.call("POST", body=b"x" * 200_000), 200, b"done", OCTETS, framing=EITHER)


def test_process_that_reads_a_part(streaming):
    w = streaming("steps take:10 out:done")
    assert_answer(w.call("POST", body=b"x" * 200_000), 200, b"done", OCTETS, framing=EITHER)


def test_flaw_25_process_ends_while_the_client_stalls(streaming):
    """The answer does not wait for a body that nobody will read."""
    w = streaming("steps take:1 out:done", read_timeout="60s", exec_timeout="60s", write_timeout="60s")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "1000000")]) + b"12345")
        began = time.monotonic()
        a = c.answer()
        assert (a.status, a.body) == (200, b"done")
        assert a.end_at - began < 10 * SLOW


def test_flaw_25_process_fails_while_the_client_stalls(streaming):
    w = streaming("steps take:1 exit:4", read_timeout="60s", exec_timeout="60s", write_timeout="60s")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "1000000")]) + b"12345")
        a = c.answer()
        assert (a.status, a.body.rstrip(b"\n")) == (500, b"exit status 4")


@pytest.mark.parametrize("size", [10_000, 40_000, 100_000, 300_000, 1_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_flaw_1_no_byte_of_a_body_in_pieces_is_lost(streaming, size, framing):
    """Over one connection, each body in several writes, echoed while it comes."""
    with streaming("cat").connect() as c:
        for _ in range(5):
            body = os.urandom(size)
            step = max(size // 7, 4000) + 1
            if framing == "length":
                c.send(request_bytes("POST", fields=[("Content-Length", str(size))]))
                sender = threading.Thread(
                    target=lambda: [c.send(body[i : i + step]) for i in range(0, size, step)]  # noqa: B023
                )
            else:
                c.send(CHUNKED)
                sender = threading.Thread(
                    target=lambda: c.send(chunked(*[body[i : i + step] for i in range(0, size, step)]))  # noqa: B023
                )
            sender.start()
            a = c.answer()
            sender.join(PATIENCE)
            assert a.status == 200 and not a.cut
            assert a.body == body


def test_no_line_per_request_about_logging(streaming):
    w = streaming("steps errline:x")
    w.call()
    w.wait_for_log("^GET / - 200")
    assert not [m for m in w.messages() if m.startswith("Started logging")]
