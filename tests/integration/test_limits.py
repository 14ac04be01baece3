"""max_body: a larger request body is refused at its first sign, and nothing is left running."""

import json
import threading

import pytest

from cgi_program import HEAD
from harness import PATIENCE, wait_gone
from http_client import chunked, request_bytes
from test_big_bodies import send_body
from test_inflight import assert_limited
from upstream import answer_bytes, echo
from waiting import FORKING, Forked

CHUNKED = [("Transfer-Encoding", "chunked")]
EXPECT = ("Expect", "100-continue")
CHUNKED_HEAD = request_bytes("POST", fields=CHUNKED)


def with_length(n):
    return request_bytes("POST", fields=[("Content-Length", str(n))])


def assert_too_large(c, n=10):
    """413 that says why, without a 100 before it, and the end of the connection."""
    a = c.answer()
    assert (a.status, a.reason, a.cut, a.interim) == (413, "Request Entity Too Large", False, []), a
    assert a.body == b"max_body %d bytes reached\n" % n, a
    assert a.value("Content-Type") == "text/plain; charset=utf-8", a
    assert a.value("Connection") == "close", a
    c.assert_closed()


def steps(mode, *words):
    """The command for functions/steps; in mode=cgi it prints a head first, once it prints."""
    return json.dumps(["steps", *(w for word in words for w in ((*HEAD, word) if cgi_output(mode, word) else (word,)))])


def cgi_output(mode, word):
    return mode == "cgi" and word in ("out:done", "in")


class Forking:
    """Functions that read all of their body."""

    def __init__(self, request, mode):
        self.request = request
        self.mode = mode
        self.gate = request.getfixturevalue("gate")

    def start(self, *words, **settings):
        start = self.request.getfixturevalue("watchdog")
        command = steps(self.mode, *(words or ["in"]))
        return start(command, mode=self.mode, **{"max_body": "10", **self.gate.env, **settings})

    def assert_never_called(self, w):
        assert w.family() == [] and self.gate.nothing_started()


class Upstream:
    def __init__(self, request, buffers):
        self.proxied = request.getfixturevalue("proxied")
        self.upstream = request.getfixturevalue("upstream")
        self.buffers = buffers

    def start(self, **settings):
        self.upstream.serve(echo)
        buffers = str(self.buffers).lower()
        return self.proxied(**{"max_body": "10", "http_buffer_req_body": buffers, **settings})

    def assert_never_called(self, w):
        assert self.upstream.links == []


@pytest.fixture(params=[*FORKING, "http", "http-buffered"])
def function(request):
    if request.param.startswith("http"):
        return Upstream(request, request.param == "http-buffered")
    return Forking(request, request.param)


@pytest.fixture(params=FORKING)
def forking(request):
    return Forking(request, request.param)


@pytest.fixture
def streaming(request):
    return Forking(request, "streaming")


# --- Content-Length ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 9, 10])
def test_up_to_the_limit(function, n):
    with function.start().connect() as c:
        for _ in range(2):
            a = c.call("POST", body=b"x" * n)
            assert (a.status, a.body) == (200, b"x" * n)
            c.send(CHUNKED_HEAD + chunked(b"x" * n))
            a = c.answer()
            assert (a.status, a.body) == (200, b"x" * n)


@pytest.mark.parametrize("n", [11, 10_000_000_000, 9_223_372_036_854_775_807])
def test_over_the_limit(function, n):
    w = function.start()
    with w.connect() as c:
        c.send(with_length(n))
        assert_too_large(c)
    function.assert_never_called(w)
    assert w.call("POST", body=b"x").body == b"x"


def test_static_has_the_limit_too(site):
    site.write("f.txt", b"a file\n")
    w = site.start(max_body="10")
    with w.connect() as c:
        a = c.call("GET", "/f.txt", body=b"x" * 10)
        assert (a.status, a.body) == (200, b"a file\n")
        c.send(request_bytes("GET", "/f.txt", fields=[("Content-Length", "11")]))
        assert_too_large(c)


