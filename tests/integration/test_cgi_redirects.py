"""mode=cgi: redirects, those that the client sees and those that it does not (RFC 3875, 6.2.2 to 6.2.4)."""

import re
import threading

import pytest

from cgi_program import EITHER, PLAIN, TEXT, assert_bad_head, shell
from harness import PATIENCE, wait_gone
from http_client import assert_answer, chunked, request_bytes

SECONDS = r"\(\d+\.\d{4}s\)"
MOST = 10  # local redirects of one request
PATIENT = {"read_timeout": "600s", "exec_timeout": "600s", "write_timeout": "600s"}


@pytest.fixture
def runs(scratch):
    """What each run of functions/redirects was asked for."""
    path = scratch / "runs"
    return lambda: path.read_text(encoding="latin-1").splitlines()


@pytest.fixture
def redirects(watchdog, scratch):
    return lambda **more: watchdog("redirects", mode="cgi", RUNS=scratch / "runs", **more)


def redirecting(*then, to="/x", tail=""):
    """A program that redirects from /to, `tail` behind it, and is a line of sh everywhere else."""
    first = f"printf 'Location: %s\\n\\n' '{to}'; {tail}"
    return shell(f'[ "$PATH_INFO" != /to ] || {{ {first} exit; }}; ' + "; ".join(then))


def facts(a):
    """The environment of the program that answered, and STDIN, how many bytes that had."""
    assert (a.status, a.cut) == (200, False), a
    rows = a.body.decode("utf-8", "surrogateescape").split("\0")
    assert rows.pop() == ""
    return dict(row.split("=", 1) for row in rows)


# --- what is local ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location, path, query",
    [
        ("/facts", "/facts", ""),
        ("/", "/", ""),
        ("/a/b.c?x=1&y=%20+", "/a/b.c", "x=1&y=%20+"),
        ("/a%20b%2Fc%C3%A9", "/a b/cé", ""),
        ("/a?", "/a", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a//b/../c", "/a//b/../c", ""),
        ("/a+b;c=d,e", "/a+b;c=d,e", ""),
    ],
)
def test_environment_is_that_of_a_request_for_the_new_target(redirects, runs, location, path, query):
    w = redirects()
    with w.connect() as c:
        address, port = c.socket.getsockname()
        seen = facts(c.call("GET", f"/to?{location}"))
    wanted = {
        "PATH_INFO": path, "Http_Path": path, "QUERY_STRING": query, "Http_Query": query or None,
        "REQUEST_URI": location, "REQUEST_METHOD": "GET", "Http_Method": "GET", "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": address, "REMOTE_PORT": str(port), "HTTP_HOST": "function.test",
        "SERVER_NAME": "function.test", "CONTENT_LENGTH": None, "STDIN": "0",
    }  # fmt: skip
    assert {name: seen.get(name) for name in wanted} == wanted
    assert runs() == [f"GET /to?{location}", f"GET {location}"]


def test_crlf(watchdog):
    document = "printf 'Content-Type: text/plain\\n\\n/x'"
    then = f"[ $PATH_INFO != /to ] || exec printf 'Location: /x\\r\\n\\r\\n'; {document}"
    assert_answer(watchdog(shell(then), mode="cgi").call("GET", "/to"), 200, b"/x", PLAIN, framing=EITHER)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "FOO"])
def test_method_becomes_get(redirects, method):
    """And nothing of a body is left (RFC 3875, 6.2.2)."""
    fields = [("Content-Type", "a/b"), ("X-Kept", "1"), ("Cookie", "c=d")]
    seen = facts(redirects().call(method, "/to?/facts", fields=fields, body=b"hello"))
    assert (seen["REQUEST_METHOD"], seen["Http_Method"], seen["STDIN"]) == ("GET", "GET", "0")
    assert (seen["HTTP_X_KEPT"], seen["HTTP_COOKIE"]) == ("1", "c=d")
    assert not {"CONTENT_LENGTH", "CONTENT_TYPE", "Http_Content_Length", "HTTP_CONTENT_LENGTH"} & set(seen)


