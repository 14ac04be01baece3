"""max_queue under load: never more calls at once than max_inflight, no answer mixed up, no place lost."""

import os
import random
import select
import threading

import pytest

from cgi_program import shell
from harness import PATIENCE, SLOW, eventually
from http_client import NoAnswer, chunked, request_bytes
from test_metrics import rows
from test_timeouts import run_together
from upstream import LinkEnded
from waiting import HEADS, Line, is_silent

LIMIT, QUEUE, CALLS = 8, 250, 300
NO_HURRY = {"read_timeout": "600s", "write_timeout": "600s", "exec_timeout": "600s", "queue_timeout": "0"}
TRACED = 'echo + >>"$TRACE"; echo x >"$STARTED"; read -r _ <"$GATE"; echo - >>"$TRACE"; '


def most_at_once(trace):
    now = most = 0
    for mark in trace.split():
        now += 1 if mark == "+" else -1
        most = max(most, now)
    assert now == 0
    return most


def readable(connections):
    return select.select([c.socket for c in connections], [], [], 0)[0]


def answers(connections):
    """How many have got which status."""
    seen = {}
    for c in connections:
        a = c.answer()
        assert not a.cut and a.body == b"done" or a.status == 429, a
        seen[a.status] = seen.get(a.status, 0) + 1
    return seen


@pytest.mark.serial
@pytest.mark.parametrize("mode", ["classic", "streaming", "cgi"])
def test_300_calls_at_once(watchdog, gate, scratch, mode):
    trace = scratch / "trace"
    trace.touch()
    settings = {"max_inflight": LIMIT, "max_queue": QUEUE, "workers": "4", "TRACE": trace, **gate.env, **NO_HURRY}
    line = Line(watchdog, shell(TRACED + HEADS.get(mode, "") + "printf done"), mode=mode, **settings)
    for _ in range(2):
        clients = [line.w.connect() for _ in range(CALLS)]
        for c in clients:
            c.request()
        line.wait_depth(QUEUE)
        for _ in range(LIMIT):
            gate.word()
        eventually(lambda: len(readable(clients)) == CALLS - LIMIT - QUEUE, "those beyond the line are told so")
        assert gate.nothing_started()
        gate.open(LIMIT + QUEUE)
        assert answers(clients) == {200: LIMIT + QUEUE, 429: CALLS - LIMIT - QUEUE}
        for _ in range(QUEUE):
            gate.word()
        for c in clients:
            c.close()
        assert most_at_once(trace.read_text()) == LIMIT, "at most, and all of them"
    line.wait_depth(0)


@pytest.mark.serial
def test_300_calls_at_once_to_a_server(proxied, upstream):
    lock, now, most = threading.Lock(), [0], [0]
    opened = threading.Semaphore(0)

    def handler(link):
        while True:
            link.request()
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            assert opened.acquire(timeout=PATIENCE)
            with lock:
                now[0] -= 1
            link.answer(b"done")

    upstream.serve(handler)
    line = Line(proxied, max_inflight=LIMIT, max_queue=QUEUE, workers="4", **NO_HURRY)
    clients = [line.w.connect() for _ in range(CALLS)]
    for c in clients:
        c.request()
    line.wait_depth(QUEUE)
    eventually(lambda: now[0] == LIMIT, "all places are taken")
    opened.release(LIMIT + QUEUE)
    assert answers(clients) == {200: LIMIT + QUEUE, 429: CALLS - LIMIT - QUEUE}
    assert most[0] == LIMIT
    line.wait_depth(0)


class Clients:
    """All the ways to make a call and to lose interest in it. Each says whether the answer was right."""

    def __init__(self, w, dice):
        self.w = w
        self.dice = dice
        self.body = os.urandom(dice.choice([0, 1, 3000, 100_000]))

    def right(self, a):
        assert not a.cut, a
        if a.status == 200:
            assert a.body == self.body, "somebody else's body"
        else:
            assert a.status == 429 and a.value("Retry-After") == "1", a

    def plain(self, c):
        self.right(c.call("POST", body=self.body))

    def in_chunks(self, c):
        half = len(self.body) // 2
        fields = [("Transfer-Encoding", "chunked")]
        c.send(request_bytes("POST", fields=fields) + chunked(self.body[:half], self.body[half:]))
        self.right(c.answer())

    def expecting(self, c):
        c.request("POST", fields=[("Expect", "100-continue"), ("Content-Length", str(len(self.body)))])
        a = None
        if self.body:
            status_line = c.line()
            if " 429 " in status_line:
                return
            assert status_line == "HTTP/1.1 100 Continue" and c.line() == ""
            c.send(self.body)
        a = c.answer()
        self.right(a)

    def old(self, c):
        self.right(c.call("POST", version="HTTP/1.0", body=self.body))
        c.assert_closed()

    def piped(self, c):
        self.body = self.body[:3000]
        c.send(request_bytes("POST", body=self.body) * 3)
        for _ in range(3):
            self.right(c.answer())

    def half_closed(self, c):
        c.request("POST", body=self.body)
        c.half_close()
        self.right(c.answer())

    def short(self, c):
        c.send(request_bytes("POST", fields=[("Content-Length", "200000")]) + self.body)
        c.half_close()
        try:
            assert (a := c.answer()).status in (400, 429) or a.cut, a
        except NoAnswer:
            pass

    def leaving(self, c):
        c.request("POST", body=self.body)
        is_silent(c, self.dice.choice([0, 0, 0.01, 0.05, 0.2]))
        self.dice.choice([c.reset, c.close])()

    def leaving_early(self, c):
        c.send(request_bytes("POST", fields=[("Content-Length", "1000000")]) + self.body)
        is_silent(c, self.dice.choice([0, 0.02]))
        self.dice.choice([c.reset, c.close])()


