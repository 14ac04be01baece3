"""bandog dev: what a save is, wherever it is made and however, and that it is live then."""

import errno
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from dev import SERVER, SLOW_START, hello, project  # noqa: F401
from harness import eventually, need_program

PID = "import os\ndef answer(target, body):\n    return b'%d ' % os.getpid() + {version!r}\n"


# --- how files are saved ----------------------------------------------------------------------------------------------


def test_write_in_place(hello):
    hello.write("hello/handler.sh", "echo two\n")
    assert hello.text("hello") == "two\n"
    hello.write("hello/handler.sh", "echo three\n")
    assert hello.text("hello") == "three\n"


def test_rename_over(hello, project):
    for word in ("two", "three"):
        changed = hello.after("hello", project.replace, "hello/handler.sh", f"echo {word}\n")
        assert changed.endswith("handler.sh")
        assert hello.text("hello") == f"{word}\n"


@pytest.mark.parametrize(
    "editor",
    [
        "vim -esu NONE -c 'set backup backupcopy=yes' -c '%s/one/two/' -c wq FILE",
        "vim -esu NONE -c 'set backup backupcopy=no' -c '%s/one/two/' -c wq FILE",
        "vim -esu NONE -c 'set nowritebackup' -c '%s/one/two/' -c wq FILE",
        "ed -s FILE <<<$'%s/one/two/\\nwq'",
        "sed -i s/one/two/ FILE",
        "perl -pi.bak~ -e s/one/two/ FILE",
    ],
)
def test_editors(hello, project, editor):
    """Real ones, in their various ways: each save is one change, of the file that was saved."""
    need_program(editor.split()[0])
    edit = ["bash", "-c", editor.replace("FILE", "hello/handler.sh")]
    hello.after("hello", subprocess.run, edit, cwd=project.folder, check=True)
    project.know_all()
    assert hello.text("hello") == "two\n"
    assert [Path(file).name for file in hello.restarts("hello")] == ["handler.sh"]


def test_several_files_at_once(hello):
    """A few restarts are enough, and the last one has seen them all."""
    parts = {f"part{i:02}": f"{i} " for i in range(20)}
    save(hello, {**parts, "handler.sh": "cat function/part*\n"}, "".join(parts.values()))
    assert len(hello.restarts("hello")) <= 3


def save(d, files, answer):
    """Writes files of the function, and waits until it answers so."""
    for file, text in files.items():
        d.project.write(f"hello/{file}", text)
    d.wait_for_answer("hello", answer)


def test_new_folders(hello, project):
    """Also what is changed in them later."""
    hello.after("hello", project.write, "hello/a/b/c/word", "new")
    save(hello, {"handler.sh": "cat function/a/b/c/word\n"}, "new")
    save(hello, {"a/b/c/word": "newer"}, "newer")


def test_deleted_file(hello, project):
    save(hello, {"extra": "x", "handler.sh": "ls function\n"}, "extra\nhandler.sh\n")
    assert hello.after("hello", project.path("hello/extra").unlink).endswith("extra")
    assert hello.text("hello") == "handler.sh\n"


def test_deleted_folder(hello, project):
    save(hello, {"deep/extra": "x", "handler.sh": "ls function\n"}, "deep\nhandler.sh\n")
    shutil.rmtree(project.path("hello/deep"))
    hello.wait_for_answer("hello", "handler.sh\n")


def test_renamed_folder(hello, project):
    save(hello, {"old/word": "x", "handler.sh": "ls function; cat function/*/word\n"}, "handler.sh\nold\nx")
    hello.after("hello", project.path("hello/old").rename, project.path("hello/new"))
    project.know("hello/new/word")
    hello.wait_for_answer("hello", "handler.sh\nnew\nx")
    save(hello, {"new/word": "y"}, "handler.sh\nnew\ny")


