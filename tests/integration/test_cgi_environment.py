"""mode=cgi: the environment of the program (RFC 3875, section 4.1), its whole content, to the letter."""

import re

import pytest

from call_ids import without_made_id
from harness import free_port, status_kb, with_rows
from http_client import HOST, chunked, request_bytes

META = [
    "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "PATH_INFO", "PATH_TRANSLATED",
    "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD",
    "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
]  # fmt: skip


@pytest.fixture
def cgi(watchdog, scratch):
    """Answers with the environment, each row ended by NUL, as the process got it."""
    head = scratch / "head"
    head.write_bytes(b"Content-Type: application/octet-stream\n\n")

    def start(**more):
        return watchdog(f"cat {head} /proc/self/environ", mode="cgi", **more)

    return start


def environment_of(c, raw):
    c.send_as_far_as_taken(raw)
    a = c.answer()
    assert a.status == 200, a
    rows = a.body.split(b"\0")
    assert rows.pop() == b""
    names = [row.split(b"=", 1)[0] for row in rows]
    assert len(names) == len(set(names)), "a name comes twice"
    return dict(row.decode("utf-8", "surrogateescape").split("=", 1) for row in rows)


def software(w):
    return "bandog/" + w.wait_for_log(r"^Version: (\S+)\t").group(1)


def assert_environment(w, raw, method="GET", path="/", target=None, query="", host=HOST, meta=(), http=(), bandog=()):
    """
    Everything: the watchdog's own environment, the meta-variables, and both forms of the fields.
    `meta` has those that differ, `http` the HTTP_ ones without their prefix, `bandog` the Http_ ones.
    """
    with w.connect() as c:
        address, port = c.socket.getsockname()
        got = environment_of(c, raw)
    wanted = {
        **w.env,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": software(w),
        "SERVER_NAME": HOST,
        "SERVER_PORT": str(w.port),
        "REQUEST_METHOD": method,
        "REQUEST_URI": target or path,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": address,
        "REMOTE_HOST": address,
        "REMOTE_PORT": str(port),
        **dict(meta),
        "Http_Method": method,
        "Http_Path": path,
        **({"Http_Query": query} if query else {}),
        **({"HTTP_HOST": host} if host is not None else {}),
        **{"HTTP_" + name: value for name, value in dict(http).items()},
        **{"Http_" + name: value for name, value in dict(bandog).items()},
    }
    if "HTTP_X_CALL_ID" not in wanted:
        got = without_made_id(got, "HTTP_X_CALL_ID", "Http_X_Call_Id")
    assert got == wanted


def variables(w, raw=None, **request):
    """For tests that look at a few variables only."""
    with w.connect() as c:
        return environment_of(c, raw or request_bytes(**request))


# --- the request line -------------------------------------------------------------------------------------------------


def test_get(cgi):
    assert_environment(cgi(), request_bytes())


@pytest.mark.parametrize("method", ["get", "Post", "FOO", "M-SEARCH", "DELETE", "OPTIONS", "!#$%&'*+-.^_`|~"])
def test_method_as_sent(cgi, method):
    assert_environment(cgi(), request_bytes(method), method=method)


