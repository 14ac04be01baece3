"""bandog generate: what its documents hold."""

import json
import os
import re
import subprocess

import pytest

from cli import project  # noqa: F401
from harness import PATIENCE, need_program
from kubernetes_schema import read, yaml
from manifests import FUNCTION, KNATIVE, KUBERNETES, each_api, generate, one, pod, write_stack

FULL = {
    "lang": "python3-http",
    "handler": "./thumb",
    "image": "localhost:5000/media/thumb",
    "skip_build": True,
    "fprocess": "python3 index.py",
    "environment": {"mode": "http", "max_px": "512", "write_timeout": "1m30s"},
    "environment_file": ["env/one.yml", "env/two.yml"],
    "secrets": ["bucket-key", "api.key"],
    "labels": {"team": "media", "com.openfaas.scale.min": "2"},
    "annotations": {"topic": "pictures, large: yes", "autoscaling.knative.dev/min-scale": "1"},
    "limits": {"cpu": "1", "memory": "128Mi"},
    "requests": {"cpu": "100m", "memory": "64Mi"},
    "constraints": ["kubernetes.io/arch=amd64", "disk=ssd"],
    "namespace": "media",
    "readonly_root_filesystem": True,
    "build_args": {"A": "B"},
    "build_options": ["imaging"],
    "build_secrets": {"id": "file"},
    "platforms": "linux/amd64",
}
FULL_ENVIRONMENT = {
    "ONE": "1",
    "TWO": "2",
    "fprocess": "python3 index.py",
    "max_px": "1024",
    "mode": "http",
    "write_timeout": "1m30s",
}

ODD = {
    "EMPTY": "",
    "BLANK": " ",
    "BLANKS_AROUND": "  x  ",
    "YES": "yes",
    "NO": "No",
    "Y": "y",
    "ON": "on",
    "TRUE": "true",
    "NULL": "null",
    "TILDE": "~",
    "NUMBER": "0123",
    "OCTAL": "0o17",
    "HEX": "0xff",
    "FLOAT": "1.50",
    "EXPONENT": "1e3",
    "INF": ".inf",
    "VERSION": "1.2.3",
    "SEXAGESIMAL": "12:30:45",
    "DATE": "2001-01-01",
    "MERGE": "<<",
    "EQUALS": "=",
    "COLON": "a: b",
    "LAST_COLON": "a:",
    "HASH": "a # b",
    "COMMENT": "# b",
    "QUOTE": "it's",
    "QUOTED": "'x'",
    "DOUBLE": '"x" \\n \\',
    "LIST": "- a",
    "FLOW": "[a, {b: c}]",
    "ANCHOR": "&a *b !c |d >e %f @g `h",
    "DOCUMENT": "---",
    "LINES": "one\n  two\n\nthree\n",
    "LINE_END": "\n",
    "CARRIAGE": "a\r\nb",
    "TAB": "\ta\tb",
    "ESCAPE": "\x1b[31m\x01",
    "DELETE": "\x7f",
    "UNICODE": "grüß dich, 世界 \U0001f415",
    "NEXT_LINE": "a\x85b\u2028c\u2029d",
    "BOM": "\ufeffa",
    "DOLLARS": "$ $$ $$$ $a $$a",
    "REFERENCE": "$(YES) $$(YES) $$$(YES) $(",
    "SHELL": "${YES} `id`",
    "LONG": "word " * 4000 + "end",
    "VERY_LONG_LINE": "x" * 30000,
    "yes": "no",
    "N" * 200: "a long name",
    "a.b-c": "not a name for a shell",
}


def full(project):
    project.write("env/one.yml", "environment: {max_px: 768, ONE: 1}\n")
    project.write("env/two.yml", "environment: {max_px: 1024, TWO: 2}\n")
    return {"thumb": FULL}


def rows(environment):
    """As containers have it."""
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]


def expanded(value, environment):
    """What Kubernetes makes of a value: $(NAME) is that variable where there is one, and $$ a dollar."""
    reference = re.compile(r"\$(\$|\(([^)]*)\))")
    return reference.sub(lambda m: "$" if m[1] == "$" else environment.get(m[2], m[0]), value)


# --- whole documents --------------------------------------------------------------------------------------------------


