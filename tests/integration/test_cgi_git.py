"""
mode=cgi with git: examples/git-server/run as it is shipped, with `git http-backend` behind it, and git as the
client. It sends chunks and compressed bodies, wants its answers while it still sends, and checks every byte.
"""

import os
import subprocess
import threading
import zlib

import pytest

from harness import PATIENCE, REPO, SLOW, SYSTEM_PATH, eventually, need_program
from http_client import chunked, request_bytes
from test_big_bodies import assert_constant_memory

RUN = REPO / "examples" / "git-server" / "run"
NOBODY = "0" * 40  # the object that is none
PROTOCOLS = ["0", "2"]


class Server:
    """The example, on a folder of the test's own."""

    def __init__(self, watchdog, scratch, **changes):
        need_program("git")
        self.folder = scratch / "repositories"
        self.client = Client(scratch)
        # The binary under test comes as the first argument, as it does for any wrapper.
        wrapper = ["sh", "-c", 'FWATCHDOG=$1 exec "$0"', str(RUN)]
        self.w = watchdog(wrapper=wrapper, popen={"cwd": scratch}, **changes)

    def url(self, name="demo.git"):
        return f"http://127.0.0.1:{self.w.port}/{name}"

    def git(self, *args, name="demo.git", **options):
        """git in a repository of the server, without the server."""
        return self.client(f"--git-dir={self.folder / name}", *args, **options)

    def head(self, ref="main", name="demo.git"):
        return self.git("rev-parse", ref, name=name).strip()

    def add_commits(self, count, ref="main", name="demo.git"):
        """Commits with one small file each, at once."""
        self.git("fast-import", "--quiet", name=name, input=fast_import(count, ref, self.refs(name)))

    def refs(self, name="demo.git"):
        return dict(line.split(" ") for line in self.git(
            "for-each-ref", "--format=%(refname) %(objectname)", name=name).splitlines())  # fmt: skip


class Client:
    """git with a home of its own, and no configuration but this."""

    def __init__(self, scratch):
        self.folder = scratch / "client"
        self.folder.mkdir()
        self.trace = scratch / "trace"
        who = {"NAME": "A U Thor", "EMAIL": "author@example.org"}
        self.env = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_TRACE_CURL": str(self.trace),
            "GIT_TRACE_CURL_NO_DATA": "1",
            **{f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in who.items()},
        }
        # What is random is not worth the time of finding out.
        (self.folder / ".gitconfig").write_text("[core]\ncompression = 0\n[pack]\nwindow = 0\n[gc]\nauto = 0\n")

    def run(self, *args, cwd=None, timeout=4 * PATIENCE, env=None, **options):
        return subprocess.run(["git", *map(str, args)], cwd=cwd or self.folder, env={**self.env, **(env or {})},
                              stdin=None if "input" in options else subprocess.DEVNULL, capture_output=True,
                              timeout=timeout, errors="replace", **options)  # fmt: skip

    def __call__(self, *args, **options):
        """What it prints; it must not fail."""
        done = self.run(*args, **options)
        assert done.returncode == 0, f"git {' '.join(map(str, args))}: {done.stderr[-2000:]}"
        return done.stdout

    def clone(self, server, *args, name="demo.git", to="clone", **options):
        """The folder that it was cloned to."""
        self("clone", "--quiet", *args, server.url(name), to, **options)
        return self.folder / to

    def sent(self, field):
        """Whether a request since the last forget() had this field."""
        return f"=> Send header: {field}".lower() in self.trace.read_text(errors="replace").lower()

    def forget(self):
        self.trace.write_text("")


def fast_import(count, ref, refs):
    """So many commits on a branch, for `git fast-import`."""
    lines = []
    for i in range(count):
        name, text = f"{ref.replace('/', '-')}-{i}", f"{ref} {i}\n"
        lines += [f"commit refs/heads/{ref}", f"committer A <a@example.org> {1_700_000_000 + i} +0000", "data 1", "x"]
        if i == 0 and f"refs/heads/{ref}" in refs:
            lines.append(f"from {refs[f'refs/heads/{ref}']}")
        lines += [f"M 644 inline {name}", f"data {len(text)}", text]
    return "\n".join(lines) + "\n"


@pytest.fixture
def start(watchdog, scratch):
    def run(**changes):
        return Server(watchdog, scratch, **{"GIT_PROJECT_ROOT": scratch / "repositories", **changes})

    return run


@pytest.fixture
def server(start):
    return start()


def pkt(text):
    """A line as git frames it."""
    data = text if isinstance(text, bytes) else text.encode()
    return b"%04x" % (len(data) + 4) + data


# --- the example itself -----------------------------------------------------------------------------------------------


