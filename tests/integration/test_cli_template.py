"""bandog template pull: templates from folders and from Git."""

import json
import os
import re
import subprocess

import pytest

from cli import contents, project, tree  # noqa: F401
from harness import eventually, free_port, need_program

LINE = "Wrote {} template(s) : [{}]\n"


@pytest.fixture
def source(project, scratch):
    """A folder with two templates, beside the project."""
    project.template("alpha", folder="../source/template", files={"run.sh": "#!/bin/sh\n", ".hidden": "h"})
    project.template("beta", folder="../source/template")
    (scratch / "source/README.md").write_text("not a template\n")
    return (scratch / "source").resolve()


@pytest.fixture
def repository(project, source):
    """The same under Git: a tag v1, and a later commit on main."""
    need_program("git")
    project.first = project.commit(source)
    project.git("tag", "v1", cwd=source)
    project.template("alpha", folder="../source/template", files={"function/handler.sh": "new\n"})
    project.second = project.commit(source)
    return source


def pull(project, *args, **options):
    ended = project.run("template", "pull", *map(str, args), **options)
    assert ended.status == 0, ended
    return ended


def templates(project):
    folder = project.folder / "template"
    return sorted(os.listdir(folder)) if folder.exists() else []


def without_meta(found):
    return {path: row for path, row in found.items() if not path.endswith("meta.json")}


# --- from a folder ----------------------------------------------------------------------------------------------------


def test_a_folder(project, source):
    ended = pull(project, source)
    assert ended.stdout == LINE.format(2, "alpha beta")
    assert f"Fetching templates from {source}" in ended.stderr
    assert tree(project.folder / "template") == tree(source / "template")


def test_a_relative_folder(project, source):
    assert pull(project, "../source").stdout == LINE.format(2, "alpha beta")
    pull(project, "../source/")
    assert templates(project) == ["alpha", "beta"]


def test_what_was_pulled_is_used(project, source):
    pull(project, source)
    project.done("new", "hello", "--lang", "alpha")
    assert project.shrinkwrap("hello")["run.sh"] == (0o755, b"#!/bin/sh\n")


@pytest.mark.parametrize("args", [(), ("--overwrite",), ("--overwrite=true",)])
def test_a_second_pull_replaces(project, source, args):
    """Whole templates; what else is there stays."""
    pull(project, source)
    project.template("mine")
    project.write("template/alpha/stale")
    project.write("template/alpha/run.sh", "changed")
    assert pull(project, source, *args).stdout == LINE.format(2, "alpha beta")
    assert templates(project) == ["alpha", "beta", "mine"]
    assert tree(project.folder / "template/alpha") == tree(source / "template/alpha")


def test_without_overwriting(project, source):
    """All or nothing."""
    project.template("beta", files={"run.sh": "mine"})
    args = ["template", "pull", str(source), "--overwrite=false"]
    assert "unable to overwrite the following: [beta]" in project.run(*args).stderr
    assert project.run(*args).status == 1
    project.template("alpha")
    before = tree(project.folder)
    ended = project.run(*args)
    assert ended.status == 1 and "unable to overwrite the following: [alpha beta]" in ended.stderr
    assert tree(project.folder) == before


def test_without_overwriting_where_nothing_is(project, source):
    assert pull(project, source, "--overwrite=false").stdout == LINE.format(2, "alpha beta")


def test_files_beside_templates_are_none(project, source):
    (source / "template/README.md").write_text("x")
    assert pull(project, source).stdout == LINE.format(2, "alpha beta")
    assert templates(project) == ["alpha", "beta"]


# --- where from -------------------------------------------------------------------------------------------------------


def test_the_variable(project, source):
    assert pull(project, env={"OPENFAAS_TEMPLATE_URL": str(source)}).stdout == LINE.format(2, "alpha beta")


def test_the_argument_wins(project, source):
    pull(project, source, env={"OPENFAAS_TEMPLATE_URL": "/nowhere"})
    assert templates(project) == ["alpha", "beta"]


@pytest.mark.parametrize("env", [{}, {"OPENFAAS_TEMPLATE_URL": ""}])
def test_neither(project, env):
    project.refused(2, "OPENFAAS_TEMPLATE_URL", args=["template", "pull"], env=env)


