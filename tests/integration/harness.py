"""
Runs the real fwatchdog for a test and looks at it from outside: its log, its processes, its memory.

Nothing in here waits for time to pass where there is an event: log lines come through a condition,
functions announce themselves and are held back through named pipes, ends of processes are seen
through pidfds. `eventually` is for the few states of the kernel that nobody announces.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from http_client import Connection

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
FUNCTIONS = HERE / "functions"
BINARY = Path(os.environ.get("FWATCHDOG") or REPO / "build" / "fwatchdog").resolve()

# Sanitizers cost time: every upper bound in the suite is multiplied by this.
SAN = os.environ.get("SAN", "")
SLOW = 6 if SAN else 1
PATIENCE = 20 * SLOW  # seconds until a test gives up waiting for something that should be quick

MARKER = "BANDOG_TEST_MARKER"  # in the environment of a watchdog and of all that it starts
STAMP = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
SANITIZER = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|SUMMARY: \w+Sanitizer|runtime error:|Assertion .*failed|core dumped\b"
)
SHUTDOWN = re.compile(
    r"SIG\w+: no new connections in |Removing lock-file : |Unable to mark server as unhealthy: "
    r"|No new connections allowed, draining: |Error in Shutdown: |Exiting\. "
    r"|Forked function has terminated: signal: terminated$"
)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def eventually(probe, what, timeout=PATIENCE):
    """The first true value of probe(); fails when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"still not so after {timeout} s: {what}"
        time.sleep(0.005)


def wait_gone(pid, timeout=PATIENCE):
    """Waits for the end of a process, whoever its parent is."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(timeout * 1000), f"process {pid} is still running after {timeout} s"
    finally:
        os.close(fd)


def is_running(pid):
    """False for zombies too: they are over and wait for their parent only."""
    return (proc_stat(pid) or {"state": "Z"})["state"] != "Z"


def proc_stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="backslashreplace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, group, session = text[text.rindex(")") + 2 :].split()[:4]
    return {"state": state, "parent": int(parent), "group": int(group), "session": int(session)}


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid):
    return [p for p in all_pids() if (proc_stat(p) or {}).get("parent") == pid]


def status_kb(pid, name):
    """A number of /proc/PID/status, in KiB, such as VmRSS or VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def free_port():
    """
    A port for settings where 0 does not mean "any". Below the range the kernel picks from, and from
    a slice of its own per xdist worker, so that tests that run beside this one do not get it.
    """
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    first = 12000 + worker % 16 * 1000
    for port in range(first + os.getpid() % 500, first + 1000):
        if port in free_port.given:
            continue
        with socket.socket(socket.AF_INET6) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("::", port))
            except OSError:
                continue
        free_port.given.add(port)
        return port
    raise OSError("no free port")


free_port.given = set()


def base_environment(tmp):
    """What every watchdog gets; tests add to it, or take away with None."""
    env = {
        "PATH": f"{FUNCTIONS}:{SYSTEM_PATH}",
        "TMPDIR": str(tmp),
        "port": "0",
        "metrics_port": "0",
        "healthcheck_interval": "0",
        MARKER: uuid.uuid4().hex,
    }
    for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


def message_of(line):
    """The message of a line of log_format=json; the line itself when it is none: json_log.py finds out."""
    try:
        return json.loads(line)["message"]
    except (KeyError, TypeError, ValueError):
        return line


class Fifo:
    """A named pipe, held open for reading and writing so that nobody blocks in open(2)."""

    def __init__(self, path):
        self.path = str(path)
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.rest = b""

    def line(self, timeout=PATIENCE):
        """The next line that somebody wrote."""
        end = time.monotonic() + timeout
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.fd], [], [], max(left, 0))
            assert ready, f"nothing was written to {Path(self.path).name} in {timeout} s"
            self.rest += os.read(self.fd, 65536)
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def empty(self):
        return not self.rest and not select.select([self.fd], [], [], 0)[0]

    def write_lines(self, n):
        os.write(self.fd, b"\n" * n)

    def close(self):
        os.close(self.fd)


class Gate:
    """Holds functions back: the other end of `steps say wait`."""

    def __init__(self, folder):
        self.started_pipe = Fifo(folder / "started")
        self.gate_pipe = Fifo(folder / "gate")
        self.env = {"STARTED": self.started_pipe.path, "GATE": self.gate_pipe.path}

    def started(self, timeout=PATIENCE):
        """The process id of the next function that has come to its `say`."""
        return int(self.word(timeout))

    def word(self, timeout=PATIENCE):
        return self.started_pipe.line(timeout)

    def nothing_started(self):
        return self.started_pipe.empty()

    def open(self, n=1):
        """Lets n functions pass their `wait`."""
        self.gate_pipe.write_lines(n)

    def reset(self):
        """Shuts the gate again, and forgets who has started."""
        try:
            os.read(self.gate_pipe.fd, 65536)
        except BlockingIOError:
            pass
        while not self.nothing_started():
            self.started_pipe.line()

    def close(self):
        self.started_pipe.close()
        self.gate_pipe.close()


