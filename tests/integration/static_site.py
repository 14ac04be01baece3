"""A folder that fwatchdog serves with mode=static, and how answers about its files look."""

import os
import re
from email.utils import formatdate

from http_client import assert_answer

THEN = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
ETAG = re.compile(r'"[!#-~]+"')
ERROR = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXTS = {
    403: b"403 Forbidden\n",
    404: b"404 page not found\n",
    405: b"405 Method Not Allowed\n",
    500: b"500 Internal Server Error\n",
}
LISTING_START = b'<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n'
LISTING_END = b"</pre>\n"


def http_date(seconds):
    return formatdate(seconds, usegmt=True)


def encoded(name):
    """Bytes as a path segment in which every one is escaped."""
    return "".join(f"%{b:02x}" for b in os.fsencode(name))


class Site:
    def __init__(self, watchdog, scratch):
        self.watchdog = watchdog
        self.scratch = scratch
        self.path = scratch / "public"
        self.path.mkdir()

    def start(self, **changes):
        return self.watchdog(**{"mode": "static", "static_path": self.path, "workers": "1", **changes})

    def write(self, name, data=b"", mtime=THEN, ns=0):
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        set_time(path, mtime, ns)
        return path

    def folder(self, name, mtime=THEN):
        path = self.path / os.fsdecode(name)
        path.mkdir(parents=True, exist_ok=True)
        set_time(path, mtime)
        return path

    def link(self, name, text):
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.fsdecode(text))
        return path


def set_time(path, mtime, ns=0):
    os.utime(path, ns=(mtime * 10**9 + ns,) * 2)


def with_permissions():
    """A wrapper in which the permissions of files count for root, too."""
    if os.geteuid():
        return []
    capabilities = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={capabilities}", f"--bounding-set={capabilities}"]


def file_fields(content_type, mtime=THEN, vary=True, **more):
    """The fields of 200 and 206; `more` with _ for -."""
    fields = {
        "Accept-Ranges": "bytes",
        "Content-Type": content_type,
        "ETag": ETAG,
        "Last-Modified": http_date(mtime),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    if vary:
        fields["Vary"] = "Accept-Encoding"
    return fields


def assert_file(a, body, content_type=PLAIN, status=200, head=False, **fields):
    """All of the file, or what `fields` and `status` say."""
    wanted = file_fields(content_type, **fields)
    assert_answer(a, status, b"" if head else body, wanted, framing="none" if head else "length")
    assert a.length == len(body), a


def assert_not_modified(a, mtime=THEN, vary=True, **more):
    fields = file_fields("", mtime, vary, **more)
    del fields["Content-Type"], fields["Accept-Ranges"]
    assert_answer(a, 304, b"", fields, framing="none")
    assert a.length is None, a


def assert_error(a, status, head=False, **fields):
    """One of the watchdog's own texts."""
    wanted = {**ERROR, **{name.replace("_", "-"): value for name, value in fields.items()}}
    assert_answer(a, status, b"" if head else TEXTS[status], wanted, framing="none" if head else "length")
    assert a.length == len(TEXTS[status]), a


def assert_redirect(a, status, *locations, head=False):
    """To one of these."""
    assert_answer(
        a,
        status,
        b"",
        {"Location": re.compile("|".join(map(re.escape, locations)))},
        framing="none" if head else "length",
        reason={301: "Moved Permanently", 307: "Temporary Redirect"}[status],
    )
    assert a.length in ((0, None) if head else (0,)), a


def listing(*rows):
    """The body of a listing with these (HREF, NAME)."""
    return LISTING_START + b"".join(b'<a href="%s">%s</a>\n' % row for row in rows) + LISTING_END


def assert_listing(a, *rows, mtime=THEN, head=False):
    fields = {"Content-Type": HTML, "Last-Modified": http_date(mtime)}
    framing = "none" if head else ("length", "chunked")
    assert_answer(a, 200, b"" if head else listing(*rows), fields, framing=framing)
