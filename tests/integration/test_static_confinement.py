"""
mode=static never leaves its folder, whatever a path or a symbolic link says, and nothing in it makes
it hang. With openat2(2), and where the kernel does not have it or does not allow it.
"""

import errno
import os
import subprocess
import sys

import pytest

from harness import eventually, without_call
from http_client import NoAnswer, request_bytes
from static_site import LISTING_START, assert_error, assert_file, assert_redirect

SECRET = b"the secret of this machine"
NEIGHBOUR = "neighbour-of-the-folder"  # a name that no listing may hold
INSIDE = b"inside"


@pytest.fixture(params=["openat2", "ENOSYS", "EPERM"])
def fort(request, site):
    """A folder with files in it and a secret beside it."""
    for name in ("f.txt", "dir/f.txt", "dir/sub/f.txt", "a b/f.txt"):
        site.write(name, INSIDE)
    (site.scratch / "secret.txt").write_bytes(SECRET)
    for beside in ("public-old", "public2", NEIGHBOUR):
        (site.scratch / beside).mkdir()
        (site.scratch / beside / "secret.txt").write_bytes(SECRET)
    if request.param != "openat2":
        wrapper = without_call("openat2", request.param)
        start = site.start
        site.start = lambda **more: start(wrapper=wrapper, **more)
    return site


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_the_filter_works(error):
    """Else the tests below would try the same thing three times."""
    code = "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
    code += "print(c.syscall(437, -100, b'/', bytes(24), 24), ctypes.get_errno())"
    done = subprocess.run(
        [*without_call("openat2", error), sys.executable, "-S", "-c", code], capture_output=True, check=False
    )
    assert done.stdout.decode() == f"-1 {getattr(errno, error)}\n", done


def outcome(w, target, method="GET", fields=()):
    """The answer, that of a refusal included; None when there is none but the end."""
    with w.connect() as c:
        c.send_as_far_as_taken(request_bytes(method, target, fields=fields))
        try:
            return c.answer(method)
        except NoAnswer as e:
            assert e.rest == b""
            return None


def assert_safe(w, target, method="GET", fields=()):
    a = outcome(w, target, method, fields)
    assert a, f"no answer to {target!r}"
    everything = a.body + repr(a.fields).encode()
    assert SECRET not in everything and b"root:x:" not in everything, f"{target!r}: {a}"
    assert NEIGHBOUR.encode() not in a.body and b"secret" not in a.body, f"{target!r}: {a}"
    assert a.status in (200, 301, 307, 400, 403, 404), f"{target!r}: {a}"
    if a.status == 200 and method == "GET":
        assert a.body == INSIDE or a.body.startswith(LISTING_START), f"{target!r}: {a}"
    for location in a.values("Location"):
        assert not location.startswith(("//", "http:", "https:")), f"{target!r}: {a}"
    return a


# --- what a target can say --------------------------------------------------------------------------------------------

UPS = {
    "plain": "..",
    "escaped": "%2e%2e",
    "upper": "%2E%2E",
    "half": ".%2e",
    "other-half": "%2e.",
    "twice": "%252e%252e",
    "three-times": "%25252e%25252e",
    "overlong-2": "%c0%ae%c0%ae",
    "overlong-3": "%e0%80%ae%e0%80%ae",
    "overlong-4": "%f0%80%80%ae%f0%80%80%ae",
    "raw-overlong": "\xc0\xae\xc0\xae",
    "utf-16": "%2e%00%2e%00",
    "full-width": "%ef%bc%8e%ef%bc%8e",
    "nul-behind": "..%00",
    "nul-between": ".%00.",
    "three": "...",
    "four": "....",
    "parameter": "..;",
    "parameter-value": "..;x=y",
    "blank": "..%20",
    "tab": "..%09",
    "line-end": "..%0d%0a",
    "dot-behind": "..%2e",
    "u-escape": "%u002e%u002e",
    "bad-escape": "%2e%2",
    "in-a-name": "dir%2f..%2f..",
    "star": "*",
}
SLASHES = {
    "slash": "/",
    "escaped": "%2f",
    "upper": "%2F",
    "twice": "%252f",
    "backslash": "\\",
    "escaped-backslash": "%5c",
    "twice-backslash": "%255c",
    "overlong": "%c0%af",
    "overlong-3": "%e0%80%af",
    "double": "//",
    "dot": "/./",
    "escaped-dot": "/%2e/",
    "mixed": "%2f%2f/",
    "colon": ":",
    "semicolon": ";/",
    "division": "%e2%88%95",
}


