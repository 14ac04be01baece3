"""
Serves function/handler.py over HTTP, a thread for each connection.

Where to listen is read from upstream_url, as fwatchdog does. fwatchdog is the only client: it has checked the
requests, limits their size and their time, and decides how long a connection is kept.
"""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from http import HTTPStatus
from http.client import HTTPMessage, responses
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from function.handler import handle


class Query(dict):
    """The first value of each name; getlist() gives all of them."""

    def __init__(self, text):
        self.lists = parse_qs(text, keep_blank_values=True)
        super().__init__((name, values[0]) for name, values in self.lists.items())

    def getlist(self, name):
        return self.lists.get(name, [])


class Headers(HTTPMessage):
    """Names in any case. The first value of each; getlist() gives all of them."""

    def getlist(self, name):
        return self.get_all(name, [])


class NotJson(ValueError):
    """The caller's fault, where the handler does not catch it."""


class Event:
    def __init__(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path)
        self.query = Query(query)
        self.headers = headers
        self.body = body

    def json(self):
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise NotJson(f"The request body is not JSON: {error}") from error


class Context:
    hostname = socket.gethostname()

    def __init__(self, headers):
        self.call_id = headers.get("X-Call-Id")


# --- what the handler returns -----------------------------------------------------------------------------------------

FRAMING = {"connection", "content-length", "transfer-encoding"}  # is decided here
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


def encode_body(value):
    """The bytes, and the Content-Type they have unless the handler says another."""
    if value is None:
        return b"", None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), None
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    return json.dumps(value, allow_nan=False).encode(), "application/json"


def field_lines(headers):
    """headers: a mapping, or pairs. A list as a value stands for several fields."""
    for name, values in headers.items() if hasattr(headers, "items") else headers:
        if not TOKEN.fullmatch(name):
            raise ValueError(f"not a header's name: {name!r}")
        for value in values if isinstance(values, (list, tuple)) else [values]:
            if re.search(r"[\r\n\0]", str(value)):
                raise ValueError(f"not a value of the header {name}: {value!r}")
            if name.lower() not in FRAMING:
                yield f"{name}: {value}"


def is_answer(value):
    """Or a message that just happens to have a body: that becomes JSON."""
    return isinstance(value, dict) and ("statusCode" in value or {"body"} <= value.keys() <= {"body", "headers"})


def encode_answer(value, method):
    if not is_answer(value):
        value = {"body": value}
    status = value.get("statusCode", HTTPStatus.OK)
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"not a status: {status!r}")
    body, content_type = encode_body(value.get("body"))
    lines = list(field_lines(value.get("headers") or {}))
    if content_type and not any(line.lower().startswith("content-type:") for line in lines):
        lines.append(f"Content-Type: {content_type}")
    if status not in NO_BODY:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"HTTP/1.1 {int(status)} {responses.get(status, '')}", *lines, "", ""])
    return head.encode("latin-1") + (b"" if status in NO_BODY or method == "HEAD" else body)


def failure(status, text):
    return {"statusCode": status, "body": f"{text}\n", "headers": {"Content-Type": "text/plain"}}


def answer(event, context):
    """The whole answer as bytes, whatever the handler does."""
    try:
        return encode_answer(handle(event, context), event.method)
    except NotJson as error:
        return encode_answer(failure(HTTPStatus.BAD_REQUEST, error), event.method)
    except (Exception, SystemExit):
        sys.stderr.write(traceback.format_exc())  # at once: other threads write, too
        return encode_answer(failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error"), event.method)


# --- connections ------------------------------------------------------------------------------------------------------


class Calls:
    """How many are under way, and whether more may come."""

    def __init__(self):
        self.changed = threading.Condition()
        self.count = 0
        self.stopping = False

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *_):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait_for_the_last(self):
        with self.changed:
            self.changed.wait_for(lambda: self.count == 0)


calls = Calls()


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    MessageClass = Headers

    def handle_one_request(self):
        """Without do_GET and the like: any method is the handler's."""
        self.raw_requestline = self.rfile.readline()
        self.close_connection = True
        if not self.raw_requestline:
            return
        with calls:
            if self.parse_request():
                event = Event(self.command, self.path, self.headers, self.read_body())
                self.wfile.write(answer(event, Context(self.headers)))
                self.close_connection |= calls.stopping

    def read_body(self):
        if "Transfer-Encoding" in self.headers:
            return b"".join(self.chunks())
        return self.read_exactly(int(self.headers.get("Content-Length", 0)))

    def chunks(self):
        while size := int(self.read_line().partition(b";")[0], 16):
            yield self.read_exactly(size)
            self.read_line()
        while self.read_line().strip():
            pass  # trailers

    def read_exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionAbortedError("the request ended early")
        return data

    def read_line(self):
        line = self.rfile.readline()
        if not line:
            raise ConnectionAbortedError("the request ended early")
        return line

    def log_message(self, *_):
        """The watchdog logs the calls."""


def converse(connection):
    with connection, contextlib.suppress(ConnectionError):
        Connection(connection, None, None)


# --- life -------------------------------------------------------------------------------------------------------------


def listen(url):
    """The listening socket for http://HOST:PORT or http+unix:///PATH."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme == "http+unix" and not parts.netloc and len(path) > 1:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of an earlier run
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(socket.SOMAXCONN)
        return listener
    if parts.scheme == "http" and parts.hostname:
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return socket.create_server((parts.hostname, parts.port or 80), family=family, backlog=socket.SOMAXCONN)
    raise ValueError("not http://HOST:PORT or http+unix:///PATH")


def accept(listener):
    """Until the listener is shut down."""
    while not calls.stopping:
        try:
            connection, _ = listener.accept()
            threading.Thread(target=converse, args=[connection], daemon=True).start()
        except (OSError, RuntimeError) as error:
            if not calls.stopping:
                print(f"index.py: cannot take a connection: {error}", file=sys.stderr)
                time.sleep(0.1)  # no descriptors, no threads: some will be free soon


def main():
    sys.stdout.reconfigure(line_buffering=True)  # a log, although it is a pipe
    url = os.environ.get("upstream_url", "")
    try:
        listener = listen(url)
    except (OSError, ValueError) as error:
        sys.exit(f"index.py: cannot listen at upstream_url={url!r}: {error}")

    def stop(*_):
        calls.stopping = True
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    accept(listener)
    if listener.family == socket.AF_UNIX:
        os.unlink(listener.getsockname())
    calls.wait_for_the_last()


if __name__ == "__main__":
    main()
