"""What the tests of CGI responses share: programs that print them, and the answer to a bad one."""

import json
import re
import sys

from harness import FUNCTIONS
from http_client import assert_answer

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain"}
EITHER = ("length", "chunked")  # right for short answers: it depends on what the program does at once
BAD_HEAD = re.compile(rb"[^\n]*malformed head[^\n]*\n")
HEAD = ("outline:Content-Type: text/plain", "outline:")  # steps that print one

# Prints what it reads: one write, or pieces that are taken one by one. See there.
PIECES = " ".join([sys.executable, "-S", str(FUNCTIONS / "pieces.py")])


def steps(*words):
    """The command for functions/steps whose arguments hold blanks."""
    return json.dumps(["steps", *words])


def shell(line):
    """The command for a line of sh."""
    return json.dumps(["sh", "-c", line])


def document(*words):
    """The same behind a head."""
    return steps(*HEAD, *words)


def assert_bad_head(a, body=BAD_HEAD, **fields):
    assert_answer(a, 502, body, {**TEXT, **fields})


def assert_bad_head_log(w, line):
    """One line of the log says it, and shows the line of the head as it would look escaped."""
    w.wait_for_log(f"head.*{re.escape(line)}")
