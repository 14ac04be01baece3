"""
mode=http between two sides of different speed: the fast one is held back, and what has left it and has
not arrived lies in the kernel, but for two blocks of 64 KiB. That is counted: the queues of the four
sockets on the way are known, the rest is what the watchdog keeps. Nothing of it is lost.
"""

import re
import select
import socket
import threading
from pathlib import Path

import pytest

from harness import PATIENCE, SAN, eventually
from http_client import request_bytes
from test_big_bodies import expected

SIZE = 48 << 20  # more than four sockets can hold, 6 MB each at most
KEPT_BYTES = 2 * 64 * 1024 + 4096  # the two blocks, and room for heads and chunk sizes
LIMITS = {"read_timeout": "600s", "write_timeout": "600s", "exec_timeout": "600s"}
SMALL = 65536  # the buffers of our own sockets


def queues():
    """Of every TCP connection of this machine: (local port, remote port) -> (bytes to send, bytes to read)."""
    found = {}
    for name in ("tcp", "tcp6"):
        text = Path(f"/proc/self/net/{name}").read_text(encoding="ascii")
        row = r":([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) 01 ([0-9A-F]{8}):([0-9A-F]{8}) "
        for ours, theirs, to_send, to_read in re.findall(row, text):
            found[int(ours, 16), int(theirs, 16)] = int(to_send, 16), int(to_read, 16)
    return found


class Way:
    """The two connections that bytes take, from the sender's socket to the receiver's."""

    def __init__(self, sender, receiver):
        self.sender = sender
        self.receiver = receiver
        self.sent = 0
        self.first = sender.getsockname()[1], sender.getpeername()[1]
        self.last = receiver.getpeername()[1], receiver.getsockname()[1]
        self.thread = threading.Thread(target=self.flood, daemon=True)

    def flood(self):
        """Every byte is counted as soon as the kernel has it."""
        poll = select.poll()
        poll.register(self.sender, select.POLLOUT)
        while self.sent < SIZE:
            poll.poll()
            piece = expected(self.sent, min(1 << 16, SIZE - self.sent))
            try:
                self.sent += self.sender.send(piece, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass

    def snapshot(self):
        """How many bytes have been sent, and how many of them are in none of the kernel's queues."""
        now = queues()
        in_kernel = now[self.first][0] + now[self.first[::-1]][1] + now[self.last][0] + now[self.last[::-1]][1]
        return self.sent, self.sent - in_kernel

    def start_and_wait_stuck(self):
        self.thread.start()
        seen = []

        def stuck():
            seen.append(self.snapshot())
            return len(seen) > 60 and len(set(seen[-60:])) == 1

        eventually(stuck, "the fast side is held back")
        return seen[-1]


def assert_held_back(way):
    sent, kept = way.start_and_wait_stuck()
    assert 0 < sent < SIZE
    assert kept <= KEPT_BYTES, f"{kept} of {sent} bytes are in memory"


def narrow(sock, option):
    sock.setsockopt(socket.SOL_SOCKET, option, SMALL)


def assert_arrives(pieces):
    got = 0
    for piece in pieces:
        assert piece == expected(got, len(piece)), f"wrong bytes after {got}"
        got += len(piece)
    assert got == SIZE


@pytest.mark.skipif(bool(SAN), reason="the count is the same, the time is not")
class TestOneSideIsSlow:
    @pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
    def test_client(self, proxied, upstream, accept):
        w = proxied(**LIMITS)
        with w.connect(receive_buffer=SMALL) as c:
            c.request("GET", "/", fields=[("Accept", accept)])
            link = upstream.link()
            link.request()
            narrow(link.socket, socket.SO_SNDBUF)
            link.send(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n" % SIZE)
            a = c.begin()
            way = Way(link.socket, c.socket)
            assert_held_back(way)
            assert_arrives(a.stream)
            way.thread.join(PATIENCE)
            c.assert_usable()

    def test_function(self, proxied, upstream):
        w = proxied(**LIMITS)
        with w.connect() as c:
            narrow(c.socket, socket.SO_SNDBUF)
            c.send(request_bytes("POST", fields=[("Content-Length", str(SIZE))]))
            link = upstream.link()
            link.head()
            way = Way(c.socket, link.socket)
            assert_held_back(way)
            assert_arrives(link.exactly(SIZE // 16) for _ in range(16))
            way.thread.join(PATIENCE)
            link.answer()
            assert c.answer().body == b"ok"
