"""Stack files: what is read from them, what is wrong with them, and where."""

import os
import re

import pytest

from cli import project  # noqa: F401

HEAD = "version: 1.0\nprovider:\n  name: openfaas\n"
ONE = HEAD + "functions:\n  one:\n    lang: dockerfile\n    handler: ./one\n    image: me/one:1\n"


@pytest.fixture
def stack(project):
    """stack(text): writes stack.yml beside the folder of a function `one`."""
    project.write("one/Dockerfile", "FROM scratch\n")

    def write(text):
        project.write("stack.yml", text)
        return project

    return write


def complaints(stack, text, status=1, **options):
    """The places and reasons that a stack file's text makes bandog print."""
    ended = stack(text).run("build", "--shrinkwrap", **options)
    assert ended.status == status, ended
    lines = ended.stderr.splitlines()
    assert all(line.startswith("bandog: ") for line in lines), ended
    return [line.removeprefix("bandog: ") for line in lines]


def assert_said(lines, place, *reasons):
    """One of the lines is about this place, and has these texts."""
    at = [line for line in lines if line.removeprefix("warning: ").startswith(f"stack.yml:{place}: ")]
    assert any(all(reason in line for reason in reasons) for line in at), lines


# --- which file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, args, built",
    [
        (["stack.yml"], [], "stack.yml"),
        (["stack.yaml"], [], "stack.yaml"),
        (["stack.yml", "stack.yaml"], [], "stack.yaml"),
        (["stack.yml", "other"], ["-f", "other"], "other"),
        (["stack.yml", "deep/stack.yml"], ["--yaml", "deep/stack.yml"], "deep/stack.yml"),
        (["stack.yml", "other"], ["-f", ""], "stack.yml"),
    ],
)
def test_the_file_is_found(project, files, args, built):
    for i, file in enumerate(files):
        project.stack({f"f{i}": {}}, file=file)
    project.done("build", "--shrinkwrap", *args)
    assert os.listdir(project.folder / "build") == [f"f{files.index(built)}"]


def test_no_file(project):
    project.refused(1, "stack.yaml or stack.yml", "bandog new", args=["build"])


@pytest.mark.parametrize("command", ["build", "push", "dev", "generate"])
def test_a_file_that_is_not_there(project, command):
    project.refused(1, "other.yml: No such file or directory", args=[command, "-f", "other.yml"])


def test_a_file_that_is_a_folder(project):
    (project.folder / "stack.yml").mkdir()
    project.refused(1, "stack.yml is not a file", args=["build"])


def test_a_file_that_is_a_pipe_does_not_hold_it(project):
    os.mkfifo(project.folder / "stack.yml")
    project.refused(1, "stack.yml is not a file", args=["build"])


def test_paths_are_those_of_the_working_folder(project):
    project.stack({"one": {}}, file="deep/stack.yml")
    project.done("build", "--shrinkwrap", "-f", "deep/stack.yml")
    assert (project.folder / "build/one/Dockerfile").is_file()


# --- YAML -------------------------------------------------------------------------------------------------------------


def test_scalars_stay_as_they_are_written(stack):
    """Where a text is wanted, nothing is made of numbers, bools and dates."""
    plain = "5 1.50 yes 0o17 1e3 0x1F 2001-12-14 1_000 .5 -0 True +1 010 12:30:45 .inf".split()
    args = "".join(f"      A{i}: {text}\n" for i, text in enumerate(plain))
    project = stack(ONE + "    build_args:\n" + args)
    project.done("build")
    got = dict(arg.split("=", 1) for arg in project.engine.call("build").build_args())
    assert [got[f"A{i}"] for i in range(len(plain))] == plain


@pytest.mark.parametrize(
    "yaml, text",
    [
        ("", ""),
        ("~", ""),
        ("null", ""),
        ("'null'", "null"),
        ("''", ""),
        ("'it''s'", "it's"),
        (r'"a\tb\x41\u00e9\\"', "a\tbAé\\"),
        ("a  b", "a  b"),
        ("a # b", "a"),
        ("a#b: c", None),
        ("a#b:c", "a#b:c"),
        ("|\n        a\n         b\n", "a\n b\n"),
        ("|-\n        a\n        b\n", "a\nb"),
        (">\n        a\n        b\n\n        c\n", "a b\nc\n"),
        ('"a\n        b"', "a b"),
        ("a\n        b", "a b"),
        ("!!str 5", "5"),
        ("漢字 🎉", "漢字 🎉"),
    ],
)
def test_texts(stack, yaml, text):
    project = stack(ONE + f"    build_args:\n      A: {yaml}\n")
    if text is None:
        project.refused(1, "stack.yml:10:", args=["build"])
    else:
        project.done("build")
        assert f"A={text}" in project.engine.call("build").build_args()