@pytest.mark.parametrize(
    "text",
    ["nowhere", "./nowhere", "/nowhere", "", "ftp://127.0.0.1/x", "-x", "ext::sh -c touch% pwned", "other::address"],
)
def test_what_is_no_source(project, text):
    ended = project.run("template", "pull", "--", text)
    assert ended.status in (1, 2) and ended.stderr and ended.stdout == ""
    assert os.listdir(project.folder) == []


@pytest.mark.parametrize("text", ["--upload-pack=touch pwned", "http://127.0.0.1/x#--upload-pack=touch pwned"])
def test_options_of_git_are_no_sources(project, text):
    assert project.run("template", "pull", "--", text).status in (1, 2)
    assert os.listdir(project.folder) == []


def test_a_folder_without_templates(project, scratch):
    (scratch / "empty").mkdir()
    ended = project.run("template", "pull", str(scratch / "empty"))
    assert ended.status == 1 and "bandog: can't find templates in" in ended.stderr
    assert os.listdir(project.folder) == []


def test_a_folder_with_an_empty_one(project, scratch):
    (scratch / "empty/template").mkdir(parents=True)
    ended = project.run("template", "pull", str(scratch / "empty"))
    assert ended.status == 1 or ended.stdout == LINE.format(0, "")


def test_a_project_into_itself(project):
    project.template("alpha")
    before = tree(project.folder)
    assert pull(project, ".").stdout == LINE.format(1, "alpha")
    assert tree(project.folder) == before


# --- from Git ---------------------------------------------------------------------------------------------------------


def assert_meta(project, name, repository, ref, sha):
    meta = json.loads(project.read(f"template/{name}/meta.json"))
    assert set(meta) == {"repository", "ref_name", "sha", "written_at"}
    assert (meta["repository"], meta["ref_name"], meta["sha"]) == (repository, ref, sha)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", meta["written_at"])


def test_a_git_url(project, repository):
    url = f"file://{repository}"
    ended = pull(project, url)
    assert ended.stdout == LINE.format(2, "alpha beta")
    assert f"Fetching templates from {url}" in ended.stderr
    assert without_meta(contents(project.folder / "template")) == contents(repository / "template")
    assert tree(project.folder / "template/alpha")["run.sh"][0] == 0o755
    for name in ("alpha", "beta"):
        assert_meta(project, name, url, "", project.second)


@pytest.mark.parametrize("form", ["file://{}#{}", "{}#{}"])
@pytest.mark.parametrize("ref", ["v1", "main"])
def test_a_ref(project, repository, form, ref):
    url = form.format(repository, ref)
    assert pull(project, url).stdout == LINE.format(2, f"alpha@{ref} beta@{ref}")
    assert templates(project) == [f"alpha@{ref}", f"beta@{ref}"]
    new = project.read(f"template/alpha@{ref}/function/handler.sh") == "new\n"
    assert new == (ref == "main")
    assert_meta(project, f"alpha@{ref}", url.split("#")[0], ref, project.second if new else project.first)
    project.done("new", "hello", "--lang", f"alpha@{ref}")


@pytest.mark.parametrize("digits", [7, 12, 40])
def test_a_commit(project, repository, digits):
    ref = f"sha-{project.first[:digits]}"
    pull(project, f"file://{repository}#{ref}")
    assert templates(project) == [f"alpha@{ref}", f"beta@{ref}"]
    assert project.read(f"template/alpha@{ref}/function/handler.sh") == "#!/bin/sh\ncat\n"


def test_what_is_not_committed_is_not_pulled(project, repository):
    (repository / "template/beta/untracked").touch()
    pull(project, f"file://{repository}")
    assert "beta/untracked" not in contents(project.folder / "template")


