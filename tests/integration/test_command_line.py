"""fprocess: how it is split, where the program is looked for, and what is said when it cannot run."""

import os
import stat

import pytest

from harness import FUNCTIONS, SYSTEM_PATH
from http_client import SECONDS, assert_answer

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def arguments(w):
    """What the function `argv` was given."""
    a = w.call()
    assert a.status == 200, a
    words = a.body.split(b"\0")
    assert words[0] == b"/bin/sh" and words[1].endswith(b"argv") and words[-1] == b"", words
    return [word.decode() for word in words[2:-1]]


@pytest.mark.parametrize(
    "rest, wanted",
    [
        ("", []),
        (" a", ["a"]),
        (" a  b", ["a", "", "b"]),
        ("   a", ["", "", "a"]),
        (" ", [""]),
        (" a ", ["a", ""]),
        (" a\tb", ["a\tb"]),
        (" a\nb", ["a\nb"]),
        (" $HOME `id` *", ["$HOME", "`id`", "*"]),
        (r" a\ b \n", [r"a\ ", r"b", r"\n"]),
        (" a;b|c>d&e", ["a;b|c>d&e"]),
        (" -x --y=z é", ["-x", "--y=z", "é"]),
        (" [a]", ["[a]"]),
    ],
)
def test_split_at_every_single_space(watchdog, rest, wanted):
    wanted = ["a\\", "b", "\\n"] if rest == r" a\ b \n" else wanted
    assert arguments(watchdog("argv" + rest)) == wanted


def test_split_is_the_same_in_other_modes(watchdog, mode):
    assert arguments(watchdog("argv a  b\tc ", mode=mode)) == ["a", "", "b\tc", ""]


@pytest.mark.parametrize(
    "rest, wanted",
    [
        (' "c d"', ["c d"]),
        (" 'c d'", ["c d"]),
        (""" a  "b c"  'd e' """, ["a", "b c", "d e"]),
        (""" "a'b" 'c"d'""", ["a'b", 'c"d']),
        (""" a"b c"d""", ["ab cd"]),
        (""" "" ''""", ["", ""]),
        (r''' "a\"b" "c\\d"''', ['a"b', r"c\d"]),
        (r""" "a\nb" '\n'""", [r"a\nb", r"\n"]),
        (r" 'x' a\ b \"", ["x", "a b", '"']),
        (""" "$HOME" '`id`' *""", ["$HOME", "`id`", "*"]),
        (" 'a\tb'\tc\nd", ["a\tb", "c", "d"]),
        (' "é 世"', ["é 世"]),
    ],
)
def test_flaw_45_quotes_follow_the_rules_of_posix_words(watchdog, rest, wanted):
    assert arguments(watchdog("argv" + rest)) == wanted


@pytest.mark.parametrize(
    "line, wanted",
    [
        ('["argv"]', []),
        ('["argv", "a b", "", "c"]', ["a b", "", "c"]),
        (r'["argv","\"q\"","\\","\t\n\u00e9\ud83d\ude00","/"]', ['"q"', "\\", "\t\né😀", "/"]),
        (' [ "argv" , "x" ] '.strip(), ["x"]),
    ],
)
def test_flaw_45_json_array(watchdog, line, wanted):
    assert arguments(watchdog(line)) == wanted


@pytest.mark.parametrize(
    "line",
    ['argv "a', "argv 'a", 'argv a"', '["argv"', '["argv",]', '["argv" "b"]', "[argv]", '["argv", 1]', "[]", '["a"] x',
     r'["argv","\u0000"]', r'["argv","\x"]'],
)  # fmt: skip
@pytest.mark.parametrize("how", ["start", "--check"])
def test_flaw_45_bad_quoting_is_an_error(fwatchdog, line, how):
    ended = fwatchdog(*[how][: how == "--check"], fprocess=line)
    assert ended.status == 1, ended
    assert [m for m in ended.all.splitlines() if "fprocess" in m and "(environment)" not in m], ended
    assert "Listening" not in ended.all


