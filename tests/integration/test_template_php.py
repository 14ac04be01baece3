"""The template php-http: fwatchdog in front of it, as in an image."""

import json
import os
import re
import signal

import pytest

from function_templates import assemble, start
from harness import PATIENCE, children_of, eventually, free_port, need_program, wait_gone
from http_client import Connection, chunked, request_bytes
from http_template import FAILURE, HttpTemplate, install, listens, run_alone, run_tests, said, shell, stale_socket

JSON = "application/json"
EMPTY = (200, None, b"")

HANDLER = r"""<?php
namespace App;

use Bandog\Request;
use Bandog\Response;

class Handler
{
    public function handle(string $data, Request $request): mixed
    {
        preg_match('~^/[a-z]*~', $request->path, $match);
        switch ($match[0]) {
            case '/facts':
                $facts = [$request->method, $request->path, $request->query, ...$request->headers['x-many'] ?? []];
                return new Response(implode("\n", $facts) . "\n", 201, ['Set-Cookie' => ['a=1', 'b=2']]);
            case '/echo':
                return new Response($data, headers: ['content-type' => 'application/octet-stream']);
            case '/empty':
                return new Response('not sent', 204);
            case '/hold':
                return $this->hold();
            case '/log':
                echo "to stdout\n";
                fwrite(STDERR, "to stderr\n");
                return $this->hold();
            case '/status':
                return new Response('', 99, ['X-Half' => 'done']);
            case '/field':
                return new Response('', 200, ['X-Half' => 'done', 'X-Split' => "one\r\nX-Half: two"]);
            case '/fail':
                return $nothing->missing();
            case '/kill':
                posix_kill(getmypid(), SIGKILL);
        }
    }

    // The process that the watchdog started leads the group.
    private function hold(): string
    {
        file_put_contents(getenv('STARTED'), posix_getpgrp() . "\n", FILE_APPEND);
        $gate = fopen(getenv('GATE'), 'r');
        stream_set_read_buffer($gate, 0);
        fread($gate, 1);
        return 'held';
    }
}
"""


# Not a place of that size is left, which is one that an answer needs.
PIECES = ", ".join(["str_repeat('x', $size)"] * 6)
FILL_MEMORY = f"ini_set('memory_limit', '8M'); $size = 103; for ($all = null;;) $all = [$all, {PIECES}];"


@pytest.fixture(autouse=True)
def php():
    need_program("php")


@pytest.fixture
def serve(watchdog, scratch):
    def begin(handler=HANDLER, **changes):
        return start(watchdog, assemble("php-http", scratch, {"src/Handler.php": handler}), scratch, **changes)

    return begin


def method(body, arguments="string $data, Request $request"):
    text = "<?php\nnamespace App;\nuse Bandog\\{InvalidJson, Request, Response};\n"
    return text + f"class Handler\n{{\n    public function handle({arguments})\n    {{\n        {body}\n    }}\n}}\n"


def returning(expression):
    return method(f"return {expression};")