@pytest.mark.parametrize("start", ["/", "/dir/", "/f.txt%2f"])
def test_ways_up(fort, start):
    """Each way to write "..", with each way to write "/": several hundred targets."""
    w = fort.start()
    before = None
    for up in UPS.values():
        for slash in SLASHES.values():
            for depth in (1, 2, 9):
                for end in ("secret.txt", "etc/passwd") if depth < 9 else ("etc/passwd",):
                    assert_safe(w, start + (up + slash) * depth + end)
        before = before or w.idle_descriptors()
    assert w.idle_descriptors() == before
    assert assert_safe(w, "/f.txt").body == INSIDE


def other_targets(site):
    """Those that are no mere combination."""
    out = str(site.scratch / "secret.txt")
    hidden = f"{NEIGHBOUR}/secret.txt"
    up = "../" * 12
    return [
        # absolute paths in the path
        out, "/" + out, "//" + out, "/%2f" + out, "/%2f%2f" + out[1:], "/." + out, "/%2e" + out, "/dir/" + out,
        "/etc/passwd", "//etc/passwd", "/%2fetc/passwd", "/%2fetc%2fpasswd", "/%252fetc%252fpasswd", "/\\etc\\passwd",
        "/%5cetc%5cpasswd", "/dir//etc/passwd", "/dir/%2f/etc/passwd", "/file:///etc/passwd", "/file:/etc/passwd",
        "/proc/self/environ", "/proc/self/root/etc/passwd", "/proc/self/cwd", "/dev/stdin", "/~root/.profile",
        # absolute forms
        "http://function.test/../secret.txt", "http://function.test/%2e%2e/secret.txt",
        "http://x/" + up + "etc/passwd",
        "http://x//etc/passwd", "http://x/%2f" + out, "http://x" + out, "http://../secret.txt", "http://x/..",
        "http://x/..%2fsecret.txt", "http://x/..%5csecret.txt", "https://x/../secret.txt", "ftp://x/../secret.txt",
        "file:///etc/passwd", "file://localhost/etc/passwd", "file:/etc/passwd", "http:///etc/passwd",
        "http:/etc/passwd",
        "http://etc/passwd", "http://[::1]/../secret.txt", "http://x:1/../secret.txt", "http://x?/../../secret.txt",
        # other forms
        "*", "../secret.txt", "secret.txt", "etc/passwd", "x:/../secret.txt", "?../secret.txt", "#/../secret.txt",
        "\\etc",
        # neighbours
        f"/../{hidden}", f"/..%2f{hidden}", f"/%2e%2e%2f{hidden}", f"/.%2e/{hidden}", f"/dir/../../{hidden}",
        f"/dir/%2e%2e/%2e%2e/{hidden}", f"/{hidden}", "/../public-old/secret.txt", "/..%2fpublic2/secret.txt",
        "/-old/secret.txt", "/%2e%2e/public-old/", "/%2e%2e/public/../secret.txt", "/../public/f.txt",
        "/..%2fpublic%2ff.txt",
        "/..", "/../", "/%2e%2e", "/%2e%2e/", "/%2e%2e%2f", "/dir/%2e%2e/%2e%2e", "/dir/../..", "/.%2e/%2e./",
        # NUL, and what some take for the end of a name
        "/%00", "/f.txt%00", "/%00/../secret.txt", "/..%00/secret.txt", "/../secret.txt%00", "/../secret.txt%00.html",
        "/..%2fsecret.txt%00f.txt", "/f.txt%00/../../secret.txt", "/dir%00/../../secret.txt",
        "/%2e%2e%00%2fsecret.txt",
        "/../secret.txt%0a", "/../secret.txt%20", "/../secret.txt.", "/../secret.txt::$DATA", "/../secret.txt#",
        "/../secret.txt?",
        "/f.txt?/../../secret.txt", "/dir/;/../../secret.txt", "/dir;/..;/..;/secret.txt", "/.;/..;/secret.txt",
        # the query is no path
        "/?../secret.txt", "/dir/?" + up + "etc/passwd", "/?file=" + out, "/dir?/../../secret.txt",
        # long ones
        "/" + "x" * 256 + "/../../secret.txt", "/" + "x" * 256 + "%2f..%2f..%2fsecret.txt",
        "/" + "../" * 5000 + "etc/passwd",
        "/" + "%2e%2e/" * 5000 + "etc/passwd", "/" + "dir/../" * 5000 + "../secret.txt",
        "/" + "dir%2f..%2f" * 5000 + "..%2fsecret.txt",
        "/" + "./" * 2100 + "../secret.txt", "/" + "%2e%2f" * 2100 + "%2e%2e%2fsecret.txt",
        "/" + "/" * 5000 + "etc/passwd",
        "/" + "x/" * 2047 + "../" * 2048 + "secret.txt", "/" + "x/" * 1000 + "%2e%2e/" * 1001 + "secret.txt",
        "/" + "x" * 4095, "/" + "x" * 4096, "/" + "%78" * 4096, "/" + "y" * 100_000, "/" + "%2e%2e%2f" * 20_000,
        # bytes that are no UTF-8
        "/\xff/../secret.txt", "/%ff%fe/%2e%2e/secret.txt", "/\xc0\xaf..\xc0\xafsecret.txt",
        "/%fc%80%80%80%80%ae/secret.txt",
        "/%f8%80%80%80%ae%f8%80%80%80%ae/secret.txt", "/%80../secret.txt", "/..%80/secret.txt",
        # of other systems
        "/C:/Windows/win.ini", "/c:\\windows\\win.ini", "/..\\..\\secret.txt", "/%2e%2e\\secret.txt",
        "/\\..\\secret.txt",
        "/\\\\localhost\\c$\\secret.txt", "/con", "/nul", "/dir\\..\\..\\secret.txt",
    ]  # fmt: skip


