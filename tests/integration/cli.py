"""
Runs the real bandog in a folder of the test's own, with a container engine that only writes down what it is told.

    project/  the working folder      home/  $HOME        bin/  first in PATH, holds the engine
    engine/   what the engine was told and shall answer   tmp/  TMPDIR, which every run must leave empty
"""

import errno
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from harness import (
    MARKER,
    PATIENCE,
    REPO,
    SANITIZER,
    SYSTEM_PATH,
    Ended,
    Lines,
    all_pids,
    eventually,
    is_running,
    merged,
)

BANDOG = Path(os.environ.get("BANDOG") or REPO / "build" / "bandog").resolve()
TEMPLATES = REPO / "templates"
KEPT = ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE")

# The last answer whose words are all among the arguments counts. `started` and `gate` are pipes, see harness.Gate.
ENGINE = f"""#!{sys.executable} -IS
import json, os, sys, uuid
from pathlib import Path

folder = Path(__file__).resolve().parent.parent / "engine"
stdin = sys.stdin.buffer.read()
call = {{
    "program": Path(sys.argv[0]).name,
    "args": sys.argv[1:],
    "cwd": os.getcwd(),
    "env": dict(os.environ),
    "stdin": len(stdin),
}}
(folder / "stdin").write_bytes(stdin)
with open(folder / "calls", "a") as log:
    log.write(json.dumps(call) + "\\n")
answer = {{}}
for rule in json.loads((folder / "answers").read_text()):
    if all(word in sys.argv for word in rule["words"]):
        answer = rule
if "started" in answer:
    with open(answer["started"], "w") as pipe:
        pipe.write(f"{{os.getpid()}}\\n")
if "gate" in answer:
    with open(answer["gate"]) as pipe:
        os.read(pipe.fileno(), 1)
sys.stdout.write(answer.get("stdout", ""))
sys.stdout.flush()
sys.stderr.write(answer.get("stderr", ""))
sys.exit(answer.get("status", 0))
"""


class Call:
    """One run of the engine."""

    def __init__(self, row):
        self.program, self.args, self.env, self.stdin = row["program"], row["args"], row["env"], row["stdin"]
        self.cwd = Path(row["cwd"])

    def values(self, option):
        """What stands behind each `option`."""
        return [value for name, value in zip(self.args, self.args[1:]) if name == option]

    def build_args(self):
        return self.values("--build-arg")

    def __repr__(self):
        return f"{self.program} {' '.join(self.args)} (in {self.cwd})"


class Engine:
    """The programs named docker (or whatever install() is told) and what they were told."""

    def __init__(self, root):
        self.folder, self.bin = root / "engine", root / "bin"
        self.folder.mkdir()
        self.answers = []
        self.write_answers()

    def install(self, name="docker"):
        path = self.bin / name
        path.write_text(ENGINE, encoding="utf-8")
        path.chmod(0o755)
        return path

    def write_answers(self):
        (self.folder / "answers").write_text(json.dumps(self.answers), encoding="utf-8")

    def answer(self, *words, **answer):
        """answer("build", "me/one:1", status=3, stderr="no"): to calls that have these words."""
        self.answers.append({"words": words, **answer})
        self.write_answers()

    def calls(self, *words):
        """The calls that have these words, oldest first."""
        log = self.folder / "calls"
        rows = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [c for c in (Call(json.loads(row)) for row in rows) if all(word in c.args for word in words)]

    def call(self, *words):
        """The only one."""
        calls = self.calls(*words)
        assert len(calls) == 1, calls
        return calls[0]

    def stdin(self):
        """What the last call read."""
        return (self.folder / "stdin").read_bytes()


