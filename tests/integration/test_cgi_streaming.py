"""mode=cgi: bodies both ways as they come, how answers are framed, and what is left behind by whom."""

import re
import threading
import time

import pytest

from cgi_program import EITHER, PLAIN, TEXT, assert_bad_head, document, shell, steps
from harness import PATIENCE, SLOW, eventually, is_running, wait_gone
from http_client import NoAnswer, assert_answer, request_bytes
from test_big_bodies import assert_constant_memory, echo

SECONDS = r"\(\d+\.\d{4}s\)"
CHUNKED = request_bytes("POST", fields=[("Transfer-Encoding", "chunked")])
STALLED = request_bytes("POST", fields=[("Content-Length", "1000000")]) + b"12345"
PATIENT = {"read_timeout": "600s", "exec_timeout": "600s", "write_timeout": "600s"}


@pytest.fixture
def cgi(watchdog):
    return lambda fprocess, **more: watchdog(fprocess, mode="cgi", **more)


@pytest.fixture
def echoing(cgi, scratch):
    """Answers with the body it gets, while it comes."""
    (scratch / "head").write_bytes(b"Content-Type: text/plain\n\n")
    return lambda **more: cgi(f"cat {scratch}/head -", **more)


# --- as it comes ------------------------------------------------------------------------------------------------------


def test_head_leaves_before_the_body(cgi, gate):
    """The client of an event stream knows that it is there before the first event."""
    w = cgi(steps("outline:Status: 202", "outline:Content-Type: text/plain", "outline:", "say", "wait", "out:x"),
            **gate.env)  # fmt: skip
    with w.connect() as c:
        c.request()
        a = c.begin()
        assert a.status == 202
        gate.started()
        gate.open()
        assert c.rest(a).body == b"x"


def test_output_leaves_as_soon_as_printed(cgi, gate):
    w = cgi(document("out:first", "say", "wait", "out:second", "say", "wait", "out:third"), **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        for text in (b"first", b"firstsecond"):
            c.read_until(a, text)
            gate.started()
            gate.open()
        c.rest(a)
    assert_answer(a, 200, b"firstsecondthird", PLAIN, framing="chunked")


def test_head_in_pieces_is_waited_for(cgi, gate):
    pieces = ["out:Content-Type: te", "say", "wait", "outline:xt/plain", "say", "wait", "out:\n", "out:x"]
    w = cgi(steps(*pieces), **gate.env)
    with w.connect() as c:
        c.request()
        for _ in range(2):
            gate.started()
            gate.open()
        assert_answer(c.answer(), 200, b"x", PLAIN, framing=EITHER)


def test_trickle(cgi):
    """A byte each tenth of a second for five seconds."""
    w = cgi(shell("printf 'Content-Type: text/plain\\n\\n'; for i in $(seq 50); do printf x; sleep 0.1; done"))
    with w.connect() as c:
        c.request()
        a = c.begin()
        times = []
        for piece in a.stream:
            a.body += piece
            times.append(time.monotonic())
    assert_answer(a, 200, b"x" * 50, PLAIN, framing="chunked")
    assert len(times) > 10
    assert times[-1] - times[0] > 2.5, "the first is there long before the last is printed"


def test_full_duplex(echoing):
    """What is sent comes back before the body is over, again and again."""
    with echoing().connect() as c:
        c.send(CHUNKED)
        a = None
        for i in range(20):
            piece = b"piece %d\n" % i
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            a = a or c.begin()
            c.read_until(a, a.body + piece)
        c.send(b"0\r\n\r\n")
        assert c.rest(a).body.endswith(b"piece 19\n") and not a.cut


@pytest.mark.serial
@pytest.mark.parametrize("framing", [False, True], ids=["length", "chunked"])
def test_100_mb_both_ways(echoing, framing):
    w = echoing(**PATIENT)
    assert_constant_memory(w, lambda: echo(w, 100_000_000, framing, PATIENCE * 6))


def test_upload_that_is_not_read(cgi):
    with cgi(document("out:done")).connect() as c:
        for size in (0, 60_000, 200_000):
            a = c.call("POST", body=b"x" * size)
            assert (a.status, a.body) == (200, b"done")


def test_program_ends_while_the_client_stalls(cgi):
    """The answer does not wait for a body that nobody will read."""
    w = cgi(document("take:1", "out:done"), **PATIENT)
    with w.connect() as c:
        c.send(STALLED)
        a = c.answer()
        assert (a.status, a.body, a.cut) == (200, b"done", False)


def test_client_that_waits_for_100_gets_it(echoing):
    with echoing().connect() as c:
        c.request("POST", fields=[("Expect", "100-continue"), ("Content-Length", "5")])
        assert c.line() == "HTTP/1.1 100 Continue" and c.line() == ""
        c.send(b"hello")
        assert_answer(c.answer(), 200, b"hello", PLAIN, framing=EITHER)


@pytest.mark.parametrize(
    "raw, text",
    [
        (request_bytes("POST", fields=[("Content-Length", "10")]) + b"123", b"unexpected EOF"),
        (CHUNKED + b"3\r\nabc\r\nzz\r\n", b"invalid byte in chunk length"),
    ],
    ids=["short", "bad-size"],
)
def test_bad_body_before_the_head_is_400(cgi, scratch, raw, text):
    done = scratch / "done"
    w = cgi(steps("eat", f"mark:{done}", "outline:Status: 200", "outline:"))
    with w.connect() as c:
        c.send(raw)
        c.half_close()
        assert_answer(c.answer(), 400, text + b"\n", {**TEXT, "Connection": "close"})
        c.assert_closed()
    w.wait_no_processes()
    assert not done.exists(), "the program took a part of the body for the whole"


def test_bad_body_behind_the_head_cuts(echoing):
    w = echoing()
    with w.connect() as c:
        c.send(CHUNKED + b"3\r\nabc\r\n")
        a = c.begin()
        c.read_until(a, b"abc")
        c.send(b"zz\r\n")
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"abc", True)
    w.wait_no_processes()


