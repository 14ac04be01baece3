"""X-Call-Id: made where there is none, passed on as it is where there is one, and the same in the log."""

import json
import re
import threading

import pytest

from call_ids import UUID4
from cgi_program import shell
from harness import PATIENCE
from http_client import chunked, request_bytes
from json_log import read_log, requests_of
from upstream import answer_bytes, close, read_request, reset

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECONDS = r"\(\d+\.\d{4}s\)"
MODES = ["classic", "streaming", "serializing", "cgi"]
HOSTILE = [
    "a b", "\xff\xfe\xe4\xb8\x96", '"\\', "a\tb", "x" * 5000, "%s%n", "none", "0",
    "00000000-0000-0000-0000-000000000000",
]  # fmt: skip


@pytest.fixture(params=MODES)
def forking(request):
    return request.param


@pytest.fixture
def env_function(watchdog, scratch):
    """Answers with its environment, in each of the forking modes; the log is JSON, or text with ids."""

    def start(mode, **changes):
        (scratch / "head").write_bytes(b"Status: 200\n\n" if mode == "cgi" else b"")
        return watchdog(f"cat {scratch}/head /proc/self/environ", mode=mode, log_callid="true", **changes)

    return start


def rows_of(a):
    assert a.status == 200, a
    rows = dict(row.split("=", 1) for row in a.body.decode("latin-1").split("\0")[:-1])
    assert len(rows) == a.body.count(b"\0"), "a name comes twice"
    return rows


def seen_id(mode, rows):
    """What the function has as the id."""
    if mode == "cgi":
        assert rows["HTTP_X_CALL_ID"] == rows["Http_X_Call_Id"]
    else:
        assert "HTTP_X_CALL_ID" not in rows
    return rows["Http_X_Call_Id"]


def call(w, mode, **request):
    return seen_id(mode, rows_of(w.call(**request)))


def printable(text):
    """As the text log has it; `text` is Latin-1 for bytes."""
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)


def logged_ids(w, mode):
    """What stands in brackets behind the line that each call ends with, after the end."""
    w.stop()
    kind = r"Wrote \d+ Bytes - Duration: \d+\.\d{6}s" if mode == "classic" else rf"\S+ \S+ - \d+ .*{SECONDS}"
    lines = [m for m in w.messages() if re.match(kind, m)]
    matches = [re.fullmatch(rf"{kind} \[(.*)\]", line) for line in lines]
    assert all(matches), lines
    return [m[1] for m in matches]


# --- made -------------------------------------------------------------------------------------------------------------


def test_made_and_logged(env_function, forking):
    w = env_function(forking)
    seen = [call(w, forking) for _ in range(3)]
    with w.connect() as c:
        seen += [seen_id(forking, rows_of(c.call("POST", body=b"x"))) for _ in range(3)]
    assert all(UUID4.fullmatch(i) for i in seen) and len(set(seen)) == 6
    assert sorted(logged_ids(w, forking)) == sorted(seen)


def test_made_for_http_1_0_and_pipelined_calls(env_function):
    w = env_function("streaming")
    with w.connect() as c:
        c.send(request_bytes() * 5)
        seen = [rows_of(c.answer())["Http_X_Call_Id"] for _ in range(5)]
    with w.connect() as c:
        c.send(request_bytes(version="HTTP/1.0"))
        seen.append(rows_of(c.answer())["Http_X_Call_Id"])
    assert all(UUID4.fullmatch(i) for i in seen) and len(set(seen)) == 6


def test_made_where_the_watchdog_has_a_variable_of_that_name(env_function, forking):
    """The request's beats the inherited."""
    w = env_function(forking, Http_X_Call_Id="inherited", HTTP_X_CALL_ID="inherited")
    rows = rows_of(w.call())
    assert UUID4.fullmatch(rows["Http_X_Call_Id"])
    assert rows["HTTP_X_CALL_ID"] == (rows["Http_X_Call_Id"] if forking == "cgi" else "inherited")


@pytest.mark.parametrize("value", ["", "  \t "])
def test_empty_one_is_none(env_function, forking, value):
    w = env_function(forking)
    seen = call(w, forking, fields=[("X-Call-Id", value)])
    assert UUID4.fullmatch(seen)
    assert logged_ids(w, forking) == [seen]


