"""exit_status_map: exit statuses of the function that are answers of their own."""

import re

import pytest

from cgi_program import PIECES, assert_bad_head, document, shell, steps
from harness import wait_gone
from http_client import REASONS, assert_answer
from test_settings import assert_problem, problems_with

MAP = "3=404 22=422"
LOGGED = r"\(\d+\.\d{4}s\)"


@pytest.fixture(params=["classic", "streaming", "serializing", "cgi"])
def mode(request):
    return request.param


@pytest.fixture
def mapped(watchdog, mode):
    return lambda fprocess, value=MAP, **more: watchdog(fprocess, mode=mode, exit_status_map=value, **more)


def told(mode, status, printed=b""):
    """The body of a mapped answer: what was printed, or, where that would have been sent, why nothing was."""
    return printed if mode in ("classic", "serializing") else b"exit status %d\n" % status


def assert_mapped(a, status, body):
    assert (a.status, a.reason, a.body, a.cut) == (status, REASONS[status], body, False), a


# --- what is mapped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exit_status, status", [(3, 404), (22, 422)])
def test_silent_function(mapped, mode, exit_status, status):
    with mapped(steps(f"exit:{exit_status}")).connect() as c:
        for _ in range(2):
            assert_mapped(c.call(), status, told(mode, exit_status))


@pytest.mark.parametrize(
    "step, text",
    [
        ("exit:4", b"exit status 4"),
        ("exit:2", b"exit status 2"),
        ("kill:KILL", b"signal: killed"),
        ("kill:INT", b"signal: interrupt"),
    ],
)
def test_all_others_are_500(mapped, step, text):
    """A signal is no exit status, whatever a shell calls it."""
    a = mapped(steps(step), value=f"{MAP} 130=404 137=404 9=404").call()
    assert (a.status, a.body.rstrip(b"\n")) == (500, text)


def test_success_is_not_touched(mapped, mode):
    a = mapped(document("out:x")).call()
    assert (a.status, a.body.endswith(b"x")) == (200, True)


def test_missing_program_is_500(mapped):
    a = mapped("no-such-program", value="1=404 2=404 126=404 127=404 255=404").call()
    assert a.status == 500 and a.body.startswith(b"exec: ")


def test_127_of_a_shell_is_an_exit_status(mapped, mode):
    a = mapped(shell("no-such-program 2>/dev/null"), value="127=501").call()
    assert_mapped(a, 501, told(mode, 127))


@pytest.mark.parametrize("mode", ["classic", "serializing"])
@pytest.mark.parametrize("size", [5, 300_000, 3_000_000])
def test_body_is_what_was_printed(mapped, size):
    a = mapped(steps(f"outbytes:{size}", "exit:3")).call()
    assert_mapped(a, 404, b"x" * size)
    assert a.length == size
    assert a.values("Content-Type") != []


@pytest.mark.parametrize("mode", ["classic", "serializing"])
def test_content_type_is_that_of_output(mapped):
    a = mapped(steps("out:{}", "exit:3"), content_type="application/json").call()
    assert (a.status, a.body, a.values("Content-Type")) == (404, b"{}", ["application/json"])


@pytest.mark.parametrize("combine, body", [("true", b"abc"), ("false", b"ac")])
def test_stderr_in_classic(watchdog, combine, body):
    w = watchdog(steps("out:a", "err:b", "out:c", "exit:3"), exit_status_map=MAP, combine_output=combine)
    assert_mapped(w.call(), 404, body)


def test_stderr_is_not_in_the_answer_of_others(watchdog):
    w = watchdog(steps("out:a", "errline:b", "exit:3"), mode="serializing", exit_status_map=MAP)
    assert_mapped(w.call(), 404, b"a")
    w.wait_for_log("^stderr: b$")


@pytest.mark.parametrize("mode", ["streaming"])
def test_output_of_streaming_has_been_sent_with_200(mapped, gate):
    w = mapped(steps("out:some", "say", "wait", "exit:3"), **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        c.read_until(a, b"some")
        gate.open()
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"some", True)


@pytest.mark.parametrize("mode", ["classic", "serializing"])
def test_no_room_to_hold_the_output(mapped, scratch):
    """It is sent with 200 while the exit status is not known, so the rest must not look whole."""
    w = mapped("steps outbytes:2000000 exit:3", suppress_lock="true", TMPDIR=scratch / "missing")
    a = w.call()
    assert (a.status, a.cut) == (200, True)


@pytest.mark.parametrize("target", [200, 201, 204, 304, 302, 500, 599])
def test_any_status(mapped, mode, target):
    with mapped(steps("exit:3"), value=f"3={target}").connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.status, a.cut) == (target, False)
            assert a.body == (b"" if target in (204, 304) else told(mode, 3))