# --- Content-Length, HEAD, 204, 304 -----------------------------------------------------------------------------------


def sized(length, *more, status="200"):
    return steps(f"outline:Status: {status}", "outline:Content-Type: text/plain", f"outline:Content-Length: {length}",
                 "outline:", *more)  # fmt: skip


def test_length_is_honoured(cgi, gate):
    """At once, not only when the program has ended."""
    w = cgi(sized(10, "out:hello", "say", "wait", "out:world"), **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        assert (a.framing, a.length) == ("length", 10)
        c.read_until(a, b"hello")
        gate.started()
        gate.open()
        assert_answer(c.rest(a), 200, b"helloworld", PLAIN)
        c.assert_usable()


@pytest.mark.parametrize("body", [(), ("out:hello",), ("outbytes:99999",)])
def test_fewer_bytes_than_promised_cut(cgi, body):
    w = cgi(sized(100_000, *body))
    with w.connect() as c:
        a = c.call()
        assert (a.status, a.cut, a.length) == (200, True, 100_000)
    w.wait_for_log(rf"^GET / - 200 - ContentLength: \S+ {SECONDS}$")
    w.wait_for_log(r"(?i)content-length|fewer|short|bytes")


@pytest.mark.parametrize("more", [("out:helloworld",), ("out:hello", "out:world"), ("out:hello", "outbytes:3000000")])
def test_more_bytes_than_promised_are_dropped(cgi, more):
    with cgi(sized(5, *more)).connect() as c:
        for _ in range(3):
            assert_answer(c.call(), 200, re.compile(rb".{5}"), PLAIN)
        assert c.buffer == b""


def test_nothing_promised_and_much_printed(cgi):
    with cgi(sized(0, "outbytes:3000000")).connect() as c:
        assert_answer(c.call(), 200, b"", PLAIN)
        c.assert_usable()


def test_endless_output_behind_the_promised(cgi):
    """The client has all of its answer, so it does not wait for a program that cannot stop."""
    w = cgi(shell("printf 'Content-Type: text/plain\\nContent-Length: 4\\n\\n'; yes"), exec_timeout="2s")
    with w.connect() as c:
        assert_answer(c.call(), 200, b"y\ny\n", PLAIN)
    w.wait_no_processes()


def test_exit_status_behind_a_complete_body(cgi):
    """Every byte has been promised and sent: nothing is left to be cut but the connection."""
    a = cgi(sized(5, "out:hello", "exit:3")).call()
    assert (a.status, a.body, a.cut) == (200, b"hello", False)


@pytest.mark.parametrize("more", [("out:hello",), (), ("outbytes:3000000",)], ids=["whole", "none", "large"])
def test_head_with_length(cgi, more):
    """A program that heeds REQUEST_METHOD prints no body, which is no short one."""
    with cgi(sized(5, *more)).connect() as c:
        for _ in range(2):
            a = c.call("HEAD")
            assert_answer(a, 200, b"", PLAIN, framing="none")
            assert a.length == 5
        assert c.buffer == b""


@pytest.mark.parametrize("more", [("out:hello",), (), ("outbytes:3000000",)], ids=["some", "none", "large"])
def test_head_without_length(cgi, more):
    with cgi(document(*more)).connect() as c:
        for _ in range(2):
            assert_answer(c.call("HEAD"), 200, b"", PLAIN, framing="none")
        assert c.buffer == b""


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("more", [(), ("out:hello",), ("outbytes:3000000",)], ids=["none", "some", "large"])
def test_statuses_without_body(cgi, status, length, more):
    lines = [f"Status: {status}", 'ETag: "x"'] + ([f"Content-Length: {length}"] if length else [])
    with cgi(steps(*[f"outline:{line}" for line in lines], "outline:", *more)).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.status, a.body, a.cut, a.value("ETag")) == (status, b"", False, '"x"')
            assert status == 304 or a.length is None, "204 has no Content-Length (RFC 9110, 8.6)"
            assert a.values("Transfer-Encoding") == []
        assert c.buffer == b""


