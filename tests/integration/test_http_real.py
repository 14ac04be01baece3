"""
mode=http in front of servers that people really use, each started by the watchdog as a function is:
Node's, Python's http.server and wsgiref, nginx, PHP's built-in one. They speak HTTP in their own ways:
chunks or not, connections that are kept, closed after each answer or after ten, one at a time or many.
"""

import json
import os
import sys
import threading

import pytest

from call_ids import UUID4
from harness import FUNCTIONS, PATIENCE, SAN, eventually, free_port, need_program
from http_client import assert_failure, request_bytes
from http_client import chunked as in_chunks
from test_big_bodies import expected, send_body

HTTP = FUNCTIONS / "http"
PATTERN = bytes(range(251))
MB = 1_000_000
NODE_MODULES = "/usr/share/nodejs"  # where Debian's packages have them, also for a Node from elsewhere


class Server:
    """A program that serves. What differs from one to the other is said here."""

    takes_chunks = True  # without http_buffer_req_body
    per_link = None  # it closes a connection with so many answers; None: with none
    breaks = ("/hang-up", "/break")  # how it can be made to fail

    def __init__(self, scratch):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {}

    def start(self, watchdog, **changes):
        w = watchdog(self.command(), mode="http", http_upstream_url=self.url, **{"workers": "1", **self.env, **changes})
        eventually(lambda: w.call("GET", "/_/ready").status == 200, "the function listens")
        return w

    def upload(self, w, size, chunked, timeout=PATIENCE):
        """Sends so many bytes, and compares what the server makes of them."""
        with w.connect() as c:
            c.socket.settimeout(timeout)
            a = begin_upload(c, "POST", "/echo", size, chunked)
            assert a.status == 200, c.rest(a)
            assert_bytes(a, size)


class Node(Server):
    per_link = 10

    def __init__(self, scratch):
        super().__init__(scratch)
        self.env = {"NODE_PATH": NODE_MODULES}
        self.where = self.port

    def command(self):
        return f"{need_program('node')} {HTTP}/node.js {self.where}"


