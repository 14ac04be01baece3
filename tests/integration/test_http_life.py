"""
mode=http: the function as a process. It is started first, calls wait until it listens, and when it ends
the watchdog ends with it, with its status, or starts it again.
"""

import os
import re
import signal
import time

import pytest

from harness import PATIENCE, SLOW, eventually, wait_gone
from http_client import assert_answer, assert_failure, request_bytes
from life import Life

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}

STREAM = [("Accept", "text/event-stream")]


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


def pid_of(w):
    """The function's process id, by its own answer."""
    a = w.call("GET", "/")
    assert a.status == 200, a
    return int(a.body)


def is_ready(w):
    return w.call("GET", "/_/ready").status == 200


# --- start ------------------------------------------------------------------------------------------------------------


def test_starts_before_the_port_is_bound(life):
    w = life.start("say", "wait")
    life.gate.started()
    lines = w.messages()
    begin = next(i for i, m in enumerate(lines) if m.startswith("Forking: "))
    assert begin < lines.index(f"Listening on port: {w.port}")
    life.gate.open()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_early_calls_are_held(life, workers):
    w = life.start("say", "wait", workers=workers)
    pid = life.gate.started()
    with w.connect() as a, w.connect() as b, w.connect() as c, w.connect() as probe:
        a.request("GET", "/")
        b.request("POST", "/print/1", body=b"x" * 100_000 + b"\n")
        c.request("GET", "/status/200", fields=STREAM)
        assert_answer(probe.call("GET", "/_/ready"), 503, b"the function is starting\n", PLAIN)
        assert probe.call("GET", "/_/health").status == 200, "it is on its way"
        life.gate.open()
        assert a.answer().body == str(pid).encode()
        assert b.answer().body == b"printed"
        assert c.answer().body == b"200"
        eventually(lambda: is_ready(w), "it is ready")
    w.wait_for_log("^GET /status/200 - 200 - Bytes: 3B ")
    assert not [m for m in w.messages() if "error" in m]


@pytest.mark.parametrize("status", [0, 7])
def test_function_that_ends_before_it_listens(life, status):
    """Nobody waits any longer."""
    w = life.start("say", "wait", f"exit:{status}")
    life.gate.started()
    with w.connect() as c, w.connect() as d:
        c.request("POST", "/held", body=b"hello")
        d.request("GET", "/held", fields=STREAM)
        eventually(lambda: w.call("GET", "/_/health").status == 200, "the calls have arrived")
        life.gate.open()
        for held in (c, d):
            assert_failure(held.answer(), 502)
    w.ended(status)
    assert f"Forked function has terminated: exit status {status}" in w.messages()


@pytest.fixture
def unstartable(scratch):
    """Programs that are none, and what the system says about them."""
    (scratch / "text").write_text("just text\n")
    (scratch / "script").write_text("#!/nowhere/interpreter\n")
    (scratch / "script").chmod(0o755)
    (scratch / "folder").mkdir()
    return {
        "nothing": (str(scratch / "nothing"), "no such file or directory"),
        "no-name": ("no-such-program-anywhere", r"executable file not found in \$PATH"),
        "folder": (str(scratch / "folder"), "(permission denied|is a directory)"),
        "text": (str(scratch / "text"), "permission denied"),
        "script": (str(scratch / "script"), "no such file or directory"),
    }


@pytest.mark.parametrize("kind", ["nothing", "no-name", "folder", "text", "script"])
def test_function_that_cannot_be_started(fwatchdog, unstartable, scratch, kind):
    """There is nothing to wait for: the program does not even listen, and says why."""
    program, reason = unstartable[kind]
    ended = fwatchdog(mode="http", fprocess=f"{program} a b", http_upstream_url="http://127.0.0.1:1", port="0")
    assert ended.status == 1
    assert re.search(rf"{re.escape(program)}\b.*: {reason}$", ended.stderr, re.M), ended
    assert "Listening" not in ended.stderr
    assert os.listdir(scratch / "tmp") == [], "no lock file"


def test_port_that_is_taken(life, taken_port):
    """The function has been started by then, and is ended."""
    w = life.watchdog(life.command("say", "wait"), mode="http", http_upstream_url=f"http://127.0.0.1:{life.port}",
                      port=taken_port, ready=False, **life.gate.env)  # fmt: skip
    w.ended(status=1)
    assert w.wait_for_log(f"^Error: .*{taken_port}.*address already in use")


# --- ready_path -------------------------------------------------------------------------------------------------------


def test_ready_path_asks_the_function_once_it_listens(life):
    w = life.start("say", "wait", ready_path="/status/218")
    life.gate.started()
    with w.connect() as c:
        assert_answer(c.call("GET", "/_/ready"), 503, b"the function is starting\n", PLAIN)
        life.gate.open()
        eventually(lambda: w.call("GET", "/_/ready").status != 503, "the function listens")
        a = c.call("GET", "/_/ready")
        assert (a.status, a.body) == (218, b"218")


def test_ready_path_that_says_no(life):
    w = life.start(ready_path="/status/503")
    eventually(lambda: w.call("GET", "/_/ready").body == b"503", "the function listens")
    assert w.call("GET", "/status/200").status == 200, "calls are not kept away from it"


