"""
A byte a second does not live for ever: read_timeout is for a whole request, write_timeout for a whole
answer, however steadily a client sends or takes them.
"""

import socket
import threading
import time

import pytest

from cgi_program import HEAD, document, steps
from harness import PATIENCE, SLOW, eventually
from http_client import NoAnswer, chunked, request_bytes
from test_big_bodies import expected
from upstream import answer_bytes
from waiting import FORKING, sockets

CHUNKED = [("Transfer-Encoding", "chunked")]
READ = {"read_timeout": "700ms", "write_timeout": "600s", "exec_timeout": "600s"}
WRITE = {"read_timeout": "600s", "write_timeout": "700ms", "exec_timeout": "600s"}
SOON = 0.7 + 5 * SLOW
SIZE = 30_000_000


class Drip(threading.Thread):
    """Sends bytes one by one for as long as somebody takes them."""

    def __init__(self, c, data):
        super().__init__(daemon=True)
        self.c = c
        self.data = data
        self.over = threading.Event()
        self.taken = True
        self.start()

    def run(self):
        try:
            for i in range(len(self.data)):
                if self.over.wait(0.02):
                    return
                self.c.send(self.data[i : i + 1])
        except OSError:
            self.taken = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def assert_ends_soon(w, c, data):
    """What came over the connection until it was closed, though its client sent on."""
    began = time.monotonic()
    with Drip(c, data * 100):
        raw = c.raw_until_close()
    assert 0.3 < time.monotonic() - began < SOON + 2, "2 s are for a client to read the answer"
    eventually(lambda: not w.open_connections(), "the connection is given up")
    return raw


@pytest.fixture(params=[*FORKING, "http", "http-buffered"])
def reading(request):
    """A watchdog whose function reads its whole body before it answers."""
    mode = request.param
    get = request.getfixturevalue
    if mode in FORKING:
        command = steps("eat", *(HEAD if mode == "cgi" else ()), "out:done")
        return get("watchdog")(command, mode=mode, workers="1", **READ)
    get("upstream").serve(lambda link: link.send(answer_bytes(link.request().body)))
    return get("proxied")(http_buffer_req_body=str(mode == "http-buffered").lower(), **READ)


# --- sending ----------------------------------------------------------------------------------------------------------


def test_head(watchdog):
    w = watchdog("cat", **READ)
    with w.connect() as c:
        raw = assert_ends_soon(w, c, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 10_000)
        assert raw == b""
    with w.connect() as c:
        raw = assert_ends_soon(w, c, b"G" * 10_000)
        assert raw.startswith(b"HTTP/1.1 400 ")


def test_head_of_a_second_request(watchdog):
    w = watchdog("cat", **READ)
    with w.connect() as c:
        assert c.call("POST", body=b"x").body == b"x"
        assert assert_ends_soon(w, c, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 10_000) == b""


@pytest.mark.parametrize(
    "head, data",
    [
        (request_bytes("POST", fields=[("Content-Length", "1000000")]), b"x" * 10_000),
        (request_bytes("POST", fields=CHUNKED), b"1\r\nx\r\n"),
        (request_bytes("POST", fields=CHUNKED) + b"ffff\r\n", b"x" * 100),
        (request_bytes("POST", fields=CHUNKED) + b"1;x=", b"x" * 100),
        (request_bytes("POST", fields=CHUNKED) + b"1\r\nx\r\n0\r\nX-Trailer: ", b"x" * 100),
    ],
    ids=["length", "chunks", "chunk", "extension", "trailer"],
)
def test_body(reading, head, data):
    with reading.connect() as c:
        c.send(head)
        raw = assert_ends_soon(reading, c, data)
    assert raw.startswith(b"HTTP/1.1 400 ") and b"read_timeout 700ms" in raw, raw
    if reading.env["mode"] != "http":
        reading.wait_no_processes()


def test_body_behind_which_the_function_is_fast(watchdog):
    """Each byte is passed on and comes back at once: that is no reason to give the client more time."""
    w = watchdog("cat", mode="streaming", **READ)
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", "1000000")]))
        raw = assert_ends_soon(w, c, b"x" * 10_000)
    assert raw.startswith(b"HTTP/1.1 200 ") and not raw.endswith(b"0\r\n\r\n")
    w.wait_no_processes()


def test_server_that_answers_each_byte(proxied, upstream):
    w = proxied(**READ)

    def parrot(link):
        link.head()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 1000000\r\n\r\n")
        while link.fill():
            link.send(b"x")

    upstream.serve(parrot)
    with w.connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED))
        raw = assert_ends_soon(w, c, b"1\r\nx\r\n")
    assert raw.startswith(b"HTTP/1.1 200 ") and len(raw) < 100_000