def test_first_start(start):
    """Without any setting: ./repositories, demo.git, anybody may push, and an hour for it."""
    server = start(GIT_PROJECT_ROOT=None)
    assert os.listdir(server.folder) == ["demo.git"]
    assert f"git clone http://127.0.0.1:{server.w.env['port']}/demo.git" in server.w.out.text()
    server.w.wait_for_log("^Timeouts: read: 1h0m0s write: 1h0m0s hard: 1h0m0s health: 0s")
    assert server.client.clone(server).joinpath(".git").is_dir()


def test_settings_of_the_user_win(start):
    times = {"read_timeout": "1m", "write_timeout": "2m", "exec_timeout": "3m", "healthcheck_interval": "1s"}
    start(**times).w.wait_for_log("^Timeouts: read: 1m0s write: 2m0s hard: 3m0s health: 1s")


def test_second_start_leaves_everything_as_it_is(start, scratch, watchdog):
    first = start()
    first.add_commits(3)
    head = first.head()
    first.w.stop()
    first.client.folder.rename(scratch / "former client")
    second = start()
    assert second.head() == head
    assert second.client("-C", second.client.clone(second), "rev-parse", "HEAD").strip() == head


def test_folder_with_something_in_it_gets_no_demo(start, scratch):
    (scratch / "repositories").mkdir()
    (scratch / "repositories" / "notes").write_text("mine")
    server = start()
    assert os.listdir(server.folder) == ["notes"]
    assert "not found" in server.client.run("ls-remote", server.url()).stderr


def test_start_that_was_cut_short_is_made_up_for(start, scratch):
    (scratch / "repositories" / ".demo.git" / "objects").mkdir(parents=True)
    server = start()
    assert os.listdir(server.folder) == ["demo.git"]
    assert server.client.clone(server).is_dir()


