"""The environment of the process: its whole content, to the letter."""

import pytest

from call_ids import without_made_id
from harness import MARKER
from http_client import HOST, chunked, request_bytes

FEW_FILES = ["prlimit", "--nofile=300:4000"]


def environment_of(w, raw):
    """The environment of the function `env -0` for a request."""
    with w.connect() as c:
        c.send(raw)
        a = c.answer()
    assert a.status == 200, a
    return rows_of(a)


def rows_of(a):
    rows = a.body.split(b"\0")
    assert rows.pop() == b""
    names = [row.split(b"=", 1)[0] for row in rows]
    assert len(names) == len(set(names)), "a name comes twice"
    return dict(row.decode("utf-8", "surrogateescape").split("=", 1) for row in rows)


def added_by(mode, method="GET", path="/", query=None, host=HOST, length=0, sent_length=None, fields=None):
    """The rows that a request adds."""
    rows = {"Http_Method": method, "Http_Path": path}
    if query:
        rows["Http_Query"] = query
    if mode == "classic":
        rows["Http_ContentLength"] = rows["Http_Content_Length"] = str(length)
        if host:
            rows["Http_Host"] = host
    elif sent_length is not None:
        rows["Http_Content_Length"] = sent_length
    return {**rows, **(fields or {})}


def assert_environment(w, mode, raw, **expected):
    got, added = environment_of(w, raw), added_by(mode, **expected)
    if "Http_X_Call_Id" not in added:
        got = without_made_id(got, "Http_X_Call_Id")
    assert got == {**w.env, **added}


@pytest.fixture
def env_function(watchdog, mode):
    return watchdog("env -0", mode=mode)


def test_plain_get(env_function, mode):
    assert_environment(env_function, mode, request_bytes())


def test_post_with_length(env_function, mode):
    raw = request_bytes("POST", "/", body=b"12345")
    assert_environment(env_function, mode, raw, method="POST", length=5, sent_length="5")


def test_length_0_as_sent(env_function, mode):
    raw = request_bytes("POST", "/", body=b"")
    assert_environment(env_function, mode, raw, method="POST", length=0, sent_length="0")


def test_length_with_leading_zeros(env_function, mode):
    raw = request_bytes("POST", "/", [("Content-Length", "005")]) + b"12345"
    assert_environment(env_function, mode, raw, method="POST", length=5, sent_length="005")


def test_chunked(env_function, mode):
    raw = request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + chunked(b"12", b"345")
    fields = {"Http_Transfer_Encoding": "chunked"}
    assert_environment(env_function, mode, raw, method="POST", length=-1, fields=fields)


def test_chunked_of_any_case_with_trailer(env_function, mode):
    raw = request_bytes("PUT", "/", [("transfer-encoding", "CHUNKED"), ("Trailer", "X-End")]) + chunked(
        b"12", trailers=[b"X-End: 1"]
    )
    fields = {"Http_Transfer_Encoding": "chunked"}
    assert_environment(env_function, mode, raw, method="PUT", length=-1, fields=fields)


@pytest.mark.parametrize("method", ["get", "Post", "FOO", "M-SEARCH", "DELETE", "!#$%&'*+-.^_`|~"])
def test_method_as_received(watchdog, method):
    assert_environment(watchdog("env -0", mode="streaming"), "streaming", request_bytes(method), method=method)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_in_classic(watchdog, method):
    assert_environment(watchdog("env -0"), "classic", request_bytes(method), method=method)


@pytest.mark.parametrize(
    "target, path, query",
    [
        ("/a/b.c", "/a/b.c", None),
        ("/a%20b%2Fc%2fd", "/a b/c/d", None),
        ("/%41%7e%C3%A9", "/A~é", None),
        ("/%ff", b"/\xff".decode("utf-8", "surrogateescape"), None),
        ("/a+b;c=d,e", "/a+b;c=d,e", None),
        ("/%25zz", "/%zz", None),
        ("/a?x=1&y=%20+", "/a", "x=1&y=%20+"),
        ("/a?", "/a", None),
        ("/a?b?c", "/a", "b?c"),
        ("/?testing=1", "/", "testing=1"),
        ("/a?q#frag", "/a", "q#frag"),
        ("/a%3Fb?c", "/a?b", "c"),
        ("/a?%zz%", "/a", "%zz%"),
        ("/a?x=\u00e9", "/a", "x=\udce9"),
        ("/\u00e9", "/\udce9", None),
        ("/a^`{}|\"<>\\", "/a^`{}|\"<>\\", None),
        ("/%0a%01", "/\n\x01", None),
        ("//a//b/./c/../d/", "//a//b/./c/../d/", None),
        ("//", "//", None),
    ],
)  # fmt: skip
def test_path_and_query(env_function, mode, target, path, query):
    assert_environment(env_function, mode, request_bytes("GET", target), path=path, query=query)


