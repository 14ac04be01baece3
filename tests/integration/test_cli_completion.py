"""bandog completion: what the shells offer, asked of the shells themselves."""

import os
import pty
import shlex
import subprocess

import pytest

from cli import BANDOG, project  # noqa: F401
from harness import PATIENCE, Fifo, need_program

COMMANDS = {"new", "build", "push", "dev", "generate", "template", "completion"}

# Runs the function that `complete` was told, as readline does, and prints what it offers.
ASK = """
eval "$(bandog completion bash)"
set -- "$@"
spec=$(complete -p bandog)
function=${spec#*-F }
function=${function%% *}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
previous=
[ $COMP_CWORD -gt 0 ] && previous=${COMP_WORDS[COMP_CWORD - 1]}
$function bandog "${COMP_WORDS[COMP_CWORD]}" "$previous"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def shell(project):
    """The project of the tests below, with bandog in PATH."""
    os.symlink(BANDOG, project.bin / "bandog")
    project.template("tiny")
    project.stack({"one": {}, "other": {}, "two": {}})
    return project


@pytest.fixture
def offers(shell):
    """offers("bandog", "build", "o"): the set of words that bash would offer there."""
    bash = need_program("bash")

    def ask(*words):
        done = subprocess.run(
            [bash, "--norc", "-c", ASK, "bash", *words],
            cwd=shell.folder,
            env=shell.environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode in (0, 1), done.stderr) == (True, b""), done
        return {line.rstrip() for line in done.stdout.decode().splitlines()}

    return ask


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_script_is_one_that_the_shell_reads(shell, name, tmp_path):
    program = need_program(name)
    script = tmp_path / "script"
    script.write_text(shell.done("completion", name).stdout)
    done = subprocess.run([program, "-n", str(script)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_commands(offers):
    assert COMMANDS <= offers("bandog", "")
    assert offers("bandog", "bu") == {"build"}
    assert offers("bandog", "zz") == set()


def test_commands_of_a_group(offers):
    assert {"list", "pull"} <= offers("bandog", "template", "")
    assert offers("bandog", "template", "p") == {"pull"}


def test_options(offers):
    found = offers("bandog", "build", "--")
    assert {"--yaml", "--filter", "--shrinkwrap", "--parallel", "--build-arg", "--tag", "--help"} <= found
    assert offers("bandog", "build", "--sh") == {"--shrinkwrap"}
    assert offers("bandog", "template", "pull", "--over") == {"--overwrite"}
    assert "--shrinkwrap" not in offers("bandog", "new", "--")


def test_functions(offers):
    assert offers("bandog", "build", "") >= {"one", "other", "two"}
    assert offers("bandog", "push", "o") == {"one", "other"}
    assert offers("bandog", "dev", "--port", "80", "t") == {"two"}
    assert offers("bandog", "generate", "one", "t") == {"two"}


def test_templates(offers):
    found = offers("bandog", "new", "hello", "--lang", "")
    assert {"tiny", "python3-http"} <= found
    assert offers("bandog", "new", "--lang", "ti") == {"tiny"}
    assert offers("bandog", "new", "-l", "ti") == {"tiny"}


def test_a_value_behind_an_equals_sign(offers):
    """Bash makes three words of --lang=ti."""
    assert offers("bandog", "new", "--lang", "=", "ti") == {"tiny"}
    assert offers("bandog", "build", "--tag", "=", "") >= {"latest", "sha", "branch", "describe", "digest"}


def test_words(offers):
    assert offers("bandog", "build", "--tag", "d") == {"describe", "digest"}
    assert offers("bandog", "completion", "") == {"bash", "zsh"}
    assert offers("bandog", "new", "--list", "--output", "j") == {"json"}


def test_nothing_where_nothing_is_known(offers):
    assert not offers("bandog", "build", "--parallel", "")
    assert not offers("bandog", "nonsense", "")


@pytest.mark.parametrize("stack", [None, "functions: [", "provider: {name: x}\n", "", "a: &a [*a]\n"])
def test_a_stack_file_that_cannot_be_read(shell, offers, stack):
    """No noise on the command line that is being written."""
    os.remove(shell.folder / "stack.yml")
    if stack is not None:
        shell.write("stack.yml", stack)
    assert not offers("bandog", "build", "") & {"one", "two"}


def test_names_are_not_run(shell, offers):
    """Names of folders are text to the shell."""
    for name in ("$(touch pwned)", "`touch pwned`", "a b", "*", "\\x", "'", '"'):
        shell.template(name)
    shell.stack({"one": {}, "$(touch pwned)": {}})
    for words in (["build", ""], ["new", "--lang", ""], ["new", "--lang", "$"], ["build", "$(touch pwned)"]):
        offers("bandog", *words)
    assert not (shell.folder / "pwned").exists()


# --- zsh --------------------------------------------------------------------------------------------------------------

# A key that tells what the line is after the completion.
SETUP = """
PS1= PS2= RPS1=
autoload -Uz compinit && compinit -u -d {dump}
eval "$(bandog completion zsh)"
tell() {{ print -r -- "$BUFFER" >{told}; BUFFER= }}
zle -N tell
bindkey '^X' tell
setopt no_beep
print -r -- ready >{told}
"""


class Zsh:
    """A zsh at a terminal: completed("bandog bui") is the line that Tab makes of it."""

    def __init__(self, shell):
        self.told = Fifo(shell.root / "told")
        setup = SETUP.format(dump=shlex.quote(f"{shell.root}/dump"), told=shlex.quote(self.told.path))
        (shell.home / ".zshrc").write_text(setup)
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [need_program("zsh"), "-i"],
            cwd=shell.folder,
            env={**shell.environment, "TERM": "dumb", "ZDOTDIR": str(shell.home)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        assert self.told.line() == "ready"

    def completed(self, text):
        os.write(self.master, text.encode() + b"\t\x18")
        return self.told.line().rstrip()

    def close(self):
        os.close(self.master)
        self.process.kill()
        self.process.wait()
        self.told.close()


@pytest.fixture
def zsh(shell):
    zsh = Zsh(shell)
    yield zsh
    zsh.close()


@pytest.mark.parametrize(
    "rows",
    [
        {"bui": "build", "compl": "completion", "template pu": "template pull", "zzz": "zzz"},
        {"build --shri": "build --shrinkwrap", "build --para": "build --parallel", "new --lan": "new --lang"},
        {"build tw": "build two", "build one tw": "build one two", "push --filter x ot": "push --filter x other"},
        {"new --lang tin": "new --lang tiny", "new hello -l tin": "new hello -l tiny"},
        {"build --tag desc": "build --tag describe", "completion z": "completion zsh", "dev -f st": "dev -f stack.yml"},
    ],
    ids=["commands", "options", "functions", "templates", "values"],
)
def test_zsh(zsh, rows):
    assert {typed: zsh.completed(f"bandog {typed}") for typed in rows} == {t: f"bandog {c}" for t, c in rows.items()}
