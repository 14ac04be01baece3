"""
A browser that people use, in the hands of a test: Chromium without a window, told what to do through its DevTools pipe,
and a proxy that reads along what it asks for and gets. The tests are skipped where Chromium is not installed.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import PATIENCE, SYSTEM_PATH

PATIENT = 3 * PATIENCE  # it is large, and starts slowly on a busy machine
OPTIONS = """
    --headless --no-sandbox --remote-debugging-pipe --disable-gpu --disable-dev-shm-usage --no-first-run --mute-audio
    --no-proxy-server --disable-extensions --disable-background-networking --disable-component-update --disable-breakpad
    --disable-crash-reporter --disable-features=Translate,MediaRouter,OptimizationHints
    --autoplay-policy=no-user-gesture-required
""".split()
# The pipe is descriptors 3 and 4 there.
LAUNCH = """
import os, sys
for fd in 3, 4:
    os.dup2(int(sys.argv[fd - 2]), fd)
os.execv(sys.argv[3], sys.argv[3:])
"""


def need_package(name):
    """The path of its program."""
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed: run scripts/deps browser")
    return path


class Browser:
    """One running Chromium. Each page has cookies and a cache of its own."""

    def __init__(self, folder):
        program = need_package("chromium")
        theirs_in, self.to = os.pipe()
        self.from_, theirs_out = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        command = [program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        self.errors = open(folder / "stderr", "w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", LAUNCH, *map(str, high), *command],
            env={"PATH": SYSTEM_PATH, "HOME": str(folder), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
            pass_fds=high, start_new_session=True,
        )  # fmt: skip
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self.sent = 0
        self.received = []  # messages
        self.ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        rest = b""
        while data := os.read(self.from_, 1 << 18):
            *whole, rest = (rest + data).split(b"\0")
            with self.changed:
                self.received += map(json.loads, whole)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, found, what):
        """The first true value of found(), which is asked whenever the browser has said something."""
        end = time.monotonic() + PATIENT
        with self.changed:
            while not (value := found()):
                assert not self.ended, f"the browser has ended: {self.log()}"
                assert self.changed.wait(end - time.monotonic()), f"still nothing after {PATIENT} s: {what}"
            return value

    def command(self, method, session=None, **params):
        """Gives a command, and returns what it results in."""
        self.sent += 1
        number = self.sent
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        answer = self.wait(lambda: next((m for m in self.received if m.get("id") == number), None), method)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def page(self):
        return Page(self)

    def log(self):
        self.errors.seek(0)
        return self.errors.read()[-2000:].decode(errors="replace")

    def close(self):
        """All its processes end: it is the leader of their group."""
        try:
            self.command("Browser.close")
            self.process.wait(PATIENCE)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(PATIENCE)
        os.close(self.to)
        os.close(self.from_)
        self.errors.close()


class Page:
    def __init__(self, browser):
        self.browser = browser
        self.context = browser.command("Target.createBrowserContext")["browserContextId"]
        target = browser.command("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method, **params):
        return self.browser.command(method, session=self.session, **params)

    def events(self, method):
        """What was reported of this kind so far."""
        with self.browser.changed:
            return [m["params"] for m in self.browser.received
                    if m.get("method") == method and m.get("sessionId") == self.session]  # fmt: skip

    def go(self, url):
        """Goes there, as a link or the address line does, and waits until the page is loaded."""
        return self.load("Page.navigate", url=url)

    def reload(self):
        """As the button does."""
        return self.load("Page.reload")

    def load(self, method, **params):
        loads = len(self.events("Page.loadEventFired"))
        result = self.command(method, **params)
        assert "errorText" not in result, result
        self.browser.wait(lambda: len(self.events("Page.loadEventFired")) > loads, f"{method} {params}")
        return self

    def run(self, script):
        """The value of an expression in the page; of a promise, what it becomes."""
        result = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, f"{script}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def complaints(self):
        """What went wrong in the page, as its console would say."""
        thrown = [e["exceptionDetails"]["exception"].get("description") for e in self.events("Runtime.exceptionThrown")]
        logged = [e["entry"]["text"] for e in self.events("Log.entryAdded") if e["entry"]["level"] == "error"]
        return thrown + logged

    def close(self):
        self.browser.command("Target.disposeBrowserContext", browserContextId=self.context)


class Call:
    """A request without a body, and what was answered."""

    def __init__(self, head):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.fields = named(fields)
        self.status = None  # until the head of the answer is there
        self.answer = {}
        self.received = 0  # bytes of the body, as far as they have come

    def __repr__(self):
        asked = {name: self.fields[name] for name in ("range", "if-none-match", "if-range") if name in self.fields}
        return f"<{self.method} {self.target} {asked}: {self.status} {self.answer}, {self.received} bytes>"


def named(lines):
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Recorder:
    """A proxy of bytes before a port of this machine. `calls` holds what it saw, in the order of the requests."""

    def __init__(self, port):
        self.to = port
        self.calls = []
        self.sockets = []
        self.threads = []
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start(self.accept)

    def start(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.sockets += [client, server]
            open_calls = []  # of this connection, those without an answer
            self.start(self.pass_on, client, server, self.requests(open_calls))
            self.start(self.pass_on, server, client, self.answers(open_calls))

    def pass_on(self, source, sink, parser):
        next(parser)
        try:
            while data := source.recv(1 << 16):
                with self.changed:
                    parser.send(data)
                    self.changed.notify_all()
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def requests(self, open_calls):
        rest = b""
        while True:
            rest += yield
            while b"\r\n\r\n" in rest:
                head, rest = rest.split(b"\r\n\r\n", 1)
                call = Call(head)
                assert not {"content-length", "transfer-encoding"} & call.fields.keys(), call
                open_calls.append(call)
                self.calls.append(call)

    def answers(self, open_calls):
        rest = b""

        def until(end):
            nonlocal rest
            while end not in rest:
                rest += yield
            found, rest = rest.split(end, 1)
            return found

        def take(n, call):
            nonlocal rest
            while n:
                if not rest:
                    rest = yield
                call.received += min(n, len(rest))
                n, rest = max(n - len(rest), 0), rest[n:]

        while True:
            line, *fields = (yield from until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            call = open_calls.pop(0)
            call.status, call.answer = int(line.split(" ")[1]), named(fields)
            if call.status == 304:
                continue
            if "content-length" in call.answer:
                yield from take(int(call.answer["content-length"]), call)
            elif call.answer.get("transfer-encoding") == "chunked":
                while size := int((yield from until(b"\r\n")), 16):
                    yield from take(size, call)
                    yield from until(b"\r\n")
                yield from until(b"\r\n")

    def of(self, target):
        """The calls for a target."""
        with self.changed:
            return [call for call in self.calls if call.target == target]

    def forget(self):
        with self.changed:
            self.calls = []

    def wait(self, found, what):
        """The first true value of found()."""
        end = time.monotonic() + PATIENT
        while True:
            with self.changed:
                seen = len(self.calls), sum(call.received for call in self.calls)
            if value := found():
                return value
            with self.changed:
                assert self.changed.wait_for(
                    lambda: seen != (len(self.calls), sum(call.received for call in self.calls)),
                    end - time.monotonic(),
                ), f"still not so after {PATIENT} s: {what}; {self.calls}"

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for s in self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(PATIENCE)
        for s in (self.listener, *self.sockets):
            s.close()


def content_range(call):
    """First, last and size, as the answer says."""
    return tuple(map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", call.answer["content-range"]).groups()))
