"""mode=static: ETag and Last-Modified, and the requests that depend on them (RFC 9110, section 13)."""

import os
import time

import pytest

from http_client import assert_answer
from static_site import (
    ETAG,
    PLAIN,
    THEN,
    assert_error,
    assert_file,
    assert_listing,
    assert_not_modified,
    assert_redirect,
    file_fields,
    http_date,
    set_time,
)

BODY = b"0123456789"
DATES = {
    "fixdate": "Sun, 06 Nov 1994 08:49:37 GMT",
    "rfc850": "Sunday, 06-Nov-94 08:49:37 GMT",
    "asctime": "Sun Nov  6 08:49:37 1994",
}
BAD_DATES = [
    "", "yesterday", "0", "-1", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 PST", "Sun, 31 Feb 2094 08:49:37 GMT", "Sun, 06 Nov 2094 24:49:37 GMT",
    "Sun, 06 Nov 2094 08:60:37 GMT", "Sun, 00 Nov 2094 08:49:37 GMT", "Sun, 06 Foo 2094 08:49:37 GMT",
    "06 Nov 2094 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT, Sun, 06 Nov 2094 08:49:37 GMT", "\"x\"", "*",
    "2094-11-06T08:49:37Z", "Sun, 06 Nov 20944 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMTx",
    "Sun, -6 Nov 2094 08:49:37 GMT", "Sun, 06 Nov 2094 8:49:37 GMT",
]  # fmt: skip


@pytest.fixture
def page(site):
    """One file, and a connection to ask for it."""
    site.write("f.txt", BODY)
    with site.start().connect() as c:
        yield Page(c)


class Page:
    def __init__(self, connection):
        self.connection = connection
        self.tag = self.ask().value("ETag")

    def ask(self, *fields, method="GET"):
        """GET with these fields, given as "Name: value"; @ is the file's entity tag."""
        rows = [tuple(f.replace("@", getattr(self, "tag", "")).split(": ", 1)) for f in fields]
        return self.connection.call(method, "/f.txt", fields=rows)

    def assert_status(self, status, *fields):
        for method in ("GET", "HEAD"):
            a = self.ask(*fields, method=method)
            head = method == "HEAD"
            if status == 200:
                assert_file(a, BODY, head=head)
            elif status == 304:
                assert_not_modified(a)
                assert a.value("ETag") == self.tag
            else:
                assert_failed(a, head)


def assert_failed(a, head=False):
    """412 says nothing but that; validators may come along."""
    assert (a.status, a.reason, a.body, a.cut) == (412, "Precondition Failed", b"", False), a
    assert head or a.length == 0, a
    names = {name for name, _ in a.fields}
    assert names <= {"Content-Length", "Date", "ETag", "Last-Modified", "Vary"}, a


# --- validators -------------------------------------------------------------------------------------------------------


def test_tag_stays(site):
    site.write("f.txt", BODY)
    w = site.start(workers="2")
    tags = {w.call(method, "/f.txt").value("ETag") for method in ("GET", "HEAD") * 10}
    assert len(tags) == 1
    other = w.call("GET", "/f.txt", fields=[("Range", "bytes=1-2")]).value("ETag")
    w.stop()
    w = site.start()
    assert tags == {w.call("GET", "/f.txt").value("ETag"), other}, "another process says the same"


def test_tag_is_another_one_for_another_file(site):
    """Size, time down to what the file system has, content: each of them."""
    tags = []
    with site.start().connect() as c:

        def look():
            a = c.call("GET", "/f.txt")
            assert ETAG.fullmatch(a.value("ETag")), a
            tags.append(a.value("ETag"))

        site.write("f.txt", BODY)
        look()
        site.write("f.txt", BODY + b"x")
        look()
        site.write("f.txt", BODY, THEN + 1)
        look()
        site.write("f.txt", BODY, THEN - 1)
        look()
        for ns in (1, 1000, 1_000_000, 999_999_999):
            site.write("f.txt", BODY, THEN, ns=ns)
            look()
        site.write("f.txt", b"", THEN)
        look()
        site.write("f.txt", BODY, 0)
        look()
    assert len(set(tags)) == len(tags)