def test_it_explains_itself():
    done = subprocess.run([str(RUN), "something"], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"examples/git-server/run" in done.stderr and b"#" not in done.stderr


def test_without_fwatchdog(scratch):
    done = subprocess.run([str(RUN)], capture_output=True, timeout=PATIENCE, cwd=scratch,
                          env={"PATH": SYSTEM_PATH, "FWATCHDOG": str(scratch / "no")})  # fmt: skip
    assert done.returncode == 127 and str(scratch / "no").encode() in done.stderr


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clone(server, protocol):
    server.add_commits(50)
    clone = server.client.clone(server, env={"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version",
                                             "GIT_CONFIG_VALUE_0": protocol})  # fmt: skip
    assert server.client("rev-parse", "HEAD", cwd=clone).strip() == server.head()
    assert (clone / "main-49").read_text() == "main 49\n"
    assert server.client("status", "--porcelain", cwd=clone) == ""
    server.client("fsck", "--strict", cwd=clone)
    assert server.client.sent("Git-Protocol: version=2") == (protocol == "2")
    server.w.wait_for_log(r"^POST /demo\.git/git-upload-pack - 200 ")


def test_clone_from_a_dumb_server(server):
    """Without the service: hundreds of files, some of which are not there."""
    server.add_commits(20)
    server.git("update-server-info")
    clone = server.client.clone(server, env={"GIT_SMART_HTTP": "0"})
    assert server.client("rev-parse", "HEAD", cwd=clone).strip() == server.head()
    server.client("fsck", cwd=clone)
    assert not server.client.sent("Content-Type: application/x-git")


def test_shallow_clone_and_deepening(server):
    server.add_commits(30)
    git = server.client
    clone = git.clone(server, "--depth", "1")
    count = ["rev-list", "--count", "HEAD"]
    assert git(*count, cwd=clone).strip() == "1"
    assert (clone / "main-0").exists(), "the whole tree is there, but not its history"
    git("fetch", "--quiet", "--depth", "10", cwd=clone)
    assert git(*count, cwd=clone).strip() == "10"
    git("fetch", "--quiet", "--unshallow", cwd=clone)
    assert git(*count, cwd=clone).strip() == "30"
    git("fsck", cwd=clone)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_fetch_with_a_compressed_request(server, protocol):
    """The two have gone apart, so the client names many commits that the server does not know."""
    server.add_commits(10)
    git = server.client
    clone = git.clone(server)
    git("config", "protocol.version", protocol, cwd=clone)
    base = {"refs/heads/main": server.head()}
    git("fast-import", "--quiet", cwd=clone, input=fast_import(300, "mine", {}))
    server.add_commits(10)
    server.add_commits(5, "other")
    git.forget()
    git("fetch", "--quiet", cwd=clone)
    assert git.sent("Content-Encoding: gzip")
    assert git("rev-parse", "origin/main", "origin/other", cwd=clone).split() == [server.head(), server.head("other")]
    assert base["refs/heads/main"] != server.head()
    git("fsck", cwd=clone)


def test_fetch_of_a_hundred_branches(server):
    """Its request is over a kilobyte of wants."""
    for i in range(100):
        server.add_commits(1, f"b{i}")
    git = server.client
    git("init", "--quiet", "-b", "main", "clone")
    git("fetch", "--quiet", server.url(), "+refs/heads/*:refs/heads/*", cwd=git.folder / "clone")
    assert len(git("for-each-ref", cwd=git.folder / "clone").splitlines()) == 100


@pytest.mark.parametrize("workers", ["1", "2"])
def test_clones_at_once(start, workers):
    server = start(workers=workers)
    server.add_commits(200)
    errors = []

    def client(i):
        try:
            clone = server.client.clone(server, to=f"clone{i}")
            assert server.client("rev-parse", "HEAD", cwd=clone).strip() == server.head()
        except (AssertionError, subprocess.SubprocessError) as error:
            errors.append(error)

    clients = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(4 * PATIENCE)
    assert errors == []
    server.w.wait_no_processes()


def test_what_is_not_there(server):
    done = server.client.run("clone", server.url("nothing.git"))
    assert done.returncode == 128 and "not found" in done.stderr
    assert server.w.call("GET", "/demo.git/objects/info/nothing").status == 404
    a = server.w.call("GET", "/demo.git/../../../../etc/passwd")
    assert a.status >= 400 and b"root:" not in a.body
    a = server.w.call("GET", "/demo.git/%2e%2e/%2e%2e/client/.gitconfig")
    assert a.status >= 400 and b"core" not in a.body


def test_the_head_is_gits(server):
    """Its fields pass, and nothing else claims to know the type."""
    server.add_commits(1)
    a = server.w.call("GET", "/demo.git/info/refs?service=git-upload-pack")
    assert (a.status, a.reason) == (200, "OK")
    assert a.value("Content-Type") == "application/x-git-upload-pack-advertisement"
    assert a.value("Cache-Control") == "no-cache, max-age=0, must-revalidate"
    assert a.value("Pragma") == "no-cache" and a.value("Expires").startswith("Fri, 01 Jan 1980")
    assert a.body.startswith(pkt("# service=git-upload-pack\n") + b"0000")
    a = server.w.call("GET", "/demo.git/HEAD")
    assert (a.status, a.value("Content-Type"), a.body) == (200, "text/plain", b"ref: refs/heads/main\n")
    a = server.w.call("POST", "/demo.git/git-upload-pack", fields=[("Content-Type", "text/plain")], body=b"0000")
    assert (a.status, a.reason) == (415, "Unsupported Media Type")
    a = server.w.call("DELETE", "/demo.git/HEAD")
    assert (a.status, a.value("Allow")) == (405, "GET, HEAD")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_push(server):
    git = server.client
    clone = git.clone(server)
    for i in range(3):
        (clone / "file").write_text(f"{i}\n")
        git("add", ".", cwd=clone)
        git("commit", "--quiet", "-m", f"{i}", cwd=clone)
        git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
        assert server.head() == git("rev-parse", "HEAD", cwd=clone).strip()
    git("push", "--quiet", "origin", "HEAD:refs/heads/a/b", "HEAD~1:refs/tags/v1", cwd=clone)
    git("push", "--quiet", "origin", ":a/b", cwd=clone)
    assert sorted(server.refs()) == ["refs/heads/main", "refs/tags/v1"]
    again = git.clone(server, to="again")
    assert (again / "file").read_text() == "2\n"
    server.w.wait_for_log(r"^POST /demo\.git/git-receive-pack - 200 ")


@pytest.mark.serial
def test_push_and_clone_of_50_mb(server):
    """More than git gathers (http.postBuffer), so it sends chunks; in constant memory."""
    git = server.client
    clone = git.clone(server)
    for i in range(200):
        (clone / f"{i}").write_bytes(os.urandom(250_000))
    git("add", ".", cwd=clone)
    git("commit", "--quiet", "-m", "50 MB", cwd=clone)
    git.forget()
    push = ("push", "--quiet", "origin", "HEAD:main")
    assert_constant_memory(server.w, lambda: git(*push, cwd=clone, timeout=120 * SLOW))
    assert git.sent("Transfer-Encoding: chunked") and not git.sent("Content-Length: 5")
    assert server.head() == git("rev-parse", "HEAD", cwd=clone).strip()
    server.git("fsck", "--strict", "--full")

    again = []
    assert_constant_memory(server.w, lambda: again.append(git.clone(server, to="again", timeout=120 * SLOW)))
    for i in range(200):
        assert (clone / f"{i}").read_bytes() == (again[0] / f"{i}").read_bytes()


@pytest.mark.parametrize("how", ["unset", "false"])
def test_push_is_refused(server, how):
    """And nothing but that."""
    git = server.client
    server.add_commits(2)
    server.git("config", *(["--unset", "http.receivepack"] if how == "unset" else ["http.receivepack", "false"]))
    clone, head = git.clone(server), server.head()
    git("commit", "--quiet", "--allow-empty", "-m", "mine", cwd=clone)
    done = git.run("push", "origin", "HEAD:main", cwd=clone)
    assert done.returncode != 0 and "403" in done.stderr, done.stderr
    assert server.head() == head
    server.w.wait_for_log(r"stderr: Service not enabled: 'receive-pack'")
    server.w.wait_for_log(r"^GET /demo\.git/info/refs\?service=git-receive-pack - 403 ")
    a = server.w.call("POST", "/demo.git/git-receive-pack", body=b"0000",
                      fields=[("Content-Type", "application/x-git-receive-pack-request")])  # fmt: skip
    assert (a.status, a.reason) == (403, "Forbidden")
    git("pull", "--quiet", "--rebase", cwd=clone)


def test_hook_talks_to_the_one_who_pushes(server):
    hook = server.folder / "demo.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "from $REMOTE_ADDR" >&2\nread -r _ new _\necho "not $new" >&2\nexit 1\n')
    hook.chmod(0o755)
    git = server.client
    clone = git.clone(server)
    git("commit", "--quiet", "--allow-empty", "-m", "mine", cwd=clone)
    done = git.run("push", "origin", "HEAD:main", cwd=clone)
    assert done.returncode != 0 and "pre-receive hook declined" in done.stderr
    assert "remote: from 127.0.0.1" in done.stderr
    assert f"remote: not {git('rev-parse', 'HEAD', cwd=clone).strip()}" in done.stderr
    assert server.refs() == {}


def test_pushes_at_once(server):
    """To branches of their own."""
    git = server.client
    clones = []
    for i in range(4):
        clones.append(git.clone(server, to=f"clone{i}"))
        git("fast-import", "--quiet", cwd=clones[i], input=fast_import(50, f"b{i}", {}))
    results = {}

    def client(i):
        results[i] = git.run("push", "origin", f"b{i}", cwd=clones[i])

    clients = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(4 * PATIENCE)
    assert [results[i].returncode for i in range(4)] == [0] * 4, results
    assert sorted(server.refs()) == [f"refs/heads/b{i}" for i in range(4)]
    server.git("fsck", "--full")


# --- clients that leave -----------------------------------------------------------------------------------------------


def test_leaving_in_the_middle_of_a_clone(server, scratch):
    """Three processes of git work for it. All of them end."""
    git = server.client
    work = git.folder / "work"
    git("init", "--quiet", "-b", "main", work)
    (work / "large").write_bytes(os.urandom(12_000_000))
    git("add", ".", cwd=work)
    git("commit", "--quiet", "-m", "large", cwd=work)
    git("push", "--quiet", server.folder / "demo.git", "main", cwd=work)
    with server.w.connect(receive_buffer=4096) as c:
        c.request("POST", "/demo.git/git-upload-pack", body=pkt(f"want {server.head()}\n") + b"0000" + pkt("done\n"),
                  fields=[("Content-Type", "application/x-git-upload-pack-request")])  # fmt: skip
        a = c.begin("POST")
        assert (a.status, a.value("Content-Type")) == (200, "application/x-git-upload-pack-result")
        assert next(a.stream).startswith(pkt("NAK\n"))
        assert server.w.family(), "it sends for as long as nobody reads"
    server.w.wait_no_processes()
    server.w.wait_for_log(r"^POST /demo\.git/git-upload-pack - 200 ")
    assert git.clone(server).joinpath("large").stat().st_size == 12_000_000


def test_leaving_in_the_middle_of_a_push(server):
    """What had come is no part of the repository, and can come again."""
    incoming = server.folder / "demo.git" / "objects"
    tip = "1" * 40
    data = pkt(f"{NOBODY} {tip} refs/heads/main\0report-status\n") + b"0000"
    data += b"PACK" + (2).to_bytes(4, "big") + (500).to_bytes(4, "big")
    data += b"\x35" + zlib.compress(b"hello")  # one of the 500
    fields = [("Content-Type", "application/x-git-receive-pack-request"), ("Transfer-Encoding", "chunked")]

    def begun():
        return [name for name in os.listdir(incoming) if "incoming" in name]

    with server.w.connect() as c:
        c.send(request_bytes("POST", "/demo.git/git-receive-pack", fields=fields))
        c.send(chunked(data)[: -len(b"0\r\n\r\n")])
        eventually(begun, "git takes the pack")
    server.w.wait_no_processes()
    assert server.refs() == {}
    git = server.client
    git("fast-import", "--quiet", cwd=git.clone(server), input=fast_import(5, "main", {}))
    git("push", "--quiet", "origin", "main", cwd=git.folder / "clone")
    server.git("fsck", "--full")
