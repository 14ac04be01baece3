/* fetch.c: what is sent when, what is sent once more, and what is not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../watchdog/http/fetch.c"
#include "fetch_run.h"

static char bytes[200000];

static void test_links_are_used_again(void **state)
{
    struct peer p;

    up();
    p = use_a_link();
    for (int i = 0; i < 3; i++) {
        struct call c = {.head = ASK("/")};

        ask(&c);
        hear_text(&p, ASK("/"));
        say(&p, OK("1") "x");
        assert_trace(&c, "H200 B E");
        forget(&c);
    }
    nobody_connects();
    hang_up(&p);
    down();
}

/* The head leaves by itself at the end of the turn, or with the first piece of body. */
static void start_and_write_here(void *arg)
{
    start_here(arg);
    write_here(arg, "abc", 3);
}

static void test_head_and_body(void **state)
{
    struct call c = {.head = PUT("/", "6"), .length = 6};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    hear_text(&p, PUT("/", "6"));
    assert_int_equal(write_text(&c, "abc"), BD_GO);
    hear_text(&p, "abc");
    assert_int_equal(write_text(&c, "def"), BD_GO);
    finish(&c);
    hear_text(&p, "def");
    say(&p, OK("0"));
    assert_trace(&c, "H200 E");
    forget(&c);

    on_worker(start_and_write_here, &c);
    assert_int_equal(c.flow, BD_GO);
    assert_int_equal(write_text(&c, "def"), BD_GO);
    finish(&c);
    hear_text(&p, PUT("/", "6") "abcdef");
    say(&p, OK("0"));
    assert_trace(&c, "H200 E");
    forget(&c);
    hang_up(&p);
    down();
}

static const struct bd_field trailer[] = {{BD_SLICE("A"), BD_SLICE("b")},
                                          {BD_SLICE("Empty"), BD_SLICE("")}};

static void finish_with_trailers_here(void *arg)
{
    bd_fetch_finish(((struct call *)arg)->fetch, trailer, 2);
}

static void test_chunks(void **state)
{
    struct call c = {.head = PUT_CHUNKED("/"), .length = -1};
    struct peer p;

    up();
    start(&c);
    p = accept_link();
    hear_text(&p, PUT_CHUNKED("/"));
    assert_trace(&c, "L");
    write_text(&c, "0123456789abcdefg");
    write_text(&c, "x");
    on_worker(finish_with_trailers_here, &c);
    hear_text(&p, "11\r\n0123456789abcdefg\r\n1\r\nx\r\n0\r\nA: b\r\nEmpty: \r\n\r\n");
    say(&p, OK("0"));
    assert_trace(&c, "L H200 E");
    forget(&c);
    start(&c);
    finish(&c);
    hear_text(&p, PUT_CHUNKED("/") "0\r\n\r\n");
    say(&p, OK("0"));
    assert_trace(&c, "H200 E");
    forget(&c);
    hang_up(&p);
    down();
}

/* What is written before there is a link waits for it. */
static void write_and_finish_here(void *arg)
{
    start_here(arg);
    write_here(arg, "abc", 3);
    finish_here(arg);
}

static void test_body_waits_for_link(void **state)
{
    struct call c = {.head = PUT("/", "3"), .length = 3};
    struct peer p;

    up();
    on_worker(start_and_write_here, &c);
    assert_int_equal(c.flow, BD_WAIT);
    p = accept_link();
    hear_text(&p, PUT("/", "3") "abc");
    assert_trace(&c, "D L");
    finish(&c);
    say(&p, OK("0"));
    assert_trace(&c, "D L H200 E");
    forget(&c);
    hang_up(&p);
    assert_idles(0);

    on_worker(write_and_finish_here, &c);
    p = accept_link();
    hear_text(&p, PUT("/", "3") "abc");
    say(&p, OK("0"));
    assert_trace(&c, "D L H200 E");
    forget(&c);
    hang_up(&p);
    down();
}

/* Another try */

static void answer_and_check(struct call *c, struct peer *p, const char *traced)
{
    say(p, OK("2") "ok");
    assert_trace(c, traced);
    assert_got(c, "ok");
    forget(c);
    hang_up(p);
}

static void test_dead_link(void **state)
{
    for (int reset = 0; reset < 2; reset++) {
        struct call c = {.head = ASK("/")};
        struct peer p;

        up();
        p = use_a_link();
        ask(&c);
        hear_text(&p, ASK("/"));
        if (reset)
            slam(&p);
        else
            hang_up(&p);
        p = accept_link();
        hear_text(&p, ASK("/"));
        answer_and_check(&c, &p, "L H200 B E");
        nobody_connects();
        down();
    }
}

/* It dies just before it is used: nobody has seen it yet. */
struct death {
    struct peer *p;
    struct call *c;
    bool reset;
    void (*use)(void *c);
};

static void die_and_use_here(void *arg)
{
    struct death *d = arg;

    if (d->reset)
        slam(d->p);
    else
        hang_up(d->p);
    d->use(d->c);
}