@pytest.mark.parametrize(
    "target, path, query",
    [("http://other:81/p%20q?r", "/p q", "r"), ("http://other:81", "/", None), ("http://other:81?r", "/", "r")],
)
def test_absolute_form_gives_the_host(env_function, mode, target, path, query):
    raw = request_bytes("GET", target)
    assert_environment(env_function, mode, raw, path=path, query=query, host="other:81")


@pytest.mark.parametrize("host", ["", "example.org", "example.org:8080", "[::1]:80", "EXAMPLE.org"])
def test_host(env_function, mode, host):
    assert_environment(env_function, mode, request_bytes(host=host), host=host)


def test_no_host_in_http_1_0(env_function, mode):
    assert_environment(env_function, mode, request_bytes(host=None, version="HTTP/1.0"), host=None)


@pytest.mark.parametrize(
    "name, variable",
    [
        ("x-foo", "Http_X_Foo"),
        ("X-FOO-bar", "Http_X_Foo_Bar"),
        ("X_Foo", "Http_X_foo"),
        ("TE", "Http_Te"),
        ("x.dot", "Http_X.dot"),
        ("X!#$%&'*+^`|~9", "Http_X!#$%&'*+^`|~9"),
        ("-a--b-", "Http__A__B_"),
        ("9a-9b", "Http_9a_9b"),
        ("a", "Http_A"),
    ],
)
def test_name_of_field(env_function, mode, name, variable):
    assert_environment(env_function, mode, request_bytes(fields=[(name, "v")]), fields={variable: "v"})


def test_names_that_collide(env_function, mode):
    raw = request_bytes(fields=[("X-Under", "dash"), ("X_Under", "underscore")])
    assert_environment(env_function, mode, raw, fields={"Http_X_Under": "dash", "Http_X_under": "underscore"})


def test_first_value_only(env_function, mode):
    raw = request_bytes(fields=[("X-Many", "one"), ("Other", "o"), ("x-many", "two"), ("X-MANY", "three")])
    assert_environment(env_function, mode, raw, fields={"Http_X_Many": "one", "Http_Other": "o"})


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("  \t padded \t ", "padded"),
        ("a  b\tc", "a  b\tc"),
        ("", ""),
        ("   ", ""),
        ("a=b=c", "a=b=c"),
        ("$HOME `id` ' \" \\", "$HOME `id` ' \" \\"),
        ("caf\u00e9 \u00ff\u0080", "caf\udce9 \udcff\udc80"),
    ],
)
def test_value_of_field(env_function, mode, value, wanted):
    assert_environment(env_function, mode, request_bytes(fields=[("X-V", value)]), fields={"Http_X_V": wanted})


def test_fields_that_are_like_any_other(env_function, mode):
    fields = [
        ("Connection", "keep-alive, x"), ("Te", "trailers"), ("Upgrade", "h2c"), ("Authorization", "Bearer t"),
        ("Accept-Encoding", "gzip"), ("Content-Type", "a/b"), ("User-Agent", "u"), ("Cookie", "c=d"),
        ("X-Forwarded-For", "1.2.3.4"), ("X-Call-Id", "id"), ("Proxy-Authorization", "p"), ("Keep-Alive", "k"),
        ("Trailer", "t"),
    ]  # fmt: skip
    wanted = {"Http_" + name.replace("-", "_"): value for name, value in fields}
    assert_environment(env_function, mode, request_bytes(fields=fields), fields=wanted)


def test_expect_is_passed(env_function, mode):
    raw = request_bytes("POST", "/", [("Expect", "100-continue")], body=b"12345")
    wanted = {"Http_Expect": "100-continue"}
    assert_environment(env_function, mode, raw, method="POST", length=5, sent_length="5", fields=wanted)


def test_pragma_no_cache_adds_cache_control(env_function, mode):
    wanted = {"Http_Pragma": "no-cache", "Http_Cache_Control": "no-cache"}
    assert_environment(env_function, mode, request_bytes(fields=[("Pragma", "no-cache")]), fields=wanted)


def test_pragma_leaves_a_cache_control_alone(env_function, mode):
    fields = [("Pragma", "no-cache"), ("Cache-Control", "max-age=1")]
    wanted = {"Http_Pragma": "no-cache", "Http_Cache_Control": "max-age=1"}
    assert_environment(env_function, mode, request_bytes(fields=fields), fields=wanted)


