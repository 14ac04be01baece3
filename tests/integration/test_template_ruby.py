"""The template ruby-http: fwatchdog in front of it, as in an image."""

import json
import re

import pytest

from function_templates import assemble, start
from harness import PATIENCE, free_port, need_program
from http_client import Connection, chunked, request_bytes
from http_template import FAILURE, HttpTemplate, run_alone, run_tests, said, shell, stale_socket

JSON = "application/json"

HANDLER = """
class Handler
  def run(body, headers, request)
    case request.path[%r{\\A/[a-z]*}]
    when "/facts"
      facts = [request.http_method, request.path, request.query, *headers.all("x-many")]
      [facts.map { |f| "#{f}\\n" }.join, { "Set-Cookie" => %w[a=1 b=2] }, 201]
    when "/echo" then [body, { "content-type": "application/octet-stream" }, 200]
    when "/empty" then ["not sent", {}, 204]
    when "/hold" then hold
    when "/log"
      puts "to stdout"
      $stderr.puts "to stderr"
      hold
    when "/status" then ["", { "X-Half" => "done" }, 99]
    when "/field" then ["", { "X-Half" => "done", "X-Split" => "one\\r\\nX-Half: two" }, 200]
    when "/fail" then nil.missing
    end
  end

  def hold
    File.write(ENV["STARTED"], "#{Process.pid}\\n", mode: "a")
    File.open(ENV["GATE"]) { |gate| gate.sysread(1) }
    "held"
  end
end
"""


@pytest.fixture(autouse=True)
def ruby():
    return need_program("ruby")


@pytest.fixture
def serve(watchdog, scratch):
    def begin(handler=HANDLER, **changes):
        return start(watchdog, assemble("ruby-http", scratch, {"handler.rb": handler}), scratch, **changes)

    return begin


def returning(expression):
    return f"class Handler\n  def run(body, headers, request)\n    {expression}\n  end\nend\n"


class TestRubyHttp(HttpTemplate):
    traceback = r"handler\.rb:\d+:in `?.*run'.*missing.*NoMethodError"
    refused = ("/status", "/field")


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("ruby-http", scratch), scratch)
    a = w.call("POST", body=b"\xfc\0you")
    assert (a.status, a.body) == (200, b"Hello, \xfc\0you!\n")


def test_unit_test_is_a_condition(scratch):
    target = assemble("ruby-http", scratch)
    passed = run_tests(target)
    assert passed.returncode == 0 and "1 runs, 1 assertions, 0 failures" in passed.stdout, passed.stdout

    (target / "function" / "handler.rb").write_text(returning("'nothing of the kind'").replace(", request", ""))
    failed = run_tests(target)
    assert failed.returncode != 0 and "1 failures" in failed.stdout, failed.stdout


# --- what it gets, what it may return --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["body, headers", "body, headers, request = nil", "*arguments"])
def test_a_third_argument_is_for_who_takes_it(serve, arguments):
    w = serve(f"class Handler\n  def run({arguments})\n    'fine'\n  end\nend\n")
    assert w.call().body == b"fine"


def test_fields_by_name(serve):
    w = serve(returning("[[headers['X-ONE'], headers['X-Two'], headers.map(&:first) & %w[X-one x-One]], {}, 200]"))
    a = w.call(fields=[("X-one", "1"), ("x-One", "2")])
    assert json.loads(a.body) == ["1", None, ["X-one", "x-One"]]


@pytest.mark.parametrize(
    "value, answer",
    [
        ("'tschüß'", (200, "text/plain; charset=utf-8", "tschüß".encode())),
        ("nil", (200, None, b"")),
        ("{ a: nil }", (200, JSON, b'{"a":null}')),
        ("[1, 'a']", (200, JSON, b'[1,"a"]')),
        ("[]", (200, JSON, b"[]")),
        ("[{ a: 1 }, {}, 201]", (201, JSON, b'{"a":1}')),
        ("[[1], { 'content-type' => 'application/x' }, 200]", (200, "application/x", b"[1]")),
        ("['no', { 'Content-Type' => 'text/x' }, 404]", (404, "text/x", b"no")),
        ("['', {}, 599]", (599, None, b"")),
    ],
)
def test_values(serve, value, answer):
    a = serve(returning(value)).call()
    assert said(a) == answer
    assert a.framing == "length"


