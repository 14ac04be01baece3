"""mode=http in little memory: idle clients, and bodies of 1 GB."""

import hashlib
import os
import threading

import pytest

from harness import PATIENCE, SAN, status_kb
from http_client import request_bytes

pytestmark = [pytest.mark.serial, pytest.mark.skipif(bool(SAN), reason="sanitizers have memory of their own")]

GB = 1 << 30
BLOCK = os.urandom(1 << 20)
GROWTH_KB = 4 * 1024
LIMITS = {"read_timeout": "600s", "write_timeout": "600s", "exec_timeout": "600s"}
LENGTH = {"length": ("Content-Length", str(GB)), "chunked": ("Transfer-Encoding", "chunked")}


def reset_peak(w):
    with open(f"/proc/{w.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")
    return status_kb(w.pid, "VmRSS")


def assert_grew_little(w, before):
    growth = status_kb(w.pid, "VmHWM") - before
    assert growth <= GROWTH_KB, f"it grew by {growth} KiB"


def test_idle_clients(proxied, upstream):
    upstream.serve(lambda link: [link.request() and link.answer() for _ in iter(int, 1)])
    w = proxied(read_timeout="600s")
    clients = []

    def add(n):
        for _ in range(n):
            clients.append(w.connect())
            assert clients[-1].call().body == b"ok"

    add(50)
    before = status_kb(w.pid, "VmRSS")
    add(1000)
    growth = status_kb(w.pid, "VmRSS") - before
    assert growth <= 10 * 1000, f"{growth / 1000} KiB for each"
    for c in clients[::100]:
        assert c.call().body == b"ok"


def pieces(chunked):
    """1 GB in the framing."""
    for _ in range(GB // len(BLOCK)):
        yield b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if chunked else BLOCK
    if chunked:
        yield b"0\r\n\r\n"


def take(sock, first, size=None):
    """How many bytes come, and what their hash is, to the end or `size`; chunk framing is not taken away."""
    digest, n = hashlib.blake2b(first), len(first)
    buffer = bytearray(1 << 18)
    while size is None or n < size:
        got = sock.recv_into(buffer)
        if not got:
            break
        digest.update(memoryview(buffer)[:got])
        n += got
    return n, digest.digest()


def whole():
    digest = hashlib.blake2b()
    for _ in range(GB // len(BLOCK)):
        digest.update(BLOCK)
    return GB, digest.digest()


def test_upload_of_1_gb(proxied, upstream):
    w = proxied(**LIMITS)
    with w.connect() as c:
        before = reset_peak(w)
        c.send(request_bytes("POST", fields=[LENGTH["length"]]))
        sender = threading.Thread(target=lambda: [c.send(p) for p in pieces(False)])
        sender.start()
        link = upstream.link()
        link.head()
        assert take(link.socket, bytes(link.received[link.at :]), GB) == whole()
        sender.join(PATIENCE)
        link.answer()
        assert c.answer().body == b"ok"
        assert_grew_little(w, before)


@pytest.mark.parametrize("framing", ["length", "until-close"])
def test_download_of_1_gb(proxied, upstream, framing):
    length = [f"Content-Length: {GB}"] if framing == "length" else []
    start = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: a/b", *length, "", ""]).encode()

    def serve(link):
        link.head()
        link.send(start)
        for piece in pieces(False):
            link.send(piece)

    upstream.serve(serve)
    w = proxied(**LIMITS)
    with w.connect() as c:
        before = reset_peak(w)
        c.send(request_bytes("GET", version="HTTP/1.0"))
        a = c.begin()
        assert a.status == 200
        first, c.buffer = bytes(c.buffer), b""
        assert take(c.socket, first, GB) == whole()
        assert_grew_little(w, before)


def test_chunked_gigabyte_both_ways(proxied, upstream):
    """What the function reads it sends back; nobody is faster than the other for long."""

    def echo(link):
        link.head()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n")
        link.send(bytes(link.received[link.at :]))
        buffer = bytearray(1 << 18)
        while n := link.socket.recv_into(buffer):
            link.socket.sendall(memoryview(buffer)[:n])

    upstream.serve(echo)
    w = proxied(**LIMITS)
    with w.connect() as c:
        before = reset_peak(w)
        c.send(request_bytes("POST", fields=[LENGTH["chunked"]]))
        sender = threading.Thread(target=lambda: [c.send(p) for p in pieces(True)])
        sender.start()
        a = c.begin()
        got = sum(len(piece) for piece in a.stream)
        sender.join(PATIENCE)
        assert (a.status, a.cut, got) == (200, False, GB)
        assert_grew_little(w, before)
