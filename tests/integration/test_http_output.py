"""
mode=http: what a long-lived function prints. Each line becomes one of the log, whatever its length, and
nothing that it prints, and nobody who does not read the log, may stop it.
"""

import os
import re

import pytest

from harness import STAMP, eventually
from life import Life

STREAMS = pytest.mark.parametrize("fd", [1, 2], ids=["stdout", "stderr"])
NAMES = {1: "stdout", 2: "stderr"}


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


def lines_of(w, fd):
    """What is there of one stream of the function: its lines, without time and label."""
    text = w.stdout() if fd == 1 else w.err.text()
    mark = re.compile(STAMP.pattern + NAMES[fd] + ": ")
    return [mark.sub("", line, count=1) for line in text.split("\n") if mark.match(line)]


def print_to(w, fd, data):
    a = w.call("POST", f"/print/{fd}", body=data)
    assert (a.status, a.body) == (200, b"printed")


@STREAMS
def test_lines(life, fd):
    w = life.start()
    print_to(w, fd, b"one\n\n  two \t\ncr\r\nhalf of ")
    print_to(w, fd, b"a line\n%s %n\n")
    w.stop()
    assert lines_of(w, fd) == ["one", "", "  two \t", "cr", "half of a line", "%s %n"]


@STREAMS
def test_any_bytes(life, fd):
    w = life.start(prefix_logs="false")
    data = bytes(b for b in range(256) if b not in b"\r\n")
    print_to(w, fd, data + b"\n")
    w.stop()
    assert data + b"\n" in bytes(w.out.data if fd == 1 else w.err.data)


@STREAMS
@pytest.mark.parametrize("limit", [16, 1000, 65536])
def test_long_lines_are_cut(life, fd, limit):
    w = life.start(log_buffer_size=limit)
    sizes = [limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1]
    for size in sizes:
        print_to(w, fd, b"x" * size + b"\n")
    w.stop()
    wanted = []
    for size in sizes:
        wanted += [limit] * (size // limit) + [size % limit] * (size % limit > 0)
    assert [len(line) for line in lines_of(w, fd)] == wanted


@STREAMS
def test_flaw_22_line_without_end_does_not_block(life, fd):
    """Nobody but the watchdog reads the pipe, so the answer is there only when all of it was read."""
    w = life.start()
    for _ in range(3):
        print_to(w, fd, b"x" * 1_000_000)
    w.stop()
    lines = lines_of(w, fd)
    assert "".join(lines) == "x" * 3_000_000, "the last piece is logged at the end"
    assert {len(line) for line in lines[:-1]} == {65536}


@STREAMS
def test_flaw_31_last_lines_are_not_lost(life, fd):
    w = life.start()
    text = b"".join(b"line %d\n" % i for i in range(2000)) + b"the very last"
    assert w.call("POST", f"/last/{fd}/3", body=text).status == 502
    w.ended(3)
    assert lines_of(w, fd) == [*[f"line {i}" for i in range(2000)], "the very last"]


def test_both_streams_and_many_lines(life):
    w = life.start()
    text = {fd: b"".join(b"%d, and a line of usual length: %d\n" % (fd, i) for i in range(20_000)) for fd in (1, 2)}
    with w.connect() as c, w.connect() as d:
        c.request("POST", "/print/1", body=text[1])
        d.request("POST", "/print/2", body=text[2])
        assert c.answer().body == d.answer().body == b"printed"
    w.stop()
    for fd in (1, 2):
        assert lines_of(w, fd) == text[fd].decode().splitlines()


def test_burst_of_short_lines(watchdog):
    """With their prefixes they are many times as long; none is lost to a log that is read."""
    w = watchdog("sh -c 'seq 30000; exec cat'", mode="http", http_upstream_url="http://127.0.0.1:1")
    eventually(lambda: w.stdout().endswith("stdout: 30000\n"), "the last line is there")
    assert [line.rpartition(": ")[2] for line in w.stdout().splitlines()] == [str(i) for i in range(1, 30_001)]


@STREAMS
def test_output_of_each_life_is_logged(life, fd):
    """Half a line of the one that has ended is not continued by the next."""
    w = life.start(restart="always")
    for i in range(3):
        assert w.call("POST", f"/last/{fd}/0", body=b"life %d" % i).status == 502
        w.wait_for_log("^Starting the function again", count=i + 1)
    assert w.call("GET", "/status/200").status == 200
    w.stop()
    assert lines_of(w, fd) == ["life 0", "life 1", "life 2"]


def test_log_that_nobody_reads(life):
    """What does not fit is lost; the function goes on."""
    read_end, write_end = os.pipe()
    try:
        w = life.start(popen={"stdout": write_end})
        for _ in range(3):
            print_to(w, 1, b"x" * 500_000 + b"\n")
        eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")
        w.stop()
    finally:
        os.close(read_end)
        os.close(write_end)
