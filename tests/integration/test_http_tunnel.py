"""
mode=http: connections that stop being HTTP. After 101 there are two streams of bytes, whatever protocol
they speak, and the watchdog is a pipe between them: nothing changed, nothing gathered, the end of each
direction passed on, and a call in flight for as long as it lasts.
"""

import hashlib
import os
import re
import signal
import threading
import time

import pytest

from harness import PATIENCE, SAN, eventually, free_port, status_kb
from http_client import Connection, NoAnswer, assert_failure, chunked, request_bytes
from upstream import answer_bytes, close, half_close, read_request, reset

SECONDS = r"\(\d+\.\d{4}s\)"
KEY = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Accept: x\r\n\r\n"


def asking(protocol="websocket"):
    return [("Connection", "Upgrade"), ("Upgrade", protocol), *KEY]


class Tunnel:
    """One of them, and its two ends: .client and .server."""

    def __init__(self, w, upstream, protocol="websocket", target="/chat?room=1", early=b"", late=b"", **options):
        self.client = w.connect(**options)
        self.client.send(request_bytes("GET", target, asking(protocol)) + early)
        self.server = upstream.link()
        self.request = self.server.request()
        self.server.send(SWITCH % protocol.encode(), late)
        self.answer = self.client.begin()
        assert self.answer.status == 101, self.answer

    def assert_carries(self, data=b"\x81\x05hello"):
        self.client.send(data)
        assert self.server.exactly(len(data)) == data
        self.server.send(data[::-1])
        assert self.client.exactly(len(data)) == data[::-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.close()


# --- how it begins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["websocket", "WebSocket", "WEBSOCKET", "h2c", "tcp", "foo/1.2", "IRC/6.9, RTA/x11"])
def test_any_protocol(proxied, upstream, protocol):
    with Tunnel(proxied(), upstream, protocol) as t:
        assert t.request.target == "/chat?room=1"
        assert (t.request.values("Upgrade"), t.request.values("Connection")) == ([protocol], ["Upgrade"])
        assert t.request.values("X-Forwarded-For") == ["127.0.0.1"]
        assert t.request.values("Sec-WebSocket-Key") == [KEY[0][1]]
        assert t.answer.reason == "Switching Protocols"
        assert (t.answer.value("Upgrade"), t.answer.value("Connection")) == (protocol, "Upgrade")
        assert t.answer.value("Sec-WebSocket-Accept") == "x"
        for name in ("Content-Length", "Transfer-Encoding", "X-Duration-Seconds", "Content-Type"):
            assert t.answer.values(name) == [], t.answer
        t.assert_carries()
        t.assert_carries(bytes(range(256)))


def test_base_path(proxied, upstream):
    with Tunnel(proxied(http_upstream_url=upstream.url + "/base/"), upstream) as t:
        assert t.request.target == "/base/chat?room=1"
        t.assert_carries()


@pytest.mark.parametrize("settings", [{}, {"http_buffer_req_body": "true"}], ids=["passing", "buffering"])
@pytest.mark.parametrize("framing", [[("Content-Length", "5")], [("Transfer-Encoding", "chunked")]], ids=["length", "chunked"])
def test_upgrade_of_a_request_with_a_body(proxied, upstream, settings, framing):
    """Its end is where the new protocol begins."""
    with proxied(**settings).connect() as c:
        body = b"hello" if framing[0][0] == "Content-Length" else chunked(b"hel", b"lo")
        c.send(request_bytes("POST", fields=[*asking(), *framing]) + body)
        link = upstream.link()
        assert link.request().body == b"hello"
        link.send(SWITCH % b"websocket")
        assert c.begin().status == 101
        c.send(b"ping")
        assert link.exactly(4) == b"ping"
        link.send(b"pong")
        assert c.exactly(4) == b"pong"


def test_101_before_the_body_is_there(proxied, upstream):
    """Nobody could tell what the next byte belongs to."""
    w = proxied(max_inflight="1")
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[*asking(), ("Content-Length", "10")]) + b"hello")
        link = upstream.link()
        link.head()
        link.send(SWITCH % b"websocket")
        assert_failure(c.answer(), 502)
        link.rest()
    upstream.script(read_request, answer_bytes())
    assert w.call().status == 200