def test_head_stays_head(redirects, runs):
    w = redirects()
    with w.connect() as c:
        a = c.call("HEAD", "/to?/facts")
        assert (a.status, a.body, a.value("X-Method")) == (200, b"", "HEAD")
        c.assert_usable()
    assert runs() == ["HEAD /to?/facts", "HEAD /facts"]


def test_http_1_0(redirects):
    with redirects().connect() as c:
        c.request("GET", "/to?/facts", version="HTTP/1.0")
        seen = facts(c.answer())
        assert seen["SERVER_PROTOCOL"] == "HTTP/1.0"
        c.assert_closed()


def test_absolute_form(redirects):
    """The new target is one of the same host."""
    seen = facts(redirects().call("GET", "http://other:81/to?/facts"))
    assert (seen["SERVER_NAME"], seen["HTTP_HOST"], seen["PATH_INFO"]) == ("other", "other:81", "/facts")


def test_next_program_starts_when_the_first_has_ended(redirects, gate):
    w = redirects(**gate.env)
    with w.connect() as c:
        c.request("GET", "/more?/wait")
        first = gate.started()
        assert gate.nothing_started()
        gate.open()
        second = gate.started()
        wait_gone(first)
        gate.open()
        assert facts(c.answer())["PATH_INFO"] == "/wait", "nothing of the first is in the answer"
    assert first != second


def test_answer_may_be_of_any_kind(watchdog):
    a = watchdog(redirecting("printf 'Status: 404 Gone fishing\\nX-A: b\\n\\nno'"), mode="cgi").call("GET", "/to")
    assert (a.status, a.reason, a.value("X-A"), a.body) == (404, "Gone fishing", "b", b"no")


def test_client_redirect_at_the_end(watchdog):
    a = watchdog(redirecting("printf 'Location: http://other.test/\\n\\n'"), mode="cgi").call("GET", "/to")
    assert (a.status, a.value("Location")) == (302, "http://other.test/")


@pytest.mark.parametrize("end, body", [("exit 3", b"exit status 3\n"), ("kill -9 $$", b"signal: killed\n")])
def test_failure_at_the_end(watchdog, end, body):
    w = watchdog(redirecting(end), mode="cgi")
    with w.connect() as c:
        assert_answer(c.call("GET", "/to"), 500, body, TEXT)
        c.assert_usable()


def test_malformed_head_at_the_end(watchdog):
    w = watchdog(redirecting("echo garbage"), mode="cgi")
    assert_bad_head(w.call("GET", "/to"))
    w.wait_for_log("garbage")


def test_failure_of_the_redirecting_program(redirects, runs):
    """Nothing has been sent, so it can be told as in any other call."""
    w = redirects()
    assert_answer(w.call("GET", "/fail?/facts"), 500, b"exit status 3\n", TEXT)
    assert len(runs()) == 1


def test_output_behind_a_local_redirect_does_not_keep_the_program(watchdog):
    """It is read and dropped, whatever it is; the program is not held up by it."""
    program = redirecting("printf 'Content-Type: text/plain\\n\\nend'", tail="head -c 30000000 /dev/zero;")
    assert_answer(watchdog(program, mode="cgi").call("GET", "/to"), 200, b"end", PLAIN, framing=EITHER)


# --- what is the client's ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    ["//other.test/x", "//x", "http://other.test/x", "https://other.test", "other", "../x", "?q", "#f", "mailto:a@b.c",
     "./x?y", "*"],
)  # fmt: skip
def test_other_locations_are_for_the_client(redirects, runs, location):
    w = redirects()
    a = w.call("GET", f"/to?{location}")
    assert (a.status, a.reason, a.value("Location"), a.body) == (302, "Found", location, b"")
    assert len(runs()) == 1
    w.wait_for_log(rf"^GET /to\?\S+ - 302 - ContentLength: 0B {SECONDS}$")


