"""mode=static: listings of folders, to the byte."""

import os
import re
import socket
import time
from urllib.parse import unquote_to_bytes

import pytest

from harness import SAN, SLOW, status_kb
from http_client import assert_answer
from static_site import HTML, LISTING_END, LISTING_START, THEN, assert_file, assert_listing, http_date

ROW = re.compile(rb'<a href="([^"<> \x00-\x1f\x7f-\xff]+)">([^<>"\']*)</a>\n')


def rows(a):
    """The (HREF, NAME) of a listing; a name may hold a line end."""
    assert (a.status, a.value("Content-Type"), a.cut) == (200, HTML, False), a
    assert a.body.startswith(LISTING_START) and a.body.endswith(LISTING_END)
    middle = a.body[len(LISTING_START) : -len(LISTING_END)]
    found = ROW.findall(middle)
    assert b"".join(b'<a href="%s">%s</a>\n' % row for row in found) == middle
    return found


def name_of(href):
    return unquote_to_bytes(href.removeprefix(b"./"))


def shown(name):
    """As HTML has to say it."""
    for byte, text in ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&#34;"), (b"'", b"&#39;")):
        name = name.replace(byte, text)
    return name


def test_empty(site):
    site.folder(".")
    with site.start().connect() as c:
        a = c.call("GET", "/")
        assert_listing(a)
        assert a.body == b'<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n</pre>\n'
        assert_listing(c.call("HEAD", "/"), head=True)


# name, HREF, NAME: in the order of the names
ENTRIES = [
    (b"\t", b"%09", b"\t"),
    (b"\n", b"%0A", b"\n"),
    (b"\x1b[31m", None, b"\x1b[31m"),
    (b" ", b"%20", b" "),
    (b'"q"', b"%22q%22", b"&#34;q&#34;"),
    (b"#", b"%23", b"#"),
    (b"%41", b"%2541", b"%41"),
    (b"%zz", b"%25zz", b"%zz"),
    (b"&", b"%26", b"&amp;"),
    (b"'s'", b"%27s%27", b"&#39;s&#39;"),
    (b"-.-", b"-.-", b"-.-"),
    (b"...", b"...", b"..."),
    (b"..x", b"..x", b"..x"),
    (b".hidden", b".hidden", b".hidden"),
    (b"10", b"10", b"10"),
    (b"9", b"9", b"9"),
    (b":", b"./:", b":"),
    (b"<img src=x onerror=y>", b"%3Cimg%20src=x%20onerror=y%3E", b"&lt;img src=x onerror=y&gt;"),
    (b"?x=y", b"%3Fx=y", b"?x=y"),
    (b"A", b"A", b"A"),
    (b"Z", b"Z", b"Z"),
    (b"_", b"_", b"_"),
    (b"a", b"a", b"a"),
    (b"a b", b"a%20b", b"a b"),
    (b"a-b", b"a-b", b"a-b"),
    (b"a.b", b"a.b", b"a.b"),
    (b"a:b", b"./a:b", b"a:b"),
    (b"aa", b"aa", b"aa"),
    (b"caf\xc3\xa9", b"caf%C3%A9", b"caf\xc3\xa9"),
    (b"javascript:alert(1)", None, b"javascript:alert(1)"),
    (b"x&lt;y", b"x%26lt;y", b"x&amp;lt;y"),
    (b"~", b"~", b"~"),
    (b"\x7f", b"%7F", b"\x7f"),
    (b"\xff\xfe", b"%FF%FE", b"\xff\xfe"),
]


def test_escaping_and_order(site):
    for name, _, _ in ENTRIES:
        site.write(name)
    with site.start().connect() as c:
        found = rows(c.call("GET", "/"))
    assert [name for _, name in found] == [name for _, _, name in ENTRIES]
    for (href, _), (name, wanted, _) in zip(found, ENTRIES):
        assert name_of(href) == name
        assert wanted is None or href == wanted, name


