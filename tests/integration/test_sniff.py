"""Content-Type found from the first bytes, where nobody says it: classic's answers."""

import pytest

from http_client import SECONDS, assert_answer

HTML, PLAIN = "text/html; charset=utf-8", "text/plain; charset=utf-8"
OCTETS = "application/octet-stream"

TAGS = ["<!DOCTYPE HTML", "<HTML", "<HEAD", "<SCRIPT", "<IFRAME", "<H1", "<DIV", "<FONT", "<TABLE", "<A", "<STYLE",
        "<TITLE", "<B", "<BODY", "<BR", "<P", "<!--"]  # fmt: skip
PATTERNS = [
    (b"<?xml version", "text/xml; charset=utf-8"),
    (b" \t\r\n\f<?xml", "text/xml; charset=utf-8"),
    (b"%PDF-1.7", "application/pdf"),
    (b"%!PS-Adobe-3", "application/postscript"),
    (b"\xfe\xff\0a", "text/plain; charset=utf-16be"),
    (b"\xff\xfea\0", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbfa", PLAIN),
    (b"\xfe\xff", PLAIN),
    (b"\0\0\1\0", "image/x-icon"),
    (b"\0\0\2\0", "image/x-icon"),
    (b"BM\0", "image/bmp"),
    (b"GIF87a\0", "image/gif"),
    (b"GIF89a\0", "image/gif"),
    (b"RIFF\1\2\3\4WEBPVP8", "image/webp"),
    (b"\x89PNG\r\n\x1a\n\0", "image/png"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"FORM\1\2\3\4AIFF", "audio/aiff"),
    (b"ID3\3", "audio/mpeg"),
    (b"OggS\0\2", "application/ogg"),
    (b"MThd\0\0\0\6", "audio/midi"),
    (b"RIFF\1\2\3\4AVI ", "video/avi"),
    (b"RIFF\1\2\3\4WAVE", "audio/wave"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0isomavc1", "video/mp4"),
    (b"\0\0\0\x18ftypisom\0\0\0\0mp41avc1", "video/mp4"),
    (b"\0\0\0\x18ftypisom\0\0\0\0avc1avc1", OCTETS),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\1" * 34 + b"LP", "application/vnd.ms-fontobject"),
    (b"\0\1\0\0", "font/ttf"),
    (b"OTTO\0", "font/otf"),
    (b"ttcf\0", "font/collection"),
    (b"wOFF\0", "font/woff"),
    (b"wOF2\0", "font/woff2"),
    (b"\x1f\x8b\x08\0", "application/x-gzip"),
    (b"PK\3\4", "application/zip"),
    (b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\1\0", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
    (b'{"json": true}', PLAIN),
    (b"<svg/>", PLAIN),
    (b"caf\xc3\xa9 \xff\t\n\x0c\r\x1b", PLAIN),
    *[(b"text" + bytes([c]), OCTETS) for c in (0x00, 0x08, 0x0B, 0x0E, 0x1A, 0x1C, 0x1F)],
    (b"x" * 512 + b"\0", PLAIN),
    (b"x" * 511 + b"\0", OCTETS),
    (b"<h1>", HTML),
    (b"<hTmL >", HTML),
    (b"<html", PLAIN),
    (b"<htmlx>", PLAIN),
    (b"<html\n>", PLAIN),
    (b" \t\n\x0c\r<p>", HTML),
    (b"x<p>", PLAIN),
]


def assert_sniffed(c, body, wanted):
    assert_answer(c.call("POST", body=body), 200, body, {"Content-Type": wanted, "X-Duration-Seconds": SECONDS})


def test_patterns(watchdog):
    with watchdog("cat").connect() as c:
        for body, wanted in PATTERNS:
            assert_sniffed(c, body, wanted)


@pytest.mark.parametrize("end", [b" ", b">"])
def test_tags(watchdog, end):
    with watchdog("cat").connect() as c:
        for tag in TAGS:
            assert_sniffed(c, tag.encode() + end, HTML)
            assert_sniffed(c, b" \n" + tag.lower().encode() + end, HTML)


def test_large_output(watchdog):
    with watchdog("cat").connect() as c:
        assert_sniffed(c, b"%PDF-" + b"\0" * 1_000_000, "application/pdf")
