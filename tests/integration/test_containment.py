"""Containment: limit_*, user, group and no_new_privs hold for the processes of the function, and for nobody else."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cgi_program import shell
from harness import SYSTEM_PATH, eventually, is_running, wait_gone
from life import Life

PRINT_HEAD = r"printf 'Content-Type: text/plain\n\n'; "


def others_can_run():
    """Not where the system's own folders are closed to other users, as in some chroots."""
    command = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "/bin/true"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


ROOT = pytest.mark.skipif(not others_can_run(), reason="only root can become somebody else, who has to be able to run")
# name, what /proc/PID/limits calls it, a value that any program can live with
LIMITS = [
    ("limit_memory", "Max address space", 1 << 32),
    ("limit_cpu", "Max cpu time", 77),
    ("limit_files", "Max open files", 99),
    ("limit_processes", "Max processes", 555),
]


@pytest.fixture(params=["classic", "streaming", "serializing", "cgi"])
def forking(request):
    return request.param


@pytest.fixture
def life(watchdog, gate):
    return Life(watchdog, gate)


@pytest.fixture
def printed(watchdog, forking):
    """What a line of sh prints, started by a watchdog with these settings."""

    def run(line, body=b"", **settings):
        line = (PRINT_HEAD if forking == "cgi" else "") + line
        w = watchdog(shell(line), mode=forking, **settings)
        a = w.call("POST", body=body)
        assert (a.status, a.cut) == (200, False), a
        return a.body.decode()

    return run


def limits_of(text):
    """The soft and the hard ones, as texts."""
    rows = re.findall(r"^(Max [a-z ]+?) {2,}(\S+) +(\S+)", text, re.M)
    return {name: (soft, hard) for name, soft, hard in rows}


def own_limits():
    return limits_of(Path("/proc/self/limits").read_text())


def status_of(text):
    """The rows of /proc/PID/status, values as words."""
    return {name: value.split() for name, value in re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M)}


def ids(status, name):
    assert len(set(status[name])) == 1, f"real, effective, saved and of files: {status[name]}"
    return int(status[name][0])


def groups(status):
    return {int(g) for g in status["Groups"]}


# --- limits -----------------------------------------------------------------------------------------------------------


def test_nothing_is_limited_by_default(printed):
    assert limits_of(printed("cat /proc/self/limits")) == own_limits()


@pytest.mark.parametrize("name, row, value", LIMITS, ids=[row[0] for row in LIMITS])
def test_limit(printed, name, row, value):
    """Soft and hard, so that the function cannot take it back; the others are as they were."""
    wanted = {**own_limits(), row: (str(value), str(value))}
    assert limits_of(printed("cat /proc/self/limits", **{name: value})) == wanted


def test_all_limits_in_http(life):
    """Each life of the function has them. fwatchdog itself has not, so it goes on serving many."""
    w = life.start("say", restart="always", **{name: value for name, _, value in LIMITS})
    before = own_limits()
    for i in range(2):
        pid = life.gate.started()
        got = limits_of(Path(f"/proc/{pid}/limits").read_text())
        assert got == {**before, **{row: (str(value), str(value)) for _, row, value in LIMITS}}
        if i == 0:
            os.kill(pid, signal.SIGKILL)
    ours = limits_of(Path(f"/proc/{w.pid}/limits").read_text())
    assert {row: ours[row] for _, row, _ in LIMITS if row != "Max open files"} == {
        row: before[row] for _, row, _ in LIMITS if row != "Max open files"
    }
    assert int(ours["Max open files"][0]) >= int(before["Max open files"][0])


def test_limit_below_what_fwatchdog_has_open(watchdog, gate):
    """limit_files is about the function: with 100 connections the watchdog has more than that."""
    w = watchdog("cat", limit_files="20")
    connections = [w.connect() for _ in range(100)]
    for c in connections:
        assert c.call("GET", "/_/health").status == 200
    for c in connections[::10]:
        assert c.call("POST", body=b"x").body == b"x"


