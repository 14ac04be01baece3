"""bandog build --shrinkwrap: what build/NAME is put together from."""

import os

import pytest

from cli import contents, project, tree  # noqa: F401

TEMPLATE = {
    "template.yml": b"language: tiny\nfprocess: ./index.sh\nwelcome_message: |\n  Edit the handler.\n",
    "Dockerfile": b"FROM scratch\nCOPY . .\n",
    "index.sh": b"#!/bin/sh\n",
    "function/handler.sh": b"#!/bin/sh\ncat\n",
}


@pytest.fixture
def tiny(project):
    """A project with a template and one function that is made from it: ./one, so far without a file."""
    project.template()
    (project.folder / "one").mkdir()
    project.stack({"one": {"lang": "tiny"}})
    return project


def built(project, *args, name="one"):
    project.done("build", "--shrinkwrap", *args)
    return contents(project.folder / "build" / name)


def test_template_and_handler(tiny):
    tiny.write("one/handler.sh", "mine\n")
    tiny.write("one/more/deep/file.txt", "more\n")
    wanted = {**TEMPLATE, "function/handler.sh": b"mine\n", "function/more/deep/file.txt": b"more\n"}
    assert built(tiny) == wanted


def test_starter_files_that_the_author_deleted_remain(tiny):
    tiny.write("one/other.sh", "other\n")
    assert built(tiny) == {**TEMPLATE, "function/other.sh": b"other\n"}


def test_hidden_files_come_along(tiny):
    tiny.template(files={".dockerignore": "x\n", "meta.json": "{}"})
    tiny.write("one/.env", "A=b\n")
    tiny.write("one/.hidden/x", "")
    extra = {".dockerignore": b"x\n", "meta.json": b"{}", "function/.env": b"A=b\n", "function/.hidden/x": b""}
    assert built(tiny) == {**TEMPLATE, **extra}


def test_output_names_the_folder(tiny):
    assert "one shrink-wrapped to build/one\n" in tiny.done("build", "--shrinkwrap").stdout
    assert not tiny.engine.calls()


def test_folders_named_build_and_template_are_left_out(tiny):
    """At the top of the handler only."""
    for path in ("build/x", "template/x", "deep/build/x", "deep/template/x", "builds", "template.txt"):
        tiny.write(f"one/{path}", path)
    kept = ("deep/build/x", "deep/template/x", "builds", "template.txt")
    assert built(tiny) == {**TEMPLATE, **{f"function/{path}": path.encode() for path in kept}}


def test_permissions(tiny):
    """Those of files stay, folders are made with 0777 less the umask."""
    for mode in (0o644, 0o755, 0o600, 0o444, 0o700, 0o640):
        tiny.write(f"one/{mode:o}", "", mode)
    tiny.write("one/folder/x")
    (tiny.folder / "one/folder").chmod(0o700)
    for umask in (0o022, 0o077):
        tiny.done("build", "--shrinkwrap", umask=umask)
        found = tree(tiny.folder / "build/one")
        for mode in (0o644, 0o755, 0o600, 0o444, 0o700, 0o640):
            assert found[f"function/{mode:o}"][0] == mode
        assert found["function/folder"] == found["function"] == (0o777 & ~umask, None)


def test_contents_are_copied_byte_by_byte(tiny):
    large = os.urandom(3_000_001)
    tiny.write("one/large", large)
    tiny.write("one/every", bytes(range(256)))
    tiny.write("one/empty", b"")
    found = built(tiny)
    assert found["function/large"] == large
    assert (found["function/every"], found["function/empty"]) == (bytes(range(256)), b"")


def test_strange_names(tiny):
    names = ["a b", "ünï", "new\nline", "-f", "$(x)", "*", "\x01", "'\"\\"]
    for name in names:
        tiny.write(f"one/{name}", name)
    assert built(tiny) == {**TEMPLATE, **{f"function/{name}": name.encode() for name in names}}