def test_other_ways(fort):
    w = fort.start()
    targets = other_targets(fort)
    assert len(set(targets)) >= 120
    before = None
    for method in ("GET", "HEAD"):
        for target in targets:
            assert_safe(w, target, method)
            before = before or w.idle_descriptors()
    assert w.idle_descriptors() == before
    assert assert_safe(w, "/f.txt").body == INSIDE


# --- links that stay inside -------------------------------------------------------------------------------------------


def inner_links(site):
    """name -> (text, a target that leads through it to a file)"""
    public = str(site.path)
    return {
        "file": ("f.txt", "/file"),
        "dotted": ("./f.txt", "/dotted"),
        "slashes": (".//dir///f.txt", "/slashes"),
        "folder": ("dir", "/folder/f.txt"),
        "folder-slash": ("dir/", "/folder-slash/f.txt"),
        "deep": ("dir/sub/f.txt", "/deep"),
        "up-and-down": ("dir/../f.txt", "/up-and-down"),
        "up-from-sub": ("dir/sub/../../f.txt", "/up-from-sub"),
        "dir/up": ("../f.txt", "/dir/up"),
        "dir/sub/up": ("../../f.txt", "/dir/sub/up"),
        "dir/sub/to-root": ("../..", "/dir/sub/to-root/dir/f.txt"),
        "here": (".", "/here/here/here/f.txt"),
        "chain": ("file", "/chain"),
        "chain-2": ("folder/up", "/chain-2"),
        "chain-3": ("here/chain-2", "/chain-3"),
        "blank": ("a b/f.txt", "/blank"),
        # absolute, into the folder
        "absolute": (f"{public}/f.txt", "/absolute"),
        "absolute-folder": (f"{public}/dir", "/absolute-folder/sub/f.txt"),
        "absolute-slash": (f"{public}/dir/", "/absolute-slash/f.txt"),
        "absolute-root": (public, "/absolute-root/f.txt"),
        "absolute-root-slash": (f"{public}/", "/absolute-root-slash/dir/f.txt"),
        "dir/absolute": (f"{public}/dir/sub/f.txt", "/dir/absolute"),
        "absolute-up": (f"{public}/dir/../f.txt", "/absolute-up"),
        "absolute-chain": (f"{public}/absolute", "/absolute-chain"),
        "absolute-through-link": (f"{public}/folder/f.txt", "/absolute-through-link"),
        "relative-to-absolute": ("absolute", "/relative-to-absolute"),
        "through-absolute": ("absolute-folder/sub/../f.txt", "/through-absolute"),
        "absolute-twice": (f"{public}/absolute-root/absolute-folder/f.txt", "/absolute-twice"),
    }


