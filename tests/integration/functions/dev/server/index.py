"""
An HTTP server that starts at once. function/handler.py has answer(target, body): bytes, or pieces of them that leave one by
one. Bodies need a Content-Length.
"""

import os
import socket
import sys
import threading

sys.path.insert(0, "function")
import handler


def request(stream):
    """Target and body of the next request, None at the end of the connection."""
    line = stream.readline()
    if not line:
        return None
    length = 0
    while (field := stream.readline()) != b"\r\n":
        name, value = field.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    return line.split()[1].decode(), stream.read(length)


def reply(connection, answer):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    if isinstance(answer, bytes):
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
        return
    connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in answer:
        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.sendall(b"0\r\n\r\n")


def serve(connection):
    with connection, connection.makefile("rb") as stream:
        while call := request(stream):
            reply(connection, handler.answer(*call))


def listen(url):
    """http+unix:///path or http://HOST:PORT"""
    if not url.startswith("http+unix://"):
        host, port = url.removeprefix("http://").split(":")
        return socket.create_server((host, int(port)))
    path = url.removeprefix("http+unix://")
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    return listener


with listen(os.environ["upstream_url"]) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
