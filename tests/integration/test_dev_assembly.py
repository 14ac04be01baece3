"""bandog dev: what a function is put together from, what is made before it starts, and what it finds in its environment."""

import os
import stat

import pytest

from dev import project  # noqa: F401
from harness import eventually

ENVIRONMENT = "cat /proc/$$/environ\n"
OWN = {"port", "metrics_port", "TMPDIR", "healthcheck_interval", "suppress_lock", "secret_mount_path"}  # bandog's own words
SETTINGS = {"fprocess": "sh function/handler.sh", "mode": "classic", "combine_output": "false"}


def environment(d, name):
    """What the function's process was given, less what tells it the request."""
    rows = d.text(name).split("\0")[:-1]
    return {k: v for k, v in (row.split("=", 1) for row in rows) if not k.startswith("Http_")}


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


# --- the environment --------------------------------------------------------------------------------------------------


def test_nothing_else_of_the_developers(project):
    project.function("show", ENVIRONMENT)
    theirs = {"LANG": "C.UTF-8", "LC_TIME": "C", "TZ": "UTC", "USER": "dev"}
    secret = {"AWS_SECRET_ACCESS_KEY": "x", "http_proxy": "http://a", "port": "1", "LD_LIBRARY_PATH": "/x", "mode": "http"}
    got = environment(project.dev(**theirs, **secret), "show")
    wanted = {**SETTINGS, **theirs, "PATH": project.environment({})["PATH"], "HOME": str(project.home)}
    assert {k: got.get(k) for k in wanted} == wanted
    assert set(got) - set(wanted) <= OWN
    assert got.get("port") != "1"


def test_later_words_win(project):
    """The Dockerfile, then the template's dev.environment, then the stack file, then its environment files in order."""
    names = "ABCDEF"
    project.template("sh", dev="environment: {" + ", ".join(f"{n}: dev" for n in names[1:]) + "}")
    dockerfile = project.path("template/sh/Dockerfile").read_text() + "".join(f"ENV {n}=docker\n" for n in names)
    project.write("template/sh/Dockerfile", dockerfile)
    for file, from_here in (("first.yml", names[3:]), ("second.yml", names[4:])):
        project.write(file, "environment:\n" + "".join(f"  {n}: {file}\n" for n in from_here))
    stack = {n: "stack" for n in names[2:]}
    project.function("show", ENVIRONMENT, environment=stack, environment_file=["first.yml", "second.yml"])
    got = environment(project.dev(), "show")
    assert [got[n] for n in names] == ["docker", "dev", "stack", "first.yml", "second.yml", "second.yml"]


def test_environment_of_the_stages_that_the_last_one_is_from(project):
    dockerfile = """
ARG BASE=scratch
FROM ${BASE} AS base
ENV A=base B="two words" \\
    C='quoted' D=plain
FROM ${BASE} AS tools
ENV TOOLS=yes A=tools
from base as middle
env OLD way of writing
FROM middle
COPY --from=tools / /tools
# ENV COMMENT=yes
ENV A=last E="${B}, ${NONE:-none}" fprocess="sh function/handler.sh" mode="classic" combine_output="false"
"""
    project.template("sh", Dockerfile=dockerfile)
    project.function("show", ENVIRONMENT)
    got = environment(project.dev(), "show")
    wanted = {"A": "last", "B": "two words", "C": "quoted", "D": "plain", "E": "two words, none", "OLD": "way of writing"}
    assert not {"TOOLS", "COMMENT", "BASE"} & set(got)
    assert {k: got.get(k) for k in wanted} == wanted


def test_odd_values(project):
    odd = {"QUOTES": "it's \"this\"", "EMPTY": "", "YES": "yes", "DOLLAR": "$HOME $5", "EQUALS": "a=b", "UTF8": "žluť"}
    project.function("show", ENVIRONMENT, environment=odd)
    got = environment(project.dev(), "show")
    assert {k: got[k] for k in odd} == odd


def test_the_stack_files_fprocess(project):
    project.function("hello", fprocess="sed s/hello/bye/")
    assert project.dev().text("hello", body=b"hello") == "bye"


def test_functions_do_not_share_their_socket(project):
    """The template has one path for all; here they run beside each other."""
    for name in ("one", "two"):
        project.function(name, f"def answer(target, body):\n    return b'{name}'\n", "server")
    d = project.dev()
    assert [d.text("one"), d.text("two"), d.text("one")] == ["one", "two", "one"]