static void test_link_dies_unseen(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct call c = {.head = i < 2 ? ASK("/") : PUT("/", "3"), .length = i < 2 ? 0 : 3};
        struct peer p;
        struct death d = {&p, &c, i % 2, i < 2 ? ask_here : write_and_finish_here};

        up();
        p = use_a_link();
        on_worker(die_and_use_here, &d);
        p = accept_link();
        hear_text(&p, i < 2 ? ASK("/") : PUT("/", "3") "abc");
        answer_and_check(&c, &p, "L H200 B E");
        down();
    }
}

static void test_body_is_sent_again(void **state)
{
    struct call c = {.head = PUT("/", "11"), .length = 11};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    assert_int_equal(write_text(&c, "hel"), BD_GO);
    assert_int_equal(write_text(&c, "lo"), BD_GO);
    hear_text(&p, PUT("/", "11") "hello");
    hang_up(&p);
    p = accept_link();
    hear_text(&p, PUT("/", "11") "hello");
    assert_trace(&c, "L");
    write_text(&c, " world");
    finish(&c);
    hear_text(&p, " world");
    answer_and_check(&c, &p, "L H200 B E");
    down();
}

static void test_chunks_are_sent_again(void **state)
{
    struct call c = {.head = PUT_CHUNKED("/"), .length = -1};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    write_text(&c, "hello");
    write_text(&c, " wor");
    hear_text(&p, PUT_CHUNKED("/") "5\r\nhello\r\n4\r\n wor\r\n");
    hang_up(&p);
    p = accept_link();
    hear_text(&p, PUT_CHUNKED("/") "9\r\nhello wor\r\n");
    assert_trace(&c, "L");
    write_text(&c, "ld");
    on_worker(finish_with_trailers_here, &c);
    hear_text(&p, "2\r\nld\r\n0\r\nA: b\r\nEmpty: \r\n\r\n");
    answer_and_check(&c, &p, "L H200 B E");

    p = use_a_link(); /* the same, already finished */
    start(&c);
    write_text(&c, "hello");
    on_worker(finish_with_trailers_here, &c);
    hear_text(&p, PUT_CHUNKED("/") "5\r\nhello\r\n0\r\nA: b\r\nEmpty: \r\n\r\n");
    hang_up(&p);
    p = accept_link();
    hear_text(&p, PUT_CHUNKED("/") "5\r\nhello\r\n0\r\nA: b\r\nEmpty: \r\n\r\n");
    answer_and_check(&c, &p, "L H200 B E");
    down();
}

/* A piece that comes between the two links goes behind what was sent before. */
static void fail_link_and_write_here(void *arg)
{
    struct call *c = arg;
    struct bd_link *l = c->fetch->link;

    l->f = NULL; /* as link.c does when it fails */
    link_close(l);
    fetch_failed(c->fetch, "lost");
    assert(!c->fetch->link);
    write_here(c, " world", 6);
    bd_fetch_finish(c->fetch, NULL, 0);
}

static void check_piece_between(const char *head, int64_t length, const char *first,
                                const char *again)
{
    struct call c = {.head = head, .length = length};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    write_text(&c, "hello");
    hear_text(&p, head);
    hear_text(&p, first);
    on_worker(fail_link_and_write_here, &c);
    assert_int_equal(c.flow, BD_WAIT);
    hang_up(&p);
    p = accept_link();
    hear_text(&p, head);
    hear_text(&p, again);
    answer_and_check(&c, &p, "D L H200 B E");
    down();
}