# --- programs that cannot run -----------------------------------------------------------------------------------------


@pytest.fixture
def programs(scratch):
    """Files that cannot be executed, each in its own way."""
    (scratch / "plain").write_text("echo no x bit\n")
    (scratch / "folder").mkdir()
    (scratch / "lost").write_text("#!/no/such/interpreter\n")
    (scratch / "formless").write_text("echo no magic line\n")
    for name in ("lost", "formless"):
        (scratch / name).chmod(0o755)
    return scratch


CANNOT_RUN = [
    # command line ("DIR" is the folder above), text
    ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
    ("no-such-program with arguments", 'exec: "no-such-program": executable file not found in $PATH'),
    (" cat", "exec: no command"),
    ("tab\tname", r'exec: "tab\tname": executable file not found in $PATH'),
    ("DIR/missing", "fork/exec DIR/missing: no such file or directory"),
    ("DIR/lost", "fork/exec DIR/lost: no such file or directory"),
    ("DIR/plain", "fork/exec DIR/plain: permission denied"),
    ("DIR/folder", "fork/exec DIR/folder: permission denied"),
    ("DIR/formless", "fork/exec DIR/formless: exec format error"),
]
cannot_run = pytest.mark.parametrize("line, text", CANNOT_RUN, ids=[line for line, _ in CANNOT_RUN])
# What is wrong with the others only the kernel finds out, when they are run.
SEEN_AT_START = [row for row in CANNOT_RUN if row[0] not in ("DIR/lost", "DIR/formless")]
seen_at_start = pytest.mark.parametrize("line, text", SEEN_AT_START, ids=[line for line, _ in SEEN_AT_START])


def in_folder(folder, *texts):
    return [text.replace("DIR", str(folder)) for text in texts]


@cannot_run
def test_cannot_run_in_classic(watchdog, programs, line, text):
    line, text = in_folder(programs, line, text)
    w = watchdog(line)
    for _ in range(2):
        assert_answer(w.call("POST", body=b"x"), 500, text.encode() + b"\n", TEXT)
    assert w.stop_and_read() == ["Forking fprocess."] * 2, "it was said at start, not per request"


@cannot_run
def test_cannot_run_in_serializing(watchdog, programs, line, text):
    line, text = in_folder(programs, line, text)
    a = watchdog(line, mode="serializing").call("POST", body=b"x")
    assert_answer(a, 500, text.encode(), {"Content-Type": "application/octet-stream", "X-Duration-Seconds": SECONDS})


@cannot_run
def test_flaw_7_cannot_run_in_streaming_is_no_200(watchdog, programs, line, text):
    line, text = in_folder(programs, line, text)
    a = watchdog(line, mode="streaming").call("POST", body=b"x")
    assert (a.status, a.cut) == (500, False)
    assert a.body.rstrip(b"\n") == text.encode()


@seen_at_start
def test_missing_program_is_said_at_start_once(watchdog, programs, mode, line, text):
    line, text = in_folder(programs, line, text)
    w = watchdog(line, mode=mode)
    w.call()
    w.call()
    w.stop()
    lines = [m for m in w.messages() if text in m and not m.startswith(("GET", "Watchdog mode"))]
    assert len(lines) >= 1, w.messages()
    if mode == "classic":
        assert len(lines) == 1, "nothing more per call"


@seen_at_start
def test_missing_program_is_an_error_under_strict_config(fwatchdog, programs, line, text):
    line, text = in_folder(programs, line, text)
    ended = fwatchdog(fprocess=line, strict_config="true")
    assert (ended.status, ended.stdout) == (1, "")
    assert text in ended.stderr and "Listening" not in ended.stderr


@pytest.mark.parametrize("path", [None, ""])
def test_path_unset_or_empty(watchdog, path):
    a = watchdog("cat", PATH=path).call()
    assert_answer(a, 500, b'exec: "cat": executable file not found in $PATH\n', TEXT)