def test_links_inside(fort):
    links = inner_links(fort)
    for name, (text, _) in links.items():
        fort.link(name, text)
    w = fort.start()
    with w.connect() as c:
        for name, (text, target) in links.items():
            a = c.call("GET", target)
            assert (a.status, a.body) == (200, INSIDE), f"{name} -> {text}: {a}"
        assert_redirect(c.call("GET", "/folder"), 301, "folder/")
        assert_redirect(c.call("GET", "/absolute-folder"), 301, "absolute-folder/")
        assert_redirect(c.call("GET", "/absolute/"), 301, "../absolute")
        assert_error(c.call("GET", "/folder/nothing"), 404)
        assert_error(c.call("GET", "/absolute/f.txt"), 404)


@pytest.mark.parametrize("n", [1, 30, 39])
def test_chains_inside(fort, n):
    """As long as the kernel itself follows them."""
    for i in range(n):
        fort.link(f"l{i}", f"l{i + 1}")
    fort.link(f"l{n}", "f.txt")
    assert_file(fort.start().call("GET", "/l0"), INSIDE)


def test_folder_that_is_a_link_itself(fort):
    """Absolute links count by the real path."""
    link = fort.scratch / "current"
    link.symlink_to("public")
    fort.link("absolute", f"{fort.path}/f.txt")
    fort.link("relative", "dir/f.txt")
    fort.link("by-the-link", f"{link}/f.txt")
    fort.link("out", "../secret.txt")
    w = fort.start(static_path=link)
    with w.connect() as c:
        for target in ("/f.txt", "/absolute", "/relative"):
            assert_file(c.call("GET", target), INSIDE)
        assert_error(c.call("GET", "/out"), 404)
    assert_safe(w, "/by-the-link")


def test_the_whole_file_system(fort):
    """static_path=/ is a folder like any other: all is inside."""
    fort.link("absolute", f"{fort.path}/f.txt")
    with fort.start(static_path="/").connect() as c:
        for name in ("f.txt", "absolute"):
            assert_file(c.call("GET", f"{fort.path}/{name}"), INSIDE)
        assert_file(c.call("GET", f"/%2e%2e/..%2f{fort.path}/f.txt"), INSIDE)
        assert_error(c.call("GET", f"{fort.path}/nothing"), 404)


# --- links that lead out, or nowhere ----------------------------------------------------------------------------------


