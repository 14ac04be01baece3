"""GET /metrics: the families that dashboards and autoscalers read."""

import re

import pytest

from harness import PATIENCE, eventually
from http_client import Connection, assert_answer

TYPE = re.compile(r"text/plain; version=0\.0\.4; charset=utf-8(; escaping=underscores)?")
BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]


def scrape(w, method="GET", target="/metrics"):
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
        return c.call(method, target)


def rows(w):
    """Every sample: name with labels -> value."""
    return dict(re.findall(r"^([^#\s][^ ]*) (\S+)$", scrape(w).body.decode(), re.M))


def requests(w):
    return {name: value for name, value in rows(w).items() if name.startswith("http_requests_total")}


def test_answer(measured):
    a = scrape(measured("cat"))
    assert (a.status, a.cut) == (200, False)
    assert TYPE.fullmatch(a.value("Content-Type"))
    assert a.body.endswith(b"\n")


@pytest.mark.parametrize("target", ["/", "/metrics/", "/x"])
def test_other_paths_are_404(measured, target):
    a = scrape(measured("cat"), target=target)
    assert (a.status, a.body) == (404, b"404 page not found\n")


def test_query_is_ignored(measured):
    assert scrape(measured("cat"), target="/metrics?x=y").status == 200


def test_in_flight_is_there_from_the_start(measured):
    w = measured("cat")
    assert rows(w)["http_requests_in_flight"] == "0"
    assert requests(w) == {}, "vectors appear with their first event"


def test_families_are_described_and_sorted(measured):
    w = measured("cat")
    w.call("POST", body=b"x")
    eventually(lambda: requests(w), "the call is counted")
    text = scrape(w).body.decode()
    for name, kind, words in [
        ("http_request_duration_seconds", "histogram", "Seconds spent serving HTTP requests."),
        ("http_requests_in_flight", "gauge", "total HTTP requests in-flight"),
        ("http_requests_total", "counter", "total HTTP requests processed"),
    ]:
        assert f"# HELP {name} {words}\n# TYPE {name} {kind}\n" in text
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert families == sorted(families)


def test_counts(measured, mode):
    w = measured("cat", mode=mode)
    with w.connect() as c:
        for method in ("GET", "POST", "POST", "PUT"):
            assert c.call(method, body=b"x").status == 200
    wanted = {
        'http_requests_total{code="200",method="get"}': "1",
        'http_requests_total{code="200",method="post"}': "2",
        'http_requests_total{code="200",method="put"}': "1",
    }
    eventually(lambda: requests(w) == wanted, f"the counters are {wanted}")
    assert list(requests(w)) == sorted(wanted)


def test_statuses(measured, mode):
    w = measured("steps exit:1", mode=mode)
    w.call()
    wanted = {'http_requests_total{code="500",method="get"}': "1"}
    if mode == "classic":
        w.call("OPTIONS")
        wanted['http_requests_total{code="405",method="options"}'] = "1"
    eventually(lambda: requests(w) == wanted, f"the counters are {wanted}")


@pytest.mark.parametrize(
    "method, label", [("get", "get"), ("Get", "unknown"), ("FOO", "unknown"), ("TRACE", "trace"), ("NOTIFY", "notify")]
)
def test_method_labels_are_bounded(measured, method, label):
    w = measured("cat", mode="streaming")
    w.call(method)
    wanted = {f'http_requests_total{{code="200",method="{label}"}}': "1"}
    eventually(lambda: requests(w) == wanted, f"the counters are {wanted}")


def test_histogram(measured):
    w = measured("cat")
    for _ in range(3):
        w.call("POST", body=b"x")
    name = "http_request_duration_seconds"
    labels = 'code="200",method="post"'
    eventually(lambda: rows(w).get(f"{name}_count{{{labels}}}") == "3", "3 calls are counted")
    samples = rows(w)
    buckets = [int(samples[f'{name}_bucket{{{labels},le="{le}"}}']) for le in BOUNDS]
    assert buckets == sorted(buckets) and buckets[-1] == 3
    assert 0 < float(samples[f"{name}_sum{{{labels}}}"]) < 60


def test_in_flight(measured, gate, mode):
    w = measured("steps say wait", mode=mode, **gate.env)
    with w.connect() as a, w.connect() as b:
        for c in (a, b):
            c.request()
            gate.started()
        assert rows(w)["http_requests_in_flight"] == "2"
        gate.open(2)
        assert a.answer().status == b.answer().status == 200
    eventually(lambda: rows(w)["http_requests_in_flight"] == "0", "nothing is in flight")


def test_429_is_counted(measured, gate, mode):
    w = measured("steps say wait", mode=mode, max_inflight="1", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        assert w.call().status == 429
        gate.open()
        c.answer()
    eventually(lambda: requests(w).get('http_requests_total{code="429",method="get"}') == "1", "429 is counted")


def test_not_counted(measured, mode):
    w = measured("cat", mode=mode)
    w.call("GET", "/_/health")
    w.call("OPTIONS", "*")
    with w.connect() as c:
        c.send(b"GET /\r\n\r\n")
        c.raw_until_close()
    w.call("POST", body=b"x")
    wanted = {'http_requests_total{code="200",method="post"}': "1"}
    eventually(lambda: requests(w) == wanted, f"the counters are {wanted}")


def test_flaw_8_what_the_client_saw_is_counted(measured, gate):
    w = measured("steps say wait", mode="streaming", exec_timeout="0", write_timeout="300ms", **gate.env)
    assert w.call().status == 504
    wanted = {'http_requests_total{code="504",method="get"}': "1"}
    eventually(lambda: requests(w) == wanted, f"the counters are {wanted}")


def test_served_during_the_drain(measured, gate):
    w = measured("steps say wait", **gate.env)
    with w.connect() as c:
        c.request()
        gate.started()
        w.send_signal(15)
        w.wait_for_log("^No new connections allowed")
        assert rows(w)["http_requests_in_flight"] == "1"
        gate.open()
        c.answer()
    w.ended()


def test_the_function_port_has_no_metrics(measured):
    a = measured("steps out:function").call("GET", "/metrics")
    assert_answer(a, 200, b"function", {"Content-Type": "text/plain; charset=utf-8", "X-Duration-Seconds": re.compile(r"[\d.]+")})
