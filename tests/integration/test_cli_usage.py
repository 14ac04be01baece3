"""bandog's command line: commands, options, help, exit codes, and what its messages may do to a terminal."""

import os
import re
import subprocess

import pytest

from cli import BANDOG, project, tree  # noqa: F401
from harness import merged

COMMANDS = [
    "new",
    "build",
    "push",
    "dev",
    "generate",
    "template list",
    "template pull",
    "template pull stack",
    "completion",
]
HOSTILE = ["\033[31mred", "\033]0;title\007", "\rback", "\x7f", "\u009b31m", "\u0085", "new\nbandog: a lie"]


# --- help -------------------------------------------------------------------------------------------------------------


def test_help_lists_the_commands(project):
    text = project.done("--help").stdout
    assert text.startswith("Usage: bandog COMMAND [OPTIONS]\n")
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)*)  +\S", text, re.M)
    assert set(COMMANDS) <= set(listed), text


@pytest.mark.parametrize("args", [(), ("-h",), ("help",)])
def test_other_ways_to_help(project, args):
    assert project.done(*args).stdout == project.done("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(project, command):
    text = project.done(*command.split(), "--help").stdout
    assert text.startswith(f"Usage: bandog {command}"), text
    assert re.search(r"^  -h, --help +\S", text, re.M), text
    assert max(map(len, text.splitlines())) <= 120
    assert project.done(*command.split(), "-h").stdout == text
    assert project.done("help", *command.split()).stdout == text


def test_help_of_build_has_every_option(project):
    text = project.done("build", "--help").stdout
    shorts = {"yaml": "f", "build-arg": "b", "build-option": "o", "quiet": "q"}
    for name in (
        "yaml filter regex envsubst shrinkwrap parallel no-cache pull squash build-arg build-option build-label "
        "copy-extra tag quiet"
    ).split():
        start = f"  -{shorts[name]}, " if name in shorts else "      "
        assert re.search(rf"^{start}--{name}\b.*\S", text, re.M), (name, text)
    assert "latest, sha, branch, describe, digest" in text


def test_help_of_new_has_every_option(project):
    text = project.done("new", "--help").stdout
    shorts = {"lang": "l", "output": "o", "prefix": "p", "gateway": "g", "append": "a", "yaml": "f", "quiet": "q"}
    for name in (
        "lang handler prefix gateway append yaml memory-limit cpu-limit memory-request cpu-request quiet list output"
    ).split():
        start = f"  -{shorts[name]}, " if name in shorts else "      "
        assert re.search(rf"^{start}--{name}\b.*\S", text, re.M), (name, text)


def test_help_wins_over_what_is_wrong(project):
    assert project.done("build", "--nonsense", "--help").stdout.startswith("Usage: bandog build")


def test_help_behind_two_dashes_is_an_operand(project):
    project.stack({"one": {}})
    project.refused(1, "'--help'", args=["build", "--", "--help"])


@pytest.mark.parametrize("args", [("template",), ("template", "--help"), ("help", "template")])
def test_a_group_lists_its_commands(project, args):
    text = project.done(*args).stdout
    assert re.search(r"^  template list +\S", text, re.M) and re.search(r"^  template pull +\S", text, re.M), text


@pytest.mark.parametrize("args", [("--version",), ("version",)])
def test_version(project, args):
    assert re.fullmatch(r"bandog \S+ \(\S+\)\n", project.done(*args).stdout)


# --- what is not understood -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, meant",
    [
        (["biuld"], "build"),
        (["pus"], "push"),
        (["compleiton"], "completion"),
        (["nwe"], "new"),
        (["zzzzzz"], None),
        (["--nonsense"], None),
        (["help", "biuld"], "build"),
    ],
)
def test_unknown_command(project, args, meant):
    ended = project.refused(2, args[-1], "See 'bandog --help'", args=args)
    assert (f"(did you mean {meant}?)" in ended.stderr) == bool(meant), ended
    assert ended.stdout == ""


def test_unknown_command_of_a_group(project):
    ended = project.run("template", "nonsense")
    assert (ended.status, ended.stdout) == (2, ""), ended
    assert "template list" in ended.stderr and "template pull" in ended.stderr


