"""Which functions of a stack file a command is about: names, --filter, --regex."""

import os

import pytest

from cli import project  # noqa: F401

NAMES = ["zeta", "fn1-a", "fn2-a", "fn10-b", "alpha", "a"]


@pytest.fixture
def chosen(project):
    """chosen("--filter", "x"): the functions that build is about, in its order."""
    project.stack({name: {} for name in NAMES})

    def run(*args):
        project.done("build", "--parallel=1", *args)
        built = [call.cwd.name for call in project.engine.calls("build")]
        assert sorted(os.listdir(project.folder / "build")) == sorted(built)
        return built

    return run


def test_all_in_the_order_of_the_file(chosen):
    assert chosen() == NAMES


@pytest.mark.parametrize(
    "names, wanted",
    [(["alpha"], ["alpha"]), (["a", "zeta"], ["zeta", "a"]), (["a", "a"], ["a"]), (["--", "fn1-a"], ["fn1-a"])],
)
def test_by_name(chosen, names, wanted):
    """The order is the file's."""
    assert chosen(*names) == wanted


@pytest.mark.parametrize(
    "pattern, wanted",
    [
        ("a", ["a"]),
        ("*", NAMES),
        ("", NAMES),
        ("fn*", ["fn1-a", "fn2-a", "fn10-b"]),
        ("*a", ["zeta", "fn1-a", "fn2-a", "alpha", "a"]),
        ("*-*", ["fn1-a", "fn2-a", "fn10-b"]),
        ("f*1*", ["fn1-a", "fn10-b"]),
        ("a*a", ["alpha"]),
        ("**z**eta**", ["zeta"]),
        ("fn1-a*", ["fn1-a"]),
    ],
)
def test_filter(chosen, pattern, wanted):
    assert chosen("--filter", pattern) == wanted


@pytest.mark.parametrize("pattern", ["b", "A", "fn?-a", "fn[12]-a", "f", "fn", "*x*", "fn1.a", "^a$", ".*"])
def test_a_filter_that_none_matches(project, chosen, pattern):
    text = "no functions matching --filter/--regex were found in the YAML file"
    project.refused(1, text, args=["build", "--filter", pattern])
    assert not project.engine.calls() and not (project.folder / "build").exists()


@pytest.mark.parametrize(
    "regex, wanted",
    [
        ("^fn[0-9]+-", ["fn1-a", "fn2-a", "fn10-b"]),
        ("ta$", ["zeta"]),
        ("a", ["zeta", "fn1-a", "fn2-a", "alpha", "a"]),
        ("^(a|zeta)$", ["zeta", "a"]),
        ("", NAMES),
        (".*", NAMES),
        ("^.{5}$", ["fn1-a", "fn2-a", "alpha"]),
    ],
)
def test_regex(chosen, regex, wanted):
    assert chosen("--regex", regex) == wanted


def test_a_regex_that_none_matches(project, chosen):
    text = "no functions matching --filter/--regex were found in the YAML file"
    project.refused(1, text, args=["build", "--regex", "^x"])


@pytest.mark.parametrize("regex", ["(", "[a", "*(", "a{2,1}"])
def test_a_bad_regex(project, chosen, regex):
    project.refused(1, "error parsing regexp", args=["build", "--regex", regex])


def test_not_both(project, chosen):
    project.refused(1, "pass in a regex or a filter, not both", args=["build", "--regex", "a", "--filter", "a"])


def test_an_empty_one_does_not_count(chosen):
    assert chosen("--regex", "^alpha$", "--filter", "") == ["alpha"]


def test_names_among_the_matching(project, chosen):
    assert chosen("--filter", "fn*", "fn2-a") == ["fn2-a"]
    project.refused(1, "'alpha'", args=["build", "--filter", "fn*", "alpha"])


def test_an_unknown_name(project, chosen):
    ended = project.refused(1, "stack.yml has no function 'beta'", args=["build", "alpha", "beta"])
    assert all(name in ended.stderr for name in NAMES)
    assert not project.engine.calls()


@pytest.mark.parametrize("command", ["push", "generate"])
def test_other_commands_choose_alike(project, chosen, command):
    text = "no functions matching --filter/--regex were found in the YAML file"
    project.refused(1, text, args=[command, "--filter", "x"])
    project.refused(1, "stack.yml has no function 'beta'", args=[command, "beta"])
    project.refused(1, "pass in a regex or a filter, not both", args=[command, "--regex", "a", "--filter", "a"])
    project.refused(1, "error parsing regexp", args=[command, "--regex", "("])


def test_push_chooses_alike(project, chosen):
    project.done("push", "--parallel=1", "--filter", "fn1*")
    assert [call.args[-1] for call in project.engine.calls("push")] == ["me/fn1-a:1", "me/fn10-b:1"]


def test_a_long_filter_is_quick(project):
    """It is matched without trying every way: this one would take longer than there is patience."""
    project.stack({"a" * 63: {}})
    project.refused(1, "no functions matching", args=["build", "--filter", "*a" * 31 + "*b"])
