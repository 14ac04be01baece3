"""Functions whose calls hold their places under max_inflight, and the line of calls that wait for one."""

import select
import socket

from cgi_program import shell
from harness import eventually, free_port
from http_client import request_bytes
from test_metrics import rows
from upstream import answer_bytes

# Says which call it is, and answers when it may.
HOLD = 'echo "${Http_Path-$PATH_INFO}" >"$STARTED"; read -r _ <"$GATE"; '
HEADS = {"cgi": 'printf "Content-Type: text/plain\\n\\n"; '}
FORKING = ["classic", "streaming", "serializing", "cgi"]
ENDING = [("Content-Type", "text/plain"), ("Connection", "close")]


class Line:
    """A watchdog with max_inflight, and those that wait there."""

    def __init__(self, watchdog, *arguments, **settings):
        self.w = watchdog(*arguments, metrics_port=free_port(), **settings)
        self.w.wait_for_log("^Metrics listening on port: ")

    def depth(self):
        return int(rows(self.w)["bandog_queue_depth"])

    def wait_depth(self, n):
        eventually(lambda: self.depth() == n, f"{n} calls wait")

    def join(self, method="GET", target="/", c=None, raw=None, **request):
        """A call that has come to the end of the line: its connection."""
        before = self.depth()
        c = c or self.w.connect()
        c.send(raw or request_bytes(method, target, **request))
        self.wait_depth(before + 1)
        return c


class Forked:
    """Processes that wait, in one of the forking modes."""

    def __init__(self, watchdog, gate, mode):
        self.watchdog = watchdog
        self.gate = gate
        self.mode = mode

    def start(self, **settings):
        command = shell(HOLD + HEADS.get(self.mode, "") + "printf done")
        return Line(self.watchdog, command, mode=self.mode, **{"max_inflight": "1", **self.gate.env, **settings})

    def started(self):
        """The path of the next call that runs."""
        return self.gate.word()

    def nothing_started(self):
        return self.gate.nothing_started()

    def release(self, n=1):
        self.gate.open(n)

    def forget(self, n):
        """The first n of those that run have been ended by the watchdog."""


class Served:
    """The same with mode=http: the test itself is the function."""

    mode = "http"

    def __init__(self, proxied, upstream):
        self.proxied = proxied
        self.upstream = upstream
        self.running = []

    def start(self, **settings):
        return Line(self.proxied, **{"max_inflight": "1", **settings})

    def started(self):
        link = self.upstream.link()
        self.running.append(link)
        return link.request().target

    def nothing_started(self):
        return self.upstream.no_link()

    def release(self, n=1):
        """Each with a link of its own, so that the next call has one, too."""
        for _ in range(n):
            link = self.running.pop(0)
            link.send(answer_bytes(b"done", fields=ENDING))
            link.close()

    def forget(self, n):
        for _ in range(n):
            self.running.pop(0).close()


def sockets(w):
    """How many a watchdog has, those that listen included."""
    return w.descriptors().count("socket:[N]")


def is_silent(c, seconds=0.3):
    """Nothing comes over a connection, not even its end, for a while."""
    return not c.buffer and not select.select([c.socket], [], [], seconds)[0]


def send_until_held_back(c, data):
    """As much as the sockets on the way take while nobody reads: how many bytes."""
    sent = 0
    while sent < len(data) and select.select([], [c.socket], [], 0.3)[1]:
        sent += c.socket.send(data[sent : sent + 200_000], socket.MSG_DONTWAIT)
    return sent


def assert_places(function, line, n):
    """n calls run at the same time, the next one waits: no place is lost, and there is none too many."""
    line.wait_depth(0)
    connections = [line.w.connect() for _ in range(n)]
    for i, c in enumerate(connections):
        c.request("GET", f"/place/{i}")
    assert {function.started() for _ in range(n)} == {f"/place/{i}" for i in range(n)}
    connections.append(line.join("GET", "/more"))
    assert function.nothing_started()
    function.release()
    assert function.started() == "/more"
    function.release(n)
    for c in connections:
        a = c.answer()
        assert (a.status, a.body) == (200, b"done")
        c.close()
    line.wait_depth(0)
