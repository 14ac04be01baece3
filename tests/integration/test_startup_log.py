"""The lines at start: these, in this order, and no other. Scrapers read them."""

import re
import subprocess

import pytest

from harness import STAMP, SYSTEM_PATH, free_port

VERSION = r"Version: \S+\tSHA: \S+"


def assert_lines(w, *wanted):
    """Whole lines; each is a text or, when it holds a number that is not known, an expression."""
    w.wait_until_ready()
    assert all(STAMP.match(line) for line in w.raw_lines())
    lines = w.messages()
    assert len(lines) == len(wanted), lines
    for line, expression in zip(lines, wanted):
        assert re.fullmatch(expression, line), lines


def literal(text):
    return re.escape(text)


def test_classic(watchdog):
    w = watchdog("cat")
    assert_lines(
        w,
        VERSION,
        literal("Timeouts: read: 30s write: 30s hard: 0s health: 0s."),
        f"Listening on port: {w.port}",
        literal(f"Writing lock-file to: {w.lock}"),
    )


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_others(watchdog, mode):
    w = watchdog("cat -u", mode=mode)
    assert_lines(
        w,
        VERSION,
        literal(f'Watchdog mode: {mode}\tfprocess: "cat -u"'),
        literal("Timeouts: read: 30s write: 30s hard: 30s health: 0s"),
        f"Listening on port: {w.port}",
        literal(f"Writing lock-file to: {w.lock}"),
    )


@pytest.mark.parametrize("value", [None, ""])
def test_mode_unset_or_empty_is_classic(watchdog, value):
    w = watchdog("cat", mode=value)
    w.wait_for_log(r"^Timeouts: .*\.$")
    assert not [m for m in w.messages() if m.startswith("Watchdog mode")]


@pytest.mark.parametrize(
    "line, quoted",
    [
        ("cat", '"cat"'),
        ('echo "a b"', r'"echo \"a b\""'),
        ("echo a\\b", r'"echo a\\b"'),
        ("echo a\tb\nc\rd", r'"echo a\tb\nc\rd"'),
        ("echo \a\b\f\v\x01\x1b\x7f", r'"echo \a\b\f\v\x01\x1b\x7f"'),
        ("echo é 世界 😀", '"echo é 世界 😀"'),
        (b"echo \xff".decode("utf-8", "surrogateescape"), r'"echo \xff"'),
    ],
    ids=["plain", "quotes", "backslash", "tab-newline", "controls", "utf-8", "invalid-utf-8"],
)
def test_command_line_is_quoted_like_go(watchdog, line, quoted):
    w = watchdog(line, mode="streaming")
    assert w.wait_for_log("^Watchdog mode: .*").group(0) == f"Watchdog mode: streaming\tfprocess: {quoted}"


@pytest.mark.parametrize(
    "mode, end, settings, text",
    [
        (None, ".", {}, "read: 30s write: 30s hard: 0s health: 30s"),
        ("streaming", "", {}, "read: 30s write: 30s hard: 30s health: 30s"),
        (None, ".", {"write_timeout": "5s"}, "read: 30s write: 5s hard: 0s health: 5s"),
        ("serializing", "", {"write_timeout": "90"}, "read: 30s write: 1m30s hard: 30s health: 1m30s"),
        (
            "streaming",
            "",
            {"read_timeout": "1h", "write_timeout": "1500ms", "exec_timeout": "0", "healthcheck_interval": "2"},
            "read: 1h0m0s write: 1.5s hard: 0s health: 2s",
        ),
    ],
)
def test_timeouts_line(watchdog, mode, end, settings, text):
    w = watchdog("cat", **{"mode": mode, "healthcheck_interval": None, **settings})
    assert w.wait_for_log("^Timeouts: .*").group(0) == f"Timeouts: {text}{end}"
    w.stop(times=2)


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_suppressed_lock(watchdog, mode):
    w = watchdog("cat", mode=mode, suppress_lock="true")
    assert w.messages()[-1] == (
        'Warning: "suppress_lock" is enabled. No automated health-checks will be in place for your function.'
    )
    assert not w.lock.exists()


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_metrics_line(watchdog, mode):
    port = free_port()
    w = watchdog("cat", mode=mode, metrics_port=port)
    w.wait_for_log(f"^Metrics listening on port: {port}$")
    lines = w.messages()
    assert lines.index(f"Metrics listening on port: {port}") > lines.index(f"Listening on port: {w.port}")


@pytest.mark.parametrize("mode", [None, "streaming"])
def test_default_ports(watchdog, mode):
    """8080 and 8081, in a network of its own where they are free."""
    if subprocess.run(["unshare", "-n", "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("unshare -n is not permitted here")
    w = watchdog("cat", mode=mode, port=None, metrics_port=None, wrapper=["unshare", "-n"])
    w.wait_for_log("^Listening on port: 8080$")
    w.wait_for_log("^Metrics listening on port: 8081$")


def test_local_time(watchdog):
    """The stamp is local time: of two zones, half a day apart, the hours differ."""
    stamps = []
    for zone in ("UTC-6", "UTC+6"):
        w = watchdog("cat", TZ=zone)
        stamps.append(w.raw_lines()[0][11:13])
        w.stop()
    assert (int(stamps[0]) - int(stamps[1])) % 24 in (11, 12, 13)
