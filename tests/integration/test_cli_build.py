"""bandog build: what the container engine is told, and what the user is."""

import io
import os
import re
import signal
import stat
import subprocess
import tarfile

import pytest

from cli import TEMPLATES, project, tree  # noqa: F401
from harness import wait_gone

WANTS_WATCHDOG = "ARG WATCHDOG_IMAGE=bandog:latest\nFROM ${WATCHDOG_IMAGE} AS watchdog\nFROM scratch\n"


@pytest.fixture
def one(project):
    """A project of one function with a template of its own."""
    options = "build_options:\n- {name: dev, packages: [make, gcc]}\n- {name: net, packages: [curl, make]}\n"
    project.template(files={"template.yml": f"language: tiny\n{options}"})
    project.write("one/handler.sh")
    project.stack({"one": {"lang": "tiny"}})
    return project


def engine_args(project, *args, env=None):
    project.done("build", *args, env=env)
    call = project.engine.call("build")
    assert call.cwd == project.folder / "build/one" and call.stdin == 0
    return call.args


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_plain_command(one):
    assert engine_args(one) == ["build", "--build-arg", "ADDITIONAL_PACKAGE=", "--tag", "me/one:1", "."]
    assert (one.folder / "build/one/Dockerfile").is_file()


def test_every_option_in_its_place(one):
    one.write("secret.txt", "s")
    one.stack({"one": {"lang": "tiny", "build_args": {"A": "1"}, "build_secrets": {"key": "./secret.txt"}}})
    args = engine_args(
        one, "--no-cache", "--squash", "--pull", "-b", "B=2", "--build-label", "l=1", "--build-label=m=x=y",
        env={"http_proxy": "http://p:1", "https_proxy": "http://p:2"},
    )  # fmt: skip
    proxies = ["--build-arg", "http_proxy=http://p:1", "--build-arg", "https_proxy=http://p:2"]
    own = ["--build-arg", "A=1", "--build-arg", "B=2", "--build-arg", "ADDITIONAL_PACKAGE="]
    labels = ["--label", "l=1", "--label", "m=x=y"]
    secret = ["--secret", f"id=key,src={one.folder}/secret.txt"]
    tag = ["--tag", "me/one:1", "."]
    assert args == ["build", "--no-cache", "--squash", *proxies, *own, *labels, "--pull", *secret, *tag]


@pytest.mark.parametrize(
    "image, name",
    [
        ("one", "one:latest"),
        ("me/one", "me/one:latest"),
        ("me/one:1.2", "me/one:1.2"),
        ("host:5000/me/one", "host:5000/me/one:latest"),
        ("host:5000/me/one:x", "host:5000/me/one:x"),
    ],
)
def test_image(one, image, name):
    one.stack({"one": {"lang": "tiny", "image": image}})
    assert engine_args(one)[-3:] == ["--tag", name, "."]