def test_http_1_0(cgi):
    with cgi(document("outbytes:100000")).connect() as c:
        c.request(version="HTTP/1.0", host=None)
        assert_answer(c.answer(), 200, b"x" * 100_000, {**PLAIN, "Connection": "close"}, framing=("close", "length"))
        c.assert_closed()


def test_http_1_0_with_length_keeps_the_connection(cgi):
    with cgi(sized(5, "out:hello")).connect() as c:
        for _ in range(2):
            c.request(version="HTTP/1.0", host=None, fields=[("Connection", "keep-alive")])
            assert_answer(c.answer(), 200, b"hello", {**PLAIN, "Connection": "keep-alive"})


def test_connection_is_kept_after_each_kind_of_answer(cgi):
    """The program is what the body says, so one connection sees them all."""
    w = cgi("sh")
    answers = [
        ("printf 'Content-Type: a/b\\n\\nhello'", 200, b"hello"),
        ("printf 'Status: 404\\n\\nnot here'", 404, b"not here"),
        ("printf 'Location: http://other.test/\\n\\n'", 302, b""),
        ("printf 'Status: 204\\n\\n'", 204, b""),
        ("printf 'Status: 304\\n\\nbody'", 304, b""),
        ("printf 'Content-Type: a/b\\nContent-Length: 3\\n\\nhello'", 200, b"hel"),
        ("echo garbage", 502, None),
        ("exit 3", 500, b"exit status 3\n"),
        ("kill -9 $$", 500, b"signal: killed\n"),
        ("true", 502, None),
    ]
    with w.connect() as c:
        for _ in range(2):
            for line, status, body in answers:
                a = c.call("POST", body=line.encode())
                assert (a.status, a.cut, a.body) == (status, False, a.body if body is None else body)
                assert a.values("Connection") == []


def test_pipelined(echoing):
    with echoing().connect() as c:
        c.send(b"".join(request_bytes("POST", body=b"%d" % i) for i in range(10)))
        assert [c.answer().body for _ in range(10)] == [b"%d" % i for i in range(10)]


# --- how programs end -------------------------------------------------------------------------------------------------

PARTS = {
    "nothing": [],
    "half-a-line": ["out:Content-Ty"],
    "half-a-head": ["outline:Content-Type: text/plain"],
    "bad-so-far": ["out:garbage"],
    "stderr": ["errline:why"],
}
before = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
ENDS = {"exit:3": "exit status 3", "exit:255": "exit status 255", "kill:KILL": "signal: killed",
        "kill:SEGV": "signal: segmentation fault"}  # fmt: skip


@before
@pytest.mark.parametrize("end, text", ENDS.items())
def test_failure_before_the_head_is_500(cgi, part, end, text):
    w = cgi(steps(*part, end))
    assert_answer(w.call(), 500, text.encode() + b"\n", TEXT)
    w.wait_for_log(f"^{text}$")
    w.wait_for_log(rf"^GET / - 500 - ContentLength: {len(text) + 1}B {SECONDS}$")


@pytest.mark.parametrize("end, text", ENDS.items())
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_failure_behind_the_head_cuts(cgi, gate, end, text, version):
    """Without framing a plain end would look whole: there it has to be a reset."""
    w = cgi(document("out:some", "say", "wait", end), **gate.env)
    with w.connect() as c:
        c.request(version=version)
        a = c.begin()
        c.read_until(a, b"some")
        gate.open()
        c.rest(a)
    assert (a.status, a.body, a.cut) == (200, b"some", True)
    w.wait_for_log(f"^{text}$")
    w.wait_for_log(rf"^GET / - 200 - ContentLength: 4B {SECONDS}$")


