"""
The templates python3 (a process for each call) and python3-http (one that stays): fwatchdog in front of them, as in
an image.
"""

import json
import os
import re
import select
import signal
import socket
import threading
import zipfile

import pytest

from function_templates import assemble, start
from harness import PATIENCE, SYSTEM_PATH, children_of, eventually, free_port, need_program
from http_client import Connection, chunked
from http_template import ALL_BYTES, FAILURE, install, listens, run_alone, run_tests, said, shell, stale_socket

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
FRAMINGS = pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])

FACTS = """
def handle(event, context):
    return {
        "method": event.method,
        "path": event.path,
        "query": event.query,
        "tags": event.query.getlist("tag"),
        "many": event.headers.getlist("x-many"),
        "first": event.headers["X-MANY"],
        "absent": [event.headers.get("X-Absent"), event.query.get("absent"), event.query.getlist("absent")],
        "body": list(event.body),
        "call": context.call_id,
        "host": context.hostname,
    }
"""

GATE = """
import os

def announce(word):
    with open(os.environ["STARTED"], "w") as started:
        started.write(f"{word}\\n")

def wait():
    gate = os.open(os.environ["GATE"], os.O_RDONLY)
    os.read(gate, 1)
    os.close(gate)
"""

HELD = """
import os
from .gate import announce, wait

def handle(event, context):
    announce(os.getpid())
    wait()
    return "done"
"""


@pytest.fixture(autouse=True)
def python():
    return need_program("python3")


@pytest.fixture
def serve(watchdog, scratch):
    """Starts python3-http with that handler."""

    def begin(handler, **changes):
        files = {"handler.py": handler, "gate.py": GATE}
        return start(watchdog, assemble("python3-http", scratch, handler=files), scratch, **changes)

    return begin


@pytest.fixture
def classic(watchdog, scratch):
    """Starts python3 with that handler."""

    def begin(handler, **changes):
        return start(watchdog, assemble("python3", scratch, handler={"handler.py": handler}), scratch, **changes)

    return begin


def returning(expression):
    return f"def handle(event, context=None):\n    return {expression}\n"


def post(w, body, in_chunks=False, **more):
    """A POST with its length, or in two chunks and with a trailer."""
    if not in_chunks:
        return w.call("POST", body=body, **more)
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")], **more)
        half = len(body) // 2
        c.send(chunked(body[:half], body[half:], trailers=[b"X-Trailer: 1"]))
        return c.answer("POST")


# --- both: the starter, its test, its packages -----------------------------------------------------------------------


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("python3-http", scratch), scratch)
    assert said(w.call("GET", "/?name=moon")) == (200, TEXT, b"Hello, moon!\n")


def test_classic_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("python3", scratch), scratch)
    a = w.call("POST", body=b"good morning")
    assert (a.status, a.body) == (200, b"Hello! You said: good morning")


@pytest.mark.parametrize("name", ["python3", "python3-http"])
def test_unit_test_is_a_condition(scratch, name):
    target = assemble(name, scratch)
    passed = run_tests(target, PATH=SYSTEM_PATH)
    assert passed.returncode == 0 and "Ran 1 test" in passed.stdout, passed.stdout

    (target / "function" / "handler.py").write_text(returning("'nothing of the kind'"))
    failed = run_tests(target, PATH=SYSTEM_PATH)
    assert failed.returncode != 0 and "AssertionError" in failed.stdout, failed.stdout


