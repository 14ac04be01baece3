"""log_level: which of the watchdog's lines are written, in both formats; the function's always are."""

import json

import pytest

from harness import STAMP, eventually, free_port
from json_log import read_log, requests_of, wrapped_of
from upstream import close, read_request

FORMATS = pytest.mark.parametrize("log_format", ["text", "json"])
MODES = ["classic", "streaming", "serializing", "cgi", "http", "static"]
FUNCTION = ["errline:hello", "outline:Status:200", "outline:", "in"]


@pytest.fixture
def quiet(watchdog):
    """Starts fwatchdog where the lines of the start may be missing."""

    def start(fprocess=None, **changes):
        w = watchdog(fprocess, port=free_port(), ready=False, **changes)
        w.wait_until_connectable()
        eventually(w.lock.exists, "the lock file is there")
        return w

    return start


def lines_of(w, log_format):
    """After its end: [(level, message)] of the watchdog's own lines (level None in text), and the function's."""
    w.stop()
    if log_format == "json":
        entries = read_log(w.err.data)
        return [(e["level"], e["message"]) for e in entries if "stream" not in e], wrapped_of(entries)
    messages = [STAMP.sub("", line, count=1) for line in w.raw_lines()]
    own = [(None, m) for m in messages if not m.startswith("stderr: ")]
    return own, [m.removeprefix("stderr: ") for m in messages if m.startswith("stderr: ")]


@FORMATS
@pytest.mark.parametrize("level", ["warning", "error"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_said_when_all_is_well(quiet, upstream, site, mode, level, log_format):
    """Neither at the start, nor about calls, nor at the end; what the function prints is there."""
    site.write("a", b"hello")
    settings = {"http": {"http_upstream_url": upstream.url}, "static": {"static_path": site.path}}.get(mode, {})
    fprocess = {"static": None, "http": "sh -c 'echo hello >&2; exec cat'"}.get(mode, " ".join(["steps", *FUNCTION]))
    w = quiet(fprocess, mode=mode, log_level=level, log_format=log_format, combine_output="false", **settings)
    if mode == "http":
        upstream.script(read_request, lambda link: link.answer())
    assert w.call("GET", "/a").status == 200
    if mode != "static":
        eventually(lambda: b"hello" in w.err.data, "the function's line is there")
    own, function = lines_of(w, log_format)
    assert own == []
    assert function == ([] if mode == "static" else ["hello"])


@FORMATS
def test_info_is_the_default(watchdog, log_format):
    def said(**settings):
        w = watchdog("true", mode="streaming", log_format=log_format, **settings)
        w.call()
        w.stop()
        return sorted(m.split(" ")[0] for m in w.messages())

    assert said() == said(log_level="info")


@FORMATS
@pytest.mark.parametrize("level, said", [("info", True), ("warning", True), ("error", False)])
def test_warnings(quiet, level, said, log_format):
    w = quiet("cat", max_inflight="many", log_level=level, log_format=log_format)
    own, _ = lines_of(w, log_format)
    assert [m for _, m in own if "max_inflight" in m and "many" in m] == [m for _, m in own if said and "many" in m]
    assert bool([m for _, m in own if "many" in m]) == said


@FORMATS
@pytest.mark.parametrize("level", ["info", "warning", "error"])
@pytest.mark.parametrize(
    "mode, settings, steps, words",
    [
        ("streaming", {}, "exit:3", "exit status 3"),
        ("serializing", {}, "exit:3", "exit status 3"),
        ("cgi", {}, "exit:3", "exit status 3"),
        ("streaming", {"exec_timeout": "100ms"}, "say wait", "exec_timeout"),
        ("cgi", {}, "out:nonsense", "malformed head"),
    ],
)
def test_failures_are_told_at_every_level(quiet, gate, mode, settings, steps, words, level, log_format):
    w = quiet(f"steps {steps}", mode=mode, log_level=level, log_format=log_format, **settings, **gate.env)
    assert w.call().status >= 500
    eventually(lambda: words in w.err.text(), "the failure is told")
    own, _ = lines_of(w, log_format)
    found = [(said, m) for said, m in own if words in m]
    assert len(found) == 1
    assert found[0][0] in (None, "error")
    if level != "info":
        assert own == found


@FORMATS
def test_failures_of_http_are_told(quiet, upstream, log_format):
    w = quiet("cat", mode="http", http_upstream_url=upstream.url, log_level="error", log_format=log_format)
    upstream.script(read_request, close)
    assert w.call().status == 502
    own, _ = lines_of(w, log_format)
    assert len(own) == 1 and own[0][1].startswith("Upstream HTTP request error: Get ")


@FORMATS
@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_start_that_fails_says_why(fwatchdog, taken_port, level, log_format):
    ended = fwatchdog(fprocess="cat", port=taken_port, log_level=level, log_format=log_format)
    assert ended.status != 0
    lines = ended.stderr.splitlines()
    told = [line for line in lines if str(taken_port) in line]
    assert told
    if level != "info":
        assert lines == told
    if log_format == "json":
        assert json.loads(told[-1])["level"] == "error"


@pytest.mark.parametrize("value", ["debug", "warn", "INFO", "1", "info,error"])
def test_bad_level_stops_the_start(fwatchdog, value):
    ended = fwatchdog(fprocess="cat", log_level=value)
    assert ended.status != 0
    assert "log_level" in ended.stderr and value in ended.stderr


@FORMATS
def test_end_of_the_function_is_told(watchdog, log_format):
    """mode=http without restart: the program ends with it, and nobody should have to guess why."""
    w = watchdog("sh -c 'exit 7'", mode="http", http_upstream_url="http://127.0.0.1:9", log_level="error",
                 log_format=log_format, ready=False)  # fmt: skip
    w.ended(7)
    messages = [m for m in w.messages() if "exit status 7" in m]
    assert messages == ["Forked function has terminated: exit status 7"]


def test_no_request_is_written_by_any_thread(quiet):
    w = quiet("true", mode="streaming", log_level="warning", log_format="json", workers="3")
    for _ in range(30):
        w.call()
    w.stop()
    assert requests_of(read_log(w.err.data)) == [] and w.err.data == b""