@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_error_page_is_whole_whatever_the_exit_status(cgi, status):
    """Interpreters exit with another one than 0 after the page that says why."""
    w = cgi(steps(f"outline:Status: {status}", "outline:", "out:sorry", "exit:255"))
    for _ in range(2):
        a = w.call()
        assert (a.status, a.body, a.cut) == (status, b"sorry", False)
    w.wait_for_log("^exit status 255$")


def test_error_page_of_a_killed_program_is_cut(cgi):
    a = cgi(steps("outline:Status: 500", "outline:", "out:sorry", "kill:KILL")).call()
    assert (a.status, a.cut) == (500, True)


def test_failure_behind_a_head_alone_cuts(cgi):
    """What is called done must not be taken for it."""
    with cgi(steps("outline:Status: 201", "outline:", "exit:3")).connect() as c:
        c.request()
        try:
            a = c.answer()
        except NoAnswer:
            return
        assert (a.status, a.cut) == (201, True)


@pytest.mark.parametrize("part", [PARTS[name] for name in ("nothing", "half-a-head", "bad-so-far")])
def test_exit_0_without_a_head_is_502(cgi, part):
    assert_bad_head(cgi(steps(*part)).call())


def test_missing_program_is_500(cgi):
    text = b'exec: "no-such-program": executable file not found in $PATH\n'
    assert_answer(cgi("no-such-program").call("POST", body=b"x"), 500, text, TEXT)


@pytest.mark.parametrize("part", [PARTS[name] for name in ("nothing", "half-a-head", "bad-so-far")])
def test_deadline_before_the_head_is_504(cgi, gate, part):
    w = cgi(steps(*part, "say", "hold", "wait"), exec_timeout="1s", **gate.env)
    a = w.call()
    assert_answer(a, 504, re.compile(rb"[^\n]*exec_timeout[^\n]*\n?"), TEXT)
    for _ in range(2):
        wait_gone(gate.started())
    w.wait_for_log(rf"^GET / - 504 - ContentLength: \d+B {SECONDS}$")


@pytest.mark.parametrize("part", [["out:some"], []], ids=["some", "head-only"])
def test_deadline_behind_the_head_cuts(cgi, gate, part):
    w = cgi(document(*part, "say", "hold", "wait"), exec_timeout="1s", **gate.env)
    a = w.call()
    assert (a.status, a.body, a.cut) == (200, b"some" if part else b"", True)
    for _ in range(2):
        wait_gone(gate.started())


def test_deadline_counts_the_upload(cgi, gate):
    w = cgi(document("say", "eat", "out:done"), exec_timeout="1s", **gate.env)
    with w.connect() as c:
        c.send(STALLED)
        a = c.answer()
    assert (a.status, a.cut) == (200, True), "the head was out"
    wait_gone(gate.started())


def test_exec_timeout_is_30s_by_default(fwatchdog):
    settings = fwatchdog("--check", fprocess="cat", mode="cgi").settings()
    assert settings["mode"] == ("cgi", "environment")
    assert settings["exec_timeout"] == ("30s", "default")
    for name in ("kill_grace", "output_grace", "prefix_logs", "log_buffer_size"):
        assert settings[name][1] == "default"


# --- what is left behind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("part", [[], ["out:Content-Type"]], ids=["none", "half"])
def test_client_that_leaves_before_the_head(cgi, gate, how, part):
    w = cgi(steps(*part, "say", "hold", "wait"), **PATIENT, **gate.env)
    c = w.connect()
    c.request("GET", "/left")
    pids = [gate.started() for _ in range(2)]
    getattr(c, how)()
    for pid in pids:
        wait_gone(pid)
    w.wait_for_log(rf"^GET /left - 499 - ContentLength: 0B {SECONDS}$")


def test_client_that_leaves_behind_the_head(cgi, gate):
    w = cgi(document("out:some", "say", "hold", "wait"), **PATIENT, **gate.env)
    with w.connect() as c:
        c.request()
        c.read_until(c.begin(), b"some")
        pids = [gate.started() for _ in range(2)]
        c.reset()
    for pid in pids:
        wait_gone(pid)


def test_client_that_leaves_while_the_program_prints(cgi):
    w = cgi(shell("printf 'Content-Type: text/plain\\n\\n'; yes"), workers="1", **PATIENT)

    def leave():
        with w.connect(receive_buffer=65536) as c:
            c.request()
            next(c.begin().stream)
            c.close()
        w.wait_no_processes()

    w.assert_keeps_no_descriptor(leave, 3)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_in_its_body(cgi, gate, scratch, how):
    done = scratch / "done"
    w = cgi(document("say", "eat", f"mark:{done}"), **PATIENT, **gate.env)
    with w.connect() as c:
        c.send(STALLED)
        pid = gate.started()
        getattr(c, how)()
    wait_gone(pid)
    assert not done.exists(), "the program took a part of the body for the whole"