def test_tag_of_content_that_changes_without_a_trace(site):
    """Same size and same time, as archives and images with a fixed date leave them."""
    with site.start().connect() as c:
        site.write("f.txt", b"version one")
        one = c.call("GET", "/f.txt").value("ETag")
        site.write("f.txt", b"version two")
        two = c.call("GET", "/f.txt", fields=[("If-None-Match", one)])
        assert (two.status, two.body) == (200, b"version two")
        assert two.value("ETag") != one
        site.write("new", b"version 333").rename(site.path / "f.txt")
        three = c.call("GET", "/f.txt", fields=[("If-None-Match", f"{one}, {two.value('ETag')}")])
        assert (three.status, three.body) == (200, b"version 333")


def test_tags_of_two_files_differ(site):
    with site.start().connect() as c:
        site.write("a.txt", b"one")
        site.write("b.txt", b"two plus")
        assert c.call("GET", "/a.txt").value("ETag") != c.call("GET", "/b.txt").value("ETag")


def test_file_without_a_time(site):
    """mtime 0 is none: no Last-Modified, and conditions on it do not count."""
    site.write("f.txt", BODY, 0)
    with site.start().connect() as c:

        def ask(*fields):
            return c.call("GET", "/f.txt", fields=fields)

        first = ask()
        assert first.values("Last-Modified") == []
        now = http_date(int(time.time()))
        assert ask(("If-Modified-Since", now)).status == 200
        assert ask(("If-Unmodified-Since", "Wed, 31 Dec 1969 00:00:00 GMT")).status == 200
        assert ask(("Range", "bytes=0-1"), ("If-Range", http_date(0))).status == 200
        a = ask(("If-None-Match", first.value("ETag")))
        assert (a.status, a.values("Last-Modified")) == (304, [])


# --- If-None-Match, If-Match ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        ["If-None-Match: @"],
        ["If-None-Match: W/@"],
        ["If-None-Match: *"],
        ['If-None-Match: "x", @'],
        ['If-None-Match: "x",@,"y"'],
        ['If-None-Match: "x" , W/@'],
        ["If-None-Match: ,, ,@,"],
        ['If-None-Match: "a,b", "", @'],
        ['If-None-Match: "*", @'],
        ['If-None-Match: "x\\", @'],
        ['If-None-Match: W/"x", @'],
        ["if-none-match: @"],
        ['If-None-Match: "x"', "If-None-Match: @"],
        ["If-None-Match: @", 'If-None-Match: "x"'],
        ['If-None-Match: "caf\xe9", @'],
        ["If-None-Match: " + ", ".join(f'"{i}"' for i in range(20_000)) + ", @"],
    ],
)
def test_if_none_match_that_is_304(page, fields):
    page.assert_status(304, *fields)


@pytest.mark.parametrize(
    "value",
    ['"x"', 'W/"x"', '"*"', "x", '"@"', '"x', "W/", '""', "w/@", '"x" @', "'x'", ",", ", ,", "**", "W/*", '"x, @'],
)
def test_if_none_match_that_is_200(page, value):
    """Without its quotes the tag is none, either."""
    page.assert_status(200, f"If-None-Match: {value}")
    page.assert_status(200, f"If-None-Match: {page.tag[1:-1]}")
    page.assert_status(200, f"If-None-Match: {page.tag.upper().replace('W/', '')}x")


@pytest.mark.parametrize(
    "fields",
    [
        ["If-Match: @"],
        ["If-Match: *"],
        ['If-Match: "x", @'],
        ['If-Match: W/"x",@'],
        ['If-Match: W/@, @'],
        ['If-Match: "x"', "If-Match: @"],
        ['If-Match: "a,b" , , @'],
    ],
)
def test_if_match_that_holds(page, fields):
    page.assert_status(200, *fields)


@pytest.mark.parametrize("value", ['"x"', "W/@", '"x", W/@', "x", '"*"', "*x", 'W/"x"', '"x'])
def test_if_match_that_fails(page, value):
    page.assert_status(412, f"If-Match: {value}")


