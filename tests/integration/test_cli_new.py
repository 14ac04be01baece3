"""bandog new: the folder, the stack file and .gitignore of a new function."""

import json
import os
import re

import pytest
import yaml

from cli import TEMPLATES, contents, project, tree  # noqa: F401

GIT_IGNORE = "template\nbuild\n.secrets\n"
STACK = """\
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  hello:
    lang: tiny
    handler: ./hello
    image: hello:latest

"""


@pytest.fixture
def new(project):
    """new("hello", "-q"): with a template of the project's own."""
    project.template()

    def run(*args, **options):
        return project.done("new", "--lang", "tiny", *args, **options)

    return run


def shipped():
    return sorted(folder.parent.name for folder in TEMPLATES.glob("*/template.yml"))


def function_in(project, file="stack.yml", name="hello"):
    return yaml.safe_load(project.read(file))["functions"][name]


# --- what is made -----------------------------------------------------------------------------------------------------


def test_a_new_function(project, new):
    ended = new("hello")
    assert [line for line in ended.stdout.splitlines() if line] == [
        "Folder: hello created.",
        "Function created in folder: hello",
        "Stack file written: stack.yml",
        "Notes:",
        "Edit the handler.",
        "Next: bandog dev hello",
    ]
    assert project.read("stack.yml") == STACK
    assert project.read(".gitignore") == GIT_IGNORE
    assert tree(project.folder / "hello") == {"handler.sh": (0o755, b"#!/bin/sh\ncat\n")}


def test_quiet(new):
    ended = new("hello", "--quiet")
    assert "Notes:" not in ended.stdout and "Edit the handler." not in ended.stdout
    assert ended.stdout.splitlines()[-1] == "Next: bandog dev hello"


def test_a_second_function_is_added(project, new):
    new("hello")
    ended = new("world")
    assert "Stack file updated: stack.yml\n" in ended.stdout
    assert project.read("stack.yml") == STACK + STACK[STACK.index("  hello:") :].replace("hello", "world")
    assert project.read(".gitignore") == GIT_IGNORE


def test_resources(project, new):
    new(
        "hello", "--memory-limit", "64Mi", "--cpu-limit", "100m", "--memory-request", "32Mi", "--cpu-request", "50m",
        "-p", "me",
    )  # fmt: skip
    assert project.read("stack.yml") == STACK.replace("hello:latest", "me/hello:latest")[:-1] + (
        "    requests:\n      cpu: 50m\n      memory: 32Mi\n    limits:\n      cpu: 100m\n      memory: 64Mi\n\n"
    )


@pytest.mark.parametrize(
    "option, place",
    [
        ("--memory-limit=64Mi", ("limits", {"memory": "64Mi"})),
        ("--cpu-limit=100m", ("limits", {"cpu": "100m"})),
        ("--memory-request=1e9", ("requests", {"memory": "1e9"})),
        ("--cpu-request=0.5", ("requests", {"cpu": "0.5"})),
    ],
)
def test_one_resource(project, new, option, place):
    new("hello", option)
    loaded = yaml.load(project.read("stack.yml"), yaml.BaseLoader)["functions"]["hello"]
    assert loaded[place[0]] == place[1]
    assert {"limits", "requests"} & set(loaded) == {place[0]}


@pytest.mark.parametrize("name", ["a", "0", "a-b", "0--9", "a" * 63])
def test_good_names(project, new, name):
    new(name)
    assert list(yaml.load(project.read("stack.yml"), yaml.BaseLoader)["functions"]) == [name]
    project.done("build", "--shrinkwrap")


def test_names_that_yaml_reads_as_something_else(project, new):
    """Plain, these would be a bool, numbers, nothing."""
    names = ["yes", "null", "12", "1e3", "0x1f", "on"]
    for name in names:
        new(name)
    assert list(yaml.safe_load(project.read("stack.yml"))["functions"]) == names
    project.done("build", "--shrinkwrap")


def test_the_name_may_stand_before_the_options(project):
    project.template()
    project.done("new", "hello", "--lang", "tiny")
    assert (project.folder / "hello").is_dir()


# --- prefix and gateway -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, env, image",
    [
        ((), {}, "hello:latest"),
        (("--prefix", "me"), {}, "me/hello:latest"),
        (("-p", "host:5000/me"), {"OPENFAAS_PREFIX": "you"}, "host:5000/me/hello:latest"),
        ((), {"OPENFAAS_PREFIX": "you"}, "you/hello:latest"),
        ((), {"OPENFAAS_PREFIX": ""}, "hello:latest"),
        (("--prefix=me/",), {}, "me/hello:latest"),
    ],
)
def test_prefix(project, new, args, env, image):
    new("hello", *args, env=env)
    assert function_in(project)["image"] == image


