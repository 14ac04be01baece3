"""Settings: how values are read, and that a bad one is never silent."""

import re

import pytest

from harness import free_port, with_rows

DURATIONS = [
    # as written, as it is printed
    ("5", "5s"), ("+5", "5s"), ("007", "7s"), ("-0", "0s"), ("0", "0s"), ("90", "1m30s"), ("3600", "1h0m0s"),
    ("1.5s", "1.5s"), (".5s", "500ms"), ("5.s", "5s"),
    ("1h30m", "1h30m0s"), ("2m1h", "1h2m0s"), ("1s1s", "2s"),
    ("100ms", "100ms"), ("1us", "1µs"), ("1µs", "1µs"), ("1μs", "1µs"), ("10ns", "10ns"),
    ("+5s", "5s"), ("-5s", "-5s"), ("-0s", "0s"),
    ("1500us", "1.5ms"), ("60.5s", "1m0.5s"), ("36h", "36h0m0s"), ("1m", "1m0s"), ("0.1ns", "0s"), ("1.9ns", "1ns"),
    ("9223372036854775807ns", "2562047h47m16.854775807s"),
]  # fmt: skip

NO_DURATIONS = [
    "-5", "5d", "5S", "1e3s", "s", ".s", ".", "1h 30m", " 5", "5 ", "\t5", "1h-5m", "--5s", "5s5", "1_000", "0x10",
    "inf", "NaN", "9223372036854775808ns", "2562048h", "５", "５s",
]  # fmt: skip


@pytest.mark.parametrize("text, printed", DURATIONS)
def test_duration(fwatchdog, text, printed):
    ended = fwatchdog("--check", fprocess="cat", exec_timeout=text, write_timeout="0")
    assert ended.status == 0, ended
    assert ended.settings()["exec_timeout"] == (printed, "environment")


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_no_duration(fwatchdog, text):
    ended = fwatchdog("--check", fprocess="cat", read_timeout=text)
    assert ended.status == 1, ended
    assert ended.settings()["read_timeout"] == ("30s", "fallback")


@pytest.mark.parametrize("text, value", [("5", "5"), ("+5", "5"), ("0012", "12"), ("-0", "0")])
def test_integer(fwatchdog, text, value):
    ended = fwatchdog("--check", fprocess="cat", max_inflight=text)
    assert ended.status == 0, ended
    assert ended.settings()["max_inflight"] == (value, "environment")


@pytest.mark.parametrize(
    "text", ["x", "1.5", " 5", "5 ", "1_000", "0x10", "--5", "+", "1e3", "99999999999999999999", "５"]
)
@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_no_integer(fwatchdog, mode, text):
    ended = fwatchdog("--check", fprocess="cat", mode=mode, max_inflight=text)
    assert ended.status == 1, ended
    assert ended.settings()["max_inflight"] == ("0", "fallback")


P_TRUE, P_FALSE = ["1", "t", "T", "TRUE", "true", "True"], ["0", "f", "F", "FALSE", "false", "False"]


@pytest.mark.parametrize("text", P_TRUE + P_FALSE)
def test_word_bool(fwatchdog, text):
    ended = fwatchdog("--check", fprocess="cat", mode="streaming", prefix_logs=text)
    assert ended.status == 0, ended
    assert ended.settings()["prefix_logs"] == ("true" if text in P_TRUE else "false", "environment")


@pytest.mark.parametrize("text, value", [("true", "true"), ("1", "true"), ("false", "false")])
def test_one_bool(fwatchdog, text, value):
    ended = fwatchdog("--check", fprocess="cat", mode="streaming", suppress_lock=text)
    assert ended.status == 0, ended
    assert ended.settings()["suppress_lock"] == (value, "environment")


# --- bad values -------------------------------------------------------------------------------------------------------

