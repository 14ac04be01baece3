/* link.c: answers as they come, backpressure both ways, tunnels, and upstreams that misbehave */
#include "fetch_run.h"

static char bytes[300000];

/* Answers */

struct row {
    const char *answer;
    const char *traced;
    const char *body; /* or why there is none */
    bool reused;      /* the link is kept */
};

static const struct row rows[] = {
    {OK("2") "ok", "L H200 B E", "ok", true},
    {OK("0"), "L H200 E", "", true},
    {"HTTP/1.1 204 No Content\r\n\r\n", "L H204 E", "", true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "L H304 E", "", true},
    {"HTTP/1.1 999 \r\nContent-Length: 1\r\n\r\nx", "L H999 B E", "x", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
     "L H200 B E", "ok!", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", "L H200 E", "",
     true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "L H200 B E", "ok",
     false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "L H200 B E", "ok", false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "L H200 B E", "ok",
     true},
    {"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" OK("2") "ok",
     "L I102 I103 H200 B E", "ok", true},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK("0"), "L I100 H200 E", "", true},
    /* Nobody has asked for the second one, so nobody may get it. */
    {OK("2") "ok" OK("2") "no", "L H200 B E", "ok", false},
    {OK("0") "\r\n", "L H200 E", "", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP", "L H200 E", "", false},
    {"HTTP/1.1 204 No Content\r\n\r\nx", "L H204 E", "", false},

    {"nonsense\r\n\r\n", "L X", "malformed answer: Expected HTTP/", false},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "L X",
     "malformed answer: 101 to a request that did not ask for it", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "L X",
     "malformed answer: unknown Transfer-Encoding", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nz", "L H200 B X",
     "invalid byte in chunk length", false},
};

static void check_row(const struct row *row, bool bytewise)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    if (bytewise)
        for (const char *s = row->answer; *s && say_bytes(&p, s, 1); s++)
            ;
    else
        say(&p, row->answer);
    assert_trace(&c, row->traced);
    if (strchr(row->traced, 'X'))
        assert_string_equal(c.why, row->body);
    else
        assert_got(&c, row->body);
    forget(&c);
    if (row->reused) {
        assert_idles(1);
    } else {
        hear_rest(&p);
        assert_idles(0);
    }
    hang_up(&p);
    down();
}

static void test_answers(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check_row(&rows[i], false);
}

static void test_answers_byte_by_byte(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].reused || strchr(rows[i].traced, 'X'))
            check_row(&rows[i], true);
}

static void test_answer_to_head(void **state)
{
    struct call c = {.head = "HEAD / HTTP/1.1\r\n\r\n", .to_head = true};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    say(&p, OK("12345"));
    assert_trace(&c, "L H200 E");
    assert_int_equal(c.declared, 12345);
    assert_int_equal(c.body_length, 0);
    forget(&c);
    assert_idles(1);
    hang_up(&p);
    down();
}

static void test_fields_and_trailers(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    say(&p, "HTTP/1.1 418 I'm a teapot\r\nSet-Cookie: a\r\nset-cookie:  b \r\nTransfer-Encoding: "
            "chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\nU:\r\n\r\n");
    assert_trace(&c, "L H418 B E");
    assert_string_equal(c.answer, "418 I'm a teapot|Set-Cookie: a|set-cookie: b|Transfer-Encoding: "
                                  "chunked|+T: 1|+U: |");
    forget(&c);
    hang_up(&p);
    down();
}

/* A head larger than a block moves while it is read, and so do the fields that were found. */
static void test_large_head(void **state)
{
    static const char begin[] = "HTTP/1.1 200 Fine\r\nFirst: 1\r\nContent-Length: 2\r\nX: ";
    struct call c = {.head = ASK("/")};
    char *answer = malloc(sizeof(bytes) + 100);
    struct peer p;

    assert_non_null(answer);
    memset(answer, 'x', sizeof(bytes));
    memcpy(answer, begin, sizeof(begin) - 1);
    memcpy(answer + sizeof(bytes), "\r\n\r\nok", 7);
    up();
    ask(&c);
    p = accept_link();
    assert_true(say_bytes(&p, answer, strlen(answer)));
    assert_trace(&c, "L H200 B E");
    assert_got(&c, "ok");
    assert_memory_equal(c.answer, "200 Fine|First: 1|Content-Length: 2|X: xxx", 42);
    forget(&c);
    assert_idles(1);
    hang_up(&p);
    down();
    free(answer);
}