# --- If-Modified-Since, If-Unmodified-Since ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", DATES.values(), ids=DATES)
def test_dates_in_three_formats(page, value):
    page.assert_status(304, f"If-Modified-Since: {value}")
    page.assert_status(200, f"If-Unmodified-Since: {value}")
    earlier = value.replace("08:49:37", "08:49:36")
    page.assert_status(200, f"If-Modified-Since: {earlier}")
    page.assert_status(412, f"If-Unmodified-Since: {earlier}")
    later = value.replace("08:49:37", "08:49:38")
    page.assert_status(304, f"If-Modified-Since: {later}")
    page.assert_status(200, f"If-Unmodified-Since: {later}")


@pytest.mark.parametrize("value", BAD_DATES)
def test_bad_dates_are_ignored(page, value):
    page.assert_status(200, f"If-Modified-Since: {value}")
    page.assert_status(200, f"If-Unmodified-Since: {value.replace('2094', '1984').replace('1994', '1984')}")


def test_two_dates_are_none(page):
    """RFC 9110, 13.1.3: a field with more than one member is to be ignored."""
    page.assert_status(200, f"If-Modified-Since: {DATES['fixdate']}", f"If-Modified-Since: {DATES['fixdate']}")


def test_dates_far_away(page):
    page.assert_status(304, "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT")
    page.assert_status(200, "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT")
    page.assert_status(412, "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT")
    page.assert_status(200, "If-Unmodified-Since: Fri, 31 Dec 9999 23:59:59 GMT")


def test_whole_seconds(site):
    """The field has no fractions, so what is below a second does not count."""
    site.write("f.txt", BODY, THEN, ns=999_999_999)
    with site.start().connect() as c:
        assert_not_modified(c.call("GET", "/f.txt", fields=[("If-Modified-Since", http_date(THEN))]))
        assert c.call("GET", "/f.txt", fields=[("If-Modified-Since", http_date(THEN - 1))]).status == 200
        assert c.call("GET", "/f.txt", fields=[("If-Unmodified-Since", http_date(THEN))]).status == 200
        assert c.call("GET", "/f.txt", fields=[("If-Unmodified-Since", http_date(THEN - 1))]).status == 412


# --- precedence -------------------------------------------------------------------------------------------------------

OLD, SAME, NEW = http_date(THEN - 1), http_date(THEN), http_date(THEN + 1)


@pytest.mark.parametrize(
    "status, fields",
    [
        # If-Match hides If-Unmodified-Since
        (200, ["If-Match: @", f"If-Unmodified-Since: {OLD}"]),
        (412, ['If-Match: "x"', f"If-Unmodified-Since: {NEW}"]),
        # If-None-Match hides If-Modified-Since
        (200, ['If-None-Match: "x"', f"If-Modified-Since: {NEW}"]),
        (304, ["If-None-Match: @", f"If-Modified-Since: {OLD}"]),
        (200, ["If-None-Match: nonsense", f"If-Modified-Since: {NEW}"]),
        # 412 comes first, then 304
        (412, ['If-Match: "x"', "If-None-Match: @"]),
        (304, ["If-Match: @", "If-None-Match: @"]),
        (304, ["If-Match: *", "If-None-Match: *"]),
        (412, [f"If-Unmodified-Since: {OLD}", "If-None-Match: @"]),
        (412, [f"If-Unmodified-Since: {OLD}", f"If-Modified-Since: {SAME}"]),
        (304, [f"If-Unmodified-Since: {SAME}", f"If-Modified-Since: {SAME}"]),
        (304, ["If-Match: @", f"If-Modified-Since: {SAME}"]),
        (200, ["If-Match: @", 'If-None-Match: "x"', f"If-Modified-Since: {NEW}", f"If-Unmodified-Since: {OLD}"]),
        # both beat Range, and a range that is none
        (304, ["If-None-Match: @", "Range: bytes=0-1"]),
        (304, ["If-None-Match: @", "Range: bytes=100-"]),
        (304, [f"If-Modified-Since: {SAME}", "Range: bytes=0-1", "If-Range: @"]),
        (412, ['If-Match: "x"', "Range: bytes=0-1"]),
        (412, ['If-Match: "x"', "Range: bytes=100-"]),
        (412, [f"If-Unmodified-Since: {OLD}", "Range: a-b"]),
        # order of the fields does not matter
        (304, [f"If-Modified-Since: {OLD}", "Range: bytes=0-1", "If-None-Match: @", "If-Match: *"]),
    ],
)
def test_precedence(page, status, fields):
    page.assert_status(status, *fields)


