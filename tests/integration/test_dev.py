"""bandog dev: functions run without a container, each on a port of its own."""

import os
import re
import socket
import threading

import pytest

from dev import SERVER, SLOW_START, free_ports, project  # noqa: F401
from harness import need_program


# --- from nothing to an answer ----------------------------------------------------------------------------------------


def test_new_function(project):
    project.template("sh")
    project.bandog("new", "hello", "--lang", "sh")
    project.know_all()
    assert project.dev().text("hello", "POST", body=b"hello") == "hello"


def test_the_command_that_it_prints(project):
    need_program("curl")
    project.function("echo")
    d = project.dev()
    line = d.said("^echo is ready: (curl .*)")[1]
    assert line == f"curl -d 'hello' http://127.0.0.1:{d.first_port}/"
    with os.popen(f"curl -sS{line[4:]}") as answer:
        assert answer.read() == "hello"


def test_it_is_ready_only_once_it_answers(project, gate):
    """A server that has not begun to listen is not ready."""
    project.function("slow", SLOW_START + SERVER.format("here"), "server", environment=gate.env)
    d = project.dev()
    gate.started()
    assert not d.matches(d.out, "^slow is ready")
    gate.open()
    assert d.text("slow") == "here\n"


def test_a_call_before_it_is_ready_waits_or_is_told(project, gate):
    """The port is held from the start: nobody is refused."""
    project.function("slow", SLOW_START + SERVER.format("here"), "server", environment=gate.env)
    d = project.dev()
    gate.started()
    with socket.create_connection(("127.0.0.1", d.first_port)) as early:
        early.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        gate.open()
        d.port("slow")
        with early.makefile("rb") as answer:
            assert re.match(rb"HTTP/1\.1 (200 OK|503 Service Unavailable)\r\n", answer.readline())


def test_temporary_files(project):
    """They are where the developer wants them, and go when it ends."""
    project.function("hello", lang="server")
    d = project.dev()
    d.port("hello")
    assert os.listdir(project.scratch / "tmp") != []
    d.stop()
    assert os.listdir(project.scratch / "tmp") == []


# --- what it says -----------------------------------------------------------------------------------------------------


def test_lines_are_said_with_the_name_before_them(project):
    project.function("hello", "echo 'to the log' >&2; echo hi\n")
    d = project.dev()
    d.text("hello")
    d.logged("hello", ".*to the log$")
    d.logged("hello", "Wrote 3 Bytes .*$")


def test_lines_of_several_functions_are_not_mixed(project):
    for name in ("one", "two"):
        project.function(name, f"i=0; while [ $i -lt 500 ]; do echo {name}-line >&2; i=$((i + 1)); done\n")
    d = project.dev()
    assert d.port("one") + 1 == d.port("two")
    calls = [threading.Thread(target=d.text, args=(name,)) for name in ("one", "two") * 2]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    d.logged("one", ".*one-line$", count=1000)
    d.logged("two", ".*two-line$", count=1000)
    unknown = [m[0] for m in d.matches(d.out, ".*-line.*") if not re.fullmatch(r"(one|two) +\| .*\1-line", m[0])]
    assert unknown == []


def test_a_log_that_nobody_reads_does_not_stop_the_function(project):
    """The reader of stdout is behind: calls are answered all the same, as without bandog."""
    project.function("loud", "head -c 200000 /dev/zero | tr '\\0' x | fold -w 100 >&2; echo done\n")
    read, write = os.pipe()
    d = project.dev(popen={"stdout": write})
    os.close(write)
    with open(read, "rb") as reader:
        for line in iter(reader.readline, b""):
            if line.startswith(b"loud is ready"):
                break
        with d.connect_to(d.first_port) as c:
            assert c.call().body == b"done\n"
        drain = threading.Thread(target=reader.read)
        drain.start()
        d.stop()
        drain.join()


