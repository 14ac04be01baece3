"""README.md and --help tell the same about settings."""

import re

import pytest

from harness import REPO

README = REPO / "README.md"


def documented():
    """Rows `| `name` | default | ... |`."""
    if not README.exists():
        pytest.skip("there is no README.md")
    rows = re.findall(r"^\|\s*`([A-Za-z_]+)`\s*\|\s*([^|]*?)\s*\|", README.read_text(encoding="utf-8"), re.M)
    assert rows, "no table of settings in README.md"
    names = [name for name, _ in rows]
    assert len(names) == len(set(names)), "a setting has two rows"
    return {name: default.strip("`") for name, default in rows}


def explained(fwatchdog):
    """Two lines for each: `  name=TYPE` and `        help (default: x; allowed: ...)`."""
    text = fwatchdog("--help").stdout
    found = {}
    for name, rest in re.findall(r"^  ([A-Za-z_]+)=\S+\n {8}(.*)$", text, re.M):
        default = re.search(r"\(default: ([^;)]*)", rest)
        assert default, f"--help names no default for {name}"
        found.setdefault(name, set()).add(default.group(1))
    return found


def test_names(fwatchdog):
    assert set(documented()) == set(explained(fwatchdog))


def test_defaults(fwatchdog):
    explanations = explained(fwatchdog)
    for name, default in documented().items():
        for value in explanations[name]:
            assert value in default, f"{name}: README says {default!r}, --help says {value!r}"


def test_examples_name_no_unknown_setting(fwatchdog):
    """ENV lines of Dockerfile examples."""
    documented()
    known = set(explained(fwatchdog))
    for name in re.findall(r"^ENV ([a-z_]+)=", README.read_text(encoding="utf-8"), re.M):
        assert name in known, name