def test_empty_folders(tiny):
    (tiny.folder / "one/void/deep").mkdir(parents=True)
    assert (tiny.shrinkwrap())["function/void/deep"] == (0o755, None)


@pytest.mark.parametrize("folder", ["src", "src/fn/deep"])
def test_the_handler_folder_of_the_template(tiny, folder):
    tiny.template(files={"template.yml": f"handler_folder: {folder}\n", f"{folder}/start": "s"})
    os.remove(tiny.folder / "template/tiny/function/handler.sh")
    tiny.write("one/mine", "m")
    found = built(tiny)
    assert (found[f"{folder}/start"], found[f"{folder}/mine"]) == (b"s", b"m")


def test_a_new_start_each_time(tiny):
    """Nothing that is not in the sources is in build/NAME; other functions' folders stay."""
    tiny.write("build/one/old/file")
    tiny.write("build/one/function/stale")
    tiny.write("build/two/file")
    tiny.write("one/gone")
    assert built(tiny) == {**TEMPLATE, "function/gone": b""}
    os.remove(tiny.folder / "one/gone")
    assert built(tiny) == TEMPLATE
    assert contents(tiny.folder / "build/two") == {"file": b""}


def test_a_link_in_the_place_of_build_one(tiny):
    """The link is replaced, what it points to is not emptied."""
    tiny.write("precious/file", "p")
    (tiny.folder / "build").mkdir()
    os.symlink("../precious", tiny.folder / "build/one")
    assert built(tiny) == TEMPLATE
    assert not (tiny.folder / "build/one").is_symlink()
    assert contents(tiny.folder / "precious") == {"file": b"p"}


def test_a_link_inside_the_old_build(tiny):
    tiny.write("precious/file", "p")
    tiny.write("build/one/x")
    os.symlink("../../precious", tiny.folder / "build/one/link")
    assert built(tiny) == TEMPLATE
    assert contents(tiny.folder / "precious") == {"file": b"p"}


def test_a_read_only_file_is_replaced(tiny):
    tiny.write("one/file", "1", 0o444)
    built(tiny)
    (tiny.folder / "one/file").chmod(0o644)
    tiny.write("one/file", "2", 0o444)
    assert built(tiny)["function/file"] == b"2"


def test_a_file_where_a_folder_was(tiny):
    """The handler has a file of the name of the template's folder: the author's wins."""
    tiny.template(files={"function/x/a": "t"})
    tiny.write("one/x", "mine")
    ended = tiny.run("build", "--shrinkwrap")
    if ended.status == 0:
        assert (tiny.folder / "build/one/function/x").read_text() == "mine"
    else:
        assert ended.status == 1 and "function/x" in ended.stderr


def test_a_handler_that_is_the_project(tiny):
    """What was built and pulled before is no part of it."""
    tiny.stack({"one": {"lang": "tiny", "handler": "."}})
    tiny.write("mine", "m")
    first = built(tiny)
    assert set(first) == {*TEMPLATE, "function/mine", "function/stack.yml"}
    assert built(tiny) == first


# --- symbolic links ---------------------------------------------------------------------------------------------------


def test_links_are_followed(tiny):
    tiny.write("shared/file", "s", 0o755)
    tiny.write("shared/deep/more", "m")
    os.symlink("../shared/file", tiny.folder / "one/file")
    os.symlink("../shared", tiny.folder / "one/folder")
    found = tiny.shrinkwrap()
    assert found["function/file"] == (0o755, b"s")
    assert found["function/folder"] == (0o755, None)
    assert found["function/folder/deep/more"] == (0o644, b"m")


def test_a_handler_that_is_a_link(tiny):
    tiny.write("real/mine", "m")
    (tiny.folder / "one").rmdir()
    os.symlink("real", tiny.folder / "one")
    assert built(tiny)["function/mine"] == b"m"