@pytest.mark.parametrize("changes, coloured", [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_a_terminal(project, changes, coloured):
    project.function("hello", "echo to the log >&2; echo hi\n")
    ours, theirs = os.openpty()
    d = project.dev(popen={"stdout": theirs}, **{"TERM": "xterm", **changes})
    os.close(theirs)
    said = read_until(ours, b"is ready")
    with d.connect_to(d.first_port) as c:
        c.call()
    said += read_until(ours, b"to the log")
    assert (b"\x1b[" in said) == coloured
    assert b"hello" in said
    d.stop()
    os.close(ours)


def read_until(terminal, wanted):
    data = b""
    while wanted not in data or not data.endswith(b"\n"):
        data += os.read(terminal, 65536)
    return data


def test_no_colour_elsewhere(project):
    project.function("hello")
    d = project.dev(TERM="xterm")
    d.text("hello")
    d.stop()
    assert "\x1b" not in d.out.text() + d.err.text()


# --- ports ------------------------------------------------------------------------------------------------------------


def three(project):
    for name in ("zebra", "apple", "mango"):
        project.function(name, f"echo {name}\n")


def test_ports_in_the_order_of_the_file(project):
    three(project)
    d = project.dev()
    assert [d.port(n) - d.first_port for n in ("zebra", "apple", "mango")] == [0, 1, 2]
    assert [d.text(n) for n in ("zebra", "apple", "mango")] == ["zebra\n", "apple\n", "mango\n"]


@pytest.mark.parametrize(
    "arguments, chosen",
    [
        (["apple"], ["apple"]),
        (["mango", "zebra"], ["zebra", "mango"]),
        (["--filter", "*a"], ["zebra"]),
        (["--regex", "an|pp"], ["apple", "mango"]),
    ],
)
def test_some_functions_of_a_stack(project, arguments, chosen):
    three(project)
    d = project.dev(*arguments)
    assert [d.port(n) - d.first_port for n in chosen] == list(range(len(chosen)))
    assert sorted(p.name for p in project.path("build").glob("[!.]*")) == sorted(chosen)
    assert len(d.matches(d.out, " is ready: ")) == len(chosen)


@pytest.mark.parametrize("file", ["other.yaml", "deep/stack.yml"])
def test_another_stack_file(project, file):
    """What it names is found from the working folder, wherever it lies itself. The short form of --port on the way."""
    project.function("hello")
    project.path("stack.yml").unlink()
    project.write_stack(file)
    port = free_ports(1)
    d = project.dev("-f", file, "-p", str(port), port=False)
    assert d.port("hello") == port
    assert d.text("hello", body=b"x") == "x"


def test_only_this_machine_can_call(project):
    three(project)
    d = project.dev()
    for name in ("zebra", "apple", "mango"):
        d.text(name)
    here = "0100007F:"  # as /proc/net/tcp writes 127.0.0.1
    assert set(d.listening()) >= {f"{here}{d.first_port + i:04X}" for i in range(3)}
    assert [address for address in d.listening() if not address.startswith(here)] == []


def test_port_8080(project):
    """Alone in a network of its own, where no other port is taken."""
    project.function("hello")
    up = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    need_program("ip")
    if os.system("unshare --net ip link set lo up 2>/dev/null"):
        pytest.skip("no network namespaces here")
    d = project.dev(port=False, wrapper=up)
    assert d.port("hello") == 8080


def test_a_taken_port_is_passed_over(project):
    three(project)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 8080))
            s.listen()
        except OSError:
            pass  # it is taken by somebody else, then
        d = project.dev(port=False)
        ports = [d.port(n) for n in ("zebra", "apple", "mango")]
        assert len(set(ports)) == 3 and min(ports) > 8080
        assert d.text("mango") == "mango\n"


def test_a_taken_port_that_was_asked_for(project):
    three(project)
    first = free_ports(3)
    with socket.create_server(("127.0.0.1", first + 1)):
        ended = project.dev_fails(port=first)
    assert re.search(rf"^bandog: .*\b{first + 1}\b", ended.stderr, re.M), ended
    assert "is ready" not in ended.stdout