def test_the_whole_folder_is_exchanged(hello, project):
    """As a version control system does it. The folder that has the name now is the one that is watched."""
    project.write("other/handler.sh", "echo two\n")

    def exchange():
        project.path("hello").rename(project.path("away"))
        project.path("other").rename(project.path("hello"))

    hello.after("hello", exchange)
    project.know("away/handler.sh")
    hello.wait_for_answer("hello", "two\n")
    hello.write("hello/handler.sh", "echo three\n")
    assert hello.text("hello") == "three\n"


@pytest.mark.parametrize("folder", ["hello", "hello/inner"])
def test_a_folder_that_is_made_anew(hello, project, folder):
    """At once, so that it may even have the same inode. It is watched as the one before was."""
    save(hello, {"inner/word": "0", "handler.sh": "cat function/inner/word\n"}, "0")
    for i in range(1, 9, 2):
        shutil.rmtree(project.path(folder))
        save(hello, {"inner/word": f"{i}", "handler.sh": "cat function/inner/word\n"}, f"{i}")
        save(hello, {"inner/word": f"{i + 1}"}, f"{i + 1}")


def test_another_branch(hello, project):
    """Checked out there and back: files are replaced, come and go."""
    git = [need_program("git"), "-c", "user.name=a", "-c", "user.email=a@b.test"]

    def run(*arguments):
        subprocess.run([*git, *arguments], cwd=project.folder, check=True, capture_output=True)
        project.know_all()

    project.write(".gitignore", "build\n")
    run("init", "--initial-branch=one")
    run("add", ".")
    run("commit", "--message=one")
    run("checkout", "-b", "two")
    save(hello, {"inner/word": "two\n", "handler.sh": "cat function/inner/word\n"}, "two\n")
    run("add", ".")
    run("commit", "--message=two")
    for branch in ("one", "two", "one"):
        run("checkout", branch)
        hello.wait_for_answer("hello", f"{branch}\n")


def test_permissions(hello, project):
    save(hello, {"tool": "#!/bin/sh\necho ran\n", "handler.sh": "./function/tool || echo cannot\n"}, "cannot\n")
    hello.after("hello", project.path("hello/tool").chmod, 0o755)
    assert hello.text("hello") == "ran\n"


def test_a_folder_with_many(hello):
    files = {f"many/{i}/file": "x" for i in range(300)}
    save(hello, {**files, "handler.sh": "cat function/many/299/file\n"}, "x")
    save(hello, {"many/299/file": "y"}, "y")


@pytest.mark.parametrize(
    "file",
    [".handler.sh.swp", "handler.sh~", "4913", ".git/index", "__pycache__/a.pyc", "node_modules/a/index.js", "a/.b.swp"],
)
def test_what_is_nobodys_work(project, file, scratch):
    """It starts nothing again: the next start is that of the real change."""
    project.template("sh", dev='build: echo start >>"$COUNT"')
    project.function("hello", "echo one\n")
    project.path(f"hello/{file}").parent.mkdir(parents=True, exist_ok=True)
    d = project.dev(COUNT=scratch / "count")
    assert d.text("hello") == "one\n"
    for text in ("new", "changed"):
        project.write(f"hello/{file}", text)
    project.path(f"hello/{file}").unlink()
    d.write("hello/handler.sh", "echo two\n")
    assert d.text("hello") == "two\n"
    assert (scratch / "count").read_text() == "start\n" * 2


def test_what_the_function_itself_writes(hello):
    """Its folder below build/ is not watched."""
    hello.write("hello/handler.sh", "date >written; date >function/written; echo two\n")
    for _ in range(3):
        assert hello.text("hello") == "two\n"
    hello.write("hello/handler.sh", "echo three\n")
    assert len(hello.restarts("hello")) == 2


def test_many_saves_without_a_pause(hello, project):
    """The last one wins."""
    for i in range(50):
        (project.write if i % 2 else project.replace)("hello/handler.sh", f"echo {i}\n")
    hello.wait_for_answer("hello", "49\n")


