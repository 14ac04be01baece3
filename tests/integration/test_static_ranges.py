"""mode=static: parts of files (RFC 9110, section 14)."""

import re

import pytest

from http_client import assert_answer
from static_site import (
    ERROR,
    ETAG,
    HTML,
    PLAIN,
    THEN,
    assert_error,
    assert_file,
    assert_listing,
    file_fields,
    http_date,
)

BODY = bytes(range(100))
BOUNDARY = re.compile(r"multipart/byteranges; boundary=([0-9a-f]{60})")
BEYOND = 2**63


@pytest.fixture
def served(site):
    """A file of 100 bytes, each of which says where it is."""
    site.write("f.txt", BODY)
    with site.start().connect() as c:
        yield c


def ask(c, *ranges, target="/f.txt", method="GET", fields=()):
    return c.call(method, target, fields=[*(("Range", r) for r in ranges), *fields])


def assert_part(a, first, last, body=BODY, content_type=PLAIN):
    fields = file_fields(content_type, Content_Range=f"bytes {first}-{last}/{len(body)}")
    assert_answer(a, 206, body[first : last + 1], fields)
    assert a.length == last - first + 1, a


def assert_no_part(a, text, size=100):
    fields = {**ERROR, "Content-Range": f"bytes */{size}"}
    assert_answer(a, 416, text, fields, reason="Requested Range Not Satisfiable")


def parts(a, size, content_type=PLAIN):
    """The (first, last, data) of a multipart answer, which has to be exactly as it should be."""
    assert (a.status, a.reason, a.cut, a.framing) == (206, "Partial Content", False, "length"), a
    assert a.length == len(a.body)
    boundary = BOUNDARY.fullmatch(a.value("Content-Type")).group(1).encode()
    found, rest = [], a.body
    while not rest.startswith(b"--" + boundary + b"--"):
        head = b"--" + boundary + b"\r\nContent-Range: bytes (\\d+)-(\\d+)/(\\d+)\r\nContent-Type: ([^\r\n]+)\r\n\r\n"
        match = re.match(head, rest)
        assert match, f"this is no part: {rest[:300]}"
        first, last, whole = (int(n) for n in match.groups()[:3])
        assert whole == size and 0 <= first <= last < size, match
        assert match[4].decode() == content_type
        data = rest[match.end() : match.end() + last - first + 1]
        assert len(data) == last - first + 1
        found.append((first, last, data))
        rest = rest[match.end() + len(data) :]
        assert rest.startswith(b"\r\n"), rest[:300]
        rest = rest[2:]
    assert rest == b"--" + boundary + b"--\r\n", rest
    return found


def assert_parts(a, *wanted, body=BODY, content_type=PLAIN):
    assert parts(a, len(body), content_type) == [(first, last, body[first : last + 1]) for first, last in wanted]
    names = {"Accept-Ranges", "Content-Length", "Content-Type", "Date", "ETag", "Last-Modified", "Vary"}
    assert {name for name, _ in a.fields} == names, a
    assert a.value("Last-Modified") == http_date(THEN) and ETAG.fullmatch(a.value("ETag"))


# --- one range --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, first, last",
    [
        ("bytes=0-9", 0, 9),
        ("bytes=0-0", 0, 0),
        ("bytes=99-99", 99, 99),
        ("bytes=50-60", 50, 60),
        ("bytes=0-99", 0, 99),
        ("bytes=0-", 0, 99),
        ("bytes=90-", 90, 99),
        ("bytes=99-", 99, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-5", 95, 99),
        ("bytes=-100", 0, 99),
        ("bytes=-101", 0, 99),
        ("bytes=-200", 0, 99),
        ("bytes=95-200", 95, 99),
        ("bytes=0-100", 0, 99),
        (f"bytes=0-{BEYOND - 1}", 0, 99),
        (f"bytes=99-{BEYOND - 1}", 99, 99),
        (f"bytes=-{BEYOND - 1}", 0, 99),
        ("bytes=000-0009", 0, 9),
        ("bytes=" + "0" * 1000 + "7-9", 7, 9),
        # the unit has no case
        ("Bytes=0-1", 0, 1),
        ("BYTES=0-1", 0, 1),
        # empty elements of a list, and blanks around them
        ("bytes=0-1,", 0, 1),
        ("bytes=,0-1", 0, 1),
        ("bytes=,,,0-1,,,", 0, 1),
        ("bytes= 0-1 ", 0, 1),
        ("bytes=\t0-1\t, ,", 0, 1),
        # what lies outside is left out
        ("bytes=0-1,200-300", 0, 1),
        ("bytes=200-300,0-1", 0, 1),
        ("bytes=100-,-5", 95, 99),
        ("bytes=-0,5-6", 5, 6),
        (f"bytes={BEYOND - 1}-,5-6", 5, 6),
    ],
)
def test_one_part(served, value, first, last):
    assert_part(ask(served, value), first, last)
    assert_file(ask(served), BODY)