@pytest.mark.parametrize(
    "target, path, query",
    [
        ("/a/b.c", "/a/b.c", ""),
        ("/a%20b%2Fc%2fd", "/a b/c/d", ""),
        ("/%41%7e%C3%A9", "/A~é", ""),
        ("/%ff", "/\udcff", ""),
        ("/a+b;c=d", "/a+b;c=d", ""),
        ("/%25zz", "/%zz", ""),
        ("/a?x=1&y=%20+", "/a", "x=1&y=%20+"),
        ("/a?", "/a", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a?q#frag", "/a", "q#frag"),
        ("/a?%zz%", "/a", "%zz%"),
        ("/a%3Fb?c", "/a?b", "c"),
        ("/%0a%0d%01", "/\n\r\x01", ""),
        ("//a//b/./c/../d/", "//a//b/./c/../d/", ""),
        ("/?search+words+that+are+no+arguments", "/", "search+words+that+are+no+arguments"),
    ],
)
def test_path_and_query(cgi, target, path, query):
    assert_environment(cgi(), request_bytes("GET", target), path=path, target=target, query=query)


@pytest.mark.parametrize("target, path", [("http://other:81/p%20q?r", "/p q"), ("http://other:81?r", "/")])
def test_absolute_form_gives_the_host(cgi, target, path):
    """Whatever Host says besides: a program must not see two hosts (RFC 9112, 3.2.2)."""
    assert_environment(
        cgi(), request_bytes("GET", target), path=path, target=target, query="r", host="other:81",
        meta={"SERVER_NAME": "other"},
    )  # fmt: skip


def test_query_makes_no_arguments(watchdog, scratch):
    """RFC 3875, section 4.4, allows them; CVE-2012-1823 is why nobody does it any more."""
    (scratch / "head").write_bytes(b"Content-Type: application/octet-stream\n\n")
    w = watchdog(f"cat {scratch}/head /proc/self/cmdline", mode="cgi")
    a = w.call("GET", "/?-s+--version+%2Fetc%2Fpasswd")
    assert a.body.split(b"\0") == [b"cat", str(scratch / "head").encode(), b"/proc/self/cmdline", b""]


def test_nul_in_the_path(cgi):
    a = cgi().call("GET", "/a%00b")
    assert (a.status, a.body.rstrip(b"\n")) == (500, b"exec: environment variable contains NUL")


# --- where from, where to ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host, name",
    [
        ("example.org", "example.org"),
        ("example.org:8080", "example.org"),
        ("example.org:", "example.org"),
        ("EXAMPLE.org:1", "EXAMPLE.org"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
    ],
)
def test_server_name_is_the_host_without_its_port(cgi, host, name):
    """The port is the one that was connected to, whatever the client calls it (RFC 3875, 4.1.15)."""
    assert_environment(cgi(), request_bytes(host=host), host=host, meta={"SERVER_NAME": name})


def test_chosen_port(cgi):
    port = free_port()
    assert variables(cgi(port=port), host="example.org:80")["SERVER_PORT"] == str(port)


@pytest.mark.parametrize("host, line", [(None, None), ("", "")])
def test_http_1_0_without_host(cgi, host, line):
    raw = request_bytes(host=host, version="HTTP/1.0")
    meta = {"SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": "127.0.0.1"}
    assert_environment(cgi(), raw, host=line, meta=meta)


def test_empty_host(cgi):
    assert_environment(cgi(), request_bytes(host=""), host="", meta={"SERVER_NAME": "127.0.0.1"})


def test_ipv6(cgi):
    """As a name the address has its brackets (RFC 3875, 4.1.14), as a number it has none (4.1.8)."""
    w = cgi()
    with w.connect(host="::1") as c:
        port = c.socket.getsockname()[1]
        seen = environment_of(c, request_bytes(host=None, version="HTTP/1.0"))
    names = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT")
    assert [seen[name] for name in names] == ["[::1]", str(w.port), "::1", "::1", str(port)]


# --- the body ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"12345", b""])
def test_content_length_and_type(cgi, body):
    raw = request_bytes("POST", "/", [("Content-Type", "a/b; c=d")], body=body)
    meta = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "a/b; c=d"}
    bandog = {"Content_Length": str(len(body)), "Content_Type": "a/b; c=d"}
    assert_environment(cgi(), raw, method="POST", meta=meta, bandog=bandog)


def test_get_with_a_body(cgi):
    assert variables(cgi(), body=b"123")["CONTENT_LENGTH"] == "3"


def test_content_length_is_a_number(cgi):
    """Programs that compare it, or take it for octal, see it without leading zeros."""
    raw = request_bytes("POST", "/", [("Content-Length", "0005")]) + b"12345"
    assert variables(cgi(), raw)["CONTENT_LENGTH"] in ("5", "0005")


