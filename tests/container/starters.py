"""
The functions that templates start with. They all greet, and a test of theirs says how: saying it in other words is
an edit that can be made in any language.
"""

import os
import re

from function_templates import TEMPLATES

# The others are as good as these, but some need minutes.
USUAL = ["bash", "c-http", "node-http", "python3-http", "static-site"]
ALL = os.environ.get("CONTAINER_ALL") == "1"
OF_ANOTHER_KIND = {"dockerfile"}  # answers with what it is asked
NAMES = sorted({p.name for p in TEMPLATES.iterdir() if p.is_dir()} - OF_ANOTHER_KIND) if ALL else USUAL
TESTED = [name for name in NAMES if name != "static-site"]  # the test of pages does not read them

GREETING = "Hello"
OTHER_GREETING = "Servus"


def handler_folder(template):
    text = (TEMPLATES / template / "template.yml").read_text(encoding="utf-8")
    match = re.search(r"^handler_folder: *(\S+)", text, re.M)
    return match[1] if match else "function"


def in_other_words(template, test_too):
    """Those files of a starter that greet, with the other greeting. Not `test_too`: its test fails then."""
    folder = TEMPLATES / template / handler_folder(template)
    changed = {}
    for path in folder.rglob("*"):
        is_test = "test" in path.name.lower()
        if path.is_file() and (test_too or not is_test):
            text = path.read_text(encoding="utf-8")
            if GREETING in text:
                changed[str(path.relative_to(folder))] = text.replace(GREETING, OTHER_GREETING)
    assert changed, f"nothing in {folder} says {GREETING}"
    return changed
