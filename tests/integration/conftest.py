import os
import socket
import tempfile
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "browser", "call_ids", "cli", "dev", "exposition", "harness", "held", "http_client", "http_template",
    "json_log", "manifests", "static_site", "upstream", "waiting",
)

from harness import BINARY, Gate, Watchdog, base_environment, free_port, merged, run_to_end  # noqa: E402
from static_site import Site  # noqa: E402
from upstream import Upstream  # noqa: E402


def pytest_configure(config):
    if not os.access(BINARY, os.X_OK):
        raise pytest.UsageError(f"{BINARY} is not there: run make, or set FWATCHDOG")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True
        for w in getattr(item, "watchdogs", []):
            report.sections.append((f"log of fwatchdog {w.pid}", w.err.text()[-20000:]))


@pytest.fixture
def scratch():
    """A folder of the test's own. `tmp` in it is the watchdog's TMPDIR."""
    with tempfile.TemporaryDirectory(prefix="bandog-") as folder:
        path = Path(folder).resolve()
        (path / "tmp").mkdir()
        yield path


@pytest.fixture
def watchdog(scratch, request):
    """
    Starts fwatchdog: watchdog("cat", mode="streaming", exec_timeout="1s"). Keywords are its
    environment. After the test it is stopped, and must end well and leave nothing behind.
    """
    started = request.node.watchdogs = []

    def start(fprocess=None, *, args=(), wrapper=(), ready=True, popen=None, **changes):
        env = merged(base_environment(scratch / "tmp"), {"fprocess": fprocess, **changes})
        w = Watchdog(env, env.get("TMPDIR") or scratch / "tmp", args=args, wrapper=wrapper, **(popen or {}))
        started.append(w)
        if ready:
            w.wait_until_ready()
        return w

    yield start
    failed = getattr(request.node, "failed", False)
    try:
        for w in started:
            if not w.over and not failed:
                w.stop()
    finally:
        for w in started:
            if not w.over:
                w.kill()


@pytest.fixture
def measured(watchdog):
    """Like `watchdog`, with GET /metrics on a port of its own: see exposition.py."""

    def start(fprocess=None, **changes):
        w = watchdog(fprocess, metrics_port=free_port(), **changes)
        w.wait_for_log("^Metrics listening on port: ")
        return w

    return start


@pytest.fixture
def fwatchdog(scratch):
    """Runs fwatchdog to its end: fwatchdog("--check", fprocess="cat"). Keywords are its environment."""

    def run(*args, wrapper=(), **changes):
        env = merged(base_environment(scratch / "tmp"), changes)
        ended = run_to_end(args, env, wrapper=wrapper, cwd=scratch)
        assert os.listdir(scratch / "tmp") in ([], [".lock"]), "it leaves files behind"
        return ended

    return run


@pytest.fixture
def upstream():
    """The function's HTTP server, in the hands of the test: see upstream.py."""
    with Upstream() as u:
        yield u


@pytest.fixture
def proxied(upstream, watchdog):
    """Starts fwatchdog in front of `upstream`: proxied(exec_timeout="1s"). The function itself just waits."""

    def start(fprocess="cat", **changes):
        return watchdog(fprocess, **{"mode": "http", "http_upstream_url": upstream.url, "workers": "1", **changes})

    return start


@pytest.fixture
def site(watchdog, scratch):
    """A folder for mode=static: see static_site.py."""
    return Site(watchdog, scratch)


@pytest.fixture
def gate(scratch):
    """Holds functions back and learns their process ids: see functions/steps. Give them gate.env."""
    gate = Gate(scratch)
    yield gate
    gate.close()


@pytest.fixture
def taken_port():
    """A port that somebody listens on already."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", 0))
        s.listen()
        yield s.getsockname()[1]


@pytest.fixture(params=["classic", "streaming", "serializing"])
def mode(request):
    """Runs the test once in each forking mode."""
    return request.param
