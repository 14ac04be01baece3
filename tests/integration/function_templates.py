"""
Templates without Docker: a folder put together as a build does it, and the real fwatchdog in front of it
with the environment that the template's Dockerfile sets.
"""

import re
import shlex
import shutil
from pathlib import Path

from harness import REPO

TEMPLATES = REPO / "templates"


def dockerfile_environment(dockerfile):
    """What the ENV lines of a Dockerfile set, as text; lines go on behind a backslash."""
    text = re.sub(r"\\\n", " ", Path(dockerfile).read_text(encoding="utf-8"))
    env = {}
    for line in re.findall(r"^ENV\s+(.*)$", text, re.M):
        for word in shlex.split(line):
            name, value = word.split("=", 1)
            env[name] = value
    return env


def assemble(name, folder, handler=None):
    """
    Puts template `name` into `folder`/NAME and gives that. `handler` is a mapping from a file's name to its
    text or bytes: files of the function, over those that a new function starts with.
    """
    target = Path(folder) / name
    shutil.copytree(TEMPLATES / name, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    for path, content in (handler or {}).items():
        path = target / "function" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return target


def start(watchdog, target, scratch, ready=True, **changes):
    """
    fwatchdog in front of an assembled template, its working folder there, as WORKDIR is in the image. The
    function's socket is one of the test's own. `changes` are settings besides those of the Dockerfile.
    """
    env = dockerfile_environment(target / "Dockerfile")
    env.pop("PATH", None)
    if env.get("upstream_url", "").startswith("http+unix:"):
        env["upstream_url"] = f"http+unix://{scratch}/tmp/function.sock"
    env.update(HOME=str(scratch), **changes)
    return watchdog(env.pop("fprocess", None), ready=ready, popen={"cwd": target}, **env)
