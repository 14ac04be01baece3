"""Mode classic: answers and log lines, row by row."""

import os
import re
import time

import pytest

from harness import SLOW, eventually, wait_gone
from http_client import IMF_FIXDATE, SECONDS, assert_answer, chunked, request_bytes

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
OK = {"X-Duration-Seconds": SECONDS}
OK_TEXT = {**TEXT, **OK}
WROTE = r"Wrote %d Bytes - Duration: \d+\.\d{6}s"


def assert_log(w, *wanted):
    """All that was logged about calls: whole lines, as expressions. Stops the watchdog."""
    lines = w.stop_and_read()
    assert len(lines) == len(wanted), lines
    for line, expression in zip(lines, wanted):
        assert re.fullmatch(expression, line), lines


# --- methods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_reaches_the_function(watchdog, method):
    assert_answer(watchdog("cat").call(method, body=b"body"), 200, b"body", OK_TEXT)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "get", "Post", "FOO"])
def test_other_method_is_405(watchdog, method):
    w = watchdog("cat")
    a = w.call(method)
    assert_answer(a, 405, b"", {"Allow": a.value("Allow")} if a.values("Allow") else {}, framing=("length", "none"))
    assert w.stop_and_read() == []


def test_405_with_a_body(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        a = c.call("OPTIONS", body=b"x" * 1000)
        assert (a.status, a.body) == (405, b"")
        assert_answer(c.call("POST", body=b"next"), 200, b"next", OK_TEXT)
    assert_log(w, "Forking fprocess\\.", WROTE % 4)


# --- success ----------------------------------------------------------------------------------------------------------


def test_answer_and_log(watchdog):
    w = watchdog("cat")
    assert_answer(w.call("POST", body=b"hello"), 200, b"hello", OK_TEXT)
    assert_log(w, "Forking fprocess\\.", WROTE % 5)


def test_no_output(watchdog):
    w = watchdog("true")
    assert_answer(w.call(), 200, b"", OK)
    assert_log(w, "Forking fprocess\\.", WROTE % 0)


def test_no_request_body_is_end_of_file_at_once(watchdog):
    assert_answer(watchdog("cat").call("GET"), 200, b"", OK)


@pytest.mark.parametrize("size", [2048, 2049, 100_000, 1_000_000])
def test_large_output_of_known_length(watchdog, size):
    a = watchdog(f"steps outbytes:{size}").call()
    assert_answer(a, 200, b"x" * size, OK_TEXT)


def test_chunked_body(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + chunked(b"one", b"two", b"three"))
        assert_answer(c.answer(), 200, b"onetwothree", OK_TEXT)


def test_stdout_and_stderr_interleave(watchdog):
    w = watchdog("steps out:a err:b out:c err:d out:e")
    assert_answer(w.call(), 200, b"abcde", OK_TEXT)
    assert_log(w, "Forking fprocess\\.", WROTE % 5)


@pytest.mark.parametrize("errors", ["err:one", "errline:one", "errline:one errline:two", "err:a out:x err:b"])
def test_combine_output_off(watchdog, errors):
    w = watchdog(f"steps out:a {errors} out:b", combine_output="false")
    a = w.call()
    assert a.body == (b"axb" if "out:x" in errors else b"ab")
    texts = {"err:one": ["one"], "errline:one": ["one"], "err:a out:x err:b": ["ab"]}.get(errors, ["one", "two"])
    w.wait_for_log("^Wrote ")
    w.wait_for_log(f"^stderr: {texts[0]}$")
    eventually(lambda: texts[-1] in w.err.text(), "all of it is logged")
    block = "\n".join(w.call_messages())
    assert "stderr: " + "\n".join(texts) in block and block.count("stderr: ") == 1, block


def test_combine_output_off_logs_stderr_whatever_the_outcome(watchdog):
    w = watchdog("steps out:a errline:oops exit:3", combine_output="false")
    assert_answer(w.call(), 500, b"exit status 3\na", TEXT)
    assert_log(w, "Forking fprocess\\.", "stderr: oops")


def test_combine_output_off_and_silent_stderr_logs_nothing(watchdog):
    w = watchdog("steps out:a", combine_output="false")
    assert_answer(w.call(), 200, b"a", OK_TEXT)
    assert_log(w, "Forking fprocess\\.", WROTE % 1)


# --- Content-Type -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting, sent, wanted",
    [
        ("application/json", [], "application/json"),
        ("application/json", ["text/html"], "application/json"),
        (None, ["a/b; c=d"], "a/b; c=d"),
        (None, ["a/b", "c/d"], "a/b"),
        ("", ["a/b"], "a/b"),
        (None, [], "text/html; charset=utf-8"),
        (None, [""], "text/html; charset=utf-8"),
    ],
)
def test_content_type(watchdog, setting, sent, wanted):
    w = watchdog("cat", content_type=setting)
    a = w.call("POST", fields=[("Content-Type", v) for v in sent], body=b"<html>")
    assert_answer(a, 200, b"<html>", {"Content-Type": wanted, **OK})


