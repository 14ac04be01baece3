"""
The templates node (a process for each call) and node-http (one that stays): fwatchdog in front of them, as in an image.
"""

import json
import os
import re
import select
import signal
import socket
import threading

import pytest

from function_templates import assemble, start
from harness import PATIENCE, SYSTEM_PATH, children_of, eventually, free_port, need_program
from http_client import Connection, chunked
from http_template import ALL_BYTES, FAILURE, install, listens, run_alone, run_tests, said, stale_socket

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
FRAMINGS = pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
BOTH = pytest.mark.parametrize("name", ["node", "node-http"])

FACTS = """
module.exports = async (event, context) => ({
  method: event.method,
  path: event.path,
  query: event.query,
  many: event.headersDistinct['x-many'],
  joined: event.headers['x-many'],
  body: [...event.body],
  text: event.text(),
  call: context.callId,
  host: context.hostname,
});
"""

GATE = """
const { appendFileSync } = require('node:fs');
const { open } = require('node:fs/promises');

exports.announce = (word) => appendFileSync(process.env.STARTED, `${word}\\n`);
exports.wait = async () => {
  const gate = await open(process.env.GATE);
  await gate.read({ buffer: Buffer.alloc(1) });
  await gate.close();
};
"""

HELD = """
const { announce, wait } = require('./gate');
module.exports = async () => {
  announce(process.pid);
  await wait();
  return 'done';
};
"""


@pytest.fixture(autouse=True)
def node():
    return need_program("node")


@pytest.fixture
def serve(watchdog, scratch):
    """Starts node-http with that handler."""

    def begin(handler, **changes):
        files = {"handler.js": handler, "gate.js": GATE}
        return start(watchdog, assemble("node-http", scratch, handler=files), scratch, **changes)

    return begin


@pytest.fixture
def classic(watchdog, scratch):
    """Starts node with that handler."""

    def begin(handler, **changes):
        return start(watchdog, assemble("node", scratch, handler={"handler.js": handler}), scratch, **changes)

    return begin


def returning(expression):
    return f"module.exports = async (event, context) => {expression};\n"


def post(w, body, in_chunks=False):
    """A POST with its length, or in two chunks and with a trailer."""
    if not in_chunks:
        return w.call("POST", body=body)
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        half = len(body) // 2
        c.send(chunked(body[:half], body[half:], trailers=[b"X-Trailer: 1"]))
        return c.answer("POST")


# --- both: the starter, its test, its packages -----------------------------------------------------------------------


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("node-http", scratch), scratch)
    assert said(w.call("GET", "/?name=moon")) == (200, TEXT, b"Hello, moon!\n")


def test_classic_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("node", scratch), scratch)
    a = w.call("POST", body=b"good morning")
    assert (a.status, a.body) == (200, b"Hello! You said: good morning")


@BOTH
def test_unit_test_is_a_condition(scratch, name):
    target = assemble(name, scratch)
    passed = run_tests(target, PATH=SYSTEM_PATH)
    assert passed.returncode == 0 and "# pass 1\n" in passed.stdout, passed.stdout

    (target / "function" / "handler.js").write_text(returning("'nothing of the kind'"))
    failed = run_tests(target, PATH=SYSTEM_PATH)
    assert failed.returncode != 0 and "ERR_ASSERTION" in failed.stdout, failed.stdout


@BOTH
def test_packages_are_installed(watchdog, scratch, name):
    target = assemble(name, scratch, handler={"handler.js": f"const gift = require('gift');\n{returning('gift')}"})
    assert install(target, PATH=SYSTEM_PATH, HOME=str(target)).returncode == 0
    assert not (target / "function" / "node_modules").exists(), "nothing was asked for"

    need_program("npm")
    (target / "function" / "gift").mkdir()
    (target / "function" / "gift" / "package.json").write_text('{"name": "gift", "version": "1.0.0"}')
    (target / "function" / "gift" / "index.js").write_text("module.exports = 'a gift';\n")
    (target / "function" / "package.json").write_text('{"dependencies": {"gift": "file:./gift"}}')
    done = install(target, PATH=SYSTEM_PATH, HOME=str(target))
    assert done.returncode == 0, done.stdout
    assert not (target / "function" / "package-lock.json").exists(), "it would look like a change"
    assert start(watchdog, target, scratch).call().body == b"a gift"


