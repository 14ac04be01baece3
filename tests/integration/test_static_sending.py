"""mode=static: large files, slow and impatient clients, files that change while they are sent."""

import os
import re
import resource
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from harness import PATIENCE, SLOW, eventually, without_call
from http_client import assert_answer, request_bytes
from static_site import PLAIN, assert_error, assert_file, assert_not_modified, file_fields
from test_big_bodies import expected

MB = 1 << 20
SIZE = 100 * MB
SLOW_READER = {"receive_buffer": 4096}
CUT = r'^mode=static: cut the answer of "f\.bin": '
NO_HURRY = {"write_timeout": "600s", "read_timeout": "600s"}


def fill(path, size):
    with open(path, "wb") as f:
        for at in range(0, size, MB):
            f.write(expected(at, min(MB, size - at)))


@pytest.fixture(scope="module")
def big_file():
    with tempfile.TemporaryDirectory(prefix="bandog-") as folder:
        path = Path(folder) / "big"
        fill(path, SIZE)
        yield path


@pytest.fixture
def big(site, big_file):
    """A folder with a file of 100 MB and a small one."""
    os.link(big_file, site.path / "big.bin")
    site.write("small.txt", b"small")
    return site


def assert_arrives(pieces, size=SIZE, start=0):
    got = 0
    for piece in pieces:
        assert piece == expected(start + got, len(piece)), f"wrong bytes after {got}"
        got += len(piece)
    assert got == size


def is_open(w, path):
    return [name for name in w.descriptors() if name.startswith(str(path))]


def begin(w, target="/big.bin", **request):
    """A client that has read the head and keeps the rest waiting."""
    c = w.connect(**SLOW_READER)
    c.request("GET", target, **request)
    a = c.begin()
    assert a.status in (200, 206)
    return c, a


# --- every byte -------------------------------------------------------------------------------------------------------


def test_100_mb(big):
    with big.start(**NO_HURRY).connect() as c:
        for _ in range(2):
            c.request("GET", "/big.bin")
            a = c.begin()
            assert (a.status, a.length) == (200, SIZE)
            assert_arrives(a.stream)
        c.assert_usable()


@pytest.mark.parametrize("size", [16384, 16385, 65535, 65536, 65537, MB - 1, MB, MB + 1, 3 * MB + 7])
def test_sizes_around_those_of_buffers(site, size):
    fill(site.path / "f.bin", size)
    with site.start().connect() as c:
        for _ in range(2):
            c.request("GET", "/f.bin")
            assert_arrives(c.begin().stream, size)
        for first in (0, 1, size // 2, size - 1):
            c.request("GET", "/f.bin", fields=[("Range", f"bytes={first}-")])
            assert_arrives(c.begin().stream, size - first, first)
        c.assert_usable()


@pytest.mark.parametrize("error", ["EINVAL", "ENOSYS", "EIO", "EPERM"])
def test_file_system_that_knows_no_sendfile(big, error):
    """The file is read instead; files that shrink are still seen."""
    w = big.start(wrapper=without_call("sendfile", error), **NO_HURRY)
    slow, b = begin(w, fields=[("Range", "bytes=7-40000006")])
    with w.connect() as c:
        c.request("GET", "/big.bin")
        a = c.begin()
        assert a.length == SIZE
        assert_arrives(a.stream)
        c.assert_usable()
        assert_file(c.call("GET", "/small.txt"), b"small")
    assert_arrives(b.stream, 40_000_000, 7)
    slow.assert_usable()
    fill(big.path / "f.bin", 40 * MB)
    c, a = begin(w, "/f.bin")
    os.truncate(big.path / "f.bin", 20 * MB)
    with c:
        assert c.rest(a).cut
        assert a.body == expected(0, len(a.body)) and len(a.body) <= 20 * MB
    w.wait_for_log(CUT)


def test_slow_and_fast_readers_at_once(big):
    """All of one worker, each with a range of its own."""
    w = big.start(**NO_HURRY)
    errors = []

    def read(i):
        start, size = i * 3 * MB + i, 5 * MB
        try:
            with w.connect(**(SLOW_READER if i % 2 else {})) as c:
                c.request("GET", "/big.bin", fields=[("Range", f"bytes={start}-{start + size - 1}")])
                assert_arrives(c.begin().stream, size, start)
                c.assert_usable()
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE * 3)
    assert not errors, errors[0]
    eventually(lambda: not is_open(w, big.path / "big.bin"), "all files are closed")


