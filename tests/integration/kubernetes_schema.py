"""
A strict reader of manifests, as an API server is one: Deployment (apps/v1), Service (v1), Service of Knative
(serving.knative.dev/v1) and Function (openfaas.com/v1). It knows the fields that `bandog generate` may
write, their types and what they may hold, and refuses every other field.
"""

import re

import pytest

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # RFC 1123
SERVICE_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"  # RFC 1035
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
VARIABLE = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
QUANTITY = r"[0-9]+(\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?|\.[0-9]+([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?"
IMAGE = r"[a-z0-9][A-Za-z0-9._:@/-]*"
CAPABILITIES = ("ALL", "CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


class Refused(Exception):
    """A manifest is not as it must be."""


def refuse(path, what):
    raise Refused(f"{path or '.'}: {what}")


# --- kinds of values: functions of a value and its path ---------------------------------------------------------------


def text(pattern=None, longest=None):
    def check(value, path):
        if not isinstance(value, str):
            refuse(path, f"{value!r} is no text")
        if longest is not None and len(value) > longest:
            refuse(path, f"longer than {longest}: {value!r}")
        if pattern and not re.fullmatch(pattern, value):
            refuse(path, f"{value!r} is not like {pattern}")

    return check


def word(*allowed):
    def check(value, path):
        if type(value) is not str or value not in allowed:
            refuse(path, f"{value!r} is none of {allowed}")

    return check


def number(least, most=2**31 - 1):
    def check(value, path):
        if type(value) is not int:  # bool is an int, too
            refuse(path, f"{value!r} is no whole number")
        if not least <= value <= most:
            refuse(path, f"{value} is not in {least}..{most}")

    return check


def flag(value, path):
    if type(value) is not bool:
        refuse(path, f"{value!r} is neither true nor false")


def a_list(item, least=0, most=None, unique=None):
    """`unique`: a field that differs in all of them."""

    def check(value, path):
        if not isinstance(value, list):
            refuse(path, f"{value!r} is no list")
        if len(value) < least or (most is not None and len(value) > most):
            refuse(path, f"has {len(value)} items")
        for i, each in enumerate(value):
            item(each, f"{path}[{i}]")
        if unique:
            seen = [each[unique] for each in value]
            if len(set(seen)) < len(seen):
                refuse(path, f"{unique} comes twice: {seen}")

    return check


def pairs(key, item):
    def check(value, path):
        if not isinstance(value, dict):
            refuse(path, f"{value!r} is no map")
        for name, each in value.items():
            key(name, f"{path}: the key {name!r}")
            item(each, f"{path}[{name!r}]")

    return check


def fields(required=None, optional=None, also=None):
    """`also`: a function of the map and its path, for what concerns several fields."""
    required, optional = required or {}, optional or {}

    def check(value, path):
        if not isinstance(value, dict):
            refuse(path, f"{value!r} is no map")
        for name in required:
            if name not in value:
                refuse(path, f"{name} is missing")
        for name, each in value.items():
            known = {**required, **optional}.get(name)
            if not known:
                refuse(path, f"unknown field {name!r}")
            known(each, f"{path}.{name}")
        if also:
            also(value, path)

    return check


def one_of(*kinds):
    """A map that has exactly one of these fields."""

    def check(value, path):
        if len(set(value) & set(kinds)) != 1:
            refuse(path, f"exactly one of {sorted(kinds)} must be there")

    return check


# --- what all have ----------------------------------------------------------------------------------------------------


def qualified(value, path):
    """A name of a label or an annotation."""
    text()(value, path)
    prefix, slash, name = value.rpartition("/")
    if slash:
        text(SUBDOMAIN, 253)(prefix, path)
    text(QUALIFIED)(name, path)


labels = pairs(qualified, text(rf"({QUALIFIED})?"))
annotations = pairs(qualified, text())


def metadata(name):
    optional = {"namespace": text(LABEL, 63), "labels": labels, "annotations": annotations}
    return fields({"name": name}, optional)


def document(api, kind, meta, spec, also=None):
    return fields({"apiVersion": word(api), "kind": word(kind), "metadata": meta, "spec": spec}, also=also)


# --- amounts ----------------------------------------------------------------------------------------------------------

UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, **{unit: 1e3 ** (i + 2) for i, unit in enumerate("MGTPE")}}
UNITS.update({f"{unit}i": 1024.0 ** (i + 1) for i, unit in enumerate("KMGTPE")})