@BOTH
def test_handler_may_be_an_es_module(watchdog, scratch, name):
    files = {"handler.js": "import { pid } from 'node:process';\nexport default async () => `es ${pid > 0}`;\n"}
    files["package.json"] = '{"type": "module"}'
    w = start(watchdog, assemble(name, scratch, handler=files), scratch)
    assert w.call().body == b"es true"


# --- node: a process for each call -----------------------------------------------------------------------------------


@FRAMINGS
def test_classic_passes_bytes(classic, in_chunks):
    a = post(classic("module.exports = (body) => body.reverse();\n"), ALL_BYTES, in_chunks)
    assert (a.status, a.body) == (200, ALL_BYTES[::-1])


def test_classic_passes_large_bodies(classic):
    body = os.urandom(5_000_000)
    assert classic("module.exports = async (body) => body;\n").call("POST", body=body).body == body


@pytest.mark.parametrize(
    "value, body",
    [
        ("'tschüß'", "tschüß".encode()),
        ("new Uint8Array([255])", b"\xff"),
        ("({ a: [1, null] })", b'{"a":[1,null]}'),
        ("0", b"0"),
        ("null", b""),
        ("undefined", b""),
    ],
)
def test_classic_values(classic, value, body):
    a = classic(returning(value)).call()
    assert (a.status, a.body) == (200, body)


@pytest.mark.parametrize("value, word", [
    ("event.nothing()", "TypeError: event.nothing is not a function"),
    ("1n", "TypeError: Do not know how to serialize a BigInt"),
    ("Symbol('x')", "TypeError: cannot be sent: a symbol"),
])  # fmt: skip
def test_classic_exception_is_in_the_log_only(classic, value, word):
    w = classic(returning(value))
    a = w.call()
    assert a.status == 500 and b"TypeError" not in a.body, a
    w.wait_for_log(f"^{word}")


def test_classic_logs_to_the_log(classic):
    w = classic("module.exports = async () => { console.log('noise'); console.error('more noise'); return 'answer'; };\n")
    assert w.call().body == b"answer"
    w.wait_for_log("^more noise$")
    assert "noise\nmore noise\n" in w.err.text()


def test_classic_ends_with_its_answer(classic):
    """Although something is going on."""
    w = classic("module.exports = async () => { setInterval(() => {}, 1000); return Buffer.alloc(1000000); };\n")
    assert len(w.call().body) == 1_000_000


def test_classic_context(classic):
    w = classic(returning("context"))
    facts = json.loads(w.call("PUT", "/a%20b?c=d&c=e", fields=[("X-One-Two", "1")], body=b"").body)
    assert (facts["method"], facts["path"], facts["query"]) == ("PUT", "/a b", {"c": ["d", "e"]})
    assert facts["headers"]["x-one-two"] == "1"


# --- node-http: what reaches the handler -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_request_reaches_the_handler(serve, method):
    fields = [("X-Many", "1"), ("x-many", "2"), ("X-Call-Id", "abc")]
    a = serve(FACTS).call(method, "/a%20b/c?tag=x&tag=y+z&none=&sum=1?2", fields=fields, body=b"\x00\xff")
    assert (a.status, a.value("Content-Type")) == (200, JSON)
    assert json.loads(a.body) == {
        "method": method,
        "path": "/a%20b/c",
        "query": {"tag": ["x", "y z"], "none": "", "sum": "1?2"},
        "many": ["1", "2"],
        "joined": "1, 2",
        "body": [0, 255],
        "text": "\x00\ufffd",
        "call": "abc",
        "host": socket.gethostname(),
    }


def test_bytes_that_are_no_text_reach_the_handler(serve):
    facts = json.loads(serve(FACTS).call("GET", "/%ff?%ff=%fe", fields=[("X-Many", "\xfc")]).body)
    assert (facts["path"], facts["query"], facts["many"]) == ("/%ff", {"\ufffd": "\ufffd"}, ["\xfc"])


@FRAMINGS
def test_bodies_pass_as_they_are(serve, in_chunks):
    w = serve(returning("event.body.reverse()"))
    for body in (ALL_BYTES, os.urandom(5_000_000), b""):
        a = post(w, body, in_chunks)
        assert (a.status, a.body == body[::-1]) == (200, True)