def test_over_the_limit_in_one_packet(function):
    w = function.start()
    with w.connect() as c:
        c.request("POST", body=b"x" * 11)
        assert_too_large(c)
    with w.connect() as c:
        c.send(with_length(1000) + b"x" * 999)
        assert_too_large(c)
    function.assert_never_called(w)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_expect(function, version):
    w = function.start()
    with w.connect() as c:
        c.send(request_bytes("POST", version=version, fields=[EXPECT, ("Content-Length", "11")]))
        a = c.answer()
        assert (a.status, a.interim) == (413, [])
        c.assert_closed()
    function.assert_never_called(w)


def test_expect_within_the_limit(streaming):
    with streaming.start().connect() as c:
        c.send(request_bytes("POST", fields=[EXPECT, ("Content-Length", "10")]))
        assert c.line() == "HTTP/1.1 100 Continue"
        assert c.line() == ""
        c.send(b"x" * 10)
        assert c.answer().body == b"x" * 10


def test_client_that_sends_all_the_same_can_read_the_answer(function):
    w = function.start()
    size, errors = 20_000_000, []
    with w.connect() as c:
        c.send(with_length(size))
        sender = threading.Thread(target=send_body, args=(c, size, False, errors), daemon=True)
        sender.start()
        a = c.answer()
        assert (a.status, a.body) == (413, b"max_body 10 bytes reached\n")
    sender.join(PATIENCE)
    function.assert_never_called(w)


def test_what_is_pipelined_behind_is_not_looked_at(function):
    w = function.start()
    with w.connect() as c:
        c.send(request_bytes("POST", body=b"first") + with_length(11) + b"x" * 11 + request_bytes("POST", body=b"last"))
        assert c.answer().body == b"first"
        assert_too_large(c)


def test_takes_no_place(streaming):
    """Neither one under max_inflight nor one in the line; it is told so though all are taken."""
    w = streaming.start("say", "wait", "out:done", max_inflight="1", max_queue="1")
    with w.connect() as busy, w.connect() as c:
        busy.request()
        streaming.gate.started()
        for _ in range(3):
            with w.connect() as d:
                d.send(with_length(11))
                assert_too_large(d)
        c.request("POST", body=b"x" * 10)
        streaming.gate.open(2)
        assert busy.answer().body == b"done"
        assert c.answer().body == b"done", "it has waited"


@pytest.mark.parametrize("value", ["0", None])
def test_no_limit(function, value):
    w = function.start(max_body=value)
    body = b"x" * 500_000
    assert w.call("POST", body=body).body == body


def test_large_limit(function):
    w = function.start(max_body="300000")
    body = b"x" * 300_000
    with w.connect() as c:
        assert c.call("POST", body=body).body == body
        c.send(CHUNKED_HEAD + chunked(*[body[i : i + 999] for i in range(0, len(body), 999)]))
        assert c.answer().body == body
        c.send(with_length(300_001))
        assert_too_large(c, 300_000)


def test_limit_is_for_the_body_alone(watchdog):
    """Not for what marshal_request makes of it."""
    a = watchdog("cat", marshal_request="true", max_body="10").call("POST", body=b"x" * 10)
    assert a.status == 200 and len(a.body) > 10


# --- chunked ----------------------------------------------------------------------------------------------------------


def test_chunked_in_pieces(function):
    """Sizes, extensions and trailers are no part of a body."""
    with function.start().connect() as c:
        for _ in range(2):
            c.send(CHUNKED_HEAD)
            for i in range(10):
                c.send(b"000001;name=%s\r\n%d\r\n" % (b"v" * 30, i))
            c.send(b"0\r\nX-Trailer: %s\r\n\r\n" % (b"t" * 30))
            a = c.answer()
            assert (a.status, a.body) == (200, b"0123456789")


@pytest.mark.parametrize("pieces", [(11,), (10, 1), (1,) * 11, (5, 100_000)], ids=["one", "two", "bytes", "large"])
@pytest.mark.parametrize("mode", FORKING)
def test_chunked_over_the_limit(request, mode, pieces):
    forking = Forking(request, mode)
    w = forking.start("eat", "out:done", max_inflight="1")
    for _ in range(2):
        with w.connect() as c:
            c.send(CHUNKED_HEAD + chunked(*[b"x" * n for n in pieces]))
            assert_too_large(c)
    w.wait_no_processes()
    with w.connect() as c:
        c.send(CHUNKED_HEAD + chunked(b"x" * 10))
        assert c.answer().body == b"done", "its place is free"