def outer_links(site):
    public, scratch = str(site.path), str(site.scratch)
    return {
        "out": "../secret.txt",
        "out-folder": "..",
        "out-slash": "../",
        "neighbour": f"../{NEIGHBOUR}",
        "neighbour-file": f"../{NEIGHBOUR}/secret.txt",
        "far-out": "../" * 20 + "etc/passwd",
        "dir/out": "../../secret.txt",
        "dir/sub/out": "../../../secret.txt",
        "down-and-out": "dir/sub/../../../secret.txt",
        "through-link-out": "link-to-dir/../../secret.txt",
        "etc": "/etc",
        "passwd": "/etc/passwd",
        "slash": "/",
        "slashes": "//etc//passwd",
        "scratch": scratch,
        "secret": f"{scratch}/secret.txt",
        "root": "/proc/self/root",
        "cwd": "/proc/self/cwd",
        "environ": "/proc/self/environ",
        "fd": "/proc/self/fd",
        "fd-0": "/proc/self/fd/0",
        "thread": "/proc/thread-self/root/etc/passwd",
        "stdin": "/dev/stdin",
        "null": "/dev/null",
        # not every path that begins like the folder's is in it
        "prefix": f"{public}-old",
        "prefix-file": f"{public}-old/secret.txt",
        "prefix-2": f"{public}2/secret.txt",
        "prefix-dots": f"{public}/..",
        "prefix-up": f"{public}/../secret.txt",
        "prefix-down-up": f"{public}/dir/../../secret.txt",
        "prefix-old": f"{public}/../public-old/secret.txt",
        "slashes-up": f"{public}//..//secret.txt",
        "dots-up": f"{public}/./../secret.txt",
        # one after the other
        "chain": "out",
        "chain-2": "dir/chain-3",
        "dir/chain-3": "../chain-4",
        "chain-4": f"{public}/chain-5",
        "chain-5": "out-folder/secret.txt",
        "chain-abs": f"{public}/out",
        "chain-abs-folder": f"{public}/out-folder/secret.txt",
        "chain-slash": "slash/etc/passwd",
        "chain-back": f"{public}/slash{public}/../secret.txt",
        "dir/to-neighbour": f"{public}/neighbour/secret.txt",
        # nowhere
        "dangling": "nothing",
        "dangling-out": "../nothing",
        "dangling-abs": f"{public}/nothing",
        "dangling-far": "/no/such/thing",
        "loop": "loop",
        "loop-2": "loop-3",
        "loop-3": "loop-2",
        "loop-abs": f"{public}/loop-abs",
        "loop-abs-2": "loop-abs-3",
        "loop-abs-3": f"{public}/loop-abs-2",
        "loop-deep": "loop-deep/x/y",
        "loop-up": "dir/../loop-up",
        "loop-abs-deep": f"{public}/loop-abs-deep/x",
        "through-file": "f.txt/x",
        "long-name": "x" * 256,
        "long-path": "x/" * 2040,
        "long-way": "./" * 2040 + "../secret.txt",
        "long-abs": public + "/." * 1900 + "/../secret.txt",
        "hold-on": "dir/" + "../dir/" * 500 + "../../secret.txt",
        **{f"l{i}": f"l{i + 1}" for i in range(45)},
        "l45": "f.txt",
    }


def test_links_outside(fort):
    links = outer_links(fort)
    fort.link("link-to-dir", "dir")
    for name, text in links.items():
        fort.link(name, text)
    w = fort.start()
    before = None
    skip = {f"l{i}" for i in range(1, 46)}  # parts of a chain that is too long
    for name in sorted(set(links) - skip):
        assert_error(outcome(w, f"/{name}"), 404)
        assert_error(outcome(w, f"/{name}", "HEAD"), 404, head=True)
        assert_error(outcome(w, f"/{name}", fields=[("Range", "bytes=0-9"), ("If-None-Match", "*")]), 404)
        for below in ("/", "/secret.txt", "/passwd", "/etc/passwd", f"/{NEIGHBOUR}/", "/root/etc/passwd", "/0", "/f.txt",
                      "/%2e%2e/secret.txt", "/public/f.txt", f"{fort.path}/f.txt"):  # fmt: skip
            a = assert_safe(w, f"/{name}{below}")
            assert a.status in (404, 301) or below.startswith("/%2e%2e"), (name, below, a)
        before = before or w.idle_descriptors()
    assert w.idle_descriptors() == before
    assert w.stop_and_read() == []


