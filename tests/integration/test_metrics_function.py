"""GET /metrics: bandog_*, what became of functions, against what really happened."""

import json
import sys

import pytest

from exposition import scrape
from harness import eventually
from life import Life

SPAWN = "bandog_spawn_duration_seconds"
CPU = "bandog_child_cpu_seconds"
RSS = "bandog_child_max_rss_bytes"
RESTARTS = "bandog_function_restarts_total"
QUEUE = "bandog_queue_depth"
MB = 1 << 20
CGI_HEAD = "sh -c 'echo Status: 200; echo; cat'"


@pytest.fixture(params=["classic", "streaming", "serializing", "cgi"])
def forking(request):
    return request.param


@pytest.fixture
def life(measured, gate):
    return Life(measured, gate)


def cat(mode):
    return CGI_HEAD if mode == "cgi" else "cat"


def python(program, mode="streaming"):
    """The command for a little Python."""
    head = "print('Status: 200\\n', flush=True)\n" if mode == "cgi" else ""
    return json.dumps([sys.executable, "-S", "-c", head + program])


def histogram_of(w, name, count):
    """It, as soon as it has seen this many events."""

    def probe():
        h = scrape(w).histogram(name)
        return h if h and h.count >= count else None

    h = eventually(probe, f"{name} has {count} events")
    assert h.count == count
    return h


# --- which are there --------------------------------------------------------------------------------------------------


def ours(e):
    return {name: f.kind for name, f in e.families.items() if name.startswith("bandog_")}


def test_families_before_the_first_call(measured, forking):
    w = measured(cat(forking), mode=forking)
    assert ours(scrape(w)) == {QUEUE: "gauge"}, "histograms come with their first event"
    assert scrape(w).value(QUEUE) == 0


def test_families_after_a_call(measured, forking):
    w = measured(cat(forking), mode=forking)
    assert w.call().status == 200
    histogram_of(w, RSS, 1)
    wanted = {QUEUE: "gauge", SPAWN: "histogram", CPU: "histogram", RSS: "histogram"}
    e = scrape(w)
    assert ours(e) == wanted
    for name in wanted:
        assert {labels for sample, labels in e.families[name].samples if not sample.endswith("_bucket")} == {()}


def test_families_of_http(measured, upstream):
    e = scrape(measured("cat", mode="http", http_upstream_url=upstream.url))
    assert ours(e) == {QUEUE: "gauge", RESTARTS: "counter"}
    assert e.value(RESTARTS) == 0


def test_families_of_static(measured, site):
    site.write("a", b"a")
    w = measured(mode="static", static_path=site.path)
    assert w.call("GET", "/a").status == 200
    assert ours(scrape(w)) == {QUEUE: "gauge"}


# --- starts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "3"])
def test_every_start_is_counted(measured, forking, workers):
    w = measured(cat(forking), mode=forking, workers=workers)
    calls = 0
    for n in (1, 2, 12):
        while calls < n:
            assert w.call("POST", body=b"x").status == 200
            calls += 1
        h = histogram_of(w, SPAWN, n)
        assert 0 < h.sum < 5 * n
        histogram_of(w, CPU, n)
        histogram_of(w, RSS, n)


