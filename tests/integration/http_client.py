"""
A raw HTTP/1.1 client: it sends any bytes, takes answers apart strictly and says how they ended.

Nothing is repaired: an answer that is not exactly what RFC 9112 allows a server to send fails the
test that asked for it.
"""

import re
import socket
import struct
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                         r"\d{4} \d\d:\d\d:\d\d GMT")
SECONDS = re.compile(r"\d+\.\d{6}")
REASONS = {s.value: s.phrase for s in HTTPStatus} | {414: "Request URI Too Long"}  # Go's words
HOST = "function.test"


class NoAnswer(Exception):
    """The connection ended before the head of an answer was complete; `.rest` is what had come."""

    def __init__(self, rest, was_reset):
        super().__init__(f"no answer, but {rest!r}{' and a reset' if was_reset else ''}")
        self.rest = rest
        self.was_reset = was_reset


class Answer:
    def __init__(self, version, status, reason, fields):
        self.version = version
        self.status = status
        self.reason = reason
        self.fields = fields  # [(name, value)], in order
        self.interim = []  # the 1xx answers before it
        self.framing = None  # "length", "chunked", "close" or "none"; 101: "close", as it ends with the connection
        self.length = None  # of Content-Length, when there is one
        self.body = b""
        self.trailers = []
        self.cut = False  # the connection ended before the body did
        self.stream = None  # the body, in pieces as they come
        self.head_at = self.end_at = None  # time.monotonic()

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def value(self, name):
        values = self.values(name)
        assert len(values) == 1, f"{name} should be there once: {self.fields}"
        return values[0]

    def __repr__(self):
        body = self.body if len(self.body) < 300 else self.body[:300] + b"... %d bytes" % len(self.body)
        return f"<{self.version} {self.status} {self.reason} {self.fields} {body!r}{' CUT' if self.cut else ''}>"


def chunked(*pieces, trailers=()):
    """A body in chunks, one for each piece, with its end."""
    data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p)
    return data + b"0\r\n" + b"".join(t + b"\r\n" for t in trailers) + b"\r\n"


def request_bytes(method="GET", target="/", fields=(), body=None, host=HOST, version="HTTP/1.1"):
    """A request; `body` adds its Content-Length. Texts are Latin-1, so that any byte can be said."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}" if host else "Host:")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class Connection:
    def __init__(self, port, timeout, host="127.0.0.1", receive_buffer=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- sending -------------------------------------------------------------------------------

    def send(self, data):
        self.socket.sendall(data)

    def send_as_far_as_taken(self, data):
        """For peers that stop reading: what they do not want any more is no error."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def request(self, method="GET", target="/", **more):
        self.send(request_bytes(method, target, **more))

    def call(self, method="GET", target="/", **more):
        self.request(method, target, **more)
        return self.answer(method)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    # --- receiving -----------------------------------------------------------------------------

    def fill(self):
        """More bytes into the buffer; False at the end of the connection."""
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            self.was_reset = True
            return False
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise NoAnswer(self.buffer, self.was_reset)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, f"bare line end in {line!r}"
        return line.decode("latin-1")

    def field_lines(self):
        fields = []
        while line := self.line():
            name, colon, value = line.partition(":")
            assert colon and TOKEN.fullmatch(name), f"bad field line {line!r}"
            assert value == "" or value[0] == " ", f"no blank after the colon: {line!r}"
            value = value[1:]
            assert value == value.strip(" \t"), f"blanks around a value: {line!r}"
            assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value), f"control character in {line!r}"
            fields.append((name, value))
        return fields

    def begin(self, method="GET"):
        """The head of the next answer. Its body is to be read by rest(), read_until() or from `.stream`."""
        interim = []
        while True:
            status_line = self.line()
            match = re.fullmatch(r"(HTTP/1\.[01]) ([1-9]\d\d) (.*)", status_line)
            assert match, f"bad status line {status_line!r}"
            a = Answer(match[1], int(match[2]), match[3], self.field_lines())
            if a.status >= 200 or a.status == 101:
                break
            interim.append(a)
        a.interim = interim
        a.head_at = time.monotonic()

        codings, lengths = a.values("Transfer-Encoding"), a.values("Content-Length")
        assert not (codings and lengths), f"two framings: {a}"
        assert codings in ([], ["chunked"]), a
        if lengths:
            assert len(lengths) == 1 and re.fullmatch(r"0|[1-9]\d*", lengths[0]), a
            a.length = int(lengths[0])
        if method == "HEAD" or a.status in (204, 304):
            a.framing = "none"
        elif codings:
            assert a.version == "HTTP/1.1", f"chunked to an HTTP/1.0 client: {a}"
            a.framing = "chunked"
        else:
            a.framing = "close" if a.length is None else "length"
        a.stream = self.pieces(a)
        return a

    def pieces(self, a):
        if a.framing == "length":
            yield from self.take(a, a.length)
        elif a.framing == "close":
            while self.buffer or self.fill():
                piece, self.buffer = self.buffer, b""
                yield piece
            a.cut = self.was_reset
        elif a.framing == "chunked":
            yield from self.chunks(a)
        a.end_at = time.monotonic()

    def take(self, a, n):
        while n:
            if not self.buffer and not self.fill():
                a.cut = True
                return
            piece, self.buffer = self.buffer[:n], self.buffer[n:]
            n -= len(piece)
            yield piece

    def chunks(self, a):
        try:
            while True:
                size = self.line()
                assert re.fullmatch(r"[0-9a-fA-F]{1,16}", size), f"bad chunk size {size!r}"
                if int(size, 16) == 0:
                    a.trailers = self.field_lines()
                    return
                yield from self.take(a, int(size, 16))
                if a.cut:
                    return
                assert self.line() == "", "no line end after a chunk"
        except NoAnswer:
            a.cut = True

    def answer(self, method="GET"):
        """The next answer, whole."""
        return self.rest(self.begin(method))

    def rest(self, a):
        """Reads what is left of the body of `a`."""
        a.body += b"".join(a.stream)
        return a

    def read_until(self, a, wanted):
        """Reads the body of `a` up to `wanted`, without waiting for more."""
        while len(a.body) < len(wanted):
            a.body += next(a.stream, b"") or b"(the end)"
        assert a.body == wanted

    def exactly(self, n):
        """The next n bytes, whatever they are."""
        while len(self.buffer) < n:
            if not self.fill():
                raise NoAnswer(self.buffer, self.was_reset)
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def raw_until_close(self):
        """Every byte up to the end of the connection."""
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def assert_closed(self):
        """The peer ends the connection now, orderly and without another byte."""
        assert self.raw_until_close() == b""
        assert not self.was_reset, "reset instead of an orderly end"

    def assert_usable(self, method="GET", target="/_/health"):
        """The connection was kept and is in step."""
        assert self.buffer == b""
        assert self.call(method, target).status == 200


