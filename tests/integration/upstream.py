"""
The function's side of mode=http, in the hands of a test: a server of raw sockets that records every
byte, does exactly what it is told and repairs nothing.

Three ways to tell it, and they mix:

    link = upstream.link()            the test itself plays the server on the next link
    upstream.script(read_request, b"HTTP/1.1 200 OK\\r\\n", reset)    steps for the next link, once
    upstream.serve(handler)           handler(link) for every other link, each in a thread of its own

A link is a connection that has said something. Those that are opened and closed without a byte (who
wants to know whether somebody listens does that) are counted, not handed out.
"""

import queue
import re
import selectors
import socket
import struct
import threading

from call_ids import split_made_id
from harness import PATIENCE
from http_client import TOKEN, chunked

RST = struct.pack("ii", 1, 0)


class LinkEnded(Exception):
    """The other side has ended the link while more of it was wanted; `.rest` had come by then."""

    def __init__(self, rest, was_reset):
        super().__init__(f"the link was {'reset' if was_reset else 'ended'} after {rest!r}")
        self.rest = rest
        self.was_reset = was_reset


def answer_bytes(body=b"ok", status="200 OK", fields=(("Content-Type", "text/plain"),), length=True, version="1.1"):
    """An answer. `length` False: no framing, so the end of the link ends it."""
    lines = [f"HTTP/{version} {status}", *(f"{name}: {value}" for name, value in fields)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


class Request:
    """What came, taken apart as strictly as RFC 9112 allows."""

    def __init__(self, head):
        head, self.made_id = split_made_id(head)  # an X-Call-Id of the watchdog's own making is kept apart
        self.head = head  # with the empty line at its end
        self.body = b""  # without chunking
        self.trailers = []
        text = head[:-4].decode("latin-1")
        line, *fields = text.split("\r\n")
        assert not re.search(r"[\r\n]", text.replace("\r\n", "")), f"bare line end in {head!r}"
        match = re.fullmatch(r"([^ ]+) ([^ ]+) (HTTP/1\.[01])", line)
        assert match, f"bad request line {line!r}"
        self.method, self.target, self.version = match.groups()
        self.fields = [self.field(f) for f in fields]
        codings, lengths = self.values("Transfer-Encoding"), self.values("Content-Length")
        assert (codings, len(lengths)) in (([], 0), ([], 1), (["chunked"], 0)), f"framing: {head!r}"
        self.chunked = bool(codings)
        self.length = int(lengths[0]) if lengths else 0

    @staticmethod
    def field(line):
        name, colon, value = line.partition(":")
        assert colon and TOKEN.fullmatch(name), f"bad field line {line!r}"
        return name, value.strip(" \t")

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def __repr__(self):
        return f"<{self.head!r} and {len(self.body)} bytes>"


class Link:
    """One connection of the watchdog's, from the server's end."""

    def __init__(self, sock, number):
        self.socket = sock
        self.number = number  # in the order of their first bytes
        self.received = bytearray()  # every byte that was read, ever
        self.at = 0  # those before it were taken
        self.was_reset = False
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- reading -------------------------------------------------------------------------------

    def fill(self):
        """More bytes; False at the end of the link."""
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            self.was_reset = True
            return False
        self.received += data
        return bool(data)

    def need(self):
        if not self.fill():
            raise LinkEnded(bytes(self.received[self.at :]), self.was_reset)

    def exactly(self, n):
        while len(self.received) < self.at + n:
            self.need()
        self.at += n
        return bytes(self.received[self.at - n : self.at])

    def through(self, end):
        """Everything up to `end`, and it."""
        seen = self.at
        while (found := self.received.find(end, max(self.at, seen - len(end)))) < 0:
            seen = len(self.received)
            self.need()
        return self.exactly(found + len(end) - self.at)

    def head(self):
        return Request(self.through(b"\r\n\r\n"))

    def chunk(self):
        """The next chunk; b"" is the last one, whose trailers are left for chunk_end()."""
        size = self.through(b"\r\n")[:-2]
        assert re.fullmatch(rb"[0-9a-fA-F]{1,16}", size), f"bad chunk size {size!r}"
        data = self.exactly(int(size, 16))
        if data:
            assert self.exactly(2) == b"\r\n", "no line end after a chunk"
        return data

    def chunk_end(self):
        """The trailers."""
        trailers = []
        while (line := self.through(b"\r\n")[:-2]) != b"":
            trailers.append(Request.field(line.decode("latin-1")))
        return trailers

    def body(self, request):
        """The body that belongs to a head."""
        if request.chunked:
            request.body = b"".join(iter(self.chunk, b""))
            request.trailers = self.chunk_end()
        else:
            request.body = self.exactly(request.length)
        return request.body

    def request(self):
        r = self.head()
        self.body(r)
        return r

    def rest(self):
        """Every byte up to the end of the link."""
        while self.fill():
            pass
        data = bytes(self.received[self.at :])
        self.at = len(self.received)
        return data

    def assert_ended(self):
        """The other side ends the link without another byte."""
        assert self.rest() == b""

    # --- writing -------------------------------------------------------------------------------

    def send(self, *pieces):
        self.socket.sendall(b"".join(pieces))

    def send_as_far_as_taken(self, data):
        """For links that may be ended meanwhile."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self, body=b"ok", **more):
        self.send(answer_bytes(body, **more))

    def send_chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def send_last_chunk(self, *trailers):
        self.send(chunked(trailers=trailers))

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """RST instead of FIN; on a unix socket there is only one way to end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self.socket.close()


# Steps of a script. Bytes are a step too: they are sent.


def read_head(link):
    link.head()


def read_request(link):
    link.request()


def answer_ok(link):
    link.answer()


def half_close(link):
    link.half_close()


def close(link):
    link.close()


def reset(link):
    link.reset()


def wait_for(event):
    def step(_):
        assert event.wait(PATIENCE), "the event of a script did not come"

    return step


def always(**answer):
    """A handler that gives every request the same answer."""

    def handler(link):
        while True:
            request = link.request()
            data = answer_bytes(**answer)
            link.send(data.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else data)

    return handler


def echo(link):
    """A handler that answers each request with its body."""
    while True:
        link.answer(link.request().body)


class Upstream:
    """
    A listening server. Upstream() is on 127.0.0.1, Upstream(host="::1") on IPv6, Upstream(path=...) on
    a unix socket. With port= it can stop_listening() and listen() again, at the same place.
    """

    def __init__(self, host="127.0.0.1", port=0, path=None, listening=True):
        self.host = host
        self.port = port
        self.path = path
        self.links = []  # all that have said something
        self.opened = 0  # connections, silent ones included
        self.errors = []
        self.waiting = queue.SimpleQueue()
        self.scripts = queue.SimpleQueue()
        self.handler = None
        self.changed = threading.Condition()
        self.threads = []
        self.orders = queue.SimpleQueue()
        self.bell, self.doorbell = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.doorbell, selectors.EVENT_READ, self.on_order)
        self.listener = None
        self.over = False
        self.doorman = threading.Thread(target=self.mind_the_door, daemon=True)
        self.doorman.start()
        if listening:
            self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def authority(self):
        if self.path:
            return None
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"http+unix://{self.path}" if self.path else f"http://{self.authority}"

    # --- what tests say ------------------------------------------------------------------------

    def link(self, timeout=PATIENCE):
        """The next link that neither a script nor a handler has taken."""
        try:
            return self.waiting.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no link in {timeout} s; {self.opened} were opened") from self.first_error()

    def no_link(self):
        """True while nobody has said anything that the test has not taken."""
        return self.waiting.empty()

    def script(self, *steps):
        """
        What is done on the next link that says something. After the last step it stays open, and when
        something comes over it again it is the next link.
        """
        self.scripts.put(steps)

    def serve(self, handler):
        """What all links without a script do. When the handler returns the link is closed."""
        self.handler = handler

    def wait_opened(self, n):
        """Until n connections have been accepted, silent ones included."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.opened >= n, PATIENCE), f"{self.opened} of {n} were opened"

    def listen(self):
        """In the caller's thread, so that `port` is known and connections are taken when it returns."""
        if self.path:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.bind(str(self.path))
        else:
            s = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((self.host, self.port))
            self.port = s.getsockname()[1]
        s.listen(512)
        s.setblocking(False)
        self.order(lambda: self.begin_listening(s))

    def stop_listening(self):
        """From now on connections are refused; links stay."""
        self.order(self.end_listening)

    def die(self):
        """Like the end of a server's process: nobody listens, and every link is ended."""
        self.stop_listening()
        for link in list(self.links):
            self.hang_up(link)

    def close(self):
        """Ends everything. The first error of a script or handler is raised here."""
        if self.over:
            return
        self.over = True
        self.order(self.end)
        self.doorman.join(PATIENCE)
        for link in self.links:
            self.hang_up(link)
        for thread in self.threads:
            thread.join(PATIENCE)
        for link in self.links:
            link.close()
        self.bell.close()
        self.doorbell.close()
        self.selector.close()
        if self.errors:
            raise self.errors[0]

    def first_error(self):
        return self.errors[0] if self.errors else None

    @staticmethod
    def hang_up(link):
        try:
            link.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # closed already

    # --- the thread that accepts ---------------------------------------------------------------

    def order(self, work):
        """Has the doorman do it, and waits until it is done."""
        if threading.current_thread() is self.doorman:
            work()
            return
        done = threading.Event()
        self.orders.put((work, done))
        self.bell.send(b"!")
        while not done.wait(0.1):
            if not self.doorman.is_alive():
                return

    def on_order(self, _):
        self.doorbell.recv(1)
        work, done = self.orders.get()
        work()
        done.set()

    def mind_the_door(self):
        while self.selector.get_map():
            for key, _ in self.selector.select():
                if key.fileobj.fileno() >= 0:  # else one of those before it has closed it
                    key.data(key.fileobj)

    def begin_listening(self, s):
        self.listener = s
        self.selector.register(s, selectors.EVENT_READ, self.on_connection)

    def end_listening(self):
        if self.listener:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None
            if self.path:
                self.path.unlink()

    def end(self):
        self.end_listening()
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            if key.fileobj is not self.doorbell:
                key.fileobj.close()  # it belongs to no thread

    def on_connection(self, listener):
        try:
            s, _ = listener.accept()
        except OSError:
            return  # it has gone again
        s.setblocking(False)
        self.selector.register(s, selectors.EVENT_READ, self.on_first_byte)
        with self.changed:
            self.opened += 1
            self.changed.notify_all()

    def on_first_byte(self, s):
        try:
            said = s.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        self.selector.unregister(s)
        if not said:
            s.close()
            return
        link = Link(s, len(self.links))
        self.links.append(link)
        self.hand_out(link)

    def hand_out(self, link):
        """To whom it may concern."""
        if not self.scripts.empty():
            self.in_thread(link, self.follow, self.scripts.get())
        elif self.handler:
            self.in_thread(link, self.handler)
        else:
            self.waiting.put(link)

    def when_used_again(self, link):
        """Hands the link out once more when the next bytes come."""

        def on_bytes(_):
            self.selector.unregister(link.socket)
            if link.fill():
                self.hand_out(link)
            else:
                link.close()

        def watch():
            if link.at < len(link.received):
                self.hand_out(link)
            elif link.socket.fileno() >= 0 and not self.over:
                self.selector.register(link.socket, selectors.EVENT_READ, on_bytes)

        self.order(watch)

    def in_thread(self, link, work, *arguments):
        thread = threading.Thread(target=self.run, args=(link, work, *arguments), daemon=True)
        self.threads.append(thread)
        thread.start()

    def run(self, link, work, *arguments):
        try:
            work(link, *arguments)
        except (LinkEnded, ConnectionError):
            link.close()
        except OSError as error:
            if link.socket.fileno() >= 0 and not self.over:
                self.errors.append(error)
            link.close()
        except Exception as error:  # noqa: BLE001 - handed to the test's own thread
            self.errors.append(error)
            link.close()
        else:
            if work != self.follow:
                link.close()

    def follow(self, link, steps):
        for step in steps:
            if callable(step):
                step(link)
            else:
                link.send(step)
        if link.socket.fileno() >= 0:
            self.when_used_again(link)
