"""mode=static: its settings, what the start says, and folders that are not what they should be."""

import os
import re
import shutil
import socket

import pytest

from harness import eventually
from http_client import assert_answer
from static_site import (
    HTML,
    PLAIN,
    assert_error,
    assert_file,
    assert_listing,
    assert_not_modified,
    assert_redirect,
    file_fields,
)

CACHE = "public, max-age=3600"


# --- the start --------------------------------------------------------------------------------------------------------


def test_log(site):
    w = site.start()
    lines = w.messages()
    assert lines[1:3] == [f"Serving files at: {site.path}", 'Watchdog mode: static\tfprocess: ""'], lines
    assert re.fullmatch(r"Timeouts: read: 30s write: 30s hard: \d+s health: 0s", lines[3]), lines
    assert lines[4:] == [f"Listening on port: {w.port}", f"Writing lock-file to: {w.lock}"], lines


def test_no_function_is_started(site):
    w = site.start(fprocess="no-such-program --here")
    assert w.call("GET", "/").status == 200
    assert w.family() == []


@pytest.mark.parametrize("command", [["--check"], []])
def test_empty_path_stops_the_start(fwatchdog, command):
    ended = fwatchdog(*command, mode="static", static_path="")
    assert ended.status == 1, ended
    assert "static_path" in ended.all and "Listening" not in ended.all


def test_defaults(fwatchdog):
    settings = fwatchdog("--check", mode="static").settings()
    assert settings["static_path"] == ("/home/app/public", "default")
    assert settings["static_listing"][1] == "default"
    assert settings["static_precompressed"][1] == "default"
    assert {"static_fallback", "static_cache_control"} <= set(settings)


@pytest.mark.parametrize(
    "name, value",
    [
        ("static_listing", "maybe"),
        ("static_precompressed", "brotli"),
        ("static_fallback", "/index.html"),
        ("static_fallback", ".."),
        ("static_fallback", "../index.html"),
        ("static_fallback", "a/../../index.html"),
        ("static_fallback", "a/.."),
        ("static_fallback", "a/../b"),
        ("static_cache_control", "public\r\nX-Injected: 1"),
        ("static_cache_control", "public\x01"),
        ("static_cache_control", "public\x7f"),
    ],
)
def test_bad_value_stops_the_start(fwatchdog, site, name, value):
    for command in (["--check"], []):
        ended = fwatchdog(*command, mode="static", static_path=str(site.path), **{name: value})
        assert ended.status == 1, ended
        assert name in ended.all, ended
        assert "Listening" not in ended.all


@pytest.mark.parametrize("value", ["index.html", "a/b.html", "..a/b..", "a b.html", "..."])
def test_good_fallback(fwatchdog, site, value):
    ended = fwatchdog("--check", mode="static", static_path=str(site.path), static_fallback=value)
    assert ended.status == 0, ended
    assert ended.settings()["static_fallback"] == (value, "environment")


# --- static_path ------------------------------------------------------------------------------------------------------


def assert_warned(w, path):
    w.wait_for_log(rf'static_path="{path}')
    for target in ("/", "/f.txt", "/dir/", "/%2e%2e/"):
        assert_error(w.call("GET", target), 404)
        assert_error(w.call("HEAD", target), 404, head=True)
    assert_redirect(w.call("GET", "/index.html"), 301, "./")
    assert_answer(w.call("GET", "/_/health"), 200, b"OK", {"Content-Type": PLAIN})


def test_missing_folder_is_a_warning(site):
    site.path.rmdir()
    w = site.start()
    assert_warned(w, site.path)
    site.path.mkdir()
    site.write("f.txt", b"it came")
    eventually(lambda: w.call("GET", "/f.txt").status == 200, "it is found")
    assert_file(w.call("GET", "/f.txt"), b"it came")


@pytest.mark.parametrize("kind", ["file", "fifo", "socket", "dangling", "link-to-file", "loop", "below-a-file"])
def test_path_that_is_no_folder_is_a_warning(site, kind):
    site.path.rmdir()
    path = site.path
    with socket.socket(socket.AF_UNIX) as s:
        if kind == "file":
            path.write_text("x")
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            s.bind(str(path))
        elif kind == "below-a-file":
            path.write_text("x")
            path = path / "sub"
        else:
            (site.scratch / "f.txt").write_text("x")
            path.symlink_to({"dangling": "nothing", "link-to-file": "f.txt", "loop": "public"}[kind])
        w = site.start(static_path=path)
        assert_warned(w, path)
        site.path.unlink()
        site.path.mkdir()
        path.mkdir(exist_ok=True)
        (path / "f.txt").write_bytes(b"it came")
        eventually(lambda: w.call("GET", "/f.txt").body == b"it came", "it is found")