def test_handler_needs_the_body(serve):
    with serve(returning("event.body")).connect() as c:
        c.request("POST", fields=[("Expect", "100-continue"), ("Content-Length", "5")])
        assert c.line() == "HTTP/1.1 100 Continue" and c.line() == ""
        c.send(b"hello")
        assert c.answer("POST").body == b"hello"


def test_heads_may_be_large(serve):
    """The watchdog decides how large: Node.js refuses more than 16 KB by itself."""
    a = serve(returning("`${event.headers['x-large'].length}`")).call(fields=[("X-Large", "x" * 60_000)])
    assert (a.status, a.body) == (200, b"60000")


@pytest.mark.parametrize("body", [b"", b"{\n'a'", b'"\xff"'])
def test_body_that_is_no_json_is_the_callers_fault(serve, body):
    w = serve(returning("event.json()"))
    assert said(w.call("POST", body=body)) == (400, "text/plain", b"The request body is not JSON\n")
    assert said(w.call("POST", body=b'{"a": "\xc3\xbc"}')) == (200, JSON, '{"a":"ü"}'.encode())


def test_handler_may_catch_it(serve):
    w = serve(returning("{ try { event.json(); } catch (error) { return error instanceof SyntaxError; } }"))
    assert said(w.call("POST", body=b"{")) == (200, JSON, b"true")


def test_other_bad_json_is_the_handlers_fault(serve):
    assert said(serve(returning("JSON.parse('{')")).call()) == FAILURE


# --- node-http: what it may answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, answer",
    [
        ("'tschüß'", (200, TEXT, "tschüß".encode())),
        ("'<html>'", (200, TEXT, b"<html>")),
        ("Buffer.from('89504e470d0a1a0a', 'hex')", (200, "image/png", b"\x89PNG\r\n\x1a\n")),
        ("[1, 'a']", (200, JSON, b'[1,"a"]')),
        ("({ body: null })", (200, JSON, b'{"body":null}')),
        ("0", (200, JSON, b"0")),
        ("context.status(201).succeed({ a: 1 })", (201, JSON, b'{"a":1}')),
        ("context.headers({ 'content-type': 'text/html' }).succeed('x')", (200, "text/html", b"x")),
        ("{ context.status(404); return 'no'; }", (404, TEXT, b"no")),
        ("{ context.succeed('first'); return 'second'; }", (200, TEXT, b"first")),
        ("{ context.status(202).succeed('first'); context.status(203).succeed('second'); }", (202, TEXT, b"first")),
        ("context.status(599).headers({}).succeed(`${context.status()}`)", (599, TEXT, b"599")),
        ("context.fail('sorry')", (500, TEXT, b"sorry")),
        ("context.status(422).fail(new Error('sorry'))", (422, TEXT, b"Error: sorry")),
        ("context.status(409).fail({ why: 'taken' })", (409, JSON, b'{"why":"taken"}')),
    ],
)
def test_answers(serve, value, answer):
    a = serve(returning(value)).call()
    assert said(a) == answer
    assert a.framing == "length"


@pytest.mark.parametrize(
    "body, answer",
    [
        ("callback(null, 'now')", (200, TEXT, b"now")),
        ("{ setImmediate(callback, null, { later: true }); }", (200, JSON, b'{"later":true}')),
        ("{ setImmediate(callback, new Error('sorry')); }", (500, TEXT, b"Error: sorry")),
        ("{ setImmediate(() => context.status(201).succeed('later')); }", (201, TEXT, b"later")),
        ("'returned'", (200, TEXT, b"returned")),
        ("{ throw new Error('secret'); }", FAILURE),
    ],
)
def test_callback_style(serve, body, answer):
    assert said(serve(f"module.exports = (event, context, callback) => {body};\n").call()) == answer


@pytest.mark.parametrize("value", ["null", "undefined", "context.succeed()"])
def test_nothing_is_an_answer_too(serve, value):
    a = serve(returning(value)).call()
    assert (a.status, a.body, a.length) == (200, b"", 0)


