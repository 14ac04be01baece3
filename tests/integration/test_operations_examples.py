"""
docs/operations.md and examples/operations: what they show is right. Files and documentation agree, the settings exist
and go together, the times fit into each other, and who has a program that checks such files is asked.
"""

import re
import shlex
import signal
import subprocess

import pytest

from exposition import Exposition
from harness import BINARY, PATIENCE, REPO, eventually, free_port, need_program
from http_client import Connection

FOLDER = REPO / "examples" / "operations"
DOCUMENT = REPO / "docs" / "operations.md"
DEPLOYMENT, UNIT, COMPOSE = (FOLDER / name for name in ("deployment.yaml", "fwatchdog.service", "compose.yaml"))
DEFAULTS = {"healthcheck_interval": "30s", "shutdown_timeout": "30s", "stop_grace": "5s", "queue_timeout": "10s"}


def parsed(path):
    yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def deployment():
    return parsed(DEPLOYMENT)["spec"]["template"]["spec"]


def service():
    (one,) = parsed(COMPOSE)["services"].values()
    return one


def unit():
    """The lines of the unit: name -> values, in order."""
    found = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            name, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(name, []).append(value)
    return found


def deployment_settings():
    (container,) = deployment()["containers"]
    rows = [(each["name"], each["value"]) for each in container["env"]]
    assert len(dict(rows)) == len(rows), "a name comes twice"
    return dict(rows)


def unit_settings():
    return dict(row.split("=", 1) for value in unit()["Environment"] for row in shlex.split(value))


def compose_settings():
    return service()["environment"]


SETTINGS = {"deployment": deployment_settings, "unit": unit_settings, "compose": compose_settings}
each_example = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def seconds(text):
    """Those of the examples: whole seconds, with or without their unit."""
    match = re.fullmatch(r"(\d+)s?", str(text))
    assert match, f"not simply seconds: {text!r}"
    return int(match.group(1))


def to_stop(settings):
    """How long it may take from SIGTERM to the end."""
    names = ("healthcheck_interval", "shutdown_timeout", "stop_grace")
    return sum(seconds(settings.get(name, DEFAULTS[name])) for name in names)


def known_settings(fwatchdog):
    text = fwatchdog("--help").stdout
    return set(re.findall(r"^  ([A-Za-z_]+)=\S+$", text, re.M)) | set(re.findall(r"also read as (\w+)", text))


# --- the settings in them ---------------------------------------------------------------------------------------------


@each_example
def test_settings_exist(fwatchdog, settings):
    assert set(settings()) - known_settings(fwatchdog) == set()


@each_example
def test_settings_are_texts(settings):
    """YAML makes numbers of digits, and Kubernetes refuses those."""
    assert {name: value for name, value in settings().items() if not isinstance(value, str)} == {}


@each_example
def test_check_finds_nothing(fwatchdog, settings):
    """Each is taken as it is but for the program, which is not here."""
    ended = fwatchdog("--check", **{**settings(), "fprocess": "cat"})
    assert (ended.status, ended.stderr) == (0, ""), ended
    for name, value in settings().items():
        if name not in ("fprocess", "http_upstream_url"):
            assert ended.settings()[name] == (value, "environment"), "it is written as it is understood"


@each_example
def test_no_call_is_cut(settings):
    """One that comes last, waits as long as it may and takes as long as it may is over in time."""
    s = settings()
    line = seconds(s.get("queue_timeout", DEFAULTS["queue_timeout"])) if "max_queue" in s else 0
    assert seconds(s["exec_timeout"]) <= seconds(s["write_timeout"])
    assert seconds(s["shutdown_timeout"]) >= line + seconds(s["write_timeout"])


@each_example
def test_start_and_stop(watchdog, scratch, settings):
    """With a function that is here: it starts, serves and stops, at once when there is nothing to wait for."""
    s = {**settings(), "fprocess": "cat", "healthcheck_interval": "0"}
    if s["mode"] == "http":
        s["http_upstream_url"] = f"http+unix://{scratch}/fn.sock"
    w = watchdog(**s)
    assert w.call("GET", "/_/health").status == 200
    if s["mode"] == "streaming":
        assert w.call("POST", body=b"x").body == b"x"


# --- Kubernetes -------------------------------------------------------------------------------------------------------


def test_deployment():
    document = parsed(DEPLOYMENT)
    assert (document["apiVersion"], document["kind"]) == ("apps/v1", "Deployment")
    labels = document["spec"]["template"]["metadata"]["labels"]
    assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_grace_period_of_the_pod():
    pod = deployment()
    (container,) = pod["containers"]
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep > 0
    assert pod["terminationGracePeriodSeconds"] > sleep + to_stop(deployment_settings())