def test_a_git_daemon(project, repository, scratch):
    port = free_port()
    daemon = subprocess.Popen(
        ["git", "daemon", "--export-all", f"--base-path={scratch}", "--listen=127.0.0.1", f"--port={port}"],
        env=project.environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"git://127.0.0.1:{port}/source"
    try:
        ask = ["git", "ls-remote", url]
        eventually(
            lambda: subprocess.run(ask, env=project.environment, capture_output=True, check=False).returncode == 0,
            "git daemon answers",
        )
        assert pull(project, f"{url}#v1").stdout == LINE.format(2, "alpha@v1 beta@v1")
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()


@pytest.mark.parametrize("ref", ["nonsense", "sha-1234567", "sha-12", "sha-xyz", "a b", "-x", "a..b", "", "../x"])
def test_a_ref_that_is_none(project, repository, ref):
    ended = project.run("template", "pull", f"file://{repository}#{ref}")
    assert ended.status in (1, 2) and ended.stderr, ended
    assert templates(project) == []


def test_a_folder_that_is_no_repository_has_no_refs(project, source):
    ended = project.run("template", "pull", f"{source}#v1")
    assert ended.status == 1 and ended.stderr and templates(project) == []


def test_what_git_says_is_shown(project, scratch):
    ended = project.run("template", "pull", f"file://{scratch}/nowhere")
    assert ended.status == 1 and "nowhere" in ended.stderr.split("Fetching", 1)[-1].split("\n", 1)[1]
    assert templates(project) == []


def test_without_the_program_git(project, repository, scratch):
    (scratch / "lean").mkdir()
    ended = project.run("template", "pull", f"file://{repository}", env={"PATH": f"{scratch}/lean"})
    assert ended.status == 1 and "git" in ended.stderr


# --- hostile templates ------------------------------------------------------------------------------------------------

OUTSIDE = ["/etc/passwd", "../../../secret", "/", "../../..", "../alpha/../../../secret"]


@pytest.mark.parametrize("kind", ["folder", "git"])
@pytest.mark.parametrize("target", OUTSIDE)
def test_links_that_lead_outside(project, source, scratch, target, kind):
    (scratch / "secret").write_text("secret")
    os.symlink(target, source / "template/beta/link")
    if kind == "git":
        project.commit(source)
    url = f"file://{source}" if kind == "git" else str(source)
    ended = project.run("template", "pull", url)
    assert ended.status == 1 and "link" in ended.stderr, ended
    assert templates(project) == []


@pytest.mark.parametrize("place", ["template", "template/gamma"])
def test_a_link_in_the_place_of_a_whole_template(project, source, scratch, place):
    """It leads to files of the one who pulls."""
    (scratch / "private").mkdir()
    os.rename(source / "template", scratch / "private/template")
    if place == "template":
        os.symlink(scratch / "private/template", source / place)
    else:
        (source / "template").mkdir()
        os.symlink(scratch / "private/template/alpha", source / place)
    project.commit(source)
    ended = project.run("template", "pull", f"file://{source}")
    assert ended.status == 1 and templates(project) == [], ended


def test_a_link_to_what_git_keeps(project, source):
    """The clone's configuration holds the address, and with it perhaps a password."""
    os.symlink("../../.git/config", source / "template/beta/link")
    project.commit(source)
    ended = project.run("template", "pull", f"file://{source}")
    assert ended.status == 1 and "link" in ended.stderr, ended
    assert templates(project) == []


def test_links_inside_the_source_are_followed(project, source):
    """To the same template, and to what several have in common."""
    (source / "common").write_text("c")
    os.symlink("../run.sh", source / "template/alpha/function/link.sh")
    os.symlink("../../common", source / "template/alpha/common")
    pull(project, source)
    found = tree(project.folder / "template/alpha")
    assert found["function/link.sh"] == (0o755, b"#!/bin/sh\n") and found["common"] == (0o644, b"c")


def test_special_files(project, source):
    os.mkfifo(source / "template/beta/pipe")
    ended = project.run("template", "pull", str(source))
    assert ended.status == 1 and "pipe" in ended.stderr and templates(project) == []


def test_a_link_in_the_place_of_template(project, source, scratch):
    """Nothing is written through it, and what it points to is not emptied."""
    (scratch / "precious").mkdir()
    (scratch / "precious/file").write_text("p")
    (project.folder / "template").mkdir()
    os.symlink(scratch / "precious", project.folder / "template/alpha")
    project.run("template", "pull", str(source))
    assert contents(scratch / "precious") == {"file": b"p"}


@pytest.mark.parametrize("name", ["\033[31mred", "a\nforged", "\u009b31m", "\x7f"])
def test_names_are_tamed(project, source, name):
    os.rename(source / "template/alpha", source / "template" / name)
    for args in (("pull", str(source)), ("list",)):
        ended = project.run("template", *args)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|^forged", ended.all, re.M), ended


def test_descriptions_are_tamed(project):
    project.template("mine", files={"template.yml": 'language: "a\\e[31m"\ndescription: "b\\nbandog\\u009bc"\n'})
    lines = project.done("template", "list").stdout.splitlines()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines)), lines
    assert not any(line.startswith("bandog") for line in lines)


