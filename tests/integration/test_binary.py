"""The release binary: small, static, position-independent, hardened, quick to start, light at rest."""

import struct
import subprocess
import time

import pytest

from harness import BINARY, REPO, SAN, need_program, status_kb

pytestmark = pytest.mark.skipif(bool(SAN), reason="the release only, not builds with sanitizers")

ET_DYN = 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 3, 0x6474E551, 0x6474E552
DT_NEEDED = 1
PF_X, PF_W = 1, 2


class Elf:
    """The headers of a 64-bit little-endian ELF file."""

    def __init__(self, data):
        assert data[:6] == b"\x7fELF\x02\x01"
        self.type, _, _, _, offset, self.section_offset, _, _, size, count, _, sections, _ = struct.unpack_from(
            "<HHIQQQIHHHHHH", data, 16
        )
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, offset + i * size) for i in range(count)]
        self.sections = sections
        self.data = data

    def has(self, kind):
        return [s for s in self.segments if s[0] == kind]

    def needed(self):
        found = []
        for _, _, offset, _, _, size, _, _ in self.has(PT_DYNAMIC):
            for i in range(offset, offset + size, 16):
                tag, value = struct.unpack_from("<qQ", self.data, i)
                if tag == DT_NEEDED:
                    found.append(value)
        return found


@pytest.fixture(scope="module")
def elf():
    return Elf(BINARY.read_bytes())


def test_size():
    assert BINARY.stat().st_size <= 512 * 1024


def test_static_pie(elf):
    assert elf.type == ET_DYN
    assert elf.has(PT_INTERP) == []
    assert elf.needed() == []


def test_file_says_static_pie():
    text = subprocess.run([need_program("file"), "-b", BINARY], capture_output=True, text=True, check=True).stdout
    assert "static-pie linked" in text and "stripped" in text and "not stripped" not in text


def test_hardened(elf):
    assert elf.has(PT_GNU_RELRO)
    stack = elf.has(PT_GNU_STACK)
    assert len(stack) == 1 and not stack[0][1] & PF_X, "the stack is not executable"
    assert not [s for s in elf.has(PT_LOAD) if s[1] & PF_W and s[1] & PF_X], "nothing is writable and executable"


def test_no_paths_of_the_build_machine(elf):
    assert str(REPO).encode() not in elf.data


def test_memory_at_rest(watchdog):
    w = watchdog("cat")
    assert status_kb(w.pid, "VmRSS") <= 1536


@pytest.mark.serial
def test_listens_within_3_ms(watchdog):
    """From before the start of the process to its line; the best of many, as a busy machine only adds to it."""

    def start():
        began = time.monotonic()
        w = watchdog("cat", ready=False, popen={"close_fds": False})
        w.wait_for_log("^Listening on port: ")
        took = time.monotonic() - began
        w.wait_until_ready()
        w.stop()
        return took

    assert min(start() for _ in range(20)) < 0.003


def test_needs_nothing_around_it(scratch):
    """It runs in an empty root folder, as FROM scratch gives it."""
    root = scratch / "root"
    (root / "tmp").mkdir(parents=True)
    if subprocess.run(["unshare", "--root", "/", "true"], capture_output=True, check=False).returncode:
        pytest.skip("chroot is not permitted here")
    program = root / "fwatchdog"
    program.write_bytes(BINARY.read_bytes())
    program.chmod(0o755)
    ended = subprocess.run(
        ["unshare", f"--root={root}", "/fwatchdog", "--check"],
        env={"fprocess": "/fwatchdog -version"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode == 0, ended
