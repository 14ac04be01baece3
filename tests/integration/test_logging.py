"""The log: what the watchdog writes about calls, and what functions write to stderr."""

import fcntl
import os
import re
import signal
import struct
import termios
import time

import pytest

from harness import SHUTDOWN, STAMP, Lines, eventually, free_port

SECONDS = r"\(\d+\.\d{4}s\)"


@pytest.fixture(params=["streaming", "serializing"])
def other(request):
    return request.param


def test_every_line_has_its_time(watchdog, mode):
    w = watchdog("steps errline:x in", mode=mode)
    w.call("POST", body=b"x")
    w.call("POST", body=b"x")
    w.stop()
    assert len(w.raw_lines()) > 8
    assert all(STAMP.match(line) for line in w.raw_lines()), w.raw_lines()


# --- request lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "0B"), (1, "1B"), (999, "999B"), (1000, "1kB"), (1001, "1.001kB"), (12_345, "12.35kB"),
        (262_144, "262.1kB"), (999_900, "999.9kB"), (999_950, "1000kB"), (1_000_000, "1MB"), (1_048_576, "1.049MB"),
    ],
)  # fmt: skip
def test_size(watchdog, other, size, text):
    w = watchdog(f"head -c {size} /dev/zero", mode=other)
    assert len(w.call().body) == size
    w.wait_for_log(rf"^GET / - 200 - ContentLength: {re.escape(text)} {SECONDS}$")


@pytest.mark.parametrize(
    "target, logged",
    [
        ("/", "/"),
        ("/a/b?c=d&e#f", "/a/b?c=d&e#f"),
        ("/a%20b?%zz", "/a%20b?%zz"),
        ("http://other:81/p?q", "http://other:81/p?q"),
        ("//a/../b", "//a/../b"),
        ("/a%0aFAKE", "/a%0aFAKE"),
        ("/%s%n%d", None),
    ],
)
def test_uri_is_the_raw_target(watchdog, other, target, logged):
    w = watchdog("true", mode=other)
    if logged is None:  # bad escapes never become a call
        assert w.call("GET", target).status == 400
        return
    w.call("GET", target)
    w.wait_for_log(rf"^GET {re.escape(logged)} - 200 - ContentLength: 0B {SECONDS}$")


def test_flaw_52_odd_bytes_in_a_target_are_escaped(watchdog, other):
    w = watchdog("true", mode=other)
    w.call("GET", "/\u009b31m\u0085?\u00ff")
    w.wait_for_log(rf"^GET /\\x9b31m\\x85\?\\xff - 200 - ContentLength: 0B {SECONDS}$")


def test_one_line_per_call(watchdog, other):
    w = watchdog("cat", mode=other)
    with w.connect() as c:
        for i in range(20):
            c.call("POST", f"/{i}", body=b"x")
    w.wait_for_log("^POST /19 ")
    assert [m.split(" ")[1] for m in w.call_messages()] == [f"/{i}" for i in range(20)]


@pytest.mark.parametrize("agent", ["kube-probe/1.27", "kube-probe", "kube-probes/x"])
def test_kube_probe_is_not_logged(watchdog, other, agent):
    w = watchdog("steps errline:noise out:x", mode=other)
    w.call("GET", "/probe", fields=[("User-Agent", agent)])
    w.call("GET", "/person")
    w.wait_for_log("^GET /person - 200 ")
    w.wait_for_log("^stderr: noise$", count=2)
    assert not [m for m in w.messages() if "/probe" in m]


@pytest.mark.parametrize("agent", ["Kube-Probe/1.27", "x kube-probe", "curl/8"])
def test_others_are_logged(watchdog, other, agent):
    w = watchdog("true", mode=other)
    w.call("GET", "/x", fields=[("User-Agent", agent)])
    w.wait_for_log("^GET /x - 200 ")


def test_errors_of_kube_probe_are_logged(watchdog, other):
    w = watchdog("steps exit:3", mode=other)
    w.call("GET", "/probe", fields=[("User-Agent", "kube-probe/1.27")])
    w.wait_for_log("^exit status 3$")
    assert not [m for m in w.messages() if "/probe" in m]


def test_client_that_left_is_logged_as_499(watchdog, gate, other):
    w = watchdog("steps say wait", mode=other, **gate.env)
    c = w.connect()
    c.request("GET", "/left")
    gate.started()
    c.reset()
    w.wait_for_log(rf"^GET /left - 499 - ContentLength: 0B {SECONDS}$")


def test_405_and_health_are_not_logged(watchdog):
    w = watchdog("cat")
    w.call("OPTIONS")
    w.call("GET", "/_/health")
    w.call("POST", body=b"x")
    assert len(w.stop_and_read()) == 2


# --- stderr of functions ----------------------------------------------------------------------------------------------


def logged_by(watchdog, mode, data, **settings):
    """What is logged when a function writes `data` to stderr, from its first byte to the request line."""
    w = watchdog("tee /dev/stderr", mode=mode, **settings)
    assert w.call("POST", body=data).status == 200
    w.wait_for_log("^POST / - 200 ")
    w.stop()
    lines = w.err.data.split(b"Writing lock-file to: ")[1].split(b"\n")[1:-1]
    ours = re.compile(STAMP.pattern.encode() + rb"(POST / - 200 |" + SHUTDOWN.pattern.encode() + b")")
    return [line for line in lines if not ours.match(line)]