def test_not_ready_while_full(life):
    w = life.start(max_inflight="1", ready_path="/status/200")
    eventually(lambda: is_ready(w), "it is ready")
    with w.connect() as c:
        c.request("GET", "/wait")
        assert life.gate.word() == "call"
        assert w.call("GET", "/_/ready").status == 429
        life.gate.open()
        assert c.answer().body == b"done"
    eventually(lambda: is_ready(w), "it is ready again")


def test_ready_path_takes_a_place(life):
    w = life.start(max_inflight="1", max_queue="1", ready_path="/wait")
    with w.connect() as probe, w.connect() as c:
        life.gate.open()
        eventually(lambda: is_ready(w), "it is ready")
        assert [life.gate.word(), life.gate.word()] == ["call", "answered"]
        probe.request("GET", "/_/ready")
        assert life.gate.word() == "call"
        c.request("GET", "/status/201")
        a = w.call("GET", "/_/ready")
        assert (a.status, a.body, a.value("Retry-After")) == (429, b"max_inflight 1 reached\n", "1")
        life.gate.open()
        assert probe.answer().body == b"done"
        assert c.answer().status == 201, "it has waited for the place"


def test_not_ready_says_why(life):
    """Whether it waits for the next start or is in it: it is not there, and the watchdog is healthy."""
    w = life.start("say", "exit:3", restart="always")
    for _ in range(4):
        life.gate.started()
        a = w.call("GET", "/_/ready")
        why = (b"the function is starting\n", b"the function has ended\n")
        assert a.body in why, a
        assert_answer(a, 503, a.body, PLAIN)
        assert w.call("GET", "/_/health").status == 200


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_ready_path_runs_a_forking_function(watchdog, mode):
    w = watchdog("env", mode=mode, ready_path="/are/you?there=1")
    a = w.call("GET", "/_/ready", fields=[("X-Probe", "yes")])
    lines = a.body.decode().splitlines()
    assert a.status == 200
    for line in ("Http_Path=/are/you", "Http_Query=there=1", "Http_Method=GET", "Http_X_Probe=yes"):
        assert line in lines


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_forking_function_can_say_no(watchdog, mode):
    """flaw 7: a readiness that can never fail is none."""
    w = watchdog("steps exit:1", mode=mode, ready_path="/ready")
    assert w.call("GET", "/_/ready").status == 500


# --- end --------------------------------------------------------------------------------------------------------------

ENDS = pytest.mark.parametrize(
    "number, status, text",
    [
        (0, 0, "exit status 0"),
        (3, 3, "exit status 3"),
        (255, 255, "exit status 255"),
        (-signal.SIGTERM, 143, "signal: terminated"),
        (-signal.SIGKILL, 137, "signal: killed"),
        (-signal.SIGHUP, 129, "signal: hangup"),
        (-signal.SIGUSR1, 138, "signal: user defined signal 1"),
    ],
    ids=["0", "3", "255", "SIGTERM", "SIGKILL", "SIGHUP", "SIGUSR1"],
)


