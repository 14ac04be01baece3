"""log_format=json: what functions print, as objects (log_wrap) or as in the text format."""

import json
import os
import re
import sys

import pytest

from harness import STAMP, Lines, eventually, free_port
from json_log import entries_of, read_line, read_log, requests_of, text_of, wrapped_of

PIECES = [sys.executable, "-S", "-c"]
BYTES = bytes(b for b in range(256) if b != 0x0A)
TEE = "tee /dev/stderr"


@pytest.fixture(params=["streaming", "serializing"])
def other(request):
    return request.param


def printed(watchdog, mode, data, **settings):
    """The wrapped lines when a function writes these bytes to stderr."""
    w = watchdog(TEE, mode=mode, log_format="json", **settings)
    assert w.call("POST", body=data).status == 200
    w.wait_for_log("^request$")
    w.stop()
    entries = read_log(w.err.data)
    assert len(requests_of(entries)) == 1
    return wrapped_of(entries)


@pytest.mark.parametrize(
    "data, lines",
    [
        (b"one\n", [b"one"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"\n\nx\n", [b"", b"", b"x"]),
        (b"dos\r\nunix\n", [b"dos", b"unix"]),
        (b"  blanks\t \n", [b"  blanks\t "]),
        (b"\0nul\0\n", [b"\0nul\0"]),
        (b"\x1b[31mred\x7f\x80\n", [b"\x1b[31mred\x7f\x80"]),
        (BYTES + b"\n", [BYTES]),
        ("é 世 😀 \u2028 \ufeff \ufffd\n".encode(), ["é 世 😀 \u2028 \ufeff \ufffd".encode()]),
        (b"\xc3(\xe2\x82c\xf0\x9f\x98\n\xff", [b"\xc3(\xe2\x82c\xf0\x9f\x98", b"\xff"]),
        (b"\xc0\x80 \xe0\x9f\xbf \xed\xa0\x80 \xf0\x8f\xbf\xbf \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80\n",
         [b"\xc0\x80 \xe0\x9f\xbf \xed\xa0\x80 \xf0\x8f\xbf\xbf \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80"]),
        (b'{"level":"error","message":"mine"}\n', [b'{"level":"error","message":"mine"}']),
        (b'"},{"\\\n', [b'"},{"\\']),
        (b"request\n", [b"request"]),
        (b"\x01" * 65_535 + b"\n", [b"\x01" * 65_535]),
        (b"\xff" * 65_535 + b"\n", [b"\xff" * 65_535]),
    ],
    ids=["one", "two", "empty", "cr", "blanks", "nul", "escape", "every-byte", "utf-8", "cut-utf-8", "not-utf-8",
         "json", "quotes", "request", "controls", "high-bytes"],
)  # fmt: skip
def test_lines_of_stderr(watchdog, other, data, lines):
    assert printed(watchdog, other, data) == [text_of(line) for line in lines]


@pytest.mark.parametrize("size", [16, 17, 1000, 65536])
@pytest.mark.parametrize(
    "pattern", [b"0123456789", b'"', b"\x01\\", b"\xff"], ids=["plain", "quotes", "controls", "bad"]
)
def test_longer_lines_are_cut_in_pieces(watchdog, other, size, pattern):
    """Each piece is an object; its size is that of what was printed, not of its escapes."""
    data = (pattern * 100_000)[:100_000]
    got = printed(watchdog, other, data + b"\nshort\n", log_buffer_size=size)
    assert "".join(got) == text_of(data) + "short"
    assert got[-1] == "short"
    assert max(map(len, got)) <= size
    assert len(got) <= len(data) // (size - 1) + 3


@pytest.mark.parametrize("character", ["é", "世", "😀"])
@pytest.mark.parametrize("size", [16, 17, 1001])
def test_pieces_hold_whole_characters(watchdog, other, size, character):
    """Where a line is cut nothing becomes U+FFFD that was none."""
    text = "x" + character * 3000
    got = printed(watchdog, other, text.encode() + b"\n", log_buffer_size=size)
    assert "".join(got) == text
    assert max(len(piece.encode()) for piece in got) <= size


def test_unlimited_line_is_one_object(watchdog, other):
    data = b'\x00"x\xff' * 200_000
    assert printed(watchdog, other, data + b"\n", log_buffer_size="-1") == [text_of(data)]


def test_wrapped_lines_are_in_the_order_of_the_calls(watchdog):
    w = watchdog("steps errline:hello in", mode="streaming", log_format="json", workers="1")
    with w.connect() as c:
        for _ in range(20):
            c.call()
    w.stop()
    entries = read_log(w.err.data)
    assert wrapped_of(entries) == ["hello"] * 20
    assert len(requests_of(entries)) == 20


def test_calls_at_the_same_time_do_not_mix(watchdog):
    """Eight functions print a long line each, in pieces of their own; three threads log them."""
    script = "import os\nfor i in range(200): os.write(2, b'%d' % (i % 10) * 500)\n"
    w = watchdog(json.dumps([*PIECES, script + "os.write(2, b'\\n')"]), mode="streaming", log_format="json",
                 workers="3", log_buffer_size="-1")  # fmt: skip
    connections = [w.connect() for _ in range(8)]
    for c in connections:
        c.request()
    for c in connections:
        assert c.answer().status == 200
    w.stop()
    line = "".join(str(i % 10) * 500 for i in range(200))
    assert wrapped_of(read_log(w.err.data)) == [line] * 8


def test_stderr_of_cgi(watchdog):
    script = "printf 'a\\377\"b\\n' >&2; printf 'Status: 200\\n\\nhi'"
    w = watchdog(json.dumps(["sh", "-c", script]), mode="cgi", log_format="json")
    assert w.call().body == b"hi"
    w.stop()
    assert wrapped_of(read_log(w.err.data)) == ['a\ufffd"b']


@pytest.mark.parametrize("wrap", ["true", "false"])
def test_stderr_of_classic(watchdog, wrap):
    w = watchdog(TEE, combine_output="false", log_format="json", log_wrap=wrap)
    assert w.call("POST", body=b'one\n"two\xff"\n').status == 200
    eventually(lambda: b"two" in w.err.data, "it is logged")
    w.stop()
    lines = bytes(w.err.data).split(b"\n")
    if wrap == "true":
        assert wrapped_of(read_log(w.err.data)) == ["one", '"two\ufffd"']
    else:
        assert [line for line in lines if b"two" in line and not line.startswith(b'{"time"')]


def test_both_streams_of_http(watchdog, upstream):
    """Each goes where it came from."""
    script = r"""printf 'e1\ne\377"\nlast-err' >&2; printf 'o1\n\n\\o\001\nlast-out'; exec cat"""
    w = watchdog(json.dumps(["sh", "-c", script]), mode="http", http_upstream_url=upstream.url, log_format="json")
    eventually(lambda: len(wrapped_of(entries_of(w))) == 2 and w.out.data.count(b"\n") == 3, "whole lines are there")
    w.stop()
    entries, out = read_log(w.err.data), read_log(w.out.data)
    assert wrapped_of(entries) == ["e1", 'e\ufffd"', "last-err"] and wrapped_of(entries, "stdout") == []
    assert wrapped_of(out, "stdout") == ["o1", "", "\\o\x01", "last-out"] and len(out) == 4


# --- log_wrap=false ---------------------------------------------------------------------------------------------------


def split_log(w):
    """The watchdog's own objects, and all other lines as they are."""
    own, rest = [], []
    for line in bytes(w.err.data).split(b"\n")[:-1]:
        if line.startswith(b'{"time"'):
            own.append(read_line(line))
        else:
            rest.append(line)
    return own, rest


@pytest.mark.parametrize("prefix", ["true", "false"])
def test_lines_as_in_the_text_format(watchdog, other, prefix):
    w = watchdog(TEE, mode=other, log_format="json", log_wrap="false", prefix_logs=prefix)
    data = b'one\n\n{"a":1}\n\0\xff\x1b\nlast'
    w.call("POST", body=data)
    eventually(lambda: requests_of(split_log(w)[0]), "the call is logged")
    w.stop()
    own, lines = split_log(w)
    assert len(requests_of(own)) == 1 and not [e for e in own if "stream" in e]
    if prefix == "true":
        stamps = [STAMP.match(line.decode("latin-1")) for line in lines]
        assert all(stamps)
        lines = [line[20:].removeprefix(b"stderr: ") for line in lines]
    assert lines == data.split(b"\n")


def test_function_that_prints_json_itself(watchdog):
    """What log_wrap=false with prefix_logs=false is for: its objects stay as they are, beside ours."""
    script = 'i=0; while [ $i -lt 50 ]; do echo "{\\"i\\":$i}" >&2; i=$((i+1)); done'
    w = watchdog(json.dumps(["sh", "-c", script]), mode="streaming", log_format="json", log_wrap="false",
                 prefix_logs="false")  # fmt: skip
    w.call()
    w.stop()
    _, lines = split_log(w)
    assert [json.loads(line) for line in lines] == [{"i": i} for i in range(50)]


def test_log_wrap_does_nothing_to_text(watchdog):
    w = watchdog(TEE, mode="streaming", log_wrap="true")
    w.call("POST", body=b"hello\n")
    w.wait_for_log("^stderr: hello$")


@pytest.mark.parametrize("wrap", ["true", "false"])
def test_prefix_logs_says_nothing_about_wrapped_lines(watchdog, wrap):
    w = watchdog(TEE, mode="streaming", log_format="json", log_wrap=wrap, prefix_logs="false")
    w.call("POST", body=b"hello\n")
    w.stop()
    own, lines = split_log(w)
    assert (wrapped_of(own), lines) == ((["hello"], []) if wrap == "true" else ([], [b"hello"]))


# --- floods -----------------------------------------------------------------------------------------------------------


def test_flood_of_controls(watchdog):
    """3 MB that become 18 MB: every line whole, and none is lost while somebody reads."""
    line = b"\x01" * 999
    script = "import os\nfor _ in range(3000): os.write(2, b'\\x01' * 999 + b'\\n')"
    w = watchdog(json.dumps([*PIECES, script]), mode="streaming", log_format="json", exec_timeout="60s",
                 write_timeout="60s")  # fmt: skip
    assert w.call().status == 200
    w.stop()
    assert wrapped_of(read_log(w.err.data)) == [text_of(line)] * 3000


def test_flood_into_a_full_pipe_tears_no_line(watchdog):
    """Nobody reads while a function prints; later somebody does: what comes is whole lines up to the last one."""
    r, wr = os.pipe()
    w = watchdog("steps errbytes:3000000 out:x", mode="streaming", log_format="json", port=free_port(),
                 log_buffer_size="100000", popen={"stderr": wr}, ready=False, exec_timeout="60s",
                 write_timeout="60s")  # fmt: skip
    os.close(wr)
    w.wait_until_connectable()
    with w.connect() as c:
        c.request()
        first = os.read(r, 10)
        w.err = Lines(os.fdopen(r, "rb"))
        a = c.answer()
    assert (a.status, a.body) == (200, b"x")
    w.stop()
    entries = read_log(first + bytes(w.err.data))
    assert sum(map(len, wrapped_of(entries))) + 100_000 * lost(entries) >= 3_000_000


def lost(entries):
    found = [re.match(r"(\d+) log lines? lost", e["message"]) for e in entries]
    return sum(int(m[1]) for m in found if m)


def test_lines_after_the_call_are_whole(watchdog, gate):
    """A descendant that holds stderr open prints when the call is long over, in the middle of a line."""
    w = watchdog("steps err:begun hold", mode="streaming", log_format="json", output_grace="100ms", **gate.env)
    assert w.call().status == 200
    eventually(lambda: requests_of(entries_of(w)), "the call is logged")
    gate.open()
    w.stop(stragglers=True)
    assert wrapped_of(read_log(w.err.data)) == ["begun"]
