"""bandog new refuses: nothing is half done then. And functions are added to stack files as people write them."""

import os
import re

import pytest
import yaml

from cli import project, tree  # noqa: F401

OLD = """\
version: 1.0
provider:
  name: openfaas
functions:
  old:
    lang: tiny
    handler: ./old
    image: old
"""
NEW = "  hello:\n    lang: tiny\n    handler: ./hello\n    image: hello:latest\n"


@pytest.fixture
def refused(project):
    """refused(1, "text", "hello", ...): with a template; nothing may have changed."""
    project.template()

    def run(status, text, *args, **options):
        before = tree(project.folder)
        ended = project.refused(status, text, args=["new", *args], **options)
        assert tree(project.folder) == before
        assert "created" not in ended.stdout and "Stack file" not in ended.stdout
        return ended

    return run


# --- usage ------------------------------------------------------------------------------------------------------------


def test_no_language(refused):
    refused(2, "you must supply a function language with the --lang flag", "hello")


def test_no_name(refused):
    refused(2, "please provide a name for the function", "--lang", "tiny")
    refused(2, "please provide a name for the function", "", "--lang", "tiny")


@pytest.mark.parametrize("name", ["A", "a_b", "-", "-a", "a-", "a.b", "é", "a/b", "..", "a b", "a\n"])
def test_bad_names(refused, name):
    refused(2, "function name can only contain a-z, 0-9 and dashes", "--lang", "tiny", "--", name)


def test_a_long_name(refused):
    refused(2, "function name can have at most 63 characters", "--lang", "tiny", "a" * 64)


# --- templates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nonsense", "Tiny", "", ".", "..", "../tiny", "tiny/", "a/b", "tiny@v1", "bash@v1"])
def test_an_unknown_template(refused, name):
    text = f'template: "{name}" was not found in the templates folder or inside bandog' if name else ""
    refused(1 if name else 2, text, "hello", "--lang", name)


@pytest.mark.parametrize("missing", ["template.yml", "Dockerfile"])
def test_a_template_that_is_none(project, refused, missing):
    project.template("broken", files={missing: None})
    refused(1, missing, "hello", "--lang", "broken")


@pytest.mark.parametrize("text", ["language: [a", "- a\n", "language: {a: b}\n", "welcome_message: [x]\n"])
def test_a_template_file_that_cannot_be_read(project, refused, text):
    project.template("broken", files={"template.yml": text})
    refused(1, "template/broken/template.yml:", "hello", "--lang", "broken")


@pytest.mark.parametrize("folder", ["../..", "..", "/etc", "function/../../other"])
def test_a_starter_outside_of_the_template(project, refused, folder):
    project.template("broken", files={"template.yml": f"handler_folder: {folder}\n"})
    refused(1, "template/broken/template.yml:1:17: handler_folder", "hello", "--lang", "broken")


def test_a_starter_that_cannot_be_copied(project, refused):
    os.symlink("nowhere", project.folder / "template/tiny/function/link")
    refused(1, "link", "hello", "--lang", "tiny")


def test_a_starter_with_a_pipe(project, refused):
    os.mkfifo(project.folder / "template/tiny/function/pipe")
    refused_tree = project.refused(1, "pipe", args=["new", "hello", "--lang", "tiny"])
    assert "created" not in refused_tree.stdout
    assert not (project.folder / "hello").exists() and not (project.folder / "stack.yml").exists()


# --- what is there already --------------------------------------------------------------------------------------------


def test_a_folder_that_exists(project, refused):
    project.write("hello/mine")
    refused(1, "folder: hello already exists", "hello", "--lang", "tiny")


def test_a_file_of_that_name(project, refused):
    project.write("hello", "mine")
    refused(1, "hello already exists", "hello", "--lang", "tiny")


def test_a_broken_link_of_that_name(project, refused):
    os.symlink("nowhere", project.folder / "hello")
    refused(1, "hello already exists", "hello", "--lang", "tiny")


def test_a_handler_that_exists(project, refused):
    project.write("src/mine")
    refused(1, "folder: src already exists", "hello", "--lang", "tiny", "--handler", "src")


def test_a_handler_below_a_file(project, refused):
    project.write("src")
    refused(1, "src", "hello", "--lang", "tiny", "--handler", "src/hello")


@pytest.mark.parametrize("option", [(), ("-a", "stack.yml"), ("-f", "stack.yml")])
def test_a_function_that_exists(project, refused, option):
    project.write("stack.yml", OLD)
    refused(1, "function old already exists in stack.yml", "old", "--lang", "tiny", *option)


