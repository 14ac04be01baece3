"""bandog dev: what passes between a client and a function is what they would say to each other without bandog."""

import os
import threading

import pytest

from dev import held, project  # noqa: F401
from harness import eventually, wait_gone
from http_client import chunked, request_bytes

EVERY_BYTE = bytes(range(256))


@pytest.fixture
def echo(project):
    """A started function that answers with the request's body."""
    project.function("echo")
    d = project.dev()
    d.port("echo")
    return d


def test_the_request_reaches_the_function(project):
    project.function("show", 'echo "$Http_Method $Http_Path $Http_Query $Http_X_Test $Http_Host"; cat\n')
    d = project.dev()
    a = d.call("show", "PUT", "/a/b?c=d", fields=[("X-Test", "yes")], body=b"body", host=f"127.0.0.1:{d.first_port}")
    assert (a.status, a.body) == (200, f"PUT /a/b c=d yes 127.0.0.1:{d.first_port}\nbody".encode())


@pytest.mark.parametrize("lang", ["sh", "server"])
def test_binary_bodies(project, lang):
    project.function("echo", lang=lang)
    d = project.dev()
    a = d.call("echo", "POST", body=EVERY_BYTE * 4)
    assert (a.status, a.body) == (200, EVERY_BYTE * 4)


@pytest.mark.parametrize("lang", ["sh", "server"])
def test_large_bodies(project, lang):
    project.function("echo", lang=lang)
    d = project.dev()
    body = os.urandom(5 << 20)
    with d.connect("echo") as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": body})
        sender.start()
        a = c.answer()
        sender.join()
    assert (a.status, a.cut) == (200, False)
    assert a.body == body


def test_chunked_body(echo):
    with echo.connect("echo") as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(b"one ", EVERY_BYTE, b" two"))
        assert c.answer().body == b"one " + EVERY_BYTE + b" two"
        c.assert_usable("POST", "/")


def test_many_calls_on_one_connection(echo):
    with echo.connect("echo") as c:
        for i in range(50):
            assert c.call("POST", body=b"%d" % i).body == b"%d" % i


def test_calls_at_the_same_time(held, gate):
    connections = [held.connect("held") for _ in range(8)]
    for c in connections:
        c.request()
    for _ in connections:
        gate.started()
    gate.open(len(connections))
    assert [c.answer().body for c in connections] == [b"done\n"] * 8


def test_methods(project):
    project.function("echo", "def answer(target, body):\n    return target.encode()\n", "server")
    d = project.dev()
    with d.connect("echo") as c:
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"):
            assert c.call(method, f"/{method}", body=b"x").body == f"/{method}".encode()


def test_several_requests_at_once(echo):
    """Sent before the first answer has come: answered in their order."""
    with echo.connect("echo") as c:
        c.send(b"".join(request_bytes("POST", body=b"%d" % i) for i in range(10)))
        assert [c.answer().body for _ in range(10)] == [b"%d" % i for i in range(10)]


def test_a_request_in_single_bytes(echo):
    with echo.connect("echo") as c:
        for byte in request_bytes("POST", body=b"hello"):
            c.send(bytes([byte]))
        assert c.answer().body == b"hello"


def test_old_clients(echo):
    with echo.connect("echo") as c:
        a = c.call("POST", body=b"hello", version="HTTP/1.0")
        assert (a.status, a.body) == (200, b"hello")
        c.assert_closed()


def test_a_client_that_closes(echo):
    with echo.connect("echo") as c:
        a = c.call("POST", body=b"hello", fields=[("Connection", "close")])
        assert (a.body, a.value("Connection")) == (b"hello", "close")
        c.assert_closed()


def test_a_client_that_asks_first(echo):
    """Large bodies of curl wait for 100 Continue."""
    with echo.connect("echo") as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert c.line() == "HTTP/1.1 100 Continue" and c.line() == ""
        c.send(b"hello")
        assert c.answer().body == b"hello"


def test_large_fields(project):
    project.function("show", 'printf %s "$Http_X_Large"\n')
    d = project.dev()
    assert d.text("show", fields=[("X-Large", "x" * 50_000)]) == "x" * 50_000


WITHOUT_BODY = """case $PATH_INFO in
/204) printf 'Status: 204 No Content\\n\\n' ;;
/304) printf 'Status: 304 Not Modified\\nETag: "a"\\n\\n' ;;
*) printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\nhello' ;;
esac
"""


def test_answers_without_a_body(project):
    """The connection is in step behind each of them."""
    project.function("bare", WITHOUT_BODY, environment={"mode": "cgi"})
    d = project.dev()
    with d.connect("bare") as c:
        for method, target, status in [("HEAD", "/", 200), ("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/", 200)]:
            a = c.call(method, target)
            assert (a.status, a.body) == (status, b"")
            assert c.call().body == b"hello"


def test_client_that_has_said_all(held, gate):
    """It closes its side of the connection, and still reads the answer."""
    with held.connect("held") as c:
        c.request()
        c.half_close()
        gate.started()
        gate.open()
        assert c.answer().body == b"done\n"
        c.assert_closed()


def test_client_that_leaves(held, gate):
    """The function's process is ended at once, as it is without bandog in between."""
    c = held.connect("held")
    c.request()
    pid = gate.started()
    c.reset()
    wait_gone(pid)


def test_client_that_leaves_in_the_middle_of_its_body(echo):
    with echo.connect("echo") as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    assert echo.text("echo", "POST", body=b"whole") == "whole"
    eventually(lambda: len(echo.family()) == 1, "only the watchdog runs")


def test_client_that_does_not_read(project):
    """Output that nobody takes is held back by the relay, others are served meanwhile."""
    project.function("big", "case $Http_Path in /big) head -c 50000000 /dev/zero ;; *) echo small ;; esac\n")
    d = project.dev()
    c = d.connect("big", receive_buffer=4096)
    c.request("GET", "/big")
    assert d.text("big", "GET", "/small") == "small\n"
    a = c.answer()
    assert (len(a.body), a.cut) == (50_000_000, False)


def test_nonsense_is_refused_as_without_bandog(echo):
    with echo.connect("echo") as c:
        c.send(b"nonsense\r\n\r\n")
        assert c.answer().status == 400


def test_built_in_paths(echo):
    assert echo.call("echo", target="/_/health").status == 200


def test_failure_of_the_function(project):
    project.function("bad", "echo oops >&2; exit 3\n")
    d = project.dev()
    assert d.call("bad").status == 500
    d.logged("bad", ".*oops")
    assert d.call("bad").status == 500


