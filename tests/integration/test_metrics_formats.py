"""GET /metrics: both formats, read strictly, who gets which, and scrapes while there is work."""

import re
import statistics
import subprocess
import threading
import time

import pytest

from exposition import OPENMETRICS, TEXT, Exposition, get, read_answer, scrape
from harness import PATIENCE, SLOW, eventually, need_program
from http_client import Connection, request_bytes
from life import Life
from upstream import always

BOTH = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


@pytest.fixture
def busy(measured, gate):
    """A watchdog that has something to say in every family of the forking modes."""
    w = measured("steps in exit:0", mode="streaming", workers="2", **gate.env)
    for method in ("GET", "POST", "PUT", "GET"):
        assert w.call(method, body=b"x").status == 200
    eventually(lambda: scrape(w).histogram("bandog_child_cpu_seconds").count == 4, "all calls are counted")
    return w


# --- what is written --------------------------------------------------------------------------------------------------


@BOTH
def test_families_are_sorted(busy, openmetrics):
    e = scrape(busy, openmetrics)
    names = list(e.families)
    assert names in (sorted(names), sorted(names, key=lambda n: n + "_total" * (e.families[n].kind == "counter")))
    assert len(names) == 3 + 9 + 4


def test_both_formats_say_the_same(busy):
    """But for the names of counter families, and what changes by itself or by the scrape."""
    text, om = scrape(busy), scrape(busy, openmetrics=True)
    moving = re.compile(r"process_(cpu|open|resident|virtual|network)")

    def facts(e):
        return {
            family.name + "_total" * (e.openmetrics and family.kind == "counter"): (
                family.kind,
                family.help,
                {
                    (name, tuple((k, float(v) if k == "le" else v) for k, v in labels)): value
                    for (name, labels), value in family.samples.items()
                },
            )
            for family in e.families.values()
            if not moving.match(family.name)
        }

    assert facts(text) == facts(om)


def test_inherited_families_are_as_ever(busy):
    """To the letter, as autoscalers and dashboards know them."""
    lines = scrape(busy).text.split("\n")
    at = lines.index("# HELP http_request_duration_seconds Seconds spent serving HTTP requests.")
    samples = [re.sub(r" \S+$", "", line) for line in lines[at + 1 : at + 16]]
    bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    labels = 'code="200",method="get"'
    assert samples == [
        "# TYPE http_request_duration_seconds",
        *[f'http_request_duration_seconds_bucket{{{labels},le="{le}"}}' for le in bounds],
        f"http_request_duration_seconds_sum{{{labels}}}",
        f"http_request_duration_seconds_count{{{labels}}}",
    ]
    at = lines.index("# HELP http_requests_in_flight total HTTP requests in-flight")
    assert lines[at + 1 : at + 8] == [
        "# TYPE http_requests_in_flight gauge",
        "http_requests_in_flight 0",
        "# HELP http_requests_total total HTTP requests processed",
        "# TYPE http_requests_total counter",
        'http_requests_total{code="200",method="get"} 2',
        'http_requests_total{code="200",method="post"} 1',
        'http_requests_total{code="200",method="put"} 1',
    ]


def test_openmetrics_bounds_are_canonical(busy):
    """The specification's way to write them, with a point or an exponent: le="1.0", not le="1"."""
    bounds = re.findall(r'le="([^"]+)"', scrape(busy, openmetrics=True).text)
    assert bounds and all(re.fullmatch(r"\d+\.\d+|\d(\.\d+)?e[+-]?\d+|\+Inf", b) for b in bounds), bounds


@BOTH
def test_head_is_the_answer_without_its_body(busy, openmetrics):
    accept = ["application/openmetrics-text"] if openmetrics else []
    a = get(busy, accept, "HEAD")
    assert a.status in (200, 405) and a.body == b""
    if a.status == 200:
        assert (OPENMETRICS if openmetrics else TEXT).fullmatch(a.value("Content-Type"))


# --- which one --------------------------------------------------------------------------------------------------------