@pytest.mark.parametrize("mode", ["classic", "serializing"])
@pytest.mark.parametrize("target", [204, 304])
def test_printed_body_of_a_status_without_body(mapped, target):
    with mapped(steps("outbytes:3000000", "exit:3"), value=f"3={target}").connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.status, a.body, a.cut) == (target, b"", False)
        assert c.buffer == b""


@pytest.mark.parametrize("mode", ["streaming", "serializing", "cgi"])
def test_head(mapped):
    with mapped(steps("exit:3")).connect() as c:
        for _ in range(2):
            a = c.call("HEAD")
            assert (a.status, a.body, a.framing) == (404, b"", "none")
        c.assert_usable()


@pytest.mark.parametrize("mode, status", [("classic", 408), ("streaming", 504), ("serializing", 500), ("cgi", 504)])
def test_deadline_is_told_as_ever(mapped, gate, status):
    """Also when the function heeds SIGTERM and exits in its own words."""
    w = mapped(shell('trap "exit 3" TERM; echo $$ >"$STARTED"; read -r _ <"$GATE"'), exec_timeout="300ms", **gate.env)
    assert w.call().status == status
    wait_gone(gate.started())


def test_unread_body(mapped, mode):
    with mapped(steps("exit:3")).connect() as c:
        for size in (1, 70_000, 200_000):
            assert_mapped(c.call("POST", body=b"x" * size), 404, told(mode, 3))


# --- the log ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["streaming", "serializing", "cgi"])
def test_request_line_has_the_status_sent(mapped, mode):
    w = mapped(steps("exit:3"))
    n = len(w.call().body)
    w.wait_for_log(rf"^GET / - 404 - ContentLength: {n}B {LOGGED}$")
    assert not [m for m in w.messages() if " - 500 - " in m]


# --- with the head of a CGI response ----------------------------------------------------------------------------------

PARTS = {"nothing": [], "half-a-line": ["out:Content-Ty"], "half-a-head": ["outline:Status: 410"]}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("settings", [{"mode": "cgi"}, {"mode": "streaming", "cgi_response": "true"}], ids=str)
def test_streamed_before_the_head(watchdog, part, settings):
    """Nothing has been sent."""
    w = watchdog(steps(*part, "exit:3"), exit_status_map=MAP, **settings)
    assert_mapped(w.call(), 404, b"exit status 3\n")


@pytest.mark.parametrize("settings", [{"mode": "cgi"}, {"mode": "streaming", "cgi_response": "true"}], ids=str)
def test_streamed_behind_the_head_cuts(watchdog, gate, settings):
    w = watchdog(document("out:some", "say", "wait", "exit:3"), exit_status_map=MAP, **settings, **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        c.read_until(a, b"some")
        gate.open()
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"some", True)


@pytest.fixture
def held(watchdog):
    return lambda *words, **more: watchdog(steps(*words), cgi_response="true", exit_status_map=MAP, **more)


waiting = pytest.mark.parametrize("mode", ["classic", "serializing"])


@waiting
def test_status_of_the_head_wins(held, mode):
    w = held("outline:Status: 410 Left", "outline:X-A: b", "outline:", "out:body", "exit:3", mode=mode)
    a = w.call()
    assert (a.status, a.reason, a.value("X-A"), a.body, a.cut) == (410, "Left", "b", b"body", False)


@waiting
def test_head_without_status(held, mode):
    w = held("outline:Content-Type: a/b", "outline:X-A: b", "outline:", "outbytes:300000", "exit:3", mode=mode)
    a = w.call()
    assert_mapped(a, 404, b"x" * 300_000)
    assert (a.values("Content-Type"), a.value("X-A")) == (["a/b"], "b")


@waiting
def test_nothing_printed(held, mode):
    """That is what the map is for, so it is no malformed head."""
    a = held("exit:3", mode=mode).call()
    assert (a.status, a.cut) == (404, False)


@waiting
def test_malformed_head(held, mode):
    """Neither an answer nor an error that says more than 502 does."""
    a = held("outline:garbage", "outline:", "exit:3", mode=mode).call()
    assert a.status in (404, 502) and not a.cut
    if a.status == 404:
        assert a.body == b"garbage\n\n"


@waiting
def test_status_that_is_not_mapped(held, mode):
    a = held("outline:Status: 410", "outline:", "exit:4", mode=mode).call()
    assert a.status == 500 and a.body.startswith(b"exit status 4")


def test_head_after_a_local_redirect(watchdog):
    w = watchdog(shell("[ $PATH_INFO != /to ] || exec printf 'Location: /x\\n\\n'; exit 3"), mode="cgi",
                 exit_status_map=MAP)  # fmt: skip
    assert_mapped(w.call("GET", "/to"), 404, b"exit status 3\n")


