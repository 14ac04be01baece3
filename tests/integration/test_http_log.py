"""mode=http: the lines that calls leave in the log, and what becomes of what the function prints."""

import re

import pytest

from call_ids import UUID4
from harness import STAMP, eventually
from http_client import chunked
from upstream import CHUNKED_HEAD, always, answer_bytes, close, read_request, reset

SECONDS = r"\(\d+\.\d{4}s\)"
STREAM = [("Accept", "text/event-stream")]
PROBE = [("User-Agent", "kube-probe/1.27")]


def call(w, upstream, *steps, method="GET", target="/", **request):
    upstream.script(read_request, *steps)
    return w.call(method, target, **request)


def assert_log(w, *wanted):
    """Exactly these lines after the start, as regular expressions."""
    lines = w.stop_and_read()
    assert len(lines) == len(wanted), lines
    for line, expression in zip(lines, wanted):
        assert re.fullmatch(expression, line), lines


# --- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fprocess, arguments", [("cat", ""), ("cat -u -", "-u -")])
def test_start(proxied, fprocess, arguments):
    lines = proxied(fprocess).messages()
    begin = lines.index(f"Forking: cat, arguments: [{arguments}]")
    assert sorted(lines[begin + 1 : begin + 3]) == [
        "Started logging: stderr from function.",
        "Started logging: stdout from function.",
    ]
    mode = next(i for i, line in enumerate(lines) if line.startswith("Watchdog mode: http"))
    assert mode > begin + 2


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, target, logged",
    [
        ("GET", "/", "GET /"),
        ("POST", "/a%2Fb//c?d=e&f#g", "POST /a%2Fb//c?d=e&f#g"),
        ("M-SEARCH", "/?", "M-SEARCH /?"),
        ("get", "http://other:81/p?q", "get http://other:81/p?q"),
        ("GET", "/a%0aFAKE%1b", "GET /a%0aFAKE%1b"),
        ("GET", "/caf\xe9\x9b31m?\x85\xff", r"GET /caf\xe9\x9b31m?\x85\xff"),
    ],
)
def test_answer(proxied, upstream, method, target, logged):
    w = proxied()
    assert call(w, upstream, answer_bytes(b"hello"), method=method, target=target).body == b"hello"
    assert_log(w, rf"{re.escape(logged)} - 200 OK - ContentLength: 5B {SECONDS}")


@pytest.mark.parametrize(
    "status, logged",
    [
        ("200 OK", "200 OK"),
        ("200 Fine by me", "200 Fine by me"),
        ("404 Nowhere", "404 Nowhere"),
        ("500 Its own", "500 Its own"),
        ("599 Odd", "599 Odd"),
        ("200 caf\xe9\x9b31m", r"200 caf\xe9\x9b31m"),
    ],
)
def test_status_is_the_functions(proxied, upstream, status, logged):
    w = proxied()
    call(w, upstream, answer_bytes(b"hello", status=status))
    assert_log(w, rf"GET / - {re.escape(logged)} - ContentLength: 5B {SECONDS}")


@pytest.mark.parametrize(
    "raw, size",
    [
        (answer_bytes(b""), "0B"),
        (answer_bytes(b"x" * 999), "999B"),
        (answer_bytes(b"x" * 12_345), "12.35kB"),
        (CHUNKED_HEAD + chunked(b"hello"), "-1B"),
        (answer_bytes(length=False), "-1B"),
    ],
    ids=["empty", "999", "12345", "chunked", "until-close"],
)
def test_size_is_what_the_function_says(proxied, upstream, raw, size):
    w = proxied()
    call(w, upstream, raw, close)
    assert_log(w, rf"GET / - 200 OK - ContentLength: {re.escape(size)} {SECONDS}")


def test_time_is_that_of_the_head(proxied, upstream):
    """The line need not wait for the body, whose end may be far away."""
    w = proxied()
    with w.connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        link.send(CHUNKED_HEAD)
        a = c.begin()
        seconds = float(a.value("X-Duration-Seconds"))
        link.send(chunked(b"x"))
        c.rest(a)
    line = w.wait_for_log(r"^GET / - 200 OK - ContentLength: -1B \((\d+\.\d{4})s\)$")
    assert abs(float(line.group(1)) - seconds) < 0.0011


def test_one_line_per_call(proxied, upstream):
    upstream.serve(always())
    w = proxied()
    with w.connect() as c:
        for i in range(20):
            c.call("POST", f"/{i}", body=b"x")
    assert [m.split(" ")[1] for m in w.stop_and_read()] == [f"/{i}" for i in range(20)]


@pytest.mark.parametrize("raw, size", [
    (answer_bytes(b"hello"), "5B"), (CHUNKED_HEAD + chunked(b"x" * 1500, b"y"), "1.501kB"), (answer_bytes(b""), "0B"),
])  # fmt: skip
def test_stream(proxied, upstream, raw, size):
    """Its line comes at its end, with what was sent."""
    w = proxied()
    call(w, upstream, raw, target="/s?t", fields=STREAM)
    assert_log(w, rf"GET /s\?t - 200 - Bytes: {re.escape(size)} {SECONDS}")


