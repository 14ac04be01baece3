"""
A developer's project in a folder of the test's own, and the real bandog in it.

Most functions are of templates that the project has itself, copies of functions/dev: `sh`, a process for each call, and
`server`, an HTTP server. Both start at once and need nothing that a machine with the tests does not have.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from textwrap import indent

import pytest

from harness import (
    FUNCTIONS,
    PATIENCE,
    REPO,
    SANITIZER,
    STAMP,
    SYSTEM_PATH,
    Ended,
    Lines,
    all_pids,
    eventually,
    free_port,
    merged,
    proc_stat,
)
from http_client import Connection

BANDOG = Path(os.environ.get("BANDOG") or REPO / "build" / "bandog").resolve()
TEMPLATES = FUNCTIONS / "dev"
COLOUR = re.compile(r"\x1b\[[\d;]*m")

# Handlers of the two templates.
SH, SERVER = "echo {}\n", "def answer(target, body):\n    return b'{}\\n'\n"
HOLD_SH = "echo $$ >$STARTED; read -r _ <$GATE; echo done\n"
HOLD_SERVER = """import os
def answer(target, body):
    open(os.environ["STARTED"], "w").write("%d\\n" % os.getpid())
    os.read(os.open(os.environ["GATE"], os.O_RDONLY), 1)
    return b"done\\n"
