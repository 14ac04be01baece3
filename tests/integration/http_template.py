"""
What every template with mode=http and a compiler has to do, said once. A test file derives a class from HttpTemplate
and has a fixture `serve`, which starts fwatchdog in front of a function with these paths:

    /facts   201, Set-Cookie a=1 and b=2; as text a line each: method, path, query, every value of X-Many
    /echo    the body, as application/octet-stream
    /empty   204
    /hold    its process id to the named pipe $STARTED, a byte from $GATE, then "held"
    /log     "to stdout" and "to stderr" there, then what /hold does
    /status  a status that is none, /field a field that cannot be sent: see `refused`
    /fail    what goes wrong in this language
"""

import os
import re
import signal
import socket
import subprocess
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import PATIENCE, eventually
from http_client import chunked

ALL_BYTES = bytes(range(256))
FAILURE = (500, "text/plain", b"Internal Server Error\n")


def build(target, **env):
    """Runs what template.yml has for `bandog dev` before each start."""
    line = re.search(r"^  build: (.*)$", (target / "template.yml").read_text(), re.M)[1]
    done = shell(line, target, **env)
    assert done.returncode == 0, done.stdout
    return target


def install(target, **env):
    """Runs what template.yml has for `bandog dev` when the files that name packages have changed."""
    text = (target / "template.yml").read_text()
    return shell(textwrap.dedent(re.search(r"^    run: \|\n((?: {6}.*\n)+)", text, re.M)[1]), target, **env)


def said(a):
    """Status, type and body of an answer."""
    return a.status, (a.values("Content-Type") or [None])[0], a.body


def run_tests(target, **env):
    """Runs the command of the Dockerfile's test stage."""
    command = re.search(r'^ARG TEST_COMMAND="(.*)"$', (target / "Dockerfile").read_text(), re.M)[1]
    return shell(command, target, **env)


def shell(line, folder, **env):
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run_alone(target, command, upstream_url):
    """The function without a watchdog, for one that ends by itself."""
    env = {**os.environ, "upstream_url": upstream_url}
    if upstream_url is None:
        del env["upstream_url"]
    return subprocess.run(
        command,
        cwd=target,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def listens(w):
    """Whether the function accepts connections."""
    url = urlsplit(w.env["upstream_url"])
    if url.scheme == "http+unix":
        s, address = socket.socket(socket.AF_UNIX), url.path
    else:
        s, address = socket.socket(socket.AF_INET), (url.hostname, url.port)
    with s:
        return s.connect_ex(address) == 0


def stale_socket(path):
    """The file that a process leaves behind that was killed."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    assert Path(path).is_socket()


class HttpTemplate:
    traceback = None  # what /fail leaves in the log, an expression
    refused = ()  # of /status and /field, those that this language refuses to send

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
    def test_it_gets_the_request(self, serve, method):
        fields = [("X-Many", "one"), ("X-Other", "no"), ("X-Many", "two")]
        a = serve().call(method, "/facts/a%20b?x=1&y=%C3%A4&x=", fields=fields)

        assert (a.status, a.values("Set-Cookie")) == (201, ["a=1", "b=2"])
        assert a.body.decode() == f"{method}\n/facts/a%20b\nx=1&y=%C3%A4&x=\none\ntwo\n"

    def test_there_may_be_no_query(self, serve):
        assert serve().call("GET", "/facts").body == b"GET\n/facts\n\n"

    def test_head_is_answered_without_a_body(self, serve):
        with serve().connect() as c:
            a = c.call("HEAD", "/facts")
            assert (a.status, a.body, a.length) == (201, b"", len("HEAD\n/facts\n\n"))
            c.assert_usable("GET", "/echo")

    def test_no_content(self, serve):
        with serve().connect() as c:
            a = c.call("GET", "/empty")
            assert (a.status, a.framing, a.body) == (204, "none", b"")
            c.assert_usable("GET", "/echo")

    @pytest.mark.parametrize("body", [b"", ALL_BYTES, ALL_BYTES * 20_000], ids=["empty", "all bytes", "5 MB"])
    def test_bytes_pass_both_ways(self, serve, body):
        with serve().connect() as c:
            for more in ({"body": body}, {"fields": [("Transfer-Encoding", "chunked")]}):
                c.request("POST", "/echo", **more)
                if "body" not in more:
                    c.send(chunked(body[:7], body[7:100], body[100:]))
                a = c.answer("POST")
                assert (a.status, a.value("Content-Type")) == (200, "application/octet-stream")
                assert a.body == body

    def test_it_may_be_asked_to_continue(self, serve):
        with serve().connect() as c:
            c.request("POST", "/echo", fields=[("Expect", "100-continue"), ("Content-Length", "5")])
            assert c.line() == "HTTP/1.1 100 Continue" and c.line() == ""
            c.send(b"hello")
            assert c.answer("POST").body == b"hello"

    def test_a_failure_is_500_and_it_goes_on(self, serve):
        w = serve()
        with w.connect() as c:
            a = c.call("GET", "/fail")
            assert (a.status, a.value("Content-Type"), a.body) == FAILURE
            w.wait_for_log(self.traceback)
            assert c.call("POST", "/echo", body=b"next").body == b"next"
        assert w.call("HEAD", "/fail").status == 500

    def test_what_cannot_be_sent_is_500(self, serve):
        with serve().connect() as c:
            for path in self.refused:
                a = c.call("GET", path)
                assert (a.status, a.value("Content-Type"), a.body) == FAILURE
                assert a.values("X-Half") == []
            c.assert_usable("GET", "/echo")

    def test_lines_are_in_the_log_at_once(self, serve, gate):
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/log")
            w.out.wait(lambda: "to stdout\n" in w.stdout(), PATIENCE)
            assert "to stdout\n" in w.stdout()
            w.wait_for_log("to stderr$")
            gate.started()
            gate.open()
            assert c.answer().body == b"held"

    def test_calls_run_at_the_same_time(self, serve, gate):
        w = serve(**gate.env)
        connections = [w.connect() for _ in range(20)]
        for c in connections:
            c.request("GET", "/hold")
        assert len({gate.started() for _ in connections}) == 1
        gate.open(len(connections))
        assert [c.answer().body for c in connections] == [b"held"] * len(connections)

    def test_the_watchdog_ends_it_after_the_last_call(self, serve, gate):
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            gate.started()
            w.send_signal(signal.SIGTERM)
            w.wait_for_log("^SIGTERM: no new connections in ")
            gate.open()
            assert c.answer().body == b"held"
        w.ended()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_lets_calls_finish(self, serve, gate, number):
        w = serve(**gate.env)
        with w.connect() as idle, w.connect() as c:
            assert idle.call("GET", "/empty").status == 204
            c.request("GET", "/hold")
            os.kill(gate.started(), number)
            eventually(lambda: not listens(w), "the function no longer listens")
            gate.open()
            assert c.answer().body == b"held"
        w.ended(0)

    def test_an_idle_function_ends_at_once(self, serve, gate):
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            pid = gate.started()
            gate.open()
            c.answer()
            os.kill(pid, signal.SIGTERM)
        w.ended(0)
