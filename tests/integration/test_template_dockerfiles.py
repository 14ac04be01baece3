"""The rules that every template keeps, as far as they can be read from its files: no Docker here."""

import json
import re
import shlex
import stat

import pytest
import yaml

from function_templates import TEMPLATES

NAMES = sorted(p.name for p in TEMPLATES.iterdir() if p.is_dir())
UNPACKED = {"node_modules", "__pycache__", "vendor"}  # what tools leave in a template's folder
LARGEST = 32 * 1024

# What both builders know, the older one and BuildKit.
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "USER", "WORKDIR"}
COPY_FLAGS = {"from", "chown"}

YML_KEYS = {"language", "description", "fprocess", "build_options", "welcome_message", "handler_folder", "dev"}
DEV_KEYS = {"requires", "install", "build", "keep", "environment"}
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
OF_ANY_CONTEXT = [".git/HEAD", ".dockerignore", "Dockerfile"]
NEVER_IN_AN_IMAGE = [*OF_ANY_CONTEXT, "function/.git/HEAD", "README.md", "template.yml"]


class Instruction:
    def __init__(self, line):
        self.name, _, rest = line.partition(" ")
        self.name = self.name.upper()
        self.rest = rest.strip()
        self.flags = {}
        while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", self.rest):
            self.flags[match[1]] = match[2]
            self.rest = self.rest[match.end() :]

    def __repr__(self):
        return f"{self.name} {self.rest}"


class Stage:
    def __init__(self, image, name, parent, flags):
        self.image = image
        self.flags = flags
        self.name = name
        self.parent = parent  # the stage that it is FROM, if it is one
        self.own = []  # its instructions

    def line(self):
        """The stages that it is FROM, and itself."""
        return [*(self.parent.line() if self.parent else []), self]

    def all(self, name):
        """Its instructions of that name, after those of the stages that it is FROM."""
        return [i for stage in self.line() for i in stage.own if i.name == name]


class Dockerfile:
    def __init__(self, path):
        self.text = path.read_text(encoding="utf-8")
        self.comments = re.findall(r"^\s*#\s*(.*)$", self.text, re.M)
        self.arguments = {}  # those before the first FROM
        self.first = []  # all that is before the first FROM
        self.stages = []
        code = re.sub(r"^\s*#.*\n", "", self.text, flags=re.M)
        for line in re.sub(r"\\\n", " ", code).splitlines():
            if line.strip():
                self.add(Instruction(line.strip()))

    def add(self, instruction):
        if instruction.name == "FROM":
            image, _, name = re.match(r"(\S+)(\s+AS\s+(\S+))?$", instruction.rest, re.I).groups()
            self.stages.append(Stage(image, name, self.stage(image), instruction.flags))
        elif self.stages:
            self.stages[-1].own.append(instruction)
        else:
            self.first.append(instruction)
            name, _, default = instruction.rest.partition("=")
            self.arguments[name] = default

    def stage(self, name):
        return next((s for s in self.stages if s.name == name), None)

    @property
    def last(self):
        return self.stages[-1]

    def instructions(self, name):
        return [i for stage in self.stages for i in stage.own if i.name == name]

    def behind(self, stage):
        """All stages without which that one cannot be built."""
        needed = [stage.parent] if stage.parent else []
        needed += [self.stage(i.flags["from"]) for i in stage.own if "from" in i.flags]
        return needed + [further for s in needed for further in self.behind(s)]

    def environment(self):
        """What a container of the last stage starts with."""
        words = [word for i in self.last.all("ENV") for word in shlex.split(i.rest)]
        return dict(word.split("=", 1) for word in words)


@pytest.fixture(params=NAMES)
def template(request):
    return TEMPLATES / request.param


@pytest.fixture
def context(template):
    """What `docker build` gets: of the template "dockerfile" only the function, with an author's own Dockerfile."""
    return template / "function" if template.name == "dockerfile" else template


@pytest.fixture
def dockerfile(context):
    return Dockerfile(context / "Dockerfile")


@pytest.fixture
def yml(template):
    """template.yml, its scalars as they are written."""
    return yaml.load((template / "template.yml").read_text(encoding="utf-8"), yaml.BaseLoader)


def files(template):
    paths = (p for p in template.rglob("*") if not UNPACKED & set(p.relative_to(template).parts))
    return [p for p in paths if p.is_symlink() or not p.is_dir()]


# --- the folder -----------------------------------------------------------------------------------------------------


def test_there_are_templates():
    assert NAMES


def test_name(template):
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", template.name)


def test_what_is_always_there(template, context):
    for path in (template / "template.yml", template / "README.md", context / "Dockerfile", context / ".dockerignore"):
        assert path.is_file(), path


def test_files_are_plain_and_small(template):
    for path in files(template):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode), path
        assert path.stat().st_size <= LARGEST, path


def test_executable_bits(template):
    """A script that says who runs it can be run; nothing else can."""
    for path in files(template):
        script = path.read_bytes().startswith(b"#!")
        assert stat.S_IMODE(path.stat().st_mode) & 0o777 == (0o755 if script else 0o644), path