def test_missing_folder_is_an_error_for_the_strict(fwatchdog, site):
    ended = fwatchdog(mode="static", static_path=str(site.scratch / "nothing"), strict_config="true")
    assert ended.status == 1, ended
    assert "static_path" in ended.all


def test_folder_that_is_removed_and_made_again(site):
    """What was removed is not served for another second."""
    site.write("f.txt", b"one")
    with site.start().connect() as c:
        for text in (b"two", b"three", b"four"):
            assert c.call("GET", "/f.txt").status == 200
            shutil.rmtree(site.path)
            for target in ("/f.txt", "/", "/%2e"):
                assert_error(c.call("GET", target), 404)
            site.path.mkdir()
            site.write("f.txt", text)
            assert_file(c.call("GET", "/f.txt"), text)
        shutil.rmtree(site.path)
        site.path.mkdir()
        site.write("f.txt", b"five")
        site.folder(".")
        assert_listing(c.call("GET", "/"), (b"f.txt", b"f.txt"))


def test_folder_by_a_link_that_is_changed(site):
    """As deployments do it: releases side by side, and a link to the one that counts."""
    for release in ("one", "two"):
        (site.scratch / release).mkdir()
        (site.scratch / release / "f.txt").write_text(release)
    link = site.scratch / "current"
    link.symlink_to("one")
    with site.start(static_path=link).connect() as c:
        assert c.call("GET", "/f.txt").body == b"one"
        new = site.scratch / "new"
        new.symlink_to("two")
        new.rename(link)
        eventually(lambda: c.call("GET", "/f.txt").body == b"two", "the other release is served")


@pytest.mark.parametrize("text", ["public", "./public", "tmp/../public/", "public//.", "{scratch}//public/./"])
def test_ways_to_write_the_path(site, text):
    site.write("f.txt", b"found")
    path = text.format(scratch=site.scratch)
    w = site.start(static_path=path, popen={"cwd": site.scratch})
    w.wait_for_log("^Serving files at: ")
    assert_file(w.call("GET", "/f.txt"), b"found")
    assert_error(w.call("GET", "/nothing"), 404)


def test_path_with_odd_bytes(site):
    path = site.scratch / os.fsdecode(b"a\nb\x1b[31m \xff\xc3\xa9 % = \"'")
    path.mkdir()
    (path / "f.txt").write_bytes(b"found")
    w = site.start(static_path=path)
    assert w.call("GET", "/f.txt").body == b"found"
    serving = w.wait_for_log("^Serving files at: .*").group(0)
    assert "\x1b" not in w.err.text() and "31m" in serving, serving


# --- static_listing ---------------------------------------------------------------------------------------------------


def test_listing_off(site):
    site.write("dir/f.txt", b"x")
    site.write("with/index.html", b"index")
    with site.start(static_listing="off").connect() as c:
        for target in ("/", "/dir/", "/%2e%2e/"):
            assert_error(c.call("GET", target), 404)
            assert_error(c.call("HEAD", target), 404, head=True)
        assert_redirect(c.call("GET", "/dir"), 301, "dir/")
        assert_file(c.call("GET", "/dir/f.txt"), b"x")
        assert_file(c.call("GET", "/with/"), b"index", HTML)


def test_listing_on(site):
    site.folder(".")
    with site.start(static_listing="on").connect() as c:
        assert_listing(c.call("GET", "/"))


# --- static_fallback --------------------------------------------------------------------------------------------------


MISSING = ["/nothing", "/no/thing/at/all", "/nothing/", "/app/route/", "/nothing?q", "/f.txt/x", "/nothing.js", "/%ff"]


@pytest.mark.parametrize("listing", ["on", "off"])
def test_fallback(site, listing):
    site.write("app.html", b"<p>the app</p>")
    site.write("f.txt", b"file")
    site.write("dir/f.txt", b"x")
    site.folder("dir")
    with site.start(static_fallback="app.html", static_listing=listing).connect() as c:
        for target in MISSING + (["/", "/dir/"] if listing == "off" else []):
            assert_file(c.call("GET", target), b"<p>the app</p>", HTML)
            assert_file(c.call("HEAD", target), b"<p>the app</p>", HTML, head=True)
        if listing == "on":
            assert_listing(c.call("GET", "/dir/"), (b"f.txt", b"f.txt"))
        assert_file(c.call("GET", "/f.txt"), b"file")
        assert_file(c.call("GET", "/app.html"), b"<p>the app</p>", HTML)
        assert_redirect(c.call("GET", "/dir"), 301, "dir/")
        assert_redirect(c.call("GET", "/f.txt/"), 301, "../f.txt")
        assert_redirect(c.call("GET", "/nothing/index.html"), 301, "./")
        assert_redirect(c.call("GET", "/nothing//x"), 307, "/nothing/x")
        assert_error(c.call("POST", "/nothing"), 405, Allow="GET, HEAD")


