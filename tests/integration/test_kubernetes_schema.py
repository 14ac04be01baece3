"""kubernetes_schema.py: it takes what is right and refuses all else, so that test_generate.py means something."""

import copy

import pytest

from kubernetes_schema import Refused, check, read, yaml

DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a.b, namespace: fn, labels: {example.com/x_y.z: "1"}, annotations: {note: any text}}
spec:
  replicas: 2
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a, tier: ""}, annotations: {prometheus.io/scrape: "true"}}
    spec:
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      nodeSelector: {kubernetes.io/arch: amd64}
      containers:
        - name: a
          image: registry.example.com:5000/a/b:1
          ports: [{name: http, containerPort: 8080}]
          env: [{name: mode, value: http}, {name: empty, value: ""}]
          startupProbe: {httpGet: {path: /_/ready, port: http}, periodSeconds: 1, failureThreshold: 60}
          readinessProbe: {httpGet: {path: /_/ready, port: http}}
          livenessProbe: {httpGet: {path: /_/health, port: http}, timeoutSeconds: 5}
          lifecycle: {preStop: {sleep: {seconds: 5}}}
          securityContext:
            runAsNonRoot: true
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL], add: [KILL]}
            seccompProfile: {type: RuntimeDefault}
          resources: {limits: {cpu: "0.5", memory: 1Gi}, requests: {cpu: 500m, memory: 64Mi}}
          volumeMounts:
            - {name: secrets, mountPath: /var/openfaas/secrets, readOnly: true}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {name: secrets, projected: {sources: [{secret: {name: one.two}}]}}
        - {name: tmp, emptyDir: {}}
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: fn, labels: {app: a}, annotations: {a: b}}
spec: {selector: {app: a}, ports: [{name: http, port: 8080, targetPort: http}]}
"""
KNATIVE = """\
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a, namespace: fn, labels: {a: b}, annotations: {a: b}}
spec:
  template:
    metadata: {labels: {a: b}, annotations: {autoscaling.knative.dev/min-scale: "1"}}
    spec:
      containers:
        - image: a/b:1
          ports: [{containerPort: 8080}]
          env: [{name: mode, value: http}]
          readinessProbe: {httpGet: {path: /_/ready}}
          securityContext: {readOnlyRootFilesystem: true}
          resources: {limits: {memory: 1Gi}}
          volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
"""
FUNCTION = """\
---
apiVersion: openfaas.com/v1
kind: Function
metadata: {name: a, namespace: openfaas-fn}
spec:
  name: a
  image: a/b:1
  environment: {mode: http}
  labels: {a: b}
  annotations: {a: b}
  limits: {cpu: "1", memory: 1Gi}
  requests: {cpu: 100m, memory: 64Mi}
  constraints: [a=b]
  secrets: [key]
  readOnlyRootFilesystem: true