@pytest.mark.parametrize(
    "args, env, gateway",
    [
        ((), {}, "http://127.0.0.1:8080"),
        (("-g", "http://gw:1"), {"OPENFAAS_URL": "http://other:2"}, "http://gw:1"),
        (("--gateway", "https://gw/"), {}, "https://gw"),
        ((), {"OPENFAAS_URL": "http://other:2/"}, "http://other:2"),
        ((), {"OPENFAAS_URL": ""}, "http://127.0.0.1:8080"),
        (("-g", "http://127.0.0.1:8080"), {"OPENFAAS_URL": "http://other:2"}, "http://127.0.0.1:8080"),
    ],
)
def test_gateway(project, new, args, env, gateway):
    new("hello", *args, env=env)
    assert yaml.safe_load(project.read("stack.yml"))["provider"]["gateway"] == gateway


@pytest.mark.parametrize("option", ["--prefix", "--gateway", "--memory-limit", "--cpu-request"])
@pytest.mark.parametrize("value", ["a: b", "x #y", "*z", "new\nversion: 2.0", "'", '"', "{"])
def test_values_cannot_break_the_stack_file(project, option, value):
    """Each is quoted or refused; what is written reads back as it was given."""
    project.template()
    ended = project.run("new", "hello", "--lang", "tiny", option, value)
    if ended.status:
        assert ended.stderr.startswith("bandog: ") and not (project.folder / "stack.yml").exists()
        assert not (project.folder / "hello").exists()
        return
    document = yaml.safe_load(project.read("stack.yml"))
    assert set(document) == {"version", "provider", "functions"} and document["version"] == 1.0
    texts = [document["provider"]["gateway"], document["functions"]["hello"]["image"]]
    texts += [v for group in ("limits", "requests") for v in document["functions"]["hello"].get(group, {}).values()]
    assert any(value in text for text in texts), document


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_whole_starter_is_copied(project):
    """Hidden files, folders in folders, empty ones, binary files, permissions; not what else is in the template."""
    project.template(
        files={
            "function/.hidden": "h",
            "function/a/b/c.txt": "deep",
            "function/run.sh": "#!/bin/sh\n",
            "function/binary": bytes(range(256)) * 300,
            "function/empty": "",
            "README.md": "not for the author",
        }
    )
    (project.folder / "template/tiny/function/void").mkdir()
    project.done("new", "hello", "--lang", "tiny")
    assert tree(project.folder / "hello") == tree(project.folder / "template/tiny/function")
    assert tree(project.folder / "hello")["run.sh"][0] == 0o755


def test_the_starter_may_be_elsewhere(project):
    files = {"template.yml": "handler_folder: src/fn\n", "src/fn/main.c": "int x;\n", "function/handler.sh": None}
    project.template(files=files)
    project.done("new", "hello", "--lang", "tiny")
    assert contents(project.folder / "hello") == {"main.c": b"int x;\n"}