def test_start_is_not_the_call(measured, gate):
    """The time to start a process ends before the process does."""
    w = measured("steps say wait", mode="streaming", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        assert histogram_of(w, SPAWN, 1).sum < 5
        assert scrape(w).histogram(CPU) is None, "it has not ended"
        gate.open()
        c.answer()
    histogram_of(w, CPU, 1)


def test_refused_calls_start_nothing(measured, gate):
    w = measured("steps say wait", mode="streaming", max_inflight="1", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        assert w.call().status == 429
        assert w.call("GET", "/_/health").status == 200
        assert histogram_of(w, SPAWN, 1).count == 1
        gate.open()
        c.answer()


def test_program_that_cannot_be_started_uses_nothing(measured, forking, scratch):
    """No process has run, so there is nothing to count; what came before stays."""
    program = scratch / "program"
    program.write_text("#!/bin/sh\necho Status: 200\necho\n")
    program.chmod(0o755)
    w = measured(str(program), mode=forking)
    assert w.call().status == 200
    before = histogram_of(w, RSS, 1)
    program.unlink()
    assert w.call().status == 500
    after = scrape(w)
    assert after.histogram(RSS).buckets == before.buckets
    assert after.histogram(CPU).count == 1


# --- what processes have used -----------------------------------------------------------------------------------------

TIMES = "import os, sys, time\nwhile time.process_time() < 0.3: pass\nprint(sum(os.times()[:2]))"


def test_child_cpu_seconds(measured, forking):
    """Against what the process itself says at its end; starting and ending add a little."""
    w = measured(python(TIMES, forking), mode=forking)
    said = [float(w.call().body) for _ in range(2)]
    h = histogram_of(w, CPU, 2)
    assert sum(said) - 0.03 <= h.sum <= sum(said) + 1
    assert h.up_to(0.25) == 0, "both took longer"


def test_child_cpu_seconds_hold_those_of_its_children(measured):
    """wait4(2) tells both together."""
    w = measured(json.dumps(["sh", "-c", f"{sys.executable} -S -c '{TIMES}'; true"]), mode="streaming")
    said = float(w.call().body)
    assert said - 0.02 <= histogram_of(w, CPU, 1).sum <= said + 1


def test_child_that_only_waits_uses_nothing(measured, gate):
    w = measured("steps say wait", mode="streaming", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        gate.open()
        c.answer()
    assert histogram_of(w, CPU, 1).sum < 2


ALLOCATE = "data = b'x' * (%d << 20)\nprint(open('/proc/self/status').read())"


def test_child_max_rss_bytes(measured, forking):
    """In bytes, not in the kernel's KiB; the peak, not what is there at the end."""
    w = measured(python(ALLOCATE % 64 + "\ndel data", forking), mode=forking)
    lines = w.call().body.decode().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    h = histogram_of(w, RSS, 1)
    assert 64 * MB < peak and abs(h.sum - peak) < 4 * MB
    assert h.up_to(64 * MB) == 0
    assert any(n == 1 for le, n in h.buckets if float(le) < 2**40), "a bound above it"


def test_child_max_rss_bytes_is_of_each_alone(measured):
    """A small process behind a large one is small."""
    w = measured(python("import os, sys\ndata = b'x' * (int(sys.stdin.read()) << 20)"), mode="streaming")
    w.call("POST", body=b"150")
    large = histogram_of(w, RSS, 1)
    w.call("POST", body=b"1")
    both = histogram_of(w, RSS, 2)
    assert large.sum > 150 * MB
    assert both.sum - large.sum < 60 * MB
    assert both.up_to(150 * MB) == 1


@pytest.mark.parametrize(
    "steps, settings, status",
    [
        ("exit:3", {}, 500),
        ("kill:KILL", {}, 500),
        ("kill:SEGV", {}, 500),
        ("say wait", {"exec_timeout": "200ms"}, 500),
        ("ignore-term say wait", {"exec_timeout": "200ms", "kill_grace": "100ms"}, 500),
    ],
)
def test_processes_that_end_badly_are_counted(measured, gate, steps, settings, status):
    w = measured(f"steps {steps}", mode="serializing", **settings, **gate.env)
    assert w.call().status == status
    histogram_of(w, CPU, 1)
    histogram_of(w, RSS, 1)
    histogram_of(w, SPAWN, 1)


def test_process_of_a_client_that_left_is_counted(measured, gate):
    w = measured("steps say wait", mode="streaming", **gate.env)
    c = w.connect()
    c.request()
    gate.started()
    c.reset()
    histogram_of(w, CPU, 1)
    histogram_of(w, RSS, 1)


@pytest.mark.parametrize("location, processes", [("/again", 2), ("http://other.test/", 1)])
def test_local_redirect_is_a_process_more(measured, location, processes):
    script = f'if [ "$PATH_INFO" = / ]; then echo "Location: {location}"; else echo Status: 200; fi; echo'
    w = measured(json.dumps(["sh", "-c", script]), mode="cgi")
    w.call()
    histogram_of(w, SPAWN, processes)
    histogram_of(w, CPU, processes)


# --- the line of max_queue --------------------------------------------------------------------------------------------


def test_queue_depth(measured, gate, forking):
    w = measured("steps say wait outline:Status:200 outline:", mode=forking, max_inflight="1", max_queue="3",
                 workers="2", **gate.env)  # fmt: skip
    connections = [w.connect() for _ in range(4)]
    connections[0].request()
    gate.started()
    for n, c in enumerate(connections[1:], 1):
        c.request()
        eventually(lambda n=n: scrape(w).value(QUEUE) == n, f"{n} wait")
    assert w.call().status == 429
    e = scrape(w)
    assert e.value(QUEUE) == 3
    assert e.histogram(SPAWN).count == 1, "who waits has no process"
    connections[1].reset()
    eventually(lambda: scrape(w).value(QUEUE) == 2, "the place of who leaves is free again")
    for n, c in ((1, connections[0]), (0, connections[2]), (0, connections[3])):
        gate.open()
        assert c.answer().status == 200
        if c is not connections[3]:
            gate.started()
        assert scrape(w).value(QUEUE) == n
    histogram_of(w, SPAWN, 3)


# --- mode=http --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart, number", [("always", 0), ("always", -9), ("on-failure", 3)])
def test_restarts(life, restart, number):
    w = life.start(restart=restart)
    assert w.call().status == 200
    for n in range(3):
        assert scrape(w).value(RESTARTS) == n, "the first start is none"
        life.end(w, number)
        eventually(lambda: w.call().status == 200, "it serves again")
    e = scrape(w)
    assert e.value(RESTARTS) == 3
    assert scrape(w, openmetrics=True).value(RESTARTS) == 3


def test_restarts_of_a_function_that_never_listens(measured):
    """Each try is one, so that an alert on the rate sees a crash loop."""
    w = measured("steps exit:3", mode="http", http_upstream_url="http://127.0.0.1:9", restart="always")
    eventually(lambda: scrape(w).value(RESTARTS) >= 2, "it has been started again twice")
    seen = scrape(w).value(RESTARTS)
    assert seen <= len([m for m in w.messages() if m.startswith("Starting the function again")])
