"""GET /metrics: process_*, what fwatchdog itself uses, against what the kernel says about it."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from exposition import WANT_OPENMETRICS, read_answer, scrape
from harness import PATIENCE, eventually, status_kb
from http_client import Connection

KINDS = {
    "process_cpu_seconds_total": "counter",
    "process_max_fds": "gauge",
    "process_network_receive_bytes_total": "counter",
    "process_network_transmit_bytes_total": "counter",
    "process_open_fds": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_virtual_memory_max_bytes": "gauge",
}
TICK = 1 / os.sysconf("SC_CLK_TCK")
MB = 1_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")
MODES = ["classic", "streaming", "serializing", "cgi", "http", "static"]
SPIN = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"


@pytest.fixture(params=MODES)
def any_mode(request, measured, upstream, site):
    """Starts fwatchdog in each mode there is."""

    def start(**changes):
        more = {"http": {"http_upstream_url": upstream.url}, "static": {"static_path": site.path}}
        settings = {"mode": request.param, **more.get(request.param, {}), **changes}
        return measured(None if request.param == "static" else "cat", **settings)

    return start


def cpu_seconds(w):
    """User and system time as stat(5) has them, cut to whole ticks each."""
    fields = Path(f"/proc/{w.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def limit(w, name):
    row = next(r for r in Path(f"/proc/{w.pid}/limits").read_text().splitlines() if r.startswith(name))
    return row[len(name) :].split()[0]


def between(low, value, high, slack=0.0):
    assert low - slack <= value <= high + slack, f"{value} is not from {low} to {high} (+- {slack})"


def test_all_are_there_in_every_mode(any_mode):
    w = any_mode()
    families = {name: f for name, f in scrape(w).families.items() if name.startswith("process_")}
    assert {name: f.kind for name, f in families.items()} == KINDS
    for f in families.values():
        assert list(f.samples) == [(f.name, ())], "one sample, without labels"
        assert re.fullmatch(r"[A-Z][^\n]{10,}\.", f.help), f"a sentence: {f.help}"
        assert next(iter(f.samples.values())) > 0 or "_cpu_" in f.name or "network" in f.name, f.name


def test_the_same_in_openmetrics(measured):
    w = measured("cat")
    text, om = scrape(w), scrape(w, openmetrics=True)
    for name, kind in KINDS.items():
        family = om.families[name.removesuffix("_total")]
        assert (family.kind, family.help) == (kind, text.families[name].help)
        assert list(family.samples) == [(name, ())]


# --- processor time ---------------------------------------------------------------------------------------------------


def test_cpu_seconds(measured):
    w = measured("true", workers="2")
    for _ in range(3):
        low = cpu_seconds(w)
        value = scrape(w).value("process_cpu_seconds_total")
        between(low, value, cpu_seconds(w), slack=2 * TICK)
        with w.connect() as c:
            for _ in range(40):
                c.call("POST", body=b"x" * 100_000)


def test_cpu_seconds_are_not_those_of_functions(measured):
    w = measured(json.dumps(["sh", "-c", SPIN]))
    before = scrape(w).value("process_cpu_seconds_total")
    assert w.call().status == 200
    spent = eventually(lambda: scrape(w).histogram("bandog_child_cpu_seconds"), "the process is counted").sum
    assert spent > 0.05, "not enough to tell"
    assert scrape(w).value("process_cpu_seconds_total") - before < spent / 2


def test_cpu_seconds_never_fall(measured):
    w = measured("cat")
    values = [scrape(w).value("process_cpu_seconds_total") for _ in range(50)]
    assert values == sorted(values)


# --- descriptors ------------------------------------------------------------------------------------------------------


def descriptors(w):
    return len(os.listdir(f"/proc/{w.pid}/fd"))


def open_fds(w):
    """What the metrics and the kernel say, as soon as they agree: the scrape's connection is one for both."""

    def probe():
        with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
            said = read_answer(c.call("GET", "/metrics"), openmetrics=False).value("process_open_fds")
            return said if said == descriptors(w) else None

    return eventually(probe, "process_open_fds is what /proc has")


def test_open_fds(measured):
    w = measured("cat", workers="1")
    w.call("GET", "/_/health")  # what a worker opens once is there
    before = open_fds(w)
    for n in (1, 20):
        connections = [w.connect() for _ in range(n)]
        for connection in connections:
            assert connection.call("GET", "/_/health").status == 200
        assert open_fds(w) == before + n
        for connection in connections:
            connection.close()
        eventually(lambda: len(w.open_connections()) == 0, "all connections are closed")
        assert open_fds(w) == before


def test_open_fds_is_not_kept_by_scrapes(measured):
    w = measured("cat", workers="1")
    before = open_fds(w)
    for _ in range(100):
        scrape(w)
        scrape(w, openmetrics=True)
    eventually(lambda: open_fds(w) == before, "every scrape has closed what it opened")


