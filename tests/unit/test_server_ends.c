/* A real server and the contract of modes (bandog/mode.h): who leaves, what fails. */
#include "server_run.h"

#include <poll.h>
#include <sys/ioctl.h>

static void nothing(struct call *c)
{
}

static enum bd_flow take(struct call *c, const char *buf, size_t len)
{
    return BD_GO;
}

static const struct plan quiet = {.start = nothing, .body = take};

/* The client goes */

static void test_reset_while_quiet(void **state)
{
    struct run r = {.plan = &quiet};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    assert_trace("S");
    slam(&p);
    assert_trace("S A0 F499!");
    down(&r);
}

static void test_reset_in_body(void **state)
{
    struct run r = {.plan = &quiet};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, POST("/", "10") "hello");
    assert_trace("S B");
    slam(&p);
    assert_trace("S B A0 F499!");
    down(&r);
}

static void test_reset_in_head(void **state)
{
    struct run r = {.plan = &quiet};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, "GET / HTTP/1.1\r\n");
    slam(&p);
    p = dial(&r);
    say(&p, "GET / HT");
    hang_up(&p);
    p = dial(&r);
    hang_up(&p);
    down(&r);
    assert_trace("");
}

/* Closed, but the system tells nobody before something is sent. */
static void test_close_while_quiet(void **state)
{
    struct run r = {.plan = &quiet};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    assert_trace("S");
    hang_up(&p);
    assert_trace("S A0 F499!");
    down(&r);
}

/* The same behind a request that was answered after the end of file had been seen. */
static bool has_heard_end(struct call *c)
{
    return exchange_of(c->x)->conn->fin;
}

static void answer_first_after_fin(struct call *c)
{
    if (is_path(c, "/quiet"))
        return;
    if (has_heard_end(c))
        reply_ok(c);
    else
        later(c, 1 * MS, answer_first_after_fin);
}

static void test_close_while_second_is_quiet(void **state)
{
    const struct plan plan = {.start = answer_first_after_fin};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/") GET("/quiet"));
    shutdown(p.fd, SHUT_WR);
    expect(&p, 200, "ok");
    assert_trace("S F200 S");
    hang_up(&p);
    assert_trace("S F200 S A0 F499!");
    down(&r);
}

static void answer_after_fin(struct call *c)
{
    if (has_heard_end(c))
        reply_ok(c);
    else
        later(c, 1 * MS, answer_after_fin);
}

static void test_half_close(void **state)
{
    const struct plan plan = {.start = answer_after_fin, .body = take};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    shutdown(p.fd, SHUT_WR);
    expect(&p, 200, "ok");
    expect_end(&p);
    hang_up(&p);
    p = dial(&r);
    say(&p, CHUNKED("/") "1\r\nx\r\n0\r\n\r\n" GET("/"));
    shutdown(p.fd, SHUT_WR);
    expect(&p, 200, "ok");
    expect(&p, 200, "ok");
    expect_end(&p);
    hang_up(&p);
    assert_trace("S F200 S B E F200 S F200");
    down(&r);
}

/* Endless answers */

static char noise[100000];

static void pour(struct call *c)
{
    while (send_copy(c, noise, c->left) == BD_GO)
        ;
}

static void pour_slowly(struct call *c)
{
    if (send_copy(c, noise, c->left) == BD_GO)
        later(c, 0, pour_slowly);
}

static void pour_large(struct call *c)
{
    c->left = sizeof(noise);
    respond(c, 200, -1);
    pour(c);
}

static void pour_small(struct call *c)
{
    c->left = 100;
    respond(c, 200, INT64_C(1) << 60);
    pour_slowly(c);
}

static void check_leaving_reader(const struct plan *plan, bool reset)
{
    struct run r = {.plan = plan};
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, GET("/"));
    assert_true(hear(&p));
    if (reset)
        slam(&p);
    else
        hang_up(&p);
    assert_trace("* A0 F200!");
    assert_true(trace.sent_bytes > 0);
    down(&r);
}

static void test_leaving_reader(void **state)
{
    const struct plan large = {.start = pour_large, .drain = pour};
    const struct plan small = {.start = pour_small, .drain = pour_slowly};

    check_leaving_reader(&large, false);
    check_leaving_reader(&large, true);
    check_leaving_reader(&small, false);
    check_leaving_reader(&small, true);
}