"""
SLOW_START = """import os
open(os.environ["STARTED"], "w").write("%d\\n" % os.getpid())
open(os.environ["GATE"]).readline()
"""
LANGUAGES = [pytest.param("sh", "handler.sh", SH, id="sh"), pytest.param("server", "handler.py", SERVER, id="server")]

HEADER = "version: 1.0\nprovider:\n  name: openfaas\n"


def free_ports(n):
    """The first of n free ports in a row."""
    while True:
        first = free_port()
        if all(free_port() == first + i for i in range(1, n)):
            return first


def indented(value, depth):
    """A value of a stack file, as YAML behind its key. Texts are quoted."""
    margin = "\n" + "  " * depth
    match value:
        case dict():
            return "".join(f"{margin}{key}:{indented(v, depth + 1)}" for key, v in value.items()) or " {}"
        case list():
            return "".join(f"{margin}- {quoted(v)}" for v in value) or " []"
        case bool():
            return f" {str(value).lower()}"
        case _:
            return f" {quoted(value)}"


def quoted(value):
    return "'" + str(value).replace("'", "''") + "'"


class Project:
    """The folder where a developer works."""

    def __init__(self, folder, scratch, node):
        self.folder = Path(folder)
        self.scratch = scratch
        self.node = node
        self.functions = {}  # of stack.yml, once function() was used
        self.configuration = {}
        self.folder.mkdir(parents=True)
        self.home = scratch / "home"
        self.home.mkdir(exist_ok=True)
        self.known = {"."}  # what may be there at the end, besides build/

    # --- its files -----------------------------------------------------------------------------

    def path(self, name):
        return self.folder / name

    def write(self, name, text):
        """As an editor does that opens the file it has and writes."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.know(name)

    def replace(self, name, text):
        """As an editor does that writes another file and gives it the name."""
        path = self.path(name)
        beside = path.with_name(f".{path.name}.new~")
        beside.write_text(text, encoding="utf-8")
        beside.rename(path)
        self.know(name)

    def know(self, name):
        for part in [Path(name), *Path(name).parents]:
            self.known.add(str(part))

    def know_all(self):
        """What is there now is right."""
        self.known |= self.files()

    def files(self):
        """Files and folders below it, less those of build/."""
        paths = (p.relative_to(self.folder) for p in self.folder.rglob("*"))
        return {str(p) for p in paths if p.parts[0] != "build"} | {"."}

    def template(self, name, dev=None, **changes):
        """
        A template of the project's own, as a copy of one in functions/dev. `dev` is that section of its template.yml, the
        changes are texts of files.
        """
        shutil.copytree(TEMPLATES / name, self.path(f"template/{name}"), dirs_exist_ok=True)
        self.know_all()
        if dev:
            changes["template.yml"] = self.path(f"template/{name}/template.yml").read_text() + "dev:\n" + indent(dev, "  ")
        for path, text in changes.items():
            self.write(f"template/{name}/{path}", text)

    def function(self, name, handler=None, lang="sh", **keys):
        """
        A function in the stack file, its template, and its handler: a text, or texts of several files. Without one the
        handler is the template's.
        """
        if lang in os.listdir(TEMPLATES) and not self.path(f"template/{lang}").exists():
            self.template(lang)
        if not self.path(name).exists() and self.path(f"template/{lang}/function").exists():
            shutil.copytree(self.path(f"template/{lang}/function"), self.path(name))
            self.know_all()
        if isinstance(handler, str):
            handler = {"handler.py" if lang == "server" else "handler.sh": handler}
        for path, text in (handler or {}).items():
            self.write(f"{name}/{path}", text)
        self.functions[name] = {"lang": lang, "handler": f"./{name}", "image": f"{name}:latest", **keys}
        self.write_stack()

    def write_stack(self, name="stack.yml"):
        parts = {"functions": self.functions, "configuration": self.configuration}
        self.write(name, HEADER + "".join(f"{key}:{indented(v, 1)}\n" for key, v in parts.items() if v))

    def built(self, name):
        """The files that a function was put together from: path -> bytes."""
        root = self.path(f"build/{name}")
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    # --- bandog --------------------------------------------------------------------------------

    def environment(self, changes):
        env = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.home),
            "TMPDIR": str(self.scratch / "tmp"),
        }
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                env[name] = os.environ[name]
        return merged(env, changes)

    def bandog(self, *args, status=0, **changes):
        """Runs a command that ends by itself."""
        process = subprocess.run(
            [str(BANDOG), *args],
            cwd=self.folder,
            env=self.environment(changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE * 3,
            check=False,
        )
        out, err = (data.decode("utf-8", "backslashreplace") for data in (process.stdout, process.stderr))
        ended = Ended(process.returncode, out, err)
        assert not SANITIZER.search(ended.all), ended
        assert ended.status == status, ended
        return ended

    def dev(self, *args, port=None, wrapper=(), popen=None, **changes):
        """
        Starts `bandog dev` on ports of the test's own; port=False: without --port. Keywords are the developer's
        environment.
        """
        if port is None:
            port = free_ports(max(len(self.functions), 1))
        if port is not False:
            args = [*args, "--port", str(port)]
        d = Dev(self, [*wrapper, str(BANDOG), "dev", *args], self.environment(changes), **(popen or {}))
        d.first_port = port
        self.node.watchdogs.append(d)
        return d

    def dev_fails(self, *args, status=1, **changes):
        """Runs a `bandog dev` that cannot start, and gives its end."""
        d = self.dev(*args, **changes)
        d.ended(status)
        return Ended(status, d.out.text(), d.err.text())


class Dev:
    """One running `bandog dev`. Leave it with stop(), which also looks at what it leaves behind."""

    def __init__(self, project, command, env, **popen):
        self.project = project
        self.connections = []
        self.ports = {}
        self.over = False
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(
            command, cwd=project.folder, env=env, start_new_session=True, **{**streams, **popen}
        )
        self.pid = self.process.pid
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)

    # --- what it says --------------------------------------------------------------------------

    def matches(self, lines, pattern):
        """Of complete lines only, and without colour."""
        complete = COLOUR.sub("", lines.text()).split("\n")[:-1]
        return [m for m in map(re.compile(pattern).search, complete) if m]

    def wait(self, lines, pattern, count, timeout=PATIENCE):
        def found():
            matches = self.matches(lines, pattern)
            return matches[count - 1] if len(matches) >= count else None

        match = lines.wait(found, timeout)
        assert match, f"no line {count} like {pattern!r}\nstdout:\n{self.out.text()}\nstderr:\n{self.err.text()}"
        return match

    def said(self, pattern, count=1, timeout=PATIENCE):
        """The count-th line of stdout that the pattern is found in, as a match."""
        return self.wait(self.out, pattern, count, timeout)

    def complained(self, pattern, count=1, timeout=PATIENCE):
        """The same of stderr."""
        return self.wait(self.err, pattern, count, timeout)

    def port(self, name, timeout=PATIENCE):
        """Where a function answers, once it does."""
        if name not in self.ports:
            ready = self.said(rf"^{re.escape(name)} is ready: curl .*http://127\.0\.0\.1:(\d+)/$", timeout=timeout)
            self.ports[name] = int(ready[1])
        return self.ports[name]

    def logged(self, name, pattern, count=1):
        """A line of a function's log, without time."""
        return self.said(rf"^{re.escape(name)} +\| (?:{STAMP.pattern})?{pattern}", count)

    def log(self, name):
        """All complete lines of a function's log."""
        return [m[1] for m in self.matches(self.out, rf"^{re.escape(name)} +\| (?:{STAMP.pattern})?(.*)")]

    # --- changes -------------------------------------------------------------------------------

    def restarts(self, name):
        """What changed, for each time that the function was started again."""
        return [m[1] for m in self.matches(self.out, rf"^{re.escape(name)} is ready again after (.*) changed$")]

    def after(self, name, change, *arguments, **keywords):
        """Makes a change and gives the file that is said to have changed, once the function is ready again."""
        before = len(self.restarts(name))
        change(*arguments, **keywords)
        return self.said(rf"^{re.escape(name)} is ready again after (.*) changed$", before + 1)[1]

    def write(self, file, text, name=None):
        """Saves a file of a function, and waits until that is live."""
        changed = self.after(name or file.split("/")[0], self.project.write, file, text)
        assert Path(changed).name == Path(file).name, f"{changed} instead of {file}"

    def wait_for_answer(self, name, wanted):
        """For several changes at once: the answer is this one at the latest after all restarts that they cause."""
        while True:
            before = len(self.restarts(name))
            if self.call(name).body.decode() == wanted:
                return
            self.said(rf"^{re.escape(name)} is ready again after ", before + 1)

    def refused(self, name, change, *arguments):
        """Makes a change with which the function does not start, and gives the complaint once it is said."""
        pattern = rf"^bandog: {re.escape(name)}: (?!warning).*"
        before = len(self.matches(self.err, pattern))
        change(*arguments)
        return self.complained(pattern, before + 1)[0]

    # --- calls ---------------------------------------------------------------------------------

    def connect(self, name, **options):
        return self.connect_to(self.port(name), **options)

    def connect_to(self, port, **options):
        connection = Connection(port, timeout=PATIENCE, **options)
        self.connections.append(connection)
        return connection

    def call(self, name, method="GET", target="/", **request):
        """One request on a connection of its own."""
        with self.connect(name) as connection:
            return connection.call(method, target, **request)

    def call_when_refused(self, name):
        """A call of a function that was never ready, at the port that it should have."""
        with self.connect_to(self.first_port + list(self.project.functions).index(name)) as connection:
            return connection.call()

    def text(self, name, method="GET", target="/", **request):
        """The body of an answer with 200."""
        a = self.call(name, method, target, **request)
        assert (a.status, a.cut) == (200, False), a
        return a.body.decode()

    # --- its processes -------------------------------------------------------------------------

    def family(self):
        """Running processes that it started, and what those started: in its project, or with its HOME."""
        home = f"HOME={self.project.home}".encode()
        found = []
        for pid in all_pids():
            stat = proc_stat(pid)
            if pid == self.pid or stat is None or stat["state"] in "ZX":
                continue
            try:
                inside = Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(self.project.folder)
                marked = home in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                inside = marked = False
            if inside or marked or stat["session"] == self.pid:
                found.append(pid)
        return found

    def listening(self):
        """Addresses of TCP sockets of it and its family that listen, as /proc/net/tcp has them."""
        tables = "".join(Path(f"/proc/{self.pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
        rows = [row.split() for row in tables.splitlines()]
        addresses = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
        found = []
        for pid in [self.pid, *self.family()]:
            try:
                links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue  # it has just ended
            found += [addresses[link] for link in links if link in addresses]
        return sorted(set(found))

    # --- its end -------------------------------------------------------------------------------

    def stop(self, number=signal.SIGTERM, status=0):
        """Ends it and asserts that it ends well and leaves nothing behind."""
        if not self.over:
            self.process.send_signal(number)
            self.ended(status)

    def ended(self, status=0, timeout=PATIENCE):
        """Waits for its end without asking for it; the assertions of stop()."""
        try:
            got = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\nstderr:\n{self.err.text()}") from None
        left = self.family()
        self.over = True
        for connection in self.connections:
            connection.close()
        assert left == [], f"processes are left: {left}"
        self.read_up()
        assert not SANITIZER.search(self.err.text()), self.err.text()
        assert got == status, f"exit status {got}\nstdout:\n{self.out.text()}\nstderr:\n{self.err.text()}"
        assert os.listdir(self.project.scratch / "tmp") == [], "TMPDIR is not empty"
        assert self.project.files() - self.project.known == set(), "files are left in the project"

    def read_up(self):
        self.err.join(PATIENCE)
        self.out.join(PATIENCE)

    def kill(self):
        """For failed tests, and those of its sudden end: takes everything away and asserts nothing."""
        self.over = True
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.wait()
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.family(), "all processes are gone")
        self.read_up()


@pytest.fixture
def hello(project):
    """A started function that answers "one"."""
    project.function("hello", SH.format("one"))
    d = project.dev()
    assert d.text("hello") == "one\n"
    return d


@pytest.fixture
def held(project, gate):
    """A started function whose calls wait in the gate."""
    project.function("held", HOLD_SH, environment=gate.env)
    d = project.dev()
    d.port("held")
    return d


@pytest.fixture
def project(scratch, request):
    """An empty folder for a project. What was started in it is stopped after the test, and must end well."""
    if not os.access(BANDOG, os.X_OK):
        pytest.skip(f"{BANDOG} is not there: run make, or set BANDOG")
    started = request.node.watchdogs = []
    yield Project(scratch / "project", scratch, request.node)
    failed = getattr(request.node, "failed", False)
    try:
        for d in started:
            if not failed:
                d.stop()
    finally:
        for d in started:
            if not d.over:
                d.kill()