@pytest.mark.parametrize("target", ["nowhere", "loop", "."])
def test_links_that_lead_nowhere(tiny, target):
    """Broken, to itself, to the folder that it is in."""
    os.symlink(target, tiny.folder / "one/loop")
    tiny.refused(1, "loop", args=["build", "--shrinkwrap"])


def test_a_forest_of_links(tiny):
    """Two links to the folder above in each of forty: 2^40 files."""
    os.symlink("..", tiny.folder / "one/a")
    os.symlink("..", tiny.folder / "one/b")
    tiny.refused(1, "one", args=["build", "--shrinkwrap"])


@pytest.mark.parametrize("place", ["one/special", "template/tiny/special"])
def test_special_files_are_refused(tiny, place):
    os.mkfifo(tiny.folder / place)
    tiny.refused(1, place, args=["build", "--shrinkwrap"])


# --- what is missing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", ["./nowhere", "./file"])
def test_a_handler_that_is_no_folder(tiny, handler):
    tiny.write("file")
    tiny.stack({"one": {"lang": "tiny", "handler": handler}})
    tiny.refused(1, f"building one, {handler} is an invalid path", args=["build", "--shrinkwrap"])


def test_no_handler(tiny):
    tiny.stack({"one": {"lang": "tiny", "handler": None}})
    tiny.refused(1, "handler", "one", args=["build", "--shrinkwrap"])


def test_no_language(tiny):
    tiny.stack({"one": {"lang": None}})
    tiny.refused(1, "lang", "one", args=["build", "--shrinkwrap"])


def test_an_unknown_template(tiny):
    tiny.stack({"one": {"lang": "nonsense"}})
    text = 'template: "nonsense" was not found in the templates folder or inside bandog'
    tiny.refused(1, text, args=["build", "--shrinkwrap"])


# --- lang: dockerfile -------------------------------------------------------------------------------------------------


def test_dockerfile(project):
    project.stack({"one": {}}, configuration={"copy": ["shared"]})
    project.write("shared/x", "s")
    project.write("one/main.c", "int x;\n")
    project.write("one/build/left-out")
    assert built(project) == {"Dockerfile": b"FROM scratch\n", "main.c": b"int x;\n", "shared/x": b"s"}


def test_a_template_called_dockerfile_is_not_copied(project):
    project.template("dockerfile")
    project.stack({"one": {}})
    assert built(project) == {"Dockerfile": b"FROM scratch\n"}


# --- extra paths ------------------------------------------------------------------------------------------------------


def test_extra_paths(tiny):
    """Those of the stack file and of the command line, files and folders, each under its own path."""
    for path in ("shared/a/x.sh", "shared/b/y", "single.txt", "flag/z"):
        tiny.write(path, path)
    (tiny.folder / "shared/a/x.sh").chmod(0o755)
    tiny.stack({"one": {"lang": "tiny"}}, configuration={"copy": ["./shared", "single.txt", "flag"]})
    found = built(tiny, "--copy-extra", "flag", "--copy-extra=./flag/")
    extras = ("shared/a/x.sh", "shared/b/y", "single.txt", "flag/z")
    assert found == {**TEMPLATE, **{f"function/{path}": path.encode() for path in extras}}
    assert tree(tiny.folder / "build/one")["function/shared/a/x.sh"][0] == 0o755


def test_an_extra_path_goes_into_every_function(tiny):
    tiny.write("two/own", "2")
    tiny.write("shared/x", "s")
    tiny.stack({"one": {"lang": "tiny"}, "two": {}}, configuration={"copy": ["shared"]})
    assert built(tiny)["function/shared/x"] == b"s"
    assert contents(tiny.folder / "build/two")["shared/x"] == b"s"


def test_an_extra_path_in_depth(tiny):
    tiny.write("lib/c/inner/x", "x")
    tiny.write("lib/c/beside", "y")
    assert built(tiny, "--copy-extra", "lib/c/inner") == {**TEMPLATE, "function/lib/c/inner/x": b"x"}