# --- template pull stack ----------------------------------------------------------------------------------------------


def stack_of(project, *entries, **options):
    project.stack({"one": {"lang": "alpha"}}, configuration={"templates": list(entries)}, **options)


def test_pull_stack(project, source):
    """Only the template of that name."""
    stack_of(project, {"name": "alpha", "source": str(source)})
    ended = pull(project, "stack")
    assert f"Pulling template: alpha from {source}" in ended.all
    assert LINE.format(1, "alpha") in ended.stdout
    assert templates(project) == ["alpha"]


def test_pull_stack_with_a_ref(project, repository):
    old = {"name": "alpha@old", "source": f"file://{repository}#v1"}
    stack_of(project, old, {"name": "beta", "source": str(repository)})
    pull(project, "stack")
    assert templates(project) == ["alpha@old", "beta"]
    assert project.read("template/alpha@old/function/handler.sh") == "#!/bin/sh\ncat\n"


def test_pull_stack_of_another_file(project, source):
    stack_of(project, {"name": "beta", "source": str(source)}, file="other.yml")
    pull(project, "stack", "-f", "other.yml")
    assert templates(project) == ["beta"]


@pytest.mark.parametrize("configuration", [{}, {"templates": []}, {"copy": ["x"]}])
def test_pull_stack_without_any(project, configuration):
    project.stack({"one": {}}, configuration=configuration)
    text = "can't read configuration: no template repos currently configured"
    project.refused(1, text, args=["template", "pull", "stack"])


def test_pull_stack_of_a_template_that_is_not_there(project, source):
    stack_of(project, {"name": "gamma", "source": str(source)})
    ended = project.run("template", "pull", "stack")
    assert ended.status == 1 and "gamma" in ended.stderr and templates(project) == []


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".", ""])
def test_pull_stack_of_hostile_names(project, source, name):
    stack_of(project, {"name": name, "source": str(source)})
    before = tree(project.root / "project"), tree(source)
    ended = project.run("template", "pull", "stack")
    assert ended.status == 1 and ended.stderr
    assert (tree(project.root / "project"), tree(source)) == before


def test_pull_stack_without_a_source(project):
    """What is inside bandog needs none; else it is said."""
    stack_of(project, {"name": "nonsense"})
    ended = project.run("template", "pull", "stack")
    assert ended.status == 1 and "nonsense" in ended.stderr


# --- what is missing for a build --------------------------------------------------------------------------------------


def test_a_build_pulls_what_the_stack_file_names(project, source):
    """Once: then it is there."""
    project.write("one/mine")
    stack_of(project, {"name": "alpha", "source": str(source)})
    project.run("build", "--shrinkwrap")
    assert templates(project) == ["alpha"]
    assert (project.folder / "build/one/run.sh").is_file()
    (source / "template/alpha/run.sh").write_text("later")
    project.done("build", "--shrinkwrap")
    assert (project.folder / "build/one/run.sh").read_text() == "#!/bin/sh\n"


def test_a_build_pulls_nothing_that_is_inside_bandog(project):
    """No network is needed, and none for a function that is not built."""
    project.write("one/mine")
    project.stack(
        {"one": {"lang": "bash"}, "two": {"lang": "elsewhere", "skip_build": True}},
        configuration={"templates": [{"name": "bash"}, {"name": "elsewhere", "source": "/nowhere"}]},
    )
    project.done("build")
    assert templates(project) == []
