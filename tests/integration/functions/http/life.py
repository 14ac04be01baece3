"""
A function whose life is in the hands of a test.

    python3 life.py PORT STEP...

Steps are done before it listens:

    say            our process id, one line, to the named pipe $STARTED
    wait           until the test puts a line into the named pipe $GATE
    print:TEXT     a line on stdout
    exit:N
    catch-term:N   at SIGTERM: say "term", print "bye" without a newline, exit N
    ignore-term    at SIGTERM: say "ignored", and go on

Calls:

    /              our process id
    /wait          say "call", wait, answer "done", say "answered"
    /half          10 of 100 bytes, say "half", wait, the rest
    /hold          start a background process in our group: it says its id and waits
    /hold-stubborn the same; it ignores SIGTERM
    /orphan        start one in a session of its own: it says its id, waits and exits
    /status/N      this status, and its number as the text
    /print/FD      write the request's body to descriptor FD
    /last/FD/N     the same, and exit N without an answer
    /exit/N        exit N without an answer
    /kill/N        send us signal N
"""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def say(word):
    fd = os.open(os.environ["STARTED"], os.O_WRONLY)
    os.write(fd, f"{word}\n".encode())
    os.close(fd)


def wait():
    fd = os.open(os.environ["GATE"], os.O_RDONLY)
    while os.read(fd, 1) != b"\n":  # byte by byte, the next line is for somebody else
        pass
    os.close(fd)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        body = str(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, *arguments = self.path.partition("?")[0].lstrip("/").split("/")
        numbers = [int(a) for a in arguments]
        match name:
            case "":
                self.answer(os.getpid())
            case "wait":
                say("call")
                wait()
                self.answer("done")
                say("answered")
            case "half":
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"x" * 10)
                say("half")
                wait()
                self.wfile.write(b"x" * 90)
            case "hold":
                subprocess.Popen(["steps", "say", "wait"])
                self.answer("held")
            case "hold-stubborn":
                subprocess.Popen(["steps", "ignore-term", "say", "wait"])
                self.answer("held")
            case "orphan":
                subprocess.run(["steps", "orphan"], check=True)
                self.answer("held")
            case "status":
                self.answer(numbers[0], numbers[0])
            case "print":
                write_all(numbers[0], body)
                self.answer("printed")
            case "last":
                write_all(numbers[0], body)
                os._exit(numbers[1])
            case "exit":
                os._exit(numbers[0])
            case "kill":
                os.kill(os.getpid(), numbers[0])
                wait()

    do_POST = do_GET


def catch_term(status):
    def on_term(*_):
        say("term")
        write_all(1, b"bye")
        os._exit(status)

    signal.signal(signal.SIGTERM, on_term)


def main(port, *steps):
    for step in steps:
        name, _, value = step.partition(":")
        match name:
            case "say":
                say(os.getpid())
            case "wait":
                wait()
            case "print":
                write_all(1, f"{value}\n".encode())
            case "exit":
                sys.exit(int(value))
            case "catch-term":
                catch_term(int(value))
            case "ignore-term":
                signal.signal(signal.SIGTERM, lambda *_: say("ignored"))
            case _:
                sys.exit(f"life.py: no such step: {step}")
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        signal.pause()  # handlers run in this thread


main(*sys.argv[1:])
