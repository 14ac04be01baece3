"""mode=static as curl sees it, with what it does on its own: resuming, decoding, asking for news only."""

import email
import gzip
import os
import re
import subprocess

import pytest

from harness import PATIENCE, need_program
from http_client import HOST
from static_site import THEN, http_date, set_time
from test_big_bodies import expected

SIZE = 5_000_000
BROTLI_OF_HELLO = b"\x0b\x02\x80hello\x03"


class Curl:
    def __init__(self, w, folder):
        self.program = need_program("curl")
        self.folder = folder
        self.base = f"http://127.0.0.1:{w.port}"

    def run(self, *arguments, status=0):
        """Its output; $URL in an argument is where the watchdog listens."""
        done = subprocess.run(
            [self.program, "-sS", *(a.replace("$URL", self.base) for a in arguments)],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == status, done
        return done.stdout

    def features(self):
        return re.search(r"^Features: (.*)$", self.run("-V").decode(), re.M).group(1).split()


@pytest.fixture
def curl(site, scratch):
    site.write("big.bin", expected(0, SIZE))
    site.write("digits.txt", b"0123456789")
    site.write("dir/index.html", b"<p>index</p>")
    (scratch / "here").mkdir()
    return Curl(site.start(static_cache_control="public, max-age=60"), scratch / "here")


def test_download(curl):
    curl.run("-O", "$URL/big.bin")
    assert (curl.folder / "big.bin").read_bytes() == expected(0, SIZE)


def test_download_by_http_1_0(curl):
    assert curl.run("-0", "$URL/big.bin") == expected(0, SIZE)


@pytest.mark.parametrize("have", [0, 1, 1_234_567, SIZE - 1])
def test_resume(curl, have):
    path = curl.folder / "part"
    path.write_bytes(expected(0, have))
    got = curl.run("-C", "-", "-o", "part", "-w", "%{http_code} %{size_download}", "$URL/big.bin")
    assert got.decode() == f"{206 if have else 200} {SIZE - have}"
    assert path.read_bytes() == expected(0, SIZE)


def test_resume_of_what_is_complete(curl):
    """416, by which curl sees that nothing is missing."""
    path = curl.folder / "part"
    path.write_bytes(expected(0, SIZE))
    got = curl.run("-C", "-", "-o", "part", "-w", "%{http_code}", "$URL/big.bin")
    assert got == b"416"
    assert path.read_bytes() == expected(0, SIZE)


def test_resume_after_an_interruption(curl):
    """As often as it takes, 1 MB each time."""
    for n in range(1, 6):
        curl.run("-r", f"{(n - 1) * 1_000_000}-{n * 1_000_000 - 1}", "-o", f"part{n}", "$URL/big.bin")
    whole = b"".join((curl.folder / f"part{n}").read_bytes() for n in range(1, 6))
    assert whole == expected(0, SIZE)


@pytest.mark.parametrize(
    "value, body",
    [("0-0", b"0"), ("-3", b"789"), ("7-", b"789"), ("2-4", b"234"), ("8-100", b"89"), ("0-9", b"0123456789")],
)
def test_range(curl, value, body):
    assert curl.run("-r", value, "$URL/digits.txt") == body


def test_ranges(curl):
    """Python's parser of mail takes the parts apart."""
    got = curl.run("-i", "-r", "0-1,4-5,-1", "$URL/digits.txt")
    status, rest = got.split(b"\r\n", 1)
    assert status == b"HTTP/1.1 206 Partial Content"
    message = email.message_from_bytes(rest)
    assert message.get_content_type() == "multipart/byteranges"
    parts = [(p["Content-Range"], p.get_content_type(), p.get_payload()) for p in message.get_payload()]
    assert parts == [
        ("bytes 0-1/10", "text/plain", "01"),
        ("bytes 4-5/10", "text/plain", "45"),
        ("bytes 9-9/10", "text/plain", "9"),
    ]


def test_head(curl):
    got = curl.run("-I", "$URL/digits.txt").decode().split("\r\n")
    assert got[0] == "HTTP/1.1 200 OK"
    assert {"Content-Length: 10", "Accept-Ranges: bytes", "Content-Type: text/plain; charset=utf-8"} <= set(got)
    assert f"Last-Modified: {http_date(THEN)}" in got
    assert got[-2:] == ["", ""]


def test_newer_than(curl, site):
    """-z with a date, and with a file whose date counts."""
    ask = ("-w", "%{http_code}", "-o", "got", "$URL/digits.txt")
    assert curl.run("-z", http_date(THEN), *ask) == b"304"
    assert curl.run("-z", http_date(THEN - 1), *ask) == b"200"
    assert curl.run("-z", "-" + http_date(THEN + 1), *ask) == b"200"
    assert curl.run("-z", "-" + http_date(THEN - 1), *ask) == b"412"
    curl.run("-R", "-o", "copy", "$URL/digits.txt")
    assert int((curl.folder / "copy").stat().st_mtime) == THEN
    assert curl.run("-z", "copy", *ask) == b"304"
    set_time(site.path / "digits.txt", THEN + 1)
    assert curl.run("-z", "copy", *ask) == b"200"


def test_etag(curl, site):
    curl.run("--etag-save", "tag", "-o", "got", "$URL/digits.txt")
    ask = ("--etag-compare", "tag", "--etag-save", "tag", "-w", "%{http_code}", "-o", "got", "$URL/digits.txt")
    assert curl.run(*ask) == b"304"
    site.write("digits.txt", b"9876543210", THEN + 1)
    assert curl.run(*ask) == b"200"
    assert (curl.folder / "got").read_bytes() == b"9876543210"
    assert curl.run(*ask) == b"304"


def test_compressed(curl, site):
    """What comes is the neighbour, what curl makes of it is the file."""
    text = b"a text that gets smaller " * 1000
    site.write("f.txt", text)
    site.write("f.txt.gz", gzip.compress(text, mtime=0))
    shown = ("-w", "%{stderr}%{size_download} %header{content-encoding} %header{vary}")
    assert curl.run("--compressed", "$URL/f.txt") == text
    assert curl.run("$URL/f.txt") == text
    assert curl.run("-H", "Accept-Encoding: gzip", "$URL/f.txt") == gzip.compress(text, mtime=0)
    head = curl.run("-I", "--compressed", *shown, "$URL/f.txt").decode()
    assert f"Content-Length: {len(gzip.compress(text, mtime=0))}\r\n" in head
    assert "Content-Encoding: gzip\r\n" in head and "Vary: Accept-Encoding\r\n" in head


def test_compressed_by_brotli(curl, site):
    site.write("f.txt", b"hello")
    site.write("f.txt.br", BROTLI_OF_HELLO)
    site.write("f.txt.gz", gzip.compress(b"hello"))
    assert curl.run("--compressed", "$URL/f.txt") == b"hello"
    assert curl.run("-H", "Accept-Encoding: gzip, deflate, br, zstd", "$URL/f.txt") == BROTLI_OF_HELLO
    coding = "br" if "brotli" in curl.features() else "gzip"
    assert f"Content-Encoding: {coding}\r\n" in curl.run("-I", "--compressed", "$URL/f.txt").decode()


@pytest.mark.parametrize("target", ["/dir", "/dir/index.html", "//dir//", "/dir/./../dir", "/dir?x=y", "/x/../dir/"])
def test_redirects(curl, target):
    got = curl.run("-L", "--path-as-is", "-w", "\n%{url_effective}", f"$URL{target}").decode()
    assert got == f"<p>index</p>\n{curl.base}/dir/" + ("?x=y" if "?" in target else "")


def test_connection_is_used_again(curl, site):
    """Files of one command come over one connection."""
    for i in range(1, 21):
        site.write(f"f{i}.txt", b"%d\n" % i)
    got = curl.run("-w", "%{num_connects} ", "$URL/f[1-20].txt").decode()
    assert got == "".join(f"{i}\n{1 if i == 1 else 0} " for i in range(1, 21))


def test_in_parallel(curl, site):
    for i in range(1, 31):
        site.write(f"f{i}.bin", expected(i, 300_000))
    curl.run("-Z", "--parallel-max", "10", "-o", "f#1.bin", "$URL/f[1-30].bin")
    for i in range(1, 31):
        assert (curl.folder / f"f{i}.bin").read_bytes() == expected(i, 300_000)


@pytest.mark.parametrize("target", ["/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd"])
def test_traversal(curl, target):
    got = curl.run("-L", "--path-as-is", "-w", "%{http_code}", f"$URL{target}")
    assert got == b"404 page not found\n404"


def test_failures(curl):
    """-f makes an exit status of them."""
    (curl.folder / "up").write_bytes(b"x" * 100_000)
    curl.run("-f", "$URL/nothing", status=22)
    curl.run("-f", "-T", "up", "$URL/digits.txt", status=22)
    curl.run("-f", "-d", "x=y", "$URL/digits.txt", status=22)
    got = curl.run("-i", "-T", "up", "$URL/digits.txt").decode()
    assert re.search(r"^HTTP/1\.1 405 ", got, re.M) and "\r\nAllow: GET, HEAD\r\n" in got
    assert curl.run("$URL/digits.txt") == b"0123456789"


def test_by_a_proxys_form(curl):
    """curl that thinks it talks to a proxy sends an absolute target."""
    assert curl.run("-x", "$URL", f"http://{HOST}/digits.txt") == b"0123456789"
