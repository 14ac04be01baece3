"""A socket that whoever starts fwatchdog has opened: LISTEN_FDS, sd_listen_fds(3)."""

import sys

import pytest

from harness import HERE, PATIENCE
from http_client import Connection


def passed(pid="self", count="1"):
    return [sys.executable, "-S", str(HERE / "with_listener.py"), pid, count]


def passed_port(w):
    return int(w.wait_for_log(r"^Passed port: (\d+)$").group(1))


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_serves_on_it(watchdog, mode):
    """`port` is not used; what it logs is the socket's."""
    w = watchdog("cat", mode=mode, port="1", wrapper=passed())
    port = passed_port(w)
    w.wait_for_log(rf"^Listening on port: {port}$")
    with Connection(port, timeout=PATIENCE) as c:
        assert c.call("POST", body=b"hello").body == b"hello"
        assert c.call("POST", body=b"again").body == b"again"
    w.stop()


def test_a_call_that_came_before_it(watchdog):
    """The socket listens before the program does."""
    w = watchdog("cat", wrapper=passed(), ready=False)
    with Connection(passed_port(w), timeout=PATIENCE) as c:
        assert c.call("POST", body=b"early").body == b"early"
    w.wait_until_ready()


def test_functions_do_not_see_it(watchdog):
    """Neither the variables nor the descriptor."""
    w = watchdog("sh -c 'env; ls -l /proc/self/fd'", wrapper=passed())
    with Connection(passed_port(w), timeout=PATIENCE) as c:
        body = c.call().body.decode()
    assert "LISTEN_" not in body.replace("Http_", "") and "PATH=" in body
    assert "socket:" not in body


@pytest.mark.parametrize("pid, count", [("1", "1"), ("", "1"), ("self", "0"), ("self", ""), ("self", "x"), ("-1", "1")])
def test_meant_for_somebody_else(watchdog, pid, count):
    """Then it opens its own."""
    w = watchdog("cat", wrapper=passed(pid, count))
    assert w.port != passed_port(w)
    assert w.call("POST", body=b"own").body == b"own"


@pytest.mark.parametrize(
    "count, why",
    [("2", "more than one socket was passed"), ("file", "descriptor 3 is no listening socket")],
)
def test_cannot_be_used(fwatchdog, count, why):
    ended = fwatchdog(wrapper=passed(count=count), fprocess="cat")
    assert ended.status == 1
    assert f"Error: LISTEN_FDS: {why}" in ended.messages