def test_stream_has_its_own_status(proxied, upstream):
    w = proxied()
    call(w, upstream, answer_bytes(b"no", status="404 Nowhere"), fields=STREAM)
    assert_log(w, rf"GET / - 404 - Bytes: 2B {SECONDS}")


def test_stream_is_logged_when_it_is_over(proxied, upstream):
    w = proxied()
    with w.connect() as c:
        c.request(fields=STREAM)
        link = upstream.link()
        link.request()
        link.send(CHUNKED_HEAD)
        a = c.begin()
        link.send_chunk(b"one")
        c.read_until(a, b"one")
        assert not [m for m in w.messages() if m.startswith("GET ")]
        link.send_last_chunk()
        c.rest(a)
    w.wait_for_log(rf"^GET / - 200 - Bytes: 3B {SECONDS}$")


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, name", [("GET", "Get"), ("POST", "Post"), ("DELETE", "Delete"), ("FOO", "Foo"), ("get", "Get")]
)
@pytest.mark.parametrize("base", ["", "/base"])
def test_no_answer(proxied, upstream, method, name, base):
    w = proxied(http_upstream_url=upstream.url + base)
    a = call(w, upstream, close, method=method, target="/x?y=%20z")
    assert a.status == 502
    assert_log(
        w,
        rf'Upstream HTTP request error: {name} "{re.escape(upstream.url + base)}/x\?y=%20z": .+',
        rf"{method} /x\?y=%20z - 502 Bad Gateway - ContentLength: {len(a.body)}B {SECONDS}",
    )


def test_no_answer_to_a_stream(proxied, upstream):
    w = proxied()
    a = call(w, upstream, reset, target="/x", fields=STREAM)
    assert a.status == 502
    assert_log(
        w,
        rf'Upstream HTTP request error: Get "{re.escape(upstream.url)}/x": .+',
        rf"GET /x - 502 - Bytes: {len(a.body)}B {SECONDS}",
    )


@pytest.mark.parametrize("steps, words", [
    ([close], r".*\bEOF\b.*"),
    ([reset], r".*reset.*"),
    ([b"garbage\r\n\r\n", close], r".+"),
])  # fmt: skip
def test_reason_is_told(proxied, upstream, steps, words):
    w = proxied()
    call(w, upstream, *steps)
    assert w.wait_for_log(rf'^Upstream HTTP request error: Get "[^"]+": {words}$')


def test_refused_is_told(proxied, upstream):
    upstream.serve(always())
    w = proxied()
    assert w.call().body == b"ok"
    upstream.die()
    assert w.call().status == 502
    w.wait_for_log(r'^Upstream HTTP request error: Get "[^"]+": .*connection refused')


def test_odd_bytes_of_a_failed_call_are_escaped(proxied, upstream):
    w = proxied()
    call(w, upstream, close, target='/\x9b31m"\xff')
    lines = w.stop_and_read()
    assert len(lines) == 2
    assert all(r"/\x9b31m" in line and r"\xff" in line for line in lines), lines
    assert all(line.isascii() for line in lines), lines


