"""
A strict reader of what GET /metrics answers, in both formats: Prometheus' text format 0.0.4 and
OpenMetrics 1.0.0. It repairs nothing and knows no more than the two specifications; what is optional
there but always so here (HELP, then TYPE, then the samples of a family) is required.
"""

import math
import re

from harness import PATIENCE
from http_client import Connection

TEXT = re.compile(r"text/plain; version=0\.0\.4; charset=utf-8(; escaping=underscores)?")
OPENMETRICS = re.compile(r"application/openmetrics-text; version=1\.0\.0; charset=utf-8(; escaping=underscores)?")
WANT_OPENMETRICS = [("Accept", "application/openmetrics-text; version=1.0.0")]

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (.+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(?:,(?!$)|$)')
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]\d+)?|\+Inf")
SUFFIXES = {
    False: {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]},
    True: {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]},
}


class Family:
    def __init__(self, name, help_text, kind):
        self.name = name
        self.help = help_text
        self.kind = kind
        self.samples = {}  # (name, labels as a tuple of pairs) -> value, in order


class Histogram:
    def __init__(self, buckets, total, count):
        self.buckets = buckets  # [(upper bound as it is written, how many are not above it)]
        self.sum = total
        self.count = count

    def up_to(self, bound):
        """How many events are surely not above `bound`: those of the last bucket that ends there or before."""
        return max([n for le, n in self.buckets if float(le) <= bound], default=0)


class Exposition:
    """One answer. Its constructor is the reader: it fails where the answer is not what it must be."""

    def __init__(self, data, openmetrics=False):
        self.openmetrics = openmetrics
        self.text = data.decode("utf-8")
        self.families = {}
        assert self.text.endswith("\n") and "\r" not in self.text and "\0" not in self.text, data
        lines = self.text[:-1].split("\n")
        assert all(lines), f"an empty line: {self.text}"
        if openmetrics:
            assert lines.pop() == "# EOF", self.text
        assert "# EOF" not in lines, self.text
        self.read(lines)
        names = [name for family in self.families.values() for name in {name for name, _ in family.samples}]
        assert len(names) == len(set(names)), f"two families share the name of a sample: {names}"
        for family in self.families.values():
            assert family.samples, f"{family.name} has no sample"
            assert (family.name.endswith("_total")) == (family.kind == "counter" and not openmetrics), family.name
            if family.kind == "histogram":
                self.check_histograms(family)

    def read(self, lines):
        family, lines = None, iter(lines)
        for line in lines:
            if line.startswith("#"):
                family = self.begin(line, next(lines, ""))
            else:
                assert family, f"a sample without a family: {line}"
                self.add(family, line)

    def begin(self, first, second):
        about, kind = HELP.fullmatch(first), TYPE.fullmatch(second)
        assert about and kind and about[1] == kind[1], f"not the head of a family: {first!r}, {second!r}"
        escapes = r"\\[\\n]" if not self.openmetrics else r'\\[\\n"]'
        assert "\\" not in re.sub(escapes, "", about[2]), f"a lone backslash: {first}"
        assert about[1] not in self.families, f"{about[1]} is there twice"
        self.families[about[1]] = Family(about[1], about[2], kind[2])
        return self.families[about[1]]

    def add(self, family, line):
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        name, labels = match[1], self.labels(match[2])
        assert NUMBER.fullmatch(match[3]), f"not a number: {line!r}"
        value = float(match[3])
        suffixes = SUFFIXES[self.openmetrics][family.kind]
        assert name in [family.name + suffix for suffix in suffixes], f"{line!r} in {family.name}"
        assert (name, labels) not in family.samples, f"twice: {line!r}"
        assert ("le" in dict(labels)) == name.endswith("_bucket"), line
        assert not math.isinf(value), line
        if family.kind != "gauge":
            assert value >= 0, line
        family.samples[name, labels] = value

    @staticmethod
    def labels(text):
        if text is None:
            return ()
        found, at = [], 0
        while at < len(text):
            match = LABEL.match(text, at)
            assert match, f"not labels: {text!r}"
            found.append((match[1], match[2]))
            at = match.end()
        names = [name for name, _ in found]
        assert found and len(names) == len(set(names)), f"not labels: {text!r}"
        return tuple(found)

    def check_histograms(self, family):
        """Each series in one piece: its buckets in order up to +Inf, sum and count."""
        series = []
        for name, labels in family.samples:
            rest = tuple(pair for pair in labels if pair[0] != "le")
            if not series or series[-1][0] != rest:
                series.append((rest, []))
            series[-1][1].append(name.removeprefix(family.name))
        assert len({labels for labels, _ in series}) == len(series), f"{family.name}: the series are mixed up"
        for labels, suffixes in series:
            assert suffixes[-2:] in (["_sum", "_count"], ["_count", "_sum"]) and suffixes[:-2], (family.name, suffixes)
            assert set(suffixes[:-2]) == {"_bucket"}, (family.name, suffixes)
            h = self.histogram(family.name, **dict(labels))
            bounds = [float(le) for le, _ in h.buckets]
            assert bounds == sorted(set(bounds)) and h.buckets[-1][0] == "+Inf" and len(bounds) > 1, family.name
            counts = [n for _, n in h.buckets]
            assert counts == sorted(counts) and all(n == int(n) for n in counts), (family.name, counts)
            assert counts[-1] == h.count, (family.name, counts, h.count)

    def histogram(self, name, **labels):
        """None when there is none."""
        if name not in self.families:
            return None
        wanted = tuple(labels.items())
        samples = self.families[name].samples
        buckets = []
        for (sample, pairs), value in samples.items():
            if sample == f"{name}_bucket" and tuple(p for p in pairs if p[0] != "le") == wanted:
                buckets.append((dict(pairs)["le"], value))
        return Histogram(buckets, samples[f"{name}_sum", wanted], samples[f"{name}_count", wanted])

    def value(self, name, **labels):
        """The value of a sample, None when there is none."""
        for family in self.families.values():
            if (name, tuple(labels.items())) in family.samples:
                return family.samples[name, tuple(labels.items())]
        return None


def get(w, accept=(), method="GET"):
    """The raw answer of /metrics; `accept` are the values of as many Accept fields."""
    with Connection(int(w.env["metrics_port"]), timeout=PATIENCE) as c:
        return c.call(method, "/metrics", fields=[("Accept", value) for value in accept])


def scrape(w, openmetrics=False):
    a = get(w, [value for _, value in WANT_OPENMETRICS] if openmetrics else [])
    return read_answer(a, openmetrics)


def read_answer(a, openmetrics):
    assert (a.status, a.cut) == (200, False), a
    assert (OPENMETRICS if openmetrics else TEXT).fullmatch(a.value("Content-Type")), a
    return Exposition(a.body, openmetrics)