def test_an_absolute_extra_path(tiny):
    tiny.write("shared/x", "s")
    assert built(tiny, "--copy-extra", str(tiny.folder / "shared"))["function/shared/x"] == b"s"


def test_an_extra_path_wins(tiny):
    tiny.write("one/shared/x", "handler")
    tiny.write("shared/x", "extra")
    assert built(tiny, "--copy-extra", "shared")["function/shared/x"] == b"extra"


def test_dots_in_extra_paths(tiny):
    tiny.write("shared/x", "s")
    assert built(tiny, "--copy-extra", "./one/../shared/./")["function/shared/x"] == b"s"


@pytest.mark.parametrize("source", ["flag", "stack"])
@pytest.mark.parametrize(
    "path", ["..", "../beside", "/etc/passwd", "/", "../project-other", "one/../../beside", "link", "link/x"]
)
def test_extra_paths_outside(tiny, scratch, path, source):
    """`project-other` begins like the project's folder; `link` leads out of it."""
    for folder in ("beside", "project-other"):
        (scratch / folder).mkdir()
        (scratch / folder / "x").touch()
    os.symlink("../beside", tiny.folder / "link")
    args = ["--copy-extra", path] if source == "flag" else []
    tiny.stack({"one": {"lang": "tiny"}}, configuration={"copy": [path] if source == "stack" else []})
    text = f"forbidden path appears to be outside of the build context: {path} ("
    tiny.refused(1, text, args=["build", "--shrinkwrap", *args])


@pytest.mark.parametrize("path", [".", "./", "one/..", "{project}", "{project}/", "../project", "here"])
def test_extra_paths_that_are_everything(tiny, path):
    os.symlink(".", tiny.folder / "here")
    path = path.format(project=tiny.folder)
    text = f"forbidden path appears to equal the entire project: {path} ("
    tiny.refused(1, text, args=["build", "--shrinkwrap", "--copy-extra", path])


def test_an_extra_path_that_is_not_there(tiny):
    tiny.refused(1, "nowhere", args=["build", "--shrinkwrap", "--copy-extra", "nowhere"])


def test_links_in_extra_paths_are_followed(tiny):
    """What a link inside an extra path points to is copied as it is in handlers."""
    tiny.write("real/x", "r")
    tiny.write("shared/own", "s")
    os.symlink("../real", tiny.folder / "shared/link")
    found = built(tiny, "--copy-extra", "shared")
    assert found["function/shared/link/x"] == b"r"


# --- .dockerignore ----------------------------------------------------------------------------------------------------


def test_what_the_template_ignores_is_not_copied(tiny):
    """Of the author's files: what npm has installed here is of no use there, and takes its time."""
    ignore = "**/node_modules\n**/*.log\n!**/kept.log\nREADME.md\nDockerfile\n"
    tiny.template(files={".dockerignore": ignore, "README.md": "of the template", "function/starter.log": ""})
    for path in ("README.md", "node_modules/x/index.js", "deep/node_modules/y", "a.log", "kept.log"):
        tiny.write(f"one/{path}", "mine")
    found = built(tiny)
    assert {"README.md", ".dockerignore", "Dockerfile", "function/README.md", "function/kept.log"} <= set(found)
    assert "function/a.log" not in found and "function/starter.log" in found
    assert not any("node_modules" in path for path in found)


def test_what_is_ignored_is_not_even_looked_at(tiny):
    tiny.template(files={".dockerignore": "**/node_modules\n"})
    tiny.write("one/node_modules/x", "")
    os.symlink("nowhere", tiny.folder / "one/node_modules/broken")
    assert "function/node_modules/x" not in built(tiny)


def test_a_dockerignore_of_the_authors_own(project):
    """Where the handler is the engine's folder."""
    project.stack({"one": {}})
    project.write("one/.dockerignore", "*\n!src\n")
    project.write("one/src/main.c", "")
    project.write("one/big.iso", "")
    assert set(built(project)) == {".dockerignore", "Dockerfile", "src/main.c"}