def test_text(project):
    """Blocks, two columns a level, quotes where they are needed."""
    write_stack(project, {"one": {**FULL, "environment_file": [], "namespace": ""}})
    assert project.done("generate").stdout == (
        "---\n"
        "apiVersion: openfaas.com/v1\n"
        "kind: Function\n"
        "metadata:\n"
        "  name: one\n"
        "  namespace: openfaas-fn\n"
        "spec:\n"
        "  name: one\n"
        "  image: localhost:5000/media/thumb:latest\n"
        "  environment:\n"
        "    fprocess: python3 index.py\n"
        '    max_px: "512"\n'
        "    mode: http\n"
        "    write_timeout: 1m30s\n"
        "  labels:\n"
        '    com.openfaas.scale.min: "2"\n'
        "    team: media\n"
        "  annotations:\n"
        '    autoscaling.knative.dev/min-scale: "1"\n'
        "    topic: 'pictures, large: yes'\n"
        "  limits:\n"
        '    cpu: "1"\n'
        "    memory: 128Mi\n"
        "  requests:\n"
        "    cpu: 100m\n"
        "    memory: 64Mi\n"
        "  constraints:\n"
        "  - kubernetes.io/arch=amd64\n"
        "  - disk=ssd\n"
        "  secrets:\n"
        "  - api.key\n"
        "  - bucket-key\n"
        "  readOnlyRootFilesystem: true\n"
    )


def test_function(project):
    assert generate(project, full(project)) == [
        {
            "apiVersion": "openfaas.com/v1",
            "kind": "Function",
            "metadata": {"name": "thumb", "namespace": "media"},
            "spec": {
                "name": "thumb",
                "image": "localhost:5000/media/thumb:latest",
                "environment": FULL_ENVIRONMENT,
                "labels": FULL["labels"],
                "annotations": FULL["annotations"],
                "limits": FULL["limits"],
                "requests": FULL["requests"],
                "constraints": FULL["constraints"],
                "secrets": ["api.key", "bucket-key"],
                "readOnlyRootFilesystem": True,
            },
        }
    ]


MOUNTS = [
    {"name": "secrets", "mountPath": "/var/openfaas/secrets", "readOnly": True},
    {"name": "tmp", "mountPath": "/tmp"},
]
VOLUMES = [
    {"name": "secrets", "projected": {"sources": [{"secret": {"name": name}} for name in ("api.key", "bucket-key")]}},
    {"name": "tmp", "emptyDir": {}},
]


def test_knative(project):
    write_stack(project, full(project))
    ended = project.run("generate", "--api", KNATIVE)
    assert (ended.status, ended.stderr) == (
        0,
        "bandog: warning: stack.yml:5: function thumb: "
        "constraints are left out, since Knative takes no node selector unless that is turned on\n",
    )
    assert read(ended.stdout) == [
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {
                "name": "thumb",
                "namespace": "media",
                "labels": FULL["labels"],
                "annotations": {"topic": "pictures, large: yes"},
            },
            "spec": {
                "template": {
                    "metadata": {"labels": FULL["labels"], "annotations": FULL["annotations"]},
                    "spec": {
                        "containers": [
                            {
                                "image": "localhost:5000/media/thumb:latest",
                                "ports": [{"containerPort": 8080}],
                                "env": rows(FULL_ENVIRONMENT),
                                "readinessProbe": {"httpGet": {"path": "/_/ready"}},
                                "securityContext": {"readOnlyRootFilesystem": True},
                                "resources": {"limits": FULL["limits"], "requests": FULL["requests"]},
                                "volumeMounts": MOUNTS,
                            }
                        ],
                        "volumes": VOLUMES,
                    },
                }
            },
        }
    ]


