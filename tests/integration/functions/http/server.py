"""
A function in Python's http.server: HTTP/1.1 with connections that are kept, but one at a time. Whoever
comes second is not heard before the first one leaves. Blind to chunks, too.

    python3 server.py PORT
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PATTERN = bytes(range(251)) * 256


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    links = 0

    def setup(self):
        Handler.links += 1
        super().setup()

    def log_message(self, *_):
        pass

    def head(self, status, length):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def text(self, body, status=200):
        self.head(status, len(body))
        self.wfile.write(body.encode())

    def do_GET(self):
        name, _, value = self.path.partition("?")[0].lstrip("/").partition("/")
        match name:
            case "hello":
                self.text("hello")
            case "bytes":
                left = int(value)
                self.head(200, left)
                while left > 0:
                    self.wfile.write(PATTERN[:left])
                    left -= len(PATTERN)
            case "status":
                self.text(value, int(value))
            case "link":
                self.text(str(self.links))
            case "hang-up":
                self.close_connection = True
            case "break":
                self.head(200, 100)
                self.wfile.write(b"the beginning")
                self.close_connection = True
            case _:
                self.text("nothing here", 404)

    def do_POST(self):
        if "Content-Length" not in self.headers:
            self.close_connection = True  # nobody knows where the next request begins
            self.text("how long is it?", 411)
            return
        left = int(self.headers["Content-Length"])
        self.head(200, left)
        while left > 0:
            piece = self.rfile.read(min(left, 1 << 18))
            self.wfile.write(piece)
            left -= len(piece)


class Server(HTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