@pytest.mark.parametrize(
    "data, lines",
    [
        (b"one\n", [b"one"]),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"no newline", [b"no newline"]),
        (b"one\nno newline", [b"one", b"no newline"]),
        (b"\n\nx\n", [b"", b"", b"x"]),
        (b"dos\r\nunix\n", [b"dos", b"unix"]),
        (b"  blanks\t \n", [b"  blanks\t "]),
        (b"\0nul\xff\xfe\x1b[31m\n", [b"\0nul\xff\xfe\x1b[31m"]),
        ("é 世\n".encode(), ["é 世".encode()]),
        (b"x" * 65535 + b"\n", [b"x" * 65535]),
    ],
    ids=["one", "two", "no-newline", "then-no-newline", "empty", "cr", "blanks", "bytes", "utf-8", "longest"],
)
def test_lines_of_stderr(watchdog, other, data, lines):
    got = logged_by(watchdog, other, data)
    assert len(got) == len(lines), got
    for line, wanted in zip(got, lines):
        assert STAMP.match(line.decode("latin-1")) and line[20:] == b"stderr: " + wanted


def test_prefix_logs_off(watchdog, other):
    assert logged_by(watchdog, other, b"one\n\ntwo", prefix_logs="false") == [b"one", b"", b"two"]


@pytest.mark.parametrize("size", [16, 1000, 65536])
def test_flaw_22_longer_lines_are_cut_in_pieces(watchdog, other, size):
    data = bytes(range(0x30, 0x7A)) * 3000
    got = logged_by(watchdog, other, data + b"\nshort\n", log_buffer_size=size, prefix_logs="false")
    assert b"".join(got) == data + b"short"
    assert got[-1] == b"short"
    assert max(map(len, got)) <= size
    assert len(got) <= len(data) // (size - 1) + 3


@pytest.mark.parametrize("size", ["-1", "0", "65536", None])
def test_flaw_22_log_buffer_size_never_loses_output(watchdog, other, size):
    """0 and negative values have had special meanings that lost lines."""
    data = b"".join(b"%d " % i for i in range(60_000))
    got = logged_by(watchdog, other, data + b"\nend", log_buffer_size=size, prefix_logs="false")
    assert b"".join(got) == data + b"end"
    assert got[-1] == b"end"


def test_unlimited_lines_stay_whole(watchdog, other):
    data = b"x" * 500_000
    assert logged_by(watchdog, other, data + b"\n", log_buffer_size="-1", prefix_logs="false") == [data]


def test_flaw_31_no_line_of_stderr_is_lost(watchdog, other):
    """A function that writes one line and is gone at once, many times."""
    w = watchdog("steps errline:hello", mode=other)
    calls = 60
    with w.connect() as c:
        for _ in range(calls):
            assert c.call().status == 200
    eventually(lambda: w.messages().count("stderr: hello") == calls, "all lines are there")


def test_flaw_31_lines_before_a_crash_are_there(watchdog, other):
    w = watchdog("steps errline:last-words kill:KILL", mode=other)
    w.call()
    w.wait_for_log("^stderr: last-words$")


def test_stdout_of_a_function_is_not_logged(watchdog, other):
    w = watchdog("steps in errline:public", mode=other)
    assert w.call("POST", body=b"secret\n").body == b"secret\n"
    w.wait_for_log("^stderr: public$")
    w.stop()
    assert "secret" not in w.err.text() + w.stdout()


def test_classic_logs_long_stderr_after_exit(watchdog):
    w = watchdog("steps errbytes:300000 out:x", combine_output="false")
    assert w.call().body == b"x"
    eventually(lambda: w.err.text().count("x") >= 300_000, "all of it is logged")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(watchdog, mode, closed):
    """It serves without them, and no socket of its own takes their place."""
    w = watchdog("cat", mode=mode, port=free_port(), wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"], ready=False)
    w.wait_until_connectable()
    for _ in range(3):
        assert w.call("POST", body=b"x").body == b"x"


def test_nobody_reads_the_log(watchdog, mode):
    """stderr is a full pipe that nobody empties: calls go on all the same."""
    r, wr = os.pipe()
    os.set_blocking(wr, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(wr, b"x" * 4096)
    os.set_blocking(wr, True)
    w = watchdog("steps errbytes:10000 in", mode=mode, port=free_port(), combine_output="false",
                 popen={"stderr": wr}, ready=False)  # fmt: skip
    os.close(wr)
    w.wait_until_connectable()
    for _ in range(5):
        assert w.call("POST", body=b"x").body == b"x"
    w.stop()
    os.close(r)


@pytest.mark.parametrize("attempt", range(5))
def test_lines_of_the_shutdown_wait_for_a_slow_reader(watchdog, attempt):
    """The pipe is full of a function's lines when the signal comes, and is read a little later."""
    del attempt  # several, as it depends on which thread finds room first
    r, wr = os.pipe()
    w = watchdog("steps errbytes:200000 out:done", mode="streaming", port=free_port(), exec_timeout="60s",
                 popen={"stderr": wr}, ready=False)  # fmt: skip
    os.close(wr)
    w.wait_until_connectable()
    with w.connect() as c:
        c.request()
        eventually(lambda: waiting_in(r) > 60_000, "the pipe is full")
        w.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        w.err = Lines(os.fdopen(r, "rb"))
        assert c.answer().body == b"done"
    w.ended()
    lines = [re.sub(r"draining: [01] ", "draining: N ", m) for m in w.messages() if SHUTDOWN.match(m)]
    assert lines == [
        "SIGTERM: no new connections in 0s",
        f"Removing lock-file : {w.lock}",
        "No new connections allowed, draining: N requests",
        "Exiting. Active connections: 0",
    ]


def waiting_in(pipe):
    """How many bytes a pipe holds."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