@pytest.mark.parametrize("target", ["/" + "x" * 300, "/" + "x" * 300 + "/", "/" + "route/" * 1000])
def test_fallback_for_what_no_file_can_be_called(site, target):
    """Tokens in a path are often longer than a file's name."""
    site.write("app.html", b"<p>the app</p>")
    assert_file(site.start(static_fallback="app.html").call("GET", target), b"<p>the app</p>", HTML)


def test_fallback_is_the_index(site):
    """The usual: a page that routes by itself."""
    site.write("index.html", b"<p>the app</p>")
    with site.start(static_fallback="index.html").connect() as c:
        for target in ("/", "/nothing", "/no/thing/"):
            assert_file(c.call("GET", target), b"<p>the app</p>", HTML)
        assert_redirect(c.call("GET", "/index.html"), 301, "./")


def test_fallback_is_a_file_like_others(site):
    site.write("sub/app.html", b"0123456789")
    with site.start(static_fallback="sub/app.html", static_cache_control=CACHE).connect() as c:
        a = c.call("GET", "/route")
        assert_file(a, b"0123456789", HTML, Cache_Control=CACHE)
        tag = a.value("ETag")
        assert_not_modified(c.call("GET", "/other", fields=[("If-None-Match", tag)]), Cache_Control=CACHE)
        a = c.call("GET", "/other", fields=[("Range", "bytes=2-4")])
        fields = file_fields(HTML, Content_Range="bytes 2-4/10", Cache_Control=CACHE)
        assert_answer(a, 206, b"234", fields)


@pytest.mark.parametrize("kind", ["missing", "folder", "outside", "fifo"])
def test_fallback_that_is_no_file(site, kind):
    path = site.path / "app.html"
    (site.scratch / "other").write_text("outside")
    if kind == "folder":
        path.mkdir()
    elif kind == "outside":
        path.symlink_to("../other")
    elif kind == "fifo":
        os.mkfifo(path)
    w = site.start(static_fallback="app.html")
    with w.connect() as c:
        for target in ("/nothing", "/no/thing/"):
            a = c.call("GET", target)
            assert_error(a, 403 if a.status == 403 and kind == "fifo" else 404)
        site.write("f.txt", b"file")
        assert_file(c.call("GET", "/f.txt"), b"file")


def test_fallback_is_not_for_what_is_forbidden(site):
    site.write("index.html", b"the app")
    os.mkfifo(site.path / "fifo")
    assert_error(site.start(static_fallback="index.html").call("GET", "/fifo"), 403)


# --- static_cache_control ---------------------------------------------------------------------------------------------


def test_cache_control(site):
    """With files and with nothing else: a cache would keep an error or a refusal, too."""
    site.write("f.txt", b"0123456789")
    site.write("with/index.html", b"index")
    site.write("dir/f.txt", b"x")
    site.folder("dir")
    with site.start(static_cache_control=CACHE).connect() as c:
        a = c.call("GET", "/f.txt")
        assert_file(a, b"0123456789", Cache_Control=CACHE)
        tag = a.value("ETag")
        assert_file(c.call("HEAD", "/f.txt"), b"0123456789", head=True, Cache_Control=CACHE)
        assert_file(c.call("GET", "/with/"), b"index", HTML, Cache_Control=CACHE)
        for ranges, n in (("bytes=0-1", 1), ("bytes=0-1,4-5", 2)):
            a = c.call("GET", "/f.txt", fields=[("Range", ranges)])
            assert (a.status, a.value("Cache-Control")) == (206, CACHE), n
        assert_not_modified(c.call("GET", "/f.txt", fields=[("If-None-Match", tag)]), Cache_Control=CACHE)
        others = [
            c.call("GET", "/nothing"),
            c.call("GET", "/dir"),
            c.call("GET", "/dir/"),
            c.call("GET", "//"),
            c.call("PUT", "/f.txt"),
            c.call("GET", "/f.txt", fields=[("Range", "bytes=100-")]),
            c.call("GET", "/f.txt", fields=[("If-Match", '"x"')]),
        ]
        assert [a.status for a in others] == [404, 301, 200, 307, 405, 416, 412]
        assert [a.values("Cache-Control") for a in others] == [[]] * len(others)


@pytest.mark.parametrize("value", [None, ""])
def test_no_cache_control(site, value):
    site.write("f.txt", b"x")
    assert_file(site.start(static_cache_control=value).call("GET", "/f.txt"), b"x")


# --- the common settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, value", [("content_type", "a/b"), ("exec_timeout", "10s"), ("prefix_logs", "false")])
def test_settings_of_functions_change_nothing(site, name, value):
    site.write("f.txt", b"x")
    assert_file(site.start(**{name: value}).call("GET", "/f.txt"), b"x")