OM = "application/openmetrics-text"
PROMETHEUS_2 = f"{OM};version=1.0.0;q=0.5,{OM};version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
PROMETHEUS_3 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.5,{OM};version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    "accept",
    [
        [OM],
        [f"{OM};version=1.0.0"],
        [f"{OM}; version=1.0.0; charset=utf-8"],
        [f'{OM}; version="1.0.0"'],
        ["Application/OpenMetrics-Text"],
        [f"{OM};q=1"],
        [f"{OM};q=0.001"],
        [f"{OM};Q=0.5,text/plain;q=0.4"],
        [f"{OM} ; q=0.9 , text/plain; q=0.1"],
        [f"text/plain;q=0.1,\t{OM};q=0.2"],
        [f"text/plain;q=0.10,{OM};q=0.101"],
        [f"text/plain;q=0,{OM};q=0.1"],
        [f"text/html, {OM}, */*;q=0.1"],
        [f",, ,{OM},"],
        ["text/plain;q=0.1", OM],
        [OM, "text/plain;q=0.1"],
        [f'text/plain;x="a, \\" b;q=1";q=0.1, {OM};q=0.2'],
        [PROMETHEUS_2],
        [PROMETHEUS_3],
    ],
)
def test_openmetrics_is_wanted(measured, accept):
    read_answer(get(measured("cat"), accept), openmetrics=True)


@pytest.mark.parametrize(
    "accept",
    [
        [],
        [""],
        ["*/*"],
        ["text/plain"],
        ["text/plain;version=0.0.4"],
        ["text/*"],
        ["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"],
        ["application/json"],
        [f"{OM};q=0"],
        [f"{OM};q=0.0"],
        [f"{OM}; q=0.000"],
        [f"{OM};q=0, */*"],
        [f"*/*, {OM};version=1.0.0;q=0"],
        [f"text/plain;q=0.5, {OM};q=0.4"],
        [f"{OM};q=0.4, text/plain;q=0.5"],
        [f"{OM};q=0.999, text/plain"],
        [f"{OM}2"],
        [f"x{OM}"],
        [f"{OM}ile"],
        [f"text/plain; x=\"{OM}\""],
        [f'text/plain; x=", {OM};q=1, "; q=0.3'],
        ["openmetrics-text"],
        ["application/openmetrics"],
        ["application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"],
    ],
)
def test_openmetrics_is_not_wanted(measured, accept):
    read_answer(get(measured("cat"), accept), openmetrics=False)


@pytest.mark.parametrize(
    "accept",
    [
        [f"{OM};q=x"],
        [f"{OM};q="],
        [f"{OM};q=2"],
        [f"{OM};q=-1"],
        [f"{OM};q=0.5;q=0"],
        [f"{OM};q=0.5, */*;q=0.8"],
        [f"text/plain, {OM}"],
        [f'{OM};x="'],
        ["application/*"],
        [";;;===,,,\"\"\"\\"],
        ["\xff\xfe" + OM],
        [OM + ";" * 60_000],
        [f"{OM};q=0.{'1' * 60_000}"],
        [", ".join([f"{OM};q=0.1"] * 2000)],
        [OM] * 900,
    ],
)
def test_odd_wishes_get_one_of_both(measured, accept):
    """Whole, and called what it is."""
    w = measured("cat")
    a = get(w, accept)
    read_answer(a, openmetrics=bool(OPENMETRICS.fullmatch(a.value("Content-Type"))))
    scrape(w)


def test_each_request_of_a_connection_has_its_own(measured):
    w = measured("cat")
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
        for openmetrics in (True, False, True, True, False):
            fields = [("Accept", OM)] if openmetrics else []
            read_answer(c.call("GET", "/metrics", fields=fields), openmetrics)


# --- Prometheus' own opinion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fresh", "used", "http"])
def test_promtool_finds_nothing_wrong(measured, gate, kind):
    """Debian's prometheus has it: scripts/deps promtool."""
    promtool = need_program("promtool")
    if kind == "http":
        life = Life(measured, gate)
        w = life.start(restart="always")
        w.call()
        life.end(w, 3)
        eventually(lambda: w.call().status == 200, "it serves again")
    else:
        w = measured("cat")
        if kind == "used":
            w.call("POST", body=b"x")
            eventually(lambda: scrape(w).histogram("bandog_child_cpu_seconds"), "the call is counted")
    text = scrape(w).text.encode()
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- while there is work ----------------------------------------------------------------------------------------------


def in_threads(n, work):
    """work(i) in n threads; what they raise."""
    errors = []

    def run(i):
        try:
            work(i)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(3 * PATIENCE)
    assert not any(t.is_alive() for t in threads)
    return errors


@pytest.mark.serial
def test_scrapes_while_50_calls_run(measured, gate):
    w = measured("steps say wait in", mode="streaming", workers="2", **gate.env)
    connections = [w.connect() for _ in range(50)]
    for c in connections:
        c.request("POST", body=b"hello")
    for _ in connections:
        gate.started(3 * PATIENCE)

    def look(i):
        for n in range(15):
            e = scrape(w, openmetrics=(i + n) % 2 == 0)
            assert e.value("http_requests_in_flight") == 50
            assert e.histogram("bandog_spawn_duration_seconds").count == 50
            assert e.histogram("bandog_child_cpu_seconds") is None
            assert e.value("process_open_fds") > 150, "a connection and pipes for each"

    assert in_threads(4, look) == []
    gate.open(50)
    assert [c.answer().body for c in connections] == [b"hello"] * 50
    eventually(lambda: scrape(w).value("http_requests_in_flight") == 0, "all have ended")
    eventually(lambda: scrape(w).histogram("bandog_child_cpu_seconds").count == 50, "all are counted")