@pytest.mark.parametrize("umask, folder_mode", [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_umask(project, new, umask, folder_mode):
    new("hello", umask=umask)
    assert (project.folder / "hello").stat().st_mode & 0o777 == folder_mode
    assert (project.folder / "stack.yml").stat().st_mode & 0o777 == folder_mode & 0o666
    assert (project.folder / ".gitignore").stat().st_mode & 0o777 == folder_mode & 0o666


@pytest.mark.parametrize(
    "handler, written",
    [
        ("src", "./src"),
        ("./src", "./src"),
        ("a/b/c", "./a/b/c"),
        ("../beside", "./../beside|../beside"),
        ("src/", "./src/?"),
    ],
)
def test_handler(project, new, handler, written):
    ended = new("hello", "--handler", handler)
    assert (project.folder / handler / "handler.sh").is_file()
    assert re.fullmatch(written.replace(".", r"\."), function_in(project)["handler"])
    assert re.search(rf"^Function created in folder: (\./)?{os.path.normpath(handler)}$", ended.stdout, re.M), ended
    assert project.shrinkwrap("hello")["function/handler.sh"] == (0o755, b"#!/bin/sh\ncat\n")


def test_an_absolute_handler(project, new, scratch):
    new("hello", "--handler", f"{scratch}/else/where")
    assert function_in(project)["handler"] == f"{scratch}/else/where"
    assert project.shrinkwrap("hello")["function/handler.sh"] == (0o755, b"#!/bin/sh\ncat\n")


# --- which stack file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there, args, chosen",
    [
        ([], (), "stack.yml"),
        (["stack.yml"], (), "stack.yml"),
        (["stack.yaml"], (), "stack.yaml"),
        (["stack.yaml", "stack.yml"], (), "stack.yaml"),
        (["stack.yaml"], ("-f", "other.yml"), "other.yml"),
        (["other.yml"], ("-f", "other.yml"), "other.yml"),
        (["stack.yml"], ("--yaml", "sub/other.yaml"), "sub/other.yaml"),
        (["other.yml", "stack.yml"], ("-a", "other.yml"), "other.yml"),
        (["other.yml", "third.yml"], ("--append", "other.yml", "-f", "third.yml"), "other.yml"),
    ],
)
def test_the_stack_file_is_chosen(project, new, there, args, chosen):
    (project.folder / "sub").mkdir()
    for file in there:
        project.stack({"old": {}}, file=file)
        project.write(file, "provider:\n  name: openfaas\nfunctions:\n  old:\n    image: old\n")
    before = contents(project.folder)
    ended = new("hello", *args)
    after = contents(project.folder)
    word = "updated" if chosen in there else "written"
    assert f"Stack file {word}: {chosen}\n" in ended.stdout
    assert [f for f in before if after[f] != before[f]] == ([chosen] if chosen in there else [])
    assert function_in(project, chosen)["lang"] == "tiny"
    option = f"-f {chosen} " if args else ""
    assert ended.stdout.splitlines()[-1] == f"Next: bandog dev {option}hello"


def test_an_absolute_stack_file(project, new, scratch):
    new("hello", "-f", f"{scratch}/stack.yml")
    assert yaml.safe_load((scratch / "stack.yml").read_text())["functions"]["hello"]["handler"] == "./hello"
    assert (project.folder / "hello").is_dir() and not (project.folder / "stack.yml").exists()


@pytest.mark.parametrize("before", ["", "\n", "# mine\n", "# mine", "---\n"])
def test_a_stack_file_with_nothing_in_it(project, new, before):
    project.write("stack.yml", before)
    new("hello")
    text = project.read("stack.yml")
    assert text.startswith(before) and text.endswith(STACK)
    project.done("build", "--shrinkwrap")


def test_permissions_of_a_stack_file_stay(project, new):
    project.write("stack.yml", "provider: {name: openfaas}\nfunctions:\n", 0o600)
    new("hello")
    assert (project.folder / "stack.yml").stat().st_mode & 0o777 == 0o600


def test_a_stack_file_behind_a_link_stays_there(project, new):
    project.write("real/shared.yml", "provider: {name: openfaas}\nfunctions:\n")
    os.symlink("real/shared.yml", project.folder / "stack.yml")
    new("hello")
    assert (project.folder / "stack.yml").is_symlink()
    assert "hello" in yaml.safe_load(project.read("real/shared.yml"))["functions"]


# --- .gitignore -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after",
    [
        (None, GIT_IGNORE),
        ("", GIT_IGNORE),
        ("*.o\n", "*.o\n" + GIT_IGNORE),
        ("*.o", "*.o\n" + GIT_IGNORE),
        ("build\n", "build\ntemplate\n.secrets\n"),
        ("build", "build\ntemplate\n.secrets\n"),
        (".secrets\n# own\nbuild\ntemplate\n", ".secrets\n# own\nbuild\ntemplate\n"),
        ("template\nbuild\n.secrets", "template\nbuild\n.secrets"),
        ("rebuild\ntemplates\nx.secrets\n#build\n", "rebuild\ntemplates\nx.secrets\n#build\n" + GIT_IGNORE),
    ],
)
def test_gitignore(project, new, before, after):
    if before is not None:
        project.write(".gitignore", before)
    new("hello")
    assert project.read(".gitignore") == after


def test_gitignore_of_windows(project, new):
    """Lines that end in CR LF count; none is written twice."""
    project.write(".gitignore", "template\r\nbuild\r\n.secrets\r\n")
    new("hello")
    assert project.read(".gitignore") == "template\r\nbuild\r\n.secrets\r\n"


# --- templates --------------------------------------------------------------------------------------------------------


def test_a_template_with_a_ref(project):
    project.template("tiny@v1.2")
    project.done("new", "hello", "--lang", "tiny@v1.2")
    assert function_in(project)["lang"] == "tiny@v1.2"
    project.done("build", "--shrinkwrap")


def test_a_folder_wins_over_what_is_inside_bandog(project):
    project.template("bash", files={"function/handler.sh": "mine\n"})
    project.done("new", "hello", "--lang", "bash")
    assert contents(project.folder / "hello") == {"handler.sh": b"mine\n"}