@pytest.mark.parametrize("more", ["Status: 302", "Content-Type: a/b", "X-A: b", "Content-Length: 0", "Upgrade: x"])
@pytest.mark.parametrize("order", [0, 1], ids=["before", "behind"])
def test_path_with_any_other_field_is_for_the_client(watchdog, more, order):
    lines = [more, "Location: /there?x=y"]
    head = "\\n".join(lines if order == 0 else lines[::-1])
    w = watchdog(shell(f"printf '{head}\\n\\n'"), mode="cgi")
    a = w.call()
    assert (a.status, a.reason, a.value("Location"), a.body) == (302, "Found", "/there?x=y", b"")


@pytest.mark.parametrize(
    "location", ["/a%zz", "/a%", "/a%4", "/a%00b", "/a b", "/a?b c", "/a\tb", "/caf\u00e9", "/a#frag", "/a?b#c"]
)
def test_odd_paths_are_no_trap(watchdog, location):
    """
    No request could have such a target (but for the last ones). Whatever becomes of them, the program
    that runs again sees a path that was decoded properly, or it does not run.
    """
    program = redirecting("printf 'Status: 299\\n\\n%s' \"$PATH_INFO?$QUERY_STRING\"", to=location)
    w = watchdog(program, mode="cgi", max_inflight="1")
    for _ in range(2):
        a = w.call("GET", "/to")
        assert a.status in (299, 302, 500, 502) and not a.cut, a
        if a.status == 299:
            assert "%" not in location and "\t" not in location and b"#" not in a.body, a


# --- loops ------------------------------------------------------------------------------------------------------------


def test_number_of_local_redirects(redirects, runs):
    w = redirects()
    with w.connect() as c:
        assert_answer(c.call("GET", f"/down/{MOST}"), 200, b"bottom", PLAIN, framing=EITHER)
        assert len(runs()) == MOST + 1
        a = c.call("GET", f"/down/{MOST + 1}")
        assert_answer(a, 502, re.compile(rb"[^\n]*redirect[^\n]*\n"), TEXT)
        assert len(runs()) == 2 * (MOST + 1)
        assert_answer(c.call("GET", f"/down/{MOST}"), 200, b"bottom", PLAIN, framing=EITHER)
    w.wait_for_log("(?i)redirect")
    w.wait_for_log(rf"^GET /down/{MOST + 1} - 502 - ContentLength: \d+B {SECONDS}$")


def test_loop(redirects, runs):
    w = redirects(max_inflight="1")
    for i in (1, 2):
        assert w.call("POST", "/loop", body=b"x").status == 502
        assert len(runs()) == i * (MOST + 1)
    assert facts(w.call("GET", "/facts"))["PATH_INFO"] == "/facts"


def test_one_request_line_in_the_log(redirects):
    """That of the request, not of the places where it was led."""
    w = redirects()
    with w.connect() as c:
        c.call("GET", f"/down/{MOST}")
        c.call("GET", "/to?/down/0")
    lines = w.stop_and_read()
    assert [re.sub(SECONDS, "T", line) for line in lines] == [
        f"GET /down/{MOST} - 200 - ContentLength: 6B T",
        "GET /to?/down/0 - 200 - ContentLength: 6B T",
    ]