@pytest.mark.parametrize("hold", ["hold", "hold-daemon"])
def test_finished_program_does_not_wait_for_a_background_child(cgi, gate, hold):
    w = cgi(document(hold, "out:done"), output_grace="300ms", **PATIENT, **gate.env)
    with w.connect() as c:
        began = time.monotonic()
        assert_answer(c.call(), 200, b"done", PLAIN, framing="chunked")
        assert time.monotonic() - began < 5 * SLOW
        pid = gate.started()
        assert is_running(pid), "a child of a call that ended well is left alone"
        gate.open()
        wait_gone(pid)
        c.assert_usable()


def test_background_child_of_a_program_without_head(cgi, gate):
    w = cgi(steps("hold-daemon"), output_grace="100ms", **PATIENT, **gate.env)
    assert_bad_head(w.call())
    gate.started()
    gate.open()


def test_program_that_closes_stdout_and_lingers(cgi, gate):
    """The end of its output is not the end of the call: its exit status decides."""
    w = cgi(document("out:hello", "close-out", "close-err", "say", "wait", "exit:3"), **gate.env)
    with w.connect() as c:
        c.request()
        a = c.begin()
        c.read_until(a, b"hello")
        gate.started()
        gate.open()
        assert c.rest(a).cut


def test_no_zombies_and_no_descriptors(cgi):
    w = cgi("sh", workers="1")
    lines = [b"printf 'Status: 200\n\nx'", b"echo bad", b"exit 3", b"kill -9 $$", b"printf 'Status: 204\n\nx'; exit 1",
             b"printf 'Content-Type: a/b\nContent-Length: 9\n\nx'"]  # fmt: skip

    def call():
        for line in lines:
            w.call("POST", body=line)

    w.assert_keeps_no_descriptor(call, 10)


def test_slot_of_every_call_comes_back(cgi):
    w = cgi("sh", max_inflight="1")
    for line in (b"echo bad", b"exit 3", b"yes", b"printf 'Location: http://x/\n\n'") * 3:
        assert w.call("POST", body=line).status in (302, 500, 502)


def test_slot_is_taken_until_the_program_has_ended(cgi, gate):
    """The limit is one of processes, also when the client has got all that was promised to it."""
    w = cgi(sized(4, "out:done", "say", "wait"), max_inflight="1", **gate.env)
    assert w.call().body == b"done"
    gate.started()
    assert w.call().status == 429
    gate.open()
    gate.open()
    assert eventually(lambda: w.call().status == 200, "the slot is free")


def test_many_at_once(echoing):
    w = echoing()
    wrong = []

    def client(n):
        with w.connect() as c:
            for i in range(20):
                body = b"%d/%d " % (n, i) * (1 + 37 * i)
                if c.call("POST", body=body).body != body:
                    wrong.append((n, i))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE * 3)
        assert not t.is_alive()
    assert wrong == []


# --- the log ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 302, 404, 503])
def test_log_has_the_status_of_the_program(cgi, status):
    w = cgi(steps(f"outline:Status: {status} Odd words", "outline:", "out:hello"))
    assert w.call("PUT", "/a%20b?c").status == status
    lines = w.stop_and_read()
    assert len(lines) == 1 and re.fullmatch(rf"PUT /a%20b\?c - {status} - ContentLength: 5B {SECONDS}", lines[0]), lines


@pytest.mark.parametrize("prefix, line", [("true", "stderr: oops"), ("false", "oops")])
def test_stderr_goes_to_the_log(cgi, prefix, line):
    """Never into the answer, not even what is printed before the head."""
    w = cgi(steps("errline:oops", "outline:Status: 200", "outline:", "out:x"), prefix_logs=prefix)
    a = w.call()
    assert (a.status, a.body) == (200, b"x")
    eventually(lambda: line in w.messages(), "it is in the log")


def test_kube_probe_is_not_logged(cgi):
    w = cgi(document("out:x"))
    w.call("GET", "/probe", fields=[("User-Agent", "kube-probe/1.27")])
    w.call("GET", "/person")
    w.wait_for_log("^GET /person - 200 ")
    assert not [m for m in w.messages() if "/probe" in m]


def test_start_log(cgi):
    cgi("cat -u").wait_for_log('^Watchdog mode: cgi\tfprocess: "cat -u"$')
