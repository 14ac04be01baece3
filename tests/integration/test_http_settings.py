"""mode=http: where the function is (http_upstream_url), what of the environment counts and what does not."""

import pytest

from harness import eventually
from http_client import assert_answer, chunked, request_bytes
from upstream import Upstream, always, answer_bytes, close, read_request

CHUNKED = [("Transfer-Encoding", "chunked")]


@pytest.fixture
def unix_upstream(scratch):
    with Upstream(path=scratch / "fn.sock") as u:
        yield u


@pytest.fixture
def ipv6_upstream():
    try:
        u = Upstream(host="::1")
    except OSError:
        pytest.skip("there is no IPv6")
    with u:
        yield u


def request_of(w, upstream, method="POST", target="/x?y", **request):
    """One call, as it reaches the upstream."""
    seen = []
    upstream.script(lambda link: seen.append(link.request()), answer_bytes())
    with w.connect() as c:
        c.request(method, target, **request)
        a = c.answer()
        assert (a.status, a.body) == (200, b"ok")
    return seen[0]


def target_of(w, upstream, target="/x?y", **request):
    return request_of(w, upstream, target=target, **request).target


# --- http_upstream_url ------------------------------------------------------------------------------------------------

GOOD = [
    "http://127.0.0.1",
    "http://127.0.0.1/",
    "http://127.0.0.1:5000",
    "http://127.0.0.1:65535/base",
    "http://127.0.0.1:1/base/with%20/more/",
    "http://[::1]",
    "http://[::1]:5000/base",
    "http://localhost:5000",
    "http://localhost:5000/",
    "http://user:pass@127.0.0.1:5000/",
    "http://user@localhost",
    "http+unix:///run/fn.sock",
    "http+unix:///a/b.c/fn-1_2.sock",
    "http+unix://%2Frun%2Ffn.sock",
    "http+unix://%2frun%2ffn.sock/",
    "http+unix://%2Frun%2Ffn.sock/base",
]
BAD = [
    "127.0.0.1",
    "127.0.0.1:5000",
    "localhost:5000",
    "//127.0.0.1:5000",
    "/base",
    "5000",
    "https://127.0.0.1:5000",
    "ftp://127.0.0.1/",
    "unix:/run/fn.sock",
    "unix:///run/fn.sock",
    "httpx://127.0.0.1",
    "http:",
    "http:/",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "http://",
    "http:///base",
    "http://:5000",
    "http://127.0.0.1:0",
    "http://127.0.0.1:65536",
    "http://127.0.0.1:-1",
    "http://127.0.0.1:http",
    "http://127.0.0.1:5000x",
    "http://127.0.0.1:50:00",
    "http://[::1",
    "http://[::1]x",
    "http://[::1]5000",
    "http://[nonsense]:1",
    "http://::1:5000",
    "http://127.0.0.1/?q",
    "http://127.0.0.1?q=1",
    "http://127.0.0.1/base?",
    "http://127.0.0.1/#f",
    "http://127.0.0.1#",
    "http://127.0.0.1/a b",
    "http://127.0.0.1 ",
    " http://127.0.0.1",
    "http://127.0.0.1/\x01",
    "http://127.0.0.1/\r\nX: y",
    "http://a b/",
    "http+unix:",
    "http+unix://",
    "http+unix://relative.sock",
    "http+unix://%2Frun%2Ffn.sock?q",
    "http+unix:///run/fn.sock#f",
    "http+unix:///" + "x" * 120,
]


@pytest.mark.parametrize("url", GOOD)
@pytest.mark.parametrize("name", ["http_upstream_url", "upstream_url"])
def test_good_url(fwatchdog, name, url):
    ended = fwatchdog("--check", fprocess="cat", mode="http", **{name: url})
    assert ended.status == 0, ended
    value, source = ended.settings()["upstream_url"]
    assert source == "environment"
    assert value == url or "pass" in url, "a password need not be shown"


def problems(ended):
    return [line for line in ended.all.splitlines() if "upstream_url" in line and not line.startswith("upstream_url=")]


@pytest.mark.parametrize("name", ["http_upstream_url", "upstream_url"])
@pytest.mark.parametrize("url", BAD)
def test_bad_url_stops_the_start(fwatchdog, name, url):
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", mode="http", **{name: url})
        assert ended.status == 1, ended
        assert problems(ended), ended
        if url.isprintable():
            assert url in ended.all, ended
        assert "Forking: " not in ended.all, "the function is not started in vain"


