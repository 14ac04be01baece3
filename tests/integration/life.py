"""A watchdog in front of a function whose life a test has in its hands: functions/http/life.py."""

import sys

from harness import FUNCTIONS, free_port

PROGRAM = FUNCTIONS / "http" / "life.py"


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