def test_memory(watchdog):
    hungry = f'{sys.executable} -S -c "x = bytearray(1 << 30)" && echo fed || echo hungry'
    assert watchdog(shell(hungry), limit_memory=256 << 20).call().body.endswith(b"hungry\n")
    assert watchdog(shell(hungry), limit_memory="0").call().body == b"fed\n"


def test_processor_time(watchdog):
    """The kernel ends it; that is a failure like others, and no time limit of the watchdog's."""
    w = watchdog(shell("while :; do :; done"), limit_cpu="1", exec_timeout="600s")
    a = w.call()
    assert a.status == 500 and a.body.startswith(b"signal: "), a
    w.wait_no_processes()


def test_open_files(watchdog):
    many = "for i in 3 4 5 6 7 8 9; do eval \"exec $i</dev/null\" || exit 1; done; echo all"
    assert watchdog(shell(many), limit_files="10").call().body == b"all\n"
    w = watchdog(shell(many), limit_files="7", combine_output="false")
    assert w.call().status == 500
    w.wait_for_log("[Tt]oo many open files|[Bb]ad file descriptor")


@ROOT
def test_processes(watchdog):
    """Counted for the user, whom nobody else is here."""
    user = 600_000 + os.getpid()
    pipes = {"GATE": "/dev/null", "STARTED": "/dev/null"}
    w = watchdog("steps hold hold hold hold out:done", user=user, limit_processes="3", **pipes)
    a = w.call()
    assert a.body != b"done" or a.status != 200, a
    w.wait_no_processes()
    w = watchdog("steps out:done", user=user, limit_processes="3")
    for _ in range(5):
        assert w.call().body == b"done"


@pytest.mark.parametrize("bytes_", [1, 4096, 100_000])
def test_memory_in_which_nothing_runs(watchdog, forking, bytes_):
    """Each call fails and says so; nothing is left, and the watchdog is well."""
    w = watchdog("cat", mode=forking, limit_memory=bytes_)
    with w.connect() as c:
        for _ in range(3):
            a = c.call("POST", body=b"x")
            assert (a.status, a.cut) == (500, False), a
        c.assert_usable()
    w.wait_no_processes()


def test_more_files_than_allowed(fwatchdog, scratch):
    """Beyond the hard limit, for somebody who may not raise it."""
    wrapper = ["prlimit", "--nofile=1000:1000", *powerless(scratch)]
    ended = fwatchdog(fprocess="cat", limit_files="5000", wrapper=wrapper)
    assert ended.status == 1, ended
    assert "Error: limit_files=5000 is more than the 1000 that this process may give" in ended.stderr


def powerless(scratch):
    """A wrapper in which nothing is permitted: as another user when we are root."""
    if os.geteuid():
        return []
    if not others_can_run():
        pytest.skip("another user can run nothing here")
    for folder in (scratch, scratch / "tmp"):
        os.chown(folder, 54321, 54322)
    return ["setpriv", "--reuid=54321", "--regid=54322", "--clear-groups"]


@pytest.mark.parametrize("name", [row[0] for row in LIMITS])
@pytest.mark.parametrize("value", ["-1", "many", "1.5", "99999999999999999999", "64M"])
def test_bad_limit_stops_the_start(fwatchdog, name, value):
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", **{name: value})
        assert ended.status == 1, ended
        assert [m for m in ended.all.splitlines() if re.search(rf"\b{name}\b", m) and value in m], ended
        assert "Listening" not in ended.all


@pytest.mark.parametrize("mode", ["classic", "streaming", "http"])
def test_check_lists_them(fwatchdog, mode):
    url = {"http_upstream_url": "http://127.0.0.1:1"} if mode == "http" else {}
    ended = fwatchdog("--check", fprocess="cat", mode=mode, limit_files="64", **url)
    assert ended.status == 0, ended
    settings = ended.settings()
    assert settings["limit_files"] == ("64", "environment")
    assert {settings[name] for name, _, _ in LIMITS if name != "limit_files"} == {("0", "default")}