def assert_answer(a, status, body=b"", fields=None, framing="length", reason=None, date=True, interim=0):
    """
    The whole answer: status, reason, body, framing and every field; nothing else may be there.
    `fields` maps names as they leave on the wire to a value or a compiled expression.
    """
    assert (a.status, a.reason) == (status, reason or REASONS[status]), a
    if isinstance(body, re.Pattern):
        assert body.fullmatch(a.body), a
    else:
        assert a.body == body, a
    assert not a.cut and not a.trailers and len(a.interim) == interim, a
    assert a.framing in ([framing] if isinstance(framing, str) else framing), a

    names = [n for n, _ in a.fields]
    assert len(names) == len(set(names)), f"repeated field: {a}"
    got = dict(a.fields)
    got.pop("Content-Length", None)
    got.pop("Transfer-Encoding", None)
    if date or "Date" in got:
        value = got.pop("Date", "")
        assert IMF_FIXDATE.fullmatch(value), f"bad Date: {a}"
        assert abs(parsedate_to_datetime(value).timestamp() - time.time()) < 120, a
    wanted = fields or {}
    assert set(got) == set(wanted), a
    for name, value in wanted.items():
        if isinstance(value, re.Pattern):
            assert value.fullmatch(got[name]), f"{name}: {a}"
        else:
            assert got[name] == value, f"{name}: {a}"


def assert_refusal(a, status, detail="", body=None):
    """
    A request that was not understood: the text in the status line and as the body, then the end.
    `detail` None: there may be any.
    """
    reason = a.reason if detail is None else REASONS[status] + detail
    assert reason.startswith(REASONS[status]), a
    assert_answer(
        a,
        status,
        body if body is not None else f"{status} {reason}".encode(),
        {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"},
        framing=("length", "close"),
        reason=reason,
        date=False,
    )


def assert_failure(a, status, *words):
    """An answer of the watchdog's own about its function: one sentence, with all these words in it."""
    assert (a.status, a.reason, a.cut, a.trailers) == (status, REASONS[status], False, []), a
    names = sorted(n for n, _ in a.fields if n not in ("Connection", "Content-Length", "Transfer-Encoding"))
    assert names == ["Content-Type", "Date", "X-Duration-Seconds", "X-Openfaas-Internal"], a
    assert a.value("Content-Type") in ("text/plain", "text/plain; charset=utf-8"), a
    assert SECONDS.fullmatch(a.value("X-Duration-Seconds")), a
    assert a.value("X-Openfaas-Internal") == "of-watchdog", a
    text = a.body.decode()
    assert re.fullmatch(r"[^\x00-\x1f]{3,}\n?", text), a
    for word in words:
        assert word in text, f"{word!r} is not named in {text!r}"
