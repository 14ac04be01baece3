"""
The template dockerfile: its Dockerfile is the function's own, so that there is nothing else to run. What it says is
run here without Docker, as `bandog dev` does.
"""

import re
import shutil

from function_templates import TEMPLATES, dockerfile_environment, start
from http_client import chunked

FUNCTION = TEMPLATES / "dockerfile" / "function"


def test_it_answers_with_what_was_sent(watchdog, scratch):
    """The function's folder is what the image is built from."""
    target = shutil.copytree(FUNCTION, scratch / "dockerfile")
    w = start(watchdog, target, scratch)
    body = bytes(range(256))
    assert w.call("POST", body=body).body == body
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(body[:7], body[7:]))
        assert c.answer("POST").body == body


def test_program_is_the_same_everywhere():
    fprocess = re.search(r"^fprocess: (.*)$", (TEMPLATES / "dockerfile" / "template.yml").read_text(), re.M)[1]
    assert dockerfile_environment(FUNCTION / "Dockerfile")["fprocess"] == fprocess


def test_settings_are_settings(fwatchdog):
    checked = fwatchdog("--check", strict_config="true", **dockerfile_environment(FUNCTION / "Dockerfile"))
    assert (checked.status, checked.messages) == (0, []), checked


def test_rules_of_the_other_templates():
    text = (FUNCTION / "Dockerfile").read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", text.partition("FROM")[0], re.M))
    assert arguments == {"BASE_IMAGE": "debian:trixie-slim", "WATCHDOG_IMAGE": "bandog:latest"}
    assert re.findall(r"^FROM (\S+)", text, re.M) == ["${WATCHDOG_IMAGE}", "${BASE_IMAGE}"]
    assert re.findall(r"^(?:USER|EXPOSE|CMD) (.*)$", text, re.M) == ["1000:1000", "8080", '["/usr/bin/fwatchdog"]']
    assert 'CMD ["/usr/bin/fwatchdog","--run-healthcheck"]' in text
    assert 'ARG ADDITIONAL_PACKAGE=""' in text
    assert text.index("apt-get") < text.index("COPY --chown"), "an edit installs everything again"
