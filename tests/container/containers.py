"""Containers of the images, and what is in these."""

import json
import subprocess
import time

from http_client import Connection

PATIENCE = 60


class Container:
    """A container of an image, its port 8080 published on the loopback."""

    def __init__(self, engine, image, *options, **environment):
        self.engine = engine
        self.started = int(time.time())
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        options = ["--publish=127.0.0.1::8080", "--health-interval=200ms", *variables, *options]
        self.id = engine.output("create", *options, image).strip()

    def start(self):
        self.engine.run("start", self.id)
        self.wait_until_healthy()

    def inspect(self):
        return json.loads(self.engine.output("inspect", self.id))[0]

    def log(self):
        return self.engine.run("logs", self.id, check=False).stdout

    def wait_until_healthy(self):
        """Listens to what the engine tells about it; the end of the container is the end of hope."""
        period = [f"--since={self.started}", f"--until={self.started + PATIENCE}"]
        command = ["events", *period, f"--filter=container={self.id}", "--format={{.Status}}"]
        events = self.engine.popen(*command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        with events:
            told = []
            for line in events.stdout:
                told.append(line.strip())
                if told[-1] in ("health_status: healthy", "die"):
                    break
            events.kill()
        assert told and told[-1] == "health_status: healthy", f"{told}\n{self.inspect()['State']}\n{self.log()}"

    def port(self):
        return int(self.inspect()["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"])

    def call(self, method="GET", target="/", **more):
        with Connection(self.port(), PATIENCE) as c:
            return c.call(method, target, **more)

    def users(self):
        """The user and group numbers of all its processes: {("1000", "1000")}."""
        table = self.engine.output("top", self.id, "-o", "pid,uid,gid")
        return {tuple(row.split()[1:]) for row in table.splitlines()[1:]}

    def stop(self):
        """Ends it as an orchestrator does; gives its exit status."""
        self.engine.run("stop", "--time=30", self.id)
        return self.inspect()["State"]["ExitCode"]

    def remove(self):
        self.engine.run("rm", "--force", "--volumes", self.id, check=False)


def files_of(engine, image):
    """The names of all files in an image."""
    made = engine.output("create", image).strip()
    try:
        export = engine.popen("export", made, stdout=subprocess.PIPE)
        names = subprocess.run(["tar", "-t"], stdin=export.stdout, capture_output=True, text=True, check=True).stdout
        export.stdout.close()
        assert export.wait() == 0
        return names.splitlines()
    finally:
        engine.run("rm", made)
