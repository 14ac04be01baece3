"""mode=static: which file answers which path, redirects, errors, methods, HEAD."""

import os
import socket
from urllib.parse import urljoin

import pytest

from harness import eventually
from http_client import assert_answer, chunked, request_bytes
from static_site import (
    ERROR,
    HTML,
    PLAIN,
    THEN,
    assert_error,
    assert_file,
    assert_listing,
    assert_redirect,
    encoded,
    with_permissions,
)


@pytest.fixture
def files(site):
    """A folder with a bit of everything."""
    site.write("f.txt", b"a file\n")
    site.write("dir/a.txt", b"in a folder\n")
    site.write("with/index.html", b"<p>index</p>\n")
    site.write("with/sub/b.txt", b"b\n")
    for folder in ("dir", "with/sub", "with", "."):
        site.folder(folder)
    return site


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 16 * 1024, 16 * 1024 + 1, 65536, 300_001])
def test_file(site, size):
    data = os.urandom(size)
    site.write("f.txt", data)
    with site.start().connect() as c:
        assert_file(c.call("GET", "/f.txt"), data)
        assert_file(c.call("HEAD", "/f.txt"), data, head=True)
        assert_file(c.call("GET", "/f.txt"), data)


@pytest.mark.parametrize(
    "target",
    [
        "/f.txt?",
        "/f.txt?x=y&z",
        "/f.txt?../../etc/passwd",
        "/f.txt?a//b/../c/.",
        "/f.txt?%00%zz",
        "/%66.txt",
        "/%66%2e%74%78%74",
        "/dir/%2e%2e/f.txt",
        "/dir/%2E%2e%2ff.txt",
        "/dir%2f..%2ff.txt",
        "/%2ff.txt",
        "/%2f%2f%2ff.txt",
        "/%2e%2e/%2e%2e/f.txt",
        "/nothing/%2e%2e/f.txt",
        "/%2e/f.txt",
        "http://function.test/f.txt",
        "http://other:81/f.txt?q",
        "HTTP://other/f.txt",
    ],
)
def test_targets_of_one_file(files, target):
    assert_file(files.start().call("GET", target), b"a file\n")


@pytest.mark.parametrize("target", ["/dir/a.txt", "/dir%2fa.txt", "/dir%2Fa%2etxt", "/%2fdir%2f%2fa.txt"])
def test_file_in_a_folder(files, target):
    assert_file(files.start().call("GET", target), b"in a folder\n")


def test_every_byte_in_a_name(site):
    """Escaped and, where a request line can hold it, as it is. A backslash is nothing special."""
    names = [b"n" + bytes([i]) for i in range(1, 256) if i != ord("/")]
    for name in names:
        site.write(name, b"text in " + name.hex().encode())
    with site.start().connect() as c:
        for name in names:
            wanted = b"text in " + name.hex().encode()
            assert_file(c.call("GET", "/" + encoded(name)), wanted)
            if name[1] >= 0x80 or chr(name[1]) in "!$&'()*+,;=:@-._~\\09AZaz":
                assert_file(c.call("GET", "/" + name.decode("latin-1")), wanted)


@pytest.mark.parametrize(
    "name, target",
    [
        ("%66.txt", "/%2566.txt"),
        ("%2e%2e", "/%252e%252e"),
        ("a+b", "/a+b"),
        ("a;v=1", "/a;v=1"),
        (".hidden", "/.hidden"),
        (".git/config", "/.git/config"),
        ("...", "/..."),
        ("..x", "/..x"),
        ("x..", "/x.."),
        ("dir/..x/..y", "/dir/..x/..y"),
        (" ", "/%20"),
        ("a\\..\\b", "/a\\..\\b"),
        ("index.htm", "/index.htm"),
        ("xindex.html", "/xindex.html"),
        ("index.html.bak", "/index.html.bak"),
        ("*", "/*"),
        ("~", "/~"),
    ],
)
def test_names_that_look_special(site, name, target):
    site.write(name, b"found")
    a = site.start().call("GET", target)
    assert (a.status, a.body) == (200, b"found")


