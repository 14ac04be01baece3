"""The template bash: a process for each call, fwatchdog in front of it as in an image."""

import re
import subprocess

import pytest

from function_templates import TEMPLATES, assemble, start
from harness import need_program
from http_client import chunked
from http_template import ALL_BYTES, run_tests


@pytest.fixture
def serve(watchdog, scratch):
    def begin(script, **changes):
        handler = f"#!/bin/bash\nset -euo pipefail\n{script}\n"
        return start(watchdog, assemble("bash", scratch, {"handler.sh": handler}), scratch, **changes)

    return begin


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("bash", scratch), scratch)
    a = w.call("POST", "/greet", body=b"you")
    assert (a.status, a.body) == (200, b"Hello, you!\n")
    w.wait_for_log("stderr: POST /greet$")


def test_unit_test_is_a_condition(scratch):
    target = assemble("bash", scratch)
    assert run_tests(target).returncode == 0

    (target / "function" / "handler.sh").write_text("#!/bin/bash\necho nothing of the kind\n")
    failed = run_tests(target)
    assert failed.returncode != 0 and "the wrong greeting: nothing of the kind" in failed.stdout, failed.stdout


def test_shellcheck_has_nothing_to_say():
    scripts = sorted((TEMPLATES / "bash" / "function").glob("*.sh"))
    assert len(scripts) == 2
    done = subprocess.run([need_program("shellcheck"), *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("body", [b"", ALL_BYTES, ALL_BYTES * 20_000], ids=["empty", "all bytes", "5 MB"])
def test_bytes_pass_both_ways(serve, body):
    w = serve("cat")
    assert w.call("POST", body=body).body == body
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(body[:7], body[7:100], body[100:]))
        a = c.answer("POST")
        assert (a.status, a.body == body) == (200, True)


def test_the_request_is_in_variables(serve):
    w = serve('echo "$Http_Method $Http_Path $Http_Query $Http_X_One ${Http_X_Two:-none}"')
    a = w.call("PUT", "/a%20b?x=%20y", fields=[("X-One", "1")], body=b"")
    assert a.body == b"PUT /a b x=%20y 1 none\n"


@pytest.mark.parametrize(
    "script, says",
    [("ls /nonexistent", "cannot access '/nonexistent'"), ('echo "$missing"', "missing: unbound variable"), ("false | cat", "^Forking fprocess")],
)
def test_failures_are_500(serve, script, says):
    w = serve(f"{script}\necho not reached")
    for _ in range(2):
        a = w.call()
        assert (a.status, a.body.count(b"\n")) == (500, 1) and re.match(rb"exit status \d+\n", a.body), a
    w.wait_for_log(says, count=2)


def test_statuses_as_the_readme_says(serve):
    w = serve("echo 'no such thing'; exit 3", exit_status_map="3=404")
    a = w.call()
    assert (a.status, a.body) == (404, b"no such thing\n")


def test_a_head_as_the_readme_says(serve):
    w = serve(r"printf 'Status: 201\nContent-Type: text/plain\n\n'; echo made", cgi_response="true")
    a = w.call()
    assert (a.status, a.value("Content-Type"), a.body) == (201, "text/plain", b"made\n")