@pytest.mark.parametrize(
    "command, option, meant",
    [
        ("build", "--shrinkwarp", "shrinkwrap"),
        ("build", "--paralel=2", "parallel"),
        ("new", "--lnag=x", "lang"),
        ("push", "--filtre", "filter"),
        ("build", "--zzzzzz", None),
        ("build", "-Z", None),
        ("template pull", "--overwrit", "overwrite"),
        ("completion", "--yaml", None),
    ],
)
def test_unknown_option(project, command, option, meant):
    name = option.split("=")[0]
    texts = (f"unknown option {name}", f"See 'bandog {command} --help'")
    ended = project.refused(2, *texts, args=[*command.split(), option])
    assert (f"(did you mean --{meant}?)" in ended.stderr) == bool(meant), ended
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "args, text",
    [
        (["build", "-f"], "--yaml needs a value"),
        (["build", "--yaml"], "--yaml needs a value"),
        (["build", "--shrinkwrap=maybe"], "maybe"),
        (["build", "--parallel", "0"], "--parallel"),
        (["build", "--parallel", "-1"], "--parallel"),
        (["build", "--parallel", "two"], "--parallel"),
        (["build", "--parallel", "99999999999999999999"], "--parallel"),
        (["build", "--parallel="], "--parallel"),
        (["build", "--tag", "newest"], "latest, sha, branch, describe, digest"),
        (["build", "-b", "novalue"], "KEY=VALUE"),
        (["build", "-b", "=x"], "KEY=VALUE"),
        (["build", "--build-label", "novalue"], "KEY=VALUE"),
        (["new", "a", "b", "--lang", "tiny"], "unexpected 'b'"),
        (["new", "--list", "--output", "xml"], "text, json"),
        (["completion"], ""),
        (["completion", "fish"], "fish"),
        (["completion", "bash", "zsh"], "unexpected 'zsh'"),
        (["template", "list", "x"], "unexpected 'x'"),
    ],
)
def test_usage_errors(project, args, text):
    project.stack({"one": {}})
    before = tree(project.folder)
    ended = project.refused(2, text, args=args)
    assert ended.stdout == ""
    assert tree(project.folder) == before and not project.engine.calls()


# --- how options are written ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ["-f", "other.yml"],
        ["-fother.yml"],
        ["-f=other.yml"],
        ["--yaml", "other.yml"],
        ["--yaml=other.yml"],
        ["--yaml", "stack.yml", "-f", "other.yml"],
        ["two", "--yaml", "other.yml"],
        ["-f", "other.yml", "--", "two"],
    ],
)
def test_an_option_with_a_value(project, args):
    project.stack({"one": {}})
    project.stack({"two": {}}, file="other.yml")
    project.done("build", "--shrinkwrap", *args)
    assert os.listdir(project.folder / "build") == ["two"]


@pytest.mark.parametrize(
    "value, shrinkwraps", [("", True), ("=true", True), ("=1", True), ("=false", False), ("=0", False)]
)
def test_a_switch(project, value, shrinkwraps):
    project.stack({"one": {}})
    project.done("build", f"--shrinkwrap{value}")
    assert bool(project.engine.calls()) != shrinkwraps


def test_short_switches_in_one_word(project):
    project.stack({"two": {}}, file="other.yml")
    project.done("build", "-qfother.yml")
    assert project.engine.call("build").cwd.name == "two"


# --- where output goes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("new", "--list"), ("completion", "bash"), ("build",)])
def test_a_full_disk_is_said(project, args):
    project.stack({"one": {}})
    with open("/dev/full", "wb") as full:
        ended = project.run(*args, stdout=full)
    assert ended.status == 1, ended
    assert ended.stderr == "bandog: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("args", [("--help",), ("new", "--list"), ("completion", "bash")])