@pytest.mark.serial
def test_every_scrape_during_calls_is_consistent(measured):
    """Calls come and go on three workers; counters never fall, and nothing is torn."""
    w = measured("cat", mode="streaming", workers="3")
    calls = 40

    def work(i):
        if i < 6:
            with w.connect() as c:
                for _ in range(calls):
                    assert c.call("POST", body=b"x").status == 200
            return
        last = {}
        for n in range(60):
            e = scrape(w, openmetrics=n % 2 == 0)
            for f in e.families.values():
                for key, value in f.samples.items() if f.kind != "gauge" else ():
                    key = key[0], tuple((k, float(v) if k == "le" else v) for k, v in key[1])
                    assert value >= last.get(key, 0), key
                    last[key] = value

    assert in_threads(9, work) == []
    name = "bandog_child_max_rss_bytes"
    eventually(lambda: scrape(w).histogram(name).count == 6 * calls, "every process is counted")
    e = scrape(w)
    assert e.value("http_requests_total", code="200", method="post") == 6 * calls
    assert e.histogram("bandog_spawn_duration_seconds").count == 6 * calls


@BOTH
def test_scraper_that_does_not_read_holds_up_nobody(measured, openmetrics):
    """Hundreds of answers wait for it; calls, and other scrapes, go on."""
    w = measured("cat", mode="streaming", workers="1")
    fields = [("Accept", OM)] if openmetrics else []
    raw = request_bytes("GET", "/metrics", fields)
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE, receive_buffer=4096) as greedy:
        greedy.socket.setblocking(False)
        try:
            for _ in range(5000):
                greedy.socket.send(raw)
        except BlockingIOError:
            pass
        for _ in range(5):
            assert w.call("POST", body=b"x").body == b"x"
            scrape(w, openmetrics)
        greedy.socket.settimeout(PATIENCE)
        read_answer(greedy.answer(), openmetrics)


@pytest.mark.serial
@pytest.mark.parametrize("mode", ["streaming", "http"])
def test_scrapes_never_slow_calls(measured, upstream, mode):
    """One scraper asks all the time; it may cost some processor time, not more."""
    upstream.serve(always())
    w = measured("cat", mode=mode, http_upstream_url=upstream.url if mode == "http" else None)

    def median(calls=60):
        times = []
        with w.connect() as c:
            for _ in range(calls):
                began = time.monotonic()
                assert c.call().status == 200
                times.append(time.monotonic() - began)
        return statistics.median(times)

    alone = median()
    stop = threading.Event()
    errors = []

    def ask():
        try:
            with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
                while not stop.is_set():
                    assert c.call("GET", "/metrics").status == 200
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert median() < 6 * alone + 0.01 * SLOW
    finally:
        stop.set()
        asking.join(PATIENCE)
    assert errors == []


def test_last_scrape_of_the_drain(measured, gate):
    """Numbers can be had until the end, in both formats."""
    w = measured("steps say wait", mode="streaming", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(15)
        w.wait_for_log("^No new connections allowed")
        for openmetrics in (False, True):
            assert scrape(w, openmetrics).value("http_requests_in_flight") == 1
        gate.open()
        c.answer()
    w.ended()


def test_reader_is_strict(busy):
    """What would be wrong is found: this is what all tests of this file rest on."""
    text = scrape(busy).text
    for wrong in (
        text[:-1],
        text + "\n",
        text + "# EOF\n",
        text.replace("http_requests_in_flight 0", "http_requests_in_flight  0"),
        text.replace("http_requests_in_flight 0", "http_requests_in_flight 0 1"),
        text.replace('le="+Inf"', 'le="inf"', 1),
        text.replace("# TYPE http_requests_total counter\n", ""),
        text.replace('method="get"} 2', 'method="get"} -2'),
        text.replace("# HELP http_requests_total", "# HELP http_requests"),
        text + 'http_requests_total{code="201",method="get"} 1\n',
    ):
        assert wrong != text
        with pytest.raises(AssertionError):
            Exposition(wrong.encode())
    with pytest.raises(AssertionError):
        Exposition(text.encode(), openmetrics=True)
