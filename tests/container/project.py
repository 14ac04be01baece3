"""A project with functions, and the images that are built from them."""

import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

import base_image
from function_templates import TEMPLATES
from harness import BINARY, REPO
from starters import handler_folder

BANDOG = Path(os.environ.get("BANDOG", REPO / "build" / "bandog")).resolve()
WATCHDOG_IMAGE = "bandog-test-watchdog:latest"


def make_watchdog_image(engine, folder):
    """An image with the program under test, as the other images take it from."""
    shutil.copy(BINARY, folder / "fwatchdog")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY fwatchdog /fwatchdog\n", encoding="utf-8")
    engine.run("build", "--tag", WATCHDOG_IMAGE, str(folder))


@contextmanager
def swept(engine):
    """Takes what the tests made out of an engine that stays."""
    before = own_images(engine)
    try:
        yield
    finally:
        if engine.stays:
            # All that is made from the base image has its label.
            engine.run("container", "prune", "--force", f"--filter=label={base_image.LABEL}")
            if new := own_images(engine) - before:
                engine.run("rmi", "--force", *new)
            engine.run("image", "prune", "--force", f"--filter=label={base_image.LABEL}")


def own_images(engine):
    """Of the tests and of bandog."""
    names = engine.output("images", "--format={{.Repository}}:{{.Tag}}").split()
    return {name for name in names if name.startswith("bandog-")}


class Project:
    """A folder with a stack file and functions, each made from a template's starter."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.folder = folder

    def build(self, template, name=None, handler=None, builder="legacy", check=True, **build_args):
        """
        Builds function `name` from a template's starter with the files of `handler` over it. Gives the finished
        process with the builder's output; its `.image` is what was built.
        """
        name = name or template
        function = self.folder / name
        shutil.rmtree(function, ignore_errors=True)
        shutil.copytree(TEMPLATES / template / handler_folder(template), function)
        for path, content in (handler or {}).items():
            (function / path).parent.mkdir(parents=True, exist_ok=True)
            (function / path).write_text(content, encoding="utf-8")
        image = f"bandog-test/{name}:latest"
        args = {"BASE_IMAGE": base_image.IMAGE, **build_args}
        args = [word for key, value in args.items() for word in ("--build-arg", f"{key}={value}")]
        how = build_with_bandog if BANDOG.is_file() else build_by_hand
        env = {"DOCKER_BUILDKIT": "1" if builder == "buildkit" else "0", "BUILDKIT_PROGRESS": "plain"}
        done = how(self.engine, self.folder, template, name, image, args, env=env, check=check)
        done.image = image
        return done


def build_with_bandog(engine, folder, template, name, image, args, **options):
    stack = folder / f"{name}.yml"
    function = {"lang": template, "handler": f"./{name}", "image": image}
    # JSON is YAML, too.
    stack.write_text(json.dumps({"provider": {"name": "openfaas"}, "functions": {name: function}}), encoding="utf-8")
    done = engine.program(str(BANDOG), "build", "-f", stack.name, *args, cwd=folder, **options)
    done.stdout = re.sub(rf"^{name} \| ", "", done.stdout, flags=re.M)  # the builder's own lines
    return done


def build_by_hand(engine, folder, template, name, image, args, **options):
    """What `bandog build` does, in short."""
    context = folder / "build" / name
    shutil.rmtree(context, ignore_errors=True)
    if template == "dockerfile":
        shutil.copytree(folder / name, context)
    else:
        shutil.copytree(TEMPLATES / template, context)
        shutil.copytree(folder / name, context / handler_folder(template), dirs_exist_ok=True)
    args = ["--build-arg", f"WATCHDOG_IMAGE={WATCHDOG_IMAGE}", *args]
    return engine.program("docker", "build", *args, "--tag", image, ".", cwd=context, **options)


def need_buildkit(engine, folder):
    """Skips where docker cannot do that."""
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", encoding="utf-8")
    done = engine.run("build", str(folder), check=False, env={"DOCKER_BUILDKIT": "1"})
    if done.returncode:
        pytest.skip(f"this docker has no BuildKit: {done.stdout.strip().splitlines()[-1:]}")
