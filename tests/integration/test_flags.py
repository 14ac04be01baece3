"""Command line flags: Go's rules, one or two dashes alike."""

import re

import pytest

VERSION = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?Version: [^\s]+\tSHA: [^\s]+\n")
FLAGS = ["check", "help", "run-healthcheck", "version"]
DASHES = pytest.mark.parametrize("dashes", ["-", "--"])


def assert_usage(text):
    """The first line, then each flag and its explanation in alphabetical order."""
    lines = text.splitlines()
    assert re.fullmatch(r"Usage of \S+:", lines[0]), text
    flags = re.findall(r"^  -([a-z-]+)\n    \t\S.*$", text, re.M)
    assert flags == sorted(flags), text
    assert {"check", "run-healthcheck", "version"} <= set(flags), text


@DASHES
@pytest.mark.parametrize("value", ["", "=1", "=t", "=T", "=TRUE", "=true", "=True"])
def test_version(fwatchdog, dashes, value):
    ended = fwatchdog(f"{dashes}version{value}")
    assert ended.status == 0
    assert VERSION.fullmatch(ended.all), ended
    assert "" in (ended.stdout, ended.stderr)


@DASHES
def test_healthcheck_finds_the_lock_file(fwatchdog, scratch, dashes):
    (scratch / "tmp" / ".lock").touch()
    ended = fwatchdog(f"{dashes}run-healthcheck")
    assert (ended.status, ended.all) == (0, "")


@DASHES
@pytest.mark.parametrize("mode", [None, "classic", "streaming"])
def test_healthcheck_needs_no_other_setting(fwatchdog, dashes, mode):
    ended = fwatchdog(f"{dashes}run-healthcheck", mode=mode)
    assert (ended.status, ended.stdout, ended.stderr) == (1, "", "unable to find lock file.\n")


def test_healthcheck_takes_any_answer_but_not_there(fwatchdog, scratch):
    """A stat that fails for another reason (here: a loop of links) is no missing file."""
    (scratch / "tmp" / ".lock").symlink_to(".lock")
    ended = fwatchdog("-run-healthcheck")
    (scratch / "tmp" / ".lock").unlink()
    assert (ended.status, ended.all) == (0, "")


@pytest.mark.parametrize("order", [("-version", "-run-healthcheck"), ("-run-healthcheck", "-version")])
def test_version_wins_over_healthcheck(fwatchdog, order):
    ended = fwatchdog(*order)
    assert ended.status == 0
    assert VERSION.fullmatch(ended.all), ended


@pytest.mark.parametrize("flag", ["-h", "-help", "--h", "--help"])
def test_help(fwatchdog, flag):
    ended = fwatchdog(flag)
    assert (ended.status, ended.stderr) == (0, "")
    assert_usage(ended.stdout)
    for name in ("fprocess", "mode", "port", "exec_timeout", "workers", "strict_config", "kill_grace"):
        assert re.search(rf"^\s+{name}\b", ended.stdout, re.M), f"{name} is not explained"


@DASHES
@pytest.mark.parametrize("flag", ["bogus", "bogus=1", "v", "VERSION", "version-"])
def test_unknown_flag(fwatchdog, dashes, flag):
    ended = fwatchdog(dashes + flag, fprocess="cat")
    assert (ended.status, ended.stdout) == (2, "")
    first, rest = ended.stderr.split("\n", 1)
    assert first == f"flag provided but not defined: -{flag.split('=')[0]}"
    assert_usage(rest)


@DASHES
@pytest.mark.parametrize("flag", ["version", "run-healthcheck", "check"])
@pytest.mark.parametrize("value", ["x", "", "yes", "tRUE", " true"])
def test_bad_boolean(fwatchdog, dashes, flag, value):
    ended = fwatchdog(f"{dashes}{flag}={value}", fprocess="cat")
    assert (ended.status, ended.stdout) == (2, "")
    first, rest = ended.stderr.split("\n", 1)
    assert first == f'invalid boolean value "{value}" for -{flag}: parse error'
    assert_usage(rest)


@pytest.mark.parametrize("argument", ["---version", "-=", "--=x"])
def test_bad_flag_syntax(fwatchdog, argument):
    ended = fwatchdog(argument, fprocess="cat")
    assert (ended.status, ended.stdout) == (2, "")
    first, rest = ended.stderr.split("\n", 1)
    assert first == f"bad flag syntax: {argument}"
    assert_usage(rest)


@pytest.mark.parametrize(
    "args",
    [
        ["--", "-version"],
        ["-", "-version"],
        ["word", "-bogus"],
        ["", "-bogus"],
        ["-version=false"],
        ["-version=0", "-run-healthcheck=F", "--check=False"],
        ["-version=f", "--", "--bogus"],
    ],
    ids=" ".join,
)
def test_further_arguments_are_ignored_and_the_server_starts(watchdog, args):
    assert watchdog("cat", args=args).call("POST", body=b"hi").body == b"hi"
