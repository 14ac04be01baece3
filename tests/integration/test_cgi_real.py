"""
mode=cgi with programs that people have: Perl's CGI.pm, Python's wsgiref, php-cgi, scripts in sh and awk, C of the
nineties. They know the rules of CGI from other servers. What the mode does byte by byte is tested elsewhere.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading

import pytest

from harness import FUNCTIONS, PATIENCE, need_program
from http_client import chunked, request_bytes

CGI = FUNCTIONS / "cgi"
URLENCODED = ("Content-Type", "application/x-www-form-urlencoded")
BOUNDARY = "----formBoundary7MA4YWxkTrZu0gW"
MULTIPART = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
DATA = os.urandom(3_000_000)


def form(*parts):
    """The body of a form: (name, value) or (name, file name, type, bytes)."""
    data = b""
    for name, *value in parts:
        data += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if len(value) == 1:
            data += b"\r\n\r\n" + value[0].encode()
        else:
            data += f'; filename="{value[0]}"\r\nContent-Type: {value[1]}\r\n\r\n'.encode() + value[2]
        data += b"\r\n"
    return data + f"--{BOUNDARY}--\r\n".encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def cookies(a):
    """The pairs that a browser would send back."""
    return [value.split(";")[0] for value in a.values("Set-Cookie")]


# --- Perl -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def perl(watchdog):
    if subprocess.run([need_program("perl"), "-MCGI", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("the package libcgi-pm-perl is not installed")
    return watchdog(f"perl {CGI}/perl.pl", mode="cgi")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_perl_parameters(perl, method):
    query = "b=2&a=1&a=3&c=%E4%B8%96+x%26y&empty=&d=%3Cscript%3E"
    if method == "GET":
        a = perl.call("GET", "/params?" + query)
    else:
        a = perl.call("POST", "/params?ignored=1", fields=[URLENCODED], body=query.encode())
    assert (a.status, a.value("Content-Type")) == (200, "text/plain; charset=utf-8")
    assert a.body.decode() == "a=1|3\nb=2\nc=\u4e16 x&y\nd=<script>\nempty=\n0 words\n"


def test_perl_keywords_are_no_command_line(perl):
    """A query without `=` was once given to the program as arguments."""
    assert perl.call("GET", "/params?one+two").body == b"keywords=one|two\n0 words\n"


def test_perl_cookies(perl):
    with perl.connect() as c:
        a = c.call("GET", "/cookie")
        assert a.body == b"visit 1 of nobody\n"
        for visit in (2, 3):
            assert len(a.values("Set-Cookie")) == 2
            assert all(value.endswith("; path=/; HttpOnly") for value in a.values("Set-Cookie"))
            # in one field as browsers send them, and in one each as HTTP/2 gateways do
            jar = ["; ".join(cookies(a))] if visit == 2 else cookies(a)
            a = c.call("GET", "/cookie", fields=[("Cookie", pair) for pair in jar])
            assert a.body == f'visit {visit} of A U, Thor; "x"\n'.encode()


def test_perl_redirects(perl):
    a = perl.call("GET", "/redirect")
    assert (a.status, a.reason, a.value("Location"), a.body) == (302, "Found", "/params?a=1&b=2", b"")
    a = perl.call("POST", "/moved", fields=[URLENCODED], body=b"x=1")
    assert (a.status, a.reason, a.value("Location")) == (301, "Moved Permanently", "https://example.org/new#top")


def test_perl_status_and_head(perl):
    with perl.connect() as c:
        a = c.call("GET", "/no/such%20thing")
        assert (a.status, a.reason, a.body) == (404, "Not Found", b"nothing at /no/such thing\n")
        a = c.call("HEAD", "/params?a=1")
        assert (a.status, a.framing, a.value("Content-Type")) == (200, "none", "text/plain; charset=utf-8")
        c.assert_usable()


def test_perl_upload(perl):
    body = form(("title", "Caf\xe9"), ("file", "a.bin", "application/octet-stream", DATA),
                ("file", "empty.txt", "text/plain", b""), ("file", "b c.png", "image/png", DATA[:65_536]))  # fmt: skip
    a = perl.call("POST", "/upload", fields=[MULTIPART], body=body)
    assert a.status == 200
    assert a.body.decode().splitlines() == [
        "title=Caf\xe9",
        f"a.bin application/octet-stream {len(DATA)} {sha256(DATA)}",
        f"empty.txt text/plain 0 {sha256(b'')}",
        f"b c.png image/png 65536 {sha256(DATA[:65_536])}",
    ]


def test_perl_refuses_an_upload_unread(perl):
    """CGI.pm looks at the length, answers and exits, while the client is still sending."""
    size = 12_000_000
    with perl.connect() as c:
        c.send(request_bytes("POST", "/upload", fields=[MULTIPART, ("Content-Length", str(size))]))
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(b"x" * size,))
        sender.start()
        a = c.answer("POST")
        assert (a.status, a.reason) == (413, "Request entity too large")
        assert (a.body, a.cut) == (b"413 Request entity too large\n", False)
        sender.join(PATIENCE)
        assert not sender.is_alive()


def test_perl_knows_its_own_address(perl):
    fields = [("X-Thing", "a"), ("X-Thing", "b")]
    a = perl.call("GET", "/self?x=1", host="shop.example:8443", fields=fields)
    assert a.body.decode().splitlines() == [
        "http://shop.example:8443",
        "http://shop.example:8443/self?x=1",
        "GET",
        "127.0.0.1",
        "a, b",
    ]


# --- Python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_python_upload(watchdog, in_chunks):
    w = watchdog(f"{sys.executable} -S {CGI}/upload.py", mode="cgi")
    body = form(("name", "x"), ("one", "1.bin", "application/octet-stream", DATA), ("two", "2", "text/plain", DATA[:7]))
    with w.connect() as c:
        if in_chunks:
            c.request("POST", "/", fields=[MULTIPART, ("Transfer-Encoding", "chunked")])
            c.send(chunked(*[body[i : i + 70_000] for i in range(0, len(body), 70_000)]))
        else:
            c.request("POST", "/", fields=[MULTIPART], body=body)
        a = c.answer("POST")
        assert (a.status, a.reason, a.value("Content-Type")) == (201, "Created", "text/plain")
        assert a.body.decode().splitlines() == [
            f"length {None if in_chunks else len(body)}",
            f"name 1 {sha256(b'x')}",
            f"one {len(DATA)} {sha256(DATA)}",
            f"two 7 {sha256(DATA[:7])}",
        ]
        c.assert_usable()


@pytest.fixture
def wsgi(watchdog):
    return watchdog(f"{sys.executable} {CGI}/application.py", mode="cgi")


def test_wsgi_body_both_ways(wsgi):
    a = wsgi.call("POST", "/echo", fields=[("Content-Type", "image/png")], body=DATA)
    assert (a.status, a.value("Content-Type"), a.length) == (200, "image/png", len(DATA))
    assert a.body == DATA and not a.cut


def test_wsgi_address(wsgi):
    a = wsgi.call("PATCH", "/where?a=%20b&c")
    assert (a.status, a.body) == (200, b"PATCH http://function.test/where?a=%20b&c\n")


def test_wsgi_without_a_host(wsgi):
    a = wsgi.call("GET", "/where", version="HTTP/1.0", host=None)
    assert (a.status, a.body) == (200, f"GET http://127.0.0.1:{wsgi.port}/where\n".encode())


def test_wsgi_status_and_fields(wsgi):
    a = wsgi.call("GET", "/")
    assert (a.status, a.reason, a.body, cookies(a)) == (404, "Nothing Here", b"no\n", ["a=1", "b=2"])


def test_wsgi_exception(wsgi):
    """The handler answers; what happened is in the log."""
    a = wsgi.call("GET", "/raise")
    assert (a.status, a.reason, a.cut) == (500, "Internal Server Error", False)
    assert b"as asked" not in a.body
    wsgi.wait_for_log("stderr: ValueError: as asked")


# --- PHP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def php(watchdog, scratch):
    (scratch / "sessions").mkdir()
    page = {"SCRIPT_FILENAME": CGI / "page.php", "REDIRECT_STATUS": "200"}
    return watchdog(need_program("php-cgi"), mode="cgi", SESSIONS=scratch / "sessions", **page)


def test_php_form(php):
    a = php.call("GET", "/form?a=1&b[]=2&b[]=3", fields=[("Cookie", "x=y; z=%20")])
    assert (a.status, a.value("Content-Type")) == (200, "text/plain; charset=utf-8")
    wanted = {"get": {"a": "1", "b": ["2", "3"]}, "post": [], "cookie": {"x": "y", "z": " "}, "files": []}
    assert json.loads(a.body) == wanted
    a = php.call("POST", "/form?a=1", fields=[URLENCODED], body=b"c=%E4%B8%96&d[k]=v")
    wanted = {"get": {"a": "1"}, "post": {"c": "\u4e16", "d": {"k": "v"}}, "cookie": [], "files": []}
    assert json.loads(a.body) == wanted


def test_php_upload(php):
    data = DATA[:1_900_000]  # its own limit for a file is 2 MB
    body = form(("title", "x"), ("doc", "d.pdf", "application/pdf", data), ("pic", "p.png", "image/png", data[:10]))
    got = json.loads(php.call("POST", "/form", fields=[MULTIPART], body=body).body)
    assert got["post"] == {"title": "x"}
    files = {"doc": ["d.pdf", "application/pdf", 0, sha256(data)], "pic": ["p.png", "image/png", 0, sha256(data[:10])]}
    assert got["files"] == files


def test_php_upload_over_its_limit(php):
    """It answers at once, and reads what comes all the same before it ends."""
    size = 12_000_000
    with php.connect() as c:
        c.send(request_bytes("POST", "/gone", fields=[MULTIPART, ("Content-Length", str(size))]))
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(b"x" * size,))
        sender.start()
        a = c.answer("POST")
        assert (a.status, a.body, a.cut) == (410, b"gone", False)
        sender.join(PATIENCE)
        assert not sender.is_alive()
    php.wait_for_log("stderr: .* exceeds the limit of ")


def test_php_raw_input(php):
    fields = [("Content-Type", "application/json")]
    for data in (b"", b"{}", DATA):
        assert php.call("PUT", "/input", fields=fields, body=data).body == sha256(data).encode()


def test_php_session(php):
    a = php.call("GET", "/session")
    assert a.body == b"visit 1"
    jar = [("Cookie", "; ".join(cookies(a)))]
    for visit in (2, 3):
        a = php.call("GET", "/session", fields=jar)
        assert (a.body, a.values("Set-Cookie")) == (f"visit {visit}".encode(), [])


def test_php_server_variables(php):
    fields = [("X-Thing", "thing"), ("Authorization", "Basic dTpw")]
    lines = php.call("GET", "/server?x=%20+y", fields=fields, host="www.example:99").body.decode().splitlines()
    assert lines == [
        "REQUEST_URI=/server?x=%20+y",
        "QUERY_STRING=x=%20+y",
        "SERVER_NAME=www.example",
        "SERVER_PROTOCOL=HTTP/1.1",
        "GATEWAY_INTERFACE=CGI/1.1",
        "REMOTE_ADDR=127.0.0.1",
        "HTTP_X_THING=thing",
        "PHP_AUTH_USER=u",
        lines[-1],
    ]


def test_php_statuses(php):
    a = php.call("GET", "/redirect")
    assert (a.status, a.value("Location"), cookies(a)) == (302, "/elsewhere?x=1", ["seen=yes"])
    a = php.call("GET", "/gone")
    assert (a.status, a.reason, a.body) == (410, "Gone", b"gone")
    a = php.call("GET", "/nowhere")
    assert (a.status, a.body) == (404, b"nothing")


def test_php_uncaught_exception(php):
    """What happened is in the log."""
    assert php.call("GET", "/fatal").status == 500
    php.wait_for_log("stderr: PHP Fatal error:  Uncaught Exception: as asked")
    assert php.call("GET", "/gone").status == 410


@pytest.mark.parametrize("query", ["-s", "-i", "-d+allow_url_include%3d1+-d+auto_prepend_file%3dphp://input"])
def test_php_takes_no_options_from_the_query(php, query):
    """php-cgi reads its command line; no query may get there."""
    a = php.call("POST", f"/gone?{query}", fields=[URLENCODED], body=b"<?php echo 'taken over';")
    assert (a.status, a.body) == (410, b"gone")


def test_php_long_answer(php):
    a = php.call("GET", "/large")
    assert (a.status, len(a.body), a.cut) == (200, 3_000_000, False)
    assert a.body == b"".join(bytes([97 + i % 26]) * 10_000 for i in range(300))


# --- sh, awk and C ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(watchdog, gate):
    return watchdog(f"sh {CGI}/shell.sh", mode="cgi", **gate.env)


def test_shell(shell):
    with shell.connect() as c:
        a = c.call("GET", "/hello?name=x")
        assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain", b"Hello 127.0.0.1, name=x\n")
        assert c.call("POST", "/count", body=DATA).body.strip() == str(len(DATA)).encode()
        a = c.call("GET", "/made")
        assert (a.status, a.reason, a.value("Location"), a.body) == (201, "Quite New", "/things/1", b"made\n")
        a = c.call("GET", "/nothing")
        assert (a.status, a.reason, a.body) == (404, "Not Found", b"no /nothing\n")


def test_shell_sends_the_client_elsewhere_in_the_server(shell):
    """The client sees neither the way nor the other address."""
    a = shell.call("GET", "/old?k=v")
    assert (a.status, a.values("Location"), a.body) == (200, [], b"Hello 127.0.0.1, from=k=v\n")


def test_shell_revalidation(shell):
    with shell.connect() as c:
        tag = c.call("GET", "/page").value("ETag")
        a = c.call("GET", "/page", fields=[("If-None-Match", tag)])
        assert (a.status, a.framing, a.value("ETag"), a.values("Content-Type")) == (304, "none", tag, [])
        assert c.call("GET", "/page").body == b"<p>page</p>\n"


def test_shell_events_come_one_by_one(shell, gate):
    """None is held back until the next one, or the end."""
    with shell.connect() as c:
        c.request("GET", "/ticks", fields=[("Accept", "text/event-stream")])
        a = c.begin()
        assert (a.status, a.value("Content-Type")) == (200, "text/event-stream")
        for i in (1, 2, 3):
            c.read_until(a, b"".join(b"data: %d\n\n" % n for n in range(1, i + 1)))
            gate.open()
        assert not c.rest(a).cut


def test_c(watchdog, scratch):
    subprocess.run([need_program("cc"), "-o", scratch / "guestbook", CGI / "guestbook.c"], check=True)
    w = watchdog(scratch / "guestbook", mode="cgi")
    for a in (
        w.call("GET", "/?name=A+U+Thor&text=a%26b%3C"),
        w.call("POST", "/?not=this", fields=[URLENCODED], body=b"name=A+U+Thor&text=a%26b%3C"),
    ):
        assert (a.status, a.value("Content-Type")) == (200, "text/html")
        assert a.body.startswith(b"<LI>name=A U Thor\n<LI>text=a&b<\n<ADDRESS>127.0.0.1, bandog/")
    assert w.call("GET", "/").body.startswith(b"<ADDRESS>")


def test_awk(watchdog):
    """It reads to the end of the input, as filters do."""
    w = watchdog(f"{need_program('awk')} -f {CGI}/table.awk", mode="cgi")
    a = w.call("POST", body=b"apples 3\npears 1\napples 4\n")
    assert (a.status, a.value("X-Method"), a.body) == (200, "POST", b"apples 7\npears 1\n3 lines\n")
    assert w.call("GET").body == b"0 lines\n"