def test_content_type_setting_on_an_empty_answer(watchdog):
    a = watchdog("true", content_type="a/b").call()
    assert_answer(a, 200, b"", {"Content-Type": "a/b", **OK})


def test_content_type_setting_cannot_inject_fields(watchdog):
    w = watchdog("cat", content_type="a/b\r\nX-Evil: 1", ready=False)
    match = w.err.wait(lambda: "Writing lock-file" in w.err.text(), 20 * SLOW)
    if not match:  # refused at start is as good
        w.process.wait(20 * SLOW)
        w.over = True
        return
    assert w.call("POST", body=b"x").values("X-Evil") == []


# --- failure ----------------------------------------------------------------------------------------------------------


def test_failure_has_the_error_and_the_output(watchdog):
    w = watchdog("steps out:some err:thing exit:3", content_type="application/json")
    assert_answer(w.call("POST", fields=[("Content-Type", "a/b")], body=b""), 500, b"exit status 3\nsomething", TEXT)
    assert w.stop_and_read() == ["Forking fprocess."]


def test_failure_with_binary_output_is_sniffed(watchdog):
    a = watchdog("grep -q no-match /dev/null").call()
    assert_answer(a, 500, b"exit status 1\n", TEXT)
    a = watchdog("steps in exit:1").call("POST", body=b"\0\1\2")
    assert_answer(a, 500, b"exit status 1\n\0\1\2", {"Content-Type": "application/octet-stream"})


@pytest.mark.parametrize("size", [3000, 300_000, 3_000_000])
def test_failure_with_large_output(watchdog, size):
    a = watchdog(f"steps outbytes:{size} exit:7").call()
    assert_answer(a, 500, b"exit status 7\n" + b"x" * size, TEXT)


def test_failure_with_combine_output_off(watchdog):
    a = watchdog("steps out:a err:b exit:2", combine_output="false").call()
    assert_answer(a, 500, b"exit status 2\na", TEXT)


# --- bad bodies -------------------------------------------------------------------------------------------------------