def quantity(value, path):
    text(QUANTITY)(value, path)


def amount(value):
    digits, unit = re.fullmatch(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)(\D*)", value).groups()
    return float(digits) * UNITS.get(unit, 1)


amounts = fields(optional={"cpu": quantity, "memory": quantity})


def requests_within_limits(value, path):
    limits = value.get("limits", {})
    for name, requested in value.get("requests", {}).items():
        if name in limits and amount(requested) > amount(limits[name]):
            refuse(path, f"{name}: {requested} is requested, but the limit is {limits[name]}")


resources = fields(optional={"limits": amounts, "requests": amounts}, also=requests_within_limits)

# --- Pods -------------------------------------------------------------------------------------------------------------

TIMES = ("periodSeconds", "failureThreshold", "timeoutSeconds")

variable = fields({"name": text(VARIABLE)}, {"value": text()})
absolute = text(r"/[^\0]*")
mount_path = text(r"/[^:\0]*")


def probe(port):
    request = fields({"path": absolute, **({"port": port} if port else {})})
    return fields({"httpGet": request}, {name: number(1) for name in TIMES})


mount = fields({"name": text(LABEL, 63), "mountPath": mount_path}, {"readOnly": flag})
secret = fields({"name": text(SUBDOMAIN, 253)})
volume = fields(
    {"name": text(LABEL, 63)},
    {
        "projected": fields({"sources": a_list(fields({"secret": secret}), least=1)}),
        "emptyDir": fields(),
    },
    also=one_of("projected", "emptyDir"),
)
security = {
    "runAsNonRoot": flag,
    "readOnlyRootFilesystem": flag,
    "allowPrivilegeEscalation": flag,
    "capabilities": fields(optional={"add": a_list(word(*CAPABILITIES)), "drop": a_list(word(*CAPABILITIES))}),
    "seccompProfile": fields({"type": word("RuntimeDefault", "Unconfined")}),
}


def mounts_have_volumes(spec, path):
    names = {each["name"] for each in spec.get("volumes", [])}
    used = {each["name"] for c in spec["containers"] for each in c.get("volumeMounts", [])}
    if names != used:
        refuse(path, f"volumes {sorted(names)}, but mounted are {sorted(used)}")


def probes_have_ports(container, path):
    names = {each["name"] for each in container["ports"]}
    for name, each in container.items():
        if name.endswith("Probe") and each["httpGet"]["port"] not in names:
            refuse(f"{path}.{name}", f"no port is called {each['httpGet']['port']}")


def container(ports, port, also=None, required=None, **more):
    return fields(
        {"image": text(IMAGE), "ports": ports, **(required or {})},
        {
            "env": a_list(variable, unique="name"),
            "readinessProbe": probe(port),
            "resources": resources,
            "volumeMounts": a_list(mount, unique="mountPath"),
            "securityContext": fields(optional=security),
            **more,
        },
        also,
    )


port_name = text(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?", 15)
named_ports = a_list(fields({"name": port_name, "containerPort": number(1, 65535)}), least=1, unique="name")

# --- Deployment -------------------------------------------------------------------------------------------------------

pre_stop = fields({"sleep": fields({"seconds": number(1)})})
named_container = container(
    named_ports,
    port_name,
    probes_have_ports,
    {"name": text(LABEL, 63)},
    startupProbe=probe(port_name),
    livenessProbe=probe(port_name),
    lifecycle=fields({"preStop": pre_stop}),
)
pod = fields(
    {"containers": a_list(named_container, least=1, unique="name")},
    {
        "volumes": a_list(volume, unique="name"),
        "nodeSelector": labels,
        "enableServiceLinks": flag,
        "terminationGracePeriodSeconds": number(0),
    },
    also=mounts_have_volumes,
)


def selector_selects(spec, path):
    chosen, has = spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]
    if not chosen or not chosen.items() <= has.items():
        refuse(path, f"the selector {chosen} does not choose {has}")