/* Until the upstream closes: a length nobody has said. */
static void test_until_close(void **state)
{
    for (int reset = 0; reset < 2; reset++) {
        struct call c = {.head = ASK("/")};
        struct peer p;

        up();
        ask(&c);
        p = accept_link();
        hear_text(&p, ASK("/"));
        say(&p, "HTTP/1.1 200 OK\r\n\r\nok");
        assert_trace(&c, "L H200 B");
        if (reset)
            slam(&p);
        else
            hang_up(&p);
        assert_trace(&c, reset ? "L H200 B X" : "L H200 B E");
        if (reset)
            assert_string_equal(c.why, "connection reset by peer");
        assert_got(&c, "ok");
        forget(&c);
        assert_idles(0);
        down();
    }
}

static void check_cut(const char *answer, const char *traced)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    say(&p, answer);
    hang_up(&p);
    assert_trace(&c, traced);
    assert_string_equal(c.why, "unexpected EOF");
    forget(&c);
    assert_idles(0);
    down();
}

static void test_cut_answers(void **state)
{
    check_cut("", "L X");
    check_cut("HTTP/1.1 200 OK\r\nA: b", "L X");
    check_cut("HTTP/1.1 103 \r\n\r\n", "L I103 X");
    check_cut(OK("3") "ab", "L H200 B X");
    check_cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
              "L H200 B X");
}

static void test_interim_without_end(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    for (int i = 0; i < 70 && say_bytes(&p, "HTTP/1.1 102 \r\n\r\n", 17); i++)
        ;
    hear_rest(&p);
    assert_idles(0);
    assert_string_equal(c.why, "malformed answer: interim answers without end");
    forget(&c);
    hang_up(&p);
    down();
}

/* Backpressure */

static enum bd_flow keep_it(struct call *c)
{
    return BD_WAIT;
}

static void test_owner_keeps_bytes(void **state)
{
    struct call c = {.head = ASK("/"), .body = keep_it};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    say(&p, OK("6") "abc");
    assert_trace(&c, "L H200 B");
    say(&p, "def");
    assert_got(&c, "abc"); /* and no more, whatever has come */
    resume(&c);
    await_kept(&c);
    assert_got(&c, "abcdef");
    resume(&c);
    assert_trace(&c, "L H200 B E");
    forget(&c);
    assert_idles(1);
    hang_up(&p);
    down();
}

/* What stands behind a piece that is kept: the end, in one piece or two, or something bad. */
static void check_kept_piece(const char *answer, const char *traced)
{
    struct call c = {.head = ASK("/"), .body = keep_it};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    say(&p, answer);
    hang_up(&p);
    assert_trace(&c, "L H200 B");
    assert_got(&c, "ab");
    resume(&c);
    assert_trace(&c, traced);
    forget(&c);
    down();
}