CHUNKED = request_bytes("POST", fields=[("Transfer-Encoding", "chunked")])
BAD_BODIES = {
    "short": (request_bytes("POST", fields=[("Content-Length", "10")]) + b"123", b"unexpected EOF"),
    "short-none": (request_bytes("POST", fields=[("Content-Length", "10")]), b"unexpected EOF"),
    "short-chunk": (CHUNKED + b"5\r\nabc", b"unexpected EOF"),
    "no-last-chunk": (CHUNKED + b"3\r\nabc\r\n", b"unexpected EOF"),
    "bad-size": (CHUNKED + b"3\r\nabc\r\nzz\r\n", b"invalid byte in chunk length"),
    "bad-size-at-once": (CHUNKED + b"zz\r\n", b"invalid byte in chunk length"),
    "negative-size": (CHUNKED + b"-1\r\n", b"invalid byte in chunk length"),
    "no-line-end": (CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n", b"malformed chunked encoding"),
    "bare-lf": (CHUNKED + b"3\nabc\r\n0\r\n\r\n", b"chunked line ends with bare LF"),
    "too-large": (CHUNKED + b"fffffffffffffffff\r\n", b"http chunk length too large"),
}


@pytest.mark.parametrize("raw, text", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body_is_400(watchdog, scratch, raw, text):
    done = scratch / "done"
    w = watchdog(f"steps in mark:{done}")
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        a = c.answer()
        c.assert_closed()
    assert_answer(a, 400, text + b"\n", {**TEXT, "Connection": "close"})
    w.wait_for_log("^Forking fprocess\\.$")
    w.wait_no_processes()
    assert not done.exists(), "the function took a part of the body for the whole"


# --- time -------------------------------------------------------------------------------------------------------------


def test_exec_timeout(watchdog, gate):
    w = watchdog("steps out:partial say wait", exec_timeout="300ms", **gate.env)
    assert_answer(w.call(), 408, b"Killed process.\n", TEXT)
    wait_gone(gate.started())
    assert_log(w, "Forking fprocess\\.", "Killing process: steps out:partial say wait", "exec_timeout 300ms reached")


def test_exec_timeout_does_not_count_the_upload(watchdog):
    w = watchdog("cat", exec_timeout="400ms")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"12345")
        time.sleep(0.8)
        c.send(b"67890")
        assert_answer(c.answer(), 200, b"1234567890", OK_TEXT)


@pytest.mark.parametrize("value", ["0", "-1s", None])
def test_no_exec_timeout(watchdog, gate, value):
    w = watchdog("steps say wait out:done", exec_timeout=value, **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        time.sleep(0.3)
        gate.open()
        assert_answer(c.answer(), 200, b"done", OK_TEXT)


def test_duration_counts_from_before_the_body(watchdog):
    w = watchdog("cat")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "2")]) + b"1")
        time.sleep(0.3)
        c.send(b"2")
        a = c.answer()
    assert 0.28 <= float(a.value("X-Duration-Seconds")) < 5 * SLOW
    logged = w.wait_for_log(r"^Wrote 2 Bytes - Duration: (\d+\.\d{6})s$").group(1)
    assert abs(float(logged) - float(a.value("X-Duration-Seconds"))) < 0.1 * SLOW


# --- write_debug, debug_headers ---------------------------------------------------------------------------------------


def test_write_debug(watchdog):
    w = watchdog("cat", write_debug="true")
    w.call("POST", "/a%20b?x=%20y", body=b"some output")
    assert_log(
        w, "Forking fprocess\\.", "Query  x=%20y", "Path  /a b", r"Duration: \d+\.\d{6}s"
    )
    eventually(lambda: w.stdout() == "some output", "the output is copied to stdout")


def test_write_debug_without_query(watchdog):
    w = watchdog("cat", write_debug="true")
    w.call("GET", "/")
    assert_log(w, "Forking fprocess\\.", "Query  ", "Path  /", r"Duration: \d+\.\d{6}s")


def test_write_debug_of_a_failure(watchdog):
    w = watchdog("steps out:some exit:3", write_debug="true")
    assert_answer(w.call(), 500, b"exit status 3\nsome", TEXT)
    assert_log(
        w, "Forking fprocess\\.", "Query  ", "Path  /", "Success=false, Error=exit status 3", "Out=some"
    )


def test_write_debug_of_a_bad_body(watchdog):
    w = watchdog("cat", write_debug="true")
    with w.connect() as c:
        c.send(request_bytes("POST", "/", [("Content-Length", "10")]) + b"123")
        c.half_close()
        assert c.answer().status == 400
    w.wait_for_log("^Error=unexpected EOF, ReadLen=3$")


def test_flaw_21_write_debug_and_a_missing_program(watchdog):
    w = watchdog("no-such-program", write_debug="true", max_inflight="1")
    for _ in range(3):
        assert_answer(w.call(), 500, b'exec: "no-such-program": executable file not found in $PATH\n', TEXT)


