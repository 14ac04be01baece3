"""
Templates as images: built, run and looked at with a real engine. Needs root, or an engine that runs already.

    FWATCHDOG=build/fwatchdog BANDOG=build/bandog python3 -m pytest tests/container

BANDOG= (nothing): the images are built without it, so that the templates alone are tested.
CONTAINER_ALL=1: all templates, also those that take minutes.
CONTAINER_SUITE=trixie: on that release of Debian instead of the machine's own.
"""

import os

import pytest

pytest.register_assert_rewrite("containers", "engine", "harness", "http_client", "project")

import base_image  # noqa: E402
import engine as engines  # noqa: E402
from containers import Container  # noqa: E402
from harness import BINARY  # noqa: E402
from project import BANDOG, Project, make_watchdog_image, need_buildkit, swept  # noqa: E402


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        raise pytest.UsageError("these tests share one engine: run them without -n")
    if not os.access(BINARY, os.X_OK):
        raise pytest.UsageError(f"{BINARY} is not there: run make, or set FWATCHDOG")
    if os.environ.get("BANDOG") and not os.access(BANDOG, os.X_OK):
        raise pytest.UsageError(f"{BANDOG} is not there: run make, or unset BANDOG")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for c in getattr(item, "containers", []):
            report.sections.append((f"log of container {c.id[:12]}", c.log()[-20000:]))


@pytest.fixture(scope="session")
def engine():
    try:
        with engines.running() as found:
            yield found
    except engines.NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def project(engine, tmp_path_factory):
    """Where functions are made and built."""
    with swept(engine):
        try:
            base_image.provide(engine)
        except base_image.NoBaseImage as reason:
            pytest.skip(str(reason))
        if not BANDOG.is_file():
            make_watchdog_image(engine, tmp_path_factory.mktemp("watchdog"))
        yield Project(engine, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def image(project):
    """The image of a template with its starter: image("bash"). Built once."""
    built = {}

    def get(template):
        if template not in built:
            built[template] = project.build(template).image
        return built[template]

    return get


@pytest.fixture
def container(engine, request):
    """Starts containers: container(image, "--read-only", healthcheck_interval="0s"). They are removed afterwards."""
    request.node.containers = []

    def start(image, *options, **environment):
        c = Container(engine, image, *options, **environment)
        request.node.containers.append(c)
        c.start()
        return c

    yield start
    for c in request.node.containers:
        c.remove()


@pytest.fixture
def buildkit(engine, tmp_path):
    need_buildkit(engine, tmp_path)