# --- no_new_privs -----------------------------------------------------------------------------------------------------


def test_no_new_privs(printed):
    assert status_of(printed("cat /proc/self/status"))["NoNewPrivs"] == ["1"]


def test_no_new_privs_in_http(life):
    w = life.start("say", restart="always")
    for _ in range(2):
        pid = life.gate.started()
        assert status_of(Path(f"/proc/{pid}/status").read_text())["NoNewPrivs"] == ["1"]
        os.kill(pid, signal.SIGKILL)
    life.gate.started()
    w.stop()


@ROOT
def test_program_of_root_is_of_no_use(watchdog, scratch):
    """A setuid program stays with whom it was started by."""
    elevated = scratch / "id"
    shutil.copy("/usr/bin/id", elevated)
    os.chown(elevated, 0, 0)
    elevated.chmod(0o4755)
    scratch.chmod(0o755)
    command = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", str(elevated), "-u"]
    if subprocess.run(command, capture_output=True, check=False).stdout != b"0\n":
        pytest.skip("setuid programs have no effect here")
    assert watchdog(f"{elevated} -u", user="54321").call().body == b"54321\n"


# --- user and group ---------------------------------------------------------------------------------------------------

PASSWD = """root:x:0:0::/root:/bin/sh
alice:x:4242:4243::/:/bin/sh
bob:x:4250:4251::/:/bin/sh
1000:x:4260:4261::/:/bin/sh
"""
GROUP = """root:x:0:
alices:x:4243:
extra:x:4244:bob,alice
more:x:4245:alice
other:x:4246:alicex,xalice,bob
roots:x:4247:root
"""


@pytest.fixture
def known(scratch):
    """A wrapper in which there are other users and groups, none of which is the machine's."""
    (scratch / "passwd").write_text(PASSWD)
    (scratch / "group").write_text(GROUP)
    mounts = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", mounts, str(scratch)]
    if subprocess.run([*wrapper, "true"], env={"PATH": SYSTEM_PATH}, capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    return wrapper


@ROOT
@pytest.mark.parametrize(
    "settings, uid, gid, others",
    [
        ({"user": "alice"}, 4242, 4243, {4244, 4245}),
        ({"user": "4242"}, 4242, 4243, {4244, 4245}),
        ({"user": "bob"}, 4250, 4251, {4244, 4246}),
        ({"user": "alice", "group": "other"}, 4242, 4246, {4244, 4245}),
        ({"user": "alice", "group": "7000"}, 4242, 7000, {4244, 4245}),
        ({"user": "60001", "group": "extra"}, 60001, 4244, set()),
        ({"user": "60001", "group": "60002"}, 60001, 60002, set()),
        ({"user": "60001"}, 60001, None, set()),
        ({"group": "alices"}, 0, 4243, set()),
        ({"user": "root"}, 0, 0, {4247}),
        ({"user": "", "group": ""}, 0, 0, None),
    ],
    ids=lambda v: " ".join(map("=".join, v.items())) if isinstance(v, dict) else "",
)
def test_user_and_group(watchdog, known, settings, uid, gid, others):
    w = watchdog("cat /proc/self/status", wrapper=known, **settings)
    status = status_of(w.call().body.decode())
    assert ids(status, "Uid") == uid
    got = ids(status, "Gid")
    assert gid is None or got == gid
    if uid:
        assert got != 0, "a group of root's is no default"
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name][0], 16) == 0, "no capability is left"
    if others is not None:
        primary = {4243, 4251} if settings.get("user") in ("alice", "4242", "bob") else {0} if uid == 0 else set()
        assert others <= groups(status) <= others | {got} | primary, status["Groups"]
    assert status["NoNewPrivs"] == ["1"]