static void test_owner_keeps_last_bytes(void **state)
{
#define IN_CHUNKS "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    check_kept_piece(OK("2") "ab", "L H200 B E");
    check_kept_piece(OK("3") "ab", "L H200 B X");
    check_kept_piece("HTTP/1.1 200 OK\r\n\r\nab", "L H200 B E");
    check_kept_piece(IN_CHUNKS "1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "L H200 B E");
    check_kept_piece(IN_CHUNKS "2\r\nab\r\n", "L H200 B X");
    check_kept_piece(IN_CHUNKS "2\r\nab\r\nz", "L H200 B X");
}

/* A reset is no end, also when there are bytes before it: libuv may take that for an end of file.
 */
static void test_reset_while_bytes_are_kept(void **state)
{
    for (int more = 0; more < 2; more++) {
        struct call c = {.head = ASK("/"), .body = keep_it};
        struct peer p;

        up();
        ask(&c);
        p = accept_link();
        hear_text(&p, ASK("/"));
        say(&p, "HTTP/1.1 200 OK\r\n\r\nab");
        await_kept(&c);
        if (more)
            say(&p, "cd");
        slam(&p);
        c.body = NULL;
        resume(&c);
        assert_trace(&c, "L H200 B X");
        assert_string_equal(c.why, "connection reset by peer");
        assert_got(&c, more ? "abcd" : "ab");
        forget(&c);
        down();
    }
}

/* While bytes are kept nothing is read: the upstream gets stuck. */
static void test_upstream_waits_for_owner(void **state)
{
    struct call c = {.head = ASK("/"), .body = keep_it};
    struct peer p;
    size_t sent = 0;
    ssize_t n;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    say(&p, "HTTP/1.1 200 OK\r\n\r\n");
    assert_trace(&c, "L H200");
    do {
        struct pollfd ready = {.fd = p.fd, .events = POLLOUT};

        n = send(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        n = poll(&ready, 1, 50);
        assert_true(sent < 100000000);
    } while (n > 0);
    assert_trace(&c, "L H200 B");
    assert_true(c.got_len <= BD_BLOCK_BYTES);
    c.body = NULL;
    resume(&c);
    hang_up(&p);
    assert_trace(&c, "L H200 B E");
    assert_int_equal(c.got_len, sent);
    forget(&c);
    down();
}

static void shrink_here(void *arg)
{
    struct call *c = arg;
    int fd, size = 4096;

    assert(uv_fileno(&c->fetch->link->io.handle, &fd) == 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void test_owner_waits_for_upstream(void **state)
{
    struct call c = {.head = PUT("/", "600000"), .length = 600000};
    struct peer p;

    up();
    take_little();
    start(&c);
    p = accept_link();
    hear_text(&p, c.head);
    assert_trace(&c, "L");
    on_worker(shrink_here, &c);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write_bytes(&c, bytes, sizeof(bytes)), BD_WAIT);
        assert_true(hear_bytes(&p, sizeof(bytes)));
        assert_memory_equal(p.buf + p.at, bytes, sizeof(bytes));
        p.at += sizeof(bytes);
        assert_trace(&c, "L D");
        await_taken(&c);
    }
    finish(&c);
    say(&p, OK("0"));
    assert_trace(&c, "L D H200 E");
    forget(&c);
    assert_idles(1);
    hang_up(&p);
    down();
}

/* The upstream answers before it has read all; what it does not read does not matter then. */
static void test_early_answer(void **state)
{
    struct call c = {.head = PUT("/", "600000"), .length = 600000};
    struct peer p;

    up();
    take_little();
    start(&c);
    p = accept_link();
    hear_text(&p, c.head);
    assert_trace(&c, "L");
    on_worker(shrink_here, &c);
    assert_int_equal(write_bytes(&c, bytes, sizeof(bytes)), BD_WAIT);
    say(&p, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_trace(&c, "L H413 B E");
    assert_got(&c, "no");
    forget(&c);
    hear_rest(&p);
    hang_up(&p);
    assert_idles(0);
    down();
}

/* An answer that comes before the body is finished: the link is not used again. */
static void test_answer_before_end_of_body(void **state)
{
    struct call c = {.head = PUT_CHUNKED("/"), .length = -1};
    struct peer p;

    up();
    start(&c);
    p = accept_link();
    say(&p, OK("2") "ok");
    assert_trace(&c, "L H200 B E");
    forget(&c);
    hear_rest(&p);
    hang_up(&p);
    assert_idles(0);
    down();
}

/* It reads no more, but it still answers. */
static void test_mute_link(void **state)
{
    struct call c = {.head = PUT("/", "600000"), .length = 600000};
    struct peer p;

    up_unix(8, NULL); /* whose writes fail at once when the other side does not read */
    start(&c);
    p = accept_link();
    hear_text(&p, c.head);
    assert_trace(&c, "L");
    shutdown(p.fd, SHUT_RD);
    for (int i = 0; i < 2; i++)
        assert_int_equal(write_bytes(&c, bytes, sizeof(bytes)), BD_GO);
    finish(&c);
    say(&p, OK("2") "ok");
    assert_trace(&c, "L H200 B E");
    assert_got(&c, "ok");
    forget(&c);
    assert_idles(0);
    hang_up(&p);
    down();
}

/* Tunnels */

#define UPGRADE "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

static struct peer open_tunnel(struct call *c, const char *answer)
{
    struct peer p;

    *c = (struct call){.head = UPGRADE, .upgrade = true};
    ask(c);
    p = accept_link();
    hear_text(&p, UPGRADE);
    say(&p, answer);
    return p;
}

/* Each side may end what it says, and hears the other until that ends, too. */
static void test_tunnel(void **state)
{
    struct call c;
    struct peer p;

    up();
    p = open_tunnel(&c, SWITCHING "first\r\n");
    assert_trace(&c, "L H101 B");
    assert_got(&c, "first\r\n");
    assert_string_equal(c.answer, "101 Switching Protocols|Connection: Upgrade|Upgrade: x|");
    write_text(&c, "HTTP/1.1 ");
    hear_text(&p, "HTTP/1.1 ");
    finish(&c);
    expect_end(&p);
    say(&p, "second");
    hang_up(&p);
    assert_trace(&c, "L H101 B E");
    assert_got(&c, "first\r\nsecond");
    forget(&c);
    assert_idles(0);
    down();
}

static void test_tunnel_ends_over_there(void **state)
{
    struct call c;
    struct peer p;

    up();
    p = open_tunnel(&c, SWITCHING);
    assert_trace(&c, "L H101");
    shutdown(p.fd, SHUT_WR);
    assert_trace(&c, "L H101 E");
    forget(&c);
    hear_rest(&p);
    hang_up(&p);

    p = open_tunnel(&c, SWITCHING);
    assert_trace(&c, "L H101");
    slam(&p);
    assert_trace(&c, "L H101 X");
    assert_string_equal(c.why, "connection reset by peer");
    forget(&c);

    p = open_tunnel(&c, SWITCHING "x");
    assert_trace(&c, "L H101 B");
    finish(&c);
    cancel(&c);
    forget(&c);
    hear_rest(&p);
    hang_up(&p);
    assert_idles(0);
    down();
}

/* Much in both directions at a time. */
static void test_tunnel_carries_much(void **state)
{
    struct call c;
    struct peer p;

    up();
    take_little();
    p = open_tunnel(&c, SWITCHING);
    assert_trace(&c, "L H101");
    on_worker(shrink_here, &c);
    c.body = keep_it;
    say(&p, "abc");
    await_kept(&c);
    assert_int_equal(write_bytes(&c, bytes, sizeof(bytes)), BD_WAIT);
    finish(&c);
    assert_true(hear_bytes(&p, sizeof(bytes)));
    p.at += sizeof(bytes);
    await_taken(&c);
    expect_end(&p);
    c.body = NULL;
    resume(&c);
    assert_true(say_bytes(&p, bytes, sizeof(bytes)));
    hang_up(&p);
    assert_trace(&c, "L H101 B D B E");
    assert_int_equal(c.got_len, sizeof(bytes) + 3);
    forget(&c);
    assert_idles(0);
    down();
}

/* The upstream may also decline. */
static void test_no_tunnel(void **state)
{
    struct call c;
    struct peer p;

    up();
    p = open_tunnel(&c, OK("2") "ok");
    assert_trace(&c, "L H200 B E");
    forget(&c);
    assert_idles(1);
    hang_up(&p);
    down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_byte_by_byte),
        cmocka_unit_test(test_answer_to_head),
        cmocka_unit_test(test_fields_and_trailers),
        cmocka_unit_test(test_large_head),
        cmocka_unit_test(test_until_close),
        cmocka_unit_test(test_cut_answers),
        cmocka_unit_test(test_interim_without_end),
        cmocka_unit_test(test_owner_keeps_bytes),
        cmocka_unit_test(test_owner_keeps_last_bytes),
        cmocka_unit_test(test_reset_while_bytes_are_kept),
        cmocka_unit_test(test_upstream_waits_for_owner),
        cmocka_unit_test(test_owner_waits_for_upstream),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_answer_before_end_of_body),
        cmocka_unit_test(test_mute_link),
        cmocka_unit_test(test_tunnel),
        cmocka_unit_test(test_tunnel_ends_over_there),
        cmocka_unit_test(test_tunnel_carries_much),
        cmocka_unit_test(test_no_tunnel),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
