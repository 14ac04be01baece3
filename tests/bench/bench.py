"""What the benchmarks share: a running fwatchdog, helper programs, targets."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("FWATCHDOG") or ROOT / "build/fwatchdog").resolve()
HELPERS = Path(os.environ.get("BENCH_HELPERS") or ROOT / "build/bench").resolve()
CPUS = len(os.sched_getaffinity(0))
MOST_OTHERS = 0.1  # of the processors; the kernel's own threads have some of it


def helper(name, *args):
    """What the helper program has printed."""
    done = subprocess.run([HELPERS / name, *map(str, args)], stdout=subprocess.PIPE, check=True, timeout=120, text=True)
    return done.stdout


def numbers(text):
    """{'rate': 7.5} of "... rate=7.5 ..."."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}


def busy_s(cpus):
    """Time of these processors that all processes and the kernel have used since the machine was started."""
    ticks = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name in {f"cpu{cpu}" for cpu in cpus}:
            user, nice, system, _, _, *interrupts = map(int, fields[:8])
            ticks += user + nice + system + sum(interrupts)
    return ticks / os.sysconf("SC_CLK_TCK")


def used_s(pid):
    """Processor time of a process and of the children it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return list(map(int, file.read().split()))


class Others:
    """The part of our processors that goes to anything but us, our children and the processes given."""

    def __init__(self, *pids):
        self.pids = [os.getpid(), *pids]
        self.cpus = os.sched_getaffinity(0)
        self.start = self.now()

    def now(self):
        return time.monotonic(), busy_s(self.cpus) - sum(map(used_s, self.pids))

    def share(self):
        (start, others), (end, more) = self.start, self.now()
        return max(more - others, 0) / (end - start) / len(self.cpus)


def tell_others(share):
    remark = ": too much for good numbers" if share > MOST_OTHERS else ""
    cpus = "processors" if len(os.sched_getaffinity(0)) > 1 else "processor"
    print(f"\nOther processes had {share:.0%} of the {cpus}{remark}.")


def last_words(log):
    with open(log, "rb") as file:
        file.seek(max(os.path.getsize(log) - 4096, 0))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-5:])


def tell(progress):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{progress}")
        sys.stderr.flush()


def kilobytes(pid, name, file="status"):
    """A line of /proc/PID/status, such as VmRSS."""
    text = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace")
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M).group(1))


class Upstream:
    """The program behind a proxy, listening on self.port and on the unix socket self.path. A context manager."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.path = f"{self.folder.name}/fn.sock"
        command = [HELPERS / "upstream", "0", self.path]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        said = self.process.stdout.readline() + self.process.stdout.readline()
        if "path=" not in said:
            self.__exit__()
            raise RuntimeError("upstream does not listen")
        self.port = int(numbers(said)["port"])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    @property
    def urls(self):
        """{what the link to it is: upstream_url}"""
        return {"TCP": f"http://127.0.0.1:{self.port}", "unix socket": f"http+unix://{self.path}"}


class Watchdog:
    """fwatchdog on a free port with its own TMPDIR; its log goes to a file there. A context manager."""

    def __init__(self, fprocess=None, wrapper=(), **settings):
        self.command = [*wrapper, PROGRAM]
        self.settings = {"port": "0", "metrics_port": "0", **settings}
        if fprocess:
            self.settings["fprocess"] = str(fprocess)

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.log = Path(self.folder.name, "log")
        environment = {"PATH": os.environ["PATH"], "TMPDIR": self.folder.name, **self.settings}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid
        self.pids = [self.pid]
        try:
            self.port = self.wait_for_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_for_port(self):
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"Listening on port: (\d+)$", self.log.read_text(errors="replace"), re.M)
            if found:
                return int(found.group(1))
            time.sleep(0.01)
        raise RuntimeError(f"{PROGRAM} does not listen:\n{self.log.read_text(errors='replace')}")

    def state(self):
        return f"fwatchdog, exit status {self.process.poll()}, said at last:\n{last_words(self.log)}"

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Targets:
    """Lines `what, wanted, here, PASS or FAIL`."""

    def __init__(self):
        self.rows = []
        self.missed = 0

    def check(self, what, wanted, here, met):
        self.missed += not met
        self.rows.append((what, wanted, here, "PASS" if met else "FAIL"))

    def tell(self, what, here):
        self.rows.append((what, "", here, ""))

    def print(self):
        width = max(len(row[0]) for row in self.rows)
        print(f"\n{'target':{width}}  {'wanted':>17}  {'here':>22}")
        for what, wanted, here, verdict in self.rows:
            print(f"{what:{width}}  {wanted:>17}  {here:>22}  {verdict}".rstrip())


def run(main, arguments):
    """Runs main(arguments), which returns Targets, and ends the program."""
    for needed in (PROGRAM, HELPERS):
        if not needed.exists():
            sys.exit(f"{needed} is not there: `make bench-{Path(sys.argv[0]).name.removeprefix('bench-')}` builds it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what runs is ended
    try:
        targets = main(arguments)
    except (RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(str(error))
    targets.print()
    sys.exit(1 if arguments.strict and targets.missed else 0)