# name, value given, value used, words of which the message has to hold one: what would be right
DURATION = ("duration", "30s", "seconds")
INTEGER = ("integer", "number", "0")
TRUTH = ("true",)
BAD_CLASSIC = [
    ("port", "http", "8080", INTEGER),
    ("port", "-1", "8080", INTEGER),
    ("read_timeout", "5d", "30s", DURATION),
    ("write_timeout", "5d", "30s", DURATION),
    ("healthcheck_interval", "5d", "30s", DURATION),
    ("exec_timeout", "5d", "0s", DURATION),
    ("max_inflight", "many", "0", INTEGER),
    ("max_inflight", "-1", "0", INTEGER),
    ("write_debug", "1", "false", TRUTH),
    ("cgi_headers", "1", "false", TRUTH),
    ("cgi_headers", "TRUE", "false", TRUTH),
    ("combine_output", "1", "false", TRUTH),
    ("marshal_request", "yes", "false", TRUTH),
    ("debug_headers", "on", "false", TRUTH),
    ("suppress_lock", "1", "false", TRUTH),
    ("jwt_auth", "1", "false", TRUTH),
]
BAD_OTHERS = [
    ("port", "abc", "0", INTEGER),
    ("port", "", "0", INTEGER),
    ("read_timeout", "", "30s", DURATION),
    ("read_timeout", "-5", "30s", DURATION),
    ("write_timeout", "1 s", "30s", DURATION),
    ("healthcheck_interval", "x", "30s", DURATION),
    ("exec_timeout", "5d", "30s", DURATION),
    ("max_inflight", "many", "0", INTEGER),
    ("prefix_logs", "yes", "true", TRUTH),
    ("suppress_lock", "TRUE", "false", TRUTH),
    ("jwt_auth", "yes", "false", TRUTH),
]
BAD_FORGIVEN = [("classic", *row) for row in BAD_CLASSIC] + [("streaming", *row) for row in BAD_OTHERS]
forgiven = pytest.mark.parametrize("mode, name, given, used, right", BAD_FORGIVEN)

BAD_OWN = [
    ("workers", "1000000", INTEGER),
    ("workers", "two", INTEGER),
    ("workers", "-1", INTEGER),
    ("metrics_port", "x", INTEGER),
    ("metrics_port", "65536", INTEGER),
    ("metrics_port", "-1", INTEGER),
    ("strict_config", "maybe", TRUTH),
    ("kill_grace", "5d", DURATION),
    ("max_queue", "-1", INTEGER),
    ("max_queue", "many", INTEGER),
    ("max_body", "-1", INTEGER),
    ("max_body", "10k", INTEGER),
    ("max_connections", "-1", INTEGER),
    ("max_connections", "many", INTEGER),
    ("output_grace", "soon", DURATION),
    ("mode", "fast", ("classic",)),
]
own = pytest.mark.parametrize("name, given, right", BAD_OWN)


def problems_with(ended_or_watchdog, name):
    """The lines about a setting, without those of --check that only list its value."""
    lines = (
        ended_or_watchdog.messages()
        if callable(getattr(ended_or_watchdog, "messages", None))
        else ended_or_watchdog.all.splitlines()
    )
    return [
        line
        for line in lines
        if re.search(rf"\b{name}\b", line)
        and not re.fullmatch(r"\w+=.* \((default|environment|fallback)\)", line)
        and not line.startswith(('Warning: "suppress_lock" is enabled.', "Listening on port: "))
    ]


def assert_problem(lines, name, given, used, right):
    assert len(lines) == 1, f"one line should be about {name}: {lines}"
    line = lines[0]
    assert given in line.replace(name, "", 1), f"the value given is not named: {line}"
    if used is not None:
        assert re.search(rf"(?<![\w.]){re.escape(used)}(?![\w.])", line), f"the value used is not named: {line}"
    assert [word for word in right if word in line], f"what is allowed is not said: {line}"


