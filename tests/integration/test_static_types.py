"""mode=static: Content-Type, by the name of a file or from its first bytes."""

import os
import subprocess
from pathlib import Path

import pytest

from http_client import assert_answer
from static_site import PLAIN, assert_file, file_fields
from test_sniff import HTML, OCTETS, PATTERNS, TAGS

MIME_TYPES = Path("/etc/mime.types")
OFFICE = "application/vnd.openxmlformats-officedocument."
BUILT_IN = {
    "application/postscript": "ai eps ps",
    "application/vnd.android.package-archive": "apk",
    "image/apng": "apng",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpg jpeg jfif pjp pjpeg",
    "image/vnd.microsoft.icon": "ico",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/x-xbitmap": "xbm",
    "application/octet-stream": "bin com exe",
    "text/css; charset=utf-8": "css",
    "text/csv; charset=utf-8": "csv",
    "text/html; charset=utf-8": "htm html ehtml shtml",
    "text/javascript; charset=utf-8": "js mjs cjs",
    "text/plain; charset=utf-8": "txt text",
    "text/calendar; charset=utf-8": "ics",
    "text/vtt; charset=utf-8": "vtt",
    "text/xml; charset=utf-8": "xml xsl xbl",
    "text/markdown; charset=utf-8": "md",
    "application/xhtml+xml": "xht xhtml",
    "application/json": "json map",
    "application/pdf": "pdf",
    "application/wasm": "wasm",
    "application/zip": "zip",
    "application/rtf": "rtf",
    "application/gzip": "gz",
    "application/rdf+xml": "rdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    OFFICE + "wordprocessingml.document": "docx",
    OFFICE + "spreadsheetml.sheet": "xlsx",
    OFFICE + "presentationml.presentation": "pptx",
    "message/rfc822": "eml",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "oga ogg opus",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/aac": "aac",
    "video/webm": "webm",
    "video/mp4": "mp4",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "application/yaml": "yaml yml",
    "application/x-tar": "tar",
    "application/manifest+json": "webmanifest",
    "application/vnd.apple.mpegurl": "m3u8",
    "application/ld+json": "jsonld",
    "application/atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/x-7z-compressed": "7z",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/zstd": "zst",
}
TYPES = [(extension, kind) for kind, extensions in BUILT_IN.items() for extension in extensions.split()]


def as_sent(kind):
    return kind + "; charset=utf-8" if kind.startswith("text/") else kind


def of_this_machine():
    """extension -> the types that /etc/mime.types has for it."""
    found = {}
    if MIME_TYPES.exists():
        for line in MIME_TYPES.read_text(encoding="utf-8", errors="replace").splitlines():
            kind, *extensions = line.partition("#")[0].split() or [""]
            for extension in extensions:
                found.setdefault(extension, []).append(as_sent(kind))
    return found


def type_of(c, target, method="GET"):
    a = c.call(method, target)
    assert a.status == 200, a
    return a.value("Content-Type")


def test_by_extension(site):
    """With whatever this machine adds to the built-in types."""
    local = of_this_machine()
    for extension, _ in TYPES:
        site.write(f"f.{extension}", b"\0\1\2")
        site.write(f"f.{extension.upper()}", b"\0\1\2")
    with site.start().connect() as c:
        for extension, kind in TYPES:
            assert type_of(c, f"/f.{extension}") in local.get(extension, [kind]), extension
            upper = extension.upper()
            assert type_of(c, f"/f.{upper}") in local.get(upper, local.get(extension, [kind])), upper


@pytest.fixture
def with_mime_types(site):
    """Starts fwatchdog where /etc/mime.types is a file of the test's own, or empty."""

    def start(text):
        if not MIME_TYPES.exists():
            pytest.skip("there is no /etc/mime.types to lay another one over")
        own = site.scratch / "mime.types"
        own.write_bytes(text)
        wrapper = ["unshare", "--mount", "sh", "-c", f'mount --bind {own} {MIME_TYPES} && exec "$@"', "sh"]
        if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
            pytest.skip("mount namespaces are not permitted here")
        return site.start(wrapper=wrapper)

    return start


def test_built_in(site, with_mime_types):
    for extension, _ in TYPES:
        site.write(f"f.{extension}", b"\0\1\2")
    with with_mime_types(b"").connect() as c:
        assert {extension: type_of(c, f"/f.{extension}") for extension, _ in TYPES} == dict(TYPES)
        for extension in ("ts", "br", "php", "py", "sh", "jsx", "htmlx", "xhtm", "j", "7", "html~", "unknown"):
            site.write(f"f.{extension}", b"text")
            assert type_of(c, f"/f.{extension}") == PLAIN, extension