def test_texts_are_tidy(template):
    for path in files(template):
        content = path.read_bytes()
        if b"\0" in content or path.suffix in (".gz", ".br"):
            continue
        text = content.decode("utf-8")
        assert "\r" not in text, path
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), path
        for number, line in enumerate(text.splitlines(), 1):
            assert line == line.rstrip(), f"{path}:{number}"
            assert len(line) <= 140 or path.suffix == ".md", f"{path}:{number}"


# --- Dockerfile -----------------------------------------------------------------------------------------------------


def test_only_what_every_builder_knows(dockerfile):
    for directive in dockerfile.comments:
        assert not re.match(r"(syntax|escape|check)\s*=", directive, re.I), directive
    for instruction in [*dockerfile.first, *(i for stage in dockerfile.stages for i in stage.own)]:
        assert instruction.name in INSTRUCTIONS, instruction
        assert "<<" not in instruction.rest, f"a here-document: {instruction}"
    for owner in [*dockerfile.stages, *dockerfile.instructions("RUN")]:
        assert owner.flags == {}, owner
    for instruction in dockerfile.instructions("COPY"):
        assert set(instruction.flags) <= COPY_FLAGS, instruction
        assert re.fullmatch(r"\d+:\d+", instruction.flags.get("chown", "0:0")), instruction


def test_images_can_be_replaced(dockerfile):
    """Each image that is not made here is named by an argument before the first FROM."""
    assert {i.name for i in dockerfile.first} == {"ARG"}
    assert dockerfile.arguments["WATCHDOG_IMAGE"] == "bandog:latest"
    assert dockerfile.arguments.get("BASE_IMAGE", "debian:trixie-slim") == "debian:trixie-slim"
    unused = set(dockerfile.arguments)
    for stage in dockerfile.stages:
        if stage.parent or stage.image == "scratch":
            continue
        argument = re.fullmatch(r"\$\{(\w+)\}", stage.image)
        assert argument and dockerfile.arguments.get(argument[1]), stage.image
        unused.discard(argument[1])
    assert not unused
    assert dockerfile.stage("watchdog").image == "${WATCHDOG_IMAGE}"


def test_copies_are_from_stages(dockerfile):
    for instruction in dockerfile.instructions("COPY"):
        if "from" in instruction.flags:
            assert dockerfile.stage(instruction.flags["from"]), instruction


def copies_code(instruction):
    """More than single files, such as a list of what to install."""
    return any(re.fullmatch(r"\.?/?|(\./)?\w+/?", source) for source in instruction.rest.split()[:-1])


def test_packages(dockerfile):
    additional = False
    for stage in dockerfile.stages:
        additional |= any(i.rest == 'ADDITIONAL_PACKAGE=""' for i in stage.own if i.name == "ARG")
        copied = False
        for instruction in stage.own:
            copied |= instruction.name == "COPY" and "from" not in instruction.flags and copies_code(instruction)
            if instruction.name == "RUN" and "apt-get" in instruction.rest:
                assert not copied, f"an edit installs everything again: {instruction}"
                assert re.search(r"apt-get update -q .*apt-get install -qy --no-install-recommends ", instruction.rest)
                cleaned = "&& rm -rf /var/lib/apt/lists/*" in instruction.rest
                assert cleaned or stage not in dockerfile.last.line(), instruction
    assert additional, "ARG ADDITIONAL_PACKAGE is in every template"
    installs = [i.rest for i in dockerfile.instructions("RUN") if "apt-get" in i.rest]
    assert any("${ADDITIONAL_PACKAGE}" in rest for rest in installs)


def test_nothing_else_is_fetched(dockerfile):
    for instruction in dockerfile.instructions("RUN"):
        foreign = re.search(r"\b(curl|wget|git clone|apt-get (dist-)?upgrade|apt install)\b", instruction.rest)
        assert not foreign, instruction


def test_openjdk_finds_its_folder(dockerfile):
    """Its packages cannot be configured without a folder that slim images do not have."""
    for instruction in dockerfile.instructions("RUN"):
        if "openjdk" in instruction.rest:
            assert re.search(r"mkdir -p /usr/share/man/man1 .*apt-get install", instruction.rest), instruction


def test_a_failing_test_stops_the_build(dockerfile, template):
    if template.name == "dockerfile":
        return  # its author knows what could be tested
    test = dockerfile.stage("test")
    assert test in dockerfile.behind(dockerfile.last), "BuildKit leaves out what nobody needs"
    arguments = dict(i.rest.split("=", 1) for i in test.own if i.name == "ARG")
    assert arguments["TEST_ENABLED"] == "true"
    assert arguments["TEST_COMMAND"].strip('"')
    run = next(i.rest for i in test.own if i.name == "RUN" and "TEST_COMMAND" in i.rest)
    assert re.match(r'if \[ "\$TEST_ENABLED" = true \]; then ', run)


