"""
mode=http and requests or answers made to hurt: that name no server, that cost more the longer they are,
that come when there is nothing left to serve them with. One of them must not end or stall the rest.
"""

import re
import resource
import time
from socket import SHUT_RDWR

import pytest

from harness import SAN, SLOW, eventually, status_kb
from http_client import chunked, request_bytes
from upstream import Upstream, always, answer_bytes, echo, read_request

HOST = "Host: function.test"
SOON = 3 * SLOW  # seconds; what is asked for takes milliseconds


def head(*lines):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("target", ["http:///x", "http://?q", "http://", "http:///", "x://", "http://@/x", "http://u@?q"])
def test_target_that_names_no_server(proxied, upstream, target, version):
    """RFC 9110, 4.2.1: to be rejected. Host may stand in for it, but nothing worse may happen."""
    upstream.serve(always())
    w = proxied()
    with w.connect() as c:
        c.send(head(f"GET {target} {version}", HOST))
        assert c.answer().status in (200, 400)
    assert w.call().body == b"ok"
    for link in upstream.links:
        hosts = re.findall(rb"\r\nHost: ([^\r]*)", link.received)
        assert b"" not in hosts, "an empty Host is no host"


# A field that Connection names is looked for among all others: only so many may be named.
MOST = ", ".join(f"a{i}" for i in range(32))
TOO_MANY = ",".join(f"a{i}" for i in range(50_000))
MANY = [f"b{i}: x" for i in range(35_000)]


def test_fields_to_remove_from_a_request(proxied, upstream):
    with proxied().connect() as c:
        began = time.monotonic()
        c.send(head("GET / HTTP/1.1", HOST, f"Connection: {MOST}", *MANY, "a31: gone"))
        link = upstream.link()
        assert link.request().head == head("GET / HTTP/1.1", HOST, *MANY)
        assert time.monotonic() - began < SOON, "others have to wait meanwhile"
        link.answer()
        assert c.answer().status == 200


def test_fields_to_remove_from_an_answer(proxied, upstream):
    upstream.script(read_request, head("HTTP/1.1 200 OK", f"Connection: {MOST}", *MANY, "a31: gone", "Content-Length: 0"))
    a = proxied().call()
    assert (a.status, a.values("a31"), len(a.values("b34999"))) == (200, [], 1)


@pytest.mark.parametrize("names", [MOST + ", b", TOO_MANY], ids=["33", "50000"])
def test_too_many_fields_to_remove(proxied, upstream, names):
    w = proxied()
    began = time.monotonic()
    with w.connect() as c:
        c.send(head("GET / HTTP/1.1", HOST, f"Connection: {names}", *MANY))
        assert c.answer().status == 400
    upstream.script(read_request, head("HTTP/1.1 200 OK", f"Connection: {names}", *MANY, "Content-Length: 0"))
    assert w.call().status == 502
    assert time.monotonic() - began < 2 * SOON, "others have to wait meanwhile"


def test_many_fields_of_one_name(proxied, upstream):
    """X-Forwarded-For becomes one field, in memory of the order of the head."""
    w = proxied()
    with w.connect() as c:
        began = time.monotonic()
        c.send(head("GET / HTTP/1.1", HOST, "Accept: text/event-stream", *["X-Forwarded-For: 1.2.3.4"] * 8000))
        link = upstream.link()
        r = link.request()
        assert time.monotonic() - began < SOON
        assert r.values("X-Forwarded-For") == [", ".join(["1.2.3.4"] * 8000 + ["127.0.0.1"])]
        link.answer()
        assert c.answer().status == 200
    if not SAN:
        assert status_kb(w.pid, "VmHWM") < 32 * 1024


@pytest.mark.parametrize("reason", ["a\x01b", "\x1b[31m", "a\x7fb", "a\0b"])
def test_control_characters_in_a_reason(proxied, upstream, reason):
    """They are in no grammar, and would be the client's problem."""
    upstream.script(read_request, answer_bytes(status=f"200 {reason}"))
    a = proxied().call()
    assert a.status == 502 or not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", a.reason), a


def test_no_descriptor_is_left_for_a_link(proxied, upstream):
    """The call fails, and what is behind it on the same connection, and then it goes on."""
    upstream.serve(echo)
    w = proxied()
    clients = [w.connect() for _ in range(12)]
    for c in clients:
        assert c.call("GET", "/_/health").status == 200
    assert clients[0].call("POST", body=b"x").body == b"x"
    upstream.links[0].socket.shutdown(SHUT_RDWR)
    eventually(lambda: len(w.open_connections()) == len(clients), "the link is closed")
    before = resource.prlimit(w.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(w.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    for c in clients[:4]:
        a = c.call("POST", body=b"x")
        assert (a.status, a.value("X-Openfaas-Internal")) == (502, "of-watchdog")
    clients[5].send(request_bytes("POST", body=b"x") + request_bytes("GET", "/y") + request_bytes("POST", body=b"z"))
    assert [clients[5].answer().status for _ in range(3)] == [502] * 3
    resource.prlimit(w.pid, resource.RLIMIT_NOFILE, before)
    for c in clients:
        assert c.call("POST", body=b"again").body == b"again"


def test_second_try_on_a_link_that_takes_it_slowly(proxied, scratch):
    """
    The head fills the socket, so that what follows it waits; each chunk has to keep its own size.
    """
    with Upstream(path=scratch / "fn.sock") as u, proxied(http_upstream_url=u.url).connect() as c:
        u.script(read_request, answer_bytes(b"first"))
        assert c.call().body == b"first"
        c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked"), ("X-Long", "x" * 900_000)]))
        c.send(chunked(b"a" * 1000)[:-5])
        old = u.link()
        old.head()
        assert old.chunk() == b"a" * 1000
        old.close()
        new = u.link()
        c.send(chunked(b"b" * 5)[:-5])
        time.sleep(0.2)  # nobody tells when it has come as far as it can
        r = new.head()
        assert new.chunk() == b"a" * 1000
        assert new.chunk() == b"b" * 5
        c.send(chunked(b"end"))
        assert new.body(r) == b"end"
        new.answer()
        assert c.answer().status == 200
