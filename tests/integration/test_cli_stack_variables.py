"""Variables in stack files: ${NAME} and its forms, before the text is read as YAML."""

import pytest

from cli import project  # noqa: F401
from test_cli_stack_files import ONE, stack  # noqa: F401

ENVIRONMENT = {"A": "hello", "P": "aba/b/aca", "E": "", "N": None, "UTF": "äöü", "Q": "'\"", "D": "${A}", "S": "a b"}
ROWS = [
    ("${A}", "hello"),
    ("x${A}y${A}z", "xhelloyhelloz"),
    ("${N}", ""),
    ("${N:-x}", "x"),
    ("${N:=x}", "x"),
    ("${N=x}", "x"),
    ("${E:-x}", "x"),
    ("${E:=x}", "x"),
    ("${E=x}", "x"),
    ("${A:-x}", "hello"),
    ("${A:=x}", "hello"),
    ("${A=x}", "hello"),
    ("${A:?x}", "hello"),
    ("${A:+x}", "x"),
    ("${N:+x}", ""),
    ("${E:+x}", ""),
    ("${N:-${A}}", "hello"),
    ("${N:-p${A}q}", "phelloq"),
    ("${N:-${M:-${A}}}", "hello"),
    ("${N:-a/b:c d}", "a/b:c d"),
    ("${N:-'q'}", "'q'"),
    ("${A:-{x}}", "hello}"),
    ("${N:-{x}}", "{x}"),
    ("${#A}", "5"),
    ("${#N}", "0"),
    ("${A^}", "Hello"),
    ("${A^^}", "HELLO"),
    ("${A,,}", "hello"),
    ("${A:1}", "ello"),
    ("${A:1:2}", "el"),
    ("${A:x}", "hello"),
    ("${P#*/}", "b/aca"),
    ("${P##*/}", "aca"),
    ("${P%/*}", "aba/b"),
    ("${P%%/*}", "aba"),
    ("${P/a/X}", "Xba/b/aca"),
    ("${P//a/X}", "XbX/b/XcX"),
    ("${P/#a/X}", "Xba/b/aca"),
    ("${P/%a/X}", "aba/b/acX"),
    ("$A", "$A"),
    ("$5", "$5"),
    ("$}", "$}"),
    ("a$", "a$"),
    ("$$", "$"),
    ("$${A}", "${A}"),
    ("$$$x", "$$x"),
    ("$$$$", "$$"),
    ("$$${A}", "$hello"),
    (r"\${A}", r"\hello"),
    (r"a\\b\/c", r"a\\b\/c"),
    ("${UTF}", "äöü"),
    ("${D}", "${A}"),
    ("${S}", "a b"),
]


@pytest.mark.parametrize("written, value", ROWS)
def test_forms(stack, written, value):
    project = stack(ONE + f"    build_args:\n      X: |-\n        {written}\n")
    project.done("build", env=ENVIRONMENT)
    assert f"X={value}" in project.engine.call("build").build_args()


def test_backslashes_of_yaml_stay(stack):
    project = stack(ONE + '    build_args: {X: "x\\\\y\\/\\t${A}"}\n')
    project.done("build", env=ENVIRONMENT)
    assert "X=x\\y/\thello" in project.engine.call("build").build_args()


def test_everywhere_in_the_text(stack):
    """Names, keys, whole sections; in comments too."""
    project = stack(ONE.replace("  one:", "  ${NAME}:").replace("handler", "${KEY}") + "    ${MORE}\n# ${N:-x} $$\n")
    project.done("build", env={"NAME": "two", "KEY": "handler", "MORE": "build_args: {X: y}"})
    call = project.engine.call("build")
    assert call.cwd.name == "two" and "X=y" in call.build_args()


def test_values_are_text_of_the_file(stack):
    """Before YAML: a value that is more than a text is read as what it is."""
    project = stack(ONE + "    build_args: ${ARGS}\n")
    project.done("build", env={"ARGS": "{X: 1, Y: 2}"})
    assert {"X=1", "Y=2"} <= set(project.engine.call("build").build_args())


@pytest.mark.parametrize("args", [["--envsubst=false"], ["--envsubst", "--envsubst=false"]])
def test_switched_off(stack, args):
    project = stack(ONE + "    build_args: {X: '${A}$$${'}\n")
    project.done("build", *args, env=ENVIRONMENT)
    assert "X=${A}$$${" in project.engine.call("build").build_args()


@pytest.mark.parametrize(
    "line, column, reason",
    [
        ("fprocess: ${A-x}", 15, "Missing closing brace"),
        ("fprocess: ab ${A+x}", 18, "Missing closing brace"),
        ("fprocess: ${A.B}", 15, "Missing closing brace"),
        ("fprocess: ${A B}", 15, "Missing closing brace"),
        ("fprocess: ${A", 15, "Missing closing brace"),
        ("fprocess: ${}", 15, "Unable to parse variable name"),
        ("fprocess: ${A:-x", 15, "Unable to parse substitution within function"),
        ("fprocess: ${N:?give it}", 15, "give it"),
        ("fprocess: ${E:?give it}", 15, "give it"),
        ("# ${}", 7, "Unable to parse variable name"),
    ],
)
def test_errors(stack, line, column, reason):
    project = stack(ONE + f"    {line}\n    image2: x\n")
    ended = project.refused(1, f"bandog: stack.yml:9:{column}: ", reason, args=["build"], env=ENVIRONMENT)
    assert len(ended.stderr.splitlines()) == 1


def test_the_message_may_have_variables(stack):
    project = stack(ONE + "    fprocess: ${N:?no ${A}}\n")
    project.refused(1, "stack.yml:9:15: ", "no hello", args=["build"], env=ENVIRONMENT)


def test_a_default_that_is_not_used_may_fail(stack):
    stack(ONE + "    fprocess: ${A:-${N:?x}}\n").done("build", env=ENVIRONMENT)


def test_deep_nesting_is_refused(stack):
    text = "${N:-" * 1000 + "}" * 1000
    stack(ONE + f"    fprocess: {text}\n").refused(1, "bandog: stack.yml:9:", args=["build"], env=ENVIRONMENT)


def test_a_large_result_is_refused(stack):
    """A kilobyte a hundred thousand times."""
    project = stack(ONE + "#" + "${B}" * 100_000 + "\n")
    project.refused(1, "bandog: stack.yml:", args=["build"], env={"B": "x" * 1024})


def test_environment_files_are_not_substituted_twice(stack):
    """A value that holds a variable stays as it is."""
    project = stack(ONE + "    build_args: {X: '${D}'}\n")
    project.done("build", env=ENVIRONMENT)
    assert "X=${A}" in project.engine.call("build").build_args()
