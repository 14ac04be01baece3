"""Mode serializing: answers and log lines, row by row."""

import re
import time

import pytest

from harness import eventually, wait_gone
from http_client import SECONDS, assert_answer, chunked, request_bytes

TYPE = {"Content-Type": "application/octet-stream"}
FIELDS = {**TYPE, "X-Duration-Seconds": SECONDS}
LOGGED = r"\(\d+\.\d{4}s\)"


@pytest.fixture
def serializing(watchdog):
    def start(fprocess, **env):
        return watchdog(fprocess, mode="serializing", **env)

    return start


def assert_log(w, *wanted):
    """All lines about calls, in whatever order they came. Stops the watchdog."""
    lines = w.stop_and_read()
    assert len(lines) == len(wanted), lines
    for expression in wanted:
        assert [line for line in lines if re.fullmatch(expression, line)], (expression, lines)


def test_answer_and_log(serializing):
    w = serializing("cat")
    assert_answer(w.call("POST", "/p?q=1", body=b"hello"), 200, b"hello", FIELDS)
    assert_log(w, rf"POST /p\?q=1 - 200 - ContentLength: 5B {LOGGED}")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "TRACE", "FOO", "get"])
def test_every_method_reaches_the_function(serializing, method):
    assert_answer(serializing("cat").call(method, body=b"body"), 200, b"body", FIELDS)


def test_head(serializing):
    with serializing("steps out:hello").connect() as c:
        a = c.call("HEAD")
        assert_answer(a, 200, b"", FIELDS, framing="none")
        assert a.length == 5
        assert_answer(c.call(), 200, b"hello", FIELDS)


def test_no_output(serializing):
    assert_answer(serializing("true").call(), 200, b"", FIELDS)


@pytest.mark.parametrize("size", [2048, 2049, 300_000, 3_000_000])
def test_output_of_any_size_has_its_length(serializing, size):
    assert_answer(serializing(f"steps outbytes:{size}").call(), 200, b"x" * size, FIELDS)


def test_content_type_setting(serializing):
    w = serializing("steps in exit:1", content_type="text/x")
    fields = {"Content-Type": "text/x", "X-Duration-Seconds": SECONDS}
    assert_answer(w.call("POST", body=b""), 500, b"exit status 1", fields)


def test_stderr_is_not_in_the_answer(serializing):
    w = serializing("steps out:a errline:b out:c")
    assert_answer(w.call(), 200, b"ac", FIELDS)
    assert_log(w, "stderr: b", rf"GET / - 200 - ContentLength: 2B {LOGGED}")


@pytest.mark.parametrize("step, text", [("exit:3", "exit status 3"), ("kill:TERM", "signal: terminated")])
def test_flaw_10_failure_drops_stdout_and_logs_the_status_sent(serializing, step, text):
    w = serializing(f"steps out:lost {step}")
    assert_answer(w.call(), 500, text.encode(), FIELDS)
    assert_log(w, rf"GET / - 500 - ContentLength: {len(text)}B {LOGGED}", text)


def test_missing_program(serializing):
    text = 'exec: "no-such-program": executable file not found in $PATH'
    assert_answer(serializing("no-such-program").call(), 500, text.encode(), FIELDS)


def test_exec_timeout(serializing, gate):
    w = serializing("steps out:lost say wait", exec_timeout="300ms", **gate.env)
    assert_answer(w.call(), 500, b"signal: killed", FIELDS)
    wait_gone(gate.started())
    w.wait_for_log(rf"^GET / - 500 - ContentLength: 14B {LOGGED}$")


def test_exec_timeout_counts_the_upload(serializing):
    w = serializing("cat", exec_timeout="300ms")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"1")
        a = c.answer()
    assert a.status == 500
    assert a.body in (b"signal: killed", b"context deadline exceeded")
    w.wait_no_processes()


def test_duration_counts_from_before_the_body(serializing):
    with serializing("cat").connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "2")]) + b"1")
        time.sleep(0.3)
        c.send(b"2")
        a = c.answer()
    assert 0.28 <= float(a.value("X-Duration-Seconds")) < 20


@pytest.mark.parametrize(
    "raw, text",
    [
        (request_bytes("POST", fields=[("Content-Length", "10")]) + b"123", b"unexpected EOF"),
        (request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n", b"unexpected EOF"),
        (request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"x\r\n", b"invalid byte in chunk length"),
    ],
    ids=["short", "no-last-chunk", "bad-size"],
)
def test_bad_body_is_400(serializing, scratch, raw, text):
    done = scratch / "done"
    w = serializing(f"steps in mark:{done}")
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        a = c.answer()
        c.assert_closed()
    wanted = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
    assert_answer(a, 400, text + b"\n", wanted)
    w.wait_no_processes()
    assert not done.exists(), "the function took a part of the body for the whole"


def test_chunked_body(serializing):
    with serializing("cat").connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + chunked(b"ab", b"c" * 50_000))
        assert_answer(c.answer(), 200, b"ab" + b"c" * 50_000, FIELDS)


@pytest.mark.parametrize("steps", ["out:done", "close-in out:done", "take:10 out:done"])
def test_flaw_10_process_that_does_not_read_a_large_body(serializing, steps):
    """Every time the same answer: whether the process wants its body is its own business."""
    body = b"x" * 5_000_000
    w = serializing(f"steps {steps}")
    for _ in range(10):
        with w.connect() as c:
            c.request("POST", fields=[("Content-Length", str(len(body)))])
            c.send_as_far_as_taken(body)
            a = c.answer()
            assert (a.status, a.body) == (200, b"done")


def test_flaw_28_process_that_closes_stdin_early_is_waited_for(serializing):
    w = serializing("steps close-in out:done", workers="1")

    def call():
        assert w.call("POST", body=b"x" * 200_000).body == b"done"

    w.assert_keeps_no_descriptor(call, 10)


def test_flaw_29_nothing_grows_over_many_calls(serializing):
    w = serializing("cat")
    with w.connect() as c:
        for _ in range(20):
            c.call("POST", body=b"x")
        threads, files = w.threads(), w.descriptors()
        for _ in range(280):
            assert c.call("POST", body=b"x").body == b"x"
        eventually(lambda: w.descriptors() == files, "its descriptors are closed")
    assert w.threads() == threads
