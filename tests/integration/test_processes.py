"""Functions that behave badly, and many at once: the answer comes, and nothing of them is left."""

import os
import select
import signal
import threading
import time

import pytest

from harness import PATIENCE, SLOW, eventually, is_running, wait_gone
from http_client import request_bytes

KILLED = {"classic": 408, "streaming": 504, "serializing": 500}


def best_of(attempts, measure):
    """The smallest of some measurements: a busy machine can only add to what the program needs."""
    return min(measure() for _ in range(attempts))


# --- stdin ------------------------------------------------------------------------------------------------------------


def test_function_that_never_reads_stdin(watchdog, gate, mode):
    w = watchdog("steps say wait out:done", mode=mode, **gate.env)
    with w.connect() as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": b"x" * 5_000_000})
        sender.start()
        gate.started()
        gate.open()
        a = c.answer()
        sender.join(PATIENCE)
        assert (a.status, a.body) == (200, b"done")


def test_function_that_exits_before_reading(watchdog, mode):
    w = watchdog("true", mode=mode)
    with w.connect() as c:
        for size in (0, 1, 60_000, 70_000, 200_000):
            a = c.call("POST", body=b"x" * size)
            assert (a.status, a.body) == (200, b"")


def test_function_that_closes_stdin(watchdog, mode):
    w = watchdog("steps close-in out:done", mode=mode)
    for _ in range(5):
        assert w.call("POST", body=b"x" * 200_000).body == b"done"


def test_function_that_reads_slower_than_the_client_writes(watchdog, gate, mode):
    w = watchdog("steps say wait in", mode=mode, **gate.env)
    body = os.urandom(3_000_000)
    with w.connect() as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": body})
        sender.start()
        gate.started()
        gate.open()
        assert c.answer().body == body
        sender.join(PATIENCE)


# --- stdout -----------------------------------------------------------------------------------------------------------