def test_order_is_that_of_names(site):
    """The slash behind a folder does not count: "a/" comes before "a-b"."""
    for name in ("b", "a-b", "a.txt", "a0", "B"):
        site.write(name)
    site.folder("a")
    site.folder("C")
    wanted = [b"B", b"C/", b"a/", b"a-b", b"a.txt", b"a0", b"b"]
    assert [name for _, name in rows(site.start().call("GET", "/"))] == wanted


def test_kinds_of_entries(site):
    site.write("file")
    site.folder("folder")
    site.folder("folder:x")
    site.folder("folder <x>")
    site.link("to-file", "file")
    site.link("to-folder", "folder")
    site.link("to-nothing", "nothing")
    site.link("to-outside", "/etc")
    os.mkfifo(site.path / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(site.path / "socket"))
        site.folder(".")
        with site.start().connect() as c:
            assert_listing(
                c.call("GET", "/"),
                (b"fifo", b"fifo"),
                (b"file", b"file"),
                (b"folder/", b"folder/"),
                (b"folder%20%3Cx%3E/", b"folder &lt;x&gt;/"),
                (b"./folder:x/", b"folder:x/"),
                (b"socket", b"socket"),
                (b"to-file", b"to-file"),
                (b"to-folder", b"to-folder"),
                (b"to-nothing", b"to-nothing"),
                (b"to-outside", b"to-outside"),
            )


def test_every_byte_comes_back(site):
    """A link in a listing leads to the file that it names, whatever the name."""
    names = [b"n" + bytes([i]) + b"x" for i in range(1, 256) if i != ord("/")]
    names += [bytes([i]) for i in range(1, 256) if i not in b"./"]
    for name in names:
        site.write(name, b"text in " + name.hex().encode())
    with site.start().connect() as c:
        found = rows(c.call("GET", "/"))
        assert sorted(name_of(href) for href, _ in found) == sorted(names)
        assert [name for _, name in found] == [shown(name) for name in sorted(names)]
        for href, _ in found:
            target = "/" + href.decode().removeprefix("./")
            assert c.call("GET", target).body == b"text in " + name_of(href).hex().encode()


def test_longest_names(site):
    names = [b"x" * 255, b"<" * 255, b"\xff" * 255, b"&" * 255]
    for name in names:
        site.write(name)
    found = rows(site.start().call("GET", "/"))
    assert [name_of(href) for href, _ in found] == sorted(names)


@pytest.mark.parametrize("target", ["/dir/", "/dir/?x", "/%64ir/", "/dir%2f", "/other/%2e%2e/dir/", "/link/"])
def test_names_of_a_folder(site, target):
    site.write("dir/f.txt")
    site.folder("dir")
    site.link("link", "dir")
    assert_listing(site.start().call("GET", target), (b"f.txt", b"f.txt"))


def test_last_modified_is_the_folders(site):
    site.write("dir/f.txt", mtime=THEN + 100)
    site.folder("dir", THEN + 5)
    with site.start().connect() as c:
        assert_listing(c.call("GET", "/dir/"), (b"f.txt", b"f.txt"), mtime=THEN + 5)
        (site.path / "dir/g.txt").write_text("")
        assert c.call("GET", "/dir/").value("Last-Modified") != http_date(THEN + 5)
        site.folder("dir", 0)
        a = c.call("GET", "/dir/")
        assert (a.status, a.values("Last-Modified")) == (200, [])


def test_it_is_as_the_folder_is_now(site):
    with site.start().connect() as c:
        for n in range(5):
            assert [name for _, name in rows(c.call("GET", "/"))] == [b"f%d" % i for i in range(n)]
            site.write(f"f{n}")
        for n in range(5):
            (site.path / f"f{n}").unlink()
            assert [name for _, name in rows(c.call("GET", "/"))] == [b"f%d" % i for i in range(n + 1, 5)]


def test_http_1_0(site):
    site.write("f.txt")
    site.folder(".")
    with site.start().connect() as c:
        c.request("GET", "/", version="HTTP/1.0")
        a = c.answer()
        assert_listing_fields(a)
        assert rows(a) == [(b"f.txt", b"f.txt")]
        c.assert_closed()


