"""bandog generate for tests: the documents that it writes for functions, read strictly."""

import pytest

from kubernetes_schema import read, yaml

FUNCTION, KNATIVE, KUBERNETES = APIS = ["openfaas.com/v1", "serving.knative.dev/v1", "apps/v1"]
each_api = pytest.mark.parametrize("api", APIS)


def write_stack(project, functions):
    document = {"version": "1.0", "provider": {"name": "openfaas"}, "functions": functions}
    return project.write("stack.yml", yaml.safe_dump(document, sort_keys=False))


def generate(project, functions, *args):
    """The documents for these functions; what stands in them is no variable."""
    write_stack(project, functions)
    return read(project.done("generate", "--envsubst=false", *args).stdout)


def one(project, api, **function):
    """The (first) document for one function."""
    return generate(project, {"one": {"image": "me/one:1", **function}}, "--api", api)[0]


def pod(project, **function):
    """The Pod of its Deployment, and the container in it."""
    spec = one(project, KUBERNETES, **function)["spec"]["template"]["spec"]
    return spec, spec["containers"][0]