def test_a_save_while_it_starts(project, gate):
    """The version that comes last wins, also when the one before is still starting."""
    project.function("hello", SERVER.format("one"), "server", environment=gate.env)
    d = project.dev()
    assert d.text("hello") == "one\n"
    project.write("hello/handler.py", SLOW_START + SERVER.format("two"))
    gate.started()
    project.write("hello/handler.py", SERVER.format("three"))
    gate.open()
    d.said("^hello is ready again after ")
    d.wait_for_answer("hello", "three\n")


# --- what is watched --------------------------------------------------------------------------------------------------


def test_template(hello, project):
    project.write("hello/handler.sh", "cat beside; echo $WORD\n")
    hello.after("hello", project.write, "template/sh/beside", "from the template ")
    hello.wait_for_answer("hello", "from the template \n")
    dockerfile = project.path("template/sh/Dockerfile").read_text()
    hello.write("template/sh/Dockerfile", dockerfile + "ENV WORD=set\n", "hello")
    assert hello.text("hello") == "from the template set\n"


def test_extra_files(project):
    project.write("shared/words", "one")
    project.write("single", "1")
    project.configuration = {"copy": ["./shared", "./single"]}
    project.function("hello", "cat function/shared/* function/single\n")
    d = project.dev()
    assert d.text("hello") == "one1"
    d.write("shared/words", "two", "hello")
    assert d.text("hello") == "two1"
    d.write("single", "2", "hello")
    assert d.text("hello") == "two2"
    d.after("hello", project.replace, "single", "3")
    assert d.text("hello") == "two3"


def test_environment_file(project):
    project.write("settings.yml", "environment:\n  WORD: one\n")
    project.function("hello", "echo $WORD\n", environment_file=["settings.yml"])
    d = project.dev()
    assert d.text("hello") == "one\n"
    d.write("settings.yml", "environment:\n  WORD: two\n", "hello")
    assert d.text("hello") == "two\n"
    d.after("hello", project.replace, "settings.yml", "environment:\n  WORD: three\n")
    assert d.text("hello") == "three\n"


def test_stack_file(hello, project):
    def set_key(**keys):
        project.functions["hello"].update(keys)
        project.write_stack()

    assert hello.after("hello", set_key, fprocess="echo of the stack").endswith("stack.yml")
    assert hello.text("hello") == "of the stack\n"
    hello.after("hello", set_key, fprocess="printenv WORD", environment={"WORD": "set"})
    assert hello.text("hello") == "set\n"
    project.write("elsewhere/handler.sh", "echo from elsewhere\n")
    hello.after("hello", set_key, fprocess="sh function/handler.sh", handler="./elsewhere")
    assert hello.text("hello") == "from elsewhere\n"
    hello.write("elsewhere/handler.sh", "echo and watched\n", "hello")
    assert hello.text("hello") == "and watched\n"


def test_functions_come_and_go(hello, project):
    """With the stack file: a new one gets a port, too, and one that is taken out is ended."""
    project.function("other", "echo other\n")
    assert hello.text("other") == "other\n"
    assert hello.text("hello") == "one\n"
    hello.write("other/handler.sh", "echo changed\n")
    assert hello.text("other") == "changed\n"
    del project.functions["hello"]
    project.write_stack()
    hello.said("^hello is not in stack.yml any more")
    assert hello.text("other") == "changed\n"
    eventually(lambda: refuses(hello.first_port), "the port of what has gone is closed")


def refuses(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_only_the_function_that_was_changed(project):
    for name in ("one", "two"):
        project.function(name, PID.format(version=name.encode()), "server")
    d = project.dev()
    pids = {name: d.text(name).split()[0] for name in ("one", "two")}
    d.write("one/handler.py", PID.format(version=b"new"))
    assert d.text("one").split()[1] == "new"
    assert d.text("two").split()[0] == pids["two"]
    assert d.restarts("two") == []
