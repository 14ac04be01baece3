"""The template static-site: fwatchdog alone, as in an image."""

import re
from html.parser import HTMLParser

import pytest

from function_templates import TEMPLATES, assemble, start
from http_template import run_tests

PUBLIC = TEMPLATES / "static-site" / "public"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []  # (name, attributes)
        self.feed(text)

    def all(self, name):
        return [dict(attributes) for tag, attributes in self.tags if tag == name]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))


@pytest.fixture
def site(watchdog, scratch):
    return start(watchdog, assemble("static-site", scratch), scratch)


def test_every_file_is_served(site):
    files = [path for path in PUBLIC.rglob("*") if path.is_file()]
    assert PUBLIC / "index.html" in files
    for path in files:
        target = "/" if path.name == "index.html" else f"/{path.relative_to(PUBLIC)}"
        a = site.call("GET", target)
        assert (a.status, a.body) == (200, path.read_bytes())
        assert a.value("Content-Type") == TYPES[path.suffix]


def test_what_the_page_names_is_there(site):
    page = Page(site.call().body.decode())
    links = [tag["href"] for tag in page.all("link")]
    assert links
    for link in links:
        assert site.call("GET", f"/{link}").status == 200, link


def test_the_page_is_for_everybody(site):
    text = site.call().body.decode()
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("meta")[0] == {"charset": "utf-8"}
    assert "width=device-width" in page.all("meta")[1]["content"]
    assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
    assert not re.search(r"https?://", text), "nothing is loaded from elsewhere"


def test_what_is_not_there_is_404(site):
    assert site.call("GET", "/missing").status == 404
    assert site.call("GET", "/../Dockerfile").status in (307, 404)
    assert site.call("POST", "/", body=b"x").status == 405


def test_the_test_is_a_condition(scratch):
    target = assemble("static-site", scratch)
    assert run_tests(target).returncode == 0

    (target / "public" / "index.html").write_text("")
    assert run_tests(target).returncode != 0


def test_settings_of_the_readme(watchdog, scratch):
    target = assemble("static-site", scratch)
    changes = {"static_cache_control": "max-age=3600", "static_fallback": "index.html", "static_listing": "off"}
    w = start(watchdog, target, scratch, **changes)
    a = w.call("GET", "/some/page")
    assert (a.status, a.body) == (200, (PUBLIC / "index.html").read_bytes())
    assert a.value("Cache-Control") == "max-age=3600"
    readme = (target / "README.md").read_text()
    assert all(name in readme for name in changes)