def test_process_of_a_body_that_grows_too_large_is_ended(forking):
    w = forking.start("say", "eat", "out:done")
    with w.connect() as c:
        c.send(CHUNKED_HEAD + b"a\r\n0123456789\r\n")
        pid = forking.gate.started()
        c.send(b"1\r\nx\r\n")
        assert_too_large(c)
        wait_gone(pid)
    w.wait_no_processes()


def test_function_never_sees_the_end_of_such_a_body(forking, scratch):
    """It must not take what it got for the whole."""
    mark = scratch / "complete"
    w = forking.start("eat", f"mark:{mark}", "out:done", kill_grace="60s")
    with w.connect() as c:
        c.send(CHUNKED_HEAD + chunked(b"0123456789", b"x"))
        assert_too_large(c)
    w.wait_no_processes()
    assert not mark.exists()


def test_answer_that_has_begun_is_cut(watchdog, gate):
    w = watchdog("cat", mode="streaming", max_body="10")
    with w.connect() as c:
        c.send(CHUNKED_HEAD + b"5\r\nhello\r\n")
        a = c.begin()
        c.read_until(a, b"hello")
        c.send(b"6\r\nworld!\r\n0\r\n\r\n")
        assert c.rest(a).cut
    w.wait_no_processes()


def test_answer_that_is_complete_stays_so(watchdog):
    """The rest of such a body is nobody's; the connection cannot be kept for ever for it."""
    w = watchdog("steps out:done", mode="streaming", max_body="10")
    with w.connect() as c:
        c.send(CHUNKED_HEAD)
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"done", False)
        c.send(b"b\r\n0123456789a\r\n0\r\n\r\n")
        data = c.raw_until_close() if a.values("Connection") == ["close"] else b""
        assert data == b""


@pytest.mark.parametrize("early", [False, True])
def test_function_of_mode_http(proxied, upstream, early):
    w = proxied(max_body="10", max_inflight="1")
    with w.connect() as c:
        c.send(CHUNKED_HEAD + b"a\r\n0123456789\r\n")
        link = upstream.link()
        link.head()
        if early:
            link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
            a = c.begin()
            c.read_until(a, b"hello")
        c.send(b"1\r\nx\r\n0\r\n\r\n")
        assert not link.rest().endswith(b"\r\n0\r\n\r\n"), "the function took it for the whole"
        link.close()
        if early:
            assert c.rest(a).cut
        else:
            assert_too_large(c)
    upstream.script(lambda link: link.send(answer_bytes(link.request().body)))
    assert w.call("POST", body=b"next").body == b"next"


def test_chunked_body_that_is_gathered_first(request):
    function = Upstream(request, True)
    w = function.start(max_inflight="1")
    for _ in range(3):
        with w.connect() as c:
            c.send(CHUNKED_HEAD + b"a\r\n0123456789\r\n")
            c.send(b"1\r\nx\r\n")
            assert_too_large(c)
    function.assert_never_called(w)
    assert w.call("POST", body=b"next").body == b"next"


def test_chunked_body_that_grows_too_large_in_the_line(request):
    function = Forked(request.getfixturevalue("watchdog"), request.getfixturevalue("gate"), "streaming")
    line = function.start(max_queue="1", max_body="10")
    with line.w.connect() as busy:
        busy.request("GET", "/busy")
        assert function.started() == "/busy"
        with line.w.connect() as c:
            c.send(CHUNKED_HEAD)
            line.wait_depth(1)
            assert_limited(line.w.call(), 1)
            c.send(chunked(b"0123456789", b"x"))
            function.release()
            assert busy.answer().body == b"done"
            assert_too_large(c)
        line.w.wait_no_processes()
    function.gate.reset()
    with line.w.connect() as c:
        c.request("GET", "/next")
        assert function.started() == "/next"
        function.release()
        assert c.answer().body == b"done"


# --- what else -------------------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_refused_bodies(streaming):
    w = streaming.start("eat", "out:done", workers="1")

    def refused():
        with w.connect() as c:
            c.send(with_length(11))
            assert_too_large(c)
        with w.connect() as c:
            c.send(CHUNKED_HEAD + chunked(b"0123456789", b"x"))
            assert_too_large(c)

    w.assert_keeps_no_descriptor(refused, 10)