# --- the stack file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["stack.txt", "stack", "yml", "stack.YML", "stack.yml.bak"])
def test_append_wants_a_suffix(project, refused, file):
    project.write(file, OLD)
    refused(1, "when appending to a stack the suffix should be .yml or .yaml", "hello", "--lang", "tiny", "-a", file)


def test_append_wants_a_file(refused):
    refused(1, "other.yml: No such file or directory", "hello", "--lang", "tiny", "-a", "other.yml")


def test_a_stack_file_in_a_folder_that_is_not_there(refused):
    refused(1, "nowhere/stack.yml", "hello", "--lang", "tiny", "-f", "nowhere/stack.yml")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("provider: {name: openfaas\n", "stack.yml:2:1: "),
        ("- a\n", "block style"),
        ("provider: {name: openfaas}\nfunctions: {old: {image: x}}\n", "block style"),
        ("provider: {name: openfaas}\nfunctions: [a]\n", "block style"),
        ("{provider: {name: openfaas}, functions: {}}\n", "block style"),
        ("provider: {name: openfaas}\nx: &f {old: {image: x}}\nfunctions: *f\n", "stack.yml"),
        ("provider: {name: openfaas}\nx: &f\n  old: {image: x}\nfunctions: *f\n", "stack.yml"),
        ("provider: {name: openfaas}\nfunctions: ~\n", "stack.yml"),
        ("provider: {name: openfaas}\n...\n", "stack.yml"),
    ],
)
def test_stack_files_that_are_not_touched(project, refused, text, reason):
    """Where there is no place for a line behind the last function."""
    project.write("stack.yml", text)
    refused(1, reason, "hello", "--lang", "tiny")


def test_a_stack_file_that_is_a_folder(project, refused):
    (project.folder / "stack.yml").mkdir()
    refused(1, "stack.yml", "hello", "--lang", "tiny")


def test_a_gitignore_that_is_a_folder(project, refused):
    (project.folder / ".gitignore").mkdir()
    refused(1, ".gitignore", "hello", "--lang", "tiny")


# --- a full disk: files may not grow beyond a size --------------------------------------------------------------------


def files_up_to(size):
    return ["prlimit", f"--fsize={size}", "env", "--ignore-signal=XFSZ"]


@pytest.mark.parametrize("handler", ["hello", "a/b/c"])
@pytest.mark.parametrize("large", ["starter", "old stack", "new stack"])
def test_a_full_disk(project, refused, large, handler):
    """Whichever file does not fit, all is as before; folders above the handler's, too."""
    if large == "starter":
        project.template(files={"function/z/large": "x" * 5000})
    if large == "old stack":
        project.write("stack.yml", OLD + "# " + "x" * 5000 + "\n")
    limit = files_up_to(64 if large == "new stack" else 4096)
    refused(1, "File too large", "hello", "--lang", "tiny", "--handler", handler, wrapper=limit)


def test_a_gitignore_that_does_not_fit(project):
    """The function is there all the same, and what was in .gitignore."""
    project.template()
    project.write(".gitignore", "x\n" * 2500)
    ended = project.run("new", "hello", "--lang", "tiny", wrapper=files_up_to(4096))
    assert ended.status == 0 and re.match("bandog: warning: .*[.]gitignore.*: File too large\n", ended.stderr), ended
    assert project.read(".gitignore") == "x\n" * 2500
    assert sorted(os.listdir(project.folder)) == [".gitignore", "hello", "stack.yml", "template"]


# --- adding to stack files --------------------------------------------------------------------------------------------