@pytest.mark.parametrize("name", ["X_Call_Id", "XCall-Id", "X-Call-Id2", "X-Call.Id", "X-CallId"])
def test_other_names_are_none(env_function, forking, name):
    """X_Call_Id cannot pose as it: HTTP_X_CALL_ID is the made one."""
    w = env_function(forking)
    seen = call(w, forking, fields=[(name, "evil")])
    assert UUID4.fullmatch(seen)
    assert logged_ids(w, forking) == [seen]


def test_trailers_are_none(env_function, forking):
    w = env_function(forking)
    with w.connect() as c:
        head = request_bytes("POST", "/", [("Transfer-Encoding", "chunked")])
        c.send(head + chunked(b"x", trailers=[b"X-Call-Id: evil"]))
        seen = seen_id(forking, rows_of(c.answer()))
    assert UUID4.fullmatch(seen)
    assert logged_ids(w, forking) == [seen]


def test_answers_do_not_have_it(watchdog, forking):
    w = watchdog("sh -c 'echo Status: 200; echo'", mode=forking)
    for fields in ([], [("X-Call-Id", "one")]):
        assert w.call(fields=fields).values("X-Call-Id") == []


def test_nothing_in_the_environment_without_cgi_headers(env_function):
    w = env_function("classic", cgi_headers="false")
    assert not [name for name in rows_of(w.call()) if name.lower().startswith("http_")]
    (logged,) = logged_ids(w, "classic")
    assert UUID4.fullmatch(logged)


# --- passed on --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_passed_on_and_logged(env_function, forking, value):
    w = env_function(forking)
    assert call(w, forking, fields=[("x-call-ID", value)]) == value
    assert logged_ids(w, forking) == [printable(value)]


def test_not_kept_for_the_next_call(env_function, forking):
    w = env_function(forking, workers="1")
    with w.connect() as c:
        first = seen_id(forking, rows_of(c.call(fields=[("X-Call-Id", "mine")])))
        second = seen_id(forking, rows_of(c.call()))
    assert first == "mine" and UUID4.fullmatch(second)


def test_first_of_two_counts(env_function):
    w = env_function("streaming")
    assert call(w, "streaming", fields=[("X-Call-Id", "one"), ("X-Call-Id", "two")]) == "one"
    assert logged_ids(w, "streaming") == ["one"]


@pytest.mark.parametrize("fields", [[], [("X-Call-Id", "one")]])
def test_marshalled(watchdog, fields):
    """In the document and in the log, the same."""
    w = watchdog("cat", marshal_request="true", log_callid="true")
    (value,) = json.loads(w.call(fields=fields).body)["header"]["X-Call-Id"]
    assert value == "one" if fields else UUID4.fullmatch(value)
    assert logged_ids(w, "classic") == [value]


@pytest.mark.parametrize("fields", [[], [("X-Call-Id", "one")]])
def test_local_redirect_is_the_same_call(watchdog, scratch, fields):
    seen = scratch / "seen"
    say = f'echo "$HTTP_X_CALL_ID $Http_X_Call_Id" >>{seen}'
    w = watchdog(shell(f'{say}; [ "$PATH_INFO" = /b ] && echo Status: 200 || echo Location: /b; echo'),
                 mode="cgi", log_callid="true")  # fmt: skip
    assert w.call("GET", "/a", fields=fields).status == 200
    first, second = (line.split() for line in seen.read_text().splitlines())
    assert first == second and first[0] == first[1]
    assert first[0] == "one" if fields else UUID4.fullmatch(first[0])
    assert set(logged_ids(w, "cgi")) == {first[0]}


# --- without an answer of the function --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["streaming", "serializing", "cgi"])
@pytest.mark.parametrize("steps, settings", [("exit:3", {}), ("say wait", {"exec_timeout": "100ms"})])
def test_failures_are_logged_with_it(watchdog, gate, mode, steps, settings):
    w = watchdog(f"steps {steps}", mode=mode, log_callid="true", **settings, **gate.env)
    assert w.call(fields=[("X-Call-Id", "lost")]).status >= 500
    assert w.call().status >= 500
    ids = logged_ids(w, mode)  # each worker writes its own lines
    made = [i for i in ids if i != "lost"]
    assert len(ids) == 2 and len(made) == 1 and UUID4.fullmatch(made[0])


def test_client_that_left_is_logged_with_it(watchdog, gate):
    w = watchdog("steps say wait", mode="streaming", log_callid="true", **gate.env)
    c = w.connect()
    c.request(fields=[("X-Call-Id", "left")])
    gate.started()
    c.reset()
    w.wait_for_log(rf"^GET / - 499 .*{SECONDS} \[left\]$")