static void test_piece_between_two_links(void **state)
{
    check_piece_between(PUT("/", "11"), 11, "hello", "hello world");
    check_piece_between(PUT_CHUNKED("/"), -1, "5\r\nhello\r\n",
                        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
}

/* The socket takes only a part of what is sent. */
static void shrink_here(void *arg)
{
    struct call *c = arg;
    int fd, size = 4096;

    assert(uv_fileno(&c->fetch->link->io.handle, &fd) == 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void test_lent_piece_is_sent_again(void **state)
{
    struct call c = {.head = PUT_CHUNKED("/"), .length = -1};
    struct peer p;

    up();
    take_little();
    p = use_a_link();
    start(&c);
    on_worker(shrink_here, &c);
    memset(bytes, 'b', 65536);
    assert_int_equal(write_bytes(&c, bytes, 65536), BD_WAIT);
    assert_trace(&c, "");
    slam(&p);
    p = accept_link();
    hear_text(&p, PUT_CHUNKED("/") "10000\r\n");
    assert_true(hear_bytes(&p, 65538));
    assert_memory_equal(p.buf + p.at, bytes, 65536);
    p.at += 65538;
    assert_trace(&c, "D L");
    finish(&c);
    hear_text(&p, "0\r\n\r\n");
    answer_and_check(&c, &p, "D L H200 B E");
    down();
}

static void test_second_try_is_the_last(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    p = use_a_link();
    ask(&c);
    hear_text(&p, ASK("/"));
    hang_up(&p);
    p = accept_link();
    hear_text(&p, ASK("/"));
    hang_up(&p);
    assert_trace(&c, "L X");
    assert_string_equal(c.why, "unexpected EOF");
    forget(&c);
    nobody_connects();
    down();
}

static void test_no_second_try_on_fresh_link(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    hang_up(&p);
    assert_trace(&c, "L X");
    forget(&c);
    nobody_connects();
    down();
}

static void test_no_second_try_after_first_byte(void **state)
{
    struct call c = {.head = PUT("/", "5"), .length = 5};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    write_text(&c, "hello");
    finish(&c);
    hear_text(&p, PUT("/", "5") "hello");
    say(&p, "H");
    hang_up(&p);
    assert_trace(&c, "X");
    assert_string_equal(c.why, "unexpected EOF");
    forget(&c);
    nobody_connects();
    down();
}

/* So much is kept, and not a byte more. */
static void check_kept(size_t n, const char *traced)
{
    struct call c = {.head = PUT_CHUNKED("/"), .length = -1};
    struct peer p;

    up();
    p = use_a_link();
    start(&c);
    memset(bytes, 'b', n);
    if (write_bytes(&c, bytes, 1) == BD_GO)
        write_bytes(&c, bytes, n - 1);
    hear_text(&p, PUT_CHUNKED("/") "1\r\nb\r\n");
    assert_true(hear_bytes(&p, n - 1));
    hang_up(&p);
    if (strcmp(traced, "X") == 0) {
        assert_trace(&c, "X");
        assert_string_equal(c.why, "unexpected EOF");
        nobody_connects();
    } else {
        p = accept_link();
        hear_text(&p, PUT_CHUNKED("/") "10000\r\n");
        assert_true(hear_bytes(&p, n + 2));
        assert_memory_equal(p.buf + p.at, bytes, n);
        hang_up(&p);
        assert_trace(&c, traced);
    }
    forget(&c);
    down();
}

static void test_limit_of_what_is_kept(void **state)
{
    check_kept(65536, "L X");
    check_kept(65537, "X");
}

static void test_large_bodies_take_fresh_links(void **state)
{
    struct call c = {.head = PUT("/", "65536"), .length = 65536};
    struct call large = {.head = PUT("/", "65537"), .length = 65537};
    struct peer p, q;

    up();
    p = use_a_link();
    start(&large);
    q = accept_link();
    hear_text(&q, PUT("/", "65537"));
    start(&c);
    hear_text(&p, PUT("/", "65536"));
    cancel(&c);
    cancel(&large);
    forget(&c);
    forget(&large);
    hear_rest(&p);
    hear_rest(&q);
    hang_up(&p);
    hang_up(&q);
    down();
}

/* A head that the socket does not take at once, and a second piece behind the one sent again. */
static void test_large_head_is_sent_again(void **state)
{
    static const char begin[] = "PUT / HTTP/1.1\r\nX: ", end[] = "\r\n\r\n";
    enum { HEAD = 1000000 };
    char *head = malloc(HEAD + 1);
    struct call c = {.head = head, .length = -1};
    struct peer p;

    assert_non_null(head);
    memset(head, 'x', HEAD);
    memcpy(head, begin, sizeof(begin) - 1);
    memcpy(head + HEAD - 4, end, sizeof(end));
    memset(bytes, 'b', 1000);
    up_unix(8, NULL);
    p = use_a_link();
    on_worker(start_here, &c);
    on_worker(shrink_here, &c);
    hear_text(&p, head);
    write_bytes(&c, bytes, 1000);
    hear_text(&p, "3e8\r\n");
    assert_true(hear_bytes(&p, 1002));
    hang_up(&p);
    p = accept_link();
    assert_trace(&c, "L");
    write_text(&c, "hello");
    hear_text(&p, head);
    hear_text(&p, "3e8\r\n");
    assert_true(hear_bytes(&p, 1002));
    p.at += 1002;
    hear_text(&p, "5\r\nhello\r\n");
    cancel(&c);
    forget(&c);
    hang_up(&p);
    down();
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links_are_used_again),
        cmocka_unit_test(test_head_and_body),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_body_waits_for_link),
        cmocka_unit_test(test_dead_link),
        cmocka_unit_test(test_link_dies_unseen),
        cmocka_unit_test(test_body_is_sent_again),
        cmocka_unit_test(test_chunks_are_sent_again),
        cmocka_unit_test(test_lent_piece_is_sent_again),
        cmocka_unit_test(test_second_try_is_the_last),
        cmocka_unit_test(test_no_second_try_on_fresh_link),
        cmocka_unit_test(test_no_second_try_after_first_byte),
        cmocka_unit_test(test_limit_of_what_is_kept),
        cmocka_unit_test(test_large_bodies_take_fresh_links),
        cmocka_unit_test(test_piece_between_two_links),
        cmocka_unit_test(test_large_head_is_sent_again),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