LATER = "configuration:\n  copy: [./shared]\n"
ADDITIONS = {
    "plain": (OLD, "", NEW),
    "two": (OLD + "  older:\n    image: older\n", "", NEW),
    "configuration behind": (OLD, LATER, NEW),
    "empty lines and configuration": (OLD, "\n\n" + LATER, NEW),
    "a comment for configuration": (OLD, "\n# extra files\n" + LATER, NEW),
    "comments inside": (OLD.replace("    lang", "    # why\n    lang").replace("./old\n", "./old # there\n"), "", NEW),
    "a comment at the function's depth": (OLD + "    # image: other\n", LATER, NEW),
    "functions first": ("functions:\n  old:\n    image: old\n", "provider:\n  name: openfaas\n", NEW),
    "four spaces": (OLD.replace("  ", "    "), LATER, NEW.replace("  ", "    ")),
    "one space": (OLD.replace("  ", " "), "", NEW.replace("  ", " ")),
    "depths that differ": (OLD.replace("    ", "        "), "", NEW.replace("    ", "        ")),
    "a literal block": (OLD + "    fprocess: |\n      a\n\n       b\n", LATER, NEW),
    "a literal block that keeps its end": (OLD + "    fprocess: |+\n      a\n\n\n", LATER, NEW),
    "a folded text": (OLD + "    fprocess: >-\n      a\n      b\n", LATER, NEW),
    "a text over lines": (OLD + '    fprocess: "a\n      b"\n', LATER, NEW),
    "a flow map over lines": (OLD + "    environment: {\n      a: 1,\n    b: 2}\n", LATER, NEW),
    "a list not indented": (OLD + "    secrets:\n    - a\n    - b\n", LATER, NEW),
    "a function in one line": ("provider: {name: openfaas}\nfunctions:\n  old: {image: old}\n", LATER, NEW),
    "an anchor and an alias": (OLD.replace("old:\n", "old: &o\n") + "  older:\n    <<: *o\n    image: x\n", LATER, NEW),
    "an alias is the last": (OLD.replace("old:\n", "old: &o\n", 1) + "  older: *o\n", LATER, NEW),
    "quoted keys": (OLD.replace("functions:", '"functions":').replace("  old:", "  'old':"), LATER, NEW),
    "a start and an end of the document": ("%YAML 1.1\n---\n" + OLD, "...\n", NEW),
    "variables": (OLD.replace("image: old", "image: ${N:-x}/old:${T:-1}"), LATER, NEW),
    "a variable that makes lines": (OLD.replace("image: old", "image: ${LINES_OF_TEXT}"), LATER, NEW),
    "other alphabets": (OLD + "    fprocess: Ünïcödé 漢字 🎉\n", "# ünd\n", NEW),
    "functions without a value": ("provider:\n  name: openfaas\nfunctions:\n", "", NEW),
    "functions without a value, then more": ("provider:\n  name: openfaas\nfunctions: # none\n", LATER, NEW),
    "no functions": ("provider:\n  name: openfaas\n", "", "functions:\n" + NEW),
    "no functions, then more": ("provider:\n  name: openfaas\n" + LATER, "", "functions:\n" + NEW),
}


def loaded(text):
    """As bandog sees it: scalars are texts."""
    return yaml.load(text, yaml.BaseLoader)


def adding():
    """Each case as it is, in Windows' lines, and without a last newline where something is added there."""
    for case, (before, behind, _) in ADDITIONS.items():
        yield case, "LF"
        yield case, "CRLF"
        if not behind and not before.endswith("\n\n"):
            yield case, "no last newline"


@pytest.mark.parametrize("case, ending", adding())
def test_adding_keeps_every_byte(project, case, ending):
    before, behind, new = ADDITIONS[case]
    if ending == "no last newline":
        before = before[:-1]
    if ending == "CRLF":
        before, behind, new = (text.replace("\n", "\r\n") for text in (before, behind, new))
    project.template()
    project.write("stack.yml", before + behind)
    project.done("new", "hello", "--lang", "tiny", env={"LINES_OF_TEXT": "a\n      b\n      c"})
    text = project.read("stack.yml")
    assert text.startswith(before) and text.endswith(behind), text
    added = text[len(before) : len(text) - len(behind)]
    assert added.strip("\r\n") == new.strip("\r\n"), text
    if ending == "CRLF":
        assert added.count("\n") == added.count("\r\n") == added.count("\r"), repr(added)
    old, now = loaded(before + behind), loaded(text)
    assert now["functions"].pop("hello") == {"lang": "tiny", "handler": "./hello", "image": "hello:latest"}
    assert now == {**old, "functions": old.get("functions") or {}}


def test_many_functions_one_after_the_other(project):
    project.template()
    project.write("stack.yml", OLD + LATER)
    for i in range(12):
        project.done("new", f"f{i}", "--lang", "tiny")
    assert list(loaded(project.read("stack.yml"))["functions"]) == ["old", *(f"f{i}" for i in range(12))]


def test_the_last_function_is_null(project):
    """old: has no value; the new one goes behind it."""
    project.template()
    project.write("stack.yml", "provider:\n  name: openfaas\nfunctions:\n  old:\n" + LATER)
    project.done("new", "hello", "--lang", "tiny")
    assert list(loaded(project.read("stack.yml"))["functions"]) == ["old", "hello"]