def test_deployment_and_service(project):
    deployment, service = generate(project, full(project), "--api", KUBERNETES)
    labels = {**FULL["labels"], "faas_function": "thumb"}
    assert deployment["metadata"] == {
        "name": "thumb",
        "namespace": "media",
        "labels": labels,
        "annotations": FULL["annotations"],
    }
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["selector"] == {"matchLabels": {"faas_function": "thumb"}}
    assert deployment["spec"]["template"]["metadata"] == {
        "labels": labels,
        "annotations": {**FULL["annotations"], "prometheus.io/scrape": "true", "prometheus.io/port": "8081"},
    }
    assert deployment["spec"]["template"]["spec"] == {
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5 + 90 + 90 + 5 + 5,
        "nodeSelector": {"kubernetes.io/arch": "amd64", "disk": "ssd"},
        "containers": [
            {
                "name": "thumb",
                "image": "localhost:5000/media/thumb:latest",
                "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8081}],
                "env": rows(FULL_ENVIRONMENT),
                "startupProbe": probe("/_/ready", periodSeconds=1, failureThreshold=60),
                "readinessProbe": probe("/_/ready", periodSeconds=2, failureThreshold=2),
                "livenessProbe": probe("/_/health", periodSeconds=10, failureThreshold=3, timeoutSeconds=5),
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "securityContext": {
                    "runAsNonRoot": True,
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "resources": {"limits": FULL["limits"], "requests": FULL["requests"]},
                "volumeMounts": MOUNTS,
            }
        ],
        "volumes": VOLUMES,
    }
    assert service == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "thumb", "namespace": "media", "labels": labels},
        "spec": {
            "selector": {"faas_function": "thumb"},
            "ports": [{"name": "http", "port": 8080, "targetPort": "http"}],
        },
    }


def probe(path, **times):
    return {"httpGet": {"path": path, "port": "http"}, **times}


def test_what_is_not_in_the_stack_file_is_not_in_the_documents(project):
    assert one(project, FUNCTION)["spec"] == {"name": "one", "image": "me/one:1"}
    assert one(project, KNATIVE)["spec"]["template"] == {
        "spec": {
            "containers": [
                {
                    "image": "me/one:1",
                    "ports": [{"containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/_/health"}},
                }
            ]
        }
    }
    spec, container = pod(project)
    assert {"volumes", "nodeSelector"} & set(spec) == set()
    assert {"env", "resources", "volumeMounts"} & set(container) == set()
    assert "replicas" not in one(project, KUBERNETES)["spec"]


# --- texts ------------------------------------------------------------------------------------------------------------


def test_odd_texts_of_a_function(project):
    assert one(project, FUNCTION, environment=ODD)["spec"]["environment"] == ODD


@pytest.mark.parametrize("api", [KNATIVE, KUBERNETES])
def test_odd_texts_of_a_container(project, api):
    """Where Kubernetes looks for references to variables: it finds none."""
    spec = one(project, api, environment=ODD)["spec"]["template"]["spec"]
    env = {row["name"]: row["value"] for row in spec["containers"][0]["env"]}
    assert {name: expanded(value, env) for name, value in env.items()} == ODD


@each_api
def test_odd_texts_elsewhere(project, api):
    labels = {"yes": "no", "0123": "0123", "empty": "", "1.5": "1e3", "example.com/null": "null"}
    annotations = {**{f"odd-{i}": value for i, value in enumerate(ODD.values())}, "null": "~"}
    document = one(project, api, labels=labels, annotations=annotations)
    holder = document["spec"] if api == FUNCTION else document["metadata"]
    assert labels.items() <= holder["labels"].items()
    assert holder["annotations"] == annotations


def test_text_that_is_not_ascii(project):
    functions = "functions: {one: {image: me/one, environment: {TEXT: grüß dich 世界}}}\n"
    project.write("stack.yml", "provider: {name: openfaas}\n" + functions)
    assert "\n    TEXT: grüß dich 世界\n" in project.done("generate").stdout


# --- fprocess, environment, image -------------------------------------------------------------------------------------


@each_api
def test_fprocess(project, api):
    def environment(**function):
        document = one(project, api, **function)
        if api == FUNCTION:
            return document["spec"]["environment"]
        (container,) = document["spec"]["template"]["spec"]["containers"]
        return {row["name"]: row["value"] for row in container["env"]}

    assert environment(fprocess="cat -") == {"fprocess": "cat -"}
    assert environment(fprocess="cat", environment={"fprocess": "tac"}) == {"fprocess": "cat"}
    assert environment(fprocess="", environment={"fprocess": "tac"}) == {"fprocess": "tac"}


@pytest.mark.parametrize(
    ("image", "written"),
    [
        ("one", "one:latest"),
        ("me/one", "me/one:latest"),
        ("me/one:2", "me/one:2"),
        ("localhost:5000/me/one", "localhost:5000/me/one:latest"),
        ("localhost:5000/me/one:dev", "localhost:5000/me/one:dev"),
    ],
)
def test_image(project, image, written):
    assert one(project, FUNCTION, image=image)["spec"]["image"] == written


