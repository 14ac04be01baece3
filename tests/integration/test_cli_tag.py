"""--tag of build and push: what an image's name says about where it comes from."""

import hashlib
import os

import pytest

from cli import project  # noqa: F401


@pytest.fixture
def repository(project):
    """A project under Git, on the branch main."""
    project.stack({"one": {"image": "me/one:1"}})
    project.sha = project.commit()
    return project


def image(project, how, command="build"):
    project.done(command, "--tag", how)
    call = project.engine.calls(command)[-1]
    return call.values("--tag")[0] if command == "build" else call.args[-1]


def short(project):
    return project.git("rev-parse", "--short", "HEAD")


@pytest.mark.parametrize("command", ["build", "push"])
def test_latest(repository, command):
    assert image(repository, "latest", command) == "me/one:1"


@pytest.mark.parametrize("command", ["build", "push"])
def test_sha(repository, command):
    assert image(repository, "sha", command) == f"me/one:1-{short(repository)}"


@pytest.mark.parametrize("command", ["build", "push"])
def test_branch(repository, command):
    assert image(repository, "branch", command) == f"me/one:1-main-{short(repository)}"


@pytest.mark.parametrize("command", ["build", "push"])
def test_describe(repository, command):
    assert image(repository, "describe", command) == f"me/one:1-{short(repository)}"
    repository.git("tag", "v1.2")
    assert image(repository, "describe", command) == "me/one:1-v1.2"
    repository.write("more")
    repository.commit()
    assert image(repository, "describe", command) == f"me/one:1-v1.2-1-g{short(repository)}"


def test_an_image_without_a_tag(repository):
    repository.stack({"one": {"image": "host:5000/one"}})
    assert image(repository, "sha") == f"host:5000/one:latest-{short(repository)}"


def test_a_branch_with_a_slash(repository):
    """A tag cannot have one."""
    repository.git("checkout", "-q", "-b", "feat/x")
    assert image(repository, "branch") == f"me/one:1-feat-x-{short(repository)}"


def test_a_branch_that_makes_no_tag(repository):
    repository.git("checkout", "-q", "-b", "a+b")
    ended = repository.run("build", "--tag=branch")
    assert ended.status == 1 and "a+b" in ended.stderr and not repository.engine.calls("build")


def test_a_working_folder_below_the_repository(repository):
    repository.stack({"one": {}}, file="deep/stack.yml")
    os.rename(repository.folder / "one", repository.folder / "deep/one")
    repository.done("build", "--tag=sha", cwd=repository.folder / "deep")
    assert repository.engine.call("build").values("--tag") == [f"me/one:1-{short(repository)}"]


@pytest.mark.parametrize("how", ["sha", "branch", "describe"])
@pytest.mark.parametrize("command", ["build", "push"])
def test_outside_of_git(project, how, command):
    project.stack({"one": {}})
    ended = project.run(command, "--tag", how)
    assert ended.status == 1 and "git" in ended.stderr
    assert not project.engine.calls()


@pytest.mark.parametrize("how", ["sha", "branch", "describe"])
def test_before_the_first_commit(project, how):
    project.stack({"one": {}})
    project.git("init", "-q")
    assert project.run("build", "--tag", how).status == 1
    assert not project.engine.calls()


def test_without_the_program_git(repository, scratch):
    (scratch / "lean").mkdir()
    ended = repository.run("build", "--tag=sha", env={"PATH": f"{repository.bin}:{scratch}/lean"})
    assert ended.status == 1 and "git" in ended.stderr


# --- digest -----------------------------------------------------------------------------------------------------------


def digest_of(*contents):
    """Files in the order of their paths."""
    return hashlib.md5("".join(hashlib.md5(c.encode()).hexdigest() for c in contents).encode()).hexdigest()


@pytest.mark.parametrize("command", ["build", "push"])
def test_digest(project, command):
    """As faas-cli counts it; the tag is replaced, Git is not asked."""
    project.stack({"one": {"handler": "./src"}})
    project.write("src/x", "x\n")
    assert digest_of("x\n") == "078b0dfa7c61da6f98894fa286d506de"
    assert image(project, "digest", command) == "me/one:078b0dfa7c61da6f98894fa286d506de"


def test_digest_of_several_files(project):
    files = {"a": "1", "a/z": None, "b/c": "3", "b/a/deep": "2", "B": "0", "b-": "x", ".h": "h", "empty": ""}
    project.stack({"one": {"handler": "src"}})
    for path, content in files.items():
        if content is not None:
            project.write(f"src/{path}", content)
    ordered = [files[path] for path in sorted(path for path in files if files[path] is not None)]
    assert image(project, "digest") == f"me/one:{digest_of(*ordered)}"


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 1_000_003])
def test_digest_of_sizes(project, size):
    project.stack({"one": {"handler": "src"}})
    project.write("src/x", "y" * size)
    assert image(project, "digest") == f"me/one:{digest_of('y' * size)}"


def test_digest_changes_with_the_handler_only(project):
    project.stack({"one": {}})
    first = image(project, "digest")
    project.write("beside", "b")
    assert image(project, "digest") == first
    project.write("one/more", "m")
    assert image(project, "digest") != first