def test_names_are_case_sensitive(files):
    with files.start().connect() as c:
        for target in ("/F.TXT", "/f.TXT", "/DIR/a.txt", "/with/INDEX.HTML"):
            assert_error(c.call("GET", target), 404)


def test_length_of_names(site):
    site.write("x" * 255, b"255")
    site.write("é" * 127, b"254")
    with site.start().connect() as c:
        assert c.call("GET", "/" + "x" * 255).body == b"255"
        assert c.call("GET", "/" + "%c3%a9" * 127).body == b"254"
        for name in ("x" * 256, "x" * 300, "%78" * 256, "%c3%a9" * 128, "x" * 5000, "%00" * 256):
            assert_error(c.call("GET", "/" + name), 404)
            assert_error(c.call("GET", "/" + name + "/"), 404)
            assert_error(c.call("GET", "/" + name + "/f"), 404)


def test_length_of_paths(site):
    """Folder in folder, up to what one system call can name."""
    at = os.open(site.path, os.O_RDONLY)
    folders = []
    try:
        for _ in range(15):
            folders.append("d" * 255)
            os.mkdir(folders[-1], dir_fd=at)
            below = os.open(folders[-1], os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        for n in (1, 250, 254):
            with open(os.open("f" * n, os.O_WRONLY | os.O_CREAT, dir_fd=at), "wb") as f:
                f.write(b"deep")
    finally:
        os.close(at)
    base = "/" + "/".join(folders) + "/"
    with site.start().connect() as c:
        for n in (1, 250, 254):
            a = c.call("GET", base + "f" * n)
            assert (a.status, a.body) == (200, b"deep"), len(base) + n
        for target in (base + "f/" * 128, base + "x" * 300, base + base[1:], "/d" * 2048, "/d" * 2049, "/d" * 100_000):
            assert_error(c.call("GET", target), 404)


def test_content_is_that_of_now(site):
    """Nothing is kept from one request to the next: neither a file nor that there was none."""
    with site.start().connect() as c:
        assert_error(c.call("GET", "/f.txt"), 404)
        path = site.write("f.txt", b"one")
        assert_file(c.call("GET", "/f.txt"), b"one")
        site.write("f.txt", b"three", THEN + 5)
        assert_file(c.call("GET", "/f.txt"), b"three", mtime=THEN + 5)
        new = site.write("new", b"four", THEN + 6)
        os.rename(new, path)
        assert_file(c.call("GET", "/f.txt"), b"four", mtime=THEN + 6)
        path.unlink()
        assert_error(c.call("GET", "/f.txt"), 404)
        site.write("f.txt/g.txt", b"five")
        assert_redirect(c.call("GET", "/f.txt"), 301, "f.txt/")
        assert_file(c.call("GET", "/f.txt/g.txt"), b"five")


@pytest.mark.parametrize("mtime", [1, -1, 951782400, 1_700_000_000])
def test_last_modified(site, mtime):
    site.write("f.txt", b"x", mtime)
    assert_file(site.start().call("GET", "/f.txt"), b"x", mtime=mtime)


@pytest.mark.parametrize("mtime", [2**32 - 1, 2**32 + 86400])
def test_times_to_come(site, mtime):
    """RFC 9110, 8.8.2.1: they are replaced by that of the answer."""
    site.write("f.txt", b"x", mtime)
    a = site.start().call("GET", "/f.txt")
    assert (a.status, a.value("Last-Modified")) == (200, a.value("Date"))


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, locations",
    [
        ("//", ["/"]),
        ("///", ["/"]),
        ("/.", ["/"]),
        ("/..", ["/"]),
        ("/./", ["/"]),
        ("/../", ["/"]),
        ("//f.txt", ["/f.txt"]),
        ("/./f.txt", ["/f.txt"]),
        ("/../../../f.txt", ["/f.txt"]),
        ("/dir//a.txt", ["/dir/a.txt"]),
        ("/dir/./a.txt", ["/dir/a.txt"]),
        ("/dir/../f.txt", ["/f.txt"]),
        ("/dir/sub/../../f.txt", ["/f.txt"]),
        ("/dir//", ["/dir/"]),
        ("/dir/./", ["/dir/"]),
        ("/dir/.", ["/dir", "/dir/"]),
        ("/dir/..", ["/"]),
        ("/with/sub/..", ["/with", "/with/"]),
        ("/with/sub/../", ["/with/"]),
        ("/f.txt//", ["/f.txt/"]),
        ("/nothing/../nowhere", ["/nowhere"]),
        ("/nothing//", ["/nothing/"]),
        ("/a//b///c////d", ["/a/b/c/d"]),
        ("/a/./././b", ["/a/b"]),
        ("/with/../with//index.html", ["/with/index.html"]),
        # as it was sent, neither decoded nor encoded again
        ("/a%20b//c%2Fd", ["/a%20b/c/d"]),
        ("/%64ir//%61.txt", ["/%64ir/%61.txt"]),
        ("/%252e//x", ["/%252e/x"]),
        ("/%c3%a9//%C3%A9", ["/%c3%a9/%C3%A9"]),
        ("/a//%0d%0aX:%20y", ["/a/%0d%0aX:%20y"]),
        ("/dir//%2e%2e/f.txt", ["/dir/%2e%2e/f.txt", "/f.txt"]),
        ("/a//...", ["/a/..."]),
        ("/a//..b/c..", ["/a/..b/c.."]),
        # the query goes along
        ("//f.txt?x=1&y", ["/f.txt?x=1&y"]),
        ("//f.txt?", ["/f.txt", "/f.txt?"]),
        ("//?a//b/../c/.", ["/?a//b/../c/."]),
        ("/dir/..?http://x//", ["/?http://x//"]),
        ("//f.txt?%0d%0aX:%20y", ["/f.txt?%0d%0aX:%20y"]),
        # another host would be an open redirect
        ("//other.test", ["/other.test"]),
        ("//other.test/", ["/other.test/"]),
        ("//other.test/..", ["/"]),
        ("//other.test/../", ["/"]),
        ("///other.test//x", ["/other.test/x"]),
        ("/.//other.test/", ["/other.test/"]),
        ("/..//other.test/", ["/other.test/"]),
        ("/a/..//other.test/", ["/other.test/"]),
        ("http://other.test//f.txt", ["/f.txt"]),
        ("http://other.test/..//x.test/", ["/x.test/"]),
    ],
)
def test_paths_that_are_not_clean(files, target, locations):
    with files.start().connect() as c:
        assert_redirect(c.call("GET", target), 307, *locations)
        assert_redirect(c.call("HEAD", target), 307, *locations, head=True)