"""
GOOD = {"deployment": DEPLOYMENT, "service": SERVICE, "knative": KNATIVE, "function": FUNCTION}
each_kind = pytest.mark.parametrize("kind", GOOD)


def places(value, path=()):
    """Every place in a document: path -> value."""
    yield path, value
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, key))


def changed(kind, path, value):
    """The good document with another value there."""
    document = copy.deepcopy(yaml.safe_load(GOOD[kind]))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@each_kind
def test_good_ones_are_taken(kind):
    assert read(GOOD[kind]) == [yaml.safe_load(GOOD[kind])]


def test_several_documents():
    assert len(read("".join(GOOD.values()))) == len(GOOD)


@each_kind
def test_unknown_fields_are_refused_everywhere(kind):
    """In a map of free names, too, where it is none of those."""
    for path, value in places(yaml.safe_load(GOOD[kind])):
        if isinstance(value, dict):
            with pytest.raises(Refused):
                check(changed(kind, (*path, "un known"), "x"))


@each_kind
def test_other_types_are_refused_everywhere(kind):
    for path, value in places(yaml.safe_load(GOOD[kind])):
        for other in (None, ["x"], {"x": "y"}, 1.5, 99, True, "-"):
            if path and type(other) is not type(value):
                with pytest.raises(Refused):
                    check(changed(kind, path, other))
                    pytest.fail(f"{path}: {other!r} is taken")


REQUIRED = {
    "deployment": ["metadata name", "spec selector", "spec selector matchLabels", "spec template metadata labels"],
    "service": ["metadata name", "spec selector", "spec ports", "spec ports 0 targetPort"],
    "knative": ["metadata name", "spec template", "spec template spec containers 0 image"],
    "function": ["metadata name", "spec name", "spec image"],
}


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in REQUIRED.items() for path in paths])
def test_what_must_be_there(kind, path):
    document = yaml.safe_load(GOOD[kind])
    at = document
    *parents, last = [int(step) if step.isdigit() else step for step in path.split()]
    for step in parents:
        at = at[step]
    del at[last]
    with pytest.raises(Refused, match="is missing"):
        check(document)


POD = "spec template spec"
BOX = f"{POD} containers 0"
WRONG = [
    ("deployment", "apiVersion", "apps/v2"),
    ("deployment", "kind", "Deploy"),
    ("deployment", "metadata name", "A"),
    ("deployment", "metadata name", "a..b"),
    ("deployment", "metadata namespace", "a.b"),
    ("deployment", "metadata namespace", "x" * 64),
    ("deployment", "metadata labels", {"a b": "x"}),
    ("deployment", "metadata labels", {"Example.com/x": "x"}),
    ("deployment", "metadata labels", {"a/b/c": "x"}),
    ("deployment", "metadata labels", {"x" * 64: "x"}),
    ("deployment", "metadata labels", {"a": "-x"}),
    ("deployment", "metadata labels", {"a": "x" * 64}),
    ("deployment", "metadata annotations", {"-": "x"}),
    ("deployment", "spec replicas", -1),
    ("deployment", "spec selector matchLabels", {}),
    ("deployment", "spec selector matchLabels", {"app": "b"}),
    ("deployment", f"{POD} terminationGracePeriodSeconds", -1),
    ("deployment", f"{POD} containers", []),
    ("deployment", f"{BOX} image", ""),
    ("deployment", f"{BOX} image", "a b"),
    ("deployment", f"{BOX} ports", []),
    ("deployment", f"{BOX} ports 0 containerPort", 0),
    ("deployment", f"{BOX} ports 0 containerPort", 65536),
    ("deployment", f"{BOX} ports 0 name", "a-name-too-long-for-a-port"),
    ("deployment", f"{BOX} ports 0 name", "80"),
    ("deployment", f"{BOX} env 0 name", "a b"),
    ("deployment", f"{BOX} env 0 name", "1a"),
    ("deployment", f"{BOX} env 0 name", "empty"),
    ("deployment", f"{BOX} livenessProbe httpGet port", "other"),
    ("deployment", f"{BOX} livenessProbe httpGet path", "ready"),
    ("deployment", f"{BOX} startupProbe periodSeconds", 0),
    ("deployment", f"{BOX} lifecycle preStop sleep seconds", 0),
    ("deployment", f"{BOX} securityContext capabilities drop", ["all"]),
    ("deployment", f"{BOX} securityContext seccompProfile type", "runtime"),
    ("deployment", f"{BOX} resources limits memory", "1 Gi"),
    ("deployment", f"{BOX} resources limits memory", "1KiB"),
    ("deployment", f"{BOX} resources limits memory", "."),
    ("deployment", f"{BOX} resources limits cpu", ""),
    ("deployment", f"{BOX} resources requests cpu", "501m"),
    ("deployment", f"{BOX} volumeMounts 0 mountPath", "secrets"),
    ("deployment", f"{BOX} volumeMounts 0 mountPath", "/tmp"),
    ("deployment", f"{BOX} volumeMounts 0 name", "other"),
    ("deployment", f"{POD} volumes 0 projected sources", []),
    ("deployment", f"{POD} volumes 0 projected sources 0 secret name", "A"),
    ("deployment", f"{POD} volumes 0 emptyDir", {}),
    ("deployment", f"{POD} volumes 0", {"name": "secrets"}),
    ("deployment", f"{POD} volumes 0 name", "tmp"),
    ("service", "metadata name", "1a"),
    ("service", "spec ports 0 port", 70000),
    ("knative", "metadata name", "1a"),
    ("knative", "metadata annotations", {"autoscaling.knative.dev/min-scale": "1"}),
    ("knative", f"{BOX} ports", [{"containerPort": 1}, {"containerPort": 2}]),
    ("knative", f"{BOX} lifecycle", {"preStop": {"sleep": {"seconds": 5}}}),
    ("knative", f"{POD} nodeSelector", {"a": "b"}),
    ("knative", f"{POD} terminationGracePeriodSeconds", 5),
    ("function", "spec name", "b"),
    ("function", "spec environment", {"A": 1}),
    ("function", "spec limits cpu", ""),
    ("function", "spec requests memory", "2Gi"),
    ("function", "spec secrets", ["A"]),
]


@pytest.mark.parametrize(("kind", "path", "value"), WRONG)
def test_wrong_values_are_refused(kind, path, value):
    with pytest.raises(Refused):
        check(changed(kind, [int(step) if step.isdigit() else step for step in path.split()], value))


@pytest.mark.parametrize(
    "text",
    [
        FUNCTION.replace("---\n", ""),
        FUNCTION + "---\n",
        FUNCTION + "---\n- a\n",
        FUNCTION.replace("  name: a\n", "  name: a\n  name: a\n"),
        FUNCTION.replace("a: b", "yes: b"),
        FUNCTION.replace("mode: http", "mode: [http"),
        FUNCTION.replace("mode: http", "mode: yes"),
    ],
)
def test_wrong_texts_are_refused(text):
    with pytest.raises(Refused):
        read(text)