/* The mode has ended, its last bytes are on the way. */
static void reply_much(struct call *c)
{
    size_t n = 20000000;
    char *much = bd_arena_alloc(&c->x->arena, n);

    memset(much, 'm', n);
    bd_reply(leave(c), 200, NULL, 0, much, n);
}

static void test_leaving_while_last_bytes_leave(void **state)
{
    const struct plan plan = {.start = reply_much, .body = take};

    for (int i = 0; i < 4; i++) {
        struct run r = {.plan = &plan};
        struct peer p;

        up(&r);
        p = dial_with(&r, 4096);
        say(&p, i % 2 ? POST("/", "100") "x" : GET("/"));
        assert_true(hear(&p));
        if (i < 2)
            slam(&p);
        else
            hang_up(&p);
        assert_trace("S F200!");
        down(&r);
    }
}

/* Bad bodies */

static void check_bad_body(const struct plan *plan, const char *request, bool fin, const char *text,
                           const char *traced)
{
    struct run r = {.plan = plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, request);
    if (fin)
        shutdown(p.fd, SHUT_WR);
    a = hear_answer(&p);
    assert_int_equal(a.status, 400);
    assert_body(&a, text);
    assert_true(has(&a, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_true(has(&a, "\r\nConnection: close\r\n"));
    expect_end(&p);
    assert_trace(traced);
    hang_up(&p);
    down(&r);
}

static enum bd_flow keep_a_while(struct call *c, const char *buf, size_t len)
{
    later(c, 0, give_back);
    return keep(c, buf, len);
}

static void test_bad_body(void **state)
{
    const struct plan keeps = {.start = nothing, .body = keep_a_while};
    const struct plan deaf = {.start = nothing};

    check_bad_body(&quiet, POST("/", "5") "hell", true, "unexpected EOF\n", "S B A1 F400");
    check_bad_body(&quiet, POST("/", "5"), true, "unexpected EOF\n", "S A1 F400");
    check_bad_body(&quiet, CHUNKED("/") "2\r\nab\r\n", true, "unexpected EOF\n", "S B A1 F400");
    check_bad_body(&quiet, CHUNKED("/") "2\r\nab\r\nz\r\n", false, "invalid byte in chunk length\n",
                   "S B A1 F400");
    check_bad_body(&keeps, CHUNKED("/") "2\r\nab\r\nz\r\n", false, "invalid byte in chunk length\n",
                   "S B A1 F400");
    check_bad_body(&keeps, POST("/", "5") "hell", true, "unexpected EOF\n", "S B A1 F400");
    check_bad_body(&deaf, CHUNKED("/") "z\r\n", false, "invalid byte in chunk length\n",
                   "S A1 F400");
}

/* The answer has begun: all the client can see is that it does not end. */
static void begin_answer(struct call *c)
{
    respond(c, 200, -1);
    send_copy(c, "begun", 5);
}

static void test_bad_body_under_answer(void **state)
{
    const struct plan plan = {.start = begin_answer, .body = take};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, CHUNKED("/"));
    while (!find_bytes(p.buf, p.len, "begun"))
        assert_true(hear(&p));
    say(&p, "z");
    a = hear_answer(&p);
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    assert_trace("S A1 F200!");
    hang_up(&p);
    down(&r);
}

/* A socket that takes nothing more: what earlier answers can leave behind. */

static bool stuff_once(int fd)
{
    static const char stuffing[4096] = "";
    bool taken = false;

    while (send(fd, stuffing, sizeof(stuffing), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        taken = true;
    return taken;
}

/* Until the client's side takes nothing more either, after the moment it needs to say so. */
static void stuff_socket(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    while (stuff_once(fd))
        poll(&p, 1, 5);
}

static void stuff(struct call *c)
{
    stuff_socket(socket_of(c));
}

static bool hear_stuffing(struct peer *p)
{
    while (p->at == p->len || p->buf[p->at] == '\0') {
        while (p->at < p->len && p->buf[p->at] == '\0')
            p->at++;
        if (p->at == p->len && !hear(p))
            return false;
    }
    return true;
}

static void stuff_if_asked(struct call *c)
{
    if (is_path(c, "/stuff"))
        stuff(c);
}

static void test_refusal_waits_for_socket(void **state)
{
    const struct plan plan = {.start = reply_ok, .finish = stuff_if_asked};
    struct run r = {.plan = &plan};
    struct peer p, other;

    up(&r);
    p = dial_with(&r, 4096);
    other = dial(&r);
    say(&p, GET("/stuff") "GET / HTTP/1.1\r\n\r\n");
    assert_trace("S F200");
    say(&other, GET("/"));
    expect(&other, 200, "ok"); /* the worker is done with the refusal */
    hang_up(&other);
    expect(&p, 200, "ok");
    assert_true(hear_stuffing(&p));
    expect(&p, 400, "400 Bad Request: missing required Host header");
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

/* A 100, a head and a piece may all have to wait. */
static void end_after_all(struct call *c)
{
    end(c);
}

static void pour_once(struct call *c)
{
    if (send_copy(c, noise, sizeof(noise)) == BD_GO)
        end(c);
}

static void begin_then_pour(struct call *c)
{
    respond(c, 200, -1);
    later(c, 0, pour_once);
}

static void stuff_begin_pour(struct call *c)
{
    stuff(c);
    later(c, 0, begin_then_pour);
}

static void test_continue_waits_for_socket(void **state)
{
    const struct plan plan = {.start = stuff_begin_pour, .body = take, .drain = end_after_all};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    assert_trace("S");
    assert_true(hear_stuffing(&p));
    assert_int_equal(hear_answer(&p).status, 100);
    say(&p, "x");
    a = hear_answer(&p);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, sizeof(noise));
    hang_up(&p);
    down(&r);
}

/* The mode ends while a 100 still waits. */
static void stuff_and_reply(struct call *c)
{
    stuff(c);
    later(c, 0, reply_ok);
}

static void test_reply_behind_waiting_continue(void **state)
{
    const struct plan plan = {.start = stuff_and_reply, .body = take};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    assert_trace("S");
    assert_true(hear_stuffing(&p));
    assert_int_equal(hear_answer(&p).status, 100);
    say(&p, "x");
    expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* Probes are not sent on top of each other. Takes as long as three of them, 500 ms and twice 5 s.
 */
static void stuff_again(struct call *c)
{
    stuff_once(socket_of(c));
    later(c, 10 * MS, stuff_again);
    if (bd_now_ns() - c->x->began_ns > 11500 * MS)
        note("N");
}

static void test_probes_wait_for_socket(void **state)
{
    const struct plan plan = {.start = stuff_again};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, GET("/"));
    shutdown(p.fd, SHUT_WR);
    assert_trace("S N");
    hang_up(&p);
    assert_trace("S N A0 F499!");
    down(&r);
}

/* Closing */

static bool has_unread(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/* Blocks its worker until the client's next bytes have come, so that nobody has read them. */
static void reply_over_unread(struct call *c)
{
    struct pollfd p = {.fd = socket_of(c), .events = POLLIN};

    if (is_path(c, "/close")) {
        poll(&p, 1, PATIENCE_S * 1000);
        assert(has_unread(p.fd));
    }
    reply_ok(c);
}

static void reply_over_unread_soon(struct call *c)
{
    note("N");
    reply_over_unread(c);
}

/* The server closes with bytes unread: FIN, not RST, which could destroy the answer. */
static void test_close_over_unread_bytes(void **state)
{
    const struct plan plan = {.start = reply_over_unread_soon};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, "GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_trace("S N*");
    say(&p, "\r\n");
    expect(&p, 200, "ok");
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_while_quiet),
        cmocka_unit_test(test_reset_in_body),
        cmocka_unit_test(test_reset_in_head),
        cmocka_unit_test(test_close_while_quiet),
        cmocka_unit_test(test_close_while_second_is_quiet),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_leaving_reader),
        cmocka_unit_test(test_leaving_while_last_bytes_leave),
        cmocka_unit_test(test_bad_body),
        cmocka_unit_test(test_bad_body_under_answer),
        cmocka_unit_test(test_refusal_waits_for_socket),
        cmocka_unit_test(test_continue_waits_for_socket),
        cmocka_unit_test(test_reply_behind_waiting_continue),
        cmocka_unit_test(test_probes_wait_for_socket),
        cmocka_unit_test(test_close_over_unread_bytes),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
