"""A strict reader of log_format=json: every line one object, with exactly the members that belong to its kind."""

import json
import re
import time
from datetime import datetime, timezone

from call_ids import UUID4

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
OWN = ["time", "level", "message"]
REQUEST = OWN + ["method", "target", "status", "bytes", "duration", "call_id"]
WRAPPED = ["time", "level", "stream", "message"]


def text_of(data):
    """Bytes as JSON has to say them: each one that is not part of valid UTF-8 is U+FFFD."""
    found, at = [], 0
    while at < len(data):
        for size in (1, 2, 3, 4):
            try:
                found.append(data[at : at + size].decode("utf-8"))
                break
            except UnicodeDecodeError:
                continue
        else:
            found.append("\ufffd")
            size = 1
        at += size
    return "".join(found)


def unique(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a member comes twice: {pairs}"
    return dict(pairs)


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def read_line(line):
    """The object of a line (bytes, without its end)."""
    text = line.decode("utf-8")
    assert not re.search(r"[\x00-\x1f]", text), f"a control character: {line!r}"
    assert text.startswith("{") and text.endswith("}"), f"blanks around it, or no object: {line[:300]!r}"
    entry = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    text.encode("utf-8")
    for value in entry.values():
        if isinstance(value, str):
            value.encode("utf-8")  # a lone surrogate cannot
    check(entry)
    return entry


def check(entry):
    assert TIME.fullmatch(entry["time"]), entry
    then = datetime.strptime(entry["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs(then.timestamp() - time.time()) < 300, f"not now, in UTC: {entry}"
    assert entry["level"] in ("info", "warning", "error"), entry
    assert isinstance(entry["message"], str), entry
    if "stream" in entry:
        assert list(entry) == WRAPPED and entry["level"] == "info", entry
        assert entry["stream"] in ("stdout", "stderr"), entry
    elif "method" in entry:
        check_request(entry)
    else:
        assert list(entry) == OWN, entry
        assert entry["message"] not in ("", "request"), entry
        assert not re.match(r"\d{4}/\d\d/\d\d ", entry["message"]), f"a stamp of the text format: {entry}"


def check_request(entry):
    assert list(entry) in (REQUEST, REQUEST + ["traceparent"]), entry
    assert (entry["message"], entry["level"]) == ("request", "info"), entry
    assert type(entry["status"]) is int and 100 <= entry["status"] <= 999, entry
    assert type(entry["bytes"]) is int and entry["bytes"] >= -1, entry
    assert type(entry["duration"]) in (int, float) and 0 <= entry["duration"] < 300, entry
    for name in ("method", "target", "call_id", *(["traceparent"] if "traceparent" in entry else [])):
        assert isinstance(entry[name], str) and entry[name], entry


def read_log(data):
    """Every line of it; the last one must be whole, too."""
    assert data.endswith(b"\n") or not data, f"the last line has no end: {data[-300:]!r}"
    return [read_line(line) for line in bytes(data).split(b"\n")[:-1]]


def entries_of(w):
    """The complete lines up to now."""
    return read_log(w.err.data[: w.err.data.rfind(b"\n") + 1])


def requests_of(entries):
    return [e for e in entries if "method" in e]


def wrapped_of(entries, stream="stderr"):
    return [e["message"] for e in entries if e.get("stream") == stream]


def assert_request(entry, method, target, status, size=None, call_id=UUID4, traceparent=None):
    """`size` None: any; `call_id` an expression or the text itself."""
    got = {name: entry.get(name) for name in ("method", "target", "status", "traceparent")}
    assert got == {"method": method, "target": target, "status": status, "traceparent": traceparent}
    assert size is None or entry["bytes"] == size, entry
    if isinstance(call_id, re.Pattern):
        assert call_id.fullmatch(entry["call_id"]), entry
    else:
        assert entry["call_id"] == call_id, entry