def test_links_that_leave_and_come_back(fort):
    """Whether they count or not, they are not slow and lead to nothing else."""
    fort.link("back", "../public/f.txt")
    fort.link("dir/back", "../../public/dir/f.txt")
    w = fort.start()
    for target in ("/back", "/dir/back"):
        assert assert_safe(w, target).status in (200, 404)


@pytest.mark.parametrize(
    "text", ["../secret.txt", "/etc/passwd", "{public}-old/secret.txt", "{public}/../secret.txt"]
)
def test_links_in_special_places(fort, text):
    """Where the program looks for files on its own: indexes, neighbours, the fallback."""
    text = text.format(public=fort.path)
    for name in ("f.txt.gz", "f.txt.br", "dir/index.html", "fallback.html", "index.html"):
        fort.link(name, text)
    w = fort.start(static_fallback="fallback.html")
    for target in ("/f.txt", "/dir/", "/", "/nothing", "/fallback.html", "/f.txt.gz", "/dir/index.html"):
        for fields in ([], [("Accept-Encoding", "gzip, br")]):
            assert_safe_or_named(w, target, fields)


def assert_safe_or_named(w, target, fields):
    """A listing may show the link's name, but nothing of what it leads to."""
    a = outcome(w, target, fields=fields)
    assert a.status in (200, 301, 404), a
    assert SECRET not in a.body and b"root:x:" not in a.body, a
    if target == "/f.txt":
        assert_file(a, INSIDE)


# --- things that change meanwhile, and things that are no files -------------------------------------------------------