@pytest.mark.parametrize("settings", [{}, {"http_upstream_url": ""}, {"upstream_url": ""}])
def test_it_is_required(fwatchdog, settings):
    for arguments in (["--check"], []):
        ended = fwatchdog(*arguments, fprocess="cat", mode="http", **settings)
        assert ended.status == 1, ended
        assert "http_upstream_url" in ended.all, ended


@pytest.mark.parametrize("name", ["http_upstream_url", "upstream_url"])
def test_both_names(proxied, upstream, name):
    w = proxied(**{"http_upstream_url": None, name: upstream.url})
    assert target_of(w, upstream) == "/x?y"


def test_http_upstream_url_wins(proxied, upstream):
    with Upstream() as other:
        w = proxied(upstream_url=other.url)
        assert target_of(w, upstream) == "/x?y"
        assert other.opened == 0


@pytest.mark.parametrize("name", ["fprocess", "function_process"])
def test_names_of_the_function(proxied, upstream, name):
    w = proxied(**{"fprocess": None, name: "cat"})
    assert target_of(w, upstream) == "/x?y"


def test_a_name(proxied, upstream):
    """It may stand for several addresses, and not all of them need to listen."""
    w = proxied(http_upstream_url=f"http://localhost:{upstream.port}")
    for _ in range(3):
        assert target_of(w, upstream) == "/x?y"
    assert request_of(w, upstream, version="HTTP/1.0", host=None).values("Host") == [f"localhost:{upstream.port}"]


def test_ipv6(proxied, ipv6_upstream):
    u = ipv6_upstream
    w = proxied(http_upstream_url=u.url + "/base")
    assert target_of(w, u) == "/base/x?y"
    assert request_of(w, u, version="HTTP/1.0", host=None).values("Host") == [f"[::1]:{u.port}"]


def test_a_name_whose_first_address_does_not_listen(proxied, ipv6_upstream):
    w = proxied(http_upstream_url=f"http://localhost:{ipv6_upstream.port}")
    for _ in range(3):
        assert target_of(w, ipv6_upstream) == "/x?y"


@pytest.mark.parametrize("form, wanted", [("plain", "/x?y"), ("encoded", "/x?y"), ("encoded-base", "/base/x?y")])
def test_unix_socket(proxied, unix_upstream, form, wanted):
    u = unix_upstream
    encoded = "http+unix://" + str(u.path).replace("/", "%2F")
    url = {"plain": u.url, "encoded": encoded, "encoded-base": encoded + "/base/"}[form]
    w = proxied(http_upstream_url=url)
    for _ in range(3):
        assert target_of(w, u) == wanted
    assert len(u.links) == 1, "links to it are kept, too"
    assert request_of(w, u, version="HTTP/1.0", host=None).values("Host") == ["localhost"]


def test_unix_socket_is_ready_when_it_listens(proxied, scratch):
    with Upstream(path=scratch / "late.sock", listening=False) as late:
        w = proxied(http_upstream_url=late.url)
        assert w.call("GET", "/_/ready").status == 503
        with w.connect() as c:
            c.request("GET", "/early")
            late.script(read_request, answer_bytes(b"late"))
            late.listen()
            assert c.answer().body == b"late"
        eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")


def test_large_bodies_over_a_unix_socket(proxied, unix_upstream):
    body = bytes(range(256)) * 8000
    unix_upstream.script(lambda link: link.answer(link.request().body))
    a = proxied(http_upstream_url=unix_upstream.url).call("POST", body=body)
    assert (a.status, a.body == body) == (200, True)


def test_password_of_the_url_is_told_to_nobody(proxied, upstream):
    w = proxied(http_upstream_url=f"http://user:s3cret@{upstream.authority}/base")
    upstream.script(read_request, close)
    a = w.call("GET", "/x")
    assert a.status == 502 and b"s3cret" not in a.body
    upstream.script(read_request, answer_bytes())
    assert w.call().status == 200
    w.stop()
    assert "s3cret" not in w.err.text() + w.stdout()


# --- what does not count ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked(proxied, upstream, name, host):
    """It would be told by the client's Host where to go."""
    with Upstream() as trap:
        w = proxied(**{name: trap.url, "http_upstream_url": f"http://{host}:{upstream.port}"})
        for fields in ([], [("Accept", "text/event-stream")], [("Proxy", trap.url)]):
            assert target_of(w, upstream, fields=fields) == "/x?y"
        assert target_of(w, upstream, "http://evil.test/a", host="other.test") == "/a"
        assert trap.opened == 0


