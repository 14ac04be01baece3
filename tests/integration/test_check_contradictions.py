"""--check: settings that are understood, but do not go together. One line each names both; a start says nothing."""

import re

import pytest

FORKING = ["classic", "streaming", "serializing", "cgi"]
ALL = [*FORKING, "http", "static"]

# name, value, the modes that read it
READ_BY = [
    ("cgi_headers", "true", ["classic"]),
    ("combine_output", "false", ["classic"]),
    ("marshal_request", "true", ["classic"]),
    ("write_debug", "true", ["classic"]),
    ("debug_headers", "true", ["classic"]),
    ("fprocess", "cat", [*FORKING, "http"]),
    ("exec_timeout", "5s", [*FORKING, "http"]),
    ("kill_grace", "2s", FORKING),
    ("output_grace", "2s", FORKING),
    ("exit_status_map", "3=404", FORKING),
    ("cgi_response", "true", ["classic", "streaming", "serializing"]),
    ("prefix_logs", "false", ["streaming", "serializing", "cgi", "http"]),
    ("log_buffer_size", "1000", ["streaming", "serializing", "cgi", "http"]),
    ("ready_path", "/ready", ["streaming", "serializing", "cgi", "http", "static"]),
    ("http_upstream_url", "http://127.0.0.1:1", ["http"]),
    ("upstream_url", "http://127.0.0.1:1", ["http"]),
    ("buffer_http", "true", ["http"]),
    ("http_buffer_req_body", "true", ["http"]),
    ("restart", "always", ["http"]),
    ("stop_grace", "1s", ["http"]),
    ("static_path", "/etc", ["static"]),
    ("static_listing", "off", ["static"]),
    ("static_fallback", "index.html", ["static"]),
    ("static_cache_control", "no-store", ["static"]),
    ("static_precompressed", "off", ["static"]),
    ("limit_memory", "4294967296", [*FORKING, "http"]),
    ("limit_files", "100", [*FORKING, "http"]),
    ("user", "0", [*FORKING, "http"]),
]
UNREAD = [(m, name, value) for name, value, modes in READ_BY for m in ALL if m not in modes]
READ = [(m, name, value) for name, value, modes in READ_BY for m in ALL if m in modes]

# the settings, and the names that the one line about them has to hold
TOGETHER = [
    ({"exec_timeout": "31s", "write_timeout": "30s"}, ("exec_timeout", "write_timeout")),
    ({"exec_timeout": "31s"}, ("exec_timeout", "write_timeout")),
    ({"exec_timeout": "10s", "write_timeout": "9999ms"}, ("exec_timeout", "write_timeout")),
    ({"max_queue": "10"}, ("max_queue", "max_inflight")),
    ({"max_queue": "10", "max_inflight": "0"}, ("max_queue", "max_inflight")),
    ({"queue_timeout": "5s"}, ("queue_timeout", "max_inflight")),
    ({"log_wrap": "true"}, ("log_wrap", "log_format")),
    ({"log_wrap": "true", "log_format": "text"}, ("log_wrap", "log_format")),
]
WELL = [
    {"exec_timeout": "30s"},
    {"exec_timeout": "30s", "write_timeout": "30000ms"},
    {"exec_timeout": "0", "write_timeout": "10s"},
    {"max_queue": "10", "max_inflight": "1"},
    {"max_queue": "10", "max_inflight": "1", "queue_timeout": "1s"},
    {"max_queue": "0"},
    {"max_queue": "", "queue_timeout": "", "log_wrap": ""},
    {"log_wrap": "false", "log_format": "json"},
    {"log_wrap": "true", "log_format": "json"},
    {"shutdown_timeout": "1s", "write_timeout": "30s"},
    {"some_other_program_s_setting": "1", "ready": "x", "EXEC_TIMEOUT": "9h"},
]


def words(settings):
    return " ".join(f"{name}={value}" for name, value in settings.items())


def checked(fwatchdog, mode, settings):
    needed = {
        "http": {"http_upstream_url": "http://127.0.0.1:5000"},
        "static": {"fprocess": None, "static_path": "/usr"},  # a folder that is there
    }
    return fwatchdog("--check", **{"fprocess": "cat", "mode": mode, **needed.get(mode, {}), **settings})


def said(ended):
    """All lines but those of the settings themselves."""
    return [m for m in ended.all.splitlines() if not re.search(r" \((default|environment|fallback)\)$", m)]