def test_function_that_closes_stdout_and_lingers(watchdog, gate, mode):
    """The end of its output is not the end of the call: its exit status decides."""
    w = watchdog("steps out:hello close-out close-err say wait", mode=mode, **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        assert is_running(pid)
        gate.open()
        a = c.answer()
    assert (a.status, a.body) == (200, b"hello")
    wait_gone(pid)


def test_function_that_closes_stdout_and_lingers_past_its_time(watchdog, gate, mode):
    w = watchdog("steps close-out close-err say wait", mode=mode, exec_timeout="300ms", **gate.env)
    assert w.call().status == KILLED[mode]
    wait_gone(gate.started())


def test_function_that_closes_stdout_and_fails(watchdog, mode):
    w = watchdog("steps close-out close-err exit:3", mode=mode)
    a = w.call()
    assert (a.status, a.body.rstrip(b"\n")) == (500, b"exit status 3")


def test_binary_output(watchdog, mode):
    body = bytes(range(256)) * 100 + os.urandom(50_000)
    assert watchdog("cat", mode=mode).call("POST", body=body).body == body


@pytest.mark.parametrize("size", [65535, 65536, 65537, 262143, 262144, 262145, 1_000_003])
def test_output_around_the_sizes_of_buffers(watchdog, mode, size):
    body = os.urandom(size)
    with watchdog("cat", mode=mode).connect() as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": body})
        sender.start()
        assert c.answer().body == body
        sender.join(PATIENCE)


# --- children of functions --------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_flaw_23_answer_at_the_deadline_though_a_grandchild_holds_stdout(watchdog, gate, mode):
    w = watchdog("steps hold ignore-term say wait", mode=mode, exec_timeout="400ms", kill_grace="200ms", **gate.env)

    def lateness():
        began = time.monotonic()
        a = w.call()
        assert a.status == KILLED[mode]
        for _ in range(2):
            wait_gone(gate.started())
        return a.end_at - began - 0.4

    assert best_of(3, lateness) < 0.1 * SLOW
    w.wait_no_processes()


def test_flaw_23_whole_group_is_killed_when_it_ignores_term(watchdog, gate, mode):
    w = watchdog("steps ignore-term hold hold hold say wait", mode=mode, exec_timeout="300ms", kill_grace="100ms",
                 **gate.env)  # fmt: skip
    assert w.call().status == KILLED[mode]
    for _ in range(4):
        wait_gone(gate.started())


@pytest.mark.parametrize("hold", ["hold", "hold-daemon"])
def test_flaw_24_finished_call_does_not_wait_for_a_background_child(watchdog, gate, mode, hold):
    w = watchdog(f"steps {hold} out:done", mode=mode, output_grace="300ms", exec_timeout="600s", **gate.env)
    began = time.monotonic()
    a = w.call()
    assert (a.status, a.body) == (200, b"done")
    assert a.end_at - began < 5 * SLOW
    pid = gate.started()
    assert is_running(pid), "a child of a call that ended well is left alone"
    gate.open()
    wait_gone(pid)


def test_background_child_without_stdout_delays_nothing(watchdog, gate, mode):
    w = watchdog("steps daemon out:done", mode=mode, output_grace="600s", exec_timeout="600s", **gate.env)
    assert w.call().body == b"done"
    pid = gate.started()
    assert is_running(pid)
    gate.open()
    wait_gone(pid)


def test_output_of_a_background_child_within_the_grace(watchdog, gate, mode):
    """It counts as long as the call waits for it."""
    w = watchdog("steps hold out:done", mode=mode, output_grace="600s", exec_timeout="600s", **gate.env)
    with w.connect() as c:
        c.request()
        pid = gate.started()
        assert is_running(pid)
        gate.open()
        assert c.answer().body == b"done"


def test_no_zombies_after_many_calls(watchdog, mode):
    w = watchdog("steps in", mode=mode)
    with w.connect() as c:
        for _ in range(30):
            c.call("POST", body=b"x")
    w.wait_no_processes()


# --- stderr -----------------------------------------------------------------------------------------------------------


def test_flaw_22_a_line_of_1_mb_on_stderr(watchdog, mode):
    """The function is never held up by its own log."""
    w = watchdog("steps errbytes:1048576 out:done errline:end", mode=mode, combine_output="false", exec_timeout="60s")
    for _ in range(2):
        a = w.call()
        assert (a.status, a.body) == (200, b"done")
    eventually(lambda: w.err.text().count("x") >= 2 * 1048576, "all of it is in the log")


def test_stdout_goes_on_while_stderr_is_flooded(watchdog, mode):
    w = watchdog("tee /dev/stderr", mode=mode, combine_output="false", prefix_logs="false")
    body = (b"a line of 40 bytes for the log to carry\n") * 50_000
    with w.connect() as c:
        sender = threading.Thread(target=c.request, args=("POST",), kwargs={"body": body})
        sender.start()
        assert c.answer().body == body
        sender.join(PATIENCE)


# --- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_in_its_body(watchdog, gate, scratch, mode, how):
    done = scratch / "done"
    w = watchdog(f"steps say eat mark:{done}", mode=mode, workers="1", exec_timeout="600s", **gate.env)

    def leave():
        with w.connect() as c:
            c.send(request_bytes("POST", fields=[("Content-Length", "1000000")]) + b"x" * 100_000)
            pid = gate.started()
            getattr(c, how)()
        wait_gone(pid)

    w.assert_keeps_no_descriptor(leave, 10)
    assert not done.exists(), "the function took a part of the body for the whole"


def test_client_that_leaves_in_its_answer(watchdog, mode):
    w = watchdog("steps outbytes:50000000", mode=mode, workers="1")

    def leave():
        with w.connect(receive_buffer=65536) as c:
            c.request()
            next(c.begin().stream)
            c.reset()

    w.assert_keeps_no_descriptor(leave, 3)


def test_flaw_30_bad_bodies_leak_no_descriptor(watchdog, mode):
    w = watchdog("cat", mode=mode, workers="1")
    bad = request_bytes("POST", fields=[("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\nzz\r\n"

    def send_bad():
        with w.connect() as c:
            c.send(bad)
            c.raw_until_close()

    w.assert_keeps_no_descriptor(send_bad, 100)


def test_missing_program_leaks_no_descriptor(watchdog, mode):
    w = watchdog("/no/such/program", mode=mode, workers="1")

    def call():
        assert w.call("POST", body=b"x" * 1000).status == 500

    w.assert_keeps_no_descriptor(call, 50)


def test_timeouts_leak_no_descriptor(watchdog, gate, mode):
    w = watchdog("steps hold say wait", mode=mode, workers="1", exec_timeout="50ms", **gate.env)

    def call():
        assert w.call("POST", body=b"x" * 1000).status == KILLED[mode]

    w.assert_keeps_no_descriptor(call, 10)


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_500_calls_in_flight_at_once(watchdog, gate, mode):
    w = watchdog("steps say wait in", mode=mode, workers="2", exec_timeout="600s", write_timeout="600s", **gate.env)

    def calls_at_once(n):
        connections = [w.connect() for _ in range(n)]
        for i, c in enumerate(connections):
            c.request("POST", body=b"call %d" % i)
        assert len({gate.started(PATIENCE * 3) for _ in connections}) == n
        assert w.call("GET", "/_/health").status == 200
        gate.open(n)
        for i, c in enumerate(connections):
            a = c.answer()
            assert (a.status, a.body) == (200, b"call %d" % i)
            c.close()
        w.wait_no_processes()
        return w.idle_descriptors()

    few = calls_at_once(20)
    assert calls_at_once(500) == few


def test_calls_from_many_clients(watchdog, mode):
    w = watchdog("cat", mode=mode)
    wrong = []

    def client(n):
        with w.connect() as c:
            for i in range(25):
                body = b"%d/%d " % (n, i) * (1 + 37 * i)
                if c.call("POST", body=body).body != body:
                    wrong.append((n, i))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE * 3)
        assert not t.is_alive()
    assert wrong == []


def test_calls_are_spread_over_the_workers(watchdog, gate):
    """One that is busy sending does not keep the others from being served."""
    w = watchdog("steps say wait out:done", workers="2", **gate.env)
    connections = [w.connect() for _ in range(20)]
    for c in connections:
        c.request()
    for _ in connections:
        gate.started()
    gate.open(20)
    for c in connections:
        assert c.answer().body == b"done"


def test_few_descriptors_are_survived(watchdog, gate):
    """Above its limit of open files it refuses or delays calls, and works again when they are over."""
    w = watchdog("steps say wait out:done", wrapper=["prlimit", "--nofile=64:64"], **gate.env)
    connections = [w.connect() for _ in range(60)]
    for c in connections:
        c.request()
    events = [gate.started_pipe.fd, *(c.socket for c in connections)]
    assert select.select(events, [], [], PATIENCE)[0], "nothing happens at all"
    for c in connections:
        c.reset()
    w.wait_no_processes()
    gate.reset()

    def works():
        gate.open(100)  # what was still waiting to be accepted may take some
        a = w.call()
        return (a.status, a.body) == (200, b"done")

    eventually(works, "it works again")


def test_watchdog_that_is_killed_leaves_functions_that_see_it(watchdog, gate):
    """SIGKILL cannot be answered; at least a reading function sees the end of its input."""
    w = watchdog("steps say eat", **gate.env)
    c = w.connect()
    c.send(request_bytes("POST", fields=[("Content-Length", "10")]) + b"1")
    pid = gate.started()
    w.send_signal(signal.SIGKILL)
    wait_gone(pid)
    w.process.wait()
    w.lock.unlink()
    w.over = True
