"""bandog generate: what the watchdog's settings in a stack file mean for those who run it."""

import re
import textwrap

import pytest

from cli import project  # noqa: F401
from harness import REPO
from kubernetes_schema import read
from manifests import KNATIVE, KUBERNETES, generate, one, pod


@pytest.mark.parametrize(
    ("mode", "path"),
    [
        (None, "/_/health"),
        ("", "/_/health"),
        ("classic", "/_/health"),
        ("streaming", "/_/ready"),
        ("serializing", "/_/ready"),
        ("http", "/_/ready"),
        ("static", "/_/ready"),
    ],
)
def test_readiness(project, mode, path):
    environment = {} if mode is None else {"mode": mode}
    _, container = pod(project, environment=environment)
    probes = [container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert probes == [path, path, "/_/health"]
    spec = one(project, KNATIVE, environment=environment)["spec"]["template"]["spec"]
    assert spec["containers"][0]["readinessProbe"] == {"httpGet": {"path": path}}


@pytest.mark.parametrize("lang, path", [("python3", "/_/health"), ("python3-http", "/_/ready"), ("nonsense", "/_/health")])
def test_readiness_as_the_template_has_it(project, lang, path):
    _, container = pod(project, lang=lang, handler="./one")
    assert container["readinessProbe"]["httpGet"]["path"] == path


@pytest.mark.parametrize("environment, path", [({}, "/_/ready"), ({"mode": "classic"}, "/_/health")])
def test_readiness_as_the_functions_own_dockerfile_has_it(project, environment, path):
    """The stack file wins."""
    project.write("one/Dockerfile", "FROM scratch\nENV mode=http write_timeout=7s\n")
    spec, container = pod(project, lang="dockerfile", handler="./one", environment=environment)
    assert container["readinessProbe"]["httpGet"]["path"] == path
    assert spec["terminationGracePeriodSeconds"] == 5 + 7 + 7 + 5 + 5


def test_an_image_from_elsewhere_is_not_known(project):
    _, container = pod(project, lang="python3-http", handler="./one", skip_build=True)
    assert container["readinessProbe"]["httpGet"]["path"] == "/_/health"


@pytest.mark.parametrize("mode", ["classic", "streaming"])
def test_probes_get_their_answers(project, watchdog, mode):
    """And the function is not asked: it would fail."""
    _, container = pod(project, environment={"mode": mode})
    w = watchdog("false", mode=mode)
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert w.call("GET", container[name]["httpGet"]["path"]).status == 200


def in_seconds(text):
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|[hms])", text))


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 5 + 30 + 30 + 5 + 5),
        ({"write_timeout": "10s"}, 5 + 10 + 10 + 5 + 5),
        ({"write_timeout": "10"}, 5 + 10 + 10 + 5 + 5),
        ({"write_timeout": "0"}, 5 + 5 + 5),
        ({"write_timeout": "1h"}, 5 + 3600 + 3600 + 5 + 5),
        ({"write_timeout": "10s", "healthcheck_interval": "3s"}, 5 + 3 + 10 + 5 + 5),
        ({"write_timeout": "10s", "shutdown_timeout": "3s"}, 5 + 10 + 3 + 5 + 5),
        ({"healthcheck_interval": "1ms", "shutdown_timeout": "1.5s", "stop_grace": "0"}, 5 + 1 + 2 + 0 + 5),
        ({"healthcheck_interval": "", "shutdown_timeout": ""}, 5 + 30 + 30 + 5 + 5),
        ({"mode": "http", "stop_grace": "1m"}, 5 + 30 + 30 + 60 + 5),
        ({"exec_timeout": "10m"}, 5 + 30 + 30 + 5 + 5),
    ],
)
def test_time_to_stop(project, fwatchdog, environment, seconds):
    """Longer than the watchdog itself says that it may take."""
    assert pod(project, environment=environment)[0]["terminationGracePeriodSeconds"] == seconds
    given = {"fprocess": "cat", "healthcheck_interval": None, **environment}  # None: else it is the harness's
    if "mode" in environment:
        given["http_upstream_url"] = "http://127.0.0.1:5000"
    settings = fwatchdog("--check", **given).settings()
    stages = {"healthcheck_interval", "shutdown_timeout", "stop_grace"} & set(settings)
    assert sum(in_seconds(settings[name][0]) for name in stages) + 5 < seconds


def test_environment_files_have_a_say(project):
    project.write("env.yml", "environment: {mode: http, port: 9000, write_timeout: 1s}\n")
    spec, container = pod(project, environment={"write_timeout": "1h"}, environment_file=["env.yml"])
    assert spec["terminationGracePeriodSeconds"] == 5 + 1 + 1 + 5 + 5
    assert container["readinessProbe"]["httpGet"]["path"] == "/_/ready"
    assert container["ports"][0] == {"name": "http", "containerPort": 9000}


def test_ports(project):
    environment = {"port": "9000", "metrics_port": "9001"}
    functions = {"one": {"image": "me/one", "environment": environment}}
    deployment, service = generate(project, functions, "--api", KUBERNETES)
    template = deployment["spec"]["template"]
    ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
    assert ports == {"http": 9000, "metrics": 9001}
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9001"
    assert service["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}], "callers need not know"
    (container,) = one(project, KNATIVE, environment=environment)["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 9000}]


def test_no_metrics(project):
    document = one(project, KUBERNETES, environment={"metrics_port": "0"})
    template = document["spec"]["template"]
    assert [each["name"] for each in template["spec"]["containers"][0]["ports"]] == ["http"]
    assert "annotations" not in template["metadata"]


def test_own_annotations_win(project):
    annotations = {"prometheus.io/scrape": "false"}
    template = one(project, KUBERNETES, annotations=annotations)["spec"]["template"]
    assert template["metadata"]["annotations"] == {"prometheus.io/scrape": "false", "prometheus.io/port": "8081"}


def test_labels_cannot_change_who_is_selected(project):
    deployment, service = generate(
        project, {"one": {"image": "me/one", "labels": {"faas_function": "two"}}}, "--api", KUBERNETES
    )
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"faas_function": "one"}
    assert service["spec"]["selector"] == {"faas_function": "one"}


def test_read_only_root(project):
    """A place to write is where the watchdog looks for one."""
    spec, container = pod(project, readonly_root_filesystem=True, environment={"TMPDIR": "/run/fn"})
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/run/fn"}]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    spec, container = pod(project, readonly_root_filesystem=False, environment={"TMPDIR": "/run/fn"})
    assert "readOnlyRootFilesystem" not in container["securityContext"]
    assert "volumes" not in spec


@pytest.mark.parametrize("setting", ["user", "group"])
def test_a_watchdog_that_chooses_the_user(project, setting):
    """It has to be root, with the three capabilities that docs/operations.md names."""
    _, container = pod(project, environment={setting: "1000"})
    assert "runAsNonRoot" not in container["securityContext"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["KILL", "SETGID", "SETUID"]}


# --- the document -----------------------------------------------------------------------------------------------------


def test_example_of_the_document(project):
    text = (REPO / "docs" / "generate.md").read_text(encoding="utf-8").partition("## Example")[2]
    stack, pod_begins = (textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", text, re.M))
    project.write("stack.yml", stack)
    manifests = project.done("generate", "--api", KUBERNETES).stdout
    assert textwrap.indent(pod_begins, "    ") in manifests
    read(manifests)