@pytest.mark.parametrize("word", ["dockerfile", "Dockerfile"])
def test_dockerfile(project, word):
    project.done("new", "hello", "--lang", word)
    assert function_in(project)["lang"] == "dockerfile"
    assert (project.folder / "hello/Dockerfile").is_file()
    assert project.shrinkwrap("hello") == tree(project.folder / "hello")


def test_a_dockerfile_template_of_the_project(project):
    files = {"Dockerfile": None, "function/Dockerfile": "FROM scratch\n", "function/handler.sh": None}
    project.template("dockerfile", files=files)
    project.done("new", "hello", "--lang", "dockerfile")
    assert contents(project.folder / "hello") == {"Dockerfile": b"FROM scratch\n"}


def test_a_template_without_welcome(project):
    project.template(files={"template.yml": ""})
    assert "Notes:" not in project.done("new", "hello", "--lang", "tiny").stdout


def test_the_welcome_names_the_handler(project):
    project.template(files={"template.yml": "welcome_message: |\n  Edit {handler}/x.\n\n  Then run it.\n"})
    out = project.done("new", "hello", "--lang", "tiny", "--handler", "src/h").stdout
    assert "Notes:\nEdit src/h/x.\n\nThen run it.\n" in out, out


def test_the_welcome_is_tamed(project):
    project.template(files={"template.yml": 'welcome_message: "a\\e]0;b\\a\\u009bc"\n'})
    out = project.done("new", "hello", "--lang", "tiny").stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out), out


@pytest.mark.parametrize("name", shipped())
def test_every_template_inside_bandog(project, name):
    """`new` gives the starter of the source tree, `build` the template with it."""
    text = yaml.safe_load((TEMPLATES / name / "template.yml").read_text(encoding="utf-8"))
    starter = text.get("handler_folder") or "function"

    def source(folder):
        found = contents(folder)
        return {p: c for p, c in found.items() if not re.search("(^|/)(node_modules|__pycache__|vendor)/", p)}

    out = project.done("new", "hello", "--lang", name).stdout
    assert contents(project.folder / "hello") == source(TEMPLATES / name / starter)
    assert text["welcome_message"].splitlines()[0].replace("{handler}", "hello") in out
    project.done("build", "--shrinkwrap")
    if name == "dockerfile":
        assert contents(project.folder / "build/hello") == contents(project.folder / "hello")
    else:
        assert contents(project.folder / "build/hello") == source(TEMPLATES / name)


# --- --list -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("new", "--list"), ("template", "list")])
def test_list(project, command):
    project.template("alpha", files={"template.yml": "language: Alpha\ndescription: the first\n"})
    lines = project.done(*command).stdout.splitlines()
    assert re.fullmatch(r"NAME +LANGUAGE +MODE +DESCRIPTION", lines[0])
    names = [line.split()[0] for line in lines[1:]]
    assert names == sorted(names) and {"alpha", *shipped()} <= set(names)
    assert re.fullmatch(r"alpha +Alpha +\S+ +the first", lines[1])
    for column in ("LANGUAGE", "MODE", "DESCRIPTION"):
        assert all(line[lines[0].index(column) - 1] == " " for line in lines), column


@pytest.mark.parametrize("command", [("new", "--list"), ("template", "list")])
def test_list_as_json(project, command):
    project.template("bash", files={"template.yml": 'language: Mine\ndescription: "it\'s \\"mine\\"\\n\\t\\\\"\n'})
    project.template("own", files={"template.yml": ""})
    rows = {row["name"]: row for row in json.loads(project.done(*command, "--output", "json").stdout)}
    assert {"own", "bash", *shipped()} <= set(rows) and list(rows) == sorted(rows)
    for name, row in rows.items():
        assert set(row) == {"name", "language", "mode", "description", "source"}
        assert row["source"] == (f"./template/{name}" if name in ("own", "bash") else "bandog"), row
    assert (rows["bash"]["language"], rows["bash"]["description"]) == ("Mine", 'it\'s "mine"\n\t\\')


@pytest.mark.parametrize("name", [n for n in shipped() if n != "dockerfile"])
def test_list_knows_the_mode(project, name):
    """It is that of the Dockerfile."""
    dockerfile = (TEMPLATES / name / "Dockerfile").read_text(encoding="utf-8")
    mode = re.search(r'\bmode="?([a-z]+)', dockerfile)
    rows = {row["name"]: row for row in json.loads(project.done("new", "--list", "--output=json").stdout)}
    assert rows[name]["mode"] == (mode.group(1) if mode else "classic")
