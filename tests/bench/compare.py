"""Servers under the same load, in turn, round after round; only numbers of the same round are compared."""

import argparse
import concurrent.futures
import statistics
import subprocess

import bench


def load(name, server, port, *arguments):
    """What the program load has measured, also of the server; None: there is none to be measured."""
    pids = [argument for pid in (server.pids if server else ()) for argument in ("-p", pid)]
    try:
        text = bench.helper("load", *arguments, *pids, port)
    except subprocess.SubprocessError as error:
        raise RuntimeError(f"{name}: {error}\n{server.state() if server else ''}") from error
    return bench.numbers(text)


class Comparison:
    """Started servers. Those not under load idle."""

    def pids(self, name):
        """Of the processes that are measured for this row."""
        raise NotImplementedError

    def load(self, name, parts, seconds):
        """{what: its value} of this row, with one of so many parts of the clients."""
        raise NotImplementedError

    def at_once(self, names, seconds):
        """[result of each]"""
        others = bench.Others(*(pid for name in names for pid in self.pids(name)))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda name: self.load(name, len(names), seconds), names))
        share = others.share()
        return [{**result, "others": share} for result in results]

    def in_peace(self, names, arguments):
        """Again when other processes had too much; the most peaceful counts, whatever its numbers are."""
        results = []
        while len(results) <= arguments.again and all(r[0]["others"] > bench.MOST_OTHERS for r in results):
            results.append(self.at_once(names, arguments.seconds))
        return min(results, key=lambda r: r[0]["others"])

    def measure(self, arguments, alone, together):
        """{row: its results, one for each round} measured alone, and the same of those measured at once."""
        apart, pairs = {}, {}
        todo = [(apart, [name]) for name in alone] + [(pairs, names) for names in together]
        for i in range(arguments.rounds):
            for results, names in todo[::-1 if i % 2 else 1]:  # nobody is always the first of a pair
                bench.tell(f"round {i + 1}/{arguments.rounds}: {' with '.join(names)}")
                for name, result in zip(names, self.in_peace(names, arguments)):
                    results.setdefault(name, []).append(result)
        bench.tell("")
        return apart, pairs


def median(rounds, name):
    """Of the rounds that know it: what is taken per answer is not there when none has come."""
    return statistics.median(result[name] for result in rounds if name in result)


def tell_others(results):
    bench.tell_others(statistics.median(r["others"] for rounds in results.values() for r in rounds))


class Ratios:
    """Our numbers divided by theirs of the same round."""

    def __init__(self, ours, theirs):
        self.pairs = list(zip(ours, theirs))

    def rounds(self, name):
        return [ours[name] / theirs[name] for ours, theirs in self.pairs if ours.get(name) and theirs.get(name)]

    def median(self, name):
        """As it is printed, so that what says 1.00 is 1.00."""
        return round(statistics.median(self.rounds(name)), 2)

    def text(self, name):
        rounds = sorted(self.rounds(name))
        quarter = len(rounds) // 4
        return f"{self.median(name):.2f} ({rounds[quarter]:.2f} to {rounds[-1 - quarter]:.2f})"


def parse(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement, default 1")
    parser.add_argument("--again", type=int, default=1, help="so often when other processes were busy, default 1")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args()
