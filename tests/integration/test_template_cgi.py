"""The template cgi: a CGI program for each call, fwatchdog in front of it as in an image."""

import subprocess
import sys

import pytest

from function_templates import TEMPLATES, assemble, start
from harness import need_program
from http_client import chunked
from http_template import ALL_BYTES, run_tests

HEAD = r"printf 'Content-Type: application/octet-stream\n\n'"


@pytest.fixture
def serve(watchdog, scratch):
    def begin(script, interpreter="/bin/sh", **changes):
        target = assemble("cgi", scratch, {"handler.cgi": f"#!{interpreter}\n{script}\n"})
        return start(watchdog, target, scratch, **changes)

    return begin


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("cgi", scratch), scratch)
    a = w.call("GET", "/?the=way")
    assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain", b"Hello! You asked: the=way\n")
    a = w.call("GET", "/some%20thing")
    assert (a.status, a.reason, a.body) == (404, "Not Found", b"There is no /some thing here.\n")


def test_unit_test_is_a_condition(scratch):
    target = assemble("cgi", scratch)
    assert run_tests(target).returncode == 0

    (target / "function" / "handler.cgi").write_text("#!/bin/sh\necho nothing of the kind\n")
    failed = run_tests(target)
    assert failed.returncode != 0 and "the wrong answer: nothing of the kind" in failed.stdout, failed.stdout


def test_shellcheck_has_nothing_to_say():
    scripts = [TEMPLATES / "cgi" / "function" / name for name in ("handler.cgi", "handler_test.sh")]
    done = subprocess.run([need_program("shellcheck"), *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("body", [b"", ALL_BYTES, ALL_BYTES * 20_000], ids=["empty", "all bytes", "5 MB"])
def test_bytes_pass_both_ways(serve, body):
    w = serve(f"{HEAD}; cat")
    assert w.call("POST", body=body).body == body
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(body[:7], body[7:100], body[100:]))
        a = c.answer("POST")
        assert (a.status, a.body == body) == (200, True)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "REPORT"])
def test_the_request_is_in_variables(serve, method):
    w = serve(HEAD + r"""; printf '%s\n' "$REQUEST_METHOD" "$PATH_INFO" "$QUERY_STRING" "$HTTP_X_ONE" """)
    a = w.call(method, "/a%20b?x=%20y", fields=[("X-One", "1"), ("X-One", "2")])
    assert a.body.decode() == f"{method}\n/a b\nx=%20y\n1, 2\n"


def test_fields_reach_the_client(serve):
    w = serve(r"printf 'Status: 201 Made\nLocation: /things/7\nX-A: 1\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n'")
    a = w.call("POST", body=b"")
    assert (a.status, a.reason, a.value("Location"), a.value("X-A")) == (201, "Made", "/things/7", "1")
    assert a.values("Set-Cookie") == ["a=1", "b=2"]


def test_other_languages(serve):
    w = serve("print('Content-Type: text/plain\\n\\nfrom Python', end='')", interpreter=sys.executable)
    assert w.call().body == b"from Python"


@pytest.mark.parametrize(
    "script, status", [("echo oops >&2; exit 3", 500), ("echo oops >&2; echo 'no head'", 502), ("echo oops >&2", 502)]
)
def test_failures_are_in_the_log_only(serve, script, status):
    w = serve(script)
    for _ in range(2):
        a = w.call()
        assert a.status == status and b"oops" not in a.body, a
    w.wait_for_log("oops$", count=2)
