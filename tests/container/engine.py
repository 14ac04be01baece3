"""
The Docker engine of the tests: the one that runs already, or Debian's own dockerd, started for the tests alone.

That one lives in namespaces for processes and mounts: what it starts and mounts cannot outlive it, whatever happens.
Its files are in a folder of its own. The network is the machine's, so that published ports and package mirrors are
reached as anywhere; what it leaves there (a bridge, rules, forwarding) and in fixed places is taken away by hand.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import eventually

TRACES = [Path(p) for p in ("/etc/docker/key.json", "/etc/docker", "/opt/containerd", "/run/containerd")]
BRIDGE = Path("/sys/class/net/docker0")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
SBIN = "/usr/sbin:/sbin"
PATIENCE = 60
PROGRAMS = ["docker", "dockerd", "containerd", "setpriv", "unshare", "ip", "iptables"]


class NoEngine(Exception):
    """Why there is none, in words."""


class Engine:
    def __init__(self, environment, stays):
        self.environment = environment
        self.stays = stays  # when the tests are over; what they leave in it then is to be removed

    def run(self, *command, **options):
        """Runs `docker COMMAND`; what it says is in the result's stdout, and in the failure."""
        return self.program("docker", *command, **options)

    def output(self, *command):
        """What `docker COMMAND` prints on stdout."""
        return self.run(*command, stderr=subprocess.PIPE).stdout

    def program(self, *command, check=True, env=None, stderr=subprocess.STDOUT, **options):
        """Runs any program whose docker shall be this one."""
        options.update(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace")
        done = subprocess.run(command, env=self.environment | (env or {}), check=False, **options)
        if check:
            assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}"
        return done

    def popen(self, *command, **options):
        return subprocess.Popen(["docker", *command], env=self.environment, **options)

    def answers(self):
        return self.run("version", "--format", "{{.Server.Version}}", check=False).returncode == 0


@contextmanager
def running():
    """An engine, or NoEngine."""
    if shutil.which("docker"):
        engine = Engine(dict(os.environ), stays=True)
        if engine.answers():
            yield engine
            return
    # Not /tmp, which may be in memory: images are large.
    with tempfile.TemporaryDirectory(prefix="bandog-engine-", dir="/var/tmp") as folder:
        with started(Path(folder)) as engine:
            yield engine


@contextmanager
def started(folder):
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers, and only root can start one")
    # dockerd's own client: others in PATH may know other builders.
    path = f"/usr/bin:{os.environ['PATH']}:{SBIN}"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        raise NoEngine(f"no Docker engine answers, and these are not there to start one: {' '.join(missing)}")

    socket = f"unix://{folder}/docker.sock"
    # The user's ~/.docker has no say in what is done with it.
    environment = dict(os.environ, PATH=path, DOCKER_HOST=socket, DOCKER_CONFIG=str(folder / "config"))
    environment.pop("DOCKER_CONTEXT", None)
    engine = Engine(environment, stays=False)
    log = folder / "dockerd.log"
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    command += ["--pid", "--mount-proc", "--fork", "--kill-child", "--"]
    command += ["dockerd", f"--host={socket}", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    command += [f"--pidfile={folder}/dockerd.pid"]
    with alone(path), traces_removed(), network_restored(), open(log, "wb") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        unshare = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        try:
            eventually(lambda: unshare.poll() is not None or engine.answers(), "dockerd starts", PATIENCE)
            if unshare.poll() is not None:
                raise NoEngine(f"dockerd cannot run here: {last_words(log)}")
            yield engine
        finally:
            end(unshare)


def end(unshare):
    """dockerd is given the time to end well; with it, whatever is left in its namespace is killed by the kernel."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    try:
        for pid in children.read_text(encoding="ascii").split() if unshare.poll() is None else []:
            os.kill(int(pid), signal.SIGTERM)
        unshare.wait(PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        pass
    finally:
        unshare.kill()
        unshare.wait()


def last_words(log):
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it says nothing"]
    return lines[-1]


@contextmanager
def alone(path):
    """Engines share the bridge and the rules: another run of the tests is waited for."""
    with open(shutil.which("dockerd", path=path), "rb") as program:
        fcntl.flock(program, fcntl.LOCK_EX)
        yield


@contextmanager
def traces_removed():
    new = [path for path in TRACES if not path.exists()]
    try:
        yield
    finally:
        for path in new:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


# --- the network ----------------------------------------------------------------------------------------------------


@contextmanager
def network_restored():
    """
    Takes the bridge and the rules of an engine away afterwards. Where a bridge is there before, it belongs to another
    engine, as do the rules: they are left alone.
    """
    if BRIDGE.exists():
        yield
        return
    forwarding = FORWARDING.read_text(encoding="ascii")
    policies = {tool: forward_policy(tool) for tool in ("iptables", "ip6tables")}
    try:
        yield
    finally:
        network("ip", "link", "delete", BRIDGE.name)
        for tool, policy in policies.items():
            if policy is not None:
                remove_rules(tool, policy)
        FORWARDING.write_text(forwarding, encoding="ascii")


def network(*command, **options):
    path = f"{os.environ['PATH']}:{SBIN}"
    if not shutil.which(command[0], path=path):
        return ""
    environment = dict(os.environ, PATH=path)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options).stdout


def forward_policy(tool):
    """What happens to packets that are passed on; None where the tool does not work."""
    match = re.search(r"^-P FORWARD (\w+)", network(tool, "-S", "FORWARD"), re.M)
    return match and match[1]


def remove_rules(tool, policy):
    """All rules are read, those of the engine left out, and the rest put in place again at once."""
    rules = network(f"{tool}-save").splitlines(keepends=True)
    kept = [line for line in rules if not re.search(rf"\bDOCKER\b|\b{BRIDGE.name}\b", line)]
    if kept != rules:
        network(f"{tool}-restore", input="".join(kept))
        network(tool, "-P", "FORWARD", policy)