def test_over_a_used_connection_and_a_used_link(proxied, upstream):
    with proxied().connect() as c:
        upstream.script(read_request, answer_bytes(b"before"))
        assert c.call().body == b"before"
        c.request("GET", "/", fields=asking())
        link = upstream.link()
        link.request()
        link.send(SWITCH % b"websocket")
        assert c.begin().status == 101
        c.send(b"ping")
        assert link.exactly(4) == b"ping"
        link.send(b"pong")
        assert c.exactly(4) == b"pong"


def test_bytes_right_behind_both_heads(proxied, upstream):
    """They belong to the new protocol already."""
    with Tunnel(proxied(), upstream, early=b"GET /early HTTP/1.1\r\n\r\n", late=b"HTTP/1.1 200 late\r\n\r\n") as t:
        assert t.server.exactly(23) == b"GET /early HTTP/1.1\r\n\r\n"
        assert t.client.exactly(21) == b"HTTP/1.1 200 late\r\n\r\n"
        t.assert_carries()


def test_interim_answer_before_it(proxied, upstream):
    with proxied().connect() as c:
        c.request(fields=asking())
        link = upstream.link()
        link.request()
        link.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", SWITCH % b"websocket", b"hi")
        a = c.begin()
        assert (a.status, [i.status for i in a.interim]) == (101, [103])
        assert c.exactly(2) == b"hi"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "403 Forbidden", "426 Upgrade Required", "500 Oops"])
def test_refused_upgrade_is_an_ordinary_answer(proxied, upstream, status):
    with proxied().connect() as c:
        for target in ("/one", "/two"):
            upstream.script(read_request, answer_bytes(b"no", status=status, fields=[("Upgrade", "h2c"), ("A", "b")]))
            a = c.call("GET", target, fields=asking())
            assert (a.status, a.reason, a.body, a.value("A")) == (int(status[:3]), status[4:], b"no", "b")
        c.assert_usable()


@pytest.mark.parametrize("fields", [
    [], [("Connection", "keep-alive")], [("Accept", "text/event-stream")], [("Upgrade", "websocket")],
    [("Connection", "upgrade")],
])  # fmt: skip
def test_101_that_nobody_asked_for_is_502(proxied, upstream, fields):
    w = proxied(max_inflight="1")
    with w.connect() as c:
        upstream.script(read_request, SWITCH % b"websocket", b"surprise")
        assert_failure(c.call(fields=fields), 502)
        upstream.script(read_request, answer_bytes(b"fine"))
        assert c.call().body == b"fine"


def test_upgrade_that_fails(proxied, upstream):
    w = proxied(max_inflight="1")
    with w.connect() as c:
        for steps in ([close], [reset], [b"HTTP/1.1 101 Switch", close], [b"garbage\r\n\r\n"]):
            upstream.script(read_request, *steps)
            assert_failure(c.call(fields=asking()), 502)
        assert len(upstream.links) == 4


def test_upgrade_that_is_never_answered(proxied, upstream):
    w = proxied(exec_timeout="300ms", max_inflight="1")
    with w.connect() as c:
        assert_failure(c.call(fields=asking()), 504, "exec_timeout 300ms")


# --- bytes, both ways -------------------------------------------------------------------------------------------------