def test_malformed_head_of_cgi_is_502(watchdog):
    """The process is ended before it has an exit status."""
    w = watchdog(f"{PIECES} 100", mode="cgi", exit_status_map="1=404 2=404 3=404")
    assert_bad_head(w.call("POST", body=b"garbage\n\n"))


# --- the value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["3=404 22=422", "3=404,22=422", "3=404, 22=422", "22=422 3=404", "  3=404   22=422  ", "3=404 ,22=422"],
)
def test_separators(watchdog, value):
    w = watchdog("sh", exit_status_map=value)
    assert [w.call("POST", body=b"exit %d" % n).status for n in (3, 22, 4)] == [404, 422, 500]


def test_one_for_each_status(watchdog):
    w = watchdog("sh", exit_status_map=" ".join(f"{n}={200 + n}" for n in range(1, 256)))
    assert [w.call("POST", body=b"exit %d" % n).status for n in (1, 3, 100, 255)] == [201, 203, 300, 455]


@pytest.mark.parametrize("value", [None, ""])
def test_unset(mapped, value):
    assert mapped(steps("exit:3"), value=value).call().status == 500


BAD = [
    "3", "404", "=", "3=", "=404", "=404 3=404", "3=404 22", "x=404", "3=x", "3=not-found", "3:404", "3->404", "3==404",
    "3=404=5", "3=404x", "x3=404", "3 =404", "3= 404", "3 = 404", "3=404;22=422", "3=404|22=422", "3-5=404", "*=404",
    "0=404", "256=404", "1000=404", "-1=404", "+3=404", "03x=404", "3=0", "3=99", "3=100", "3=101", "3=199", "3=600",
    "3=999", "3=1404", "3=-404", "3=+404", "3=0x194", "3=4e2", "3=404.0", "4294967299=404", "18446744073709551619=404",
    "3=4294967700", "99999999999999999999=404", "3=99999999999999999999", "\uff13=404", "\"3=404\"", "{\"3\": 404}",
    "3=404 3=405", "3=404 3=404",
]  # fmt: skip
RIGHT = ("200", "599", "255")


@pytest.mark.parametrize("value", BAD)
def test_bad_value_stops_the_start(fwatchdog, scratch, value):
    ended = fwatchdog(fprocess="cat", exit_status_map=value)
    assert (ended.status, ended.stdout) == (1, "")
    shown = "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in value.encode())
    assert_problem(problems_with(ended, "exit_status_map"), "exit_status_map", shown, None, (*RIGHT, "once"))
    assert "Listening" not in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


def test_bad_value_in_each_mode(fwatchdog, mode):
    ended = fwatchdog(fprocess="cat", mode=mode, exit_status_map="3=4040")
    assert (ended.status, ended.stdout) == (1, "")
    assert_problem(problems_with(ended, "exit_status_map"), "exit_status_map", "3=4040", None, RIGHT)


def test_bytes_of_a_bad_value_cannot_forge_lines(fwatchdog):
    ended = fwatchdog(fprocess="cat", exit_status_map="3=404 x\n2020/01/01 00:00:00 Forged \x1b[31m")
    assert ended.status == 1
    assert not [m for m in ended.messages if m.startswith("Forged")]
    assert "\x1b" not in ended.stderr


def test_long_bad_value(fwatchdog):
    ended = fwatchdog(fprocess="cat", exit_status_map="3=404 " * 20_000)
    assert ended.status == 1, "the same status again and again"
    assert "exit_status_map" in ended.stderr


def test_check(fwatchdog, mode):
    assert fwatchdog("--check", fprocess="cat", mode=mode).settings()["exit_status_map"][1] == "default"
    ended = fwatchdog("--check", fprocess="cat", mode=mode, exit_status_map=MAP)
    assert ended.status == 0, ended
    assert ended.settings()["exit_status_map"] == (MAP, "environment")


@pytest.mark.parametrize("value", ["3=600", "3:404"])
def test_check_reports_a_bad_value(fwatchdog, mode, value):
    ended = fwatchdog("--check", fprocess="cat", mode=mode, exit_status_map=value, read_timeout="5d")
    assert ended.status == 1
    assert_problem(problems_with(ended, "exit_status_map"), "exit_status_map", value, None, RIGHT)
    assert problems_with(ended, "read_timeout"), "and all others at once"


def test_help(fwatchdog):
    entry = re.search(r"^ *exit_status_map=.*\n +(.*)$", fwatchdog("--help").all, re.M)
    assert entry and entry.group(1)


def test_answer_of_classic(watchdog):
    """The whole of it: a mapped answer is an answer like others, not an error text."""
    a = watchdog(steps("out:{}", "exit:3"), exit_status_map=MAP, content_type="application/json").call()
    got = {"Content-Type": "application/json"}
    if a.values("X-Duration-Seconds"):
        got["X-Duration-Seconds"] = re.compile(r"\d+\.\d{6}")
    assert_answer(a, 404, b"{}", got)