@pytest.mark.parametrize(
    "mode, name, given, used, right", [row for row in BAD_FORGIVEN if row[3] != "8080"]  # that port may be taken
)
def test_flaw_43_bad_value_is_warned_of(watchdog, mode, name, given, used, right):
    w = watchdog("cat", **{"mode": mode, "healthcheck_interval": None, name: given})
    assert_problem(problems_with(w, name), name, given, used, right)
    assert w.call("POST", body=b"still").body == b"still", "a swap must not stop a running fleet"
    w.stop(times=2)


@forgiven
def test_flaw_43_check_reports_bad_value(fwatchdog, mode, name, given, used, right):
    ended = fwatchdog("--check", fprocess="cat", mode=mode, **{"healthcheck_interval": None, name: given})
    assert ended.status == 1, ended
    assert ended.settings()[name] == (used, "fallback")
    assert_problem(problems_with(ended, name), name, given, None, right)


@forgiven
def test_flaw_43_strict_config_makes_bad_value_an_error(fwatchdog, scratch, mode, name, given, used, right):
    del used
    ended = fwatchdog(fprocess="cat", mode=mode, strict_config="true", **{name: given})
    assert (ended.status, ended.stdout) == (1, "")
    assert_problem(problems_with(ended, name), name, given, None, right)
    assert "Listening" not in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


@own
def test_bad_value_of_own_setting_is_an_error(fwatchdog, scratch, name, given, right):
    ended = fwatchdog(fprocess="cat", **{name: given})
    assert (ended.status, ended.stdout) == (1, "")
    assert_problem(problems_with(ended, name), name, given, None, right)
    assert "Listening" not in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


@own
def test_check_reports_bad_value_of_own_setting(fwatchdog, name, given, right):
    ended = fwatchdog("--check", fprocess="cat", **{name: given})
    assert ended.status == 1, ended
    assert_problem(problems_with(ended, name), name, given, None, right)


@pytest.mark.parametrize("name", ["exec_timeout", "read_timeout", "write_timeout"])
def test_flaw_43_seconds_beyond_the_range_are_a_problem(fwatchdog, name):
    ended = fwatchdog("--check", fprocess="cat", **{name: "9223372037"})
    assert ended.status == 1, ended
    assert_problem(problems_with(ended, name), name, "9223372037", None, DURATION)


def test_all_warnings_at_once(watchdog):
    bad = {"read_timeout": "5d", "exec_timeout": "x", "combine_output": "1", "max_inflight": "-"}
    w = watchdog("cat", **bad)
    for name, given in bad.items():
        assert given in problems_with(w, name)[0]


def test_all_errors_at_once(fwatchdog):
    bad = {"workers": "x", "kill_grace": "y", "mode": "z", "metrics_port": "q"}
    ended = fwatchdog(fprocess="cat", **bad)
    assert ended.status == 1
    for name, given in bad.items():
        assert given in problems_with(ended, name)[0]


def test_strict_config_lists_all(fwatchdog):
    bad = {"read_timeout": "5d", "write_timeout": "6d", "cgi_headers": "1"}
    ended = fwatchdog(fprocess="cat", strict_config="true", **bad)
    assert ended.status == 1
    for name, given in bad.items():
        assert given in problems_with(ended, name)[0]


def test_strict_config_is_content_with_good_values(watchdog):
    w = watchdog("cat", strict_config="true", exec_timeout="5s", combine_output="false")
    assert w.call("POST", body=b"x").body == b"x"


def test_bytes_of_a_bad_value_cannot_forge_lines(watchdog):
    w = watchdog("cat", exec_timeout="5d\n2020/01/01 00:00:00 Forged \x1b[31m")
    assert not [m for m in w.messages() if m.startswith("Forged")]
    assert "\x1b" not in w.err.text()


def test_good_values_are_not_warned_of(watchdog, mode):
    w = watchdog(
        "cat", mode=mode, read_timeout="5", write_timeout="1m", exec_timeout="2s", max_inflight="9", suppress_lock="false"
    )
    for name in ("read_timeout", "write_timeout", "exec_timeout", "max_inflight", "suppress_lock"):
        assert problems_with(w, name) == []