def test_much_both_ways_at_once(proxied, upstream):
    up, down = os.urandom(8_000_000), os.urandom(8_000_000)
    with Tunnel(proxied(), upstream) as t:
        got = {}
        work = [
            lambda: t.client.send(up),
            lambda: t.server.send(down),
            lambda: got.update(up=t.server.exactly(len(up))),
            lambda: got.update(down=b"".join(take(t.client, len(down)))),
        ]
        threads = [threading.Thread(target=w, daemon=True) for w in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(3 * PATIENCE)
        assert (got["up"] == up, got["down"] == down) == (True, True)
        t.assert_carries()


def take(c, n):
    """n bytes in pieces, without copying what is there again and again."""
    while n:
        if not c.buffer:
            assert c.fill(), f"{n} bytes are missing"
        piece, c.buffer = c.buffer[:n], c.buffer[n:]
        n -= len(piece)
        yield piece


def test_ping_pong(proxied, upstream):
    with Tunnel(proxied(), upstream) as t:
        for i in range(300):
            t.assert_carries(b"message %d" % i)


def test_many_at_once(proxied, upstream):
    w = proxied()
    tunnels = [Tunnel(w, upstream, target=f"/{i}") for i in range(30)]
    for i, t in enumerate(tunnels):
        t.assert_carries(b"number %d" % i)
    for t in tunnels:
        t.__exit__()


def fill_up(s, data):
    """Sends until nothing is taken any more; the number of bytes that were."""
    sent = 0
    s.settimeout(1.5)
    try:
        while True:
            sent += s.send(data[sent % len(data) :])
    except TimeoutError:
        return sent
    finally:
        s.settimeout(PATIENCE)


@pytest.mark.serial
@pytest.mark.skipif(bool(SAN), reason="sanitizers have memory of their own")
@pytest.mark.parametrize("slow", ["client", "server"])
def test_backpressure(proxied, upstream, slow):
    """One side writes, the other does not read: what is under way is in the kernel, not in the watchdog."""
    data = os.urandom(1 << 20)
    w = proxied(max_inflight="0")
    with Tunnel(w, upstream) as warm:
        warm.assert_carries(os.urandom(200_000))
    with Tunnel(w, upstream, receive_buffer=65536) as t:
        t.assert_carries()
        before = status_kb(w.pid, "VmRSS")
        writer, reader = (t.server, t.client) if slow == "client" else (t.client, t.server)
        sent = fill_up(writer.socket, data)
        assert status_kb(w.pid, "VmRSS") - before <= 1024
        reader.socket.settimeout(PATIENCE)
        writer.half_close()
        want, got, n = hashlib.sha256(), hashlib.sha256(), 0
        while piece := reader.socket.recv(1 << 18):
            got.update(piece)
            n += len(piece)
        for i in range(0, sent, len(data)):
            want.update(data[: sent - i])
        assert (n, got.digest()) == (sent, want.digest())
        assert status_kb(w.pid, "VmRSS") - before <= 1024


def test_a_stuck_direction_does_not_stop_the_other(proxied, upstream):
    with Tunnel(proxied(), upstream, receive_buffer=4096) as t:
        fill_up(t.server.socket, b"x" * 100_000)
        for i in range(20):
            t.client.send(b"still here %2d" % i)
            assert t.server.exactly(13) == b"still here %2d" % i


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_end_of_the_client_is_passed_on(proxied, upstream):
    """And is no end of the other direction."""
    with Tunnel(proxied(), upstream) as t:
        t.client.send(b"last words")
        t.client.half_close()
        assert t.server.rest() == b"last words"
        assert not t.server.was_reset
        for i in range(5):
            t.server.send(b"answer %d" % i)
            assert t.client.exactly(8) == b"answer %d" % i
        t.server.close()
        t.client.assert_closed()


@pytest.mark.parametrize("ending", [close, half_close])
def test_end_of_the_function_ends_it(proxied, upstream, ending):
    """All that it has said is delivered before."""
    data = os.urandom(3_000_000)
    with Tunnel(proxied(), upstream) as t:
        upstream.in_thread(t.server, lambda link: (link.send(data), ending(link), link.socket.fileno() >= 0 and link.rest()))
        assert t.client.raw_until_close() == data
        assert not t.client.was_reset


def test_reset_by_the_function(proxied, upstream):
    with Tunnel(proxied(max_inflight="1"), upstream) as t:
        t.server.reset()
        t.client.raw_until_close()


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_client_that_leaves(proxied, upstream, ending):
    w = proxied(max_inflight="1")
    with Tunnel(w, upstream) as t:
        getattr(t.client, ending)()
        assert t.server.rest() == b""
        t.server.close()
    upstream.script(read_request, answer_bytes())
    eventually(lambda: w.call().status == 200, "the slot is free")


def test_client_that_leaves_while_much_is_under_way(proxied, upstream):
    w = proxied(max_inflight="1")
    with Tunnel(w, upstream, receive_buffer=4096) as t:
        fill_up(t.server.socket, b"x" * 100_000)
        t.client.reset()
        t.server.rest()
    upstream.script(read_request, answer_bytes())
    eventually(lambda: w.call().status == 200, "the slot is free")


def test_no_timeout_applies(proxied, upstream):
    w = proxied(exec_timeout="300ms", read_timeout="300ms", write_timeout="300ms")
    with Tunnel(w, upstream) as t:
        for _ in range(3):
            time.sleep(0.4)
            t.assert_carries()


def test_nothing_is_left(proxied, upstream):
    w = proxied()

    def work():
        for ending in ("client", "server", "reset"):
            with Tunnel(w, upstream) as t:
                t.assert_carries()
                if ending == "client":
                    t.client.close()
                elif ending == "server":
                    t.server.close()
                    t.client.assert_closed()
                else:
                    t.client.reset()

    work()
    before = w.idle_descriptors()
    for _ in range(5):
        work()
    after = w.idle_descriptors()
    assert [d for d in after if after.count(d) > before.count(d)] == []


# --- a call in flight -------------------------------------------------------------------------------------------------


def test_counted_in_flight(proxied, upstream):
    w = proxied(max_inflight="1")
    with Tunnel(w, upstream) as t:
        assert w.call().status == 429
        t.assert_carries()
        t.server.close()
        t.client.assert_closed()
    upstream.script(read_request, answer_bytes())
    assert w.call().body == b"ok", "the slot is free before the client sees the end"


def samples(w):
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
        return dict(re.findall(r"^([^#\s][^ ]*) (\S+)$", c.call("GET", "/metrics").body.decode(), re.M))


def test_metrics(proxied, upstream):
    w = proxied(metrics_port=free_port())
    w.wait_for_log("^Metrics listening on port: ")
    with Tunnel(w, upstream) as t:
        assert samples(w)["http_requests_in_flight"] == "1"
        assert 'http_requests_total{code="200",method="get"}' not in samples(w)
        t.server.close()
        t.client.assert_closed()
    eventually(lambda: samples(w)["http_requests_in_flight"] == "0", "it is over")
    assert samples(w)['http_requests_total{code="200",method="get"}'] == "1"


def test_log(proxied, upstream):
    w = proxied()
    with Tunnel(w, upstream) as t:
        t.server.send(b"12345")
        assert t.client.exactly(5) == b"12345"
        t.server.close()
        t.client.assert_closed()
    lines = w.stop_and_read()
    assert len(lines) == 1
    assert re.fullmatch(rf"GET /chat\?room=1 - 101 - Bytes: 5B {SECONDS}", lines[0]), lines


@pytest.mark.parametrize("interval", ["0", "100ms"])
def test_shutdown_ends_it(proxied, upstream, interval):
    """It may last for ever, so the drain does not wait for it."""
    w = proxied(healthcheck_interval=interval, write_timeout="600s")
    with Tunnel(w, upstream) as t, Tunnel(w, upstream) as u:
        began = time.monotonic()
        w.send_signal(signal.SIGTERM)
        for tunnel in (t, u):
            tunnel.client.raw_until_close()
            tunnel.server.rest()
        w.ended()
        assert time.monotonic() - began < PATIENCE / 2


def test_it_goes_on_until_the_drain(proxied, upstream):
    w = proxied(healthcheck_interval="600s")
    with Tunnel(w, upstream) as t:
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^Removing lock-file : ")
        t.assert_carries()
        w.send_signal(signal.SIGTERM)
        t.client.raw_until_close()
        w.ended()


def test_upgrade_during_the_drain(proxied, upstream):
    """Too late to begin something that may last for ever."""
    w = proxied(write_timeout="600s")
    with w.connect() as c:
        c.request(fields=asking())
        link = upstream.link()
        link.request()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        link.send_as_far_as_taken(SWITCH % b"websocket")
        try:
            c.begin()
        except NoAnswer:
            pass
        c.raw_until_close()
        w.ended()