def test_chunked(cgi):
    """Nobody knows the length before the end; the program reads up to that."""
    raw = request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + chunked(b"12", b"345")
    assert_environment(cgi(), raw, method="POST", bandog={"Transfer_Encoding": "chunked"})


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, meta, bandog",
    [
        ("x-foo", "X_FOO", "X_Foo"),
        ("X-FOO-bar", "X_FOO_BAR", "X_Foo_Bar"),
        ("a", "A", "A"),
        ("9a-9b", "9A_9B", "9a_9b"),
        ("-a--b-", "_A__B_", "_A__B_"),
        ("Authorization", "AUTHORIZATION", "Authorization"),
        ("User-Agent", "USER_AGENT", "User_Agent"),
        ("Accept", "ACCEPT", "Accept"),
        ("Referer", "REFERER", "Referer"),
        ("X-Forwarded-For", "X_FORWARDED_FOR", "X_Forwarded_For"),
    ],
)
def test_name_of_a_field(cgi, name, meta, bandog):
    assert_environment(cgi(), request_bytes(fields=[(name, "v")]), http={meta: "v"}, bandog={bandog: "v"})


@pytest.mark.parametrize("name", ["X_Real_IP", "X.Dot", "X!", "a#b", "$", "X'", "*", "x+y", "a^b", "`", "a|b", "~t"])
def test_name_with_other_characters_is_left_out(cgi, name):
    """Else X_Real-IP could pose as the X-Real-IP that a proxy has set or taken away."""
    seen = variables(cgi(), fields=[(name, "spoofed")])
    assert sorted(n for n in seen if n.startswith("HTTP_")) == ["HTTP_HOST", "HTTP_X_CALL_ID"]


@pytest.mark.parametrize("order", [0, 1], ids=["before", "behind"])
def test_underscore_does_not_change_the_real_one(cgi, order):
    fields = [("X-Real-IP", "192.0.2.1"), ("X_Real_IP", "evil"), ("X-Real_IP", "evil"), ("x_real-ip", "evil")]
    seen = variables(cgi(), fields=fields[::-1] if order == 0 else fields)
    assert seen["HTTP_X_REAL_IP"] == "192.0.2.1"


@pytest.mark.parametrize("name", ["Content_Length", "Content_Type", "Content-Length_", "Authorization_"])
def test_underscore_makes_no_other_variable(cgi, name):
    seen = variables(cgi(), fields=[(name, "7")])
    assert not [n for n, value in seen.items() if value == "7" and not n.startswith("Http_")]


@pytest.mark.parametrize("name", ["Proxy", "proxy", "PROXY"])
def test_httpoxy(cgi, name):
    assert_environment(cgi(), request_bytes(fields=[(name, "http://evil:3128")]))


@pytest.mark.parametrize(
    "name, value",
    [
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
    ],
)
def test_fields_of_one_hop_are_left_out(cgi, name, value):
    seen = variables(cgi(), fields=[(name, value)])
    assert sorted(n for n in seen if n.startswith("HTTP_")) == ["HTTP_HOST", "HTTP_X_CALL_ID"]


@pytest.mark.parametrize("name", ["Request-Method", "Script-Name", "Path-Info", "Remote-User", "Gateway-Interface"])
def test_field_cannot_pose_as_a_meta_variable(cgi, name):
    w = cgi()
    variable = name.upper().replace("-", "_")
    seen = variables(w, fields=[(name, "evil")])
    assert seen["HTTP_" + variable] == "evil"
    assert seen.get(variable) == variables(w).get(variable)