def test_conditions_that_hold_leave_range_alone(page):
    for fields in (["If-Match: @"], ['If-None-Match: "x"'], [f"If-Unmodified-Since: {SAME}"], ["If-Range: @"]):
        a = page.ask("Range: bytes=2-4", *fields)
        assert_answer(a, 206, b"234", file_fields(PLAIN, Content_Range="bytes 2-4/10"))


@pytest.mark.parametrize(
    "fields", [["If-Match: *"], ["If-None-Match: *"], ['If-Match: "x"'], [f"If-Modified-Since: {NEW}"]]
)
def test_errors_and_redirects_do_not_depend_on_conditions(site, fields):
    site.folder("dir")
    rows = [tuple(f.split(": ", 1)) for f in fields]
    with site.start().connect() as c:
        assert_error(c.call("GET", "/nothing", fields=rows), 404)
        assert_redirect(c.call("GET", "/dir", fields=rows), 301, "dir/")
        assert_redirect(c.call("GET", "//", fields=rows), 307, "/")
        assert_error(c.call("PUT", "/nothing", fields=rows), 405, Allow="GET, HEAD")


# --- If-Range ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["@", DATES["fixdate"]])
def test_if_range_that_holds(page, value):
    a = page.ask("Range: bytes=2-4", f"If-Range: {value}")
    assert_answer(a, 206, b"234", file_fields(PLAIN, Content_Range="bytes 2-4/10"))
    assert page.ask("Range: bytes=0-0,2-2", f"If-Range: {value}").status == 206
    assert page.ask("Range: bytes=100-", f"If-Range: {value}").status == 416


@pytest.mark.parametrize(
    "value",
    [
        '"x"', "W/@", "*", "@, @", '@, "x"', "x", '"x', "", OLD, NEW, "yesterday", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 31 Feb 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_if_range_that_does_not_hold(page, value):
    """All of it then, also where the range itself is wrong."""
    for ranges in ("bytes=2-4", "bytes=100-", "bytes=0-0,2-2", "nonsense"):
        page.assert_status(200, f"Range: {ranges}", f"If-Range: {value}")


def test_if_range_alone_means_nothing(page):
    page.assert_status(200, 'If-Range: "x"')
    page.assert_status(200, "If-Range: @")


def test_resumed_download_of_a_file_that_has_changed(site):
    """It must start again: two halves of different files make none."""
    site.write("f.txt", b"a" * 1000)
    with site.start().connect() as c:
        tag = c.call("GET", "/f.txt").value("ETag")
        fields = [("Range", "bytes=500-"), ("If-Range", tag)]
        assert c.call("GET", "/f.txt", fields=fields).body == b"a" * 500
        site.write("f.txt", b"b" * 1000, THEN + 1)
        a = c.call("GET", "/f.txt", fields=fields)
        assert_file(a, b"b" * 1000, mtime=THEN + 1)


# --- listings ---------------------------------------------------------------------------------------------------------


def test_listing(site):
    site.write("dir/f.txt", b"x")
    site.folder("dir")
    row = (b"f.txt", b"f.txt")
    with site.start().connect() as c:

        def ask(*fields):
            return c.call("GET", "/dir/", fields=fields)

        for value in (*DATES.values(), NEW):
            a = ask(("If-Modified-Since", value))
            assert_answer(a, 304, b"", {"Last-Modified": http_date(THEN)}, framing="none")
        assert_listing(ask(("If-Modified-Since", OLD)), row)
        assert_listing(ask(("If-Modified-Since", "nonsense")), row)
        assert_listing(ask(("If-None-Match", '"x"')), row)
        set_time(site.path / "dir", THEN + 7)
        assert_listing(ask(("If-Modified-Since", NEW)), row, mtime=THEN + 7)