class TestPhpHttp(HttpTemplate):
    traceback = r"PHP Fatal error:  Uncaught Error: Call to a member function missing\(\) on null in .*Handler\.php:\d+"
    refused = ("/status", "/field")

    def test_a_signal_to_the_group_lets_calls_finish(self, serve, gate):
        """That is how the watchdog sends it."""
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            os.killpg(gate.started(), signal.SIGTERM)
            eventually(lambda: not listens(w), "the function no longer listens")
            gate.open()
            assert c.answer().body == b"held"
        w.ended(0)

    def test_it_waits_for_the_last_call(self, serve, scratch, gate):
        """All other processes are over by then."""
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            first = gate.started()
            (acceptor,) = children_of(first)
            eventually(lambda: len(children_of(acceptor)) == 1, "there is one, and none of the probe at the start")
            held = children_of(acceptor)
            with w.connect() as idle:
                assert idle.call("GET", "/empty").status == 204
            others = [pid for pid in children_of(acceptor) if pid not in held]
            assert others
            os.kill(first, signal.SIGTERM)
            for pid in others:
                wait_gone(pid)
            shell("php -r ''", scratch)  # as long as it takes PHP to end
            gate.open()
            assert c.answer().body == b"held"
        w.ended(0)

    def test_a_process_that_is_killed_ends_one_call(self, serve, gate):
        w = serve(**gate.env)
        with w.connect() as held, w.connect() as c:
            held.request("GET", "/hold")
            gate.started()
            assert c.call("GET", "/kill").status == 502
            gate.open()
            assert held.answer().body == b"held"
            assert c.call("GET", "/empty").status == 204

    def test_no_process_is_left_of_a_connection(self, serve, gate):
        w = serve(workers="1", **gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            (acceptor,) = children_of(gate.started())
            eventually(lambda: len(children_of(acceptor)) == 1, "there is one, and none of the probe at the start")
            gate.open()
            assert c.answer().body == b"held"
            assert c.call("GET", "/kill").status == 502
        eventually(lambda: not children_of(acceptor), "zombies are reaped")

    def test_it_ends_when_it_can_accept_no_more(self, serve, gate):
        w = serve(**gate.env)
        with w.connect() as c:
            c.request("GET", "/hold")
            (acceptor,) = children_of(gate.started())
            os.kill(acceptor, signal.SIGKILL)
            wait_gone(acceptor)
            gate.open()
        w.ended(1)


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("php-http", scratch), scratch)
    a = w.call("POST", body=b"\xfc\0you")
    assert (a.status, a.body) == (200, b"Hello, \xfc\0you!\n")


def test_unit_test_is_a_condition(scratch):
    target = assemble("php-http", scratch)
    passed = run_tests(target)
    assert passed.returncode == 0, passed.stdout

    (target / "function" / "src" / "Handler.php").write_text(method("return 'nothing of the kind';", "string $data"))
    failed = run_tests(target)
    assert failed.returncode != 0 and "the wrong greeting" in failed.stdout, failed.stdout


def test_unit_test_finds_the_classes_of_the_template(scratch):
    target = assemble("php-http", scratch, {"src/Handler.php": returning("(new Response('x'))->bytes(false)")})
    (target / "function" / "tests" / "HandlerTest.php").write_text(
        "<?php\nprint (new App\\Handler())->handle('', new Bandog\\Request('GET', '/', '', [], ''));\n"
    )
    assert run_tests(target).stdout == "HTTP/1.1 200 OK\nContent-Length: 1\n\nx"


# --- what it gets, what it may return --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["string $data", "string $data, Request $request", "...$all"])
def test_the_request_is_for_who_takes_it(serve, arguments):
    assert serve(method("return 'fine';", arguments)).call().body == b"fine"


def test_fields_by_name(serve):
    w = serve(returning("[$request->header('X-ONE'), $request->header('X-Two'), $request->headers['x-one']]"))
    a = w.call(fields=[("X-one", "1"), ("x-One", "2")])
    assert json.loads(a.body) == ["1", None, ["1", "2"]]


@pytest.mark.parametrize(
    "value, answer",
    [
        ("'tschüß'", (200, "text/plain; charset=utf-8", "tschüß".encode())),
        ("null", EMPTY),
        ("['a' => null]", (200, JSON, b'{"a":null}')),
        ("[1, 'a/ü']", (200, JSON, '[1,"a/ü"]'.encode())),
        ("[]", (200, JSON, b"[]")),
        ("new \\stdClass()", (200, JSON, b"{}")),
        ("new Response(['a' => 1], 201)", (201, JSON, b'{"a":1}')),
        ("new Response([1], headers: ['content-type' => 'application/x'])", (200, "application/x", b"[1]")),
        ("new Response('no', 404, ['Content-Type' => 'text/x'])", (404, "text/x", b"no")),
        ("new Response()", EMPTY),
        ("new Response(status: 599)", (599, None, b"")),
    ],
)
def test_values(serve, value, answer):
    a = serve(returning(value)).call()
    assert said(a) == answer
    assert a.framing == "length"