def test_etc_mime_types_extends_and_overrides(site, with_mime_types):
    text = b"""
# a comment
application/x-own\t\t\town   own2
text/x-own own3 # own4
application/x-html html
application/x-upper UP
application/x-lower up
no-slash own5
/none own6
none/ own7
application/x-alone
  application/x-indented own8
application/x-crlf own9\r
a/b;c="d e" own10
a/b/c own11
application/x-injected\x0dX:y own12
application/x-long """ + b"x" * 5000 + b"""
application/x-last own13"""
    wanted = {
        "own": "application/x-own",
        "own2": "application/x-own",
        "OWN2": "application/x-own",
        "own3": "text/x-own; charset=utf-8",
        "own4": PLAIN,
        "html": "application/x-html",
        "HTML": "application/x-html",
        "htm": "text/html; charset=utf-8",
        "UP": "application/x-upper",
        "up": "application/x-lower",
        "Up": "application/x-lower",
        "own5": PLAIN,
        "own6": PLAIN,
        "own7": PLAIN,
        "own8": "application/x-indented",
        "own9": "application/x-crlf",
        "own11": PLAIN,
        "own13": "application/x-last",
        "js": "text/javascript; charset=utf-8",
    }
    for extension in [*wanted, "own10", "own12"]:
        site.write(f"f.{extension}", b"text")
    w = with_mime_types(text)
    with w.connect() as c:
        assert {extension: type_of(c, f"/f.{extension}") for extension in wanted} == wanted
        for extension in ("own10", "own12"):
            assert c.call("GET", f"/f.{extension}").values("X") == []
        assert_file(c.call("GET", "/f.own"), b"text", "application/x-own")


NONSENSE = {
    "zeros": b"\0" * 10_000,
    "random": os.urandom(100_000),
    "a-long-line": b"x" * 1_000_000,
    "many-lines": b"a/b c d e\n" * 50_000,
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
def test_etc_mime_types_that_makes_no_sense(site, with_mime_types, text):
    site.write("f.html", b"x")
    with with_mime_types(text).connect() as c:
        assert type_of(c, "/f.html") == HTML


@pytest.mark.parametrize(
    "name, kind",
    [
        ("a.html.txt", PLAIN),
        ("a.txt.html", HTML),
        ("a.min.css", "text/css; charset=utf-8"),
        ("a b.html", HTML),
        ("é.html", HTML),
        ("a.HtMl", HTML),
        ("dir.html/plain", PLAIN),
        ("a.", PLAIN),
        ("a.html.", PLAIN),
        ("html", PLAIN),
        ("a.html ", PLAIN),
        ("a." + "h" * 200, PLAIN),
        ("a.html~", PLAIN),
        ("a.h\u0130tml", PLAIN),
    ],
)
def test_what_an_extension_is(site, name, kind):
    site.write(name, b"text")
    with site.start().connect() as c:
        target = "/" + "".join(f"%{b:02x}" if b != 0x2F else "/" for b in os.fsencode(name))
        if "." in name and name.rpartition(".")[2] in of_this_machine():
            kind = of_this_machine()[name.rpartition(".")[2]][-1]
        assert type_of(c, target) == kind


# --- from the content -------------------------------------------------------------------------------------------------


def test_patterns(site):
    for i, (data, _) in enumerate(PATTERNS):
        site.write(f"f{i}", data)
        site.write(f"f{i}.is-unknown", data)
    with site.start().connect() as c:
        for i, (data, wanted) in enumerate(PATTERNS):
            for target in (f"/f{i}", f"/f{i}.is-unknown"):
                a = c.call("GET", target)
                assert (a.status, a.body, a.value("Content-Type")) == (200, data, wanted), data
                assert type_of(c, target, "HEAD") == wanted, data


def test_tags(site):
    for i, tag in enumerate(TAGS):
        site.write(f"f{i}", b" \n" + tag.lower().encode() + b">")
    with site.start().connect() as c:
        for i, tag in enumerate(TAGS):
            assert type_of(c, f"/f{i}") == HTML, tag


def test_empty_file(site):
    site.write("empty", b"")
    with site.start().connect() as c:
        assert_file(c.call("GET", "/empty"), b"", PLAIN)
        assert_file(c.call("HEAD", "/empty"), b"", PLAIN, head=True)


def test_large_file_is_sniffed_at_its_begin(site):
    data = b"%PDF-" + b"\0" * 1_000_000
    site.write("large", data)
    site.write("late", b"x" * 512 + b"\0" * 600_000)
    site.write("early", b"x" * 511 + b"\0" * 600_000)
    with site.start().connect() as c:
        a = c.call("GET", "/large")
        assert (a.body, a.value("Content-Type")) == (data, "application/pdf")
        assert type_of(c, "/late") == PLAIN
        assert type_of(c, "/early") == OCTETS


def test_range_has_the_type_of_the_whole(site):
    """It is the file's begin that counts, not the part's."""
    site.write("page", b"<html><body>" + b"\0" * 1000)
    with site.start().connect() as c:
        a = c.call("GET", "/page", fields=[("Range", "bytes=100-109")])
        fields = file_fields(HTML, Content_Range="bytes 100-109/1012")
        assert_answer(a, 206, b"\0" * 10, fields)


def test_extension_wins_over_the_content(site):
    site.write("f.txt", b"<html>")
    site.write("f.css", b"\x89PNG\r\n\x1a\n\0")
    with site.start().connect() as c:
        assert type_of(c, "/f.txt") == PLAIN
        assert type_of(c, "/f.css") == "text/css; charset=utf-8"