@pytest.mark.parametrize("name", ["python3", "python3-http"])
def test_packages_are_installed(watchdog, scratch, name):
    target = assemble(name, scratch, handler={"handler.py": f"import gift\n{returning('gift.CONTENT')}"})
    assert install(target, PATH=SYSTEM_PATH).returncode == 0
    assert not (target / "packages").exists(), "nothing was asked for"

    if shell("python3 -m pip --version", target, PATH=SYSTEM_PATH).returncode:
        pytest.skip("pip is not installed")
    wheel = target / "gift-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("gift.py", "CONTENT = 'a gift'\n")
        z.writestr("gift-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: gift\nVersion: 1.0\n")
        z.writestr("gift-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("gift-1.0.dist-info/RECORD", "")
    with (target / "function" / "requirements.txt").open("a") as f:
        f.write(f"{wheel}\n")
    done = install(target, PATH=SYSTEM_PATH)
    assert done.returncode == 0, done.stdout
    assert start(watchdog, target, scratch).call().body == b"a gift"


@pytest.mark.parametrize("name", ["python3", "python3-http"])
def test_function_may_have_modules(watchdog, scratch, name):
    files = {"handler.py": f"from .parts.one import ONE\nfrom function.two import TWO\n{returning('ONE + TWO')}"}
    files |= {"parts/one.py": "ONE = 'one, '\n", "two.py": "TWO = 'two'\n"}
    w = start(watchdog, assemble(name, scratch, handler=files), scratch)
    assert w.call().body == b"one, two"


# --- python3: a process for each call --------------------------------------------------------------------------------


@FRAMINGS
def test_classic_passes_bytes(classic, in_chunks):
    w = classic("def handle(req):\n    return req[::-1]\n")
    a = post(w, ALL_BYTES, in_chunks)
    assert (a.status, a.body) == (200, ALL_BYTES[::-1])


def test_classic_passes_large_bodies(classic):
    w = classic("def handle(req):\n    return req\n")
    body = os.urandom(5_000_000)
    assert w.call("POST", body=body).body == body


@pytest.mark.parametrize(
    "value, body",
    [
        ("'tschüß'", "tschüß".encode()),
        ("bytearray(b'\\xff')", b"\xff"),
        ("{'a': [1, None]}", b'{"a": [1, null]}'),
        ("[]", b"[]"),
        ("None", b""),
    ],
)
def test_classic_values(classic, value, body):
    a = classic(returning(value)).call()
    assert (a.status, a.body) == (200, body)


@pytest.mark.parametrize(
    "value, word", [("1 / 0", "ZeroDivisionError"), ("object()", "TypeError"), ("float('nan')", "ValueError")]
)
def test_classic_exception_is_in_the_log_only(classic, value, word):
    w = classic(returning(value))
    a = w.call()
    assert a.status == 500 and b"Traceback" not in a.body and word.encode() not in a.body, a
    w.wait_for_log("Traceback")
    w.wait_for_log(f"^{word}: ")


def test_classic_prints_to_the_log(classic):
    w = classic("import os\ndef handle(req):\n    print('noise')\n    os.system('echo more noise')\n    return 'answer'\n")
    assert w.call().body == b"answer"
    w.wait_for_log("^more noise$")
    assert "noise\nmore noise\n" in w.err.text()


def test_classic_request_is_in_the_environment(classic):
    w = classic("import os\ndef handle(req):\n    return {k: v for k, v in os.environ.items() if k.startswith('Http_')}\n")
    fields = json.loads(w.call("PUT", "/a%20b?c=d", fields=[("X-One", "1")], body=b"").body)
    assert {"Http_Method": "PUT", "Http_Path": "/a b", "Http_Query": "c=d", "Http_X_One": "1"}.items() <= fields.items()


# --- python3-http: what reaches the handler --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_request_reaches_the_handler(serve, method):
    fields = [("X-Many", "1"), ("x-many", "2"), ("X-Call-Id", "abc")]
    a = serve(FACTS).call(method, "/a%20b/c?tag=x&tag=y+z&none=", fields=fields, body=b"\x00\xff")
    assert (a.status, a.value("Content-Type")) == (200, "application/json")
    assert json.loads(a.body) == {
        "method": method,
        "path": "/a b/c",
        "query": {"tag": "x", "none": ""},
        "tags": ["x", "y z"],
        "many": ["1", "2"],
        "first": "1",
        "absent": [None, None, []],
        "body": [0, 255],
        "call": "abc",
        "host": socket.gethostname(),
    }


def test_handler_needs_the_body(serve):
    with serve(returning("event.body")).connect() as c:
        c.request("POST", fields=[("Expect", "100-continue"), ("Content-Length", "5")])
        assert c.line() == "HTTP/1.1 100 Continue" and c.line() == ""
        c.send(b"hello")
        assert c.answer("POST").body == b"hello"


def test_bytes_that_are_no_text_reach_the_handler(serve):
    a = serve(FACTS).call("GET", "/%ff?%ff=%fe", fields=[("X-Many", "\xfc")])
    facts = json.loads(a.body)
    assert (facts["path"], facts["query"], facts["many"]) == ("/\ufffd", {"\ufffd": "\ufffd"}, ["\xfc"])


@FRAMINGS
def test_bodies_pass_as_they_are(serve, in_chunks):
    w = serve(returning("event.body[::-1]"))
    for body in (ALL_BYTES, os.urandom(5_000_000), b""):
        a = post(w, body, in_chunks)
        assert (a.status, a.body == body[::-1]) == (200, True)


@pytest.mark.parametrize("body, says", [
    (b"", "Expecting value"),
    (b"{\n'a'", "property name"),
    (b'"\xff"', "utf-8"),
    (b"[" * 100_000, "recursion"),
])
def test_body_that_is_no_json_is_the_callers_fault(serve, body, says):
    w = serve(returning("event.json()"))
    a = w.call("POST", body=body)
    assert (a.status, a.value("Content-Type")) == (400, "text/plain")
    assert re.fullmatch(rf"The request body is not JSON: [^\n]*{says}[^\n]*\n", a.body.decode()), a
    assert said(w.call("POST", body=b'{"a": "\xc3\xbc"}')) == (200, JSON, b'{"a": "\\u00fc"}')


def test_handler_may_catch_it(serve):
    w = serve("def handle(event, context):\n    try:\n        event.json()\n    except ValueError:\n        return 'caught'\n")
    assert w.call("POST", body=b"{").body == b"caught"


def test_other_bad_json_is_the_handlers_fault(serve):
    assert said(serve("import json\n" + returning("json.loads('{')")).call()) == FAILURE


# --- python3-http: what it may return --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, answer",
    [
        ("'tschüß'", (200, TEXT, "tschüß".encode())),
        ("'<html>'", (200, TEXT, b"<html>")),
        ("bytearray(b'\\x89PNG\\r\\n\\x1a\\n')", (200, "image/png", b"\x89PNG\r\n\x1a\n")),
        ("[1, 'a']", (200, JSON, b'[1, "a"]')),
        ("{'a': None}", (200, JSON, b'{"a": null}')),
        ("{}", (200, JSON, b"{}")),
        ("{'statusCode': 201, 'body': {'a': 1}}", (201, JSON, b'{"a": 1}')),
        ("{'body': 'x', 'headers': {'content-type': 'text/html'}}", (200, "text/html", b"x")),
        ("{'statusCode': 404, 'body': 'no'}", (404, TEXT, b"no")),
        ("{'statusCode': 599, 'body': b'', 'headers': None}", (599, None, b"")),
    ],
)
def test_values(serve, value, answer):
    a = serve(returning(value)).call()
    assert said(a) == answer
    assert a.framing == "length"