@ROOT
def test_user_in_each_mode(printed):
    status = status_of(printed("cat /proc/self/status", user="54321", group="54322"))
    assert (ids(status, "Uid"), ids(status, "Gid"), groups(status) - {54322}) == (54321, 54322, set())


@ROOT
def test_user_of_a_long_lived_function(life):
    """Of each of its lives; fwatchdog stays who it was, and can still end it."""
    for pipe in (life.gate.started_pipe, life.gate.gate_pipe):
        os.chown(pipe.path, 54321, -1)
    Path(life.gate.started_pipe.path).parent.chmod(0o755)
    w = life.start("say", "ignore-term", restart="always", user="54321", stop_grace="100ms")
    for i in range(2):
        pid = life.gate.started()
        status = status_of(Path(f"/proc/{pid}/status").read_text())
        assert (ids(status, "Uid"), groups(status) - {ids(status, "Gid")}) == (54321, set())
        if i == 0:
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: w.call("GET", "/status/200").status == 200, "it serves")
    assert ids(status_of(Path(f"/proc/{w.pid}/status").read_text()), "Uid") == 0
    w.stop()
    wait_gone(pid)


GO_BACK = """import os
for f in (lambda: os.setresuid(0, 0, 0), lambda: os.setresgid(0, 0, 0), lambda: os.setgroups([0])):
    try:
        f()
        print("root")
    except PermissionError:
        print("no")
"""


@ROOT
def test_it_cannot_go_back(watchdog):
    """No saved id is left that setuid(0) would take."""
    w = watchdog(shell(f'exec {sys.executable} -S -c "$P"'), P=GO_BACK, user="54321")
    assert w.call().body == b"no\nno\nno\n"


@ROOT
@pytest.mark.parametrize("user", ["", "54321"], ids=["same", "other"])
@pytest.mark.parametrize("stream", ["/dev/stdin", "/dev/stdout", "/dev/stderr"])
def test_streams_can_be_opened_by_name(printed, stream, user):
    """Many programs do, nginx for its log for example; the pipes are the user's, not root's."""
    use = {"/dev/stdin": "cat <{0}", "/dev/stdout": "cat >{0}", "/dev/stderr": "cat; echo x >{0}"}
    assert printed(use[stream].format(stream), body=b"body", user=user, combine_output="false") == "body"


@ROOT
def test_processes_of_another_user_are_ended(watchdog, gate, forking):
    for pipe in (gate.started_pipe, gate.gate_pipe):
        os.chown(pipe.path, 54321, -1)
    Path(gate.started_pipe.path).parent.chmod(0o755)
    w = watchdog("steps ignore-term hold say wait", mode=forking, user="54321", exec_timeout="500ms",
                 kill_grace="100ms", **gate.env)  # fmt: skip
    assert w.call().status in (408, 500, 504)
    for _ in range(2):
        wait_gone(gate.started())


@ROOT
def test_without_the_right_to_end_them(fwatchdog):
    """Root that may change users, but not end processes of others."""
    wrapper = ["setpriv", "--bounding-set=-all,+setuid,+setgid"]
    ended = fwatchdog(fprocess="cat", user="54321", wrapper=wrapper)
    assert ended.status == 1, ended
    assert "Error: user needs the capability KILL" in ended.stderr


@ROOT
def test_program_that_the_user_may_not_run(watchdog, scratch, forking):
    scratch.chmod(0o755)
    program = scratch / "program"
    shutil.copy("/bin/cat", program)
    program.chmod(0o700)
    w = watchdog(str(program), mode=forking, user="54321")
    for _ in range(2):
        a = w.call("POST", body=b"x")
        assert a.status == 500 and re.search(rb"fork/exec \S*/program: permission denied", a.body), a
    program.chmod(0o755)
    assert b"x" in watchdog(str(program), user="54321").call("POST", body=b"x").body