def test_off_by_default(watchdog, forking):
    w = watchdog("cat", mode=forking)
    w.call(fields=[("X-Call-Id", "secret")])
    w.stop()
    assert "secret" not in w.err.text() and not re.search(UUID4.pattern, w.err.text())


@pytest.mark.parametrize("name", ["log_callid", "log_call_id"])
@pytest.mark.parametrize("value", ["true", "1"])
def test_both_names_in_every_mode(watchdog, forking, name, value):
    w = watchdog("sh -c 'echo Status: 200; echo'", mode=forking, **{name: value})
    w.call(fields=[("X-Call-Id", "one")])
    assert logged_ids(w, forking) == ["one"]


@pytest.mark.parametrize("write_debug", ["true", "false"])
def test_lines_of_classic(watchdog, write_debug):
    w = watchdog("cat", log_callid="true", write_debug=write_debug)
    w.call("POST", body=b"x", fields=[("X-Call-Id", "one")])
    w.wait_for_log(r"^(Wrote 1 Bytes - )?Duration: \d+\.\d{6}s \[one\]$")


# --- mode=http --------------------------------------------------------------------------------------------------------


def raw_ids(link):
    """Each X-Call-Id field of all that came over a link, as it came."""
    return re.findall(rb"(?i)\r\n(x-call-id: [^\r]*)", bytes(link.received))


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream"])
def test_forwarded(proxied, upstream, accept):
    w = proxied(log_callid="true")
    upstream.serve(lambda link: link.answer(link.request().body))
    w.call(fields=[("Accept", accept)])
    w.call("POST", body=b"x" * 100_000, fields=[("Accept", accept)])
    seen = [raw_ids(link) for link in upstream.links]
    assert [len(ids) for ids in seen] == [1, 1]
    values = [re.fullmatch(rb"X-Call-Id: (.*)", ids[0])[1].decode() for ids in seen]
    assert all(UUID4.fullmatch(v) for v in values) and values[0] != values[1]
    assert logged_ids(w, "http") == values


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_forwarded_as_it_is(proxied, upstream, value):
    w = proxied(log_callid="true")
    upstream.script(read_request, answer_bytes())
    w.call(fields=[("x-CALL-id", value)])
    assert raw_ids(upstream.links[0]) == [b"x-CALL-id: " + value.encode("latin-1")]
    assert logged_ids(w, "http") == [printable(value)]


def test_empty_one_is_none_for_http(proxied, upstream):
    """The function sees one id, not an empty and a made one."""
    w = proxied(log_callid="true")
    upstream.script(read_request, answer_bytes())
    w.call(fields=[("X-Call-Id", "")])
    (field,) = raw_ids(upstream.links[0])
    value = field.decode().split(": ", 1)[1]
    assert UUID4.fullmatch(value)
    assert logged_ids(w, "http") == [value]


def test_connection_cannot_take_it_away(proxied, upstream):
    """A client's field for one hop is none for the function, which gets one all the same, as the log has it."""
    w = proxied(log_callid="true")
    upstream.script(read_request, answer_bytes())
    w.call(fields=[("X-Call-Id", "hop"), ("Connection", "x-call-id")])
    (field,) = raw_ids(upstream.links[0])
    assert logged_ids(w, "http") == [field.decode().split(": ", 1)[1]]


@pytest.mark.parametrize("ending", [close, reset])
def test_second_try_is_the_same_call(proxied, upstream, ending):
    w = proxied(log_callid="true")
    with w.connect() as c:
        c.request()
        link = upstream.link()
        link.request()
        link.answer()
        c.answer()
        upstream.when_used_again(link)
        c.request("GET", "/again")
        old = upstream.link()
        first = old.head()
        ending(old)
        new = upstream.link()
        second = new.request()
        new.answer()
        assert c.answer().status == 200
    assert first.made_id == second.made_id is not None
    assert logged_ids(w, "http")[1] == second.made_id


def test_tunnel_has_one(proxied, upstream):
    w = proxied(log_callid="true")
    fields = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    with w.connect() as c:
        c.request(fields=fields)
        link = upstream.link()
        request = link.request()
        link.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert c.begin().status == 101
        c.send(b"x")
        assert link.exactly(1) == b"x"
        link.close()
        c.raw_until_close()
    assert UUID4.fullmatch(request.made_id)
    assert logged_ids(w, "http") == [request.made_id]