@pytest.mark.parametrize("value", ["None", "{'statusCode': 200}"])
def test_nothing_is_an_answer_too(serve, value):
    a = serve(returning(value)).call()
    assert (a.status, a.body, a.length) == (200, b"", 0)


def test_fields_of_the_answer(serve):
    """Several of one name; those that frame the message are not the handler's."""
    headers = "'Set-Cookie': ['a=1', 'b=2'], 'X-Number': 5"
    framing = "'content-length': 99, 'Transfer-Encoding': 'gzip', 'Connection': 'close'"
    with serve(returning(f"{{'body': 'x', 'headers': {{{headers}, {framing}}}}}")).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.values("Set-Cookie"), a.value("X-Number"), a.length, a.body) == (["a=1", "b=2"], "5", 1, b"x")


def test_fields_may_be_pairs(serve):
    a = serve(returning("{'body': '', 'headers': [('X-A', '1'), ('X-A', '2')]}")).call()
    assert a.values("X-A") == ["1", "2"]


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
def test_answers_without_a_body(serve, method, status):
    """Asked without the watchdog between: the next answer begins where the body would be."""
    port = free_port()
    w = serve(returning("{'statusCode': int(event.query['s']), 'body': 'four'}"), upstream_url=f"http://127.0.0.1:{port}")
    assert w.call(method, f"/?s={status}").status == status
    with Connection(port, PATIENCE) as c:
        a = c.call(method, f"/?s={status}")
        assert (a.status, a.body, a.length) == (status, b"", 4 if method == "HEAD" else None)
        assert c.call("GET", "/?s=200").body == b"four"