@pytest.mark.parametrize("start, size", [
    (CHUNKED_HEAD + b"5\r\nhello\r\n", "-1B"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 10\r\n\r\nhello", "10B"),
])  # fmt: skip
@pytest.mark.parametrize("ending", [close, reset])
def test_broken_body(proxied, upstream, start, size, ending):
    w = proxied()
    with w.connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        link.send(start)
        a = c.begin()
        c.read_until(a, b"hello")
        ending(link)
        assert c.rest(a).cut
    assert_log(w, "Error copying response body: .+", rf"GET / - 200 OK - ContentLength: {size} {SECONDS}")


@pytest.mark.parametrize("fields", [[], STREAM], ids=["plain", "stream"])
def test_client_that_left_is_logged_as_499(proxied, upstream, fields):
    w = proxied()
    with w.connect() as c:
        c.request("GET", "/left", fields=fields)
        link = upstream.link()
        link.request()
        c.reset()
        link.assert_ended()
    w.wait_for_log(rf"^GET /left - 499 .*{SECONDS}$")
    assert len([m for m in w.stop_and_read() if " /left - " in m]) == 1


# --- call ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log_callid", "log_call_id"])
@pytest.mark.parametrize("value", ["true", "1"])
def test_call_id(proxied, upstream, name, value):
    w = proxied(**{name: value})
    call(w, upstream, answer_bytes(), fields=[("x-call-id", "c0ffee-1")])
    call(w, upstream, answer_bytes(), fields=[("X-Call-Id", "\xe9\x9b x"), ("X-Call-Id", "second")])
    call(w, upstream, answer_bytes())
    call(w, upstream, answer_bytes(), fields=[("X-Call-Id", "")])
    assert_log(
        w,
        rf"GET / - 200 OK - ContentLength: 2B {SECONDS} \[c0ffee-1\]",
        rf"GET / - 200 OK - ContentLength: 2B {SECONDS} \[\\xe9\\x9b x\]",
        rf"GET / - 200 OK - ContentLength: 2B {SECONDS} \[{UUID4.pattern}\]",
        rf"GET / - 200 OK - ContentLength: 2B {SECONDS} \[{UUID4.pattern}\]",
    )


def test_call_id_of_failures(proxied, upstream):
    w = proxied(log_callid="true")
    call(w, upstream, close, fields=[("X-Call-Id", "lost")])
    w.wait_for_log(rf"^GET / - 502 Bad Gateway - ContentLength: \d+B {SECONDS} \[lost\]$")


@pytest.mark.parametrize("settings", [{}, {"log_callid": "false"}, {"log_call_id": "false"}])
def test_no_call_id(proxied, upstream, settings):
    w = proxied(**settings)
    call(w, upstream, answer_bytes(), fields=[("X-Call-Id", "c0ffee-1")])
    assert_log(w, rf"GET / - 200 OK - ContentLength: 2B {SECONDS}")


# --- probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [PROBE, PROBE + STREAM, [("user-agent", "kube-probe")]])
def test_kube_probe_is_not_logged(proxied, upstream, fields):
    w = proxied()
    call(w, upstream, answer_bytes(), target="/probe", fields=fields)
    call(w, upstream, answer_bytes(), target="/person")
    assert_log(w, rf"GET /person - 200 OK - ContentLength: 2B {SECONDS}")


@pytest.mark.parametrize("agent", ["Kube-Probe/1.27", "x kube-probe", "curl/8"])
def test_others_are_logged(proxied, upstream, agent):
    w = proxied()
    call(w, upstream, answer_bytes(), fields=[("User-Agent", agent)])
    assert_log(w, rf"GET / - 200 OK - ContentLength: 2B {SECONDS}")


def test_errors_of_kube_probe_are_logged(proxied, upstream):
    w = proxied()
    assert call(w, upstream, close, target="/probe", fields=PROBE).status == 502
    assert_log(w, r'Upstream HTTP request error: Get "[^"]+/probe": .+')


def test_health_and_ready_are_not_logged(proxied, upstream):
    w = proxied()
    w.call("GET", "/_/health")
    eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")
    assert_log(w)


# --- what the function prints -----------------------------------------------------------------------------------------

PRINTS = "sh -c 'printf \"%s\" >&2; printf \"%s\"; exec cat'"


def printed(proxied, err, out, **settings):
    """What reaches stderr and stdout of the watchdog when the function prints this (as printf takes it)."""
    w = proxied(PRINTS % (err, out), **settings)
    w.wait_for_log(r"last-err$")
    w.out.wait(lambda: "last-out" in w.stdout(), 20)
    w.stop()
    return w


def test_both_streams_keep_apart(proxied):
    w = printed(proxied, r"one\ntwo\nlast-err\n", r"three\n\nlast-out\n")
    lines = w.messages()
    assert [m for m in lines if m.startswith(("stderr: ", "stdout: "))] == [
        "stderr: one", "stderr: two", "stderr: last-err",
    ]  # fmt: skip
    out = w.stdout().splitlines()
    assert all(STAMP.match(line) for line in out)
    assert [STAMP.sub("", line, count=1) for line in out] == ["stdout: three", "stdout: ", "stdout: last-out"]


def test_prefix_logs_off(proxied):
    w = printed(proxied, r"one\nlast-err\n", r"two\nlast-out\n", prefix_logs="false")
    assert [m for m in w.raw_lines() if not STAMP.match(m)] == ["one", "last-err"]
    assert w.stdout() == "two\nlast-out\n"


def test_a_last_line_without_its_end(proxied):
    """It is logged when the function's output ends."""
    w = proxied("sh -c 'printf last-err >&2; printf last-out; exec cat'")
    w.stop()
    assert "stderr: last-err" in w.messages()
    assert STAMP.sub("", w.stdout()) == "stdout: last-out\n"


@pytest.mark.parametrize("size", [16, 1000])
def test_longer_lines_are_cut_in_pieces(proxied, size):
    text = "0123456789abcdef" * 1000
    w = printed(proxied, rf"{text}\nlast-err\n", rf"{text}\nlast-out\n", prefix_logs="false", log_buffer_size=size)
    for lines, last in (
        ([m for m in w.raw_lines() if not STAMP.match(m)], "last-err"),
        (w.stdout().splitlines(), "last-out"),
    ):
        assert "".join(lines[:-1]) == text and lines[-1] == last
        assert max(map(len, lines)) <= size


def test_function_that_prints_a_lot_is_never_held_up(proxied, upstream):
    """More than any pipe holds, on both streams; it serves all the while."""
    upstream.serve(always())
    w = proxied("sh -c 'head -c 3000000 /dev/zero | tr \"\\0\" x >&2; echo last-err >&2; exec cat'")
    assert w.call().body == b"ok"
    w.wait_for_log("last-err$")
