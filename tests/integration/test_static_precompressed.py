"""mode=static: neighbours of a file that hold it compressed, Accept-Encoding and Vary."""

import os

import pytest

from http_client import assert_answer
from static_site import (
    HTML,
    PLAIN,
    THEN,
    assert_error,
    assert_file,
    assert_not_modified,
    file_fields,
    http_date,
)

IDENTITY, BR, GZIP = b"the file itself, as it is", b"<brotli>", b"<gzipped>\0"
JS = "text/javascript; charset=utf-8"


@pytest.fixture
def script(site):
    site.write("f.js", IDENTITY)
    site.write("f.js.br", BR, THEN + 1)
    site.write("f.js.gz", GZIP, THEN + 2)
    return site


def accept(*values):
    return [("Accept-Encoding", value) for value in values]


def assert_variant(a, name, content_type=JS, status=200, head=False, **more):
    """The answer is this file of `script`."""
    if name is None:
        assert_file(a, IDENTITY, content_type, status, head, **more)
    else:
        body, mtime = {"br": (BR, THEN + 1), "gzip": (GZIP, THEN + 2)}[name]
        assert_file(a, body, content_type, status, head, mtime=mtime, Content_Encoding=name, **more)


@pytest.mark.parametrize(
    "values, name",
    [
        ([], None),
        (["gzip"], "gzip"),
        (["br"], "br"),
        (["GZip"], "gzip"),
        (["BR"], "br"),
        (["gzip, br"], "br"),
        (["br,gzip"], "br"),
        (["gzip, deflate, br, zstd"], "br"),
        (["gzip;q=0.8, br;q=0.5"], "gzip"),
        (["gzip;q=0.5, br;q=0.8"], "br"),
        (["gzip;q=0.5, br;q=0.5"], "br"),
        (["gzip; q=1.0 , br ; q=0.999"], "gzip"),
        (["gzip;Q=0.9, br;Q=0.1"], "gzip"),
        (["br;q=0.001"], "br"),
        (["br;q=0.001, gzip;q=0.002"], "gzip"),
        (["br;q=0, gzip"], "gzip"),
        (["br;q=0.000, gzip;q=0"], None),
        (["gzip;q=0"], None),
        (["*"], "br"),
        (["*;q=0"], None),
        (["*;q=0, gzip"], "gzip"),
        (["gzip, *;q=0"], "gzip"),
        (["br;q=0, *"], "gzip"),
        (["br;q=0.1, *;q=0.5"], "gzip"),
        (["gzip;q=0.5, *;q=0.7"], "br"),
        (["identity"], None),
        (["identity;q=0"], None),
        (["identity;q=0, gzip;q=0.1"], "gzip"),
        (["identity, gzip;q=0.5"], None),
        (["identity;q=0.3, gzip;q=0.5"], "gzip"),
        (["deflate"], None),
        (["gzipx, xbr, brotli"], None),
        (["gzip", "br"], "br"),
        (["gzip;q=0.9", "br;q=0.1"], "gzip"),
        ([""], None),
        ([","], None),
        ([",,gzip,"], "gzip"),
        (["\tgzip\t;\tq=0.5"], "gzip"),
        (["gzip;q=2"], None),
        (["gzip;q=x, br"], "br"),
        (["gzip;q=0.5, gzip;q=0.5"], "gzip"),
        (['"gzip"'], None),
        (["gzip br"], None),
        ([", ".join(f"x{i};q=0.5" for i in range(20_000)) + ", gzip"], "gzip"),
    ],
)
def test_accept_encoding(script, values, name):
    with script.start().connect() as c:
        assert_variant(c.call("GET", "/f.js", fields=accept(*values)), name)
        assert_variant(c.call("HEAD", "/f.js", fields=accept(*values)), name, head=True)


@pytest.mark.parametrize(
    "present, value, name",
    [
        (["gz"], "br", None),
        (["gz"], "br, gzip", "gzip"),
        (["gz"], "br, gzip;q=0.1", "gzip"),
        (["gz"], "*", "gzip"),
        (["br"], "gzip", None),
        (["br"], "gzip, br;q=0.1", "br"),
        ([], "gzip, br", None),
    ],
)
def test_neighbours_that_are_not_there(script, present, value, name):
    for other in {"gz", "br"} - set(present):
        (script.path / f"f.js.{other}").unlink()
    assert_variant(script.start().call("GET", "/f.js", fields=accept(value)), name)


