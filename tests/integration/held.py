"""A watchdog in any of the modes, with calls that stay in flight until the test lets them go, and with quick ones."""

from cgi_program import shell
from life import Life
from static_site import Site

MODES = ["classic", "streaming", "serializing", "cgi", "http", "static"]
PATIENT = {"exec_timeout": "600s", "write_timeout": "600s", "read_timeout": "600s", "shutdown_timeout": "600s"}
WAIT = 'case $Http_Path in /wait) echo $$ >"$STARTED"; read -r _ <"$GATE" ;; esac; '
PLAIN = WAIT + "printf done"
CGI = WAIT + r"printf 'Content-Type: text/plain\n\ndone'"
BIG = 8 << 20  # more than the sockets take while nobody reads


class Held:
    def __init__(self, watchdog, scratch, gate, mode):
        self.mode = mode
        self.gate = gate
        self.life = Life(watchdog, gate) if mode == "http" else None
        self.site = Site(watchdog, scratch) if mode == "static" else None
        self.watchdog = watchdog
        if self.site:
            self.site.write("big.bin", b"x" * BIG)
            self.site.write("small.txt", b"done")

    @property
    def forks(self):
        return not self.life and not self.site

    def start(self, *steps, **changes):
        """`steps` are of functions/http/life.py."""
        settings = {**PATIENT, **self.gate.env, **changes}
        if self.life:
            return self.life.start(*steps, **settings)
        if self.site:
            return self.site.start(**settings)
        return self.watchdog(shell(CGI if self.mode == "cgi" else PLAIN), mode=self.mode, **settings)

    # --- calls that stay in flight ---------------------------------------------------------------

    def begin(self, w, n):
        """n connections, each with a call that has come to the function."""
        connections = [w.connect() for _ in range(n)]
        for c in connections:
            c.request("GET", "/big.bin" if self.site else "/wait")
        for c in connections:
            if self.site:
                c.begun = c.begin()
            else:
                self.gate.started_pipe.line()  # its process id, or "call"
        return connections

    def finish(self, connections):
        """Lets them go; every answer is whole."""
        if not self.site:
            self.gate.open(len(connections))
        for c in connections:
            a = c.rest(c.begun) if self.site else c.answer()
            assert (a.status, a.cut) == (200, False), a
            assert len(a.body) == BIG if self.site else a.body == b"done", a

    # --- quick ones ------------------------------------------------------------------------------

    @property
    def quick(self):
        return "/small.txt" if self.site else "/status/200"

    def assert_quick(self, a):
        assert (a.status, a.body, a.cut) == (200, b"200" if self.life else b"done", False), a