@pytest.mark.parametrize(
    "fields, variable, value",
    [
        ([("X-Many", "one"), ("Other", "o"), ("x-many", "two"), ("X-MANY", "three")], "X_MANY", "one, two, three"),
        ([("Accept", "a/b"), ("Accept", "c/d, e/f")], "ACCEPT", "a/b, c/d, e/f"),
        ([("Cookie", "a=1"), ("cookie", "b=2; c=3"), ("COOKIE", "d=4")], "COOKIE", "a=1; b=2; c=3; d=4"),
        ([("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")], "X_FORWARDED_FOR",
         "192.0.2.1, 192.0.2.2"),
    ],
)  # fmt: skip
def test_equal_names_are_joined(cgi, fields, variable, value):
    """RFC 3875, 4.1.18; RFC 6265, 5.4, for cookies."""
    assert variables(cgi(), fields=fields)["HTTP_" + variable] == value


def test_content_type_twice_is_never_silently_the_last(cgi):
    """Nobody should send it; a filter in front of us will have looked at the first, or at both."""
    seen = variables(cgi(), method="POST", fields=[("Content-Type", "a/b"), ("Content-Type", "c/d")], body=b"x")
    assert seen["CONTENT_TYPE"] in ("a/b", "a/b, c/d")
    assert "HTTP_CONTENT_TYPE" not in seen


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("  \t padded \t ", "padded"),
        ("a  b\tc", "a  b\tc"),
        ("", ""),
        ("a=b=c", "a=b=c"),
        ("() { :;}; echo vulnerable", "() { :;}; echo vulnerable"),
        ("caf\u00e9 \u00ff\u0080", "caf\udce9 \udcff\udc80"),
    ],
)
def test_value_of_a_field(cgi, value, wanted):
    assert_environment(cgi(), request_bytes(fields=[("X-V", value)]), http={"X_V": wanted}, bandog={"X_V": wanted})


def test_calls_do_not_leak_into_each_other(cgi):
    w = cgi()
    with w.connect() as c:
        first = environment_of(c, request_bytes("POST", "/a?b", [("X-Secret", "s"), ("Content-Type", "c/d")], b"1"))
        second = environment_of(c, request_bytes())
    assert (first["HTTP_X_SECRET"], first["CONTENT_LENGTH"], first["QUERY_STRING"]) == ("s", "1", "b")
    assert not {"HTTP_X_SECRET", "CONTENT_LENGTH", "CONTENT_TYPE", "Http_Query"} & set(second)
    assert (second["QUERY_STRING"], second["PATH_INFO"]) == ("", "/")


# --- what is inherited ------------------------------------------------------------------------------------------------

ALWAYS = [
    "GATEWAY_INTERFACE", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "REQUEST_METHOD",
    "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
]  # fmt: skip
TOLD = {"AUTH_TYPE", "PATH_TRANSLATED", "REMOTE_IDENT", "REMOTE_USER"}
INHERITED = {name: "inherited" for name in [*META, "HTTP_PROXY", "HTTP_X_FOO", "HTTP_COOKIE", "HTTP_AUTHORIZATION"]}


def test_inherited_meta_variables_are_not_passed_on(cgi):
    """Else a program would take the watchdog's own for those of the request. Some only an operator can know."""
    seen = variables(cgi(**INHERITED))
    assert {n for n, value in seen.items() if value == "inherited"} == TOLD
    assert {n for n in INHERITED if n in seen} == {*ALWAYS, *TOLD}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "QUERY_STRING", "CONTENT_LENGTH", "HTTP_X_FOO"])
def test_inherited_twice(cgi, name):
    """An environment may hold a name twice, and the second row must not show when the first is gone."""
    w = cgi(**{name: "inherited"}, wrapper=with_rows(f"{name}=inherited"))
    assert "inherited" not in variables(w).values()


def test_other_inherited_variables_stay(cgi):
    stay = {"http_proxy": "http://p:3128", "HTTPS_PROXY": "http://p:3128", "HTTPX": "1", "QUERY_STRINGS": "2",
            "DOCUMENT_ROOT": "/srv", "no_proxy": "x", "HTTPS": "on"}  # fmt: skip
    w = cgi(**stay)
    seen = variables(w)
    assert {name: seen.get(name) for name in stay} == stay