def test_pipelined(site):
    """Two hundred answers of every kind, in order, while the client writes only."""
    sizes = [0, 1, 100, 5000, 16384, 16385, 70_000, 200_000]
    for size in sizes:
        fill(site.path / f"f{size}.txt", size)
    with site.start().connect(**SLOW_READER) as c:
        tag = c.call("GET", "/f100.txt").value("ETag")
        kinds = []
        for i in range(200):
            size = sizes[i % 8]
            if i % 7 == 3:
                c.request("HEAD", f"/f{size}.txt")
                kinds.append(("HEAD", 200, size, b""))
            elif i % 7 == 4:
                c.request("GET", "/nothing")
                kinds.append(("GET", 404, 19, b"404 page not found\n"))
            elif i % 7 == 5:
                c.request("GET", "/f100.txt", fields=[("If-None-Match", tag)])
                kinds.append(("GET", 304, None, b""))
            elif i % 7 == 6:
                c.request("GET", "/f70000.txt", fields=[("Range", f"bytes={i}-{i + 40_000}")])
                kinds.append(("GET", 206, 40_001, expected(i, 40_001)))
            elif i % 7 == 2:
                c.request("GET", "/f100.txt", fields=[("Range", "bytes=100-")])
                kinds.append(("GET", 416, 33, b"invalid range: failed to overlap\n"))
            else:
                c.request("GET", f"/f{size}.txt")
                kinds.append(("GET", 200, size, expected(0, size)))
        for i, (method, status, length, body) in enumerate(kinds):
            a = c.answer(method)
            assert (i, a.status, a.length, a.body == body) == (i, status, length, True), a
        c.assert_usable()


def test_http_1_0(big):
    w = big.start(**NO_HURRY)
    for fields, closes in (([], True), ([("Connection", "keep-alive")], False)):
        with w.connect() as c:
            c.request("GET", "/big.bin", version="HTTP/1.0", fields=fields)
            a = c.begin()
            assert (a.status, a.length, a.framing) == (200, SIZE, "length")
            assert_arrives(a.stream)
            if closes:
                c.assert_closed()
            else:
                assert a.value("Connection") == "keep-alive"
                c.assert_usable()


def test_connection_close(big):
    with big.start(**NO_HURRY).connect() as c:
        c.request("GET", "/big.bin", fields=[("Connection", "close")])
        a = c.begin()
        assert a.value("Connection") == "close"
        assert_arrives(a.stream)
        c.assert_closed()


def test_client_that_closes_its_side_first(big):
    with big.start(**NO_HURRY).connect(**SLOW_READER) as c:
        c.request("GET", "/big.bin", fields=[("Range", "bytes=0-9999999")])
        c.half_close()
        a = c.begin()
        assert_arrives(a.stream, 10_000_000)
        c.assert_closed()


# --- fairness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 50])
def test_slow_readers_hold_nobody(big, n):
    w = big.start(**NO_HURRY)
    slow = [begin(w) for _ in range(n)]
    with w.connect() as c:
        for _ in range(100):
            assert_file(c.call("GET", "/small.txt"), b"small")
        c.request("GET", "/big.bin", fields=[("Range", "bytes=0-19999999")])
        assert_arrives(c.begin().stream, 20_000_000)
    c, a = slow.pop()
    assert_arrives(a.stream)
    c.assert_usable()
    for c, _ in slow:
        c.reset()