class Project:
    def __init__(self, root):
        self.root, self.folder, self.home, self.tmp = root, root / "project", root / "home", root / "tmp"
        self.bin = root / "bin"
        for folder in (self.folder, self.home, self.bin):
            folder.mkdir()
        self.engine = Engine(root)
        self.engine.install()
        self.environment = {
            "PATH": f"{self.bin}:{SYSTEM_PATH}",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "GIT_CONFIG_NOSYSTEM": "1",
            MARKER: uuid.uuid4().hex,
            **{name: os.environ[name] for name in KEPT if name in os.environ},
        }

    # --- files -------------------------------------------------------------------------------------------------------

    def write(self, path, content="", mode=0o644):
        """A file below the working folder, the folders above it included."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def read(self, path):
        return (self.folder / path).read_bytes().decode()

    def template(self, name="tiny", files=None, folder="template"):
        """A template of the project; `files` go over those that it has, None takes one away. *.sh can be executed."""
        content = {
            "template.yml": "language: tiny\nfprocess: ./index.sh\nwelcome_message: |\n  Edit the handler.\n",
            "Dockerfile": "FROM scratch\nCOPY . .\n",
            "index.sh": "#!/bin/sh\n",
            "function/handler.sh": "#!/bin/sh\ncat\n",
            **(files or {}),
        }
        for path, text in content.items():
            if text is not None:
                self.write(f"{folder}/{name}/{path}", text, 0o755 if path.endswith(".sh") else 0o644)

    def stack(self, functions, file="stack.yml", **top):
        """Writes a stack file of `functions`; a function without lang gets a folder with a Dockerfile."""
        rows = {}
        for name, row in functions.items():
            row = {"lang": "dockerfile", "handler": f"./{name}", "image": f"me/{name}:1", **row}
            rows[name] = {key: value for key, value in row.items() if value is not None}
            if row["lang"] == "dockerfile" and row["handler"] == f"./{name}":
                self.write(f"{name}/Dockerfile", "FROM scratch\n")
        document = {"version": "1.0", "provider": {"name": "openfaas"}, "functions": rows, **top}
        return self.write(file, json.dumps(document, indent=1))

    # --- runs --------------------------------------------------------------------------------------------------------

    def run(self, *args, cwd=None, umask=0o022, wrapper=(), env=None, **options):
        """Runs bandog to its end; `env` are changes of its environment, None takes a name away."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.run(
            [*wrapper, str(BANDOG), *args],
            cwd=cwd or self.folder,
            env=merged(self.environment, env or {}),
            umask=umask,
            timeout=PATIENCE,
            check=False,
            **{**streams, **options},
        )
        ended = Ended(process.returncode, decoded(process.stdout), decoded(process.stderr))
        assert not SANITIZER.search(ended.stderr), ended
        assert os.listdir(self.tmp) == [], "it leaves files in TMPDIR"
        return ended

    def done(self, *args, **options):
        """A run that must succeed without a word on stderr."""
        ended = self.run(*args, **options)
        assert (ended.status, ended.stderr) == (0, ""), ended
        return ended

    def refused(self, status, *texts, args, **options):
        """A run that must fail with this status, and with a message that has these texts."""
        ended = self.run(*args, **options)
        assert ended.status == status, ended
        assert ended.stderr.startswith("bandog: "), ended
        for text in texts:
            assert text in ended.stderr, ended
        return ended

    def start(self, *args, env=None):
        return Running([str(BANDOG), *args], self.folder, merged(self.environment, env or {}))

    def on_terminal(self, *args, env=None, stderr=subprocess.PIPE):
        """A run with stdout (and stderr=subprocess.STDOUT, too) on a terminal: its status, and what that shows."""
        master, slave = pty.openpty()
        with os.fdopen(master, "rb", buffering=0) as terminal:
            process = subprocess.Popen(
                [str(BANDOG), *args],
                cwd=self.folder,
                env=merged(self.environment, {"TERM": "xterm", **(env or {})}),
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=stderr,
            )
            os.close(slave)
            shown = bytearray()
            try:
                while data := terminal.read(65536):
                    shown += data
            except OSError as e:  # all have closed the other end
                assert e.errno == errno.EIO
            _, err = process.communicate(timeout=PATIENCE)
        return process.returncode, shown.decode(), decoded(err)

    def shrinkwrap(self, name="one"):
        """What `bandog build --shrinkwrap` puts together: a tree, see there."""
        self.done("build", "--shrinkwrap")
        return tree(self.folder / "build" / name)

    def build_args_of(self, build_args, env=None):
        """What the engine gets for a function's build_args: name -> value, ADDITIONAL_PACKAGE left out."""
        self.stack({"one": {"build_args": build_args}})
        self.done("build", env=env)
        pairs = (arg.split("=", 1) for arg in self.engine.call("build").build_args())
        return {name: value for name, value in pairs if name != "ADDITIONAL_PACKAGE"}

    # --- git ---------------------------------------------------------------------------------------------------------

    def git(self, *args, cwd=None):
        who = ("-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *args], cwd=cwd or self.folder, env=self.environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, cwd=None):
        """All there is, in a repository that is made when there is none: the commit's name."""
        folder = cwd or self.folder
        if not (folder / ".git").exists():
            self.git("init", "-q", "-b", "main", cwd=folder)
        self.git("add", "-A", "-f", cwd=folder)
        self.git("commit", "-q", "-m", "all", cwd=folder)
        return self.git("rev-parse", "HEAD", cwd=folder)

    # --- its end -----------------------------------------------------------------------------------------------------

    def family(self):
        """Processes that a run has left behind."""
        marker = f"{MARKER}={self.environment[MARKER]}".encode()
        found = []
        for pid in all_pids():
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
            if marker in environment.split(b"\0") and is_running(pid):
                found.append(pid)
        return found


class Running:
    """A run that the test ends."""

    def __init__(self, command, cwd, env):
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def ended(self):
        status = self.process.wait(PATIENCE)
        self.out.join(PATIENCE)
        self.err.join(PATIENCE)
        return Ended(status, self.out.text(), self.err.text())


def decoded(data):
    return (data or b"").decode("utf-8", "backslashreplace")


def tree(folder):
    """path -> (permissions, bytes) of all that is below; bytes is None for folders, a text for symbolic links."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                content = os.readlink(path)
            else:
                content = None if stat.S_ISDIR(mode) else path.read_bytes()
            found[str(path.relative_to(folder))] = (stat.S_IMODE(mode), content)
    return found


def contents(folder):
    """path -> bytes of the files below."""
    return {path: content for path, (_, content) in tree(folder).items() if content is not None}


@pytest.fixture
def project(scratch):
    project = Project(scratch)
    yield project
    try:
        eventually(lambda: not project.family(), "no process is left")
    finally:
        for pid in project.family():
            os.kill(pid, signal.SIGKILL)
