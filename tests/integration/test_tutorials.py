"""The functions of the tutorials, with nothing set but fprocess."""

import shutil
from pathlib import Path

import pytest

from harness import FUNCTIONS, SYSTEM_PATH, need_program


def path_with(program):
    """The PATH of the tests, and where `program` is on this machine."""
    return f"{FUNCTIONS}:{SYSTEM_PATH}:{Path(need_program(program)).parent}"


def test_shell_script(watchdog):
    w = watchdog("tutorial", PATH=path_with("rev"))
    a = w.call("POST", body=b"hello")
    assert (a.status, a.body.rstrip(b"\n")) == (200, b"OLLEH")
    a = w.call("POST", body=b"Hello World\nof functions\n")
    assert (a.status, a.body) == (200, b"DLROW OLLEH\nSNOITCNUF FO\n")


def test_node(watchdog):
    w = watchdog(f"node {FUNCTIONS}/index.js", PATH=path_with("node"))
    a = w.call()
    assert (a.status, a.body) == (200, b"Hello World\n")


@pytest.mark.parametrize(
    "fprocess, body, wanted",
    [
        ("cat", b"hello", b"hello"),
        ("wc -c", b"12345", b"5\n"),
        ("tr a-z A-Z", b"hello", b"HELLO"),
        ("sha256sum", b"", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n"),
        ("sh", b"echo $((6 * 7))", b"42\n"),
    ],
)
def test_programs_as_they_are(watchdog, fprocess, body, wanted):
    if not shutil.which(fprocess.split()[0]):
        pytest.skip("it is not installed")
    a = watchdog(fprocess).call("POST", body=body)
    assert (a.status, a.body) == (200, wanted)