def test_fields_of_the_answer(serve):
    """Several of one name; those that frame the message are not the handler's."""
    fields = "'Set-Cookie': ['a=1', 'b=2'], 'X-Number': 5, 'content-length': 9, 'Transfer-Encoding': 'gzip', Connection: 'close'"
    with serve(returning(f"context.headers({{ {fields} }}).succeed('x')")).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.values("Set-Cookie"), a.value("X-Number"), a.length, a.body) == (["a=1", "b=2"], "5", 1, b"x")


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
def test_answers_without_a_body(serve, method, status):
    """Asked without the watchdog between: the next answer begins where the body would be."""
    port = free_port()
    w = serve(returning("context.status(Number(event.query.s)).succeed('four')"), upstream_url=f"http://127.0.0.1:{port}")
    assert w.call(method, f"/?s={status}").status == status
    with Connection(port, PATIENCE) as c:
        a = c.call(method, f"/?s={status}")
        assert (a.status, a.body, a.length) == (status, b"", 4 if method == "HEAD" else None)
        assert c.call("GET", "/?s=200").body == b"four"


@pytest.mark.parametrize(
    "value",
    [
        "1n",
        "() => 1",
        "(context.loop = { context }).context && context",
        "context.status(99).succeed()",
        "context.status(100).succeed()",
        "context.status(600).succeed()",
        "context.status('many').succeed()",
        "context.headers({ 'X-A': 'one\\r\\nX-B: two' }).succeed()",
        "context.headers({ 'X A': '1' }).succeed()",
        "context.headers({ 'X-A': '\\u20ac' }).succeed()",
        "context.headers({ 'X-A': undefined }).succeed()",
        "context.headers(null).succeed()",
    ],
)
def test_values_that_cannot_be_sent(serve, value):
    w = serve(returning(f"{{ if (event.path === '/bad') return {value}; return 'fine'; }}"))
    assert said(w.call("GET", "/bad")) == FAILURE
    w.wait_for_log(r"Error.*: ")
    assert w.call().body == b"fine"


@pytest.mark.parametrize("kind", ["async", ""])
def test_exception_is_in_the_log_only(serve, kind):
    w = serve(f"module.exports = {kind} (event) => {{\n  throw new RangeError('secret');\n}};\n")
    assert said(w.call()) == FAILURE
    w.wait_for_log("RangeError: secret")
    w.wait_for_log(r"handler\.js:2:")
    a = w.call("HEAD")
    assert (a.status, a.body) == (500, b"")


def test_exception_after_the_answer_is_logged(serve):
    w = serve(returning("{ context.succeed('first'); throw new RangeError('late'); }"))
    assert w.call().body == b"first"
    w.wait_for_log("RangeError: late")


# --- node-http: its life ---------------------------------------------------------------------------------------------


def test_calls_run_at_the_same_time(serve, gate):
    w = serve(HELD, **gate.env)
    with w.connect() as one, w.connect() as two, w.connect() as three:
        for c in (one, two, three):
            c.request()
        assert len({gate.started() for _ in range(3)}) == 1
        gate.open(3)
        assert [c.answer().body for c in (one, two, three)] == [b"done"] * 3


def test_log_is_written_at_once(serve, gate):
    w = serve("const { wait } = require('./gate');\n" + returning("{ console.log('begun'); await wait(); }"), **gate.env)
    with w.connect() as c:
        c.request()
        assert w.out.wait(lambda: "begun" in w.stdout(), PATIENCE)
        gate.open()
        assert c.answer().status == 200


def test_forgotten_promise_ends_nobody_elses_call(serve, gate):
    w = serve(HELD.replace("'done'", "(Promise.reject(new RangeError('forgotten')), 'done')"), **gate.env)
    with w.connect() as one, w.connect() as two:
        one.request()
        two.request()
        gate.started(), gate.started()
        gate.open()
        w.wait_for_log("unhandled rejection: RangeError: forgotten")
        gate.open()
        assert one.answer().body == two.answer().body == b"done"