@pytest.mark.parametrize("kind", ["folder", "fifo", "outside", "dangling", "loop"])
def test_neighbours_that_are_no_files(site, kind):
    site.write("f.js", IDENTITY)
    (site.scratch / "other").write_text("outside")
    for path in (site.path / "f.js.gz", site.path / "f.js.br"):
        if kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to({"outside": "../other", "dangling": "nothing", "loop": path.name}[kind])
    assert_variant(site.start().call("GET", "/f.js", fields=accept("gzip, br")), None)


def test_neighbour_by_link(site):
    site.write("f.js", IDENTITY)
    site.write("store/1", GZIP, THEN + 2)
    site.link("f.js.gz", "store/1")
    assert_variant(site.start().call("GET", "/f.js", fields=accept("gzip")), "gzip")


def test_neighbours_count_only_beside_their_file(script):
    (script.path / "f.js").unlink()
    w = script.start()
    with w.connect() as c:
        assert_error(c.call("GET", "/f.js", fields=accept("gzip, br")), 404)
        a = c.call("GET", "/f.js.gz", fields=accept("gzip, br"))
        assert (a.status, a.body, a.values("Content-Encoding"), a.values("Vary")) == (200, GZIP, [], [])
        (script.path / "f.js").mkdir()
        assert c.call("GET", "/f.js", fields=accept("gzip, br")).status == 301


def test_neighbours_are_files_of_their_own(script):
    script.write("f.js.gz.gz", b"twice")
    script.write("f.js.gz.br", b"twice")
    with script.start().connect() as c:
        a = c.call("GET", "/f.js.gz", fields=accept("gzip, br"))
        assert_file(a, GZIP, "application/gzip", mtime=THEN + 2, vary=False)
        a = c.call("GET", "/f.js.br")
        assert (a.body, a.values("Content-Encoding")) == (BR, [])


COMPACT = ["png", "jpg", "webp", "gif", "avif", "mp3", "mp4", "webm", "ogg", "zip", "gz", "br", "woff2", "7z", "zst"]
OTHERS = ["svg", "html", "css", "json", "xml", "wasm", "txt", "map", "ttf", "webmanifest", "x"]


@pytest.mark.parametrize("extension", COMPACT)
def test_types_that_are_compressed_already(site, extension):
    site.write(f"f.{extension}", IDENTITY)
    site.write(f"f.{extension}.gz", GZIP)
    site.write(f"f.{extension}.br", BR)
    a = site.start().call("GET", f"/f.{extension}", fields=accept("gzip, br"))
    assert (a.status, a.body, a.values("Vary"), a.values("Content-Encoding")) == (200, IDENTITY, [], []), a


@pytest.mark.parametrize("extension", OTHERS)
def test_types_that_can_be_compressed(site, extension):
    site.write(f"f.{extension}", IDENTITY)
    site.write(f"f.{extension}.gz", GZIP)
    with site.start().connect() as c:
        for fields, body, coding in (([], IDENTITY, []), (accept("gzip"), GZIP, ["gzip"])):
            a = c.call("GET", f"/f.{extension}", fields=fields)
            assert (a.status, a.body, a.values("Content-Encoding")) == (200, body, coding), a
            assert a.value("Vary") == "Accept-Encoding"


def test_type_is_that_of_the_file_itself(site):
    """Where it has to be found from the first bytes, they are not the compressed ones."""
    site.write("page", b"<html> a page")
    site.write("page.gz", b"\x1f\x8b\x08\0" + b"x" * 100)
    with site.start().connect() as c:
        for fields in ([], accept("gzip")):
            assert c.call("GET", "/page", fields=fields).value("Content-Type") == HTML


@pytest.mark.parametrize("target", ["/dir/", "/route"])
def test_index_and_fallback(site, target):
    for name in ("dir/index.html", "app.html"):
        site.write(name, IDENTITY)
        site.write(name + ".br", BR, THEN + 1)
        site.write(name + ".gz", GZIP, THEN + 2)
    with site.start(static_fallback="app.html").connect() as c:
        for values, name in ([], None), (["br"], "br"), (["gzip"], "gzip"), (["gzip, br"], "br"):
            assert_variant(c.call("GET", target, fields=accept(*values)), name, HTML)


