"""Output that there is no room to hold until the exit status is known: it is sent, and is all the same whole."""

import os
import subprocess
import threading

import pytest

from cgi_program import assert_bad_head_log, document
from harness import PATIENCE
from http_client import request_bytes

ADDED = ("Date", "Content-Length", "Transfer-Encoding", "X-Duration-Seconds")


@pytest.fixture(params=["classic", "serializing"])
def mode(request):
    return request.param


def full(scratch):
    """A TMPDIR with room for the lock file, not for a MB of output."""
    folder = scratch / "full"
    folder.mkdir()
    wrapper = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && exec "$@"', str(folder)]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    return {"TMPDIR": folder, "wrapper": wrapper, "suppress_lock": "true"}


def missing(scratch):
    return {"TMPDIR": scratch / "missing", "suppress_lock": "true"}


@pytest.fixture(params=[missing, full])
def function(request, watchdog, scratch, mode):
    """Where there is no room at all, and where there is some."""
    return lambda fprocess="cat", **more: watchdog(fprocess, mode=mode, **request.param(scratch), **more)


@pytest.fixture
def headed(function):
    """With a head in its output."""
    return lambda fprocess="cat": function(fprocess, cgi_response="true")


def printed(w, output):
    """The answer to a request whose function, `cat`, prints `output`."""
    with w.connect() as c:
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(request_bytes("POST", body=output),))
        sender.start()
        a = c.answer()
        sender.join(PATIENCE)
    return a


@pytest.mark.parametrize("size", [262_145, 300_000, 327_680, 327_681, 3_000_000])
def test_every_byte_is_sent(function, size):
    body = os.urandom(size)
    w = function()
    for _ in range(2):
        a = printed(w, body)
        assert (a.status, len(a.body), a.cut) == (200, size, False)
        assert a.body == body


def test_every_byte_is_sent_to_a_slow_client(function):
    body = os.urandom(3_000_000)
    with function().connect(receive_buffer=4096) as c:
        sender = threading.Thread(target=c.send_as_far_as_taken, args=(request_bytes("POST", body=body),))
        sender.start()
        a = c.answer()
        sender.join(PATIENCE)
    assert (a.status, a.cut, a.body == body) == (200, False, True)


def test_status_and_fields_of_the_head(headed):
    body = os.urandom(3_000_000)
    w = headed()
    a = printed(w, b"Status: 404 Not here\nX-A: b\nContent-Type: text/plain\n\n" + body)
    assert (a.status, a.reason, a.framing, a.cut) == (404, "Not here", "chunked", False)
    fields = [(n, v) for n, v in a.fields if n not in ADDED]
    assert fields == [("X-A", "b"), ("Content-Type", "text/plain")]
    assert a.body == body
    w.wait_for_log("^cannot hold the output in ")


def test_failure_behind_a_head_cuts(headed):
    w = headed(document("outbytes:3000000", "exit:3"))
    a = w.call()
    assert (a.status, a.cut) == (200, True), "an answer that is not whole must not look whole"


@pytest.mark.parametrize("output", [b"garbage\n\n", b"Content-Type: a/b\nX: "], ids=["text", "endless"])
def test_malformed_head(headed, output):
    w = headed()
    for _ in range(2):
        a = printed(w, output + b"x" * 2_000_000)
        assert (a.status, a.cut) == (502, False)
    assert_bad_head_log(w, "")
    w.wait_no_processes()


def test_length_is_honoured(headed):
    w = headed()
    for promised in (2_000_000, 1_999_999, 10):
        a = printed(w, b"Status: 200\nContent-Length: %d\n\n" % promised + b"x" * 2_000_000)
        assert (a.status, a.cut, len(a.body)) == (200, False, promised)
    assert printed(w, b"Status: 200\nContent-Length: 2000001\n\n" + b"x" * 2_000_000).cut


def test_status_without_body(headed):
    with headed().connect() as c:
        for _ in range(2):
            c.request("POST", body=b"Status: 204\n\n" + b"x" * 2_000_000)
            a = c.answer()
            assert (a.status, a.body, a.cut) == (204, b"", False)
        c.assert_usable()