@pytest.mark.parametrize(
    "statement",
    [
        "return 5;",
        "return new \\ArrayObject();",
        "return [NAN];",
        r'return ["\xff"];',
        "return new Response('', '200 OK');",
        "return new Response('', 600);",
        "return new Response('', 200, ['X A' => '1']);",
        "return new Response('', 200, ['' => '1']);",
        "return new Response('', 200, ['X-A' => ['1', \"2\\n3\"]]);",
        "return new Response(new \\ArrayObject());",
        "throw new \\Exception('none');",
    ],
)
def test_what_cannot_be_sent(serve, statement):
    w = serve(method(f"if ($request->path === '/') return 'fine';\n        {statement}"))
    with w.connect() as c:
        assert said(c.call("GET", "/bad")) == FAILURE
        w.wait_for_log(r"PHP Fatal error:  Uncaught ")
        w.wait_for_log(r"#0 .*\.php")
        assert c.call().body == b"fine"


@pytest.mark.parametrize(
    "statement, line",
    [
        (FILL_MEMORY, "PHP Fatal error:  Allowed memory size"),
        ("eval('class A { function b(); }');", "PHP Fatal error:  Non-abstract method A::b"),
        ("trigger_error('enough', E_USER_ERROR);", "PHP Fatal error:  enough"),
        ("fwrite(STDERR, \"bye\\n\"); exit(3);", "bye"),
    ],
)
def test_the_end_of_php_is_answered_too(serve, statement, line):
    w = serve(method(f"if ($request->path === '/') return 'fine';\n        {statement}"))
    with w.connect() as c:
        for verb in ("POST", "GET"):
            assert said(c.call(verb, "/bad", body=b"some")) == FAILURE
        w.wait_for_log(line)
        assert (a := c.call("HEAD", "/bad")).status == 500 and a.length == len(FAILURE[2])
        assert c.call().body == b"fine"


def test_warnings_are_in_the_log_only(serve):
    w = serve(method("return $nothing . 'fine';"))
    assert w.call().body == b"fine"
    w.wait_for_log(r"PHP Warning:  Undefined variable \$nothing in .*Handler\.php")
    assert w.out.text() == ""


def test_framing_is_not_the_handlers(serve):
    fields = "['Content-Length' => 99, 'transfer-encoding' => 'gzip', 'Connection' => 'close', 'X-Number' => 5]"
    with serve(returning(f"new Response('x', 200, {fields})")).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.length, a.body, a.value("X-Number"), a.values("Connection")) == (1, b"x", "5", [])


@pytest.mark.parametrize("body", [b"", b"{\n'a'", b'"\xff"', b"[" * 100_000])
def test_body_that_is_no_json_is_the_callers_fault(serve, body):
    w = serve(returning("$request->json()"))
    a = w.call("POST", body=body)
    assert said(a) == (400, "text/plain", b"The request's body is not valid JSON.\n")
    assert said(w.call("POST", body=b'{"a": "\xc3\xbc"}')) == (200, JSON, '{"a":"ü"}'.encode())


def test_handler_may_catch_it(serve):
    w = serve(method("try { $request->json(); } catch (InvalidJson) { return 'caught'; }"))
    assert w.call("POST", body=b"{").body == b"caught"


def test_other_bad_json_is_the_handlers_fault(serve):
    assert said(serve(returning("json_decode('{', flags: JSON_THROW_ON_ERROR)")).call()) == FAILURE


# --- its life --------------------------------------------------------------------------------------------------------


def test_a_handler_serves_a_connection(serve):
    """It may keep something between calls."""
    w = serve(returning("[++$this->n, getmypid()]").replace("{\n", "{\n    private int $n = 0;\n", 1), workers="1")
    with w.connect() as c:
        first, second = (json.loads(c.call().body) for _ in range(2))
    assert (first[0], second) == (1, [2, first[1]])


def test_a_constructor_that_fails(serve, scratch):
    handler = returning("'open'").replace(
        "{\n", "{\n    public function __construct() { is_file('open') or throw new \\Exception('closed'); }\n", 1
    )
    w = serve(handler)
    assert said(w.call()) == FAILURE
    w.wait_for_log("Uncaught Exception: closed")
    (scratch / "php-http" / "open").touch()
    assert w.call().body == b"open"


def test_programs_of_a_handler_can_be_ended(serve):
    """They do not inherit what the server does about signals."""
    body = r"""
        $sleeper = proc_open(['sh', '-c', 'echo up; exec sleep 1000'], [1 => ['pipe', 'w']], $pipes);
        fgets($pipes[1]);
        proc_terminate($sleeper);
        return [proc_close($sleeper) !== 0, proc_close(proc_open('exit 3', [], $pipes))];"""
    assert json.loads(serve(method(body)).call().body) == [True, 3]