def test_off(script):
    with script.start(static_precompressed="off").connect() as c:
        for values in ([], ["br"], ["gzip, br"], ["*"]):
            a = c.call("GET", "/f.js", fields=accept(*values))
            assert_variant(a, None, vary=False)
        a = c.call("GET", "/f.js", fields=[("If-None-Match", a.value("ETag"))])
        assert_not_modified(a, vary=False)


# --- variants are representations of their own ------------------------------------------------------------------------


@pytest.fixture
def variants(script):
    """(ETag, Accept-Encoding) of all three, and a connection."""
    with script.start().connect() as c:
        values = {None: "identity", "br": "br", "gzip": "gzip"}
        tags = {name: c.call("GET", "/f.js", fields=accept(v)).value("ETag") for name, v in values.items()}
        yield c, values, tags


def test_tags_differ(variants):
    _, _, tags = variants
    assert len(set(tags.values())) == 3


def test_tags_differ_even_for_equal_files(site):
    """A link, or a copy of the same size and time, is still another representation."""
    site.write("f.js", IDENTITY)
    os.link(site.path / "f.js", site.path / "f.js.gz")
    os.link(site.path / "f.js", site.path / "f.js.br")
    with site.start().connect() as c:
        tags = {c.call("GET", "/f.js", fields=accept(value)).value("ETag") for value in ("identity", "br", "gzip")}
    assert len(tags) == 3


def test_conditions(variants):
    c, values, tags = variants
    mtimes = {None: THEN, "br": THEN + 1, "gzip": THEN + 2}
    for name, value in values.items():
        more = {"mtime": mtimes[name]}
        for other, tag in tags.items():
            a = c.call("GET", "/f.js", fields=[("If-None-Match", tag), *accept(value)])
            if name == other:
                assert_not_modified(a, **more)
                assert a.value("ETag") == tag
            else:
                assert_variant(a, name)
            a = c.call("GET", "/f.js", fields=[("If-Match", tag), *accept(value)])
            assert a.status == (200 if name == other else 412)
        a = c.call("GET", "/f.js", fields=[("If-None-Match", ", ".join(tags.values())), *accept(value)])
        assert_not_modified(a, **more)
        for seconds, status in ((mtimes[name] - 1, 200), (mtimes[name], 304)):
            a = c.call("GET", "/f.js", fields=[("If-Modified-Since", http_date(seconds)), *accept(value)])
            assert a.status == status, (name, seconds)


def test_ranges(variants):
    c, values, tags = variants
    bodies = {None: IDENTITY, "br": BR, "gzip": GZIP}
    mtimes = {None: THEN, "br": THEN + 1, "gzip": THEN + 2}
    for name, value in values.items():
        body = bodies[name]
        coding = {"Content_Encoding": name} if name else {}
        fields = file_fields(JS, mtimes[name], Content_Range=f"bytes 2-4/{len(body)}", **coding)
        for condition in ([], [("If-Range", tags[name])], [("If-Range", http_date(mtimes[name]))]):
            a = c.call("GET", "/f.js", fields=[("Range", "bytes=2-4"), *condition, *accept(value)])
            assert_answer(a, 206, body[2:5], fields)
        for other in set(tags) - {name}:
            a = c.call("GET", "/f.js", fields=[("Range", "bytes=2-4"), ("If-Range", tags[other]), *accept(value)])
            assert_variant(a, name)
        a = c.call("GET", "/f.js", fields=[("Range", "bytes=1000-"), *accept(value)])
        assert (a.status, a.value("Content-Range")) == (416, f"bytes */{len(body)}")
        assert a.values("Content-Encoding") == []


def test_content_type_of_a_plain_file_stays(site):
    site.write("f.txt", IDENTITY)
    site.write("f.txt.gz", b"")
    a = site.start().call("GET", "/f.txt", fields=accept("gzip"))
    assert_file(a, b"", PLAIN, Content_Encoding="gzip")