@pytest.mark.parametrize("target", ["//\\other.test/", "/\\other.test//x", "/\\/../\\other.test", "/.//\\\\other.test"])
def test_backslash_is_no_second_slash_for_browsers(site, target):
    """They read "/\\host" as "//host"."""
    a = site.start().call("GET", target)
    assert a.status == 307
    assert not a.value("Location").startswith(("//", "/\\")), a


@pytest.mark.parametrize(
    "target, body",
    [
        ("/dir/%2e%2e/../f.txt", b"a file\n"),
        ("/with/sub/%2e%2e/%2E./../f.txt", b"a file\n"),
        ("//dir/.%2e/f.txt", b"a file\n"),
        ("/dir%2fa.txt/", b"in a folder\n"),
        ("/dir%2fa.txt%2f", b"in a folder\n"),
        ("/with%2findex.html", b"<p>index</p>\n"),
        ("/dir/..%2fwith", b"<p>index</p>\n"),
        ("/dir/%2e%2e%2fwith", b"<p>index</p>\n"),
        ("/dir%2f..%2fwith", b"<p>index</p>\n"),
    ],
)
def test_redirects_lead_where_the_path_leads(files, target, body):
    """Escaped dots and slashes are dots and slashes there, too."""
    with files.start().connect() as c:
        for _ in range(5):
            a = c.call("GET", target)
            if a.status == 200:
                break
            target = urljoin("http://function.test" + target, a.value("Location")).removeprefix("http://function.test")
        assert a.body == body, target