def test_anchors_aliases_and_merges(stack):
    project = stack(
        HEAD
        + """\
x-common: &common
  A: 1
  B: 2
x-more: &more {B: 3, C: 4}
functions:
  one:
    lang: dockerfile
    handler: &here ./one
    image: me/one
    build_args:
      <<: [*common, *more]
      A: own
  two:
    lang: dockerfile
    handler: *here
    image: me/two
    build_args:
      A: x
      <<: *more
"""
    )
    assert project.run("build", "--parallel=1").status == 0
    one, two = (call.build_args() for call in project.engine.calls("build"))
    assert sorted(one) == ["A=own", "ADDITIONAL_PACKAGE=", "B=2", "C=4"]
    assert sorted(two) == ["A=x", "ADDITIONAL_PACKAGE=", "B=3", "C=4"]


def test_a_whole_function_from_an_alias(stack):
    two = "  two:\n    <<: *one\n    image: me/two:2\n  three: *one\n"
    project = stack(ONE.replace("one:\n", "one: &one\n", 1) + two)
    project.done("build", "--parallel=1")
    assert [c.values("--tag") for c in project.engine.calls("build")] == [["me/one:1"], ["me/two:2"], ["me/one:1"]]


@pytest.mark.parametrize(
    "text, place, reason",
    [
        (ONE + "  bad: [a\n", "10:1", ""),
        (ONE + "    image: me/two\n", "9:5", 'mapping key "image" already defined at line 8'),
        (ONE + "  one:\n    image: x\n", "9:3", 'mapping key "one" already defined at line 5'),
        (ONE.replace("one:\n", "one: &a\n", 1) + "    build_args:\n      x: *b\n", "10:10", ""),
        (ONE + "---\n" + ONE, "9:1", "document"),
        (ONE + "\tx: y\n", "9:1", ""),
        (HEAD + "functions: &f\n  one: *f\n", "5:8", ""),
        (ONE + "    ? [a, b]\n    : c\n", "9:7", "key"),
        (ONE + '    fprocess: "\\q"\n', "9:", ""),
        (ONE + "    build_args: {<<: 5}\n", "9:22", "<<"),
    ],
)
def test_syntax(stack, text, place, reason):
    lines = complaints(stack, text)
    assert any(line.startswith(f"stack.yml:{place}") and reason in line for line in lines), lines


@pytest.mark.parametrize(
    "text", [b"\xff\xfea\0", b"a: \xff\n", b"a: \x00b\n", b"a: \x1b\n", b'a: "\\0"\n', b"\xef\xbb\xbfa: [\n"]
)
def test_bytes_that_are_no_yaml(stack, text):
    project = stack(text)
    ended = project.run("build")
    assert ended.status == 1 and ended.stderr.startswith("bandog: stack.yml:"), ended
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", ended.stderr)


def test_a_byte_order_mark_is_fine(stack):
    stack(b"\xef\xbb\xbf" + ONE.encode()).done("build")


@pytest.mark.parametrize(
    "text, place", [("", "1:1"), ("\n", "1:1"), ("# nothing\n", "1:1"), ("---\n", "2:1"), ("~\n", "1:1")]
)
def test_an_empty_file(stack, text, place):
    assert_said(complaints(stack, text), place, "['openfaas'] is the only valid \"provider.name\"")


# --- limits -----------------------------------------------------------------------------------------------------------


def nested(depth):
    """A file with `depth` lists and maps in each other, its own map included."""
    return ONE + "x: " + "[" * (depth - 1) + "]" * (depth - 1) + "\n"


def test_a_mebibyte_is_read(stack):
    filler = 1024 * 1024 - len(ONE)
    stack(ONE + "#" * (filler - 1) + "\n").done("build")
    complaint = complaints(stack, ONE + "#" * filler + "\n")
    assert "stack.yml is larger than 1048576 bytes" in complaint[0]


def test_depth(stack):
    assert_said(complaints(stack, nested(64), status=0), "9:1", 'unknown key "x"')
    assert "stack.yml:9:67: lists and maps are nested too deeply" in complaints(stack, nested(65))[0]