# --- empty values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, default",
    [
        ("port", "8080"), ("read_timeout", "30s"), ("write_timeout", "30s"), ("healthcheck_interval", "30s"),
        ("exec_timeout", "0s"), ("cgi_headers", "true"), ("combine_output", "true"), ("write_debug", "false"),
        ("max_inflight", "0"), ("suppress_lock", "false"), ("workers", None), ("metrics_port", "8081"),
        ("kill_grace", "1s"), ("output_grace", "250ms"), ("mode", "classic"), ("strict_config", "false"),
    ],
)  # fmt: skip
def test_empty_is_unset_in_classic(fwatchdog, name, default):
    ended = fwatchdog("--check", fprocess="cat", **{"healthcheck_interval": None, name: ""})
    assert ended.status == 0, ended
    value, source = ended.settings()[name]
    assert source == "default" and value == (default or value)


def test_empty_content_type_of_others_is_sent_empty(watchdog):
    a = watchdog("cat", mode="streaming", content_type="").call("POST", body=b"x")
    assert a.values("Content-Type") == [""]


# --- the names of the process -----------------------------------------------------------------------------------------


def test_fprocess_wins_in_classic(watchdog):
    w = watchdog("steps out:fprocess", function_process="steps out:function_process")
    assert w.call().body == b"fprocess"


@pytest.mark.parametrize("fprocess", [None, ""])
def test_function_process_is_read_in_classic_when_fprocess_is_not_set(watchdog, fprocess):
    assert watchdog(fprocess, function_process="steps out:function_process").call().body == b"function_process"


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_function_process_wins_in_others(watchdog, mode):
    w = watchdog("steps out:fprocess", mode=mode, function_process="steps out:function_process")
    assert w.call().body == b"function_process"
    w.wait_for_log('^Watchdog mode: .*\tfprocess: "steps out:function_process"$')


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_empty_function_process_erases_fprocess(fwatchdog, mode):
    ended = fwatchdog(fprocess="cat", function_process="", mode=mode)
    assert (ended.status, ended.stdout) == (1, "")
    assert "fprocess" in ended.stderr


# --- others -----------------------------------------------------------------------------------------------------------


def test_names_are_case_sensitive_and_unknown_ones_ignored(watchdog):
    w = watchdog("cat", EXEC_TIMEOUT="5d", Max_Inflight="x", some_setting="y")
    w.wait_for_log("hard: 0s")
    assert not [m for m in w.messages() if "5d" in m or "some_setting" in m or "nflight" in m]


def test_of_equal_names_the_first_wins(watchdog):
    w = watchdog("cat", exec_timeout="7s", wrapper=with_rows("exec_timeout=9s"))
    w.wait_for_log("hard: 7s")


@pytest.mark.parametrize("row", ["WITHOUT_EQUALS", "=x"])
def test_bad_rows_are_said_by_others(watchdog, row):
    w = watchdog("cat", mode="streaming", wrapper=with_rows(row))
    w.wait_for_log(f"^Bad environment: {row}$")


def test_workers_is_the_number_of_threads_that_serve(watchdog):
    threads = []
    for workers in ("1", "5"):
        w = watchdog("cat", workers=workers)
        threads.append(w.threads())
        w.stop()
    assert threads[1] - threads[0] == 4


def test_flaw_44_metrics_port_can_be_chosen(watchdog):
    port = free_port()
    w = watchdog("cat", metrics_port=port)
    w.wait_for_log(f"^Metrics listening on port: {port}$")


def test_flaw_44_metrics_port_in_use_is_not_fatal(watchdog, taken_port):
    w = watchdog("cat", metrics_port=taken_port)
    w.wait_for_log(rf"metrics.*:{taken_port}\b.*address already in use")
    assert w.call("POST", body=b"x").body == b"x"


def test_metrics_port_0_is_off(watchdog):
    w = watchdog("cat", metrics_port="0")
    assert w.call("POST", body=b"x").body == b"x"
    assert not [m for m in w.messages() if m.startswith("Metrics")]