# --- bodies that are still arriving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/to?/facts", "/eat?/facts"], ids=["unread", "read"])
@pytest.mark.parametrize("size", [1, 70_000, 5_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_is_for_the_first_program(redirects, target, size, framing):
    body = b"x" * size
    if framing == "length":
        raw = request_bytes("POST", target, body=body)
    else:
        raw = request_bytes("POST", target, [("Transfer-Encoding", "chunked")])
        raw += chunked(body[: size // 2], body[size // 2 :])
    w = redirects()
    for _ in range(3):
        with w.connect() as c:
            sender = threading.Thread(target=c.send_as_far_as_taken, args=(raw,))
            sender.start()
            a = c.answer()
            sender.join(PATIENCE)
            seen = facts(a)
            assert (seen["STDIN"], seen["REQUEST_METHOD"]) == ("0", "GET")
            assert not {"CONTENT_LENGTH", "Http_Content_Length", "Http_Transfer_Encoding"} & set(seen)
            if a.values("Connection") == ["close"]:
                c.assert_closed()
            elif size <= 70_000:  # a connection is not kept for the rest of a long upload
                c.assert_usable()


def test_client_that_stalls_in_its_body_is_answered(redirects):
    """Nobody will read that body."""
    with redirects(**PATIENT).connect() as c:
        c.send(request_bytes("POST", "/to?/facts", [("Content-Length", "1000000")]) + b"12345")
        assert facts(c.answer())["STDIN"] == "0"


def test_body_that_arrives_while_the_second_program_runs(redirects, gate):
    """It is not fed to that one, whose stdin is at its end from the start."""
    w = redirects(**PATIENT, **gate.env)
    with w.connect() as c:
        c.send(request_bytes("POST", "/to?/wait", [("Content-Length", "200000")]) + b"12345")
        gate.started()
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(b"x" * 199_995,))
        sender.start()
        gate.open()
        assert facts(c.answer())["STDIN"] == "0"
        sender.join(PATIENCE)


@pytest.mark.parametrize("more", [b"zz\r\n", b"0\r\n\r\n"], ids=["bad", "end"])
def test_end_of_the_body_while_the_second_program_runs(redirects, gate, more):
    """Bad or not, it leaves nothing behind that a next request could stumble over."""
    w = redirects(**PATIENT, **gate.env)
    with w.connect() as c:
        c.send(request_bytes("POST", "/to?/wait", [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n")
        gate.started()
        c.send(more)
        gate.open()
        a = c.answer()
        assert a.status == 400 if a.status != 200 else facts(a)["STDIN"] == "0"
    w.wait_no_processes()


# --- time, and clients that leave -------------------------------------------------------------------------------------


def test_deadline_counts_all_programs(redirects, runs):
    """Each of them is quick enough, together they are not; else the bound on loops would end it, with 502."""
    a = redirects(exec_timeout="800ms").call("GET", "/slow")
    assert_answer(a, 504, re.compile(rb"[^\n]*exec_timeout[^\n]*\n?"), TEXT)
    assert 1 <= len(runs()) < MOST


def test_deadline_in_the_second_program(redirects, gate):
    w = redirects(exec_timeout="1500ms", **gate.env)
    assert w.call("GET", "/to?/wait").status == 504
    wait_gone(gate.started())


def test_deadline_while_the_first_program_goes_on_printing(redirects, gate):
    w = redirects(exec_timeout="1500ms", **gate.env)
    assert w.call("GET", "/more?/facts").status == 504
    wait_gone(gate.started())


@pytest.mark.parametrize("target", ["/more?/facts", "/to?/wait"], ids=["first", "second"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves(redirects, runs, gate, target, how):
    w = redirects(**PATIENT, **gate.env)
    c = w.connect()
    c.request("GET", target)
    pid = gate.started()
    before = len(runs())
    getattr(c, how)()
    wait_gone(pid)
    w.wait_for_log(rf"^GET /\S+ - 499 - ContentLength: 0B {SECONDS}$")
    assert len(runs()) == before, "no program is started for nobody"


def test_nothing_is_left_behind(redirects, gate):
    w = redirects(workers="1", **gate.env)

    def call():
        for target in ("/to?/facts", "/loop", "/fail?/", "/eat?/down/3"):
            w.call("POST", target, body=b"x" * 70_000)

    w.assert_keeps_no_descriptor(call, 5)
