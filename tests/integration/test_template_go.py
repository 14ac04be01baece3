"""The template go-http: fwatchdog in front of it, as in an image."""

import json
import zipfile

import pytest

from function_templates import assemble, start
from harness import free_port, need_program
from http_template import HttpTemplate, build, run_alone, run_tests, stale_socket

HANDLER = """
package function

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	switch "/" + strings.Split(r.URL.Path, "/")[1] {
	case "/facts":
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s\\n%s\\n%s\\n", r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
		for _, value := range r.Header["X-Many"] {
			fmt.Fprintln(w, value)
		}
	case "/echo":
		w.Header().Set("Content-Type", "application/octet-stream")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		w.Write(body)
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/log":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		hold(w)
	case "/hold":
		hold(w)
	case "/status":
		w.Header().Set("X-Half", "done")
		w.WriteHeader(99)
	case "/field":
		w.Header().Set("X-Bad", "a\\r\\nX-Injected: b")
	case "/fail":
		w.Header().Set("Content-Length", "7")
		var nothing map[string]int
		nothing["x"] = 1
	case "/cut":
		fmt.Fprint(w, "half of ")
		panic("the other half is lost")
	case "/stream":
		fmt.Fprint(w, "now")
		w.(http.Flusher).Flush()
		hold(w)
	case "/tunnel":
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n")
		io.Copy(connection, io.LimitReader(connection, 5))
		connection.Close()
	}
}

func hold(w io.Writer) {
	os.WriteFile(os.Getenv("STARTED"), []byte(fmt.Sprintln(os.Getpid())), 0)
	gate, err := os.Open(os.Getenv("GATE"))
	if err != nil {
		panic(err)
	}
	defer gate.Close()
	gate.Read(make([]byte, 1))
	fmt.Fprint(w, "held")
}
"""

GREETING = """
package function

import (
	"io"
	"net/http"

	"example.test/greet"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, greet.Word)
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    need_program("go")
    return build(assemble("go-http", tmp_path_factory.mktemp("go"), {"handler.go": HANDLER}))


@pytest.fixture
def serve(built, watchdog, scratch):
    return lambda **changes: start(watchdog, built, scratch, **changes)


class TestGoHttp(HttpTemplate):
    traceback = r"panic: assignment to entry in nil map"
    refused = ("/status",)

    def test_the_stack_of_a_panic_names_the_line(self, serve):
        w = serve()
        w.call("GET", "/fail")
        w.wait_for_log(r"/function/handler\.go:\d+")

    def test_a_line_end_in_a_field_is_a_blank(self, serve):
        a = serve().call("GET", "/field")
        assert (a.value("X-Bad"), a.values("X-Injected")) == ("a  X-Injected: b", [])

    def test_an_answer_that_has_begun_is_cut(self, serve):
        w = serve()
        with w.connect() as c:
            a = c.call("GET", "/cut")
            assert (a.status, a.body, a.cut) == (200, b"half of ", True)
        w.wait_for_log("panic: the other half is lost")
        assert w.call("GET", "/empty").status == 204
        assert [m for m in w.messages() if "the other half" in m][1:] == []  # it was not called twice

    def test_pieces_are_sent_as_they_come(self, serve, gate):
        with serve(**gate.env).connect() as c:
            c.request("GET", "/stream")
            a = c.begin()
            c.read_until(a, b"now")
            gate.started()
            gate.open()
            assert c.rest(a).body == b"nowheld"

    def test_it_may_speak_another_protocol(self, serve):
        with serve().connect() as c:
            c.request("GET", "/tunnel", fields=[("Connection", "Upgrade"), ("Upgrade", "echo")])
            assert c.begin().status == 101
            c.send(b"hello")
            assert c.exactly(5) == b"hello"

    def test_it_may_listen_at_a_port(self, serve):
        assert serve(upstream_url=f"http://127.0.0.1:{free_port()}").call("POST", "/echo", body=b"x").body == b"x"

    def test_a_socket_left_behind_is_no_obstacle(self, serve, scratch):
        stale_socket(scratch / "tmp" / "function.sock")
        assert serve().call("GET", "/empty").status == 204

    @pytest.mark.parametrize(
        "url", [None, "", "nonsense", "http://127.0.0.1", "https://127.0.0.1:1", "http+unix://", ":"]
    )
    def test_it_says_which_addresses_it_takes(self, built, url):
        ended = run_alone(built, ["./handler"], url)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            f'upstream_url must be http+unix:///PATH or http://HOST:PORT, not "{url or ""}"\n'
        )

    def test_it_says_that_it_cannot_listen(self, built, taken_port):
        ended = run_alone(built, ["./handler"], f"http://127.0.0.1:{taken_port}")
        assert ended.returncode == 1 and "address already in use" in ended.stderr


def test_the_starter(watchdog, scratch):
    need_program("go")
    target = build(assemble("go-http", scratch))
    a = start(watchdog, target, scratch).call("POST", "/", body=b"hi")
    assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain; charset=utf-8", b"Hello! You said: hi\n")

    tested = run_tests(target)
    assert tested.returncode == 0, tested.stdout
    handler = target / "function" / "handler.go"
    handler.write_text(handler.read_text().replace("Hello!", "Bye!"))
    tested = run_tests(target)
    assert tested.returncode and "Bye!" in tested.stdout


def test_a_doubtful_line_fails_the_tests(scratch):
    need_program("go")
    target = assemble("go-http", scratch)
    handler = target / "function" / "handler.go"
    handler.write_text(handler.read_text().replace("You said: %s", "You said: %d %s"))
    tested = run_tests(target)
    assert tested.returncode and "Fprintf" in tested.stdout


def test_a_function_may_be_no_module(watchdog, scratch):
    need_program("go")
    target = assemble("go-http", scratch)
    (target / "function" / "go.mod").unlink()
    a = start(watchdog, build(target), scratch).call("POST", "/", body=b"hi")
    assert a.body == b"Hello! You said: hi\n"
    assert run_tests(target).returncode == 0


def test_dependencies_are_those_of_the_function(watchdog, scratch):
    need_program("go")
    env = {
        "GOPROXY": f"file://{module_proxy(scratch / 'proxy')}",
        "GONOSUMDB": "*",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(scratch / "modules"),
    }
    target = assemble("go-http", scratch, {"handler.go": GREETING})
    (target / "function" / "go.mod").write_text(
        "module handler/function\n\ngo 1.19\n\nrequire example.test/greet v1.0.0\n"
    )
    (target / "function" / "go.sum").write_text(
        "example.test/greet v1.0.0 h1:Xgyuw+wvu9f+ciI5yhoWCabTpYA2GABD3X6Zxbgjv2M=\n"
        "example.test/greet v1.0.0/go.mod h1:g/DBTaSJRaKgB5anTLppeLDO0bQRIx8dzeOxgrNGYVU=\n"
    )

    build(target, **env)
    assert start(watchdog, target, scratch).call().body == b"moin"
    build(target, **{**env, "GOPROXY": "off"})  # the download is done


def module_proxy(folder):
    """A proxy of Go modules, with one in it."""
    versions = folder / "example.test" / "greet" / "@v"
    versions.mkdir(parents=True)
    module = "module example.test/greet\n\ngo 1.19\n"
    (versions / "v1.0.0.mod").write_text(module)
    (versions / "v1.0.0.info").write_text(json.dumps({"Version": "v1.0.0"}))
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as z:
        z.writestr("example.test/greet@v1.0.0/go.mod", module)
        z.writestr("example.test/greet@v1.0.0/greet.go", 'package greet\n\nconst Word = "moin"\n')
    return folder