def test_probes_of_the_pod():
    (container,) = deployment()["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"http": 8080, "metrics": 8081}, "the defaults"
    probes = {name: container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    for probe in probes.values():
        assert ports[probe["httpGet"]["port"]] == 8080
        assert probe.get("timeoutSeconds", 1) <= probe["periodSeconds"]
    paths = [probe["httpGet"]["path"] for probe in probes.values()]
    assert paths == ["/_/ready", "/_/ready", "/_/health"], "a full or starting function is no dead one"
    ready = probes["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] <= seconds(deployment_settings()["healthcheck_interval"])


def test_pod_can_write_where_it_has_to():
    """The root file system is read-only: the lock file and large bodies are in TMPDIR."""
    pod = deployment()
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["runAsUser"] > 0
    (mount,) = container["volumeMounts"]
    assert mount["mountPath"] == deployment_settings().get("TMPDIR", "/tmp")
    assert mount["name"] in [volume["name"] for volume in pod["volumes"] if "emptyDir" in volume]


def test_probes_get_their_answers(watchdog):
    """As the kubelet asks, for a function that does not listen, and is about to stop."""
    (container,) = deployment()["containers"]
    live, ready = (container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe"))
    w = watchdog("cat", mode="http", http_upstream_url=f"http://127.0.0.1:{free_port()}", healthcheck_interval="600s")
    agent = [("User-Agent", "kube-probe/1.30")]
    assert w.call("GET", live, fields=agent).status == 200
    assert w.call("GET", ready, fields=agent).status == 503
    w.send_signal(signal.SIGTERM)
    w.wait_for_log("^SIGTERM: ")
    for path in (live, ready):
        assert w.call("GET", path, fields=agent).status == 503
    w.stop()


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_unit_is_verified(scratch):
    """With the programs that are here in the place of those that are not."""
    analyze = need_program("systemd-analyze")
    text = UNIT.read_text(encoding="utf-8").replace("/usr/bin/fwatchdog", str(BINARY))
    (scratch / UNIT.name).write_text(text)
    command = [analyze, "verify", "--man=no", str(scratch / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    lines = [m for m in (done.stdout + done.stderr).splitlines() if UNIT.name in m]
    if done.returncode and not lines:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr}")
    assert (done.returncode, lines) == (0, [])


def test_time_that_systemd_gives():
    assert unit()["KillMode"] == ["mixed"]
    assert seconds(unit()["TimeoutStopSec"][0]) > to_stop(unit_settings())


def test_programs_of_the_unit():
    """Settings are checked before the start; a function that ends with 0 is started again, too."""
    assert unit()["ExecStartPre"] == ["/usr/bin/fwatchdog --check"]
    assert unit()["ExecStart"] == ["/usr/bin/fwatchdog"]
    assert unit()["Restart"] == ["always"]
    socket = unit_settings()["http_upstream_url"].removeprefix("http+unix://")
    assert socket.startswith(f"/run/{unit()['RuntimeDirectory'][0]}/"), "where its user may make one"


# --- Compose ----------------------------------------------------------------------------------------------------------


def test_time_that_compose_gives():
    assert seconds(service()["stop_grace_period"]) > to_stop(compose_settings())


def test_health_check_of_compose(watchdog, fwatchdog):
    """The command is one that says what it should, before and after."""
    kind, program, *arguments = service()["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "fwatchdog")
    w = watchdog("cat")
    assert fwatchdog(*arguments).status == 0
    w.stop()
    assert fwatchdog(*arguments).status == 1
    assert seconds(service()["healthcheck"]["timeout"]) < seconds(service()["healthcheck"]["interval"])


def test_compose_can_write_where_it_has_to():
    assert service()["read_only"] is True
    assert service()["tmpfs"] == [compose_settings().get("TMPDIR", "/tmp")]
    assert service()["ports"] == ["8080:8080"]


def test_no_variable_is_meant():
    """Compose replaces `$NAME` in its files."""
    assert "$" not in COMPOSE.read_text(encoding="utf-8")


# --- the document -----------------------------------------------------------------------------------------------------


def document():
    return DOCUMENT.read_text(encoding="utf-8")


def blocks():
    """The indented parts, without their indentation."""
    found = re.findall(r"(?<=\n\n)((?:    .*\n|\n(?=    ))+)", document())
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


@pytest.mark.parametrize("path", [DEPLOYMENT, UNIT, COMPOSE], ids=lambda path: path.name)
def test_document_shows_the_file(path):
    assert path.read_text(encoding="utf-8") in blocks()


def test_document_shows_nothing_else():
    assert len(blocks()) == 3


def test_document_is_short():
    assert len(document().splitlines()) <= 150


def test_document_names_settings_that_exist(fwatchdog):
    """`NAME`, `NAME=VALUE`: all words in quotes that look like one and are no metric and no name in a log."""
    text = re.sub(r"^    .*$", "", document(), flags=re.M)
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:=[^`]*)?`", text))
    others = {"call_id"} | {w for w in words if w.startswith(("bandog_", "process_", "http_request"))}
    assert words - others - known_settings(fwatchdog) == set()


def scraped(w):
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
        return set(Exposition(c.call("GET", "/metrics").body).families)


def test_document_names_all_metrics(measured):
    """Those of a forking mode after a call, and of mode=http."""
    rows = "".join(re.findall(r"^\| `(?:bandog_|process_|http_).*$", document(), re.M))
    named = set(re.findall(r"`((?:bandog_|process_|http_)\w+)`", rows))
    w = measured("cat", mode="streaming")
    assert w.call("POST", body=b"x").body == b"x"
    w.wait_no_processes()
    eventually(lambda: "bandog_child_cpu_seconds" in scraped(w), "the process is counted")
    h = measured("cat", mode="http", http_upstream_url=f"http://127.0.0.1:{free_port()}", TMPDIR=w.tmp.parent / "http")
    assert named == scraped(w) | scraped(h)
    h.stop()


def test_times_of_the_document(fwatchdog):
    """The defaults that it names."""
    settings = fwatchdog("--check", fprocess="cat", mode="http", http_upstream_url="http://127.0.0.1:1",
                         healthcheck_interval=None, write_timeout="77s").settings()  # fmt: skip
    for name, value in re.findall(r"`(\w+)` \((\d+s|that of `write_timeout`)\)", document()):
        assert settings[name] == ("1m17s" if "that of" in value else value, "default"), name
