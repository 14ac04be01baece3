"""bandog generate: what it refuses, since a cluster would, and what it says then."""

import re

import pytest

from cli import project  # noqa: F401
from manifests import FUNCTION, KNATIVE, KUBERNETES, each_api, one, write_stack


def refused(project, *texts, args=(), api=FUNCTION, **function):
    write_stack(project, {"one": {"image": "me/one:1", **function}})
    ended = project.refused(1, *texts, args=["generate", "--envsubst=false", "--api", api, *args])
    assert ended.stdout == "", "half of the documents are worse than none"
    return ended


@each_api
@pytest.mark.parametrize("image", [None, ""])
def test_no_image(project, api, image):
    refused(project, "bandog: stack.yml:5: function one: it has no image\n", api=api, image=image)


@each_api
@pytest.mark.parametrize(
    ("function", "text"),
    [
        ({"limits": {"cpu": "1x"}}, "limits.cpu: '1x' is not an amount of processor time"),
        ({"requests": {"cpu": "-1"}}, "requests.cpu: '-1' is not an amount of processor time"),
        ({"limits": {"memory": "64MB"}}, "limits.memory: '64MB' is not an amount of memory"),
        ({"requests": {"memory": "64 Mi"}}, "requests.memory: '64 Mi' is not an amount of memory"),
        ({"limits": {"memory": "9Ei"}}, "limits.memory: '9Ei' is out of range"),
        (
            {"limits": {"memory": "64Mi"}, "requests": {"memory": "0.1Gi"}},
            'requests.memory "0.1Gi" is more than limits.memory "64Mi"',
        ),
        ({"limits": {"cpu": "0.5"}, "requests": {"cpu": "501m"}}, 'requests.cpu "501m" is more than limits.cpu "0.5"'),
        ({"environment": {"a b": "x"}}, 'environment "a b"'),
        ({"environment": {"1a": "x"}}, 'environment "1a"'),
        ({"environment": {"a=b": "x"}}, 'environment "a=b"'),
        ({"labels": {"a b": "x"}}, 'labels "a b"'),
        ({"labels": {"a/b/c": "x"}}, 'labels "a/b/c"'),
        ({"labels": {"Example.com/a": "x"}}, 'labels "Example.com/a"'),
        ({"labels": {"a..b/c": "x"}}, 'labels "a..b/c"'),
        ({"labels": {"/a": "x"}}, 'labels "/a"'),
        ({"labels": {"x" * 64: "x"}}, f'labels "{"x" * 64}"'),
        ({"labels": {"a": "b c"}}, 'labels "a": "b c"'),
        ({"labels": {"a": "x" * 64}}, f'labels "a": "{"x" * 64}"'),
        ({"annotations": {"-a": "x"}}, 'annotations "-a"'),
        ({"annotations": {"a": "x" * 262144}}, "annotations have 262145 bytes, allowed are 262144"),
        ({"secrets": ["Key"]}, 'secrets "Key"'),
        ({"secrets": ["a_b"]}, 'secrets "a_b"'),
        ({"secrets": ["a-.b"]}, 'secrets "a-.b"'),
        ({"namespace": "A"}, 'namespace "A"'),
        ({"image": "me/one two"}, 'image "me/one two" has a blank in it'),
        ({"environment_file": ["none.yml"]}, "open none.yml"),
    ],
)
def test_refused_everywhere(project, api, function, text):
    refused(project, f"bandog: stack.yml:5: function one: {text}", api=api, **function)


@pytest.mark.parametrize("api", [KNATIVE, KUBERNETES])
@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"write_timeout": "soon"}, 'environment write_timeout="soon" is no duration; allowed: 30, 1m30s'),
        ({"healthcheck_interval": "-1s"}, 'environment healthcheck_interval="-1s" is no duration'),
        ({"shutdown_timeout": "99999999999999999999"}, "shutdown_timeout"),
        ({"stop_grace": "5 s"}, "stop_grace"),
        ({"port": "0"}, 'environment port="0" is no port; allowed: 1 to 65535'),
        ({"port": "65536"}, "port"),
        ({"metrics_port": "x"}, 'environment metrics_port="x" is no port; allowed: 0 to 65535'),
        ({"port": "8081"}, "environment port and metrics_port are the same, 8081"),
        ({"TMPDIR": "tmp"}, 'environment TMPDIR="tmp" must begin with /'),
        ({"TMPDIR": "/a:b"}, 'environment TMPDIR="/a:b"'),
    ],
)
def test_settings_that_are_refused(project, api, environment, text):
    """Where a document depends on them; OpenFaaS's operator does not look at them."""
    refused(project, text, api=api, environment=environment)
    assert one(project, FUNCTION, environment=environment)["spec"]["environment"] == environment


@pytest.mark.parametrize("constraint", ["ssd", "a==b", "a b=c", "=a", "a=b c"])
def test_constraints_that_are_refused(project, constraint):
    refused(project, f'constraints "{constraint}": it must be LABEL=VALUE', api=KUBERNETES, constraints=[constraint])
    assert one(project, FUNCTION, constraints=[constraint])["spec"]["constraints"] == [constraint]


@pytest.mark.parametrize("least", ["0", "-1", "two", "1.5", "99999999999"])
def test_replicas_that_are_refused(project, least):
    refused(project, "com.openfaas.scale.min", api=KUBERNETES, labels={"com.openfaas.scale.min": least})


def test_names_that_begin_with_a_digit(project):
    write_stack(project, {"3d": {"image": "me/3d"}})
    project.refused(1, "stack.yml:5: function 3d: ", "begin with a letter", args=["generate"])


def test_all_that_is_wrong_is_said_at_once(project):
    write_stack(
        project,
        {
            "good": {"image": "me/good"},
            "two": {"lang": "node", "limits": {"cpu": "x", "memory": "y"}},
            "one": {"image": "me/one", "secrets": ["A", "B"]},
        },
    )
    ended = project.run("generate")
    assert (ended.status, ended.stdout) == (1, "")
    found = re.findall(r"^bandog: stack\.yml:(\d+): function (\w+): (\S+)", ended.stderr, re.M)
    assert found == [
        ("12", "one", "secrets"),
        ("12", "one", "secrets"),
        ("7", "two", "it"),
        ("7", "two", "limits.cpu:"),
        ("7", "two", "limits.memory:"),
    ]


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["--api", "apps/v2"], 2, "openfaas.com/v1, serving.knative.dev/v1, apps/v1"),
        (["--namespace", "a b"], 1, 'namespace "a b"'),
        (["none"], 1, "none"),
        (["--filter", "none*"], 1, "no functions matching"),
        (["-f", "none.yml"], 1, "none.yml"),
    ],
)
def test_bad_arguments(project, args, status, text):
    write_stack(project, {"one": {"image": "me/one:1"}})
    assert project.refused(status, text, args=["generate", *args]).stdout == ""


def test_stdout_that_is_full(project):
    write_stack(project, {"one": {"image": "me/one:1"}})
    with open("/dev/full", "wb") as full_device:
        project.refused(1, "cannot write to stdout", args=["generate"], stdout=full_device)