def test_secrets(project):
    project.write(".secrets/key", "sesame")
    project.function("open", 'cat "$secret_mount_path/key"; echo " $secret_mount_path"\n', secrets=["key"])
    d = project.dev()
    assert d.text("open") == f"sesame {project.path('.secrets')}\n"
    d.stop()
    assert d.err.text() == ""


def test_missing_secret(project):
    project.function("open", "echo here\n", secrets=["missing-key"])
    d = project.dev()
    assert d.text("open") == "here\n"
    line = d.complained(".*missing-key.*")[0]
    assert "open" in line and ".secrets/missing-key" in line


# --- the folder -------------------------------------------------------------------------------------------------------


def test_template_with_the_handler_over_it(project):
    project.template("sh", **{"function/handler.sh": "echo of the template\n", "function/lib.sh": "word=kept\n"})
    project.write("template/sh/deep/er/file", b"\0\xff")
    handler = ". function/lib.sh; echo $word; cat deep/er/file function/own\n"
    project.function("hello", {"handler.sh": handler, "own": "mine"})
    project.path("hello/lib.sh").unlink()
    d = project.dev()
    a = d.call("hello")
    assert (a.status, a.body) == (200, b"kept\n\0\xffmine")
    assert {"Dockerfile", "deep/er/file", "function/handler.sh", "function/own"} <= set(project.built("hello"))


def test_another_folder_for_the_handler(project):
    project.template("sh", **{
        "template.yml": "language: sh\nfprocess: sh public/handler.sh\nhandler_folder: public\n",
        "public/handler.sh": "echo of the template\n",
    })
    project.function("hello", {"handler.sh": "echo mine\n"})
    assert project.dev().text("hello") == "mine\n"


def test_files_keep_their_permissions(project):
    project.function("hello", {"handler.sh": "./function/tool\n", "tool": "#!/bin/sh\necho ran\n"})
    project.path("hello/tool").chmod(0o755)
    assert project.dev().text("hello") == "ran\n"
    assert project.path("build/hello/function/tool").stat().st_mode & stat.S_IXUSR


def test_extra_files(project):
    project.write("shared/words", "from shared")
    project.configuration = {"copy": ["./shared"]}
    project.function("hello", "cat function/shared/words\n")
    assert project.dev().text("hello") == "from shared"


def test_what_was_left_from_before_is_gone(project):
    project.write("build/hello/function/old", "x")
    project.write("build/hello/old", "x")
    project.function("hello")
    d = project.dev()
    d.port("hello")
    assert not {"old", "function/old"} & set(project.built("hello"))


def test_what_is_outside_of_build_stays(project, scratch):
    """A link at the place of the function's folder leads to files that are nobody's but the developer's."""
    precious = scratch / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("finished")
    project.function("hello")
    project.path("build").mkdir()
    project.path("build/hello").symlink_to(precious)
    d = project.dev()
    eventually(lambda: d.matches(d.out, "^hello is ready") or d.matches(d.err, "^bandog: hello:"), "it is over with it")
    assert os.listdir(precious) == ["thesis"]


def test_functions_that_are_not_built(project):
    """They have an image only: the others run."""
    project.function("hello", "echo here\n")
    project.functions["other"] = {"image": "other:latest", "skip_build": True}
    project.write_stack()
    assert project.dev().text("hello") == "here\n"


@pytest.mark.parametrize("name", ["a folder", "it's", 'double "quotes"', "žluť", "$HOME", "-n", "a" * 200])
def test_odd_folders(project, name):
    """Also one so deep that no path of a socket below it fits into an address."""
    project.folder = project.folder / name
    project.folder.mkdir()
    project.function("echo", lang="server")
    d = project.dev()
    assert d.text("echo", body=b"hello") == "hello"


def test_a_long_name(project):
    name = "a" + "-b" * 31
    project.function(name, lang="server")
    assert project.dev().text(name, body=b"hello") == "hello"


def test_a_function_without_its_template_on_disk(project):
    """bandog has some in itself."""
    project.bandog("new", "site", "--lang", "static-site")
    project.know_all()
    assert "<html" in project.dev().text("site")
    assert not project.path("template").exists()


# --- install and build ------------------------------------------------------------------------------------------------


INSTALL = """install:
  files: [function/needs, function/absent]
  run: echo run >>"$COUNT"; mkdir -p packages; cp function/needs packages/
keep: [packages]
"""


@pytest.fixture
def count(scratch):
    return scratch / "count"