def test_every_range_of_a_small_file(site):
    body = b"abcd"
    site.write("f.txt", body)
    with site.start().connect() as c:
        for first in range(4):
            for last in range(first, 6):
                assert_part(ask(c, f"bytes={first}-{last}"), first, min(last, 3), body)
        for n in range(1, 6):
            assert_part(ask(c, f"bytes=-{n}"), max(4 - n, 0), 3, body)


@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-1,5-6", "bytes=100-", "nonsense", "bytes=5-4"])
def test_head_knows_no_ranges(served, value):
    assert_file(ask(served, value, method="HEAD"), BODY, head=True)


@pytest.mark.parametrize(
    "value",
    [
        "lines=0-1", "items=0-1", "byte=0-1", "bytess=0-1", "xbytes=0-1", "none=0-", "bytes=", "bytes=,", "bytes= , ,",
        "bits=a-b", "=0-1",
    ],
)  # fmt: skip
def test_ranges_that_are_none(served, value):
    assert_file(ask(served, value), BODY)


@pytest.mark.parametrize(
    "value",
    [
        "bytes=50-40", "bytes=a-b", "bytes=0-b", "bytes=a-1", "bytes=--5", "bytes=1", "bytes=-", "bytes=5--6",
        "bytes=0-1-2", "bytes=-5-", "bytes=-5-6", "bytes=0x0-0x1", "bytes=+1-2", "bytes=1-+2", "bytes=0 - 1",
        "bytes=0- 1", "bytes=0 -1", "bytes=- 5", "bytes=1.0-2", "bytes=1e1-20", "bytes=0-1;", "bytes=0-1 2-3",
        "bytes=0-1,a-b", "bytes=a-b,0-1", "bytes=0-1,50-40", "bytes=200-300,5-4", "bytes=0-1,,-", "bytes==0-1",
        f"bytes={BEYOND}-", f"bytes=0-{BEYOND}", f"bytes=-{BEYOND}", f"bytes={2 * BEYOND}-{2 * BEYOND + 1}",
        f"bytes={2 * BEYOND}-5", f"bytes=0-{2 * BEYOND + 4}", f"bytes={10**30}-", f"bytes=0-1,{10**30}-",
        "bytes=" + "9" * 100_000 + "-", "bytes=\u00b2-3", "bytes=0-1,bytes=2-3", "bytes=*", "bytes=*-5", "bytes=0-*",
        "1", "0-1",
    ],
)  # fmt: skip
def test_malformed(served, value):
    assert_no_part(ask(served, value), b"invalid range\n")
    served.assert_usable()


@pytest.mark.parametrize(
    "value",
    [
        "bytes=100-", "bytes=100-100", "bytes=-0", "bytes=200-300", "bytes=200-300,400-", "bytes=100-,-0,100-200",
        f"bytes={BEYOND - 1}-", f"bytes={BEYOND - 1}-{BEYOND - 1}", f"bytes={BEYOND - 2}-{BEYOND - 1},-0", "Bytes=100-",
        "bytes=," + ",".join(["100-"] * 1000),
    ],
)  # fmt: skip
def test_all_outside(served, value):
    assert_no_part(ask(served, value), b"invalid range: failed to overlap\n")
    served.assert_usable()


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-6", "bytes=-0", "bytes=0-1,5-6"])
def test_empty_file(site, value):
    site.write("f.txt", b"")
    assert_file(ask(site.start().connect(), value), b"")


def test_two_fields_are_none_or_one_list(served):
    """Either is fine; a mixture is not."""
    a = ask(served, "bytes=0-1", "bytes=5-6")
    if a.status == 200:
        assert_file(a, BODY)
    else:
        assert_part(a, 0, 1)


def test_other_answers_know_no_ranges(site):
    site.write("dir/f.txt", b"x" * 100)
    site.folder("dir")
    with site.start().connect() as c:
        for value in ("bytes=0-1", "bytes=100-", "nonsense", "bytes=0-1,5-6"):
            assert_error(ask(c, value, target="/nothing"), 404)
            assert_listing(ask(c, value, target="/dir/"), (b"f.txt", b"f.txt"))
            assert ask(c, value, target="/dir").status == 301
            assert ask(c, value, target="/dir/f.txt", method="POST").status == 405


def test_type_is_the_files(site):
    site.write("page", b"<html>" + b"\0" * 94)
    with site.start().connect() as c:
        assert_part(ask(c, "bytes=50-59", target="/page"), 50, 59, b"<html>" + b"\0" * 94, HTML)
        a = ask(c, "bytes=50-59,0-1", target="/page")
        assert_parts(a, (50, 59), (0, 1), body=b"<html>" + b"\0" * 94, content_type=HTML)