@pytest.mark.parametrize("name", ["Proxy", "proxy", "PROXY"])
def test_flaw_47_proxy_never_reaches_the_environment(env_function, mode, name):
    assert_environment(env_function, mode, request_bytes(fields=[(name, "http://evil:3128")]))


def test_request_beats_the_inherited(watchdog, mode):
    inherited = {"Http_Method": "old", "Http_X_Foo": "old", "Http_Other": "stays", "Http_Query": "stays", "OTHER": "o"}
    w = watchdog("env -0", mode=mode, **inherited)
    raw = request_bytes(fields=[("X-Foo", "new")])
    assert_environment(w, mode, raw, fields={"Http_X_Foo": "new"})


def test_cgi_headers_off(watchdog):
    w = watchdog("env -0", cgi_headers="false", Http_Own="stays")
    raw = request_bytes("POST", "/x?y", [("X-Foo", "v")], body=b"1")
    assert environment_of(w, raw) == w.env


def test_cgi_headers_is_not_read_by_others(watchdog):
    w = watchdog("env -0", mode="streaming", cgi_headers="false")
    assert_environment(w, "streaming", request_bytes(fields=[("A", "b")]), fields={"Http_A": "b"})


def test_calls_do_not_leak_into_each_other(env_function, mode):
    with env_function.connect() as c:
        first = rows_of(c.call("POST", "/a?b", fields=[("X-Secret", "s")], body=b"1"))
        second = rows_of(c.call())
    assert first["Http_X_Secret"] == "s"
    assert without_made_id(second, "Http_X_Call_Id") == {**env_function.env, **added_by(mode)}


def test_nul_in_path(watchdog, mode):
    a = watchdog("env -0", mode=mode).call("GET", "/a%00b")
    assert (a.status, a.body.rstrip(b"\n")) == (500, b"exec: environment variable contains NUL")


def test_certifier_finds_its_rows(watchdog, mode):
    a = watchdog("env", mode=mode).call("POST", "/?testing=1", body=b"")
    assert a.body.count(b"Http_Method=POST\n") == 1
    assert a.body.count(b"Http_Query=testing=1\n") == 1
    assert MARKER.encode() in a.body


def test_process_gets_what_the_watchdog_has(watchdog, scratch, mode):
    """Working directory, umask, limits and session as the watchdog was given them; a group of its own."""
    w = watchdog("facts", mode=mode, wrapper=FEW_FILES, popen={"cwd": scratch, "umask": 0o027})
    facts = dict(line.split(" ", 1) for line in w.call().body.decode().splitlines() if not line.startswith("fd "))
    assert facts == {
        "cwd": str(scratch),
        "umask": "0027",
        "files": "300 4000",
        "leads-group": "1",
        "session": str(w.pid),
    }


def test_process_has_no_signal_blocked_or_ignored(watchdog, mode):
    lines = watchdog("cat /proc/self/status", mode=mode).call().body.decode().splitlines()
    facts = dict(line.split(":\t", 1) for line in lines if line.startswith("Sig"))
    assert (facts["SigBlk"], facts["SigIgn"]) == ("0" * 16, "0" * 16)


def test_standard_streams_are_pipes(watchdog, mode):
    """Sockets would do for most, but then a function cannot open /dev/stdin."""
    lines = watchdog("facts", mode=mode).call().body.decode().splitlines()
    assert [line for line in lines if line.startswith("fd ")] == ["fd 0 pipe:[]", "fd 1 pipe:[]", "fd 2 pipe:[]"]
    assert watchdog("cat /dev/stdin", mode=mode).call("POST", body=b"hello").body == b"hello"


def test_watchdog_raises_its_own_file_limit(watchdog):
    w = watchdog("cat", wrapper=FEW_FILES)
    with open(f"/proc/{w.pid}/limits", encoding="ascii") as f:
        row = next(line for line in f if line.startswith("Max open files"))
    soft, hard = map(int, row.split()[3:5])
    assert 3990 <= soft <= hard == 4000


def test_process_gets_no_descriptor_of_ours(watchdog, gate, mode):
    """Nor one of the other calls under way. `ls` sees the folder it reads as its fourth."""
    w = watchdog("steps say wait fds", mode=mode, **gate.env)
    connections = [w.connect() for _ in range(4)]
    for c in connections:
        c.request()
        gate.started()
    gate.open(4)
    for c in connections:
        assert c.answer().body.split() == [b"0", b"1", b"2", b"3"]
