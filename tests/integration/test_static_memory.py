"""mode=static in little memory: large files, many slow readers, idle clients."""

import pytest

from harness import SAN, status_kb

pytestmark = [pytest.mark.serial, pytest.mark.skipif(bool(SAN), reason="sanitizers have memory of their own")]

GB = 1 << 30
LIMITS = {"read_timeout": "600s", "write_timeout": "600s"}


@pytest.fixture
def holes(site):
    """A file of 1 GB that takes no space."""
    with open(site.path / "f.bin", "wb") as f:
        f.truncate(GB)
    site.write("small.txt", b"small")
    return site


def growth(w, before, name="VmRSS"):
    return status_kb(w.pid, name) - before


def reset_peak(w):
    with open(f"/proc/{w.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")
    return status_kb(w.pid, "VmRSS")


@pytest.mark.parametrize("fields", [[], [("Range", f"bytes=0-{GB // 2 - 1},5-{GB // 2 - 1}")]], ids=["whole", "parts"])
def test_1_gb(holes, fields):
    w = holes.start(**LIMITS)
    buffer = bytearray(1 << 18)
    with w.connect() as c:
        assert c.call("GET", "/small.txt").status == 200
        before = reset_peak(w)
        c.request("GET", "/f.bin", fields=[*fields, ("Connection", "close")])
        a = c.begin()
        got = len(c.buffer)
        while n := c.socket.recv_into(buffer):
            got += n
        assert got == a.length
        assert growth(w, before, "VmHWM") <= 1024


def test_slow_readers(holes):
    """Each keeps no more than a piece of the file."""
    w = holes.start(**LIMITS)
    clients = []

    def add(n):
        for _ in range(n):
            c = w.connect(receive_buffer=4096)
            clients.append(c)
            c.request("GET", "/f.bin")
            assert c.begin().status == 200

    add(20)
    before = status_kb(w.pid, "VmRSS")
    add(200)
    assert growth(w, before) <= 200 * 48
    for c in clients:
        c.reset()
    assert w.call("GET", "/small.txt").body == b"small"


def test_many_requests(holes):
    """Nothing is kept of a request that is over."""
    w = holes.start()

    def work(n):
        with w.connect() as c:
            for _ in range(n):
                c.call("GET", "/small.txt")
                c.call("GET", "/")
                c.call("GET", "/nothing")
                c.call("GET", "/small.txt", fields=[("Range", "bytes=0-0,2-2")])
                c.call("GET", "/f.bin", fields=[("Range", "bytes=0-99999")])
                c.call("HEAD", "/%2e%2e/small.txt")

    work(100)
    before = status_kb(w.pid, "VmRSS")
    work(1000)
    assert growth(w, before) <= 256


def test_large_requests(holes):
    """Heads of almost a megabyte, one after the other."""
    holes.write("many.txt", b"x" * 100_000)
    w = holes.start()

    def work(n):
        with w.connect() as c:
            for _ in range(n):
                ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(60_000))
                assert c.call("HEAD", "/many.txt", fields=[("Range", ranges)]).status == 200
                assert c.call("GET", "/many.txt", fields=[("Range", ranges)]).status == 200
                assert c.call("GET", "/" + "x/" * 400_000).status == 404
                assert c.call("GET", "/small.txt", fields=[("If-None-Match", '"x", ' * 150_000)]).status == 200
                assert c.call("GET", "/" + "/" * 900_000).status == 307

    work(3)
    before = status_kb(w.pid, "VmRSS")
    work(30)
    assert growth(w, before) <= 2048
