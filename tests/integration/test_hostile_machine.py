"""A machine that fails: no room on the disk, nobody who reads the log, no descriptors, no processes."""

import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import SLOW, SYSTEM_PATH, eventually, free_port
from life import Life

FULL_LINE = r"^cannot accept connections: too many open files"
AGAIN_LINE = r"^accepting connections again$"
NO_TIME = {"exec_timeout": "600s", "write_timeout": "600s", "read_timeout": "600s"}


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


def mounted(folder, options):
    """A wrapper in which a small disk is mounted on this folder."""
    wrapper = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o {options} none "$0" && exec "$@"', str(folder)]
    if subprocess.run([*wrapper, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    return wrapper


def inside(w, path):
    """A path as the watchdog sees it."""
    return Path(f"/proc/{w.pid}/root{path}")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_rests(pid):
    """It does not try the impossible over and over."""
    before = cpu_seconds(pid)
    time.sleep(0.5)
    assert cpu_seconds(pid) - before < 0.2 * SLOW


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def full(scratch):
    folder = scratch / "full"
    folder.mkdir()
    return folder


def test_no_room_for_the_lock_file(fwatchdog, full):
    """The root of the file system is the only inode that it may have."""
    wrapper = mounted(full, "size=64k,nr_inodes=1")
    ended = fwatchdog(fprocess="cat", TMPDIR=full, wrapper=wrapper)
    assert ended.status == 1
    advice = "To disable lock-file set env suppress_lock=true. Error: no space left on device"
    assert [m for m in ended.messages if f"Cannot write {full}/.lock. {advice}" in m], ended


def test_no_room_for_the_lock_file_ends_the_function(life, full):
    """It was started before; nothing of it is left."""
    w = life.start(TMPDIR=full, ready=False, wrapper=mounted(full, "size=64k,nr_inodes=1"))
    w.ended(status=1)
    w.wait_for_log("^Forking: ")


def test_lock_file_is_empty_and_needs_no_room(watchdog, full):
    """All blocks are taken by somebody else: it is healthy, and removes its file in the end."""
    wrapper = mounted(full, "size=16k")
    fill = ["sh", "-c", 'dd if=/dev/zero of="$0/other" bs=4k 2>/dev/null; exec "$@"', str(full)]
    w = watchdog("cat", TMPDIR=full, wrapper=[*wrapper, *fill], ready=False)
    w.wait_for_log("^Writing lock-file to: ")
    eventually(lambda: w.call("GET", "/_/health").status == 200, "it is healthy")
    assert inside(w, full / ".lock").exists()
    assert w.call("POST", body=b"x").body == b"x"
    w.stop()


LOG_TO_FULL_DISK = ["sh", "-c", 'exec "$@" 2>"$0/log"']


@pytest.fixture
def logging_to_full_disk(watchdog, scratch, full):
    """A log of 16 KiB, which is then full."""

    def start(fprocess, mode, **changes):
        wrapper = [*mounted(full, "size=16k"), *LOG_TO_FULL_DISK, str(full)]
        w = watchdog(fprocess, mode=mode, port=free_port(), wrapper=wrapper, ready=False, **{**NO_TIME, **changes})
        w.wait_until_connectable()
        return w

    return start


def log_size(w, full):
    return inside(w, full / "log").stat().st_size


@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing"])
def test_no_room_for_the_log(logging_to_full_disk, full, mode):
    w = logging_to_full_disk("steps errbytes:3000 errline: in", mode, combine_output="false", workers="1")
    with w.connect() as c:
        for i in range(20):
            assert c.call("POST", f"/{i}", body=b"x").body == b"x"
    assert log_size(w, full) == 16384, "it is full"
    assert_rests(w.pid)
    os.truncate(inside(w, full / "log"), 0)
    with w.connect() as c:
        for _ in range(3):
            assert c.call("POST", "/room", body=b"x").body == b"x"
    eventually(lambda: b"x" * 1000 in inside(w, full / "log").read_bytes(), "it is written to again")
    w.stop()


def test_no_room_for_the_log_of_a_function(life, full):
    """What it prints can be kept nowhere, and it goes on."""
    wrapper = [*mounted(full, "size=16k"), *LOG_TO_FULL_DISK, str(full)]
    w = life.start(port=free_port(), wrapper=wrapper, ready=False, **NO_TIME)
    w.wait_until_connectable()
    for _ in range(3):
        assert w.call("POST", "/print/2", body=b"x" * 300_000 + b"\n").body == b"printed"
    assert log_size(w, full) == 16384, "it is full"
    assert_rests(w.pid)
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * SLOW


# --- a log that is gone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_and_a_long_lived_function(life, closed):
    """It has streams of its own, and printing into them neither ends nor stops it."""
    w = life.start(port=free_port(), wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"], ready=False)
    w.wait_until_connectable()
    for fd in ("1", "2"):
        assert w.call("POST", f"/print/{fd}", body=b"x" * 200_000 + b"\n").body == b"printed"
    w.stop()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_reader_of_the_log_has_gone(watchdog, log_format):
    """EPIPE for each line, and no SIGPIPE."""
    r, wr = os.pipe()
    w = watchdog("steps errline:hello in", mode="streaming", port=free_port(), log_format=log_format,
                 popen={"stderr": wr}, ready=False)  # fmt: skip
    os.close(wr)
    w.wait_until_connectable()
    os.close(r)
    for _ in range(5):
        assert w.call("POST", body=b"x").body == b"x"
    assert_rests(w.pid)
    w.stop()


# --- no descriptors ---------------------------------------------------------------------------------------------------


class Starved:
    """
    A watchdog that gets no further descriptor, apart from `spare` ones and those that it closes; None:
    nor those.
    """

    def __init__(self, w, spare=0):
        self.pid = w.pid
        self.before = resource.prlimit(w.pid, resource.RLIMIT_NOFILE)
        if spare is None:
            resource.prlimit(w.pid, resource.RLIMIT_NOFILE, (3, self.before[1]))
            return
        taken = {int(fd) for fd in os.listdir(f"/proc/{w.pid}/fd")}
        limit = free = 0
        while free <= spare:  # the number of the first one that it must not get
            free += limit not in taken
            limit += 1
        resource.prlimit(w.pid, resource.RLIMIT_NOFILE, (limit - 1, self.before[1]))

    def feed(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.before)


def test_no_descriptor_for_a_connection(watchdog, mode):
    """Clients wait, and the one line about it is not repeated."""
    w = watchdog("cat", mode=mode, workers="1", **NO_TIME)
    with w.connect() as c:
        c.call("POST", body=b"x")
        w.wait_no_processes()
        starved = Starved(w)
        waiting = [w.connect() for _ in range(10)]
        for i, each in enumerate(waiting):
            each.request("POST", body=b"%d" % i)
        w.wait_for_log(FULL_LINE)
        assert c.call("GET", "/_/health").status == 200, "who is connected already is served"
        assert_rests(w.pid)
        starved.feed()
        for i, each in enumerate(waiting):
            assert each.answer().body == b"%d" % i
        w.wait_for_log(AGAIN_LINE)
    lines = w.stop_and_read()
    assert len([m for m in lines if re.match(FULL_LINE, m)]) == len([m for m in lines if re.match(AGAIN_LINE, m)]) == 1


def test_descriptors_that_come_back_by_themselves(site):
    """Nobody raises a limit: other clients leave."""
    site.write("f", b"file")
    w = site.start(**NO_TIME)
    idle = [w.connect() for _ in range(4)]
    for c in idle:
        assert c.call("GET", "/_/health").status == 200
    Starved(w)
    waiting = [w.connect() for _ in range(3)]
    w.wait_for_log(FULL_LINE)
    for c in idle:
        c.close()
    for c in waiting:
        assert c.call("GET", "/_/health").status == 200
    w.wait_for_log(AGAIN_LINE)


def test_shutdown_without_descriptors(watchdog):
    """Those in the backlog cannot be taken. It must end all the same, and at once."""
    w = watchdog("cat", mode="streaming", workers="1", **NO_TIME)
    with w.connect() as c:
        assert c.call("GET", "/_/health").status == 200
        Starved(w)
        waiting = w.connect()
        w.wait_for_log(FULL_LINE)
        began = time.monotonic()
        w.stop()
        assert time.monotonic() - began < 5 * SLOW
        waiting.close()


@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing", "cgi"])
@pytest.mark.parametrize("spare", range(6))
def test_no_descriptor_for_a_process(watchdog, mode, spare):
    """Whichever of its pipes fails: the answer says so, no other pipe is left, and the next call is well."""
    w = watchdog("cat", mode=mode, workers="1", **NO_TIME)
    document = b"Content-Type: text/plain\n\nx"
    with w.connect() as c:
        assert c.call("POST", body=document).status == 200
        w.wait_no_processes()
        before = w.descriptors()
        starved = Starved(w, spare)
        for _ in range(3):
            a = c.call("POST", body=document)
            assert a.status in (200, 500) and not a.cut, a
            if a.status == 500:
                assert re.search(rb"fork/exec \S*/cat: too many open files", a.body), a
            if spare == 0:
                assert a.status == 500
        starved.feed()
        for _ in range(3):
            assert c.call("POST", body=document).status == 200
        w.wait_no_processes()
        eventually(lambda: len(w.descriptors()) <= len(before), "no descriptor is left")


def test_no_descriptor_for_the_function_that_is_started_again(life):
    w = life.start("say", restart="always", **NO_TIME)
    pid = life.gate.started()
    with w.connect() as c:
        assert c.call("GET", "/").body == b"%d" % pid
        starved = Starved(w, spare=None)
        os.kill(pid, signal.SIGKILL)
        w.wait_for_log("^Forked function cannot be started: .*too many open files")
        starved.feed()
        assert life.gate.started() != pid
        assert c.call("GET", "/status/200").status == 200


def test_no_descriptor_for_a_file(site):
    site.write("f", b"file")
    w = site.start(**NO_TIME)
    with w.connect() as c:
        assert c.call("GET", "/f").body == b"file"
        starved = Starved(w, spare=None)
        for _ in range(3):
            a = c.call("GET", "/f")
            assert (a.status, a.cut) in ((500, False), (503, False)), a
        w.wait_for_log("(?i)too many open files|no file descriptors")
        starved.feed()
        assert c.call("GET", "/f").body == b"file"


# --- no processes -----------------------------------------------------------------------------------------------------


def test_no_process_to_be_had(watchdog, scratch, gate, mode):
    """RLIMIT_NPROC, which counts for everybody but root: its two threads and one call."""
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    user = 700_000 + os.getpid()  # of whom there is nobody
    for folder in (scratch, scratch / "tmp"):
        os.chown(folder, user, user)
    wrapper = ["prlimit", "--nproc=3", "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user cannot be chosen here")
    for pipe in (gate.started_pipe, gate.gate_pipe):
        os.chown(pipe.path, user, user)
    w = watchdog("steps say wait out:done", mode=mode, workers="1", wrapper=wrapper, **NO_TIME, **gate.env)
    assert w.threads() == 2
    with w.connect() as c, w.connect() as d:
        for _ in range(2):
            c.request()
            gate.started()
            for _ in range(3):
                a = d.call()
                assert (a.status, a.cut) == (500, False), a
                assert re.search(rb"fork/exec \S*/steps: resource temporarily unavailable", a.body), a
            gate.open()
            assert c.answer().body == b"done"
    w.wait_no_processes()