@pytest.mark.parametrize("path", [".:", f"{SYSTEM_PATH}:.", f"{SYSTEM_PATH}::/none", f":{SYSTEM_PATH}"])
def test_found_relative_to_the_current_directory(watchdog, scratch, path):
    (scratch / "here").write_text("#!/bin/sh\necho here\n")
    (scratch / "here").chmod(0o755)
    a = watchdog("here", PATH=path, popen={"cwd": scratch}).call()
    assert_answer(a, 500, b'exec: "here": cannot run executable found relative to current directory\n', TEXT)


def test_a_name_with_a_slash_is_relative_to_the_current_directory(watchdog, scratch):
    (scratch / "here").write_text("#!/bin/sh\necho here\n")
    (scratch / "here").chmod(0o755)
    assert watchdog("./here", PATH="/none", popen={"cwd": scratch}).call().body == b"here\n"


def test_path_is_searched_in_order_and_past_what_cannot_run(watchdog, scratch):
    for i, mode in enumerate((0o644, 0o755, 0o755)):
        folder = scratch / f"bin{i}"
        folder.mkdir()
        (folder / "it").write_text(f"#!/bin/sh\necho {i}\n")
        (folder / "it").chmod(mode)
    (scratch / "bin").mkdir()
    (scratch / "bin" / "it").mkdir()
    path = ":".join(str(scratch / name) for name in ("none", "bin", "bin0", "bin1", "bin2"))
    assert watchdog("it", PATH=f"{path}:{SYSTEM_PATH}").call().body == b"1\n"


def test_program_that_appears_later_heals(watchdog, scratch, mode):
    program = scratch / "later"
    w = watchdog(str(program), mode=mode)
    assert w.call().status == 500
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(stat.S_IRWXU)
    a = w.call()
    assert (a.status, a.body) == (200, b"here\n")


def test_program_in_path_that_appears_later_heals(watchdog, scratch, mode):
    (scratch / "bin").mkdir()
    w = watchdog("later", mode=mode, PATH=f"{scratch}/bin:{SYSTEM_PATH}")
    assert w.call().status == 500
    (scratch / "bin" / "later").symlink_to(FUNCTIONS / "argv")
    assert w.call().status == 200


def test_program_that_goes_away_is_told_per_call(watchdog, scratch):
    program = scratch / "fleeting"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    w = watchdog(str(program))
    assert w.call().body == b"here\n"
    os.unlink(program)
    assert_answer(w.call(), 500, f"fork/exec {program}: no such file or directory\n".encode(), TEXT)


# --- how a process can end --------------------------------------------------------------------------------------------

ENDS = [
    ("exit:1", b"exit status 1"),
    ("exit:3", b"exit status 3"),
    ("exit:255", b"exit status 255"),
    ("kill:KILL", b"signal: killed"),
    ("kill:TERM", b"signal: terminated"),
    ("kill:SEGV", b"signal: segmentation fault"),
    ("kill:PIPE", b"signal: broken pipe"),
    ("kill:INT", b"signal: interrupt"),
    ("kill:HUP", b"signal: hangup"),
    ("kill:ABRT", b"signal: aborted"),
    ("kill:QUIT", b"signal: quit"),
    ("kill:USR1", b"signal: user defined signal 1"),
]
ends = pytest.mark.parametrize("step, text", ENDS)


@ends
def test_end_of_process_in_classic(watchdog, step, text):
    a = watchdog(f"steps outline:before {step}").call()
    assert_answer(a, 500, text + b"\nbefore\n", TEXT)


@ends
def test_end_of_process_in_serializing(watchdog, step, text):
    a = watchdog(f"steps outline:before {step}", mode="serializing").call()
    assert_answer(a, 500, text, {"Content-Type": "application/octet-stream", "X-Duration-Seconds": SECONDS})


@ends
def test_flaw_7_end_of_process_before_output_in_streaming(watchdog, step, text):
    a = watchdog(f"steps {step}", mode="streaming").call()
    assert (a.status, a.cut) == (500, False)
    assert a.body.rstrip(b"\n") == text