@pytest.mark.parametrize(
    "value",
    [
        "Object.new",
        "5",
        "[Float::NAN]",
        "['', {}, '200']",
        "['', {}, 600]",
        "['', {}, 200.5]",
        "['', {}, nil]",
        "['', { 'X A' => '1' }, 200]",
        "['', { '' => '1' }, 200]",
        "['', { 'X-A' => %W[1 2\\n3] }, 200]",
        "[Object.new, {}, 200]",
        "exit",
        "throw :nothing",
        "raise NotImplementedError",
        "raise Exception",
        "def deep = deep; deep",
    ],
)
def test_values_that_cannot_be_sent(serve, value):
    w = serve(returning(f"return 'fine' if request.path == '/'\n    {value}"))
    with w.connect() as c:
        assert said(c.call("GET", "/bad")) == FAILURE
        w.wait_for_log(r"\.rb:\d+:in ")
        assert c.call().body == b"fine"


def test_framing_is_not_the_handlers(serve):
    fields = "{ 'Content-Length' => 99, 'transfer-encoding' => 'gzip', 'Connection' => 'close', 'X-Number' => 5 }"
    with serve(returning(f"['x', {fields}, 200]")).connect() as c:
        for _ in range(2):
            a = c.call()
            assert (a.length, a.body, a.value("X-Number"), a.values("Connection")) == (1, b"x", "5", [])


@pytest.mark.parametrize("body", [b"", b"{\n'a'", b'"\xff"', b"[" * 100_000])
def test_body_that_is_no_json_is_the_callers_fault(serve, body):
    w = serve(returning("request.json"))
    a = w.call("POST", body=body)
    assert said(a) == (400, "text/plain", b"The request's body is not valid JSON.\n")
    assert said(w.call("POST", body=b'{"a": "\xc3\xbc"}')) == (200, JSON, '{"a":"ü"}'.encode())


def test_handler_may_catch_it(serve):
    w = serve(returning("begin; request.json; rescue InvalidJSON; 'caught'; end"))
    assert w.call("POST", body=b"{").body == b"caught"


def test_other_bad_json_is_the_handlers_fault(serve):
    assert said(serve(returning("JSON.parse('{')")).call()) == FAILURE


# --- its life --------------------------------------------------------------------------------------------------------


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
    done = run_alone(assemble("ruby-http", scratch), ["ruby", "index.rb"], url)
    assert done.returncode == 1
    assert done.stderr == f'upstream_url must be http+unix:///PATH or http://HOST:PORT, not "{url or ""}"\n'


@pytest.mark.parametrize("url", ["http+unix:///nonexistent/function.sock", "http://127.0.0.1:{taken}"])
def test_it_says_where_it_cannot_listen(scratch, taken_port, url):
    url = url.format(taken=taken_port)
    done = run_alone(assemble("ruby-http", scratch), ["ruby", "index.rb"], url)
    assert done.returncode == 1
    assert re.fullmatch(rf"cannot listen at {re.escape(url)}: [^\n]+\n", done.stderr)


@pytest.mark.parametrize("handler", ["class Handler", "class Other; end", "raise 'not today'"])
def test_a_handler_that_cannot_be_loaded_ends_it(serve, handler):
    w = serve(handler, ready=False)
    w.wait_for_log(r"handler\.rb|Handler")
    w.ended(1)


def test_function_may_have_files(watchdog, scratch):
    files = {"handler.rb": "require 'parts/one'\n" + returning("ONE"), "parts/one.rb": "ONE = 'one'\n"}
    w = start(watchdog, assemble("ruby-http", scratch, files), scratch)
    assert w.call().body == b"one"


def test_gems_are_installed(watchdog, scratch):
    """As template.yml says it for `bandog dev`; nothing is fetched, the gem is here."""
    gem = {
        "handler.rb": "require 'gift'\n" + returning("GIFT"),
        "Gemfile": "gem 'gift', path: 'gift'\n",
        "gift/gift.gemspec": "Gem::Specification.new { |s| s.name, s.version, s.summary, s.author = 'gift', '1', 'x', 'x' }\n",
        "gift/lib/gift.rb": "GIFT = 'a gift'\n",
    }
    target = assemble("ruby-http", scratch, gem)
    line = re.search(r"^    run: (.*)$", (target / "template.yml").read_text(), re.M)[1]
    if shell("bundle --version", target).returncode:
        pytest.skip("bundler is not installed")
    done = shell(line, target, HOME=str(scratch))
    assert done.returncode == 0, done.stdout
    assert start(watchdog, target, scratch).call().body == b"a gift"


def test_no_gems_no_bundler(scratch):
    target = assemble("ruby-http", scratch)
    line = re.search(r"^    run: (.*)$", (target / "template.yml").read_text(), re.M)[1]
    done = shell(line, target, PATH="/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (0, "")
    assert not (target / "function" / "vendor").exists()