FOLDERS = [
    ("dir", "/dir", "dir/"),
    ("dir/sub", "/dir/sub", "sub/"),
    ("dir", "/%64ir", "dir/"),
    ("a b", "/a%20b", "a%20b/"),
    ("a b", "/a%20b?x=1&y", "a%20b/?x=1&y"),
    ("dir", "/dir?", ("dir/", "dir/?")),
    ("dir", "/dir?//..", "dir/?//.."),
    ("dir", "/dir?%0d%0aX:%20y", "dir/?%0d%0aX:%20y"),
    ("é", "/%c3%a9", "%C3%A9/"),
    ("é", "/\xc3\xa9", "%C3%A9/"),
    (b"\xff", "/%ff", "%FF/"),
    ("a:b", "/a:b", "./a:b/"),
    ("dir/a:b", "/dir/%61%3ab", "./a:b/"),
    ("javascript:alert", "/javascript:alert", "./javascript:alert/"),
    ("a?b", "/a%3fb", "a%3Fb/"),
    ("#", "/%23", "%23/"),
    ("%41", "/%2541", "%2541/"),
    ('"<>', "/%22%3c%3e", "%22%3C%3E/"),
    ("'", "/%27", ("%27/", "'/")),
    ("a&b", "/a&b", "a%26b/"),
    ("..x", "/..x", "..x/"),
    ("...", "/...", ".../"),
    ("\r\nX-Other: y", "/%0d%0aX-Other%3a%20y", "./%0D%0AX-Other:%20y/"),
    ("\x7f\x01", "/%7f%01", "%7F%01/"),
    ("\\other.test", "/%5cother.test", "%5Cother.test/"),
    ("\\\\other.test", "/\\\\other.test", "%5C%5Cother.test/"),
]


@pytest.mark.parametrize("name, target, locations", FOLDERS)
def test_folder_without_slash(site, name, target, locations):
    site.write(os.fsencode(name) + b"/index.html", b"index")
    with site.start().connect() as c:
        locations = [locations] if isinstance(locations, str) else locations
        assert_redirect(c.call("GET", target), 301, *locations)
        a = c.call("HEAD", target)
        assert_redirect(a, 301, *locations, head=True)
        end = urljoin("http://function.test" + target, a.value("Location"))
        assert end.startswith("http://function.test/")
        assert_file(c.call("GET", end.removeprefix("http://function.test")), b"index", HTML)


@pytest.mark.parametrize(
    "target, location",
    [
        ("/index.html", "./"),
        ("/with/index.html", "./"),
        ("/with/index.html?a=b", "./?a=b"),
        ("/dir/index.html", "./"),
        ("/nothing/index.html", "./"),
        ("/no/thing/at/all/index.html", "./"),
        ("/f.txt/index.html", "./"),
        ("/with/%69ndex.html", "./"),
        ("/f.txt/", "../f.txt"),
        ("/f.txt/?q=1", "../f.txt?q=1"),
        ("/%66.txt/", "../f.txt"),
        ("/dir/a.txt/", "../a.txt"),
        ("/with/index.html/", "../index.html"),
    ],
)
def test_other_names_of_a_page(files, target, location):
    with files.start().connect() as c:
        assert_redirect(c.call("GET", target), 301, location)
        assert_redirect(c.call("HEAD", target), 301, location, head=True)


@pytest.mark.parametrize(
    "name, locations",
    [
        ("a b", "../a%20b"),
        ("é", "../%C3%A9"),
        ("a?b", "../a%3Fb"),
        ("%41", "../%2541"),
        ("\\x", "../%5Cx"),
        ("a\nb", "../a%0Ab"),
        ("a:b", ("../a:b", ".././a:b")),
    ],
)
def test_file_with_slash(site, name, locations):
    site.write(name, b"found")
    with site.start().connect() as c:
        a = c.call("GET", f"/{encoded(name)}/")
        assert_redirect(a, 301, *([locations] if isinstance(locations, str) else locations))
        end = urljoin(f"/{encoded(name)}/", a.value("Location"))
        assert c.call("GET", end).body == b"found"


# --- folders ----------------------------------------------------------------------------------------------------------


