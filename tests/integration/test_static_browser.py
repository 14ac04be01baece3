"""
mode=static with a browser that people use, and a proxy between the two that reads along: what pages, modules, media
and caches need to work, beyond what one request shows. `scripts/deps browser` installs it; without it all is skipped.
"""

import gzip
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from browser import Browser, Recorder, content_range, need_package
from harness import SLOW, SYSTEM_PATH

pytestmark = pytest.mark.serial

PAGE = '<!doctype html><title>{title}</title><link rel="icon" href="data:,">{body}\n'
WASM = bytes.fromhex(  # add(i32, i32) -> i32
    "0061736d01000000" "0107016002" "7f7f" "017f" "03020100" "070701" "03616464" "0000" "0a09010700" "20002001" "6a0b"
)


@pytest.fixture(scope="module")
def browser():
    with tempfile.TemporaryDirectory(prefix="bandog-browser-", ignore_cleanup_errors=True) as folder:
        browser = Browser(Path(folder))
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.page()
    yield page
    page.close()


@pytest.fixture
def served(site):
    """Starts the site: served(static_fallback="index.html"). Returns the proxy before it."""
    recorders = []

    def start(**changes):
        recorders.append(Recorder(site.start(**changes).port))
        return recorders[-1]

    yield start
    for recorder in recorders:
        recorder.close()


def write(site, name, text):
    """Just now, as an editor does."""
    path = site.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def html(title="page", body=""):
    return PAGE.format(title=title, body=body)


# --- single-page applications -----------------------------------------------------------------------------------------


@pytest.fixture
def application(site):
    body = '<a href="/about">about</a><p id="view"></p><script type="module" src="/app.js"></script>'
    write(site, "index.html", html("app", body))
    write(
        site,
        "app.js",
        """
        const render = () => { document.querySelector("#view").textContent = location.pathname + location.search; };
        document.querySelector("a").addEventListener("click", (event) => {
            event.preventDefault();
            history.pushState({}, "", event.target.href);
            render();
        });
        addEventListener("popstate", render);
        render();
        """,
    )


VIEW = "document.querySelector('#view').textContent"


@pytest.mark.parametrize("path", ["/", "/users/42?tab=posts&x=%20y", "/a/very/deep/link.with.dots/"])
def test_deep_link(application, served, page, path):
    """The application's own router sees the address; the server knows nothing of it."""
    proxy = served(static_fallback="index.html", static_listing="off")
    page.go(proxy.url + path)
    assert page.run(VIEW) == path
    assert [call.status for call in proxy.of(path)] == [200]
    assert page.complaints() == []


def test_walk_through_an_application(application, served, page):
    """Its links do not come to the server; reloading where one led to does, and works."""
    proxy = served(static_fallback="index.html")
    page.go(proxy.url)
    page.run("document.querySelector('a').click()")
    assert page.run(VIEW) == "/about" and proxy.of("/about") == []
    page.reload()
    assert page.run(VIEW) == "/about" and [call.status for call in proxy.of("/about")] == [200]
    page.run("new Promise((resolve) => { addEventListener('popstate', resolve); history.back(); }).then(() => true)")
    assert page.run(VIEW) == "/"
    assert page.complaints() == []


def test_without_fallback(application, served, page):
    page.go(served().url + "/users/42")
    assert page.run("document.body.innerText.trim()") == "404 page not found"


# --- types ------------------------------------------------------------------------------------------------------------