@ENDS
def test_watchdog_ends_with_its_function(life, number, status, text):
    """Calls get their 502 first. The end with status 0 counts, too: a dead function must not look alive."""
    w = life.start()
    lock = w.lock
    with w.connect() as waits, w.connect() as half, w.connect() as idle:
        assert idle.call("GET", "/status/200").status == 200
        waits.request("POST", "/wait", body=b"x")
        assert life.gate.word() == "call"
        half.request("GET", "/half")
        a = half.begin()
        assert life.gate.word() == "half"
        life.end(w, number)
        assert_failure(waits.answer(), 502)
        assert half.rest(a).cut and a.body == b"x" * 10
        idle.assert_closed()
    w.ended(status)
    assert not lock.exists()
    lines = w.messages()
    told = lines.index(f"Forked function has terminated: {text}")
    assert [m for m in lines[told:] if not re.match(r"(GET|POST) |Upstream |Error copying ", m)] == [
        f"Forked function has terminated: {text}",
        f"Removing lock-file : {lock}",
        next(m for m in lines if re.fullmatch(r"No new connections allowed, draining: \d requests", m)),
        "Exiting. Active connections: 0",
    ]
    assert len([m for m in lines if m.startswith("POST /wait - 502 Bad Gateway - ")]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_idle_function_that_is_killed(life, number):
    w = life.start("say")
    pid = life.gate.started()
    eventually(lambda: is_ready(w), "it is ready")
    began = time.monotonic()
    os.kill(pid, number)
    w.ended(128 + number)
    assert time.monotonic() - began < 5 * SLOW


def test_upload_that_nobody_will_read(life):
    """It does not delay the end, and is told of it."""
    w = life.start("say")
    pid = life.gate.started()
    eventually(lambda: is_ready(w), "it is ready")
    with w.connect() as c:
        c.send(request_bytes("POST", "/print/1", fields=[("Content-Length", "1000000")]) + b"x" * 1000)
        eventually(lambda: len(w.open_connections()) >= 2, "it is on its way to the function")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        assert_failure(c.answer(), 502)
        w.ended(137)
    assert time.monotonic() - began < 5 * SLOW


def test_group_of_a_function_that_has_ended(life):
    """What it left behind is ended as well."""
    w = life.start()
    assert w.call("GET", "/hold").body == b"held"
    assert w.call("GET", "/hold-stubborn").body == b"held"
    others = [life.gate.started(), life.gate.started()]
    life.end(w, 3)
    w.ended(3)
    for pid in others:
        wait_gone(pid)


def test_function_that_closes_its_streams_is_alive(watchdog, upstream, gate):
    """Its end is the end of the process, not that of its output."""
    upstream.serve(lambda link: link.answer(link.request().body))
    w = watchdog("steps close-out close-err say wait exit:3", mode="http", http_upstream_url=upstream.url, **gate.env)
    gate.started()
    for _ in range(3):
        assert w.call("POST", body=b"x").body == b"x"
    gate.open()
    w.ended(3)


# --- restart ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "restart, number, again",
    [
        ("never", 3, False),
        ("on-failure", 0, False),
        ("on-failure", 3, True),
        ("on-failure", -signal.SIGKILL, True),
        ("on-failure", -signal.SIGTERM, True),
        ("always", 0, True),
        ("always", 3, True),
        ("always", -signal.SIGKILL, True),
    ],
)
def test_restart(life, restart, number, again):
    w = life.start(restart=restart)
    first = pid_of(w)
    life.end(w, number)
    if not again:
        w.ended(number)
        return
    assert pid_of(w) != first
    w.wait_for_log("^Starting the function again in 100ms$")
    assert w.lock.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_calls_are_held_during_a_restart(life, workers):
    w = life.start("say", "wait", restart="on-failure", workers=workers)
    with w.connect() as a, w.connect() as b, w.connect() as in_flight, w.connect() as probe:
        life.gate.started()
        life.gate.open()
        in_flight.request("GET", "/wait")
        assert life.gate.word() == "call"
        life.end(w, 3)
        assert_failure(in_flight.answer(), 502)
        pid = life.gate.started()
        a.request("POST", "/", body=b"hello")
        b.request("GET", "/", fields=STREAM)
        assert_answer(probe.call("GET", "/_/ready"), 503, b"the function is starting\n", PLAIN)
        assert probe.call("GET", "/_/health").status == 200
        life.gate.open()
        for held in (a, b):
            answer = held.answer()
            assert (answer.status, answer.body) == (200, str(pid).encode())
        eventually(lambda: is_ready(w), "it is ready again")


def test_calls_wait_for_a_restart_no_longer_than_exec_timeout(life):
    w = life.start("say", "wait", "exit:3", restart="always", exec_timeout="300ms")
    life.gate.started()
    with w.connect() as c:
        assert_failure(c.call("GET", "/"), 503, "exec_timeout", "300ms")
        life.gate.open()
        life.gate.started()
        assert_failure(c.call("GET", "/"), 503, "exec_timeout", "300ms")


def test_back_off_doubles(life):
    began = time.monotonic()
    w = life.start(fprocess="steps exit:3", restart="on-failure")
    w.wait_for_log("^Starting the function again in 800ms$")
    assert time.monotonic() - began >= 0.7
    lines = [m for m in w.messages() if "unction" in m and not m.startswith("Started logging")]
    told = "Forked function has terminated: exit status 3"
    again = "Starting the function again in "
    assert lines[:8] == [told, again + "100ms", told, again + "200ms", told, again + "400ms", told, again + "800ms"]
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * SLOW, "a pause is no reason to wait"


def test_program_that_has_gone_and_comes_back(life, scratch):
    program = scratch / "function"
    text = f"#!/bin/sh\nexec {life.command()}\n"

    def write():
        new = scratch / "new"
        new.write_text(text)
        new.chmod(0o755)
        new.rename(program)

    write()
    w = life.start(fprocess=str(program), restart="always")
    first = pid_of(w)
    program.unlink()
    life.end(w, 0)
    w.wait_for_log(f"^Forked function cannot be started: .*{program}: no such file or directory$")
    with w.connect() as c:
        c.request("GET", "/")
        write()
        a = c.answer()
        assert a.status == 200 and int(a.body) != first


def test_group_is_ended_before_a_restart(life):
    w = life.start(restart="always")
    for path in ("/hold", "/hold-stubborn"):
        assert w.call("GET", path).body == b"held"
        other = life.gate.started()
        life.end(w, 0)
        pid_of(w)
        wait_gone(other)


def test_many_restarts_keep_nothing(life):
    """No descriptor, no zombie; and a good run is no condition for the next start."""
    w = life.start(restart="always")

    def work():
        first = pid_of(w)
        life.end(w, 0)
        assert pid_of(w) != first
        eventually(lambda: is_ready(w), "it is ready")

    work()
    before = w.descriptors()
    for _ in range(3):
        work()
    eventually(lambda: not w.zombies(), "no zombie")
    eventually(lambda: len(w.descriptors()) <= len(before), "no descriptor more", timeout=PATIENCE)