class Lines(threading.Thread):
    """Collects what a process writes to a pipe."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe = pipe
        self.data = bytearray()
        self.ended = pipe is None
        self.changed = threading.Condition()
        self.start()

    def run(self):
        while self.pipe:
            data = os.read(self.pipe.fileno(), 65536)
            with self.changed:
                self.data += data
                self.ended = not data
                self.changed.notify_all()
            if not data:
                self.pipe.close()
                return

    def wait(self, found, timeout):
        """The first true value of found(), None when the pipe ends or time is up before."""
        end = time.monotonic() + timeout
        while True:
            with self.changed:
                seen, ended = len(self.data), self.ended
            value = found()  # without the lock: the reader must never keep the writer waiting
            left = end - time.monotonic()
            if value or ended or left <= 0:
                return value or None
            with self.changed:
                self.changed.wait_for(lambda: len(self.data) != seen or self.ended, left)

    def text(self):
        with self.changed:
            return self.data.decode("utf-8", "backslashreplace")


class Watchdog:
    """One running fwatchdog. Leave it with stop(), which also looks at what it leaves behind."""

    def __init__(self, env, tmp, args=(), wrapper=(), **popen):
        self.env = env
        self.tmp = Path(tmp)
        self.connections = []
        self.over = False
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(
            [*wrapper, str(BINARY), *args], env=env, start_new_session=True, **{**streams, **popen}
        )
        self.pid = self.process.pid
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)

    # --- its log -------------------------------------------------------------------------------

    @property
    def port(self):
        chosen = self.env.get("port", "")
        if re.fullmatch(r"[1-9]\d*", chosen):
            return int(chosen)
        return int(self.wait_for_log(r"^Listening on port: (\d+)$").group(1))

    @property
    def lock(self):
        return self.tmp / ".lock"

    def wait_until_ready(self):
        line = self.wait_for_log(r"^Writing lock-file to: |^Warning: \"suppress_lock\" is enabled\.")
        if line.group(0).startswith("Writing"):
            eventually(self.lock.exists, "the lock file is there")

    def wait_until_connectable(self):
        """For watchdogs whose log cannot be read."""

        def probe():
            try:
                self.connect().close()
            except ConnectionRefusedError:
                return False
            return True

        eventually(probe, "it accepts connections")

    def wait_for_log(self, pattern, timeout=PATIENCE, count=1):
        """The count-th line (without its time) that the pattern is found in, as a match."""
        expression = re.compile(pattern)

        def found():
            matches = [m for m in map(expression.search, self.messages()) if m]
            return matches[count - 1] if len(matches) >= count else None

        match = self.err.wait(found, timeout)
        assert match, f"no line like {pattern!r} in the log:\n{self.err.text()}"
        return match

    def messages(self):
        """All complete lines of the log, without the time in front; of log_format=json what they say."""
        said = message_of if self.env.get("log_format") == "json" else lambda line: STAMP.sub("", line, count=1)
        return [said(line) for line in self.raw_lines()]

    def raw_lines(self):
        return self.err.text().split("\n")[:-1]

    def call_messages(self):
        """The lines after those of the start."""
        lines = self.messages()
        last = max(i for i, m in enumerate(lines) if re.match(r"Writing lock-file|Warning: \"suppress_lock\"", m))
        return lines[last + 1 :]

    def stop_and_read(self):
        """
        Stops it, then gives the lines that are neither of the start nor of the shutdown. For tests
        that no line was written: only now is it sure that none is on its way.
        """
        self.stop()
        return [line for line in self.call_messages() if not SHUTDOWN.match(line)]

    def stdout(self):
        return self.out.text()

    # --- calling it ----------------------------------------------------------------------------

    def connect(self, **options):
        connection = Connection(self.port, timeout=PATIENCE, **options)
        self.connections.append(connection)
        return connection

    def call(self, method="GET", target="/", **request):
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.call(method, target, **request)

    # --- its processes -------------------------------------------------------------------------

    def family(self):
        """Running processes that it started, and what those started, wherever they went."""
        wanted = f"{MARKER}={self.env[MARKER]}".encode()
        found = []
        for pid in all_pids():
            stat = proc_stat(pid)
            if pid == self.pid or stat is None or stat["state"] in "ZX":
                continue
            try:
                marked = wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                marked = False
            if marked or stat["session"] == self.pid:
                found.append(pid)
        return found

    def zombies(self):
        return [pid for pid in children_of(self.pid) if (proc_stat(pid) or {}).get("state") == "Z"]

    def wait_no_processes(self, timeout=PATIENCE):
        eventually(lambda: not self.family() and not self.zombies(), "no process of a call is left", timeout)

    def descriptors(self):
        """What its descriptors are, without numbers that differ each time."""
        names = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                names.append(re.sub(r"\[\d+\]", "[N]", os.readlink(f"/proc/{self.pid}/fd/{fd}")))
            except FileNotFoundError:
                pass
        return sorted(names)

    def open_connections(self):
        """Its sockets that do not listen."""
        tables = "".join(Path(f"/proc/{self.pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
        rows = [row.split() for row in tables.splitlines()]
        listening = {row[9] for row in rows if row[3] == "0A"}
        found = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{self.pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
            if match and match.group(1) not in listening:
                found.append(match.group(1))
        return found

    def idle_descriptors(self):
        """Its descriptors once every connection is closed."""
        eventually(lambda: not self.open_connections(), "all connections are closed")
        return self.descriptors()

    def assert_keeps_no_descriptor(self, work, times):
        """
        Runs work() some times and compares. What is opened once, by the first call of a worker, may
        stay, so start it with workers="1".
        """
        work()
        self.wait_no_processes()
        before = self.idle_descriptors()
        for _ in range(times):
            work()
        self.wait_no_processes()
        after = self.idle_descriptors()
        assert [d for d in after if after.count(d) > before.count(d)] == []

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    # --- its end -------------------------------------------------------------------------------

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, times=1, status=0, stragglers=False):
        """
        Ends it and asserts that it ends well and leaves nothing behind. `times` signals, because the
        second skips the first wait of the shutdown. `stragglers`: processes may be left (they are
        killed), for functions that start some on purpose.
        """
        if self.over:
            return
        eventually(lambda: not self.zombies(), "its children are reaped")
        for i in range(times):
            if i:
                self.wait_for_log(r"^SIG\w+: no new connections in ")
            self.send_signal(number)
        self.ended(status, stragglers)

    def ended(self, status=0, stragglers=False):
        """Waits for its end without asking for it; the assertions of stop()."""
        try:
            got = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; log:\n{self.err.text()}") from None
        self.over = True
        for connection in self.connections:
            connection.close()
        if stragglers:
            self.kill_stragglers()
        self.err.join(PATIENCE)
        self.out.join(PATIENCE)
        assert not SANITIZER.search(self.err.text()), self.err.text()
        assert got == status, f"exit status {got}, log:\n{self.err.text()}"
        eventually(lambda: not self.family(), "no process is left", timeout=5 * SLOW)
        assert not self.lock.exists(), "the lock file is left behind"
        assert not self.tmp.exists() or os.listdir(self.tmp) == [], "TMPDIR is not empty"

    def kill_stragglers(self):
        for pid in self.family():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill(self):
        """For failed tests: takes everything away and asserts nothing."""
        self.over = True
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.wait()
        self.kill_stragglers()
        self.err.join(PATIENCE)
        self.out.join(PATIENCE)


class Ended:
    """A run that has ended by itself."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    @property
    def all(self):
        return self.stdout + self.stderr

    @property
    def messages(self):
        return [STAMP.sub("", line, count=1) for line in self.stderr.splitlines()]

    def settings(self):
        """The lines of --check: name -> (value, source)."""
        rows = re.findall(r"^(\w+)=(.*) \((default|environment|fallback)\)$", self.stdout, re.M)
        return {name: (value, source) for name, value, source in rows}

    def __repr__(self):
        return f"exit status {self.status}\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"


def with_rows(*rows):
    """A wrapper that adds rows to the environment that no dict can hold."""
    return [sys.executable, str(HERE / "exec_rows.py"), *rows, "--"]


def without_call(name, error):
    """A wrapper in which a system call fails with that error: see without_call.py."""
    wrapper = [sys.executable, "-S", str(HERE / "without_call.py"), name, error]
    if subprocess.run([*wrapper, "/bin/true"], capture_output=True, check=False).returncode:
        pytest.skip("system calls cannot be filtered here")
    return wrapper


def run_to_end(args, env, wrapper=(), **options):
    """Runs fwatchdog with arguments that make it end by itself."""
    process = subprocess.run(
        [*wrapper, str(BINARY), *args],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )
    ended = Ended(
        process.returncode,
        process.stdout.decode("utf-8", "backslashreplace"),
        process.stderr.decode("utf-8", "backslashreplace"),
    )
    assert not SANITIZER.search(ended.all), ended
    return ended


def need_program(name):
    path = shutil.which(name)
    if not path:
        pytest.skip(f"the program {name} is not installed")
    return path


def merged(env, changes):
    """env with changes; None takes a name away."""
    result = dict(env)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = str(value)
    return result
