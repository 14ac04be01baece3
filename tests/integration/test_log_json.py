"""log_format=json: every line of stderr is one JSON object, whatever happens and whoever speaks."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import BINARY, PATIENCE, eventually, free_port
from http_client import chunked
from json_log import OWN, assert_request, entries_of, read_log, requests_of, text_of, wrapped_of
from upstream import CHUNKED_HEAD, always, answer_bytes, close, read_request

MODES = ["classic", "streaming", "serializing", "cgi"]
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(params=MODES)
def forking(request):
    return request.param


@pytest.fixture(params=MODES[1:])
def other(request):
    """The forking modes with a request line."""
    return request.param


@pytest.fixture
def logged(watchdog):
    """Starts fwatchdog with log_format=json."""

    def start(fprocess=None, **changes):
        return watchdog(fprocess, log_format="json", **changes)

    return start


def program(line, mode):
    """A line of sh, with a head before its output where there has to be one."""
    return json.dumps(["sh", "-c", f"printf 'Status: 200\\n\\n'; {line}" if mode == "cgi" else line])


def log_after(w):
    """All of it, read strictly, once the watchdog has ended."""
    w.stop()
    return read_log(w.err.data)


def messages(entries, level=None):
    return [e["message"] for e in entries if list(e) == OWN and level in (None, e["level"])]


# --- start and stop ---------------------------------------------------------------------------------------------------


def settings_of(mode, upstream=None, site=None):
    if mode == "http":
        return {"mode": "http", "http_upstream_url": upstream.url}
    return {"mode": mode, **({"static_path": site.path} if mode == "static" else {})}


@pytest.mark.parametrize("mode", [*MODES, "http", "static"])
def test_start_and_stop(watchdog, upstream, site, mode):
    """The same lines as in text, each as an object of its own."""
    fprocess = None if mode == "static" else "cat"
    settings = settings_of(mode, upstream, site)
    w = watchdog(fprocess, log_format="json", **settings)
    w.stop()
    plain = watchdog(fprocess, **settings)
    plain.stop()

    def same(lines):
        lines = [re.sub(r"(port|draining): \d+|http://\S+", r"\1: N", line) for line in lines]
        return sorted(lines)  # threads say some of them at the same time

    got = read_log(w.err.data)
    assert same(messages(got)) == same(plain.messages()) and len(got) > 5
    assert [e for e in got if list(e) != OWN] == []
    assert {e["level"] for e in got if not re.match("(?i)warning|unable", e["message"])} == {"info"}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "<+1345>-13:45"])
def test_time_is_utc(logged, zone):
    log_after(logged("cat", TZ=zone))


def test_time_has_its_microseconds(logged):
    w = logged("true", mode="streaming")
    for _ in range(10):
        w.call()
    assert len({e["time"][-7:-1] for e in log_after(w)}) > 5


def test_text_is_the_default(watchdog):
    for settings in ({}, {"log_format": "text"}):
        w = watchdog("cat", mode="streaming", **settings)
        w.call(fields=[("traceparent", PARENT)])
        w.wait_for_log(r"^GET / - 200 - ContentLength: 0B \(\d+\.\d{4}s\)$")
        w.stop()
        assert "{" not in w.err.text() and PARENT not in w.err.text()


@pytest.mark.parametrize("value", ["xml", "JSON", "json ", "0"])
def test_bad_format_stops_the_start(fwatchdog, value):
    ended = fwatchdog(fprocess="cat", log_format=value)
    assert ended.status != 0
    assert "log_format" in ended.stderr


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"fprocess": None}, ["fprocess"]),
        ({"mode": "nonsense"}, ["mode", "nonsense"]),
        ({"max_inflight": "x", "strict_config": "true"}, ["max_inflight"]),
        ({"kill_grace": 'a"b\\c\x01\n'}, ["kill_grace"]),
        ({"port": "TAKEN"}, ["TAKEN"]),
    ],
)
def test_start_that_fails(fwatchdog, taken_port, changes, words):
    """What is said then is a line of the log like any other."""
    expand = {"TAKEN": str(taken_port)}
    changes = {name: expand.get(value, value) for name, value in changes.items()}
    ended = fwatchdog(**{"fprocess": "cat", "log_format": "json", **changes})
    assert ended.status != 0
    errors = messages(read_log(ended.stderr.encode()), "error")
    assert errors
    for word in words:
        assert expand.get(word, word) in "\n".join(errors)


def test_replaced_value_is_a_warning(logged):
    w = logged("cat", max_inflight="many")
    warnings = messages(log_after(w), "warning")
    assert len(warnings) == 1 and "max_inflight" in warnings[0] and "many" in warnings[0]


# --- request lines ----------------------------------------------------------------------------------------------------


def test_request(logged, other):
    w = logged(program("cat", other), mode=other)
    assert w.call("POST", "/a/b?c=d", body=b"hello").body == b"hello"
    w.call("POST", "/", fields=[("X-Call-Id", "c0ffee"), ("traceparent", PARENT)], body=b"")
    first, second = requests_of(log_after(w))
    assert_request(first, "POST", "/a/b?c=d", 200, 5)
    assert_request(second, "POST", "/", 200, 0, "c0ffee", PARENT)


def test_static_has_no_request_lines(logged, site):
    """In neither format; what goes wrong is told."""
    site.write("a", b"hello")
    w = logged(mode="static", static_path=site.path)
    assert w.call("GET", "/a").status == 200
    assert w.call("GET", "/b").status == 404
    entries = log_after(w)
    assert requests_of(entries) == []


@pytest.mark.parametrize("stream", [False, True])
def test_request_of_http(logged, upstream, stream):
    w = logged("cat", mode="http", http_upstream_url=upstream.url, workers="1")
    fields = [("Accept", "text/event-stream")] if stream else []
    upstream.script(read_request, close)
    w.call("POST", "/lost", fields=fields, body=b"x")
    upstream.script(read_request, answer_bytes(b"hello", status="404 Nowhere"))
    w.call("GET", "/x?y", fields=[*fields, ("X-Call-Id", "one"), ("Traceparent", PARENT)])
    upstream.script(read_request, CHUNKED_HEAD + chunked(b"hello"))
    w.call("GET", "/z", fields=fields)
    entries = log_after(w)
    a, b, c = requests_of(entries)
    assert_request(a, "POST", "/lost", 502)
    assert_request(b, "GET", "/x?y", 404, 5, "one", PARENT)
    assert_request(c, "GET", "/z", 200, 5)
    errors = [e for e in entries if e["message"].startswith("Upstream HTTP request error: Post ")]
    assert [e["level"] for e in errors] == ["error"]


def test_calls_of_classic(logged):
    """It has no request line, so what it says of a call says whose it was."""
    w = logged("cat")
    w.call("POST", body=b"hello")
    entries = log_after(w)
    assert "Forking fprocess." in messages(entries)
    assert [m for m in messages(entries) if re.match(r"Wrote 5 Bytes - Duration: \d+\.\d{6}s", m)]


@pytest.mark.parametrize("flag", ["true", "false"])
def test_log_callid_changes_nothing_in_json(logged, flag):
    w = logged("cat", mode="streaming", log_callid=flag)
    w.call(fields=[("X-Call-Id", "one")])
    (entry,) = requests_of(log_after(w))
    assert_request(entry, "GET", "/", 200, 0, "one")


def test_bytes_are_a_number(logged):
    """Not 1.5MB, and beyond what 32 bits hold is not far away."""
    w = logged("head -c 1500001 /dev/zero", mode="streaming")
    w.call()
    (entry,) = requests_of(log_after(w))
    assert entry["bytes"] == 1_500_001


def test_duration_is_seconds(logged, gate):
    w = logged("steps say wait", mode="streaming", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        held = time.monotonic()
        time.sleep(0.3)  # a length to be measured, nothing is waited for
        slept = time.monotonic() - held
        gate.open()
        assert c.answer().status == 200
    (entry,) = requests_of(log_after(w))
    assert slept <= entry["duration"] < slept + PATIENCE


def test_statuses_of_failures(logged, gate, other):
    w = logged("steps say wait", mode=other, exec_timeout="200ms", **gate.env)
    status = w.call("GET", "/late").status
    assert status == (500 if other == "serializing" else 504)
    (entry,) = requests_of(log_after(w))
    assert_request(entry, "GET", "/late", status)


def test_client_that_left(logged, gate, other):
    w = logged("steps say wait", mode=other, **gate.env)
    c = w.connect()
    c.request("GET", "/left")
    gate.started()
    c.reset()
    eventually(lambda: requests_of(entries_of(w)), "it is logged")
    (entry,) = requests_of(log_after(w))
    assert_request(entry, "GET", "/left", 499, 0)


def test_what_is_not_logged_in_text_is_not_in_json(logged, other):
    w = logged(program("true", other), mode=other)
    w.call(fields=[("User-Agent", "kube-probe/1.27")])
    w.call("GET", "/_/health")
    w.call("GET", "/_/ready")
    with w.connect() as c:
        c.send(b"GET / HTTP/9.9\r\n\r\n")
        c.raw_until_close()
    assert requests_of(log_after(w)) == []


# --- hostile bytes ----------------------------------------------------------------------------------------------------

TARGETS = [
    '/"\\\'<>&{}[],:`',
    '/x","status":200,"y":"',
    "/\x80\xff\xa0?\x9b\x85",
    "/caf\xe9",
    "/caf\xc3\xa9/\xe4\xb8\x96?\xf0\x9f\x98\x80",
    "/\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xf8\x88",
    "/\xe2\x82",
    "/\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\xef\xbf\xbe",
    "/%0a%0d%22%01",
    "/" + "\xff" * 20_000,
    "/" + "\xf0\x9f\x98\x80" * 20_000,
    "/" + '"' * 60_000,
]


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_hostile_targets(logged, target):
    w = logged("true", mode="streaming")
    w.call("GET", target)
    (entry,) = requests_of(log_after(w))
    assert_request(entry, "GET", text_of(target.encode("latin-1")), 200, 0)


def test_hostile_targets_of_other_modes(logged, upstream):
    """Each has its own way to the log."""
    upstream.serve(always())
    for settings in settings_of("http", upstream), {"mode": "serializing"}, {"mode": "cgi"}:
        w = logged("cat", **settings)
        with w.connect() as c:
            for target in TARGETS[:8]:
                c.call("GET", target)
        got = [e["target"] for e in requests_of(log_after(w))]
        assert got == [text_of(target.encode("latin-1")) for target in TARGETS[:8]], settings


@pytest.mark.parametrize("method", ["!#$%&'*+-.^_`|~", "get", "X" * 5000])
def test_hostile_methods(logged, method):
    w = logged("true", mode="streaming")
    w.call(method)
    (entry,) = requests_of(log_after(w))
    assert_request(entry, method, "/", 200, 0)


VALUES = ['"', "\\", 'a","level":"error', "\xff", "\xe4\xb8\x96", "\xe4\xb8", "a\tb", "\x80" * 9000, "{}", "null"]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_hostile_ids(logged, value):
    w = logged("true", mode="streaming")
    w.call(fields=[("X-Call-Id", value), ("traceparent", value)])
    (entry,) = requests_of(log_after(w))
    text = text_of(value.encode("latin-1"))
    assert_request(entry, "GET", "/", 200, 0, text, text)


def test_first_traceparent_is_logged(logged):
    w = logged("true", mode="streaming")
    w.call(fields=[("TraceParent", "one"), ("traceparent", "two")])
    w.call(fields=[("trace-parent", "no"), ("tracestate", "no"), ("x-traceparent", "no")])
    first, second = requests_of(log_after(w))
    assert_request(first, "GET", "/", 200, 0, traceparent="one")
    assert_request(second, "GET", "/", 200, 0)


@pytest.mark.parametrize(
    "fprocess",
    ['sh -c "exit 3" "\\"\\\\\"', '["sh","-c","exit 3 # \\n\\t\\u0001\\"\\\\"]', "/nowhere/\udcff\udcfe",
     "/nowhere/caf\u00e9\x01\x7f\x1b[31m", "/nowhere/a\nb"],
    ids=["quotes", "controls", "not-utf-8", "escapes", "newline"],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["classic", "streaming", "cgi"])
def test_hostile_fprocess(logged, mode, fprocess):
    w = logged(fprocess, mode=mode)
    assert w.call().status == 500
    log_after(w)


def test_hostile_name_of_the_folder(watchdog, scratch):
    """The name of the lock file is in two lines."""
    folder = scratch / os.fsdecode(b'"\\\xff\xc3\xa9\x01')
    folder.mkdir()
    w = watchdog("cat", log_format="json", TMPDIR=folder)
    entries = log_after(w)
    wanted = text_of(os.fsencode(folder / ".lock"))
    assert f"Writing lock-file to: {wanted}" in messages(entries)


def test_hostile_answer_of_the_function(logged, upstream):
    """The reason phrase is in the text log."""
    w = logged("cat", mode="http", http_upstream_url=upstream.url, workers="1")
    for status in ('200 "x"\\', "200 caf\xe9\xff", "404 a\tb"):
        upstream.script(read_request, answer_bytes(status=status), close)
        w.call()
    upstream.script(read_request, b"\xff\x01\"\\garbage\r\n\r\n", close)
    w.call()
    assert [e["status"] for e in requests_of(log_after(w))] == [200, 200, 404, 502]


def test_hostile_head_of_a_cgi_program(logged):
    w = logged(json.dumps(["printf", 'No\\377\\001"head\\\\\\n\\n']), mode="cgi")
    assert w.call().status == 502
    entries = log_after(w)
    assert [m for m in messages(entries) if "malformed head" in m]


# --- stderr and stdout that are no readers ----------------------------------------------------------------------------


def start_without_reader(logged, mode, **more):
    w = logged(program("cat; head -c 20000 /dev/zero >&2", mode), mode=mode, port=free_port(), ready=False,
               combine_output="false", **more)  # fmt: skip
    w.wait_until_connectable()
    return w


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full 2>&1"])
def test_service_without_stderr(logged, forking, closed):
    wrapper = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    w = start_without_reader(logged, forking, wrapper=wrapper)
    for _ in range(3):
        assert w.call("POST", body=b"x").body == b"x"


def test_stderr_whose_reader_has_gone(logged, forking):
    r, wr = os.pipe()
    os.close(r)
    w = start_without_reader(logged, forking, popen={"stderr": wr})
    os.close(wr)
    for _ in range(3):
        assert w.call("POST", body=b"x").body == b"x"


def full_pipe():
    r, wr = os.pipe()
    os.set_blocking(wr, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(wr, b"x" * 4096)
    os.set_blocking(wr, True)
    return r, wr


def test_full_stderr(logged, forking):
    r, wr = full_pipe()
    w = start_without_reader(logged, forking, popen={"stderr": wr})
    os.close(wr)
    for _ in range(5):
        assert w.call("POST", body=b"x").body == b"x"
    w.stop()
    os.close(r)


def drain(r, data):
    while piece := os.read(r, 1 << 16):
        data += piece
    os.close(r)


def take(r, data):
    """What can be read now."""
    os.set_blocking(r, False)
    try:
        while piece := os.read(r, 1 << 16):
            data += piece
    except BlockingIOError:
        os.set_blocking(r, True)


def test_lines_that_were_lost_are_told_in_json(logged, upstream):
    """Megabytes of request lines while nobody reads; then somebody does. No line is torn, and the loss is one, too."""
    upstream.serve(always())
    r, wr = os.pipe()
    w = logged("cat", **settings_of("http", upstream), port=free_port(), workers="2", ready=False,
               popen={"stderr": wr})  # fmt: skip
    os.close(wr)
    w.wait_until_connectable()
    data, long = bytearray(), "/" + '"' * 8000
    with w.connect() as c:
        for _ in range(400):
            assert c.call("GET", long).status == 200

        def told():
            take(r, data)
            assert c.call("GET", "/a").status == 200
            return b" lost: " in data

        eventually(told, "the loss is told")
    w.send_signal(signal.SIGTERM)
    drain(r, data)
    w.ended()
    entries = read_log(data)
    lost = [e for e in entries if re.fullmatch(r"\d+ log lines? lost: stderr is not taking them", e["message"])]
    assert lost and {e["level"] for e in lost} <= {"warning", "error"}
    assert {e["target"] for e in requests_of(entries)} == {long, "/a"}


def test_joined_streams(scratch, upstream):
    """stdout and stderr are one pipe, as for most containers: still a line is a line, and says where it came from."""
    env = {
        "PATH": os.environ["PATH"], "TMPDIR": str(scratch / "tmp"), "port": "0", "metrics_port": "0",
        "healthcheck_interval": "0", "mode": "http", "http_upstream_url": upstream.url, "log_format": "json",
        "fprocess": json.dumps(["sh", "-c", "for i in $(seq 300); do echo out$i; echo err$i >&2; done; exec cat"]),
    }  # fmt: skip
    process = subprocess.Popen([str(BINARY)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    data = bytearray()
    try:
        while b'"out300"' not in data or b'"err300"' not in data:
            piece = os.read(process.stdout.fileno(), 1 << 16)
            assert piece, bytes(data)
            data += piece
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    entries = read_log(bytes(data) + rest)
    for stream in ("stdout", "stderr"):
        assert wrapped_of(entries, stream) == [f"{stream[3:]}{i}" for i in range(1, 301)]