def test_index(files):
    with files.start().connect() as c:
        for target in ("/with/", "/with/?q", "/%77ith/", "/with%2f", "/dir/%2e%2e/with/"):
            assert_file(c.call("GET", target), b"<p>index</p>\n", HTML)
        assert_file(c.call("HEAD", "/with/"), b"<p>index</p>\n", HTML, head=True)
        files.write("index.html", b"root")
        for target in ("/", "/?q", "/%2f", "/%2e", "/with/%2e%2e/", "http://other", "http://other/", "http://other?q"):
            assert_file(c.call("GET", target), b"root", HTML)


@pytest.mark.parametrize("kind", ["folder", "dangling", "outside", "fifo", "socket"])
def test_index_that_is_no_file(site, kind):
    path = site.path / "dir" / "index.html"
    path.parent.mkdir()
    row = b"index.html"
    (site.scratch / "other").write_text("other")
    with socket.socket(socket.AF_UNIX) as s:
        if kind == "folder":
            path.mkdir()
            row += b"/"
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            s.bind(str(path))
        else:
            path.symlink_to("nothing" if kind == "dangling" else "../../other")
        site.folder("dir")
        with site.start().connect() as c:
            a = c.call("GET", "/dir/")
            if a.status == 404:
                assert kind in ("dangling", "outside")
                assert_error(a, 404)
            else:
                assert_listing(a, (row, row))


def test_index_by_link(site):
    site.write("real.html", b"linked")
    site.link("dir/index.html", "../real.html")
    site.link("other", "dir")
    with site.start().connect() as c:
        assert_file(c.call("GET", "/dir/"), b"linked", HTML)
        assert_redirect(c.call("GET", "/other"), 301, "other/")
        assert_file(c.call("GET", "/other/"), b"linked", HTML)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_not_found(files):
    files.link("dangling", "nothing")
    files.link("loop", "loop")
    targets = [
        "/nothing", "/nothing/", "/nothing?q", "/dir/nothing", "/f.txt/x", "/f.txt/x/", "/f.txt/x/y", "/f.txt%2fx",
        "/%00", "/f.txt%00", "/f.txt%00.html", "/%00/f.txt", "/dir%00/a.txt", "/dir/%00", "/dir%00", "/f.tx", "/f.txtx",
        "/dangling", "/dangling/", "/dangling/x", "/loop", "/loop/", "/loop/x", "/f.txt%20", "/%20f.txt", "/f.txt.",
        "/f.txt%2f%2fx", "/index.html%00", "/%2566.txt", "/dir\\a.txt", "/\xff", "/%ff", "/\\", "/:", "/-", "/~root",
    ]  # fmt: skip
    with files.start().connect() as c:
        for target in targets:
            assert_error(c.call("GET", target), 404)
            assert_error(c.call("HEAD", target), 404, head=True)


def test_forbidden(site):
    os.mkfifo(site.path / "fifo")
    site.link("link", "fifo")
    site.write("mode0", b"x").chmod(0)
    site.write("closed/f.txt", b"x")
    site.write("unlisted/f.txt", b"x")
    site.write("unlisted/sub/index.html", b"x")
    (site.path / "closed").chmod(0)
    (site.path / "unlisted").chmod(0o311)
    w = site.start(wrapper=with_permissions())
    try:
        with w.connect() as c, socket.socket(socket.AF_UNIX) as s:
            s.bind(str(site.path / "socket"))
            for target in (
                "/fifo", "/link", "/socket", "/mode0", "/closed/", "/closed/f.txt", "/closed/x", "/unlisted/",
            ):  # fmt: skip
                assert_error(c.call("GET", target), 403)
                assert_error(c.call("HEAD", target), 403, head=True)
            assert_file(c.call("GET", "/unlisted/f.txt"), b"x")
            assert_file(c.call("GET", "/unlisted/sub/"), b"x", HTML)
        assert w.stop_and_read() == [], "that is no problem of the program's"
    finally:
        (site.path / "closed").chmod(0o755)
        (site.path / "unlisted").chmod(0o755)


@pytest.mark.parametrize("kind", ["c 1 3", "c 1 5", "c 5 0", "b 7 200"], ids=["null", "zero", "tty", "block"])
def test_devices_are_forbidden(site, kind):
    letter, major, minor = kind.split()
    mode = {"c": 0o020666, "b": 0o060666}[letter]
    try:
        os.mknod(site.path / "device", mode, os.makedev(int(major), int(minor)))
    except PermissionError:
        pytest.skip("only root makes devices")
    with site.start().connect() as c:
        assert_error(c.call("GET", "/device"), 403)
        assert_error(c.call("GET", "/device", fields=[("Range", "bytes=0-9")]), 403)