# --- many ranges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("bytes=0-9,20-29", [(0, 9), (20, 29)]),
        ("bytes=0-0,-1", [(0, 0), (99, 99)]),
        ("bytes=20-29,0-9", [(20, 29), (0, 9)]),
        ("bytes=0-9, 20-29 ,\t40-49", [(0, 9), (20, 29), (40, 49)]),
        ("bytes=,0-9,,20-29,", [(0, 9), (20, 29)]),
        ("bytes=0-9,5-14", [(0, 9), (5, 14)]),
        ("bytes=0-9,0-9", [(0, 9), (0, 9)]),
        ("bytes=0-9,10-19", [(0, 9), (10, 19)]),
        ("bytes=90-,0-1", [(90, 99), (0, 1)]),
        ("bytes=-5,95-200", [(95, 99), (95, 99)]),
        ("bytes=0-1,200-300,3-4", [(0, 1), (3, 4)]),
        ("bytes=0-49,50-99", [(0, 49), (50, 99)]),
        ("BYTES=0-0,1-1,2-2,3-3,4-4", [(i, i) for i in range(5)]),
        ("bytes=" + ",".join(f"{i}-{i}" for i in range(99, -1, -1)), [(i, i) for i in range(99, -1, -1)]),
    ],
)
def test_parts(served, value, wanted):
    assert_parts(ask(served, value), *wanted)
    assert_file(ask(served), BODY)


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-99,0-0",
        "bytes=0-,0-",
        "bytes=0-50,50-99",
        "bytes=-100,-1",
        "bytes=" + ",".join(["0-9"] * 11),
        "bytes=" + "0-99," * 199 + "0-99",
        f"bytes=0-{BEYOND - 1},0-{BEYOND - 1}",
    ],
)
def test_more_bytes_than_there_are_is_the_whole(served, value):
    assert_file(ask(served, value), BODY)


@pytest.mark.parametrize("n", [2, 199, 200, 201, 5000, 50_000])
def test_number_of_ranges(site, n):
    body = bytes(i % 251 for i in range(100_000))
    site.write("f.txt", body)
    with site.start().connect() as c:
        a = ask(c, "bytes=" + ",".join(f"{i}-{i}" for i in range(n)))
        if n <= 200:
            assert_parts(a, *[(i, i) for i in range(n)], body=body)
        else:
            assert_file(a, body)
        assert_part(ask(c, "bytes=7-8"), 7, 8, body)


def test_empty_elements_are_not_counted(served):
    assert_part(ask(served, "bytes=" + "," * 100_000 + "0-1"), 0, 1)


def test_boundary_is_not_known_before(served):
    """Else whoever writes a file could make parts of his own in it."""
    boundaries = [BOUNDARY.fullmatch(ask(served, "bytes=0-1,3-4").value("Content-Type"))[1] for _ in range(20)]
    assert len(set(boundaries)) == 20
    for i in range(60):
        assert len({b[i] for b in boundaries}) > 1, f"digit {i} is always the same: {boundaries[:3]}"


def test_many_parts_of_a_large_file(site):
    """More than fits a socket, and in pieces of any size and order."""
    body = bytes(i * i // 251 % 256 for i in range(1_000_003)) * 20
    site.write("f.txt", body)
    wanted = [(i * 100_000, i * 100_000 + i * 450) for i in range(199, -1, -1)]
    with site.start().connect(receive_buffer=4096) as c:
        assert_parts(ask(c, "bytes=" + ",".join(f"{a}-{b}" for a, b in wanted)), *wanted, body=body)
        c.assert_usable()


def test_parts_on_one_connection_in_a_row(served):
    values = ["bytes=0-9", "bytes=0-9,20-29", "bytes=100-", "bytes=x", "bytes=-1", "lines=1"] * 20
    for value in values:
        served.request("GET", "/f.txt", fields=[("Range", value)])
    for value in values:
        a = served.answer()
        assert a.status == {"bytes=100-": 416, "bytes=x": 416, "lines=1": 200}.get(value, 206)
        if value == "bytes=0-9,20-29":
            assert_parts(a, (0, 9), (20, 29))


# --- beyond 32 bits ---------------------------------------------------------------------------------------------------


def test_file_of_5_gb(site):
    """It has holes, and takes no space."""
    size = 5 << 30
    marks = {0: b"begin", (1 << 31) - 2: b"two GB", (1 << 32) - 3: b"four GB", size - 3: b"end"}
    with open(site.path / "f.bin", "wb") as f:
        for at, mark in marks.items():
            f.seek(at)
            f.write(mark)
        assert f.tell() == size
    with site.start().connect() as c:
        a = c.call("HEAD", "/f.bin")
        assert (a.status, a.length) == (200, size)
        for at, mark in marks.items():
            a = ask(c, f"bytes={at}-{at + len(mark) - 1}", target="/f.bin")
            assert (a.status, a.body) == (206, mark)
            assert a.value("Content-Range") == f"bytes {at}-{at + len(mark) - 1}/{size}"
        assert ask(c, "bytes=-3", target="/f.bin").body == b"end"
        assert ask(c, f"bytes={size - 3}-{2 * size}", target="/f.bin").body == b"end"
        a = ask(c, "bytes=" + ",".join(f"{at}-{at + len(mark) - 1}" for at, mark in marks.items()), target="/f.bin")
        found = parts(a, size, a.body.split(b"Content-Type: ")[1].split(b"\r\n")[0].decode())
        assert [(first, data) for first, _, data in found] == list(marks.items())
        assert_no_part(ask(c, f"bytes={size}-", target="/f.bin"), b"invalid range: failed to overlap\n", size)