def test_a_thousand_brackets_more(stack):
    assert "nested too deeply" in complaints(stack, nested(100_000))[0]


def test_nodes(stack):
    assert complaints(stack, ONE + "x: [" + "1," * 19_000 + "]\n", status=0)
    assert "too large once its aliases are followed" in complaints(stack, ONE + "x: [" + "1," * 21_000 + "]\n")[0]


@pytest.mark.parametrize("key", ["x", "functions"])
def test_a_bomb_of_aliases(stack, key):
    """Each list has ten of the list before: 10^30 nodes."""
    lists = "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    text = HEAD + "a0: &a0 [lol]\n" + lists + f"{key}: *a29\n"
    assert "too large once its aliases are followed" in complaints(stack, text)[-1]


def test_a_bomb_of_merges(stack):
    maps = "".join(f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 10)}], k{i}: v}}\n" for i in range(1, 30))
    assert "too large" in complaints(stack, HEAD + "a0: &a0 {k: v}\n" + maps)[-1]


# --- what it must say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "'1.0'", '"1.0"', "", "~"])
def test_versions(stack, version):
    stack(ONE.replace("version: 1.0", f"version: {version}")).done("build")


def test_no_version(stack):
    stack(ONE.replace("version: 1.0\n", "")).done("build")


@pytest.mark.parametrize("version", ["2.0", "1", "1.00", "1.0.0", "one"])
def test_other_versions(stack, version):
    lines = complaints(stack, ONE.replace("version: 1.0", f"version: {version}"))
    assert_said(lines, "1:10", f"[1.0] are the only valid versions for the stack file - found: {version}")


@pytest.mark.parametrize(
    "provider, place, given",
    [
        ("provider:\n  name: faas\n", "3:9", "faas"),
        ("provider:\n  gateway: http://x\n", "3:3", ""),
        ("provider: {name: OpenFaaS}\n", "2:18", "OpenFaaS"),
        ("provider:\n", "2:", ""),
        ("", "1:1", ""),
    ],
)
def test_providers(stack, provider, place, given):
    lines = complaints(stack, ONE.replace("provider:\n  name: openfaas\n", provider))
    text = f"['openfaas'] is the only valid \"provider.name\", but you gave: {given}"
    assert any(line.startswith(f"stack.yml:{place}") and line.endswith(text) for line in lines), lines


@pytest.mark.parametrize("functions", ["", "functions:\n", "functions: {}\n"])
def test_no_functions(stack, functions):
    assert "stack.yml has no functions" in complaints(stack, HEAD + functions)[0]


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "a.b", "''", "é", "a/b", "../x", "a" * 64, "a b"])
@pytest.mark.parametrize("command", ["build", "push", "generate", "dev"])
def test_names_of_functions(stack, name, command):
    project = stack(ONE + f"  {name}:\n    lang: dockerfile\n    handler: ./one\n    image: me/x\n")
    ended = project.refused(1, "function name", args=[command])
    assert_said([line.removeprefix("bandog: ") for line in ended.stderr.splitlines()], "9:3", "63")
    assert not project.engine.calls() and not (project.folder / "build").exists()


@pytest.mark.parametrize("name", ["a", "0", "1e3", "yes", "'null'", "a--b", "a" * 63])
def test_good_names(stack, name):
    project = stack(ONE.replace("  one:", f"  {name}:"))
    project.done("build", "--shrinkwrap")
    assert os.listdir(project.folder / "build") == [name.strip("'")]


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, column, wanted",
    [
        ("fprocess: [a]", 15, "a text"),
        ("fprocess: {a: b}", 15, "a text"),
        ("skip_build: maybe", 17, "true or false"),
        ("skip_build: 'true'", 17, "true or false"),
        ("skip_build: 1", 17, "true or false"),
        ("skip_build: [true]", 17, "a text"),
        ("readonly_root_filesystem: truee", 31, "true or false"),
        ("secrets: a", 14, "a list"),
        ("secrets: {a: b}", 14, "a list"),
        ("secrets: [a, [b]]", 18, "a text"),
        ("secrets: [a, {b: c}]", 18, "a text"),
        ("environment_file: a.yml", 23, "a list"),
        ("environment: a", 18, "a map"),
        ("environment: [a=b]", 18, "a map"),
        ("environment: {a: [b]}", 22, "a text"),
        ("labels: [a]", 13, "a map"),
        ("build_args: {a: {b: c}}", 21, "a text"),
        ("limits: 5", 13, "a map"),
        ("limits: {cpu: [1]}", 19, "a text"),
        ("build_options: dev", 20, "a list"),
        ("build_secrets: [a]", 20, "a map"),
        ("constraints: a", 18, "a list"),
    ],
)
def test_values_of_the_wrong_kind(stack, line, column, wanted):
    name = "cpu" if "cpu" in line else line.split(":")[0]
    assert_said(complaints(stack, ONE + f"    {line}\n"), f"9:{column}", name, wanted)