def test_a_reader_that_has_gone_is_no_news(project, args):
    r, w = os.pipe()
    os.close(r)
    ended = project.run(*args, stdout=w)
    os.close(w)
    assert (ended.status, ended.stderr) == (1, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(project, closed):
    """A file opened as descriptor 1 or 2 must not get what was meant for the user."""
    project.template()
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    closed_stdout = ">&-" in closed.replace("2>&-", "")
    ended = project.run("new", "one", "--lang", "tiny", wrapper=shell)
    assert ended.status == (1 if closed_stdout else 0), ended
    assert closed != ">&-" or ended.stderr.startswith("bandog: cannot write to stdout: "), ended
    project.run("new", "two", "--lang", "nonsense", wrapper=shell)
    stack = project.read("stack.yml")
    assert stack.startswith("version: 1.0\n") and stack.endswith("    image: one:latest\n\n"), stack
    assert project.read("one/handler.sh") == "#!/bin/sh\ncat\n"
    assert project.read(".gitignore") == "template\nbuild\n.secrets\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_an_engine_is_not_given_what_was_closed(project, closed):
    """Its pipes must not become descriptors 0 to 2 of bandog."""
    project.stack({"one": {}})
    project.engine.answer("build", stdout="from the engine\n", stderr="and more\n")
    ended = project.run("build", wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"])
    assert ended.status == (0 if closed == "2>&-" else 1), ended
    call = project.engine.call("build")
    assert (call.stdin, call.args[-2:]) == (0, ["me/one:1", "."])
    assert not ended.stdout or {"one | from the engine", "one | and more"} <= set(ended.stdout.splitlines())


# --- colour -----------------------------------------------------------------------------------------------------------


def test_no_colour_but_on_a_terminal(project):
    project.stack({"one": {}})
    project.engine.answer("build", stdout="from the engine\n", status=1)
    ended = project.run("build")
    assert ended.status == 1
    assert "\033" not in ended.all


def test_colour_on_a_terminal(project):
    project.stack({"one": {}})
    status, shown, err = project.on_terminal("build")
    assert (status, err) == (0, "")
    assert re.search(r"\033\[3[1-6]m[^\n]*> Building one\.", shown), shown
    assert shown.count("\033[0m") == len(re.findall(r"\033\[[1-9]\d*m", shown)) > 0


def test_the_colour_ends_before_the_line_does(project):
    project.stack({"one": {}})
    for line in project.on_terminal("build")[1].split("\r\n"):
        assert "\033" not in line or line.rindex("\033[0m") >= max(m.start() for m in re.finditer(r"\033\[[1-9]", line))


def test_each_stream_decides_for_itself(project):
    _, shown, err = project.on_terminal("zzz")
    assert shown == "" and err.startswith("bandog: unknown command") and "\033" not in err
    _, shown, _ = project.on_terminal("zzz", stderr=subprocess.STDOUT)
    assert re.match(r"\033\[\d+mbandog:\033\[0m unknown command", shown), shown


@pytest.mark.parametrize(
    "env, coloured", [({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_no_color(project, env, coloured):
    project.stack({"one": {}})
    _, shown, _ = project.on_terminal("build", env=env)
    assert ("\033" in shown) == coloured


# --- texts that play with terminals -----------------------------------------------------------------------------------


def assert_tame(stderr):
    """Each line is bandog's own, nothing in it steers a terminal, and it is UTF-8."""
    text = stderr.decode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text
    for line in text.splitlines():
        assert line.startswith(("bandog: ", "See 'bandog")) and not line.startswith("bandog: a lie"), text


@pytest.mark.parametrize(
    "args", [["{}"], ["build", "--{}"], ["build", "-f", "{}"], ["build", "{}"], ["new", "a", "--lang", "{}"]]
)
@pytest.mark.parametrize("text", [*HOSTILE, b"\x9b31m", b"\xff\xfe", b"\xc3"])
def test_arguments_are_tamed(project, args, text):
    project.stack({"one": {}})
    text = text if isinstance(text, bytes) else text.encode()
    ended = subprocess.run(
        [str(BANDOG), *(a.encode().replace(b"{}", text) for a in args)],
        cwd=project.folder,
        env=merged(project.environment, {}),
        capture_output=True,
        check=False,
    )
    assert ended.returncode in (1, 2) and ended.stdout == b""
    assert_tame(ended.stderr)


@pytest.mark.parametrize("option", ["-é", "-\x01"])
def test_a_strange_letter_is_tamed(project, option):
    assert_tame(project.refused(2, "unknown option", args=["build", option]).stderr.encode("utf-8"))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "place, status",
    [
        (lambda text: {"functions": {text: {}}}, 1),
        (lambda text: {"functions": {"one": {text: "x"}}}, 0),
        (lambda text: {"functions": {"one": {"skip_build": text}}}, 1),
        (lambda text: {"functions": {"one": {"lang": text}}}, 1),
        (lambda text: {"functions": {"one": {"handler": f"./{text}/x"}}}, 1),
        (lambda text: {"functions": {"one": {}}, "version": text}, 1),
    ],
    ids=["name", "key", "bool", "lang", "handler", "version"],
)
def test_texts_of_the_stack_file_are_tamed(project, text, place, status):
    project.stack(**place(text))
    ended = project.run("build")
    assert ended.status == status, ended
    assert ended.stderr and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|^bandog: a lie", ended.all, re.M), ended
