"""How it ends when it cannot start, and that nothing is left behind then."""

import signal

import pytest


@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing"])
@pytest.mark.parametrize("value", [None, ""])
def test_no_process_given(fwatchdog, mode, value):
    ended = fwatchdog(mode=mode, fprocess=value)
    assert (ended.status, ended.stdout) == (1, "")
    assert "fprocess" in ended.stderr
    assert "Listening" not in ended.stderr


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
@pytest.mark.parametrize("value", ["0", "0s"])
def test_write_timeout_zero_is_refused(fwatchdog, mode, value):
    ended = fwatchdog(fprocess="cat", mode=mode, write_timeout=value)
    assert (ended.status, ended.stdout) == (1, "")
    assert "write_timeout" in ended.stderr or "write timeout" in ended.stderr
    assert "Listening" not in ended.stderr


def test_write_timeout_zero_is_none_in_classic(watchdog):
    w = watchdog("cat", write_timeout="0")
    w.wait_for_log("write: 0s hard")
    assert w.call("POST", body=b"x").body == b"x"


def test_write_timeout_negative_is_none(watchdog, mode):
    w = watchdog("cat", mode=mode, write_timeout="-5s")
    w.wait_for_log("write: -5s hard")
    assert w.call("POST", body=b"x").body == b"x"


@pytest.mark.parametrize("value", ["x", "", "1.5", "64k"])
def test_bad_log_buffer_size(fwatchdog, value):
    ended = fwatchdog(fprocess="cat", mode="streaming", log_buffer_size=value)
    assert (ended.status, ended.stdout) == (1, "")
    assert "log_buffer_size" in ended.stderr and value in ended.stderr
    assert "Listening" not in ended.stderr


@pytest.mark.parametrize("value", ["afterburn", "Streaming", "classic ", "1", "inproc"])
def test_unknown_mode(fwatchdog, value):
    ended = fwatchdog(fprocess="cat", mode=value)
    assert (ended.status, ended.stdout) == (1, "")
    assert "mode" in ended.stderr and value in ended.stderr
    for word in ("classic", "streaming", "serializing"):
        assert word in ended.stderr, "the words allowed are not named"


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_flaw_40_port_in_use_ends_with_1_and_no_lock(fwatchdog, scratch, taken_port, mode):
    ended = fwatchdog(fprocess="cat", mode=mode, port=taken_port)
    assert (ended.status, ended.stdout) == (1, "")
    assert str(taken_port) in ended.stderr and "address already in use" in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_flaw_40_port_out_of_range_ends_with_1(fwatchdog, scratch, mode):
    ended = fwatchdog(fprocess="cat", mode=mode, port="70000")
    assert (ended.status, ended.stdout) == (1, "")
    assert "70000" in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


@pytest.mark.parametrize("mode", ["classic", "streaming"])
@pytest.mark.parametrize("case", ["folder", "below-a-file"])
def test_flaw_40_lock_not_writable_ends_with_1(fwatchdog, scratch, mode, case):
    if case == "folder":
        folder = scratch / "locked"
        (folder / ".lock").mkdir(parents=True)
    else:
        (scratch / "file").touch()
        folder = scratch / "file"
    ended = fwatchdog(fprocess="cat", mode=mode, TMPDIR=folder)
    assert (ended.status, ended.stdout) == (1, "")
    assert str(folder) in ended.stderr and "suppress_lock=true" in ended.stderr


def test_missing_temporary_folder_is_made(watchdog, scratch, mode):
    w = watchdog("cat", mode=mode, TMPDIR=scratch / "a" / "b")
    assert (scratch / "a" / "b" / ".lock").is_file()
    assert w.call("POST", body=b"x").body == b"x"


@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing"])
def test_jwt_auth_is_refused_while_it_is_not_built(fwatchdog, scratch, mode):
    """Serving without it would open a function that its owner believes to be closed."""
    ended = fwatchdog(fprocess="cat", mode=mode, jwt_auth="true", OPENFAAS_NAME="f")
    assert (ended.status, ended.stdout) == (1, "")
    assert "jwt_auth" in ended.stderr
    assert "Listening" not in ended.stderr
    assert not (scratch / "tmp" / ".lock").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_orderly_end_is_0(watchdog, mode, number):
    watchdog("cat", mode=mode).stop(number)