deployment = document(
    "apps/v1",
    "Deployment",
    metadata(text(SUBDOMAIN, 253)),
    fields(
        {
            "selector": fields({"matchLabels": labels}),
            "template": fields({"metadata": fields({"labels": labels}, {"annotations": annotations}), "spec": pod}),
        },
        {"replicas": number(0)},
        also=selector_selects,
    ),
)

# --- Service ----------------------------------------------------------------------------------------------------------

service = document(
    "v1",
    "Service",
    metadata(text(SERVICE_NAME, 63)),
    fields(
        {
            "selector": labels,
            "ports": a_list(
                fields({"name": text(LABEL, 63), "port": number(1, 65535), "targetPort": port_name}),
                least=1,
                unique="name",
            ),
        }
    ),
)

# --- Service of Knative -----------------------------------------------------------------------------------------------

knative_ports = a_list(fields({"containerPort": number(1, 65535)}), least=1, most=1)


def knative_annotations(value, path):
    """They describe a revision, and Knative refuses them elsewhere."""
    for name in value["metadata"].get("annotations", {}):
        if name.startswith("autoscaling.knative.dev/"):
            refuse(path, f"{name} must be in spec.template.metadata")


revision = fields(
    {"containers": a_list(container(knative_ports, None), least=1, most=1)},
    {"volumes": a_list(volume, unique="name")},
    also=mounts_have_volumes,
)
revision_metadata = fields(optional={"labels": labels, "annotations": annotations})

knative = document(
    "serving.knative.dev/v1",
    "Service",
    metadata(text(SERVICE_NAME, 63)),
    fields({"template": fields({"spec": revision}, {"metadata": revision_metadata})}),
    also=knative_annotations,
)

# --- Function ---------------------------------------------------------------------------------------------------------


def same_name(value, path):
    if value["metadata"]["name"] != value["spec"]["name"]:
        refuse(path, "metadata.name and spec.name differ")
    requests_within_limits(value["spec"], path)


function = document(
    "openfaas.com/v1",
    "Function",
    metadata(text(SERVICE_NAME, 63)),
    fields(
        {"name": text(SERVICE_NAME, 63), "image": text(IMAGE)},
        {
            "environment": pairs(text(VARIABLE), text()),
            "labels": labels,
            "annotations": annotations,
            "limits": amounts,
            "requests": amounts,
            "constraints": a_list(text()),
            "secrets": a_list(text(SUBDOMAIN, 253)),
            "readOnlyRootFilesystem": flag,
        },
    ),
    also=same_name,
)

# --- documents --------------------------------------------------------------------------------------------------------

KINDS = {
    "apps/v1 Deployment": deployment,
    "v1 Service": service,
    "serving.knative.dev/v1 Service": knative,
    "openfaas.com/v1 Function": function,
}


class UniqueKeys(yaml.SafeLoader):
    """PyYAML lets the last of equal keys win; an API server does not."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            refuse(str(node.start_mark).strip(), f"a key comes twice: {keys}")
        return super().construct_mapping(node, deep=deep)


def check(value):
    """One document, as YAML has read it."""
    if not isinstance(value, dict):
        refuse("", f"{value!r} is no document")
    kind = f"{value.get('apiVersion')} {value.get('kind')}"
    if kind not in KINDS:
        refuse("", f"unknown kind {kind}")
    KINDS[kind](value, "")
    return value


def read(manifests):
    """The documents of a text, all of them checked."""
    try:
        documents = list(yaml.load_all(manifests, Loader=UniqueKeys))
    except yaml.YAMLError as e:
        raise Refused(str(e)) from e
    if len(re.findall(r"^---$", manifests, re.M)) != len(documents):
        refuse("", "each document must begin with ---")
    return [check(each) for each in documents]