def assert_listing_fields(a):
    fields = {"Content-Type": HTML, "Last-Modified": http_date(THEN)}
    got = [(n, v) for n, v in a.fields if n != "Connection"]
    a.fields = got
    assert_answer(a, 200, a.body, fields, framing=("length", "close"))


# --- big folders ------------------------------------------------------------------------------------------------------

MANY = 30_000


@pytest.fixture
def many(site):
    """A folder of many files with long names, made in no order, and a small one beside it."""
    path = site.write("f.txt", b"small")
    at = os.open(site.folder("many"), os.O_RDONLY)
    try:
        for i in range(MANY):
            os.link(path, name_in_many(i * 7919 % MANY), dst_dir_fd=at)  # much cheaper than as many files
    finally:
        os.close(at)
    return site


def name_in_many(i):
    return f"entry-{i:06}-with a name of some length"


def assert_many(a):
    found = rows(a)
    assert len(found) == MANY
    assert [name for _, name in found] == [name_in_many(i).encode() for i in range(MANY)]


def test_many_entries(many):
    with many.start().connect() as c:
        assert_many(c.call("GET", "/many/"))
        a = c.call("HEAD", "/many/")
        assert (a.status, a.body) == (200, b"")
        assert_many(c.call("GET", "/many/"))
        assert_file(c.call("GET", "/f.txt"), b"small")


def test_slow_reader_of_a_big_listing(many):
    """Others are served meanwhile, by the same worker."""
    w = many.start()
    slow = [w.connect(receive_buffer=4096) for _ in range(5)]
    for c in slow:
        c.request("GET", "/many/")
    heads = [c.begin() for c in slow]
    with w.connect() as c:
        for _ in range(20):
            assert_file(c.call("GET", "/f.txt"), b"small")
    for c, a in zip(slow, heads):
        assert_many(c.rest(a))
        c.assert_usable()


def test_client_leaves_a_big_listing(many):
    w = many.start()

    def leave():
        with w.connect(receive_buffer=4096) as c:
            c.request("GET", "/many/")
            c.begin()
        assert_file(w.call("GET", "/f.txt"), b"small")

    w.assert_keeps_no_descriptor(leave, times=20)
    assert w.stop_and_read() == []


def test_folder_that_is_emptied_while_it_is_sent(many):
    w = many.start()
    with w.connect(receive_buffer=4096) as c:
        c.request("GET", "/many/")
        a = c.begin()
        for name in os.listdir(many.path / "many"):
            os.unlink(many.path / "many" / name)
        found = rows(c.rest(a))
        assert [name for _, name in found] == sorted(name for _, name in found)
        assert rows(c.call("GET", "/many/")) == []
    assert w.stop_and_read() == []


@pytest.mark.skipif(bool(SAN), reason="sanitizers have memory of their own")
def test_memory(many):
    """One listing takes a few bytes per entry, and gives them back."""
    w = many.start()
    w.call("GET", "/f.txt")
    before = status_kb(w.pid, "VmRSS")
    assert_many(w.call("GET", "/many/"))
    growth = status_kb(w.pid, "VmHWM") - before
    assert growth <= 8 * 1024, f"{growth} KiB for a listing of {MANY} entries"
    after = status_kb(w.pid, "VmRSS")
    for _ in range(10):
        w.call("GET", "/many/")
    growth = status_kb(w.pid, "VmRSS") - after
    assert growth <= 1024, f"{growth} KiB more after ten others"


@pytest.mark.serial
def test_others_do_not_wait_for_a_big_listing(many):
    """Whoever comes while one is made gets an answer before it is done, or soon."""
    w = many.start()
    with w.connect() as big, w.connect() as c:
        for _ in range(5):
            big.request("GET", "/many/")
        for _ in range(50):
            began = time.monotonic()
            assert c.call("GET", "/f.txt").body == b"small"
            assert time.monotonic() - began < 1 * SLOW
        for _ in range(5):
            assert_many(big.answer())