def test_exception_that_nobody_can_catch_ends_the_function(serve):
    lost = returning("new Promise(() => setImmediate(() => { throw new RangeError('lost'); }))")
    w = serve(lost, upstream_url=f"http://127.0.0.1:{free_port()}")
    assert w.call().status == 502
    w.ended(status=1)
    assert "RangeError: lost" in w.err.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_signal_lets_calls_end(serve, gate, scratch, number):
    w = serve(HELD, **gate.env)
    with w.connect() as c:
        c.request()
        os.kill(gate.started(), number)
        eventually(lambda: not (scratch / "tmp" / "function.sock").exists(), "it accepts no more")
        gate.open()
        assert c.answer().body == b"done"
    w.ended(status=0)


def test_signal_ends_kept_connections(serve, gate):
    """Those with a call under way end with its answer: nothing more can come that would have to be waited for."""
    port = free_port()
    w = serve(HELD, upstream_url=f"http://127.0.0.1:{port}", **gate.env)
    gate.open()
    assert w.call().body == b"done"
    pid = gate.started()
    with Connection(port, PATIENCE) as one, Connection(port, PATIENCE) as two:
        one.request()
        two.request()
        assert gate.started() == gate.started() == pid
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not listens(w), "it accepts no more")
        gate.open()
        answered = one if select.select([one.socket, two.socket], [], [], PATIENCE)[0] == [one.socket] else two
        assert answered.answer().body == b"done"
        answered.assert_closed()
        gate.open()
        assert (two if answered is one else one).answer().body == b"done"
    w.ended(status=0)


def test_stop_of_the_watchdog(serve, gate):
    """A timer of the handler's does not keep the process."""
    w = serve(HELD + "setInterval(() => {}, 1000);\n", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        gate.open()
        assert c.answer().body == b"done"
    w.ended()
    assert "terminated" not in w.err.text()


@pytest.mark.parametrize("handler, says", [
    ("module.exports = async (event context) => {};", "SyntaxError"),
    ("exports.handler = async () => {};", "exports no function"),
])  # fmt: skip
def test_function_that_cannot_be_loaded_ends_the_watchdog(serve, handler, says):
    w = serve(handler, ready=False)
    w.ended(status=1)
    assert says in w.err.text()


def test_socket_of_an_earlier_run_is_no_hindrance(serve, scratch):
    stale_socket(scratch / "tmp" / "function.sock")
    assert serve(returning("'hello'")).call().body == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_tcp(serve, host):
    """Connections are kept, and closed at the end only."""
    port = free_port()
    w = serve(returning("event.method"), upstream_url=f"http://{host}:{port}", workers="1")
    assert w.call("PURGE").body == b"PURGE"
    with Connection(port, PATIENCE, host=host.strip("[]")) as c:
        assert [c.call(method).body for method in ("GET", "PUT")] == [b"GET", b"PUT"]
        w.stop()
        c.assert_closed()


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_request_that_ends_early_is_no_error(serve, framing):
    port = free_port()
    w = serve(returning("event.method"), upstream_url=f"http://127.0.0.1:{port}")
    assert w.call().body == b"GET"
    with Connection(port, PATIENCE) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n5\r\nab".encode())
        c.half_close()
        c.raw_until_close()
    assert w.call().body == b"GET"
    w.stop()
    assert "Error" not in w.err.text()


@pytest.mark.parametrize("url", [None, "", "nonsense", "ftp://127.0.0.1:1", "http://:5000", "http://127.0.0.1:x", "http+unix://"])
def test_strange_address(scratch, url):
    ended = run_alone(assemble("node-http", scratch), ["node", "index.js"], url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"index\.js: cannot listen at upstream_url=[^\n]+\n", ended.stderr), ended.stderr


def test_address_that_is_taken(scratch, taken_port):
    ended = run_alone(assemble("node-http", scratch), ["node", "index.js"], f"http://127.0.0.1:{taken_port}")
    assert ended.returncode == 1 and re.fullmatch(r"index\.js: .*EADDRINUSE.*\n", ended.stderr), ended


def test_many_callers(serve):
    """Each gets the answer that is its own, over a few connections that are used again and again."""
    w = serve(returning("event.body"))
    wrong = []

    def run(name):
        with w.connect() as c:
            for i in range(50):
                body = f"{name} {i}".encode()
                if c.call("POST", body=body).body != body:
                    wrong.append(body)

    callers = [threading.Thread(target=run, args=[name]) for name in "abcdefgh"]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert wrong == [] and not any(caller.is_alive() for caller in callers)
    assert len(children_of(w.pid)) == 1