def test_variables_of_the_stack_file(project):
    write_stack(project, {"one": {"image": "me/one:${TAG:-dev}"}})
    (document,) = read(project.done("generate", env={"TAG": "7"}).stdout)
    assert document["spec"]["image"] == "me/one:7"


@each_api
def test_amounts_that_are_not_there(project, api):
    """Neither is there a place for them."""
    document = one(project, api, limits={"memory": "64Mi", "cpu": ""}, requests={"cpu": ""})
    holder = document["spec"]
    if api != FUNCTION:
        holder = holder["template"]["spec"]["containers"][0]["resources"]
    assert holder["limits"] == {"memory": "64Mi"}
    assert "requests" not in holder


# --- which functions, which namespace ---------------------------------------------------------------------------------

THREE = {name: {"image": f"me/{name}:1"} for name in ("resize", "crop", "blur-all")}


def names(documents):
    return [each["metadata"]["name"] for each in documents]


def test_sorted_by_name(project):
    sorted_names = ["blur-all", "crop", "resize"]
    assert names(generate(project, THREE)) == sorted_names
    documents = generate(project, THREE, "--api", KUBERNETES)
    assert [each["kind"] for each in documents] == ["Deployment", "Service"] * 3
    assert names(documents[::2]) == names(documents[1::2]) == sorted_names


@pytest.mark.parametrize(
    ("args", "chosen"),
    [
        (["resize", "blur-all"], ["blur-all", "resize"]),
        (["--filter", "*r*"], ["blur-all", "crop", "resize"]),
        (["--filter", "r*"], ["resize"]),
        (["--regex", "^(crop|blur)$"], ["crop"]),
    ],
)
def test_chosen_functions(project, args, chosen):
    assert names(generate(project, THREE, *args)) == chosen


def test_other_stack_file(project):
    write_stack(project, THREE).rename(project.folder / "other.yml")
    assert names(read(project.done("generate", "-f", "other.yml").stdout)) == ["blur-all", "crop", "resize"]


@each_api
def test_namespace(project, api):
    def namespaces(*args, **function):
        documents = generate(project, {"one": {"image": "me/one:1", **function}}, "--api", api, *args)
        return {each["metadata"].get("namespace") for each in documents}

    assert namespaces() == {None if api == KUBERNETES else "openfaas-fn"}
    assert namespaces(namespace="own") == {"own"}
    assert namespaces("-n", "flag", namespace="own") == {"flag"}
    assert namespaces("--namespace=", namespace="own") == {None}


# --- kubectl ----------------------------------------------------------------------------------------------------------


def as_kubernetes_reads(project, manifest, *command):
    """What kubectl, without a server, makes of it: fields it does not know are gone, wrong types an error."""
    kubectl = need_program("kubectl")
    done = subprocess.run(
        [kubectl, *command, "--local", "-f", project.write("one.yml", manifest), "-o", "json"],
        env={"HOME": str(project.home), "PATH": os.environ["PATH"], "KUBECONFIG": os.devnull},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return without_nothing(json.loads(done.stdout))


def without_nothing(value):
    """Its answers have empty fields that were not there."""
    if isinstance(value, dict):
        kept = {name: without_nothing(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if name == "emptyDir" or each not in (None, {}, [])}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


def deployment_as_kubernetes_reads(project, manifest):
    """One variable is set, since kubectl has to be told to do something."""
    document = as_kubernetes_reads(project, manifest, "set", "env", "EXTRA=1")
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container["env"].pop() == {"name": "EXTRA", "value": "1"}
    return document


def test_kubectl_knows_every_field(project):
    write_stack(project, full(project))
    deployment, service = project.done("generate", "--api", KUBERNETES).stdout.removeprefix("---\n").split("---\n")
    assert deployment_as_kubernetes_reads(project, deployment) == yaml.safe_load(deployment)
    assert as_kubernetes_reads(project, service, "set", "selector", "faas_function=thumb") == yaml.safe_load(service)


def test_kubectl_reads_odd_texts(project):
    """Its reader of YAML is a third one."""
    odd = {name: value for name, value in ODD.items() if value}
    write_stack(project, {"one": {"image": "me/one:1", "environment": odd, "annotations": {"odd": ODD["LINES"]}}})
    text = project.done("generate", "--envsubst=false", "--api", KUBERNETES).stdout
    deployment = text.removeprefix("---\n").split("\n---\n")[0] + "\n"
    assert deployment_as_kubernetes_reads(project, deployment) == yaml.safe_load(deployment)