@ROOT
def test_function_that_the_user_may_not_run(fwatchdog, scratch):
    """mode=http does not even start."""
    scratch.chmod(0o755)
    program = scratch / "program"
    shutil.copy("/bin/cat", program)
    program.chmod(0o700)
    ended = fwatchdog(mode="http", fprocess=str(program), http_upstream_url="http://127.0.0.1:1", user="54321")
    assert ended.status == 1
    assert re.search(r"fork/exec \S*/program: permission denied", ended.stderr), ended


# --- values that name nobody ------------------------------------------------------------------------------------------

NOBODY = ["no-such-one", "-1", "4294967295", "4294967296", "18446744073709551616", "0x0", "+0", " 0", "0 ", "1e3",
          "alice:extra", "rööt", "al\nice"]  # fmt: skip


@ROOT
@pytest.mark.parametrize("value", NOBODY)
@pytest.mark.parametrize("name", ["user", "group"])
def test_unknown_name(fwatchdog, known, name, value):
    """An id that wraps around to root's, or that means "unchanged" to the kernel, is none either."""
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", wrapper=known, **{name: value})
        assert ended.status == 1, ended
        lines = [m for m in ended.all.splitlines() if re.search(rf"\b{name}\b", m) and not m.startswith(f"{name}=")]
        assert lines, ended
        if value.isprintable() and value.isascii():
            assert [m for m in lines if value in m], "the value is named"
        assert "Listening" not in ended.all and "Forking" not in ended.all


@ROOT
def test_digits_that_are_a_name(watchdog, known):
    """As for chown(1): a name is looked for first."""
    w = watchdog("cat /proc/self/status", wrapper=known, user="1000")
    assert ids(status_of(w.call().body.decode()), "Uid") in (1000, 4260)


# --- not root ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value", [("user", "0"), ("user", "root"), ("user", "4242"), ("group", "0"), ("group", "4243")]
)
def test_only_root_can_choose(fwatchdog, scratch, name, value):
    wrapper = powerless(scratch)
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", wrapper=wrapper, **{name: value})
        assert ended.status == 1, ended
        lines = [m for m in ended.all.splitlines() if re.search(rf"\b{name}\b", m) and "root" in m]
        assert lines, ended
        assert "Listening" not in ended.all


def test_own_user_and_group_may_be_named(watchdog, scratch):
    """The same settings then do for an image that is run as root and for one that is not."""
    wrapper = powerless(scratch)
    uid, gid = (54321, 54322) if wrapper else (os.getuid(), os.getgid())
    w = watchdog("cat /proc/self/status", user=uid, group=gid, limit_files="50", wrapper=wrapper)
    status = status_of(w.call().body.decode())
    assert (ids(status, "Uid"), ids(status, "Gid"), status["NoNewPrivs"]) == (uid, gid, ["1"])


def test_limits_need_no_root(watchdog, scratch):
    w = watchdog("cat /proc/self/limits", wrapper=powerless(scratch), **{name: value for name, _, value in LIMITS})
    got = limits_of(w.call().body.decode())
    assert {row: got[row] for _, row, _ in LIMITS} == {row: (str(v), str(v)) for _, row, v in LIMITS}


@ROOT
def test_the_watchdog_keeps_its_own(watchdog):
    """What is done to a process between its start and its program is done to it alone."""
    w = watchdog("cat", limit_memory=1 << 32, limit_cpu="77", **({"user": "54321"} if os.geteuid() == 0 else {}))
    before = Path(f"/proc/{w.pid}/status").read_text()
    for _ in range(5):
        assert w.call("POST", body=b"x").body == b"x"
    after = Path(f"/proc/{w.pid}/status").read_text()
    for name in ("Uid", "Gid", "Groups", "NoNewPrivs", "CapEff"):
        assert status_of(before)[name] == status_of(after)[name], name
    assert resource.prlimit(w.pid, resource.RLIMIT_AS) == resource.getrlimit(resource.RLIMIT_AS)
    assert resource.prlimit(w.pid, resource.RLIMIT_CPU) == resource.getrlimit(resource.RLIMIT_CPU)