def test_proxies_in_upper_case_are_not_passed(one):
    args = engine_args(one, env={"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "x", "http_proxy": "", "no_proxy": "y"})
    assert args == ["build", "--build-arg", "ADDITIONAL_PACKAGE=", "--tag", "me/one:1", "."]


def test_a_flag_wins_per_key(one):
    one.stack({"one": {"lang": "tiny", "build_args": {"A": "stack", "B": "stack", "C": "x=y z"}}})
    args = engine_args(one, "-b", "B=flag", "--build-arg=D=", "-bE=a b", "--build-arg", "B=last")
    given = [value for name, value in zip(args, args[1:]) if name == "--build-arg"]
    assert given == ["A=stack", "B=last", "C=x=y z", "D=", "E=a b", "ADDITIONAL_PACKAGE="]


@pytest.mark.parametrize(
    "stack, args, packages",
    [
        ({"build_options": ["dev"]}, [], "gcc make"),
        ({"build_options": ["dev", "net"]}, [], "curl gcc make"),
        ({}, ["-o", "net"], "curl make"),
        ({"build_options": ["dev"]}, ["--build-option", "net", "-o", "dev"], "curl gcc make"),
        ({"build_args": {"ADDITIONAL_PACKAGE": "z a  z\nb"}}, [], "a b z"),
        ({"build_args": {"ADDITIONAL_PACKAGE": "z"}, "build_options": ["dev"]}, [], "gcc make z"),
        ({"build_args": {"ADDITIONAL_PACKAGE": "z"}}, ["-b", "ADDITIONAL_PACKAGE=y x"], "x y z"),
        ({}, ["-b", "ADDITIONAL_PACKAGE=y", "-b", "ADDITIONAL_PACKAGE=x"], "x y"),
    ],
)
def test_packages(one, stack, args, packages):
    """Sorted, each once; several on the command line accumulate."""
    one.stack({"one": {"lang": "tiny", **stack}})
    assert f"ADDITIONAL_PACKAGE={packages}" in engine_args(one, *args)


def test_an_unknown_build_option(one):
    ended = one.run("build", "-o", "nonsense")
    assert ended.status == 1 and "nonsense" in ended.stderr and "tiny" in ended.stderr
    assert not one.engine.calls("build")


@pytest.mark.parametrize("pair", ["novalue", "=x", ""])
def test_bad_build_args(one, pair):
    one.refused(2, "--build-arg", args=["build", "-b", "GOOD=1", "-b", pair])
    assert not one.engine.calls() and not (one.folder / "build").exists()


# --- secrets and BuildKit ---------------------------------------------------------------------------------------------


def test_buildkit_for_secrets(one):
    one.write("deep/secret", "s")
    paths = {"a": "deep/../deep/secret", "b": f"{one.folder}/deep/secret"}
    one.stack({"one": {"lang": "tiny", "build_secrets": paths}})
    args = engine_args(one)
    secrets = [f"id={name},src={one.folder}/deep/secret" for name in "ab"]
    assert [value for name, value in zip(args, args[1:]) if name == "--secret"] == secrets
    assert one.engine.call("build").env["DOCKER_BUILDKIT"] == "1"


def test_buildkit_for_ssh(one):
    one.template(files={"template.yml": "mount_ssh: true\n"})
    assert "--ssh" not in engine_args(one, env={"DOCKER_BUILDKIT": "0"})
    assert one.engine.call("build").env["DOCKER_BUILDKIT"] == "1"


@pytest.mark.parametrize("value", [None, "0", "1"])
def test_else_buildkit_is_as_it_was(one, value):
    engine_args(one, env={"DOCKER_BUILDKIT": value, "DOCKER_HOST": "tcp://x"})
    env = one.engine.call("build").env
    assert (env.get("DOCKER_BUILDKIT"), env["DOCKER_HOST"]) == (value, "tcp://x")


def test_a_secret_that_is_not_there(one):
    one.stack({"one": {"lang": "tiny", "build_secrets": {"key": "nowhere"}}})
    ended = one.run("build")
    assert ended.status == 1 and "key" in ended.stderr and "nowhere" in ended.stderr
    assert not one.engine.calls("build")


# --- the watchdog's image ---------------------------------------------------------------------------------------------


@pytest.fixture
def watched(project):
    project.stack({"one": {}})
    project.write("one/Dockerfile", WANTS_WATCHDOG)
    return project


def watchdog_image(call):
    given = [arg for arg in call.build_args() if arg.startswith("WATCHDOG_IMAGE=")]
    assert len(given) == 1, call
    return given[0].removeprefix("WATCHDOG_IMAGE=")


def test_the_watchdog_is_imported(watched):
    """The engine has no such image: it gets one with a single file, the fwatchdog inside bandog."""
    watched.engine.answer("inspect", status=1, stderr="No such image\n")
    ended = watched.done("build")
    inspect, imported, build = watched.engine.calls()
    image = watchdog_image(build)
    assert re.fullmatch("bandog-watchdog:[0-9a-f]{8,64}", image)
    assert inspect.args == ["image", "inspect", image]
    assert imported.args == ["import", "-", image] and imported.stdin > 100_000
    assert "No such image" not in ended.all


def test_what_is_imported(watched, scratch):
    """A tar archive that the engine keeps."""
    script = f'#!/bin/sh\ncase $1 in import) cat >"{scratch}/tar" ;; image) exit 1 ;; esac\n'
    (watched.bin / "docker").write_text(script)
    watched.done("build")
    with tarfile.open(fileobj=io.BytesIO((scratch / "tar").read_bytes())) as archive:
        (file,) = archive.getmembers()
        content = archive.extractfile(file).read()
    assert (file.name.removeprefix("./"), file.isreg(), file.mode & 0o777) == ("fwatchdog", True, 0o755)
    assert content[:4] == b"\x7fELF"
    program = scratch / "fwatchdog"
    program.write_bytes(content)
    program.chmod(0o755)
    said = subprocess.run([str(program), "--version"], capture_output=True, check=True)
    assert re.search(rb"Version: \S+\tSHA: \S+", said.stdout + said.stderr), said


def test_the_watchdog_is_there_already(watched):
    watched.done("build")
    inspect, build = watched.engine.calls()
    assert inspect.args == ["image", "inspect", watchdog_image(build)]


def test_it_is_asked_for_once(watched):
    watched.stack({"one": {}, "two": {}})
    for name in ("one", "two"):
        watched.write(f"{name}/Dockerfile", WANTS_WATCHDOG)
    watched.engine.answer("inspect", status=1)
    watched.done("build", "--parallel=2")
    assert len(watched.engine.calls("inspect")) == len(watched.engine.calls("import")) == 1
    assert len({watchdog_image(call) for call in watched.engine.calls("build")}) == 1


@pytest.mark.parametrize("way", ["stack", "flag"])
def test_somebody_gave_one(watched, way):
    if way == "stack":
        watched.stack({"one": {"build_args": {"WATCHDOG_IMAGE": "mine:1"}}})
        watched.write("one/Dockerfile", WANTS_WATCHDOG)
    watched.done("build", *(["-b", "WATCHDOG_IMAGE=mine:1"] if way == "flag" else []))
    (build,) = watched.engine.calls()
    assert watchdog_image(build) == "mine:1"


@pytest.mark.parametrize(
    "dockerfile", ["FROM scratch\n", "# ARG WATCHDOG_IMAGE\nFROM scratch\n", "FROM x\nENV WATCHDOG_IMAGE=x\n"]
)
def test_nobody_asks_for_one(watched, dockerfile):
    watched.write("one/Dockerfile", dockerfile)
    watched.done("build")
    (build,) = watched.engine.calls()
    assert not [arg for arg in build.build_args() if arg.startswith("WATCHDOG_IMAGE")]


@pytest.mark.parametrize("dockerfile", ["arg  WATCHDOG_IMAGE\nFROM x\n", "FROM x\nARG A=1 \\\n  WATCHDOG_IMAGE=y\n"])
def test_other_ways_to_write_it(watched, dockerfile):
    watched.write("one/Dockerfile", dockerfile)
    watched.done("build")
    watchdog_image(watched.engine.call("build"))


def test_the_import_fails(watched):
    watched.engine.answer("inspect", status=1)
    watched.engine.answer("import", status=1, stderr="no space\n")
    ended = watched.run("build")
    assert ended.status == 1 and "no space" in ended.stderr
    assert not watched.engine.calls("build")


@pytest.mark.parametrize("name", sorted(p.parent.name for p in TEMPLATES.glob("*/Dockerfile")))
def test_every_template_inside_bandog_wants_it(project, name):
    if name == "dockerfile":
        project.done("new", "hello", "--lang", name)
    else:
        project.done("new", "hello", "--lang", name, "-p", "me")
    project.done("build")
    watchdog_image(project.engine.call("build"))


# --- which engine -----------------------------------------------------------------------------------------------------


def path_without_engines(project):
    """A folder with the few programs that the fake engine and Git need."""
    lean = project.root / "lean"
    lean.mkdir()
    for name in ("git", "sh", "env"):
        os.symlink(f"/usr/bin/{name}", lean / name)
    return str(lean)


@pytest.mark.parametrize(
    "installed, chosen, runs",
    [
        (["docker", "podman"], None, "docker"),
        (["podman"], None, "podman"),
        (["docker", "podman"], "podman", "podman"),
        (["docker", "nerdctl"], "nerdctl", "nerdctl"),
        (["docker", "podman"], "{bin}/podman", "podman"),
        (["docker", "podman"], "", "docker"),
    ],
)
def test_the_engine_is_chosen(one, installed, chosen, runs):
    os.remove(one.bin / "docker")
    for name in installed:
        one.engine.install(name)
    env = {"PATH": f"{one.bin}:{path_without_engines(one)}"}
    if chosen is not None:
        env["BANDOG_ENGINE"] = chosen.format(bin=one.bin)
    one.done("build", env=env)
    assert one.engine.call("build").program == runs


def test_an_engine_relative_to_the_working_folder(one):
    """build/NAME is not that folder."""
    one.write("mine", '#!/bin/sh\npwd >"$HOME/ran"\n', 0o755)
    one.done("build", env={"BANDOG_ENGINE": "./mine"})
    assert (one.home / "ran").read_text() == f"{one.folder}/build/one\n"


def test_no_engine(one):
    env = {"PATH": path_without_engines(one)}
    one.refused(1, "docker", "podman", "bandog dev", args=["build"], env=env)
    one.done("build", "--shrinkwrap", env=env)


@pytest.mark.parametrize("engine", ["nonsense", "/nowhere/docker", "./one"])
def test_an_engine_that_is_not_there(one, engine):
    one.refused(1, engine, args=["build"], env={"BANDOG_ENGINE": engine})
    assert not one.engine.calls()


def test_an_engine_that_cannot_run(one):
    """It is executable, but no program."""
    (one.bin / "docker").write_bytes(b"\x7fELF")
    ended = one.run("build")
    assert ended.status == 1 and "one" in ended.stderr and "Building one" in ended.stdout


# --- what is said -----------------------------------------------------------------------------------------------------


def test_output(one):
    one.engine.answer("build", stdout="Step 1\nStep 2", stderr="a warning\n")
    lines = one.done("build").stdout.splitlines()
    assert lines[0] == "[0] > Building one."
    assert sorted(lines[1:4]) == ["one | Step 1", "one | Step 2", "one | a warning"]
    assert lines.index("one | Step 1") < lines.index("one | Step 2")
    assert re.fullmatch(r"\[0\] < Building one done in \d+\.\d\ds\.", lines[4])
    assert re.fullmatch(r"Total build time: \d+\.\d\ds", lines[-1])


def test_quiet(one):
    one.engine.answer("build", stdout="Step 1\n", stderr="a warning\n")
    out = one.done("build", "-q").stdout
    assert "Step" not in out and "warning" not in out and "Building one" in out


def test_names_are_in_a_column(project):
    project.stack({"a": {}, "longer-name": {}})
    project.engine.answer("build", stdout="line\n")
    lines = [line for line in project.done("build").stdout.splitlines() if " | " in line]
    assert len(lines) == 2 and len({line.index("|") for line in lines}) == 1, lines


def test_the_engines_output_is_tamed(one):
    """Escapes, half characters, long lines; the colours of engines may stay."""
    text = "a\033]0;title\007b\rc\033[2Jd\u009be\n" + "x" * 100_000 + "\nlast\n"
    one.engine.answer("build", stdout=text, stderr="\033]0;evil\007\n", status=1)
    ended = one.run("build")
    assert ended.status == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", ended.all), ended.all[:2000]
    assert ended.stdout.count("x") >= 100_000 and "one | last\n" in ended.stdout


@pytest.mark.parametrize("text", [r"\303(", r"\377\376", r"\360\237", r"\342\202\n\254", r"a\000b"])
def test_output_that_is_no_utf_8(one, text):
    (one.bin / "docker").write_text(f"#!/bin/sh\nprintf '{text}\\nend\\n'\n")
    with open(one.root / "out", "wb") as out:
        assert one.run("build", stdout=out).status == 0
    text = (one.root / "out").read_bytes().decode()
    assert "one | end\n" in text and "\0" not in text


# --- several functions ------------------------------------------------------------------------------------------------


def test_others_are_built_after_a_failure(project):
    project.stack({"a": {}, "b": {}, "c": {"lang": "nonsense"}, "d": {}})
    project.engine.answer("me/a:1", status=3, stderr="first\nthe reason\n")
    ended = project.run("build")
    assert ended.status == 1
    assert [call.values("--tag") for call in project.engine.calls("build")] == [["me/a:1"], ["me/b:1"], ["me/d:1"]]
    assert re.search(r"^\[0\] < Building b done in ", ended.stdout, re.M)
    assert "< Building a done" not in ended.stdout
    assert re.search(r"^Errors received during build:\n- \[a\] .*\b3\b.*the reason", ended.stderr, re.M), ended
    assert 'template: "nonsense" was not found' in ended.stderr


def test_an_engine_that_is_killed(one):
    (one.bin / "docker").write_text("#!/bin/sh\nkill -KILL $$\n")
    ended = one.run("build")
    assert ended.status == 1 and re.search(r"^- \[one\] .*\b9\b", ended.stderr, re.M), ended


def test_parallel(project, gate):
    """Two at a time: both have started before either may end, and the third waits."""
    project.stack({"a": {}, "b": {}, "c": {}})
    project.engine.answer("build", **{"started": gate.env["STARTED"], "gate": gate.env["GATE"]})
    running = project.start("build", "--parallel", "2")
    gate.started()
    gate.started()
    assert gate.nothing_started() and len(project.engine.calls("build")) == 2
    gate.open(1)
    gate.started()
    gate.open(2)
    ended = running.ended()
    assert (ended.status, ended.stderr) == (0, "")
    assert sorted(re.findall(r"^\[[01]\] > Building (\w)\.$", ended.stdout, re.M)) == ["a", "b", "c"]
    assert {w for w in re.findall(r"^\[(\d+)\] [<>]", ended.stdout, re.M)} == {"0", "1"}


def test_one_at_a_time_without(project, gate):
    project.stack({"a": {}, "b": {}})
    project.engine.answer("build", **{"started": gate.env["STARTED"], "gate": gate.env["GATE"]})
    running = project.start("build")
    gate.started()
    assert len(project.engine.calls("build")) == 1
    gate.open(2)
    gate.started()
    assert running.ended().status == 0


def test_more_workers_than_functions(project):
    project.stack({"a": {}, "b": {}})
    project.done("build", "--parallel=64")
    assert len(project.engine.calls("build")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_engines(project, gate, number):
    project.stack({"a": {}, "b": {}, "c": {}})
    project.engine.answer("build", **{"started": gate.env["STARTED"], "gate": gate.env["GATE"]})
    running = project.start("build", "--parallel=2")
    pids = [gate.started(), gate.started()]
    running.process.send_signal(number)
    for pid in pids:
        wait_gone(pid)
    ended = running.ended()
    assert ended.status not in (0, 2)
    assert len(project.engine.calls("build")) == 2 and "Building c" not in ended.stdout


# --- skip_build, and what is missing ----------------------------------------------------------------------------------


def test_skip_build(project):
    """It needs neither lang nor handler then."""
    project.stack({"one": {"skip_build": True, "lang": None, "handler": None, "image": "x"}, "two": {}})
    out = project.done("build").stdout
    assert "Skipping build of: one.\n" in out
    assert project.engine.call("build").cwd.name == "two" and os.listdir(project.folder / "build") == ["two"]


def test_all_are_skipped(project):
    project.stack({"one": {"skip_build": True}})
    assert "Skipping build of: one.\n" in project.done("build").stdout
    assert not project.engine.calls()


@pytest.mark.parametrize("field", ["lang", "image", "handler"])
def test_a_field_is_missing(project, field):
    project.stack({"one": {field: None}, "two": {}})
    ended = project.run("build")
    assert ended.status == 1 and field in ended.stderr and "one" in ended.stderr, ended
    assert project.engine.call("build").cwd.name == "two"


def test_build_is_a_file(one):
    one.write("build", "mine")
    ended = one.run("build")
    assert ended.status == 1 and "build" in ended.stderr
    assert one.read("build") == "mine" and not one.engine.calls("build")


def test_only_build_changes(one):
    """Nothing else is written in the working folder or at home."""
    before = tree(one.folder)
    one.done("build")
    after = {path: row for path, row in tree(one.folder).items() if path.split("/")[0] != "build"}
    assert after == before and os.listdir(one.home) == []
    assert stat.S_ISDIR((one.folder / "build/one").stat().st_mode)
