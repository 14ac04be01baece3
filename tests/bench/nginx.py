"""nginx as a proxy in front of bench.Upstream, or serving files, with all that it writes in a folder of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import bench

CONFIGURATION = """\
{user}
daemon off;
worker_processes {workers};
pid {folder}/pid;
events {{
    worker_connections 1024;
}}
http {{
    access_log {access_log};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    {http}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {location}
        }}
    }}
}}
"""

UPSTREAM = """\
upstream function {{
        server {server};
        keepalive {connections};
        keepalive_requests 1000000000;
    }}"""

PROXY = """\
proxy_pass http://function;
            proxy_http_version 1.1;
            proxy_set_header Connection "";"""


def program():
    path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        raise RuntimeError("nginx is not there: `scripts/deps bench` installs it")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """No connection ends after so many requests; all else that matters is as by default. (`listen ... reuseport` was
    tried: no faster.) A context manager.
    """

    def __init__(self, workers, log, http, location):
        self.workers, self.log, self.http, self.location = workers, log, http, location

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.port = free_port()
        self.errors = Path(self.folder.name, "error.log")
        configuration = Path(self.folder.name, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            workers=self.workers,
            folder=self.folder.name,
            access_log=f"{self.folder.name}/access.log" if self.log else "off",
            http=self.http,
            location=self.location,
            port=self.port,
        ), encoding="ascii")
        command = [program(), "-p", self.folder.name, "-e", self.errors, "-c", configuration]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        self.pids = []
        try:
            self.pids = self.wait_for_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_for_workers(self):
        """The socket listens before there are workers."""
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            pids = bench.children(self.process.pid)
            if len(pids) == self.workers and all(map(is_worker, pids)):
                return pids
            time.sleep(0.01)
        raise RuntimeError(f"nginx does not start:\n{bench.last_words(self.errors)}")

    def state(self):
        return f"nginx, exit status {self.process.poll()}, said at last:\n{bench.last_words(self.errors)}"

    def __exit__(self, *_):
        self.process.terminate()  # the master ends its workers; killed, it would leave them behind
        self.process.wait(timeout=10)
        self.folder.cleanup()


class Proxy(Nginx):
    """Its connections to the server, HOST:PORT or unix:PATH, are kept."""

    def __init__(self, server, workers, connections, log=False):
        super().__init__(workers, log, UPSTREAM.format(server=server, connections=connections), PROXY)


class Files(Nginx):
    """What is in the folder, sent with sendfile(2)."""

    def __init__(self, folder, workers):
        super().__init__(workers, False, "sendfile on;", f"root {folder};")


def is_worker(pid):
    """It has changed its title, which is one of the last things before it serves."""
    return b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes()