@pytest.mark.serial
def test_fast_readers_hold_nobody(big):
    """A file goes in pieces, so that a client that takes all at once is not served alone."""
    w = big.start(**NO_HURRY)
    over = threading.Event()

    def read():
        with w.connect() as c:
            while not over.is_set():
                c.request("GET", "/big.bin")
                for _ in c.begin().stream:
                    pass

    threads = [threading.Thread(target=read) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        with w.connect() as c:
            for _ in range(30):
                began = time.monotonic()
                assert c.call("GET", "/small.txt").body == b"small"
                assert time.monotonic() - began < 2 * SLOW
    finally:
        over.set()
        for t in threads:
            t.join(PATIENCE)


# --- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("ranges", [None, "bytes=5-", "bytes=0-40000000,5-40000000"])
def test_client_leaves(big, way, ranges):
    w = big.start(**NO_HURRY)
    fields = [("Range", ranges)] if ranges else []
    for _ in range(5):
        c, _ = begin(w, fields=fields)
        assert is_open(w, big.path / "big.bin")
        getattr(c, way)()
        eventually(lambda: not is_open(w, big.path / "big.bin"), "its descriptor is given back")
    assert_file(w.call("GET", "/small.txt"), b"small")
    assert w.stop_and_read() == []


def test_client_that_has_sent_more_leaves(big):
    """What it asked for next is not looked at any more."""
    w = big.start(**NO_HURRY)
    c, _ = begin(w)
    c.send(request_bytes("GET", "/big.bin") * 100)
    c.close()
    eventually(lambda: not is_open(w, big.path / "big.bin") and not w.open_connections(), "all is given back")


def test_descriptors(big):
    """Every kind of answer, whole and left alone."""
    big.write("f.js", b"x" * 1000)
    big.write("f.js.gz", b"y" * 100)
    big.write("with/index.html", b"index")
    big.link("out", "/etc/passwd")
    os.mkfifo(big.path / "fifo")
    w = big.start(static_fallback="nothing")
    tag = w.call("GET", "/small.txt").value("ETag")
    calls = [
        ("/small.txt", []),
        ("/small.txt", [("If-None-Match", tag)]),
        ("/small.txt", [("If-Match", '"x"')]),
        ("/small.txt", [("Range", "bytes=1-2")]),
        ("/small.txt", [("Range", "bytes=0-0,2-2")]),
        ("/small.txt", [("Range", "bytes=10-")]),
        ("/small.txt", [("Range", "nonsense")]),
        ("/small.txt/", []),
        ("/f.js", []),
        ("/f.js", [("Accept-Encoding", "gzip, br")]),
        ("/f.js", [("Accept-Encoding", "gzip"), ("If-None-Match", "*")]),
        ("/with/", []),
        ("/with", []),
        ("/with/index.html", []),
        ("/", []),
        ("/", [("If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT")]),
        ("/nothing", []),
        ("/small.txt/x", []),
        ("/out", []),
        ("/fifo", []),
        ("/%00", []),
        ("//", []),
    ]

    def work():
        with w.connect() as c:
            for target, fields in calls:
                for method in ("GET", "HEAD", "POST"):
                    c.call(method, target, fields=fields)
        for target, fields in calls[:15]:
            with w.connect() as c:
                c.request("GET", target, fields=fields)
                c.reset()
        c, _ = begin(w)
        c.reset()

    w.assert_keeps_no_descriptor(work, times=10)


# --- files that change while they are sent ----------------------------------------------------------------------------


@pytest.fixture
def own(site):
    """A file of its own for each test, as it is changed; more than sockets can hold."""
    fill(site.path / "f.bin", 40 * MB)
    site.write("small.txt", b"small")
    return site


@pytest.mark.parametrize("left", [0, 1, 5 * MB, 40 * MB - 1])
def test_file_that_shrinks(own, left):
    """Fewer bytes than promised, and then the end: never other bytes in their place."""
    w = own.start(**NO_HURRY)
    c, a = begin(w, "/f.bin")
    os.truncate(own.path / "f.bin", left)
    with c:
        got = 0
        for piece in a.stream:
            n = min(len(piece), max(left - got, 0))
            assert piece[:n] == expected(got, n)
            got += len(piece)
        assert a.cut and got < 40 * MB
    w.wait_for_log(CUT)
    eventually(lambda: not is_open(w, own.path / "f.bin"), "its descriptor is given back")
    assert_file(w.call("GET", "/small.txt"), b"small")
    assert len(w.stop_and_read()) == 1


def test_file_that_shrinks_between_parts(own):
    w = own.start(**NO_HURRY)
    c, a = begin(w, "/f.bin", fields=[("Range", "bytes=0-19999999,30000000-30000009")])
    os.truncate(own.path / "f.bin", 25_000_000)
    with c:
        c.rest(a)
        assert a.cut
        assert a.body[a.body.index(b"\r\n\r\n") + 4 :].startswith(expected(0, 20_000_000))
    w.wait_for_log(CUT)


def test_name_of_a_file_that_shrinks_cannot_forge_lines(site):
    name = b"a\n2020-01-01 Forged \x1b[31m\xff"
    path = site.path / os.fsdecode(name)
    fill(path, 40 * MB)
    w = site.start(**NO_HURRY)
    c, a = begin(w, "/" + "".join(f"%{b:02x}" for b in name))
    path.write_bytes(b"")
    with c:
        assert c.rest(a).cut
    w.wait_for_log(r"^mode=static: cut the answer of .*Forged .*31m")
    w.stop()
    assert "\x1b" not in w.err.text()
    assert len([line for line in w.raw_lines() if "Forged" in line]) == 1


def test_file_that_grows(own):
    w = own.start(**NO_HURRY)
    c, a = begin(w, "/f.bin")
    with open(own.path / "f.bin", "ab") as f:
        f.write(b"more" * 1_000_000)
    with c:
        assert_arrives(a.stream, 40 * MB)
        c.assert_usable()
        assert c.call("HEAD", "/f.bin").length == 40 * MB + 4_000_000
    assert w.stop_and_read() == []


@pytest.mark.parametrize("way", ["replaced", "removed", "folder-removed"])
def test_file_that_is_gone(own, way):
    """Whoever began with it gets all of it."""
    w = own.start(**NO_HURRY)
    (own.path / "dir").mkdir()
    path = (own.path / "f.bin").rename(own.path / "dir/f.bin")
    c, a = begin(w, "/dir/f.bin")
    if way == "replaced":
        own.write("new", b"new").rename(path)
    else:
        path.unlink()
        if way == "folder-removed":
            path.parent.rmdir()
    with c:
        assert_arrives(a.stream, 40 * MB)
        b = c.call("GET", "/dir/f.bin")
        assert (b.status, b.body == b"new") == ((200, True) if way == "replaced" else (404, False))
    assert w.stop_and_read() == []


# --- limits -----------------------------------------------------------------------------------------------------------


def test_max_inflight(big):
    w = big.start(max_inflight="2", **NO_HURRY)
    slow = [begin(w) for _ in range(2)]
    with w.connect() as c:
        for _ in range(3):
            assert c.call("GET", "/small.txt").status == 429
        slow[0][0].reset()
        eventually(lambda: c.call("GET", "/small.txt").status == 200, "the slot is free")
        assert_arrives(slow[1][1].stream)
        for _ in range(20):
            assert_file(c.call("GET", "/small.txt"), b"small")


def test_slot_is_free_before_the_answer_is(big):
    w = big.start(max_inflight="1", **NO_HURRY)
    fields = [("Range", "bytes=0-99999")]
    assert {w.call("GET", "/big.bin", fields=fields).status for _ in range(50)} == {206}
    assert {w.call("GET", "/small.txt").status for _ in range(50)} == {200}


def test_write_timeout(big):
    w = big.start(write_timeout="700ms", read_timeout="600s", max_inflight="1")
    c, a = begin(w)
    eventually(lambda: not is_open(w, big.path / "big.bin"), "its descriptor is given back")
    assert w.call("GET", "/small.txt").status == 200
    with c:
        assert c.rest(a).cut
    assert len(a.body) < SIZE and a.body == expected(0, len(a.body))


def test_deadline_of_functions_is_none_of_files(big):
    """exec_timeout is for functions; a download takes as long as write_timeout lets it."""
    w = big.start(exec_timeout="300ms", **NO_HURRY)
    c, a = begin(w)
    time.sleep(0.8)
    with c:
        assert_arrives(a.stream)


def test_read_timeout_is_none_of_answers(big):
    """It is for requests, and for the time between two."""
    w = big.start(read_timeout="300ms", write_timeout="600s")
    c, a = begin(w)
    time.sleep(0.8)
    with c:
        assert_arrives(a.stream)


def test_no_descriptor_is_left(big):
    """500 and a line, for as long as it lasts, also when the folder itself is due to be looked for again."""
    big.write("dir/f.txt", b"x")
    big.write("f.js", b"script")
    big.write("f.js.gz", b"zipped")
    w = big.start()
    clients = [w.connect() for _ in range(3)]
    for c in clients:
        assert_file(c.call("GET", "/small.txt"), b"small")
    before = resource.prlimit(w.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(w.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            for target in ("/small.txt", "/dir/", "/", "/dir", "/dir/f.txt", "/f.js", "/nothing"):
                assert_error(clients[0].call("GET", target), 500)
                assert_error(clients[1].call("HEAD", target), 500, head=True)
        assert clients[2].call("GET", "/_/health").status == 200
        assert clients[2].call("POST", "/small.txt").status == 405
    finally:
        resource.prlimit(w.pid, resource.RLIMIT_NOFILE, before)
    w.wait_for_log('^mode=static: cannot open "small.txt": ')
    for c in clients:
        assert_file(c.call("GET", "/small.txt"), b"small")
        assert c.call("GET", "/dir/").status == 200


def test_few_descriptors_with_many_clients(big):
    """It refuses or delays some, and is well again when they are gone."""
    w = big.start(wrapper=["prlimit", "--nofile=64:64"], **NO_HURRY)
    clients = [w.connect(**SLOW_READER) for _ in range(60)]
    for c in clients:
        c.request("GET", "/big.bin")
    a = clients[0].begin()
    assert a.status in (200, 500)
    for c in clients:
        c.reset()
    eventually(lambda: not is_open(w, big.path / "big.bin"), "all is given back")
    eventually(lambda: w.call("GET", "/small.txt").status == 200, "it works again")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_drain(big):
    """SIGTERM while a file is sent: all of it still arrives."""
    w = big.start(write_timeout="600s")
    c, a = begin(w)
    with w.connect() as idle:
        assert idle.call("GET", "/small.txt").status == 200
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        idle.assert_closed()
    with c:
        assert_arrives(a.stream)
        c.assert_closed()
    w.ended()
    assert "Exiting. Active connections: 0" in w.messages()


def test_drain_that_takes_too_long(big):
    """A client that does not read holds the end up for write_timeout at most."""
    w = big.start(write_timeout="700ms")
    c, a = begin(w)
    w.send_signal(signal.SIGTERM)
    w.ended()
    assert [m for m in w.messages() if re.fullmatch(r"Exiting\. Active connections: \d+", m)]
    assert a.status == 200 and c


def test_signals_that_end_it_now(big):
    w = big.start(healthcheck_interval="600s", **NO_HURRY)
    c, a = begin(w)
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIG\\w+: no new connections in ")
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^No new connections allowed, draining: 1 requests$")
    w.send_signal(signal.SIGTERM)
    with c:
        assert c.rest(a).cut
    w.ended()


# --- other kinds of answers in pieces ---------------------------------------------------------------------------------


def test_conditions_after_a_large_file(big):
    """What follows in the pipeline is in step: answers with and without bodies."""
    w = big.start(**NO_HURRY)
    tag = w.call("GET", "/small.txt").value("ETag")
    with w.connect(**SLOW_READER) as c:
        c.send(
            request_bytes("GET", "/big.bin", fields=[("Range", "bytes=0-29999999")])
            + request_bytes("GET", "/small.txt", fields=[("If-None-Match", tag)])
            + request_bytes("HEAD", "/big.bin")
            + request_bytes("GET", "/small.txt", fields=[("Range", "bytes=1-2")])
            + request_bytes("GET", "/nothing")
        )
        assert_arrives(c.begin().stream, 30_000_000)
        assert_not_modified(c.answer())
        assert c.answer("HEAD").length == SIZE
        assert_answer(c.answer(), 206, b"ma", file_fields(PLAIN, Content_Range="bytes 1-2/5"))
        assert_error(c.answer(), 404)
        c.assert_usable()