class NodeUnix(Node):
    """The same behind a unix socket."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.where = scratch / "fn.sock"
        self.url = f"http+unix://{self.where}"


class Wsgi(Server):
    takes_chunks = False
    per_link = 1
    breaks = ("/break",)

    def command(self):
        return f"{sys.executable} {HTTP}/wsgi.py {self.port}"


class HttpServer(Server):
    takes_chunks = False

    def command(self):
        return f"{sys.executable} {HTTP}/server.py {self.port}"


class Php(Server):
    takes_chunks = False
    per_link = 1
    breaks = ()

    def command(self):
        return f"{need_program('php')} -d enable_post_data_reading=0 -S 127.0.0.1:{self.port} {HTTP}/php.php"


class Nginx(Server):
    per_link = 10
    breaks = ("/hang-up",)

    def __init__(self, scratch):
        super().__init__(scratch)
        self.folder = scratch / "nginx"
        (self.folder / "files" / "put").mkdir(parents=True)

    def command(self):
        text = (HTTP / "nginx.conf").read_text(encoding="ascii")
        user = "user root;" if os.geteuid() == 0 else ""  # or its worker could not read the folder
        for name, value in (("PORT", self.port), ("FOLDER", self.folder), ("USER", user)):
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "nginx.conf").write_text(text, encoding="ascii")
        return f"{need_program('nginx')} -e stderr -p {self.folder} -c {self.folder}/nginx.conf"

    def upload(self, w, size, chunked, timeout=PATIENCE):
        """It cannot echo, but it counts, and stores files."""
        with w.connect() as c:
            c.socket.settimeout(timeout)
            a = c.rest(begin_upload(c, "POST", "/count", size, chunked))
            assert (a.status, a.body) == (200, str(size).encode())
            a = c.rest(begin_upload(c, "PUT", "/put/file", size, chunked))
            assert (a.status, a.body) in ((201, b""), (204, b""))
            c.request("GET", "/put/file")
            assert_bytes(c.begin(), size)
            assert c.call("DELETE", "/put/file").status == 204


SERVERS = [Node, NodeUnix, Wsgi, HttpServer, Php, Nginx]


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.__name__.lower())
def server(request, scratch):
    return request.param(scratch)


@pytest.fixture(params=[Node, NodeUnix], ids=lambda kind: kind.__name__.lower())
def node(request, scratch, watchdog):
    """A watchdog in front of Node."""
    return request.param(scratch).start(watchdog, exec_timeout="600s", write_timeout="600s", read_timeout="600s")


def begin_upload(c, method, target, size, chunked):
    """Sends a body beside reading; the head of the answer."""
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))
    c.send(request_bytes(method, target, fields=[framing]))
    threading.Thread(target=send_body, args=(c, size, chunked, []), daemon=True).start()
    return c.begin(method)


def assert_bytes(a, size):
    got = 0
    for piece in a.stream:
        assert piece == expected(got, len(piece)), f"wrong bytes after {got}"
        got += len(piece)
    assert (a.status, a.cut, got) == (200, False, size)
    assert a.length in (None, size)


def link_number(c):
    a = c.call("GET", "/link")
    assert a.status == 200
    return a.body


# --- plain calls ------------------------------------------------------------------------------------------------------


def test_get(watchdog, server):
    w = server.start(watchdog)
    with w.connect() as c:
        for _ in range(3):
            a = c.call("GET", "/hello?x=y")
            assert (a.status, a.body, a.cut) == (200, b"hello", False)
            assert a.value("Content-Type").startswith("text/plain")
    w.wait_for_log(r"^GET /hello\?x=y - 200 OK - ContentLength: (5B|-1B) \(\d\.\d{4}s\)$", count=3)


def test_head(watchdog, server):
    """Some send a body where none belongs; it must not become the next answer."""
    with server.start(watchdog).connect() as c:
        for _ in range(3):
            a = c.call("HEAD", "/hello")
            assert (a.status, a.framing) in ((200, "none"), (501, "none"))
            assert c.call("GET", "/hello").body == b"hello"


def test_client_of_1996(watchdog, server):
    with server.start(watchdog).connect() as c:
        a = c.call("GET", "/hello", version="HTTP/1.0", host=None)
        assert (a.status, a.body, a.cut) == (200, b"hello", False)
        c.assert_closed()


@pytest.mark.parametrize("size", [0, 1, MB])
def test_post(watchdog, server, size):
    server.upload(server.start(watchdog), size, chunked=False)


@pytest.mark.parametrize("size", [0, 1, MB])
def test_post_in_chunks(watchdog, server, size):
    settings = {} if server.takes_chunks else {"http_buffer_req_body": "true"}
    server.upload(server.start(watchdog, **settings), size, chunked=True)


@pytest.mark.serial
@pytest.mark.skipif(bool(SAN), reason="too slow with sanitizers; 1 MB takes the same way")
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_post_100_mb(watchdog, server, chunked):
    """That of http_buffer_req_body waits on disk."""
    settings = {} if server.takes_chunks or not chunked else {"http_buffer_req_body": "true"}
    w = server.start(watchdog, exec_timeout="60s", read_timeout="60s", write_timeout="60s", **settings)
    server.upload(w, 100 * MB, chunked, timeout=60)
    assert w.call("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("kind", [Wsgi, HttpServer])
def test_chunks_without_buffering_are_refused_by_the_function(watchdog, scratch, kind):
    """With its own words. It has not read the body, so its connection is not used again, whose end is no error."""
    w = kind(scratch).start(watchdog)
    with w.connect() as c:
        c.send(request_bytes("POST", "/echo", fields=[("Transfer-Encoding", "chunked")]) + in_chunks(b"x" * 1000))
        a = c.answer()
        assert (a.status, a.reason, a.body) == (411, "Length Required", b"how long is it?")
        assert a.values("Connection") == []
        assert c.call("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("size", [0, 1, MB])
@pytest.mark.parametrize("kind", [Node, NodeUnix, Wsgi, HttpServer, Php], ids=lambda kind: kind.__name__.lower())
def test_download(watchdog, scratch, kind, size):
    with kind(scratch).start(watchdog).connect() as c:
        for _ in range(2):
            a = c.call("GET", f"/bytes/{size}")
            assert (a.status, a.cut) == (200, False)
            assert a.body == (PATTERN * (size // 251 + 1))[:size]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_answer_before_the_body(watchdog, scratch, chunked):
    """nginx answers at once and reads the body, or what it likes of it, later. The answer is not lost."""
    w = Nginx(scratch).start(watchdog)
    for size in (0, 1000, MB, 20 * MB):
        with w.connect() as c:
            a = c.rest(begin_upload(c, "POST", "/early", size, chunked))
            assert (a.status, a.body, a.cut) == (200, b"early", False)
    assert w.call("GET", "/hello").body == b"hello"


def test_fields_reach_a_real_server(watchdog, scratch):
    fields = [("A", "1"), ("a", "2"), ("Cookie", "x=y"), ("X-Empty", ""), ("Accept-Encoding", "gzip")]
    w = Node(scratch).start(watchdog)
    method, url, version, raw = json.loads(w.call("DELETE", "/seen/%2F//?a=b&&", fields=fields).body)
    assert (method, url, version) == ("DELETE", "/seen/%2F//?a=b&&", "1.1")
    got = list(zip(raw[::2], raw[1::2]))
    name, call_id = got.pop()
    assert name == "X-Call-Id" and UUID4.fullmatch(call_id)
    assert got == [("Host", "function.test"), *fields]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 500, 503])
def test_status(watchdog, server, status):
    """They are the function's own, and say so."""
    with server.start(watchdog).connect() as c:
        for _ in range(2):
            a = c.call("GET", f"/status/{status}")
            assert (a.status, a.body, a.values("X-Openfaas-Internal")) == (status, str(status).encode(), [])
            assert c.call("GET", "/hello").body == b"hello"


