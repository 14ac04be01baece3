"""max_inflight: one more than the limit is told so at once, and every slot comes back."""

import pytest

from harness import eventually
from http_client import assert_answer, request_bytes


def assert_limited(a, n, method="GET"):
    body = b"Concurrent request limit exceeded. Max concurrent requests: %d\n" % n
    fields = {"Content-Type": "text/plain", "Retry-After": "1", "X-Openfaas-Internal": "faas-middleware"}
    if method == "HEAD":
        assert_answer(a, 429, b"", fields, framing="none")
    else:
        assert_answer(a, 429, body, fields)


@pytest.mark.parametrize("limit", [1, 3])
def test_limit(watchdog, gate, mode, limit):
    w = watchdog("steps say wait out:done", mode=mode, max_inflight=limit, **gate.env)
    busy = [w.connect() for _ in range(limit)]
    for c in busy:
        c.request()
        gate.started()
    for _ in range(3):
        assert_limited(w.call(), limit)
    assert gate.nothing_started(), "there is no queue"
    gate.open(limit)
    for c in busy:
        assert c.answer().body == b"done"
    gate.open()
    assert w.call().body == b"done", "the slot is free before its answer is"
    lines = w.stop_and_read()
    assert len(lines) == (limit + 1) * (2 if mode == "classic" else 1), "429 is not logged"


def test_slot_is_free_before_the_answer_is(watchdog, mode):
    """A client that calls again when it has its answer is never too early."""
    w = watchdog("true", mode=mode, max_inflight="1")
    assert {w.call().status for _ in range(200)} == {200}


def test_connection_is_kept_after_429(watchdog, gate, mode):
    w = watchdog("steps say wait out:done", mode=mode, max_inflight="1", **gate.env)
    with w.connect() as busy, w.connect() as c:
        busy.request()
        gate.started()
        for _ in range(3):
            assert_limited(c.call("POST", body=b"x" * 1000), 1)
        gate.open(2)
        assert busy.answer().body == b"done"
        eventually(lambda: (a := c.call()).status == 200 and a.body == b"done", "the slot is free")


@pytest.mark.parametrize("value", ["0", None])
def test_no_limit(watchdog, gate, mode, value):
    w = watchdog("steps say wait", mode=mode, max_inflight=value, **gate.env)
    busy = [w.connect() for _ in range(30)]
    for c in busy:
        c.request()
    for _ in busy:
        gate.started()
    gate.open(len(busy))
    for c in busy:
        assert c.answer().status == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_limit_comes_before_405_in_classic(watchdog, gate, method):
    w = watchdog("steps say wait", max_inflight="1", **gate.env)
    with w.connect() as busy:
        busy.request()
        gate.started()
        assert_limited(w.call(method), 1, method)
        gate.open()
        assert busy.answer().status == 200
    eventually(lambda: w.call(method).status == 405, "the slot is free")


def test_slot_comes_back_after_each_way_to_end(watchdog, gate, mode):
    """Failures, timeouts, bad bodies, clients that leave: none of them may cost a slot for ever."""
    w = watchdog("steps take:1 say wait out:done", mode=mode, max_inflight="1", exec_timeout="1s", **gate.env)

    def passes():
        gate.open()
        a = w.call("POST", body=b"1")
        return (a.status, a.body) == (200, b"done")

    def exec_timeout():
        assert w.call("POST", body=b"1").status != 200

    def bad_body():
        with w.connect() as c:
            c.send(request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"1\r\n1\r\nzz\r\n")
            assert c.answer().status == 400

    def short_body():
        with w.connect() as c:
            c.send(request_bytes("POST", fields=[("Content-Length", "9")]) + b"1")
            gate.started()
            c.half_close()
            assert c.answer().status == 400

    def client_leaves():
        with w.connect() as c:
            c.request("POST", body=b"1")
            gate.started()
            c.reset()

    for way in (exec_timeout, bad_body, short_body, client_leaves):
        way()
        w.wait_no_processes()
        eventually(passes, f"the slot is free after {way.__name__}")
        gate.reset()


def test_slot_is_held_while_output_is_awaited(watchdog, gate):
    """A background process with stdout keeps the call, and so its slot, until output_grace is over."""
    w = watchdog("steps hold out:done", max_inflight="1", output_grace="600s", exec_timeout="2s", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        assert_limited(w.call(), 1)
        gate.open()
        assert c.answer().body == b"done"
