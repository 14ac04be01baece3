"""A watchdog in front of a function whose life a test has in its hands: functions/http/life.py."""

import sys

from harness import FUNCTIONS, free_port
from http_client import assert_failure

PROGRAM = FUNCTIONS / "http" / "life.py"
TERMINATED = "Forked function has terminated: "


class Life:
    def __init__(self, watchdog, gate):
        self.watchdog = watchdog
        self.gate = gate
        self.port = free_port()

    def command(self, *steps):
        return " ".join([sys.executable, "-S", str(PROGRAM), str(self.port), *steps])

    def start(self, *steps, fprocess=None, **changes):
        """Does not wait for the function to listen."""
        url = f"http://127.0.0.1:{self.port}"
        settings = {"mode": "http", "http_upstream_url": url, "workers": "1", **self.gate.env, **changes}
        return self.watchdog(fprocess or self.command(*steps), **settings)

    def end(self, w, number):
        """
        Has the function end with a status, or by a signal when that is negative, and waits until the
        watchdog has seen it. The call has no answer; it is too long to be made again.
        """
        seen = len([m for m in w.messages() if m.startswith(TERMINATED)])
        a = w.call("POST", f"/exit/{number}" if number >= 0 else f"/kill/{-number}", body=b"x" * 70_000)
        assert_failure(a, 502)
        w.wait_for_log("^" + TERMINATED, count=seen + 1)