@pytest.mark.parametrize("target, method", [("/_/health", "GET"), ("/", "OPTIONS"), ("/_/health", "POST")])
def test_body_that_nobody_wants(watchdog, target, method):
    """The answer is out long before: the connection is not kept for the rest."""
    w = watchdog("cat", **READ)
    for fields in ([("Content-Length", "100000")], CHUNKED):
        with w.connect() as c:
            c.request(method, target, fields=fields)
            began = time.monotonic()
            with Drip(c, b"1\r\nx\r\n" * 1000):
                assert c.answer(method).status in (200, 405)
                assert c.raw_until_close() == b""
            assert time.monotonic() - began < SOON + 2
        eventually(lambda: not w.open_connections(), "the connection is given up")


def test_place_of_a_slow_client_comes_back(watchdog):
    w = watchdog("steps eat out:done", mode="streaming", max_inflight="1", max_queue="1", **READ)
    with w.connect() as slow:
        slow.send(request_bytes("POST", fields=CHUNKED))
        eventually(w.family, "its function runs")
        with Drip(slow, b"1\r\nx\r\n" * 1000):
            began = time.monotonic()
            assert w.call("POST", body=b"x").body == b"done"
            assert time.monotonic() - began < SOON
            assert slow.answer().status == 400


def test_steady_client_that_is_fast_enough(watchdog):
    body = b"x" * 10
    with watchdog("cat", read_timeout="5s").connect() as c:
        with Drip(c, request_bytes("POST", fields=CHUNKED) + chunked(body)):
            assert c.answer().body == body


# --- reading ----------------------------------------------------------------------------------------------------------


class Sip(threading.Thread):
    """Takes a byte now and then."""

    def __init__(self, c):
        super().__init__(daemon=True)
        self.c = c
        self.over = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.over.wait(0.01) and self.c.socket.recv(1):
                pass
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.c.socket.settimeout(0.1)
        self.join()


def assert_given_up(w, method="GET", target="/"):
    before = sockets(w)
    with w.connect(receive_buffer=4096) as c:
        eventually(lambda: sockets(w) > before, "it is connected")
        c.request(method, target)
        began = time.monotonic()
        with Sip(c):
            eventually(lambda: sockets(w) == before, "the connection is given up", SOON)
        assert time.monotonic() - began > 0.3
        c.socket.settimeout(PATIENCE)
        got = 0
        try:
            while piece := c.socket.recv(1 << 20):
                got += len(piece)
        except ConnectionResetError:
            pass
        assert got < SIZE, "the answer did not fit the sockets, so it cannot be whole"


@pytest.mark.parametrize("mode", FORKING)
def test_answer(watchdog, mode):
    words = f"outbytes:{SIZE}"
    w = watchdog(document(words) if mode == "cgi" else f"steps {words}", mode=mode, workers="1", **WRITE)
    assert_given_up(w)
    w.wait_no_processes()


def test_answer_of_a_server(proxied, upstream):
    called = threading.Event()

    def flood(link):
        link.request()
        called.set()
        link.send_as_far_as_taken(answer_bytes(expected(0, SIZE)))

    upstream.serve(flood)
    w = proxied(max_inflight="1", **WRITE)
    with w.connect(receive_buffer=4096) as c:
        c.request()
        assert called.wait(PATIENCE)
        began = time.monotonic()
        with Sip(c):
            eventually(lambda: w.call("GET", "/_/ready").status == 200, "its place is free", SOON)
        assert time.monotonic() - began > 0.3


def test_file(site):
    site.write("big.bin", expected(0, SIZE))
    w = site.start(**WRITE)
    assert_given_up(w, "GET", "/big.bin")


def test_place_of_a_slow_reader_comes_back(site):
    site.write("big.bin", expected(0, SIZE))
    site.write("small.txt", b"small")
    w = site.start(max_inflight="1", max_queue="1", **WRITE)
    with w.connect(receive_buffer=4096) as c:
        c.request("GET", "/big.bin")
        c.begin()
        with Sip(c):
            began = time.monotonic()
            assert w.call("GET", "/small.txt").body == b"small"
            assert time.monotonic() - began < SOON


def test_pipelining_client_that_does_not_read(watchdog):
    """Many small answers are no reason to wait longer for it than for a large one."""
    w = watchdog("cat", workers="1", **{**WRITE, "read_timeout": "700ms"})
    before = sockets(w)
    with w.connect(receive_buffer=4096) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        c.socket.settimeout(0.2)
        head = request_bytes("GET", "/_/health")
        try:
            while True:
                c.socket.sendall(head * 100)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        eventually(lambda: sockets(w) == before, "the connection is given up")
        try:
            c.raw_until_close()
        except NoAnswer:
            pass
