"""Large bodies both ways, in constant memory."""

import os
import shutil
import threading
import time

import pytest

from harness import PATIENCE, SAN, status_kb
from http_client import request_bytes

BLOCK = os.urandom((1 << 20) + 7)  # odd, so that a lost page or buffer shifts everything behind it
GROWTH_KB = 8 * 1024


def expected(offset, n):
    """n bytes of the endless repetition of BLOCK."""
    start = offset % len(BLOCK)
    data = BLOCK[start : start + n]
    while len(data) < n:
        data += BLOCK[: n - len(data)]
    return data


def send_body(c, size, chunked, errors):
    try:
        sent = 0
        while sent < size:
            piece = BLOCK if size - sent >= len(BLOCK) else BLOCK[: size - sent]
            if chunked:
                c.send(b"%x\r\n" % len(piece))
            c.send(piece)
            if chunked:
                c.send(b"\r\n")
            sent += len(piece)
        if chunked:
            c.send(b"0\r\n\r\n")
    except OSError as error:
        errors.append(error)


def echo(w, size, chunked, timeout):
    """Sends `size` bytes, and compares what comes back while it comes."""
    errors = []
    with w.connect() as c:
        c.socket.settimeout(timeout)
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))
        c.send(request_bytes("POST", fields=[framing]))
        sender = threading.Thread(target=send_body, args=(c, size, chunked, errors))
        sender.start()
        a = c.begin()
        got = 0
        for piece in a.stream:
            assert piece == expected(got, len(piece)), f"wrong bytes after {got}"
            got += len(piece)
        sender.join(timeout)
        assert not errors, errors
        assert (a.status, a.cut, got) == (200, False, size)
        if a.length is not None:
            assert a.length == size


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def assert_constant_memory(w, work):
    reset_peak(w.pid)
    before = status_kb(w.pid, "VmRSS")
    work()
    growth = status_kb(w.pid, "VmHWM") - before
    if not SAN:
        assert growth <= GROWTH_KB, f"it grew by {growth} KiB"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_flaw_32_10_mb_both_ways(watchdog, mode, chunked):
    w = watchdog("cat", mode=mode)
    assert_constant_memory(w, lambda: echo(w, 10_000_000, chunked, PATIENCE))
    assert_constant_memory(w, lambda: echo(w, 10_000_000, chunked, PATIENCE))


@pytest.mark.serial
@pytest.mark.skipif(bool(SAN), reason="too slow with sanitizers; the 10 MB tests take the same way")
@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_flaw_32_1_gb_both_ways(watchdog, scratch, mode):
    if mode == "classic" and shutil.disk_usage(scratch).free < 3 << 30:
        pytest.skip("no room for 1 GB in the temporary folder")
    w = watchdog("cat", mode=mode, read_timeout="600s", write_timeout="600s", exec_timeout="600s")
    assert_constant_memory(w, lambda: echo(w, 1 << 30, False, 600))


@pytest.mark.serial
def test_flaw_32_20_large_bodies_at_once(watchdog, mode):
    """What one call needs, times twenty, is still small."""
    w = watchdog("cat", mode=mode)
    errors = []

    def client():
        try:
            echo(w, 3_000_000, False, PATIENCE * 3)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    def all_of_them():
        threads = [threading.Thread(target=client) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(PATIENCE * 3)
        assert not errors, errors[0]

    reset_peak(w.pid)
    before = status_kb(w.pid, "VmRSS")
    all_of_them()
    growth = status_kb(w.pid, "VmHWM") - before
    if not SAN:
        assert growth <= 20 * 1024, f"it grew by {growth} KiB"


def test_upload_that_is_not_read_is_not_kept_in_memory(watchdog, gate, mode):
    """The client is held back instead."""
    w = watchdog("steps say wait eat out:done", mode=mode, **gate.env)
    reset_peak(w.pid)
    before = status_kb(w.pid, "VmRSS")
    size, errors = 60_000_000, []
    with w.connect() as c:
        c.send(request_bytes("POST", fields=[("Content-Length", str(size))]))
        sender = threading.Thread(target=send_body, args=(c, size, False, errors))
        sender.start()
        gate.started()
        time.sleep(0.3)
        assert sender.is_alive()
        if not SAN:
            assert status_kb(w.pid, "VmHWM") - before <= GROWTH_KB
        gate.open()
        assert c.answer().body == b"done"
        sender.join(PATIENCE)
    assert not errors