def test_over_tcp(serve):
    w = serve(upstream_url=f"http://127.0.0.1:{free_port()}")
    assert w.call("POST", "/echo", body=b"over TCP").body == b"over TCP"


def test_it_stays_in_step(serve):
    """Without the watchdog between, which would drop a connection that is not."""
    port = free_port()
    w = serve(upstream_url=f"http://127.0.0.1:{port}")
    assert w.call("GET", "/empty").status == 204
    with Connection(port, PATIENCE) as c:
        c.request("POST", "/echo", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(b"one", b"two", trailers=[b"X-Trailer: 1"]))
        assert c.answer("POST").body == b"onetwo"
        for method, path, status in [("HEAD", "/facts", 201), ("GET", "/empty", 204), ("HEAD", "/fail", 500)]:
            a = c.call(method, path)
            assert (a.status, a.body) == (status, b"")
        c.send(request_bytes("POST", "/echo", body=b"first") + request_bytes("POST", "/echo", body=b"second"))
        assert [c.answer("POST").body for _ in range(2)] == [b"first", b"second"]


def test_a_stale_socket_is_replaced(serve, scratch):
    stale_socket(scratch / "tmp" / "function.sock")
    assert serve().call("POST", "/echo", body=b"here").body == b"here"


@pytest.mark.parametrize("url", [None, "", "127.0.0.1:5000", "http://127.0.0.1", "http+unix://relative", "http://x:y"])
def test_it_says_what_is_wrong_with_upstream_url(scratch, url):
    done = run_alone(assemble("php-http", scratch), ["php", "index.php"], url)
    assert done.returncode == 1
    assert done.stderr == f'upstream_url must be http+unix:///PATH or http://HOST:PORT, not "{url or ""}"\n'


@pytest.mark.parametrize("url", ["http+unix:///nonexistent/function.sock", "http://127.0.0.1:{taken}"])
def test_it_says_where_it_cannot_listen(scratch, taken_port, url):
    url = url.format(taken=taken_port)
    done = run_alone(assemble("php-http", scratch), ["php", "index.php"], url)
    assert done.returncode == 1
    assert re.fullmatch(rf"cannot listen at {re.escape(url)}: [^\n]+\n", done.stderr)


@pytest.mark.parametrize(
    "handler, status, says",
    [
        ("<?php\nnamespace App;\nclass Handler {", 255, "PHP Parse error: "),
        ("<?php\nclass Handler {}", 1, r"does not define the class App\\Handler"),
        ("<?php\nthrow new Exception('not today');", 255, "Uncaught Exception: not today"),
    ],
)
def test_a_handler_that_cannot_be_loaded_ends_it(serve, handler, status, says):
    w = serve(handler, ready=False)
    w.wait_for_log(says)
    w.ended(status)


def test_function_may_have_classes(watchdog, scratch):
    files = {
        "src/Handler.php": returning("Parts\\One::NAME"),
        "src/Parts/One.php": "<?php\nnamespace App\\Parts;\nclass One { const NAME = 'one'; }\n",
    }
    assert start(watchdog, assemble("php-http", scratch, files), scratch).call().body == b"one"


def test_packages_are_found(watchdog, scratch):
    """What composer leaves in vendor is used."""
    files = {
        "src/Handler.php": returning("\\gift()"),
        "vendor/autoload.php": "<?php\nfunction gift() { return 'a gift'; }\n",
    }
    assert start(watchdog, assemble("php-http", scratch, files), scratch).call().body == b"a gift"


def test_composer_runs_for_packages_only(scratch):
    target = assemble("php-http", scratch)
    composer = target / "bin" / "composer"
    composer.parent.mkdir()
    composer.write_text('#!/bin/sh\necho "composer $*"\n')
    composer.chmod(0o755)
    path = f"{composer.parent}:{os.environ['PATH']}"
    assert install(target, PATH=path).stdout == ""

    manifest = target / "function" / "composer.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"require": {"gift/gift": "^1"}}))
    assert install(target, PATH=path).stdout == "composer install --working-dir=function --no-dev --no-interaction\n"
