"""docs/getting-started.md, followed to the letter."""

import os
import re
import signal
import subprocess
import uuid

import pytest

from dev import BANDOG
from harness import PATIENCE, REPO, SYSTEM_PATH, Lines, wait_gone

DOCUMENT = REPO / "docs" / "getting-started.md"
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
SERVER = re.compile(r"^bandog dev\b.*$", re.M)
READY = re.compile(r"^\S+ is ready: curl ", re.M)
AGAIN = re.compile(r"^\S+ is ready(: curl | again after )", re.M)
IGNORED = {"build", ".git", "__pycache__", "node_modules"}
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def blocks(text):
    """What a reader types: ("sh", script) and ("console", script with what it prints), in order."""
    return [(kind, script) for kind, script in BLOCK.findall(text) if kind in ("sh", "console")]


def pattern_of(text):
    """A line that is just … stands for any lines, … in a line for any text of it."""

    def of(line):
        return r"(?:[^\n]*\n)*?" if line == "…" else re.escape(line).replace("…", "[^\n]*") + "\n"

    return re.compile("".join(map(of, text.splitlines())))


def commands(script):
    """Of a console block: (command, what it prints)."""
    assert script.startswith("$ "), f"a console block begins with a command: {script!r}"
    parts = re.split(r"^\$ (.*)\n", script, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2]))


class Reader:
    """Somebody who does what a document says: one shell, and another window for `bandog dev`."""

    def __init__(self, folder, programs, wrapper=()):
        self.folder = folder
        self.server = None  # its process id
        read, self.window = os.pipe()
        self.shown = Lines(os.fdopen(read, "rb"))
        home = folder.parent / "home"
        home.mkdir()
        (home / ".curlrc").write_text("no-progress-meter\n")  # which a terminal does not show for small answers
        tmp = folder.parent / "tmp"
        env = {"PATH": f"{programs}:{SYSTEM_PATH}", "HOME": str(home), "TMPDIR": str(tmp), "LANG": "C.UTF-8"}
        self.shell = subprocess.Popen(
            [*wrapper, "bash", "-e"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self.window],
            start_new_session=True,
        )
        self.said = Lines(self.shell.stdout)

    def run(self, script):
        """What the script prints. It ends the shell when a command of it fails."""
        mark = uuid.uuid4().hex
        seen = len(self.said.text())
        folders, files = self.folders(), self.files()
        restarts = len(AGAIN.findall(self.shown.text()))
        self.shell.stdin.write(f"{script}\necho {mark}\n".encode())
        self.shell.stdin.flush()
        ended = self.said.wait(lambda: mark in self.said.text(), PATIENCE * 3)
        text = self.said.text()[seen:]
        assert ended, f"failed:\n{script}\n{text}"
        if self.server and any(path.parent in folders for path, *_ in self.files() ^ files):
            again = self.shown.wait(lambda: len(AGAIN.findall(self.shown.text())) > restarts, PATIENCE * 3)
            assert again, f"a change is not noticed:\n{script}\n{self.shown.text()}"
        return text.split(mark)[0]

    def folders(self):
        """Those of the functions, where bandog has to notice changes."""
        folders = [p for p in self.folder.rglob("*") if p.is_dir()]
        return {p for p in folders if not IGNORED & set(p.relative_to(self.folder).parts)}

    def files(self):
        paths = [p for folder in self.folders() for p in folder.iterdir() if p.is_file()]
        return {(p, p.stat().st_mtime_ns, p.stat().st_size) for p in paths}

    def serve(self, command):
        """In the other window, where whatever ran before is ended first."""
        self.interrupt()
        seen = len(self.shown.text())
        script = f"(exec >&{self.window} 2>&1 {self.window}>&-; exec {command}) & server=$!"
        self.run(script)
        self.server = int(self.run("echo $server"))
        self.shown.wait(lambda: READY.search(self.shown.text(), seen), PATIENCE * 3)
        assert READY.search(self.shown.text(), seen), f"not ready:\n{self.shown.text()[seen:]}"
        return seen

    def interrupt(self):
        """Ctrl-C in the other window."""
        if self.server:
            pid, self.server = self.server, None
            os.kill(pid, signal.SIGINT)
            wait_gone(pid)
            assert self.run("wait $server && echo ended well").strip() == "ended well", self.shown.text()

    def follow(self, document):
        for kind, script in blocks(document):
            if kind == "sh":
                self.type(script)
            else:
                self.compare(script)
        self.interrupt()

    def type(self, script):
        server = SERVER.search(script)
        if not server:
            self.run(script)
            return
        assert not script[server.end() :].strip(), "bandog dev stays: nothing comes behind it"
        self.run(script[: server.start()])
        self.serve(server[0])

    def compare(self, script):
        for command, wanted in commands(script):
            pattern = pattern_of(wanted)
            if SERVER.match(command):
                seen = self.serve(command)
                assert self.shown.wait(lambda: pattern.match(self.shown.text(), seen), PATIENCE), (
                    f"$ {command}\nshould show:\n{wanted}\nbut does:\n{self.shown.text()[seen:]}"
                )
            else:
                got = self.run(f"{{ {command}\n}} || true")
                assert pattern.fullmatch(got), f"$ {command}\nshould print:\n{wanted}\nbut does:\n{got}"

    def close(self):
        self.shell.stdin.close()
        if self.server:
            os.kill(self.server, signal.SIGKILL)
        self.shell.kill()
        self.shell.wait()
        os.close(self.window)
        self.said.join(PATIENCE)
        self.shown.join(PATIENCE)