def test_flaw_52_debug_lines_cannot_be_forged(watchdog):
    w = watchdog("cat", write_debug="true")
    w.call("GET", "/a%0a2020/01/01%2000:00:00%20FAKE%1b%5b31m?q")
    w.wait_for_log("^Duration: ")
    assert "\x1b" not in w.err.text()
    assert [m for m in w.messages() if "FAKE" in m] == [r"Path  /a\x0a2020/01/01 00:00:00 FAKE\x1b[31m"]


def test_debug_headers(watchdog):
    w = watchdog("cat", debug_headers="true", content_type="a/b")
    fields = [("X-Two", "v1"), ("Other", "o"), ("x-two", "v2"), ("x-call-id", "i")]
    w.call("POST", "/", fields=fields, body=b"12")
    eventually(lambda: "[out] X-Duration-Seconds=" in w.stdout(), "the fields are on stdout")
    lines = w.stdout().splitlines()
    assert sorted(line for line in lines if line.startswith("[in]")) == [
        "[in] Content-Length=[2]", "[in] Other=[o]", "[in] X-Call-Id=[i]", "[in] X-Two=[v1 v2]",
    ]  # fmt: skip
    out = dict(line.removeprefix("[out] ").split("=", 1) for line in lines if line.startswith("[out]"))
    assert out["Content-Type"] == "[a/b]"
    assert re.fullmatch(r"\[\d+\.\d{6}\]", out["X-Duration-Seconds"])
    assert set(out) <= {"Content-Type", "X-Duration-Seconds", "Date", "Content-Length"}
    assert len(lines) == 4 + len(out), "nothing else is on stdout"
    assert "Date" not in out or IMF_FIXDATE.fullmatch(out["Date"][1:-1])


def test_debug_headers_of_a_failure(watchdog):
    w = watchdog("false", debug_headers="true")
    assert w.call("GET", "/", fields=[("A", "b")]).status == 500
    eventually(lambda: "[in] A=[b]\n" in w.stdout(), "the fields are on stdout")
    assert "[out]" not in w.stdout()


def test_nothing_on_stdout_without_debugging(watchdog):
    w = watchdog("cat")
    w.call("POST", body=b"x")
    w.stop()
    assert w.stdout() == ""


# --- where output is kept ---------------------------------------------------------------------------------------------


def temporary_files(w):
    return [d for d in w.descriptors() if d.startswith(f"{w.tmp}/")]


def test_large_output_is_kept_in_an_unlinked_file(watchdog, gate):
    w = watchdog("steps outbytes:2000000 say wait", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        eventually(lambda: temporary_files(w), "a temporary file is open")
        assert os.listdir(w.tmp) == [".lock"], "it has no name"
        gate.open()
        assert_answer(c.answer(), 200, b"x" * 2_000_000, OK_TEXT)
    eventually(lambda: not temporary_files(w), "the file is closed")


def test_small_output_needs_no_file(watchdog, scratch):
    w = watchdog("steps outbytes:200000", suppress_lock="true", TMPDIR=scratch / "missing")
    assert_answer(w.call(), 200, b"x" * 200_000, OK_TEXT)


def test_no_room_for_large_output_streams_it(watchdog, scratch):
    w = watchdog("steps outbytes:2000000", suppress_lock="true", TMPDIR=scratch / "missing")
    a = w.call()
    assert (a.status, a.body, a.cut, a.framing) == (200, b"x" * 2_000_000, False, "chunked")
    lines = [m for m in w.stop_and_read() if not m.startswith(("Forking", "Wrote"))]
    assert len(lines) == 1 and str(scratch / "missing") in lines[0], lines


def test_no_room_for_large_output_and_a_failure_cuts(watchdog, scratch):
    w = watchdog("steps outbytes:2000000 exit:3", suppress_lock="true", TMPDIR=scratch / "missing")
    a = w.call()
    assert (a.status, a.cut) == (200, True), "an answer that is not whole must not look whole"


# --- kube-probe -------------------------------------------------------------------------------------------------------


def test_kube_probe_has_no_special_treatment(watchdog):
    w = watchdog("cat")
    w.call("POST", fields=[("User-Agent", "kube-probe/1.27")], body=b"x")
    assert_log(w, "Forking fprocess\\.", WROTE % 1)
