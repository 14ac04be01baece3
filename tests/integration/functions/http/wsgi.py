"""
A function that is a WSGI application in the standard library's server, as bare as that is: HTTP/1.0, one
connection at a time, and blind to chunks, so a body has to have its Content-Length.

    python3 wsgi.py PORT
"""

import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

PATTERN = bytes(range(251)) * 256
links = 0


def read(stream, left):
    while left > 0:
        piece = stream.read(min(left, 1 << 18))
        if not piece:
            raise EOFError("the body is short")
        left -= len(piece)
        yield piece


def pattern(left):
    while left > 0:
        yield PATTERN[:left]
        left -= len(PATTERN)


def application(environ, start_response):
    def start(status, length=None):
        fields = [("Content-Type", "text/plain")]
        if length is not None:
            fields.append(("Content-Length", str(length)))
        start_response(status, fields)

    def text(body, status="200 OK"):
        start(status, len(body))
        return [body.encode()]

    name, _, value = environ["PATH_INFO"].lstrip("/").partition("/")
    length = environ.get("CONTENT_LENGTH")
    if environ["REQUEST_METHOD"] == "POST" and not length:
        return text("how long is it?", "411 Length Required")
    match name:
        case "hello":
            return text("hello")
        case "echo":
            start("200 OK", length)
            return read(environ["wsgi.input"], int(length))
        case "bytes":
            start("200 OK")  # until the end of the connection
            return pattern(int(value))
        case "status":
            return text(value, f"{value} As You Like")
        case "link":
            return text(str(links))
        case "break":
            start("200 OK", 100)
            return ["the beginning".encode()]
    return text("nothing here", "404 Not Found")


class Handler(WSGIRequestHandler):
    def setup(self):
        global links
        links += 1
        super().setup()

    def log_message(self, *_):
        pass


WSGIServer.request_queue_size = 128
make_server("127.0.0.1", int(sys.argv[1]), application, handler_class=Handler).serve_forever()