@pytest.fixture
def reader(scratch):
    """Starts a reader who has just the programs of that folder besides those of the system."""
    readers = []

    def start(programs, wrapper=()):
        folder = scratch / "empty"
        folder.mkdir()
        readers.append(Reader(folder, programs, wrapper))
        return readers[-1]

    yield start
    for r in readers:
        r.close()


def test_the_document(reader, scratch):
    if not DOCUMENT.exists():
        pytest.skip("there is no docs/getting-started.md")
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own to be had, in which port 8080 is free")
    programs = scratch / "bin"
    programs.mkdir()
    (programs / "bandog").symlink_to(BANDOG)
    r = reader(programs, ALONE)
    r.follow(DOCUMENT.read_text(encoding="utf-8"))
    assert os.listdir(scratch / "tmp") == []


# --- the reader itself ------------------------------------------------------------------------------------------------


STAND_IN = """#!/bin/sh
# Serves the greeting in the file `word`, as `bandog dev` would: says so again when that has changed.
trap 'exit 0' INT
echo "hello is ready: curl -d 'hello' http://127.0.0.1:8080/"
last=$(cat word)
while :; do
    word=$(cat word)
    [ "$word" = "$last" ] || echo "hello is ready again after word changed"
    last=$word
    sleep 0.05
done
"""

GOOD = """
# A document

```sh
mkdir inner
cd inner
echo one >word
```

Not to be run:

```python
raise SystemExit
```

```sh
bandog dev
```

```console
$ cat word
one
$ pwd; ls; echo end
…/empty/inner
word
end
$ seq 9
1
…
9
$ false
$ echo two >word
$ cat word
two
```

```console
$ bandog dev
hello is ready: curl …
```
"""


@pytest.fixture
def stand_in(reader, scratch):
    programs = scratch / "bin"
    programs.mkdir()
    (programs / "bandog").write_text(STAND_IN, encoding="utf-8")
    (programs / "bandog").chmod(0o755)
    return reader(programs)


def test_a_document_that_is_right(stand_in):
    stand_in.follow(GOOD)
    assert (stand_in.folder / "inner/word").read_text() == "two\n"
    assert AGAIN.search(stand_in.shown.text())
    assert len(READY.findall(stand_in.shown.text())) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        "```sh\nfalse\necho never\n```\n",
        "```sh\nno-such-program\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one\n```\n",
        "```console\n$ echo one\none\ntwo\n```\n",
        "```console\n$ echo one two\none…\nthree\n```\n",
        "```console\necho one\n```\n",
        "```sh\nbandog dev\necho never\n```\n",
    ],
)
def test_a_document_that_is_wrong(stand_in, wrong):
    with pytest.raises(AssertionError):
        stand_in.follow("```sh\necho one >word\n```\n" + wrong)


def test_what_a_reader_types():
    assert [kind for kind, _ in blocks(GOOD)] == ["sh", "sh", "console", "console"]
    assert commands("$ a\nb\nc\n$ d\n") == [("a", "b\nc\n"), ("d", "")]
