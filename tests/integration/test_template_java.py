"""The template java-http: fwatchdog in front of it, as in an image."""

import os

import pytest

from function_templates import assemble, start
from harness import free_port, need_program
from http_client import chunked
from http_template import HttpTemplate, build, run_alone, run_tests, shell

HANDLER = """
import bandog.Request;
import bandog.Response;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

public class Handler {
    public static Response handle(Request request) throws Exception {
        switch ("/" + request.path().split("/")[1]) {
            case "/facts":
                String lines = request.method() + "\\n" + request.path() + "\\n" + request.query() + "\\n";
                for (String value : request.headers().getOrDefault("x-many", List.of())) {
                    lines += value + "\\n";
                }
                return Response.text(lines).status(201)
                        .header("set-cookie", "a=1").addHeader("Set-Cookie", "b=2")
                        .header("Content-length", "3").header("transfer-encoding", "chunked");
            case "/echo":
                return Response.bytes(request.body()).header("Content-Type", "application/octet-stream");
            case "/first":
                return Response.json("[\\"" + request.header("X-MANY") + "\\", " + request.header("X-Absent") + "]");
            case "/empty":
                return Response.empty(204);
            case "/log":
                System.out.println("to stdout");
                System.err.println("to stderr");
                return hold();
            case "/hold":
                return hold();
            case "/status":
                return Response.empty(200).header("X-Half", "done").status(99);
            case "/field":
                return Response.empty(200).header("X-Half", "done").header("X-Bad", "a\\r\\nX-Injected: b");
            case "/deep":
                return handle(request);
            case "/exit":
                System.exit(3);
            case "/nothing":
                return null;
            default:
                throw new IllegalStateException("what went wrong");
        }
    }

    private static Response hold() throws Exception {
        Files.writeString(Path.of(System.getenv("STARTED")), ProcessHandle.current().pid() + "\\n");
        try (var gate = new FileInputStream(System.getenv("GATE"))) {
            gate.read();
        }
        return Response.text("held");
    }
}
"""

WORDS = """
package words;

public class Greeting {
    public static String of(String name) {
        return "moin " + name;
    }
}
"""

NAME = """
package names;

public class Name {
    public static final String VALUE = "du".trim(); // no constant, which would be compiled in
}
"""

GREETING = """
import bandog.Request;
import bandog.Response;
import java.io.IOException;
import names.Name;
import words.Greeting;

public class Handler {
    public static Response handle(Request request) throws IOException {
        try (var mark = Handler.class.getResourceAsStream("/texts/mark.txt")) {
            return Response.text(Greeting.of(Name.VALUE) + new String(mark.readAllBytes()));
        }
    }
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    need_program("javac")
    return build(assemble("java-http", tmp_path_factory.mktemp("java"), {"Handler.java": HANDLER}))


def start_java(watchdog, target, scratch, **changes):
    env = {"upstream_url": f"http://127.0.0.1:{free_port()}", "PATH": os.environ["PATH"]}  # the java of that javac
    return start(watchdog, target, scratch, **{**env, **changes})


@pytest.fixture
def serve(built, watchdog, scratch):
    return lambda **changes: start_java(watchdog, built, scratch, **changes)


class TestJavaHttp(HttpTemplate):
    traceback = r"java\.lang\.IllegalStateException: what went wrong"
    refused = ("/status", "/field")

    def test_the_trace_names_the_line(self, serve):
        w = serve()
        w.call("GET", "/fail")
        w.wait_for_log(r"at Handler\.handle\(Handler\.java:\d+\)")

    @pytest.mark.parametrize("path, log", [("/deep", "StackOverflowError"), ("/nothing", "returned null")])
    def test_errors_are_500_too(self, serve, path, log):
        w = serve()
        with w.connect() as c:
            assert c.call("GET", path).status == 500
            w.wait_for_log(log)
            c.assert_usable("GET", "/echo")

    def test_the_first_value_of_a_header(self, serve):
        a = serve().call("GET", "/first", fields=[("X-Many", "one"), ("X-Many", "two")])
        assert (a.value("Content-Type"), a.body) == ("application/json", b'["one", null]')

    def test_it_may_end_itself(self, serve):
        w = serve()
        assert w.call("GET", "/exit").status == 502
        w.ended(3)

    def test_many_and_large_fields(self, serve):
        fields = [("X-Many", f"{n}" + "x" * 1000) for n in range(600)]
        a = serve().call("GET", "/facts", fields=fields)
        assert a.status == 201 and a.body.count(b"xxxx\n") == 600

    @pytest.mark.parametrize("url", [None, "", "nonsense", "http://127.0.0.1", "http+unix:///tmp/function.sock", ":"])
    def test_it_says_which_addresses_it_takes(self, built, url):
        ended = run_alone(built, ["java", "@jvm.options", "Main"], url)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            "upstream_url must be http://HOST:PORT, because the JDK's server has no unix sockets, "
            f"not \"{url or ''}\"\n"
        )

    def test_it_says_that_it_cannot_listen(self, built, taken_port):
        ended = run_alone(built, ["java", "@jvm.options", "Main"], f"http://127.0.0.1:{taken_port}")
        assert ended.returncode == 1
        assert ended.stderr == f"cannot listen at http://127.0.0.1:{taken_port}: Address already in use\n"


def test_the_starter(watchdog, scratch):
    need_program("javac")
    target = build(assemble("java-http", scratch))
    a = start_java(watchdog, target, scratch).call("POST", "/", body=b"hi")
    assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain; charset=utf-8", b"Hello! You said: hi\n")

    tested = run_tests(target)
    assert tested.returncode == 0, tested.stdout
    handler = target / "function" / "Handler.java"
    handler.write_text(handler.read_text().replace("Hello!", "Bye!"))
    tested = run_tests(build(target))
    assert tested.returncode and "Bye!" in tested.stdout


def test_packages_resources_and_jars(watchdog, scratch):
    need_program("javac")
    need_program("jar")
    names = scratch / "names"
    (names / "names").mkdir(parents=True)
    (names / "names" / "Name.java").write_text(NAME)
    files = {"Handler.java": GREETING, "words/Greeting.java": WORDS, "texts/mark.txt": "!"}
    target = assemble("java-http", scratch, files)
    (target / "function" / "lib").mkdir()
    jar = f"javac names/Name.java && jar --create --file {target}/function/lib/names.jar names/Name.class"
    made = shell(jar, names)
    assert made.returncode == 0, made.stdout

    assert start_java(watchdog, build(target), scratch).call().body == b"moin du!"


def test_what_is_no_java_is_not_started(scratch):
    need_program("javac")
    target = assemble("java-http", scratch, {"Handler.java": "public class Handler {"})
    with pytest.raises(AssertionError, match="reached end of file while parsing"):
        build(target)
    assert not os.path.exists(target / "classes" / "Handler.class")


def test_trailers_of_a_request_need_a_setting(serve):
    with serve(buffer_http="true").connect() as c:
        c.request("POST", "/echo", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(b"hello", trailers=[b"X-Sum: 1"]))
        a = c.answer("POST")
        assert (a.status, a.body) == (200, b"hello")
