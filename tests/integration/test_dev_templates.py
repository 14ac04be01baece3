"""A new user, a template, and a function that is live and changes with each save: every template of bandog's own."""

import os
import subprocess
from pathlib import Path

import pytest

from dev import project  # noqa: F401
from harness import PATIENCE, REPO, need_program

yaml = pytest.importorskip("yaml")

# Where a new function says what it answers.
FILES = {
    "bash": "handler.sh",
    "c-http": "handler.c",
    "cgi": "handler.cgi",
    "dockerfile": "Dockerfile",
    "go-http": "handler.go",
    "java-http": "Handler.java",
    "node": "handler.js",
    "node-http": "handler.js",
    "perl": "handler.pl",
    "php-http": "src/Handler.php",
    "python3": "handler.py",
    "python3-http": "handler.py",
    "ruby-http": "handler.rb",
    "static-site": "index.html",
}
WORDS = {"dockerfile": ('"cat"', '"rev"')}  # the others greet
GREETING = ("Hello", "Goodbye")
ANSWERS = {"dockerfile": ("hello", "olleh")}

# These read the whole handler before they listen: what is no program does not start.
STRICT = ["c-http", "go-http", "java-http", "node-http", "python3-http", "ruby-http"]

COMPILED = PATIENCE * 9  # a compiler that has nothing in its cache
CACHE = {"GOCACHE": os.environ.get("GOCACHE") or str(Path.home() / ".cache/go-build")}


def need_runtime(name):
    """What the template says that it needs."""
    template = yaml.safe_load((REPO / "templates" / name / "template.yml").read_text(encoding="utf-8"))
    for program in (template.get("dev") or {}).get("requires") or {}:
        need_program(program)


@pytest.fixture
def hello(project):
    """Starts a new function of a template, as somebody does who has never seen it."""

    def start(name):
        need_runtime(name)
        project.bandog("new", "hello", "--lang", name)
        project.know_all()
        d = project.dev(**CACHE)
        d.port("hello", timeout=COMPILED)
        return d

    return start


def curl(d):
    """What the command prints that the ready line names."""
    command = d.said("^hello is ready: (curl .*)")[1].replace("curl", "curl -sSf", 1)
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


def change(d, name):
    """Says something else, and waits until that is live."""
    path = d.project.path("hello") / FILES[name]
    old, new = WORDS.get(name, GREETING)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    d.said("^hello is ready again after ", timeout=COMPILED)


def test_every_template_is_tried():
    assert sorted(FILES) == sorted(os.listdir(REPO / "templates"))


@pytest.mark.parametrize("name", FILES)
def test_new_function(hello, name):
    need_program("curl")
    d = hello(name)
    before, after = ANSWERS.get(name, GREETING)
    assert before in curl(d)
    change(d, name)
    answer = curl(d)
    assert after in answer and before not in answer


@pytest.mark.parametrize("name", STRICT)
def test_handler_that_is_no_program(hello, name):
    d = hello(name)
    path = d.project.path("hello") / FILES[name]
    text = path.read_text(encoding="utf-8")
    answer = d.text("hello", "POST", body=b"hello")
    path.write_text(text + "((((\n", encoding="utf-8")
    complaint = d.complained("^bandog: hello: does not start.*", timeout=COMPILED)[0]
    assert complaint.endswith("the last version keeps serving")
    assert d.text("hello", "POST", body=b"hello") == answer
    path.write_text(text, encoding="utf-8")
    d.said("^hello is ready again after ", timeout=COMPILED)
    assert d.text("hello", "POST", body=b"hello") == answer


def test_all_together(project):
    """Functions of several templates in one stack file, added one after the other."""
    names = []
    for name in ("bash", "perl", "python3", "python3-http"):
        need_runtime(name)
        names.append(f"of-{name}")
        project.bandog("new", names[-1], "--lang", name)
    project.know_all()
    project.functions = dict.fromkeys(names)
    d = project.dev()
    for name in names:
        assert "Hello" in d.text(name, "POST", body=b"hello")