def test_what_is_neither_file_nor_folder(fort):
    """No matter who is at the other end of a pipe, and it keeps its bytes."""
    os.mkfifo(fort.path / "alone")
    os.mkfifo(fort.path / "written")
    fort.link("to-written", "written")
    fort.link("to-written-abs", f"{fort.path}/written")
    writer = os.open(fort.path / "written", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(writer, SECRET)
        w = fort.start()
        with w.connect() as c:
            for name in ("alone", "written", "to-written", "to-written-abs"):
                assert_error(c.call("GET", f"/{name}"), 403)
                assert_error(c.call("HEAD", f"/{name}"), 403, head=True)
                assert c.call("GET", f"/{name}/").status in (403, 404)
                assert_error(c.call("GET", f"/{name}/x"), 404)
        assert os.read(writer, 100) == SECRET
    finally:
        os.close(writer)


def test_proc_in_the_folder(fort):
    """Its links are no links: they open what no path could name."""
    (fort.path / "proc").mkdir()
    enter = ["unshare", "--mount", "sh", "-c", f'mount --bind /proc {fort.path}/proc && exec "$@"', "sh"]
    if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    start = fort.watchdog
    fort.watchdog = lambda wrapper=(), **more: start(wrapper=[*enter, *wrapper], **more)
    w = fort.start(popen={"cwd": fort.scratch})
    for link in ("root", "cwd", "exe", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "ns/mnt", "map_files"):
        for who in ("self", "thread-self", "1", str(w.pid)):
            for end in ("", "/", "/secret.txt", "/etc/passwd", f"{fort.scratch}/secret.txt", "/../secret.txt"):
                assert_safe_in_proc(w, f"/proc/{who}/{link}{end}")


def assert_safe_in_proc(w, target):
    a = outcome(w, target)
    assert a and a.status in (200, 301, 307, 403, 404), a
    assert SECRET not in a.body and b"root:x:" not in a.body and b"\x7fELF" not in a.body, f"{target}: {a}"


class Swapping:
    """Swaps two names all the time while it is entered, in a process of its own."""

    CODE = (
        "import ctypes, os, sys\n"
        "c = ctypes.CDLL(None, use_errno=True)\n"
        "a, b = map(os.fsencode, sys.argv[1:])\n"
        "print(flush=True)\n"
        "parent = os.getppid()\n"
        "while os.getppid() == parent:\n"
        "    assert c.renameat2(-100, a, -100, b, 2) == 0\n"
    )

    def __init__(self, a, b):
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", self.CODE, str(a), str(b)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )

    def __enter__(self):
        assert self.process.stdout.readline() == b"\n"

    def __exit__(self, *_):
        alive = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        assert alive, "it could not swap"


def race(w, targets, times, allowed=(200, 404)):
    """What many requests during the swaps got."""
    seen = {}
    with w.connect() as c:
        for _ in range(times):
            for target in targets:
                a = c.call("GET", target)
                assert SECRET not in a.body and NEIGHBOUR.encode() not in a.body, a
                assert a.status in allowed, a
                assert a.status != 200 or a.body == INSIDE or a.body.startswith(LISTING_START), a
                seen[a.status] = seen.get(a.status, 0) + 1
    return seen


def test_folder_swapped_with_a_link(fort):
    (fort.path / "link").symlink_to(fort.scratch / NEIGHBOUR)
    fort.write("swapped/secret.txt", INSIDE)
    fort.write("swapped/sub/secret.txt", INSIDE)
    (fort.scratch / NEIGHBOUR / "sub").mkdir()
    (fort.scratch / NEIGHBOUR / "sub/secret.txt").write_bytes(SECRET)
    w = fort.start()
    with Swapping(fort.path / "swapped", fort.path / "link"):
        seen = race(w, ["/swapped/secret.txt", "/swapped/sub/secret.txt", "/link/secret.txt"], 300)
    assert set(seen) == {200, 404}, "nothing was swapped"
    assert w.stop_and_read() == []


def test_file_swapped_with_a_link(fort):
    (fort.path / "link").symlink_to("../secret.txt")
    w = fort.start()
    with Swapping(fort.path / "f.txt", fort.path / "link"):
        seen = race(w, ["/f.txt", "/link"], 400)
    assert set(seen) == {200, 404}, "nothing was swapped"
    assert w.stop_and_read() == []


def test_folder_moved_out_below_a_link(fort):
    """".." in a link is the folder that it was come through, not whatever it is in by now."""
    (fort.path / "secret.txt").write_bytes(INSIDE)
    fort.link("dir/sub/up", "../../secret.txt")
    fort.link("dir/sub/up-abs", f"{fort.path}/dir/sub/up")
    other = fort.scratch / NEIGHBOUR / "moved"
    other.mkdir()
    (other / "up").write_bytes(INSIDE)
    w = fort.start()
    with Swapping(fort.path / "dir/sub", other):
        race(w, ["/dir/sub/up", "/dir/sub/up-abs"], 400)
    assert w.stop_and_read() == []


def test_root_swapped_with_the_secret(fort):
    """The folder is what static_path names now, or did a moment ago: never a mixture."""
    other = fort.scratch / "other"
    other.mkdir()
    (other / "f.txt").write_bytes(INSIDE)
    fort.link("out", "../secret.txt")
    (other / "out").symlink_to(fort.path / "dir/f.txt")
    w = fort.start()
    with Swapping(fort.path, other):
        race(w, ["/f.txt", "/out", "/%2e%2e/secret.txt", "/"], 300)


def test_folders_that_come_and_go(fort):
    w = fort.start()
    with w.connect() as c:
        for _ in range(20):
            (fort.path / "dir").rename(fort.scratch / "away")
            assert_error(c.call("GET", "/dir/f.txt"), 404)
            (fort.path / "dir").symlink_to("../away")
            assert_error(c.call("GET", "/dir/f.txt"), 404)
            (fort.path / "dir").unlink()
            (fort.scratch / "away").rename(fort.path / "dir")
            assert_file(c.call("GET", "/dir/f.txt"), INSIDE)
        eventually(lambda: str(fort.scratch / "away") not in w.descriptors(), "nothing of it is kept")