def test_answers_that_do_not_come_or_not_whole(watchdog, server):
    if not server.breaks:
        pytest.skip("it cannot be made to do that")
    w = server.start(watchdog)
    for target in server.breaks:
        with w.connect() as c:
            a = c.call("GET", target)
            if target == "/hang-up":
                assert_failure(a, 502)
                c.assert_usable()
            else:
                assert (a.status, a.body, a.cut) == (200, b"the beginning", True)
        assert w.call("GET", "/hello").body == b"hello"


def test_crash_of_a_script(watchdog, scratch):
    with Php(scratch).start(watchdog).connect() as c:
        a = c.call("GET", "/crash")
        assert (a.status, a.body, a.values("X-Openfaas-Internal")) == (500, b"", [])
        assert c.call("GET", "/hello").body == b"hello"


# --- kept connections -------------------------------------------------------------------------------------------------


def test_connections_to_the_function_are_kept(watchdog, server):
    """As long as it likes; and all clients share them."""
    w = server.start(watchdog)
    with w.connect() as c:
        links = [link_number(c) for _ in range(15)]
    for _ in range(10):
        with w.connect() as c:
            links.append(link_number(c))
    per_link = server.per_link or len(links)
    runs = [links[i : i + per_link] for i in range(0, len(links), per_link)]
    assert all(len(set(run)) == 1 for run in runs), links
    assert len({run[0] for run in runs}) == len(runs), links


@pytest.mark.parametrize("workers", ["1", "2"])
def test_many_clients(watchdog, server, workers):
    """Also where the server takes one connection at a time, and keeps that one."""
    w = server.start(watchdog, workers=workers)
    errors = []

    def client():
        try:
            with w.connect() as c:
                for i in range(12):
                    assert c.call("GET", f"/hello?{i}").body == b"hello"
        except (AssertionError, OSError) as error:
            errors.append(error)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(2 * PATIENCE)
    assert errors == []


# --- server-sent events -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
def test_events_come_one_by_one(node, accept):
    """The function sends the next one only when the client has the last one."""
    with node.connect() as reader, node.connect() as writer:
        reader.request("GET", "/sse", fields=[("Accept", accept)])
        a = reader.begin()
        assert (a.status, a.framing, a.value("Content-Type")) == (200, "chunked", "text/event-stream")
        seen = b""
        for token in (b"the", b"quick", b"brown", b"x" * 100_000, b"fox"):
            assert writer.call("POST", "/event", body=token).body == b"1"
            seen += b"data: " + token + b"\n\n"
            reader.read_until(a, seen)
        assert writer.call("POST", "/over", body=b"").status == 200
        reader.rest(a)
        assert (a.body, a.cut) == (seen, False)
        reader.assert_usable()


def test_events_reach_every_listener(node):
    readers = [node.connect() for _ in range(10)]
    answers = []
    for r in readers:
        r.request("GET", "/sse", fields=[("Accept", "text/event-stream")])
        answers.append(r.begin())
    for i in range(1, 6):
        assert node.call("POST", "/event", body=b"t").body == b"10"
        for r, a in zip(readers, answers):
            r.read_until(a, b"data: t\n\n" * i)
    assert node.call("POST", "/over").status == 200
    for r, a in zip(readers, answers):
        assert r.rest(a).body == b"data: t\n\n" * 5


def test_listener_that_leaves_is_gone_for_the_function(node):
    with node.connect() as stays:
        stays.request("GET", "/sse")
        a = stays.begin()
        for ending in ("close", "reset"):
            leaves = node.connect()
            leaves.request("GET", "/sse")
            leaves.begin()
            assert node.call("POST", "/event", body=b"t").body == b"2"
            getattr(leaves, ending)()
            eventually(lambda: node.call("POST", "/event", body=b"t").body == b"1", "the function has noticed")
        assert node.call("POST", "/over").status == 200
        assert not stays.rest(a).cut
