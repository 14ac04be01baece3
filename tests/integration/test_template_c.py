"""
The template c-http: fwatchdog in front of it, as in an image. Its HTTP server is part of the template, so it is
called without fwatchdog, too, by clients that fwatchdog would refuse; with the compiler's sanitizers in it.
"""

import os
import signal
import subprocess

import pytest

from function_templates import assemble, start
from harness import PATIENCE, eventually, free_port, need_program
from http_client import Connection, chunked, request_bytes
from http_template import (
    ALL_BYTES,
    HttpTemplate,
    build,
    listens,
    run_alone,
    run_tests,
    shell,
    stale_socket,
)

HANDLER = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "function.h"

static void hold(struct response *response)
{
    FILE *started = fopen(getenv("STARTED"), "w");
    int gate = open(getenv("GATE"), O_RDONLY);
    char byte;

    fprintf(started, "%d\n", (int)getpid());
    fclose(started);
    response_printf(response, read(gate, &byte, 1) == 1 ? "held" : "not held");
    close(gate);
}

static void tell(const struct request *request, struct response *response)
{
    response->status = 201;
    response_field(response, "Set-Cookie", "a=1");
    response_field(response, "Set-Cookie", "b=2");
    response_field(response, "content-length", "3");
    response_field(response, "Transfer-Encoding", "chunked");
    response_printf(response, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (size_t i = 0; i < request->field_count; i++)
        if (strcasecmp(request->fields[i].name, "x-many") == 0)
            response_printf(response, "%s\n", request->fields[i].value);
}

void handle(const struct request *request, struct response *response)
{
    const char *path = request->path;

    if (strncmp(path, "/facts", 6) == 0) {
        tell(request, response);
    } else if (strcmp(path, "/echo") == 0) {
        response_field(response, "Content-Type", "application/octet-stream");
        response_write(response, request->body, request->body_size);
    } else if (strcmp(path, "/first") == 0) {
        const char *absent = request_field(request, "X-Absent");
        response_printf(response, "%s %s", request_field(request, "x-MANY"), absent ? absent : "none");
    } else if (strcmp(path, "/text") == 0) {
        response_printf(response, "%zu %s", strlen(request->body), request->body);
    } else if (strcmp(path, "/empty") == 0) {
        response->status = 204;
        response_printf(response, "not sent");
    } else if (strcmp(path, "/log") == 0) {
        printf("to stdout\n");
        fprintf(stderr, "to stderr\n");
        hold(response);
    } else if (strcmp(path, "/hold") == 0) {
        hold(response);
    } else if (strcmp(path, "/status") == 0) {
        response_field(response, "X-Half", "done");
        response->status = 99;
    } else if (strcmp(path, "/field") == 0) {
        response_field(response, "X-Half", "done");
        response_field(response, "X-Bad", "a\r\nX-Injected: b");
    } else if (strcmp(path, "/fail") == 0) {
        response_field(response, "no token", "value");
    } else if (strcmp(path, "/crash") == 0) {
        raise(SIGSEGV);
    }
}
"""

HEAD_MAX = 2 << 20


def compiled(tmp_path_factory, **env):
    need_program("gcc")
    return build(assemble("c-http", tmp_path_factory.mktemp("c"), {"handler.c": HANDLER}), **env)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return compiled(tmp_path_factory)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    return compiled(tmp_path_factory, SAN="address,undefined")


@pytest.fixture(params=["static", "sanitized"])
def serve(request, watchdog, scratch):
    target = request.getfixturevalue("built" if request.param == "static" else "sanitized")
    return lambda **changes: start(watchdog, target, scratch, **changes)


@pytest.fixture
def direct(sanitized, watchdog, scratch):
    """Connects to the function itself."""
    port = free_port()
    w = start(watchdog, sanitized, scratch, upstream_url=f"http://127.0.0.1:{port}")
    assert w.call("GET", "/empty").status == 204
    connections = []

    def connect():
        connections.append(Connection(port, timeout=PATIENCE))
        return connections[-1]

    yield connect
    for c in connections:
        c.close()
    assert w.call("POST", "/echo", body=b"still there").body == b"still there"


class TestCHttp(HttpTemplate):
    traceback = "response_field: the name is not a token"
    refused = ("/status", "/field")

    def test_the_first_value_of_a_field(self, serve):
        a = serve().call("GET", "/first", fields=[("X-Many", "one"), ("X-Many", "two")])
        assert a.body == b"one none"

    @pytest.mark.parametrize("body", [b"", b"hello"])
    def test_a_body_is_a_text_too(self, serve, body):
        assert serve().call("POST", "/text", body=body).body == b"%d %s" % (len(body), body)

    def test_trailers_are_left_out(self, serve):
        with serve().connect() as c:
            c.request("POST", "/echo", fields=[("Transfer-Encoding", "chunked")])
            c.send(chunked(b"hello", trailers=[b"X-Sum: 1"]))
            assert c.answer("POST").body == b"hello"
            c.assert_usable("GET", "/echo")

    def test_it_may_listen_at_a_port(self, serve):
        assert serve(upstream_url=f"http://localhost:{free_port()}").call("POST", "/echo", body=b"x").body == b"x"

    def test_a_socket_left_behind_is_no_obstacle(self, serve, scratch):
        stale_socket(scratch / "tmp" / "function.sock")
        assert serve().call("GET", "/empty").status == 204

    def test_more_calls_than_threads(self, serve, gate):
        w = serve(workers="1", **gate.env)
        connections = [w.connect() for _ in range(300)]
        for c in connections:
            c.request("GET", "/hold")
        for _ in range(256):
            gate.started()
        gate.open(len(connections))
        assert [c.answer().body for c in connections] == [b"held"] * len(connections)
        gate.reset()


def test_a_crash_costs_the_calls_under_way_only(built, watchdog, scratch):
    w = start(watchdog, built, scratch)
    assert w.call("GET", "/crash").status == 502
    assert w.call("POST", "/echo", body=b"next").body == b"next"


@pytest.mark.parametrize(
    "url",
    [None, "", "nonsense", "http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:65536", "http://127.0.0.1:-1",
     "http://[::1]", "http://[::1:80", "http://some.host:80", "https://127.0.0.1:1", "http+unix://", "http+unix:///",
     "http+unix://a/b", "http+unix:///a%2fb", "http+unix:///" + "x" * 200],
)  # fmt: skip
def test_it_says_which_addresses_it_takes(sanitized, url):
    ended = run_alone(sanitized, ["./handler"], url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f'upstream_url must be http+unix:///PATH or http://ADDRESS:PORT, not "{url or ""}"\n'


def test_it_says_that_it_cannot_listen(built, taken_port):
    url = f"http://127.0.0.1:{taken_port}"
    ended = run_alone(built, ["./handler"], url)
    assert (ended.returncode, ended.stderr) == (1, f"cannot listen at {url}: Address already in use\n")


REFUSED = [
    (b"\r\n", 400),
    (b"GET\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\n\r\n", 505),
    (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"GET / FTP/1.1\r\n\r\n", 400),
    (b"G\x00T / HTTP/1.1\r\n\r\n", 400),
    (b"G(T / HTTP/1.1\r\n\r\n", 400),
    (b"GET /\x7f HTTP/1.1\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nA: " + b"b" * 2 * HEAD_MAX, 431),
    (b"GET /" + b"b" * 2 * HEAD_MAX, 431),
]
BAD_CHUNKS = [
    b"\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"0x1\r\nx\r\n0\r\n\r\n",
    b" 1\r\nx\r\n0\r\n\r\n",
    b"1 \r\nx\r\n0\r\n\r\n",
    b"1\nx\r\n0\r\n\r\n",
    b"1;a\x00\r\nx\r\n0\r\n\r\n",
    b"1\r\nxy\r\n0\r\n\r\n",
    b"1\r\nx\n0\r\n\r\n",
    b"1\r\nx0\r\n\r\n",
    b"10000000000000000\r\n",
    b"fffffffffffffffff\r\n",
    b"1;" + b"a" * 4096,
    b"0\r\nA: b\n\r\n",
]
LONG_TRAILERS = b"0\r\n" + b"A: b\r\n" * (HEAD_MAX // 6 + 1)
CHUNKED_HEAD = request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")])


@pytest.mark.parametrize(
    "data, status",
    REFUSED + [(CHUNKED_HEAD + c, 400) for c in BAD_CHUNKS] + [(CHUNKED_HEAD + LONG_TRAILERS, 431)],
    ids=lambda value: repr(value[-30:]) if isinstance(value, bytes) else None,
)
def test_what_is_not_understood_is_refused(direct, data, status):
    c = direct()
    c.send_as_far_as_taken(data)
    a = c.answer()
    assert (a.status, a.value("Connection"), a.body) == (status, "close", b"the request cannot be read\n")
    c.half_close()
    c.assert_closed()


@pytest.mark.parametrize("cut", ["GET", "head", "length", "chunk", "chunks"])
def test_clients_may_go(direct, cut):
    data = {
        "GET": b"GE",
        "head": b"GET / HTTP/1.1\r\nA: b\r\n",
        "length": request_bytes("POST", "/echo", [("Content-Length", "10")]) + b"12345",
        "chunk": CHUNKED_HEAD + b"a\r\n12345",
        "chunks": CHUNKED_HEAD + b"a\r\n1234567890\r\n",
    }[cut]
    c = direct()
    c.send(data)
    c.half_close()
    c.assert_closed()


def test_a_client_that_does_not_read_its_answer(direct):
    c = direct()
    c.request("POST", "/echo", body=b"x" * 10_000_000)
    c.reset()


def test_a_length_is_not_believed(direct):
    """Memory is taken for what has come, not for what was announced."""
    c = direct()
    c.send(request_bytes("POST", "/echo", [("Content-Length", str(10**18))]) + b"12345")
    c.half_close()
    c.assert_closed()


def test_byte_by_byte(direct):
    c = direct()
    for byte in CHUNKED_HEAD + chunked(b"hello", b" ", b"world", trailers=[b"A: b"]):
        c.send(bytes([byte]))
    assert c.answer("POST").body == b"hello world"


def test_requests_behind_each_other(direct):
    c = direct()
    one = request_bytes("POST", "/echo", body=ALL_BYTES)
    two = CHUNKED_HEAD + b"A;name=value\r\n0123456789\r\n0\r\n\r\n"
    c.send((one + two) * 50)
    for _ in range(50):
        assert c.answer("POST").body == ALL_BYTES
        assert c.answer("POST").body == b"0123456789"


@pytest.mark.parametrize("size", [15_000, 17_000, 1_000_000, HEAD_MAX - 100])
def test_long_heads(direct, size):
    c = direct()
    a = c.call("GET", "/facts", fields=[("X-Many", "m" * size)])
    assert a.body == b"GET\n/facts\n\n" + b"m" * size + b"\n"


def test_many_fields(direct):
    c = direct()
    a = c.call("GET", "/facts", fields=[("X-Many", "\t %d \t" % n) for n in range(50_000)])
    assert a.body == b"GET\n/facts\n\n" + b"".join(b"%d\n" % n for n in range(50_000))


@pytest.mark.parametrize("fields, version", [([("Connection", "a, Close")], "HTTP/1.1"), ([], "HTTP/1.0")])
def test_the_last_request(direct, fields, version):
    c = direct()
    c.request("GET", "/empty", fields=fields, version=version)
    a = c.answer()
    assert (a.status, a.value("Connection")) == (204, "close")
    c.assert_closed()


def test_the_last_request_before_the_end(sanitized, watchdog, scratch, gate):
    port = free_port()
    w = start(watchdog, sanitized, scratch, upstream_url=f"http://127.0.0.1:{port}", **gate.env)
    w.call("GET", "/empty")
    with Connection(port, timeout=PATIENCE) as c:
        c.request("GET", "/hold")
        pid = gate.started()
        c.request("GET", "/empty")
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not listens(w), "the function no longer listens")
        gate.open()
        a = c.answer()
        assert (a.body, a.value("Connection")) == (b"held", "close")
        assert c.raw_until_close() == b""
    w.ended(0)


def test_the_starter(watchdog, scratch):
    need_program("gcc")
    target = build(assemble("c-http", scratch))
    a = start(watchdog, target, scratch).call("POST", "/", body=b"hi")
    assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain; charset=utf-8", b"Hello! You said: hi\n")

    tested = run_tests(target)
    assert tested.returncode == 0, tested.stdout
    handler = target / "function" / "handler.c"
    handler.write_text(handler.read_text().replace("Hello!", "Hallo!"))
    tested = run_tests(target)
    assert tested.returncode and "Assertion" in tested.stdout


def test_it_is_one_static_file_and_compiles_without_a_warning(scratch):
    need_program("gcc")
    target = assemble("c-http", scratch)
    warnings = "-Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror"
    made = shell(f"make CFLAGS='-O2 {warnings}' handler test", target)
    assert made.returncode == 0, made.stdout
    headers = subprocess.run(["readelf", "-l", target / "handler"], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers


def test_a_function_may_have_files_and_libraries(watchdog, scratch):
    need_program("gcc")
    files = {
        "handler.c": '#include <math.h>\n#include "function.h"\n#include "more.h"\n'
        "void handle(const struct request *request, struct response *response)\n"
        '{\n    response_printf(response, "%s %.0f", WORD, sqrt(more(request->body_size)));\n}\n',
        "more.h": "double more(double x);\n",
        "more.c": '#include "more.h"\ndouble more(double x)\n{\n    return x + 1;\n}\n',
        "config.mk": "CPPFLAGS = -DWORD='\"root\"'\nLDLIBS = -lm\n",
    }
    w = start(watchdog, build(assemble("c-http", scratch, files)), scratch)
    assert w.call("POST", "/", body=b"x" * 24).body == b"root 5"
