"""
mode=http against a function that closes each link after ten answers, at the worst moment: right behind
the tenth, when the next call may be on its way already. Ten thousand calls, and no client sees an error.
"""

import threading

import pytest

from harness import PATIENCE
from http_client import request_bytes

CALLS = 10_000
CLIENTS = 8
PER_LINK = 10
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
END = b"#end"


def recycle(link):
    """Answers with the end of each request. Lean, as it runs next to ten thousand calls."""
    s = link.socket
    for _ in range(PER_LINK):
        data = b""
        while not data.endswith(END):
            piece = s.recv(65536)
            if not piece:
                return
            data += piece
        answer = data[data.rindex(b"@") :]
        s.sendall(ANSWER % (len(answer), answer))


def requests(name):
    """Of several methods; every body names its call, so that no answer can be somebody else's."""
    for i in range(CALLS // CLIENTS):
        body = b"@%d.%d%s" % (name, i, END)
        yield request_bytes(("GET", "POST", "PUT")[i % 3], f"/{i}", body=body), body


def client(w, name, errors):
    with w.connect() as c:
        try:
            for raw, wanted in requests(name):
                c.send(raw)
                while not c.buffer.endswith(END):
                    assert c.fill(), f"the connection ended after {c.buffer!r}"
                got, c.buffer = c.buffer, b""
                assert got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\n" + wanted), got
        except (AssertionError, OSError) as error:
            errors.append(error)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_client_sees_a_link_end(proxied, upstream, workers):
    upstream.serve(recycle)
    w = proxied(workers=workers)
    errors = []
    clients = [threading.Thread(target=client, args=(w, name, errors)) for name in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(6 * PATIENCE)
    assert errors == []
    assert len(upstream.links) >= CALLS // PER_LINK