def test_types_that_browsers_insist_on(site, served, page):
    """Modules in every way there is, their JSON, wasm while it comes, style sheets, images."""
    head = '<link rel="stylesheet" href="style.css"><script type="module" src="main.mjs"></script>'
    write(site, "index.html", html("types", head + '<p id="p">caf\xe9 \u4e16\u754c</p><img src="pic.svg">'))
    write(site, "style.css", "p { color: rgb(1, 2, 3); } p::after { content: '\u4e16'; }")
    write(site, "pic.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>')
    write(site, "lib/one.mjs", "export const one = 1;")
    write(site, "lib/two.js", "export const two = 2;")
    write(site, "data.json", '{"name": "caf\xe9"}')
    write(site, "add.wasm", WASM)
    write(site, "worker.mjs", 'import { one } from "./lib/one.mjs"; postMessage(one + 41);')
    write(
        site,
        "main.mjs",
        """
        import { one } from "./lib/one.mjs";
        import data from "./data.json" with { type: "json" };
        window.result = (async () => {
            const { two } = await import("/lib/two.js");
            const { instance } = await WebAssembly.instantiateStreaming(fetch("add.wasm"));
            const answer = await new Promise((resolve, reject) => {
                const worker = new Worker("worker.mjs", { type: "module" });
                worker.onmessage = (event) => resolve(event.data);
                worker.onerror = reject;
            });
            return [one, two, data.name, instance.exports.add(40, 2), answer];
        })();
        """,
    )
    proxy = served()
    page.go(proxy.url)
    assert page.complaints() == []
    assert page.run("window.result") == [1, 2, "caf\xe9", 42, 42]
    assert page.run("getComputedStyle(p).color") == "rgb(1, 2, 3)"
    assert page.run("getComputedStyle(p, '::after').content") == '"\u4e16"'
    assert page.run("p.textContent") == "caf\xe9 \u4e16\u754c", "the charset"
    assert page.run("document.images[0].naturalWidth") == 30
    assert page.run("document.compatMode") == "CSS1Compat"
    types = {call.target: call.answer["content-type"] for call in proxy.calls if call.status == 200}
    assert types == {
        "/": "text/html; charset=utf-8",
        "/style.css": "text/css; charset=utf-8",
        "/pic.svg": "image/svg+xml",
        "/main.mjs": "text/javascript; charset=utf-8",
        "/lib/one.mjs": "text/javascript; charset=utf-8",
        "/lib/two.js": "text/javascript; charset=utf-8",
        "/data.json": "application/json",
        "/add.wasm": "application/wasm",
        "/worker.mjs": "text/javascript; charset=utf-8",
    }


def brotli(data):
    """As Brotli holds it without compressing."""
    assert 0 < len(data) <= 1 << 16
    return ((len(data) - 1) << 4 | 1 << 20).to_bytes(3, "little") + data + b"\x03"


@pytest.mark.parametrize("form", ["br", "gzip", "none"])
def test_precompressed(site, served, page, form):
    """The browser unpacks what it asked for."""
    write(site, "index.html", html(body='<script src="app.js"></script>'))
    write(site, "app.js", "window.form = 'none';")
    if form != "none":
        write(site, "app.js.gz", gzip.compress(b"window.form = 'gzip';"))
    if form == "br":
        write(site, "app.js.br", brotli(b"window.form = 'br';"))
    proxy = served()
    page.go(proxy.url)
    assert page.run("window.form") == form and page.complaints() == []
    call, = proxy.of("/app.js")  # fmt: skip
    assert call.answer.get("content-encoding", "none") == form
    assert call.answer["content-type"] == "text/javascript; charset=utf-8"


# --- caches -----------------------------------------------------------------------------------------------------------


ASSETS = ["/", "/app.js", "/style.css"]


@pytest.fixture
def assets(site):
    write(site, "index.html", html(body='<link rel="stylesheet" href="style.css"><script src="app.js"></script>'))
    write(site, "other.html", html(body='<link rel="stylesheet" href="style.css"><script src="app.js"></script>'))
    write(site, "app.js", "window.version = 1;")
    write(site, "style.css", "p { color: red }")


def test_reload_costs_no_body(assets, site, served, page):
    """304 on what has not changed, the new file as soon as it has."""
    proxy = served(static_cache_control="no-cache")
    page.go(proxy.url)
    assert [call.target for call in proxy.calls] == ["/", "/style.css", "/app.js"]
    tags = {call.target: call.answer["etag"] for call in proxy.calls}
    assert {call.status for call in proxy.calls} == {200}

    for _ in range(2):
        proxy.forget()
        page.reload()
        assert sorted(call.target for call in proxy.calls) == ASSETS
        for call in proxy.calls:
            assert (call.status, call.received) == (304, 0), call
            assert call.fields["if-none-match"] == tags[call.target] == call.answer["etag"]
            assert call.answer["cache-control"] == "no-cache"
        assert page.run("window.version") == 1

    proxy.forget()
    write(site, "app.js", "window.version = 2;")  # as long, and perhaps in the same second
    page.reload()
    assert page.run("window.version") == 2
    assert {call.target: call.status for call in proxy.calls} == {"/": 304, "/style.css": 304, "/app.js": 200}
    assert page.complaints() == []


def test_fresh_files_are_not_asked_for(assets, served, page):
    proxy = served(static_cache_control="public, max-age=3600")
    page.go(proxy.url)
    proxy.forget()
    page.go(proxy.url + "/other.html")
    assert page.run("window.version") == 1
    assert [call.target for call in proxy.calls] == ["/other.html"]


def test_reload_of_a_fallback(application, served, page):
    proxy = served(static_fallback="index.html", static_cache_control="no-cache")
    page.go(proxy.url + "/users/42")
    page.reload()
    assert [call.status for call in proxy.of("/users/42")] == [200, 304]
    assert page.run(VIEW) == "/users/42"


# --- addresses --------------------------------------------------------------------------------------------------------


NAMES = """
    plain.txt 100% %41 q?x=1&y h#frag x:y javascript:alert(1) <b>&"'.html +plus \xfcn\xefcode-\u4e16\u754c
    back\\slash semi;colon .hidden ~ [x] ... @x mailto:a@b http: \U0001f415
""".split() + ["a b", " ", "new\nline", "tab\there", "\x01"]


@pytest.mark.parametrize("names", [NAMES, ["a&lt;b", "&amp;", "x&copy", "&#47;y"]], ids=["odd", "like-entities"])
def test_every_name_in_a_listing_can_be_followed(site, served, page, names):
    for name in names:
        write(site, f"d/{name}", "this is " + name)
    write(site, "d/sub:folder?/index.html", html("below"))
    proxy = served()
    page.go(proxy.url + "/d/")
    links = "[...document.querySelectorAll('a')]"
    assert sorted(page.run(f"{links}.map((a) => a.textContent)")) == sorted([*names, "sub:folder?/"])
    texts = page.run(f"Promise.all({links}.map(async (a) => [a.textContent, await (await fetch(a.href)).text()]))")
    for name, text in texts:
        assert text == (html("below") if name == "sub:folder?/" else "this is " + name)
    assert page.run(f"{links}.every((a) => a.href.startsWith('{proxy.url}/d/'))")
    page.go(page.run(f"{links}.find((a) => a.textContent == 'sub:folder?/').href"))
    assert page.run("document.title") == "below"


@pytest.mark.parametrize(
    "path, end",
    [
        ("/docs", "/docs/"),
        ("/docs?q=1#part", "/docs/?q=1#part"),
        ("/docs/index.html?q", "/docs/?q"),
        ("/docs/page.html/", "/docs/page.html"),
        ("//docs//page.html", "/docs/page.html"),
        ("/docs/a:b", "/docs/a:b/"),
        ("/docs/a:b/index.html", "/docs/a:b/"),
        ("/docs/x%20%3F%23/", "/docs/x%20%3F%23"),
        ("//docs%2F", "/docs/"),
        ("/no%2F%2Fwhere//index.html", "/no/where/"),
    ],
)
def test_redirects_lead_to_the_page(site, served, page, path, end):
    """And never to another server."""
    for name in ("docs/index.html", "docs/page.html", "docs/a:b/index.html"):
        write(site, name, html(name))
    write(site, "docs/x ?#", "text")
    proxy = served()
    page.go(proxy.url + path)
    assert page.run("location.href") == proxy.url + end


# --- media ------------------------------------------------------------------------------------------------------------


SEEK = """
    new Promise((resolve, reject) => {
        const media = document.querySelector("audio, video");
        media.onerror = () => reject(new Error(media.error.message));
        media.onseeked = () => resolve([media.currentTime, media.readyState]);
        media.currentTime = %f;
    })
"""
METADATA = """
    new Promise((resolve, reject) => {
        const media = document.querySelector("audio, video");
        media.onerror = () => reject(new Error(media.error.message));
        if (media.readyState >= 1) resolve(media.duration);
        media.onloadedmetadata = () => resolve(media.duration);
    })
"""
COLOUR = """
    (() => {
        const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
        canvas.width = canvas.height = 1;
        context.drawImage(document.querySelector("video"), 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    })()
"""


def assert_ranges(proxy, target, size):
    """
    Every call was for a range and got it, or 304 if the browser had it. Returns where they began. Those without an
    answer it has not waited for.
    """
    firsts = []
    for call in proxy.of(target):
        if call.status is None or (call.status == 304 and "if-none-match" in call.fields):
            continue
        assert call.status == 206, call
        first, last, total = content_range(call)
        assert call.fields["range"] in (f"bytes={first}-", f"bytes={first}-{last}"), call
        assert last == size - 1 or call.fields["range"].endswith(f"-{last}"), call
        assert (total, int(call.answer["content-length"])) == (size, last - first + 1), call
        firsts.append(first)
    return firsts


def wav(rate, seconds):
    """The head of a file of silence: 16 bits, two channels."""
    size = rate * 4 * seconds
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += b"\1\0\2\0" + rate.to_bytes(4, "little") + (rate * 4).to_bytes(4, "little") + b"\4\0\x10\0"
    return head + b"data" + size.to_bytes(4, "little"), 44 + size


def test_audio_seeks(site, served, page):
    """There and back, in a file that is not fetched whole."""
    head, size = wav(48_000, 600)
    write(site, "silence.wav", head)
    os.truncate(site.path / "silence.wav", size)
    write(site, "index.html", html(body='<audio preload="metadata" src="silence.wav"></audio>'))
    proxy = served()
    page.go(proxy.url)
    assert page.run(METADATA) == 600
    for second in (540, 60, 300):
        proxy.forget()
        at, ready = page.run(SEEK % second)
        assert at == second and ready >= 2
        # It begins a little before, to find the start of a block.
        assert any(0 <= second * 192_000 - first < 2 << 20 for first in assert_ranges(proxy, "/silence.wav", size))
    assert page.complaints() == []


@pytest.fixture(scope="module")
def film():
    """Two minutes of red, then two of blue, with noise for it to be 100 MB: more than a browser reads ahead."""
    program = need_package("ffmpeg")

    def run(*args):
        command = [program, "-loglevel", "error", "-nostdin", *args]
        subprocess.run(command, check=True, timeout=60 * SLOW, env={"PATH": SYSTEM_PATH}, cwd=folder)

    with tempfile.TemporaryDirectory(prefix="bandog-film-") as folder:
        coder = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 12M -minrate 12M -maxrate 12M -qmax 8".split()
        for colour in ("red", "blue"):
            run("-f", "lavfi", "-i", f"color={colour}:s=320x240:r=10:d=1,noise=c0s=40:c0f=t", *coder, f"{colour}.mp4")
        parts = "".join(f"file {colour}.mp4\n" * 120 for colour in ("red", "blue"))
        (Path(folder) / "parts").write_text(parts)
        run("-f", "concat", "-i", "parts", "-c", "copy", "film.mp4")
        yield Path(folder) / "film.mp4"


def test_video_seeks(site, served, page, film):
    """Its index is at the end of the file, so that is asked for first."""
    size = film.stat().st_size
    (site.path / "film.mp4").hardlink_to(film)
    write(site, "index.html", html(body='<video preload="metadata" muted src="film.mp4"></video>'))
    proxy = served()
    page.go(proxy.url)
    assert abs(page.run(METADATA) - 240) < 0.5
    assert any(first > size * 0.99 for first in assert_ranges(proxy, "/film.mp4", size)), "the index"
    at, ready = page.run(SEEK % 180)
    assert abs(at - 180) < 0.2 and ready >= 2
    red, _, blue = page.run(COLOUR)
    assert blue > 150 and red < 100, "the picture is that of the second half"
    firsts = assert_ranges(proxy, "/film.mp4", size)
    assert firsts[0] == 0 and any(size * 0.7 < first < size * 0.8 for first in firsts), firsts
    page.run(SEEK % 20)
    red, _, blue = page.run(COLOUR)
    assert red > 150 and blue < 100
    assert proxy.of("/film.mp4")[0].answer["content-type"] == "video/mp4"
    assert page.complaints() == []