def naming(lines, *names):
    return [m for m in lines if all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", m) for name in names)]


def assert_only(ended, *names):
    assert ended.status == 1, ended
    lines = said(ended)
    assert len(lines) == 1 and naming(lines, *names), f"one line should name {names}: {lines}"


@pytest.mark.parametrize("mode", ALL)
def test_defaults_do_not_contradict(fwatchdog, mode):
    ended = checked(fwatchdog, mode, {})
    assert (ended.status, said(ended)) == (0, []), ended


@pytest.mark.parametrize("settings, names", TOGETHER, ids=[words(settings) for settings, _ in TOGETHER])
@pytest.mark.parametrize("mode", ["classic", "streaming", "http"])
def test_settings_that_contradict_each_other(fwatchdog, mode, settings, names):
    assert_only(checked(fwatchdog, mode, settings), *names)


@pytest.mark.parametrize("settings", WELL, ids=[words(settings) for settings in WELL])
@pytest.mark.parametrize("mode", ["classic", "streaming", "http"])
def test_settings_that_do_not(fwatchdog, mode, settings):
    ended = checked(fwatchdog, mode, settings)
    assert (ended.status, said(ended)) == (0, []), ended


def test_no_write_timeout_is_no_short_one(fwatchdog):
    ended = checked(fwatchdog, "classic", {"exec_timeout": "5m", "write_timeout": "0"})
    assert (ended.status, said(ended)) == (0, []), ended


@pytest.mark.parametrize("mode, name, value", UNREAD, ids=[f"{mode}-{name}" for mode, name, _ in UNREAD])
def test_setting_that_the_mode_does_not_read(fwatchdog, mode, name, value):
    assert_only(checked(fwatchdog, mode, {name: value}), name, f"mode={mode}")


@pytest.mark.parametrize("mode, name, value", READ, ids=[f"{mode}-{name}" for mode, name, _ in READ])
def test_setting_that_the_mode_reads(fwatchdog, mode, name, value):
    ended = checked(fwatchdog, mode, {name: value})
    assert (ended.status, said(ended)) == (0, []), ended


@pytest.mark.parametrize(
    "mode, name", [("classic", "ready_path"), ("streaming", "static_path"), ("http", "cgi_response")]
)
def test_empty_is_unset(fwatchdog, mode, name):
    assert naming(said(checked(fwatchdog, mode, {name: ""})), f"mode={mode}") == []


def test_all_at_once(fwatchdog):
    """Beside what is wrong otherwise."""
    settings = {
        "exec_timeout": "1m", "max_queue": "3", "log_wrap": "true", "static_path": "/etc", "restart": "always",
        "read_timeout": "5d",
    }  # fmt: skip
    ended = checked(fwatchdog, "streaming", settings)
    assert ended.status == 1
    lines = said(ended)
    for names in (
        ("exec_timeout", "write_timeout"), ("max_queue", "max_inflight"), ("log_wrap", "log_format"),
        ("static_path", "mode=streaming"), ("restart", "mode=streaming"), ("read_timeout", "5d"),
    ):  # fmt: skip
        assert len(naming(lines, *names)) == 1, (names, lines)
    assert len(lines) == 6, lines


def test_values_in_use_decide(fwatchdog):
    """A value that was not understood is replaced first: 30 s are not longer than 30 s, but than 10 s they are."""
    ended = checked(fwatchdog, "streaming", {"exec_timeout": "9x", "write_timeout": "40s"})
    assert naming(said(ended), "exec_timeout", "write_timeout") == []
    ended = checked(fwatchdog, "streaming", {"exec_timeout": "35s", "write_timeout": "9x"})
    assert len(naming(said(ended), "exec_timeout", "write_timeout")) == 1, ended


def test_mode_of_a_wrong_name(fwatchdog):
    """Which settings it would read nobody knows: there is one line, about the mode."""
    ended = checked(fwatchdog, "fast", {"ready_path": "/ready"})
    assert ended.status == 1
    assert naming(said(ended), "mode", "fast") and not naming(said(ended), "ready_path"), ended


@pytest.mark.parametrize("strict", ["false", "true"])
@pytest.mark.parametrize("mode, name, value", [("classic", "ready_path", "/r"), ("streaming", "restart", "always")])
def test_a_start_says_nothing(watchdog, mode, name, value, strict):
    """Images of the originals set more than they need, and that never was wrong."""
    settings = {"exec_timeout": "5m", "write_timeout": "1m", "queue_timeout": "7s", "log_wrap": "true"}
    w = watchdog("cat", mode=mode, strict_config=strict, **settings, **{name: value})
    assert w.call("POST", body=b"x").body == b"x"
    w.stop()
    for each in (name, "queue_timeout", "log_wrap", "exec_timeout"):
        assert naming(w.messages(), each) == []


def test_stdout_holds_the_settings_only(fwatchdog):
    ended = checked(fwatchdog, "classic", {"ready_path": "/r", "max_queue": "5"})
    assert len(ended.stdout.splitlines()) == len(ended.settings()), ended
