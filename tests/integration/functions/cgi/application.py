"""A WSGI application (as those of Flask and Django are) as a CGI program, with the standard library's inspector."""

from wsgiref.handlers import CGIHandler
from wsgiref.util import request_uri
from wsgiref.validate import validator


def application(environ, start_response):
    path = environ["PATH_INFO"]
    plain = [("Content-Type", "text/plain; charset=utf-8")]
    if path == "/echo":
        length = int(environ.get("CONTENT_LENGTH") or 0)
        start_response("200 OK", [("Content-Type", environ["CONTENT_TYPE"]), ("Content-Length", str(length))])
        return pieces(environ["wsgi.input"], length)
    if path == "/where":
        start_response("200 OK", plain)
        return [f"{environ['REQUEST_METHOD']} {request_uri(environ)}\n".encode("latin-1")]
    if path == "/raise":
        raise ValueError("as asked")
    start_response("404 Nothing Here", plain + [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"no\n"]


def pieces(stream, left):
    while left > 0:
        piece = stream.read(min(left, 65536))
        left -= len(piece)
        yield piece


CGIHandler().run(validator(application))