def test_clients_do_not_choose_the_server(proxied, upstream):
    with Upstream() as trap:
        w = proxied()
        assert target_of(w, upstream, f"http://{trap.authority}/a", host=trap.authority) == "/a"
        assert target_of(w, upstream, "/b", host=trap.authority) == "/b"
        assert target_of(w, upstream, f"//{trap.authority}/c") == f"//{trap.authority}/c"
        assert trap.opened == 0


def test_content_type_is_the_functions(proxied, upstream):
    upstream.script(read_request, answer_bytes(fields=[("Content-Type", "a/b")]))
    assert proxied(content_type="c/d").call().value("Content-Type") == "a/b"


# --- body buffering ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, buffers",
    [
        ({}, False),
        ({"http_buffer_req_body": "true"}, True),
        ({"http_buffer_req_body": "1"}, True),
        ({"buffer_http": "true"}, True),
        ({"buffer_http": "1"}, True),
        ({"http_buffer_req_body": "false"}, False),
        ({"buffer_http": "false"}, False),
        ({"buffer_http": "true", "http_buffer_req_body": "false"}, True),
        ({"buffer_http": "false", "http_buffer_req_body": "true"}, True),
    ],
)
def test_buffering(proxied, upstream, settings, buffers):
    with proxied(**settings).connect() as c:
        c.send(request_bytes("POST", fields=CHUNKED) + chunked(b"hello"))
        link = upstream.link()
        r = link.request()
        assert (r.values("Content-Length"), r.values("Transfer-Encoding")) == (
            (["5"], []) if buffers else ([], ["chunked"])
        )
        link.answer()
        assert c.answer().status == 200


# --- ready_path -------------------------------------------------------------------------------------------------------


def test_ready_without_path(proxied, upstream):
    w = proxied()
    eventually(lambda: w.call("GET", "/_/ready").status == 200, "it is ready")
    assert_answer(w.call("GET", "/_/ready"), 200, b"")
    assert upstream.links == [], "the function is not called"


def test_ready_path_is_the_functions_answer(proxied, upstream):
    w = proxied(ready_path="/are/you?there")
    for status in ("200 OK", "503 Not Yet", "500 Oops", "418 Tea"):
        with w.connect() as c:
            c.request("GET", "/_/ready", fields=[("X-A", "b")])
            link = upstream.link()
            r = link.request()
            assert (r.method, r.target, r.body) == ("GET", "/are/you?there", b"")
            link.send(answer_bytes(b"said", status=status, fields=[("Connection", "close")]))
            a = c.answer()
            assert (a.status, a.body) == (int(status[:3]), b"said")


# --- --check, --help --------------------------------------------------------------------------------------------------

SETTINGS = ["upstream_url", "http_buffer_req_body", "log_callid", "ready_path", "restart", "exec_timeout",
            "prefix_logs", "log_buffer_size"]  # fmt: skip


def test_check_lists_them(fwatchdog):
    ended = fwatchdog("--check", fprocess="cat", mode="http", http_upstream_url="http://127.0.0.1:5000")
    assert (ended.status, ended.stderr) == (0, "")
    settings = ended.settings()
    assert [name for name in SETTINGS if name not in settings] == []
    assert settings["mode"] == ("http", "environment")
    assert settings["exec_timeout"] == ("30s", "default")
    assert settings["restart"] == ("never", "default")
    assert settings["http_buffer_req_body"] == ("false", "default")


@pytest.mark.parametrize("value", ["sometimes", "ALWAYS", "true"])
def test_bad_restart(fwatchdog, value):
    ended = fwatchdog("--check", fprocess="cat", mode="http", http_upstream_url="http://127.0.0.1:1", restart=value)
    assert ended.status == 1, ended
    assert "restart" in ended.all and "on-failure" in ended.all


@pytest.mark.parametrize("name", ["http_buffer_req_body", "buffer_http", "log_callid", "log_call_id"])
def test_bad_truths_are_told(fwatchdog, name):
    ended = fwatchdog("--check", fprocess="cat", mode="http", http_upstream_url="http://127.0.0.1:1", **{name: "maybe"})
    assert ended.status == 1, ended
    assert "maybe" in ended.all


def test_help_tells_of_them(fwatchdog):
    ended = fwatchdog("--help")
    assert ended.status == 0
    for word in ["http_upstream_url", "log_call_id", "buffer_http", *SETTINGS]:
        assert word in ended.all, word


@pytest.mark.parametrize("mode", ["classic", "streaming", "serializing"])
def test_other_modes_need_no_upstream(watchdog, upstream, mode):
    upstream.serve(always())
    w = watchdog("cat", mode=mode, http_upstream_url=upstream.url)
    assert w.call("POST", body=b"hello").body == b"hello"
    assert upstream.opened == 0