def test_unprivileged(dockerfile):
    for stage in dockerfile.stages:
        users = [i.rest for i in stage.own if i.name == "USER"]
        assert all(re.fullmatch(r"\d+:\d+", user) for user in users), users
    assert dockerfile.last.all("USER")[-1].rest == "1000:1000"
    for instruction in dockerfile.instructions("RUN"):
        assert not re.search(r"\bsudo\b|chmod (-R )?[0-7]*[2367]\b(?! /(out/)?tmp)", instruction.rest), instruction


def test_the_watchdog_is_what_runs(dockerfile):
    last = dockerfile.last
    copies = [i for i in last.all("COPY") if i.flags.get("from") == "watchdog"]
    assert [i.rest for i in copies] == ["/fwatchdog /usr/bin/fwatchdog"]
    assert [json.loads(i.rest) for i in last.all("CMD")] == [["/usr/bin/fwatchdog"]]
    assert [i.rest for i in last.all("EXPOSE")] == ["8080"]
    assert last.all("WORKDIR")[-1].rest == "/home/app"


def test_healthcheck(dockerfile):
    (check,) = dockerfile.last.all("HEALTHCHECK")
    assert set(check.flags) >= {"interval", "timeout"}
    command, _, words = check.rest.partition(" ")
    assert command == "CMD"
    assert json.loads(words) == ["/usr/bin/fwatchdog", "--run-healthcheck"]


def test_environment_is_simple(dockerfile):
    """NAME="VALUE" and nothing to expand: `bandog dev` reads it, too."""
    for instruction in dockerfile.last.all("ENV"):
        assert re.fullmatch(r'(\w+="[^"$\\]*"\s*)+', instruction.rest), instruction
    env = dockerfile.environment()
    mode = env["mode"]
    assert mode in ("classic", "http", "static", "cgi", "streaming", "serializing")
    assert ("fprocess" in env) == (mode != "static")
    if mode == "classic":
        assert env["combine_output"] == "false"
    if mode == "http":
        assert re.fullmatch(r"http\+unix:///tmp/[\w.-]+|http://127\.0\.0\.1:\d+", env["upstream_url"])


def test_settings_are_settings(dockerfile, fwatchdog):
    """fwatchdog itself has nothing to say against them."""
    env = dockerfile.environment()
    if "fprocess" in env:
        env["fprocess"] = "cat"
    if "static_path" in env:
        env["static_path"] = "/"
    checked = fwatchdog("--check", strict_config="true", **env)
    assert checked.status == 0, checked
    assert checked.messages == [], checked


# --- .dockerignore --------------------------------------------------------------------------------------------------


def ignored(patterns, path):
    """As Docker decides: the last pattern that fits a path or a folder it is in."""
    result = False
    parts = path.split("/")
    for pattern in patterns:
        keep = pattern.startswith("!")
        text = re.escape(pattern.lstrip("!").strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(text, "/".join(parts[:n])) for n in range(1, len(parts) + 1)):
            result = not keep
    return result


def test_dockerignore(template, context):
    lines = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for path in NEVER_IN_AN_IMAGE if context == template else OF_ANY_CONTEXT:
        assert ignored(patterns, path), path
    starter = [str(p.relative_to(context)) for p in files(context)]
    assert [p for p in starter if ignored(patterns, p) and p not in NEVER_IN_AN_IMAGE] == []


# --- template.yml ---------------------------------------------------------------------------------------------------


def test_yml_keys(yml):
    assert set(yml) <= YML_KEYS
    assert set(yml) >= {"language", "description", "welcome_message", "dev"}


def test_yml_texts(yml):
    for name in ("language", "description"):
        text = yml[name]
        assert text and text == text.strip() and "\n" not in text and not text.endswith("."), name
    assert len(yml["description"]) <= 60
    welcome = yml["welcome_message"]
    assert "{handler}" in welcome
    assert 1 <= len(welcome.splitlines()) <= 5


def test_yml_and_image_run_the_same(yml, dockerfile):
    assert yml.get("fprocess", "") == dockerfile.environment().get("fprocess", "")


def test_yml_build_options(yml):
    for option in yml.get("build_options", []):
        assert set(option) == {"name", "packages"}
        assert re.fullmatch(r"[a-z0-9-]+", option["name"])
        assert option["packages"] and all(PACKAGE.fullmatch(package) for package in option["packages"])


def test_yml_handler_folder(yml, template):
    folder = yml.get("handler_folder", "function")
    assert (template / folder).is_dir()
    assert ".." not in folder.split("/")


def test_yml_dev(yml):
    dev = yml["dev"] or {}
    assert set(dev) <= DEV_KEYS
    for program, package in dev.get("requires", {}).items():
        assert re.fullmatch(r"[\w.+-]+", program) and PACKAGE.fullmatch(package), program
    if "install" in dev:
        assert set(dev["install"]) == {"files", "run"}
        assert dev["install"]["files"] and dev["install"]["run"].strip()
    for path in [*dev.get("keep", []), *dev.get("install", {}).get("files", [])]:
        assert not path.startswith("/") and ".." not in path.split("/"), path
    assert dev.get("build", "x").strip()
    assert all(isinstance(value, str) for value in dev.get("environment", {}).values())