def test_open_fds_counts_beyond_a_thousand(measured):
    """More than one getdents(2) gives, and more than three digits."""
    w = measured("cat", wrapper=["prlimit", "--nofile=4096:4096"])
    connections = [w.connect() for _ in range(1500)]
    eventually(lambda: descriptors(w) > 1500, "all are accepted")
    assert open_fds(w) > 1500
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("soft, hard", [(300, 300), (300, 4000), (1024, 5000)])
def test_max_fds(measured, soft, hard):
    """The limit in force: fwatchdog has raised its own."""
    w = measured("cat", wrapper=["prlimit", f"--nofile={soft}:{hard}"])
    value = scrape(w).value("process_max_fds")
    assert value == int(limit(w, "Max open files")) and soft <= value <= hard


# --- memory -----------------------------------------------------------------------------------------------------------


def test_resident_memory(measured):
    w = measured("cat", workers="1")
    scrape(w)
    low = status_kb(w.pid, "VmRSS") * 1024
    value = scrape(w).value("process_resident_memory_bytes")
    assert value % PAGE == 0
    between(low, value, status_kb(w.pid, "VmRSS") * 1024, slack=64 * 1024)


def test_resident_memory_follows(measured, gate):
    """A line of the function without an end is held in memory."""
    w = measured("steps errbytes:3000000 say wait", mode="streaming", log_buffer_size="-1", **gate.env)
    before = scrape(w).value("process_resident_memory_bytes")
    with w.connect() as c:
        c.request()
        gate.started()
        after = scrape(w).value("process_resident_memory_bytes")
        assert after > before + MB
        between(status_kb(w.pid, "VmRSS") * 1024, after, status_kb(w.pid, "VmRSS") * 1024, slack=MB)
        gate.open()
        assert c.answer().status == 200


def test_virtual_memory(measured):
    w = measured("cat", workers="1")
    scrape(w)
    low = status_kb(w.pid, "VmSize") * 1024
    value = scrape(w).value("process_virtual_memory_bytes")
    assert value % PAGE == 0
    between(low, value, status_kb(w.pid, "VmSize") * 1024, slack=1 << 20)
    assert value >= scrape(w).value("process_resident_memory_bytes")


def test_virtual_memory_max_unlimited(measured):
    """What Prometheus' own libraries say then: RLIM_INFINITY, as a number."""
    w = measured("cat", wrapper=["prlimit", "--as=unlimited"])
    assert limit(w, "Max address space") == "unlimited"
    assert scrape(w).value("process_virtual_memory_max_bytes") == float(2**64 - 1)


@pytest.mark.skipif(bool(os.environ.get("SAN")), reason="sanitizers need all of the address space")
@pytest.mark.parametrize("size", [1 << 30, (1 << 40) + 4096])
def test_virtual_memory_max(measured, size):
    w = measured("cat", workers="1", wrapper=["prlimit", f"--as={size}"])
    assert scrape(w).value("process_virtual_memory_max_bytes") == size


# --- start ------------------------------------------------------------------------------------------------------------


def test_start_time(measured):
    low = time.time()
    w = measured("cat")
    high = time.time()
    value = scrape(w).value("process_start_time_seconds")
    between(low, value, high, slack=1.1)  # the kernel's boot time is in whole seconds
    w.call()
    assert {scrape(w).value("process_start_time_seconds") for _ in range(20)} == {value}, "it never moves"


# --- network ----------------------------------------------------------------------------------------------------------


def network(w):
    e = scrape(w)
    return e.value("process_network_receive_bytes_total"), e.value("process_network_transmit_bytes_total")


def test_network_bytes(measured):
    w = measured("cat", mode="streaming")
    before = network(w)
    assert len(w.call("POST", body=b"x" * 3 * MB).body) == 3 * MB
    after = network(w)
    assert after[0] - before[0] >= 3 * MB
    assert after[1] - before[1] >= 3 * MB


def test_network_bytes_never_fall(measured):
    w = measured("cat")
    seen = [network(w) for _ in range(20)]
    assert seen == sorted(seen) and [t for _, t in seen] == sorted(t for _, t in seen)


# --- where /proc cannot be read ---------------------------------------------------------------------------------------


def test_without_descriptors_left(measured):
    """No descriptor is free for /proc while a scrape runs: an answer all the same, and a well-formed one."""
    w = measured("cat", workers="1", wrapper=["prlimit", "--nofile=64:64"])
    for openmetrics in (False, True):
        with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
            connections = [w.connect() for _ in range(100)]
            eventually(lambda: descriptors(w) >= 64, "all are taken")
            e = read_answer(c.call("GET", "/metrics", fields=WANT_OPENMETRICS * openmetrics), openmetrics)
            assert e.value("http_requests_in_flight") == 0
            for connection in connections:
                connection.close()
        eventually(lambda: len(w.open_connections()) == 0, "all connections are closed")