# --- methods and bodies -----------------------------------------------------------------------------------------------


METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "Head", "GETX", "PROPFIND", "M-SEARCH"]


@pytest.mark.parametrize("method", METHODS)
def test_other_methods(files, method):
    with files.start().connect() as c:
        for target in ("/f.txt", "/", "/dir", "/nothing", "//", "/f.txt/", "/index.html"):
            assert_error(c.call(method, target), 405, Allow="GET, HEAD")
        c.assert_usable()


def test_options_of_the_server(files):
    with files.start().connect() as c:
        a = c.call("OPTIONS", "*")
        assert a.status in (200, 204, 405), a
        c.assert_usable()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("size", [0, 1, 200_000])
def test_body_is_ignored(files, method, size):
    """Its length is not the answer's business: what follows on the connection is in step."""
    data = b"GET /nothing HTTP/1.1\r\n\r\n" * (size // 25) + b"x" * (size % 25)
    with files.start().connect() as c:
        for raw in (
            request_bytes(method, "/f.txt", body=data),
            request_bytes(method, "/f.txt", fields=[("Transfer-Encoding", "chunked")]) + chunked(data),
        ):
            c.send(raw + request_bytes("GET", "/dir/a.txt"))
            a = c.answer(method)
            if method == "POST":
                assert_error(a, 405, Allow="GET, HEAD")
            else:
                assert_file(a, b"a file\n", head=method == "HEAD")
            assert_file(c.answer(), b"in a folder\n")


def test_body_that_is_expected(files):
    """With or without a 100 before."""
    expects = [("Expect", "100-continue"), ("Content-Length", "3")]
    with files.start().connect() as c:
        c.request("GET", "/f.txt", fields=expects)
        c.send(b"abc")
        a = c.answer()
        assert [i.status for i in a.interim] in ([], [100])
        assert (a.status, a.body) == (200, b"a file\n")


# --- what is not the folder's -----------------------------------------------------------------------------------------


def test_health_is_not_looked_for_in_the_folder(site):
    site.write("_/health", b"mine")
    site.write("_/other", b"other")
    w = site.start()
    assert_answer(w.call("GET", "/_/health"), 200, b"OK", {"Content-Type": PLAIN})
    assert_answer(w.call("GET", "/_/ready"), 200, b"")
    assert w.call("GET", "/_/other").body == b"other"


def test_requests_leave_no_line(files):
    w = files.start()
    with w.connect() as c:
        for target in ("/f.txt", "/", "/dir", "/nothing", "//", "/%00", "/with/index.html"):
            c.call("GET", target)
            c.call("POST", target)
        c.call("GET", "/f.txt", fields=[("Range", "bytes=900-")])
    assert w.stop_and_read() == []


def test_folder_that_vanishes_and_comes_back(files):
    with files.start().connect() as c:
        assert_file(c.call("GET", "/f.txt"), b"a file\n")
        old = files.path.rename(files.scratch / "old")
        eventually(lambda: c.call("GET", "/f.txt").status == 404, "the folder is looked for anew")
        assert_error(c.call("GET", "/"), 404)
        files.path.mkdir()
        files.write("f.txt", b"new")
        eventually(lambda: c.call("GET", "/f.txt").body == b"new", "the new folder is found")
        files.path.rename(files.scratch / "older")
        old.rename(files.path)
        eventually(lambda: c.call("GET", "/f.txt").body == b"a file\n", "and the first one again")


def test_error_fields_are_the_same_everywhere(files):
    """A page's fields never go with an error."""
    w = files.start(static_cache_control="public, max-age=3600")
    with w.connect() as c:
        assert_answer(c.call("GET", "/nothing"), 404, b"404 page not found\n", ERROR)
        assert_error(c.call("PUT", "/f.txt"), 405, Allow="GET, HEAD")
        assert_redirect(c.call("GET", "/dir"), 301, "dir/")
