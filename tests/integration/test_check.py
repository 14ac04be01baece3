"""--check: every effective setting and where it came from, then all problems at once."""

import re

import pytest

from harness import with_rows

COMMON = {
    "mode", "fprocess", "port", "read_timeout", "write_timeout", "healthcheck_interval", "exec_timeout", "content_type",
    "max_inflight", "max_queue", "queue_timeout", "max_body", "max_connections", "suppress_lock", "jwt_auth",
    "workers", "metrics_port", "strict_config", "kill_grace", "output_grace",
}  # fmt: skip
CLASSIC = COMMON | {"write_debug", "cgi_headers", "combine_output", "marshal_request", "debug_headers"}
OTHERS = COMMON | {"function_process", "prefix_logs", "log_buffer_size"}


@pytest.mark.parametrize("mode, names", [("classic", CLASSIC), ("streaming", OTHERS), ("serializing", OTHERS)])
def test_every_setting_has_a_line(fwatchdog, mode, names):
    ended = fwatchdog("--check", fprocess="cat", mode=mode)
    assert ended.status == 0, ended
    assert names - set(ended.settings()) - {"function_process"} == set()


def test_stdout_holds_nothing_else(fwatchdog):
    ended = fwatchdog("--check", fprocess="cat")
    assert (ended.status, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == len(ended.settings()), ended


@pytest.mark.parametrize(
    "mode, wanted",
    [
        (
            "classic",
            {
                "port": "8080", "read_timeout": "30s", "write_timeout": "30s", "healthcheck_interval": "30s",
                "exec_timeout": "0s", "write_debug": "false", "cgi_headers": "true", "combine_output": "true",
                "marshal_request": "false", "debug_headers": "false", "suppress_lock": "false", "max_inflight": "0",
                "jwt_auth": "false", "metrics_port": "8081", "strict_config": "false", "kill_grace": "1s",
                "output_grace": "250ms", "max_queue": "0", "queue_timeout": "10s", "max_body": "0",
                "max_connections": "0",
            },
        ),
        (
            "streaming",
            {
                "port": "8080", "read_timeout": "30s", "write_timeout": "30s", "healthcheck_interval": "30s",
                "exec_timeout": "30s", "content_type": "application/octet-stream", "prefix_logs": "true",
                "log_buffer_size": "65536", "suppress_lock": "false", "max_inflight": "0", "jwt_auth": "false",
                "metrics_port": "8081", "strict_config": "false", "kill_grace": "1s", "output_grace": "250ms",
                "max_queue": "0", "queue_timeout": "10s", "max_body": "0", "max_connections": "0",
            },
        ),
    ],
)  # fmt: skip
def test_defaults(fwatchdog, mode, wanted):
    ended = fwatchdog("--check", fprocess="cat", mode=mode, port=None, metrics_port=None, healthcheck_interval=None)
    settings = ended.settings()
    assert {name: settings.get(name) for name in wanted} == {n: (v, "default") for n, v in wanted.items()}
    assert settings["mode"] == (mode, "environment")
    assert settings["fprocess"] == ("cat", "environment")


def test_mode_default_is_classic(fwatchdog):
    assert fwatchdog("--check", fprocess="cat").settings()["mode"] == ("classic", "default")


def test_values_from_the_environment(fwatchdog):
    settings = fwatchdog(
        "--check",
        fprocess="cat -u",
        mode="streaming",
        port="09000",
        exec_timeout="90",
        write_timeout="1500ms",
        healthcheck_interval=None,
        content_type="text/x",
        prefix_logs="F",
        max_inflight="+7",
        workers="3",
    ).settings()
    assert settings["fprocess"] == ("cat -u", "environment")
    assert settings["port"] == ("9000", "environment")
    assert settings["exec_timeout"] == ("1m30s", "environment")
    assert settings["write_timeout"] == ("1.5s", "environment")
    assert settings["healthcheck_interval"] == ("1.5s", "default"), "it follows write_timeout"
    assert settings["content_type"] == ("text/x", "environment")
    assert settings["prefix_logs"] == ("false", "environment")
    assert settings["max_inflight"] == ("7", "environment")
    assert settings["workers"] == ("3", "environment")


def test_all_problems_at_once(fwatchdog):
    bad = {"read_timeout": "5d", "exec_timeout": "soon", "combine_output": "1", "port": "http", "kill_grace": "never"}
    ended = fwatchdog("--check", fprocess="cat", **bad)
    assert ended.status == 1
    problems = [line for line in ended.all.splitlines() if not re.search(r" \((default|environment|fallback)\)$", line)]
    for name, value in bad.items():
        assert [p for p in problems if name in p and value in p], f"{name} is not among {problems}"


def test_missing_program_is_a_problem(fwatchdog):
    ended = fwatchdog("--check", fprocess="no-such-program-here x")
    assert ended.status == 1
    assert 'exec: "no-such-program-here": executable file not found in $PATH' in ended.all


def test_no_process_is_a_problem(fwatchdog):
    ended = fwatchdog("--check", read_timeout="5d")
    assert ended.status == 1
    assert "fprocess" in ended.all and "5d" in ended.all


def test_nothing_is_started(fwatchdog, scratch, taken_port):
    ended = fwatchdog("--check", fprocess="cat", port=taken_port)
    assert ended.status == 0, "a check of the settings does not need the port"
    assert "Listening" not in ended.all
    assert not (scratch / "tmp" / ".lock").exists()


def test_of_equal_names_the_first_wins(fwatchdog):
    ended = fwatchdog("--check", fprocess="cat", max_inflight="1", wrapper=with_rows("max_inflight=2"))
    assert ended.settings()["max_inflight"] == ("1", "environment")