@pytest.mark.parametrize(
    "text, place, wanted",
    [
        (HEAD + "functions: [one]\n", "4:12", "a map"),
        (HEAD + "functions:\n  one: text\n", "5:8", "a map"),
        ("provider: openfaas\n", "1:11", "a map"),
        (ONE + "configuration: x\n", "9:16", "a map"),
        (ONE + "configuration:\n  copy: x\n", "10:9", "a list"),
        (ONE + "configuration:\n  templates: x\n", "10:14", "a list"),
        (ONE + "configuration:\n  templates: [x]\n", "10:15", "a map"),
        (ONE + "configuration:\n  templates:\n  - source: x\n", "11:5", "name"),
        ("- a\n", "1:1", "a map"),
        ("text\n", "1:1", "a map"),
    ],
)
def test_sections_of_the_wrong_kind(stack, text, place, wanted):
    assert_said(complaints(stack, text), place, wanted)


@pytest.mark.parametrize("word", "true True TRUE yes Yes on y".split())
def test_words_for_true(stack, word):
    project = stack(ONE + f"    skip_build: {word}\n")
    project.run("build")
    assert not project.engine.calls()


@pytest.mark.parametrize("word", ["false", "False", "no", "off", "", "~"])
def test_words_for_false(stack, word):
    project = stack(ONE + f"    skip_build: {word}\n")
    project.done("build")
    assert project.engine.calls("build")


def test_all_problems_are_said_at_once(stack):
    lines = complaints(
        stack,
        "version: 3.0\nprovider:\n  name: other\nfunctions:\n  A:\n    secrets: x\n    enviroment: {}\n"
        "  b:\n    skip_build: perhaps\nconfiguration:\n  copy: y\n",
    )
    for place in ("1:10", "3:9", "5:3", "6:14", "9:17", "11:9"):
        assert_said(lines, place)
    assert_said(lines, "7:5", 'unknown key "enviroment" (did you mean environment?)')
    assert lines[-1].startswith("stack.yml ") and len(lines) == 8


# --- unknown keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, place, key, meant",
    [
        (ONE + "    enviroment: {}\n", "9:5", "enviroment", "environment"),
        (ONE + "    secret: [a]\n", "9:5", "secret", "secrets"),
        (ONE + "    limits: {mem: 1}\n", "9:14", "mem", None),
        (ONE + "    requests: {memroy: 1}\n", "9:16", "memroy", "memory"),
        (ONE + "    zzz: 1\n", "9:5", "zzz", None),
        (ONE + "fonctions: {}\n", "9:1", "fonctions", "functions"),
        (ONE.replace("name: openfaas", "name: openfaas\n  gatway: x"), "4:3", "gatway", "gateway"),
        (ONE + "configuration:\n  copie: [a]\n", "10:3", "copie", "copy"),
        (ONE + "configuration:\n  templates:\n  - name: x\n    sorce: y\n", "12:5", "sorce", "source"),
    ],
)
def test_unknown_keys_are_warned_about(stack, text, place, key, meant):
    lines = complaints(stack, text, status=0)
    hint = f" (did you mean {meant}?)" if meant else ""
    assert lines == [f'warning: stack.yml:{place}: unknown key "{key}"{hint}']


def test_keys_that_faas_cli_knows_are_known(stack):
    project = stack(
        ONE.replace("name: openfaas", "name: openfaas\n  gateway: http://127.0.0.1:8080")
        + """\
    fprocess: cat
    environment: {a: b}
    environment_file: []
    secrets: []
    labels: {}
    annotations: {}
    limits: {memory: 1Mi, cpu: 1m}
    requests: {memory: 1Mi, cpu: 1m}
    constraints: []
    namespace: n
    readonly_root_filesystem: true
    build_args: {}
    build_options: []
    build_secrets: {}
    platforms: linux/arm64
    skip_build: false
configuration:
  templates:
  - name: x
    source: y
  copy: []
"""
    )
    project.done("build", "--shrinkwrap")