# --- unique -----------------------------------------------------------------------------------------------------------

RUNS = 4
CLIENTS = 5
CALLS = 10_000 // RUNS // CLIENTS


def lean(link):
    """Answers requests without looking at them twice."""
    s, answer, data = link.socket, answer_bytes(b"ok"), b""
    while piece := s.recv(65536):
        data += piece
        n = data.count(b"\r\n\r\n")
        data = data[data.rindex(b"\r\n\r\n") + 4 :] if n else data
        s.sendall(answer * n)


def ids_of_run(watchdog, upstream):
    """Those of 2,500 calls over five connections to three workers; the log is where they are taken from."""
    w = watchdog("cat", mode="http", http_upstream_url=upstream.url, log_format="json", workers="3")
    errors = []

    def client():
        try:
            with w.connect() as c:
                for _ in range(CALLS):
                    c.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                    assert c.answer().status == 200
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for t in clients:
        t.start()
    for t in clients:
        t.join(6 * PATIENCE)
    assert errors == []
    w.stop()
    ids = [e["call_id"] for e in requests_of(read_log(w.err.data))]
    assert len(ids) == CLIENTS * CALLS
    return ids


@pytest.mark.serial
def test_ten_thousand_are_unique_and_random(watchdog, upstream):
    """Over connections, workers and restarts. Each of the 122 free bits is a coin's: within six standard deviations."""
    upstream.serve(lean)
    ids = [i for _ in range(RUNS) for i in ids_of_run(watchdog, upstream)]
    assert len(ids) == len(set(ids)) == 10_000
    assert all(UUID4.fullmatch(i) for i in ids)
    numbers = [int(i.replace("-", ""), 16) for i in ids]
    fixed = {76: 0, 77: 0, 78: 1, 79: 0, 62: 0, 63: 1}
    for bit in range(128):
        ones = sum(n >> bit & 1 for n in numbers)
        if bit in fixed:
            assert ones == fixed[bit] * 10_000
        else:
            assert abs(ones - 5000) < 300, f"bit {bit}: {ones} of 10,000"
    for a, b in zip(numbers, numbers[1:]):
        assert 20 < (a ^ b).bit_count() < 105, "neighbours have little to do with each other"


def test_first_one_differs_after_each_start(env_function):
    """A seed of time or process number would show."""
    seen = []
    for _ in range(12):
        w = env_function("streaming", workers="1")
        seen.append(call(w, "streaming"))
        w.stop()
    assert len(set(seen)) == 12
    assert len({i[:8] for i in seen}) > 10 and len({i[-8:] for i in seen}) > 10


def test_made_at_the_same_time(env_function):
    """Twenty calls in the same moment, on three workers."""
    w = env_function("streaming", workers="3")
    connections = [w.connect() for _ in range(20)]
    for c in connections:
        c.request()
    assert len({rows_of(c.answer())["Http_X_Call_Id"] for c in connections}) == 20


# --- traceparent ------------------------------------------------------------------------------------------------------


def test_traceparent_is_passed_on(env_function, forking):
    w = env_function(forking, log_format="json")
    rows = rows_of(w.call(fields=[("traceparent", PARENT), ("tracestate", "a=b")]))
    assert (rows["Http_Traceparent"], rows["Http_Tracestate"]) == (PARENT, "a=b")
    if forking == "cgi":
        assert (rows["HTTP_TRACEPARENT"], rows["HTTP_TRACESTATE"]) == (PARENT, "a=b")
    assert "Http_Traceparent" not in rows_of(w.call()), "none is made"
    w.stop()
    if forking != "classic":
        assert [e.get("traceparent") for e in requests_of(read_log(w.err.data))] == [PARENT, None]


def test_traceparent_is_forwarded(proxied, upstream):
    w = proxied(log_format="json")
    for fields in ([("Traceparent", PARENT), ("Tracestate", "a=b")], []):
        upstream.script(read_request, answer_bytes())
        w.call(fields=fields)
    assert bytes(upstream.links[0].received).count(f"\r\nTraceparent: {PARENT}\r\nTracestate: a=b\r\n".encode()) == 1
    w.stop()
    assert [e.get("traceparent") for e in requests_of(read_log(w.err.data))] == [PARENT, None]