WAYS = ["plain", "in_chunks", "expecting", "old", "piped", "half_closed", "short", "leaving", "leaving_early"]


def storm(w, threads=16, calls=20):
    def client(seed):
        dice = random.Random(seed)
        for _ in range(calls):
            with w.connect() as c:
                getattr(Clients(w, dice), dice.choice(WAYS))(c)

    seeds = iter(range(threads))
    run_together(lambda: client(next(seeds)), threads)


@pytest.mark.serial
@pytest.mark.parametrize("queue_timeout", ["60s", "30ms"])
@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing"])
def test_no_place_is_lost_in_a_storm(watchdog, gate, mode, queue_timeout):
    """Clients of all kinds, and a line so short and short-lived that each way out of it meets every other."""
    program = 'case "$Http_Path" in /) exec cat;; esac; echo x >"$STARTED"; read -r _ <"$GATE"; printf done'
    settings = {**NO_HURRY, "queue_timeout": queue_timeout, "max_inflight": "3", "max_queue": "6", "workers": "4"}
    line = Line(watchdog, shell(program), mode=mode, **gate.env, **settings)
    storm(line.w)
    eventually(lambda: rows(line.w)["http_requests_in_flight"] == "0", "all calls are over", PATIENCE * SLOW)
    line.wait_depth(0)
    hold_all_places(line, 3, gate.word, gate.open)


@pytest.mark.serial
@pytest.mark.parametrize("queue_timeout", ["60s", "20ms"])
def test_no_place_is_lost_in_a_storm_in_front_of_a_server(proxied, upstream, queue_timeout):
    called, opened = threading.Semaphore(0), threading.Semaphore(0)

    def handler(link):
        while True:
            try:
                request = link.head()
                if request.target == "/hold":
                    called.release()
                    assert opened.acquire(timeout=PATIENCE)
                    link.answer(b"done")
                    continue
                if "100-continue" in request.values("Expect"):
                    link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                link.answer(link.body(request))
            except LinkEnded:
                return

    upstream.serve(handler)
    settings = {**NO_HURRY, "queue_timeout": queue_timeout, "max_inflight": "3", "max_queue": "6", "workers": "4"}
    line = Line(proxied, **settings)
    storm(line.w)
    eventually(lambda: rows(line.w)["http_requests_in_flight"] == "0", "all calls are over", PATIENCE * SLOW)
    line.wait_depth(0)

    def taken():
        assert called.acquire(timeout=PATIENCE)

    hold_all_places(line, 3, taken, opened.release)


@pytest.mark.serial
@pytest.mark.parametrize("clients", [2, 5])
def test_nobody_is_forgotten(site, clients):
    """Who comes to the line at the very moment at which a place becomes free, with nobody behind him."""
    site.write("f.txt", b"x")
    line = Line(lambda **more: site.start(max_inflight="1", max_queue="10", **more), **{**NO_HURRY, "workers": "4"})
    connections = [line.w.connect() for _ in range(clients)]
    raw = request_bytes("GET", "/f.txt")
    for _ in range(1000):
        for c in connections:
            c.send(raw)
        assert {c.answer().body for c in connections} == {b"x"}


def hold_all_places(line, n, started, release):
    """n calls run and the next waits. (Its queue_timeout may be short: it is called again.)"""
    running = [line.w.connect() for _ in range(n)]
    for c in running:
        c.request("GET", "/hold")
    for _ in running:
        started()
    with line.w.connect() as c:
        c.request("GET", "/hold")
        if line.w.env["queue_timeout"] == "60s":
            line.wait_depth(1)
        else:
            assert c.answer().status == 429
        release(n + 1)
        for other in running:
            assert other.answer().body == b"done"
        if line.w.env["queue_timeout"] == "60s":
            assert c.answer().body == b"done"