def test_request_beats_the_inherited(cgi):
    w = cgi(HTTP_X_FOO="old", Http_X_Foo="old", CONTENT_TYPE="old/type", Http_Other="stays")
    seen = variables(w, method="POST", fields=[("X-Foo", "new"), ("Content-Type", "a/b")], body=b"")
    assert (seen["HTTP_X_FOO"], seen["Http_X_Foo"], seen["CONTENT_TYPE"]) == ("new", "new", "a/b")
    assert seen["Http_Other"] == "stays"


# --- how much fits ----------------------------------------------------------------------------------------------------

ROW = 128 * 1024 - 1  # name, "=" and value of one variable: Linux's MAX_ARG_STRLEN without the NUL


def answer_to(w, raw):
    with w.connect() as c:
        c.send_as_far_as_taken(raw)
        return c.answer()


def value_of(name, over, *fields):
    """A request with a field whose variable is `over` bytes longer than fits."""
    return request_bytes(fields=[*fields, (name, "v" * (ROW + over - len("HTTP_=") - len(name)))])


def halves(name, over, joint):
    """The same, but only both fields of that name together are too long."""
    left = ROW + over - len("HTTP_=") - len(name) - joint - 60_000
    return request_bytes(fields=[(name, "v" * 60_000), (name, "w" * left)])


LONG = {
    "path": (414, lambda over: request_bytes("GET", "/" + "p" * (ROW + over - len("REQUEST_URI=/")))),
    "query": (414, lambda over: request_bytes("GET", "/?" + "q" * (ROW + over - len("REQUEST_URI=/?")))),
    "escapes": (414, lambda over: request_bytes("GET", "/" + "p" * (ROW + over - len("REQUEST_URI=/%41")) + "%41")),
    "value": (431, lambda over: value_of("X-Long", over)),
    "content-type": (431, lambda over: request_bytes(
        "POST", "/", [("Content-Type", "v" * (ROW + over - len("Http_Content_Type=")))], b"")),
    "cookie": (431, lambda over: halves("Cookie", over, 2)),
    "joined": (431, lambda over: halves("X-Long", over, 2)),
    "host": (431, lambda over: request_bytes(host="h" * (ROW + over - len("SERVER_NAME=")))),
}  # fmt: skip


@pytest.mark.parametrize("status, raw", LONG.values(), ids=LONG)
def test_too_long_is_refused_and_one_byte_less_is_not(cgi, status, raw):
    w = cgi()
    assert answer_to(w, raw(1)).status == status
    assert answer_to(w, raw(0)).status == 200


def test_long_method(cgi):
    assert answer_to(cgi(), request_bytes("M" * (ROW + 1))).status in (400, 414, 431, 501)


def test_many_fields(cgi):
    fields = [(f"X-{i}", str(i)) for i in range(10_000)]
    seen = variables(cgi(), fields=fields)
    assert all(seen[f"HTTP_X_{i}"] == seen[f"Http_X_{i}"] == str(i) for i in range(10_000))


def test_many_fields_of_one_name(cgi):
    """Joined at once, in memory that does not grow with the square of their number."""
    n = 40_000
    w = cgi()
    seen = variables(w, fields=[("A", "b")] * n)
    assert seen["HTTP_A"] == ", ".join(["b"] * n)
    assert status_kb(w.pid, "VmHWM") < 64 * 1024


def test_more_than_the_kernel_takes(cgi):
    """Each row is small; together they are more than execve(2) accepts."""
    raw = request_bytes(fields=[(f"{i:05d}", "b") for i in range(99_000)])
    assert answer_to(cgi(wrapper=["prlimit", "--stack=4194304:"]), raw).status == 431


def test_refused_ones_are_logged(cgi):
    w = cgi()
    assert answer_to(w, LONG["value"][1](1)).status == 431
    line = w.wait_for_log(r"^GET / - 431 - ContentLength: \S+ \(\d+\.\d{4}s\)$").group(0)
    assert re.search(r"ContentLength: [1-9]", line)