@pytest.mark.parametrize(
    "value",
    [
        "object()",
        "{1: object()}",
        "'\\ud800'",
        "float('nan')",
        "{'statusCode': 99}",
        "{'statusCode': 100}",
        "{'statusCode': 600}",
        "{'statusCode': 'many'}",
        "{'statusCode': True}",
        "{'body': '', 'headers': {'X-A': 'one\\r\\nX-B: two'}}",
        "{'body': '', 'headers': {'X A': '1'}}",
        "{'body': '', 'headers': {'X-A': '\\u20ac'}}",
        "{'body': '', 'headers': 5}",
        "exec('raise SystemExit(3)')",
    ],
)
def test_values_that_cannot_be_sent(serve, value):
    w = serve(returning(f"{value} if event.path == '/bad' else 'fine'"))
    assert said(w.call("GET", "/bad")) == FAILURE
    w.wait_for_log("Traceback")
    assert w.call().body == b"fine"


def test_exception_is_in_the_log_only(serve):
    w = serve("def handle(event, context):\n    raise KeyError('secret') if event.body else ValueError('none')\n")
    assert said(w.call("POST", body=b"x")) == FAILURE
    w.wait_for_log(r"handler\.py\", line 2, in handle")
    w.wait_for_log("KeyError: 'secret'")
    a = w.call("HEAD")
    assert (a.status, a.body) == (500, b"")


# --- python3-http: its life ------------------------------------------------------------------------------------------


def test_calls_run_at_the_same_time(serve, gate):
    w = serve(HELD, **gate.env)
    with w.connect() as one, w.connect() as two, w.connect() as three:
        for c in (one, two, three):
            c.request()
        assert len({gate.started() for _ in range(3)}) == 1
        gate.open(3)
        assert [c.answer().body for c in (one, two, three)] == [b"done"] * 3


def test_log_is_written_at_once(serve, gate):
    w = serve("from .gate import wait\ndef handle(event, context):\n    print('it has begun')\n    wait()\n", **gate.env)
    with w.connect() as c:
        c.request()
        assert w.out.wait(lambda: "it has begun" in w.stdout(), PATIENCE)
        gate.open()
        assert c.answer().status == 200


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
    assert "Traceback" not in w.err.text()


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
    w = serve(HELD, **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(signal.SIGTERM)
        w.wait_for_log("^No new connections allowed, draining: 1 requests$")
        gate.open()
        assert c.answer().body == b"done"
    w.ended()
    assert "terminated" not in w.err.text()


def test_function_that_cannot_be_loaded_ends_the_watchdog(serve):
    w = serve("def handle(event, context)\n", ready=False)
    w.ended(status=1)
    assert "SyntaxError" in w.err.text()


def test_socket_of_an_earlier_run_is_no_hindrance(serve, scratch):
    stale_socket(scratch / "tmp" / "function.sock")
    assert serve(returning("'hello'")).call().body == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
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
        c.send(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n5\r\nab".encode())
        c.half_close()
        c.assert_closed()
    assert w.call().body == b"GET"
    w.stop()
    assert "Traceback" not in w.err.text()


@pytest.mark.parametrize("url", [None, "", "nonsense", "ftp://127.0.0.1:1", "http://:5000", "http://127.0.0.1:x", "http+unix://"])
def test_strange_address(scratch, url):
    ended = run_alone(assemble("python3-http", scratch), ["python3", "index.py"], url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"index\.py: cannot listen at upstream_url=[^\n]+\n", ended.stderr), ended.stderr


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
