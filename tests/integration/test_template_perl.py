"""The template perl: a process for each call, fwatchdog in front of it as in an image."""

import os

import pytest

from function_templates import assemble, start
from harness import need_program
from http_client import chunked
from http_template import ALL_BYTES, run_tests


@pytest.fixture(autouse=True)
def perl():
    need_program("perl")


@pytest.fixture
def serve(watchdog, scratch):
    def begin(body, **changes):
        handler = f"use strict;\nuse warnings;\nsub handle {{\n    my ($body, $context) = @_;\n    {body}\n}}\n1;\n"
        return start(watchdog, assemble("perl", scratch, {"handler.pl": handler}), scratch, **changes)

    return begin


def test_starter_answers(watchdog, scratch):
    w = start(watchdog, assemble("perl", scratch), scratch)
    a = w.call("POST", body=b"\xfcyou")
    assert (a.status, a.body) == (200, b"Hello, \xfcyou!\n")


def test_unit_test_is_a_condition(scratch):
    target = assemble("perl", scratch)
    passed = run_tests(target)
    assert (passed.returncode, passed.stdout) == (0, "")

    (target / "function" / "handler.pl").write_text("sub handle { 'nothing of the kind' }\n1;\n")
    failed = run_tests(target)
    assert failed.returncode != 0 and "the wrong greeting: nothing of the kind" in failed.stdout, failed.stdout


@pytest.mark.parametrize("body", [b"", ALL_BYTES, ALL_BYTES * 20_000], ids=["empty", "all bytes", "5 MB"])
def test_bytes_pass_both_ways(serve, body):
    w = serve("return $body;")
    assert w.call("POST", body=body).body == body
    with w.connect() as c:
        c.request("POST", fields=[("Transfer-Encoding", "chunked")])
        c.send(chunked(body[:7], body[7:100], body[100:]))
        a = c.answer("POST")
        assert (a.status, a.body == body) == (200, True)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_context(serve, method):
    w = serve('my $h = $context->{headers}; return join "|", @$context{qw(method path query)}, $h->{"x-one-two"}, $h->{method} // "none";')
    a = w.call(method, "/a%20b?x=%20y", fields=[("X-One-Two", "3"), ("x-one-two", "4")])
    assert a.body.decode() == f"{method}|/a b|x=%20y|3|none"


def test_there_may_be_no_query(serve):
    assert serve('return "[$context->{query}]";').call().body == b"[]"


@pytest.mark.parametrize(
    "answer, body",
    [
        ("return;", b""),
        ("return 0;", b"0"),
        (r'return "\xff";', b"\xff"),
        (r'my $t = "\xff"; utf8::upgrade($t); return $t;', b"\xff"),
        (r'my $t = "\x{20ac}"; utf8::encode($t); return $t;', "€".encode()),
    ],
)
def test_values(serve, answer, body):
    a = serve(answer).call()
    assert (a.status, a.body) == (200, body)


@pytest.mark.parametrize(
    "answer, says",
    [
        ('die "not today";', r"not today at .*handler\.pl line 5"),
        (r'return "\x{20ac}";', "characters, not bytes"),
        ("return { a => 1 };", "a reference, not a string"),
        ("return $nothing;", 'Global symbol "\\$nothing"'),
    ],
)
def test_failures_are_in_the_log_only(serve, answer, says):
    w = serve(answer)
    for _ in range(2):
        a = w.call()
        assert a.status == 500 and b"handler.pl" not in a.body and b"handle()" not in a.body, a
    w.wait_for_log(says, count=2)


def test_prints_go_to_the_log(serve):
    w = serve('print "noise\\n"; print STDERR "more noise\\n"; warn "a warning\\n"; return "answer";')
    assert w.call().body == b"answer"
    w.wait_for_log("a warning$")
    assert "noise\nmore noise\n" in w.err.text()


def test_function_may_have_modules(watchdog, scratch):
    files = {
        "handler.pl": "use Parts::One;\nsub handle { Parts::One::name() }\n1;\n",
        "Parts/One.pm": "package Parts::One;\nsub name { 'one' }\n1;\n",
    }
    assert start(watchdog, assemble("perl", scratch, files), scratch).call().body == b"one"


def test_only_what_every_debian_has(scratch):
    """The starter and its test need no module that perl-base lacks."""
    base = "/usr/lib/x86_64-linux-gnu/perl-base"
    if not os.path.isdir(base):
        pytest.skip("modules are elsewhere here")
    target = assemble("perl", scratch)
    inc = scratch / "OnlyBase.pm"
    inc.write_text(f"package OnlyBase;\nBEGIN {{ @INC = ('{base}') }}\n1;\n")
    done = run_tests(target, PERL5LIB=str(scratch), PERL5OPT="-MOnlyBase")
    assert (done.returncode, done.stdout) == (0, "")