def test_install(project, count):
    """Once, then again when its files change; what it made stays meanwhile."""
    project.template("sh", dev=INSTALL)
    project.function("hello", {"handler.sh": "cat packages/needs\n", "needs": "one\n"})
    d = project.dev(COUNT=count)
    assert d.text("hello") == "one\n"
    d.write("hello/handler.sh", "echo the; cat packages/needs\n")
    assert d.text("hello") == "the\none\n"
    assert lines_of(count) == ["run"]
    d.write("hello/needs", "two\n")
    assert d.text("hello") == "the\ntwo\n"
    assert lines_of(count) == ["run"] * 2
    d.stop()

    d = project.dev(COUNT=count)
    assert d.text("hello") == "the\ntwo\n"
    d.stop()
    assert lines_of(count) == ["run"] * 2, "nothing has changed since"


def test_install_after_a_change_while_it_was_not_running(project, count):
    project.template("sh", dev=INSTALL)
    project.function("hello", {"handler.sh": "cat packages/needs\n", "needs": "one\n"})
    d = project.dev(COUNT=count)
    d.port("hello")
    d.stop()
    project.write("hello/needs", "two\n")
    assert project.dev(COUNT=count).text("hello") == "two\n"


def test_no_install_without_its_files(project, count):
    project.template("sh", dev=INSTALL)
    project.function("hello", "echo here\n")
    d = project.dev(COUNT=count)
    assert d.text("hello") == "here\n"
    assert lines_of(count) == []
    d.write("hello/needs", "x")
    assert lines_of(count) == ["run"]


def test_install_that_fails_is_made_again(project, count):
    """A later save of any file tries it again."""
    install = 'install:\n  files: [function/needs]\n  run: echo run >>"$COUNT"; test -e function/fixed\n'
    project.template("sh", dev=install)
    project.function("hello", {"handler.sh": "echo here\n", "needs": "x"})
    d = project.dev(COUNT=count)
    d.complained("^bandog: hello: .*install")
    assert d.call_when_refused("hello").status == 503
    project.write("hello/fixed", "")
    assert d.text("hello") == "here\n"
    assert lines_of(count) == ["run"] * 2


def test_build(project, count):
    """Before each start, in the folder of the function, with what it prints in its log."""
    project.template("sh", dev='build: echo run >>"$COUNT"; echo making >&2; tr a-z A-Z <function/word >made')
    project.function("hello", {"handler.sh": "cat made\n", "word": "one"})
    d = project.dev(COUNT=count)
    assert d.text("hello") == "ONE"
    d.logged("hello", ".*making$")
    d.write("hello/word", "two")
    assert d.text("hello") == "TWO"
    assert lines_of(count) == ["run"] * 2


def test_build_gets_no_input(project):
    """What asks a question is not answered by the developer's terminal."""
    project.template("sh", dev="build: cat >made")
    project.function("hello", "wc -c <made\n")
    read, write = os.pipe()
    d = project.dev(popen={"stdin": read})
    assert d.text("hello").strip() == "0"
    os.close(read)
    os.close(write)


def test_the_developers_environment_is_there_for_build(project):
    project.template("sh", dev='build: echo "$GOCACHE" >made')
    project.function("hello", "cat made\n")
    assert project.dev(GOCACHE="/some/where").text("hello") == "/some/where\n"


# --- what cannot be put together --------------------------------------------------------------------------------------


def test_missing_requirement(project):
    project.template("sh", dev="requires:\n  sh: dash\n  no-such-program: its-package\n")
    project.function("hello")
    ended = project.dev_fails()
    assert "hello needs no-such-program, which is not in PATH: apt-get install its-package" in ended.stderr
    assert "dash" not in ended.stderr


def test_no_stack_file(project):
    assert "stack.y" in project.dev_fails().stderr


def test_no_such_function(project):
    project.function("hello")
    assert "bye" in project.dev_fails("bye").stderr


def test_no_such_template(project):
    project.function("hello", lang="cobol-86", handler={"x": ""})
    assert "cobol-86" in project.dev_fails().stderr


def test_no_handler(project):
    """It is waited for."""
    project.function("hello")
    project.functions["hello"]["handler"] = "./elsewhere"
    project.write_stack()
    d = project.dev()
    assert "elsewhere" in d.complained("^bandog: hello: does not start.*")[0]
    assert d.call_when_refused("hello").status == 503
    project.write("elsewhere/handler.sh", "echo here\n")
    assert d.text("hello") == "here\n"


def test_broken_stack_file(project):
    project.write("stack.yml", "functions: [\n")
    assert "stack.yml:" in project.dev_fails().stderr


def test_unknown_option(project):
    project.function("hello")
    assert "--prot" in project.dev_fails("--prot", status=2).stderr
