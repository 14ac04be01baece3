/* The contract of modes (bandog/mode.h), kept by a real server: who leaves, what fails, time. */
#include <sys/ioctl.h>

#include "tests/unit/server_run.h"

static void nothing(struct call *c)
{
}

static enum bd_flow take(struct call *c, const char *buf, size_t len)
{
    return BD_GO;
}

static enum bd_flow keep_for_ever(struct call *c, const char *buf, size_t len)
{
    return keep(c, buf, len);
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

static void reply_much_soon(struct call *c)
{
    later(c, 0, reply_much);
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

static void check_bad_body(const struct plan *plan, const char *request, bool fin,
                           const char *text, const char *traced)
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
    check_bad_body(&quiet, CHUNKED("/") "2\r\nab\r\nz\r\n", false,
                   "invalid byte in chunk length\n", "S B A1 F400");
    check_bad_body(&keeps, CHUNKED("/") "2\r\nab\r\nz\r\n", false,
                   "invalid byte in chunk length\n", "S B A1 F400");
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

/* Deadlines of the mode */

static void limit(struct call *c)
{
    bd_set_deadline(c->x, 5 * MS, "exec_timeout", "5ms");
}

static void answer_late(struct call *c)
{
    reply(c, 408, "late");
}

static void test_deadline(void **state)
{
    const struct plan without = {.start = limit, .body = keep_for_ever};
    const struct plan with = {.start = limit, .body = keep_for_ever, .deadline = answer_late};
    struct run r = {.plan = &without};
    struct run r2 = {.plan = &with};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/") POST("/", "5") "hello" GET("/"));
    for (int i = 0; i < 3; i++)
        expect(&p, 504, "exec_timeout 5ms reached\n");
    hang_up(&p);
    assert_trace("S A3 F504 S B A3 F504 S A3 F504");
    down(&r);

    up(&r2);
    p = dial(&r2);
    say(&p, GET("/") POST("/", "5") "hello" GET("/"));
    for (int i = 0; i < 3; i++)
        expect(&p, 408, "late");
    hang_up(&p);
    assert_trace("S T F408 S B T F408 S T F408");
    down(&r2);
}

static void limit_and_begin(struct call *c)
{
    limit(c);
    begin_answer(c);
}

static void limit_and_pour(struct call *c)
{
    limit(c);
    pour_large(c);
}

static void test_deadline_under_answer(void **state)
{
    const struct plan begun = {.start = limit_and_begin, .deadline = answer_late};
    const struct plan lent = {.start = limit_and_pour, .drain = pour, .deadline = answer_late};
    struct run r = {.plan = &begun};
    struct run r2 = {.plan = &lent};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    a = hear_answer(&p);
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    assert_trace("S A3 F200!");
    hang_up(&p);
    down(&r);

    up(&r2);
    p = dial_with(&r2, 4096);
    say(&p, GET("/"));
    assert_trace("* A3 F200!");
    hang_up(&p);
    down(&r2);
}

static void move_deadline(struct call *c)
{
    bd_set_deadline(c->x, 3600000 * MS, "", "");
    bd_set_deadline(c->x, 1 * MS, "", "");
    bd_set_deadline(c->x, 0, "", "");
    later(c, 5 * MS, reply_ok);
}

static void test_deadline_taken_away(void **state)
{
    const struct plan plan = {.start = move_deadline, .deadline = answer_late};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* read_timeout */

static void test_read_timeout_in_body(void **state)
{
    struct run r = {.plan = &quiet, .conf = {.read_timeout_ns = 20 * MS}};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, POST("/", "5") "hell");
    a = hear_answer(&p);
    assert_int_equal(a.status, 400);
    assert_body(&a, "i/o timeout: read_timeout RT reached in the request body\n");
    expect_end(&p);
    assert_trace("S B A2 F400");
    hang_up(&p);
    down(&r);
}

static void test_read_timeout_before_body(void **state)
{
    struct run r = {.plan = &quiet, .conf = {.read_timeout_ns = 10 * MS}};
    struct peer p;

    up(&r);
    p = dial(&r);
    expect_end(&p); /* idle */
    hang_up(&p);
    p = dial(&r);
    say(&p, "GET / HTTP/1.1\r\nHost:");
    expect_end(&p);
    hang_up(&p);
    p = dial(&r);
    say(&p, "GET / HTT");
    expect(&p, 400, "400 Bad Request");
    expect_end(&p);
    hang_up(&p);
    assert_trace("");
    down(&r);
}

static void answer_soon(struct call *c)
{
    later(c, 30 * MS, reply_ok);
}

/* A running function is not touched by it; nor is one that keeps the body. */
static enum bd_flow keep_30_ms(struct call *c, const char *buf, size_t len)
{
    later(c, 30 * MS, give_back);
    return keep(c, buf, len);
}

static void test_read_timeout_spares_functions(void **state)
{
    const struct plan plan = {.start = nothing, .body = keep_30_ms, .body_end = answer_soon};
    struct run r = {.plan = &plan, .conf = {.read_timeout_ns = 10 * MS}};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, POST("/", "5") "hello");
    expect(&p, 200, "ok");
    expect_end(&p); /* idle again */
    hang_up(&p);
    assert_trace("S B E F200");
    down(&r);
}

/* The rest of a body that nobody wants does not come. */
static void test_read_timeout_in_dropped_rest(void **state)
{
    const struct plan plan = {.start = reply_ok, .body = take};
    struct run r = {.plan = &plan, .conf = {.read_timeout_ns = 20 * MS}};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, POST("/", "5") "hell");
    expect(&p, 200, "ok");
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

/* write_timeout */

static void test_write_timeout(void **state)
{
    const struct plan keeps = {.start = nothing, .body = keep_for_ever};
    const struct plan pours = {.start = pour_large, .drain = pour};
    struct run r = {.plan = &keeps, .conf = {.write_timeout_ns = 20 * MS}};
    struct run r2 = {.plan = &pours, .conf = {.write_timeout_ns = 20 * MS}};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/") POST("/", "5") "hello");
    expect(&p, 504, "write_timeout WT reached\n");
    expect(&p, 504, "write_timeout WT reached\n");
    hang_up(&p);
    assert_trace("S A4 F504 S B A4 F504");
    down(&r);

    up(&r2);
    p = dial_with(&r2, 4096);
    say(&p, GET("/"));
    assert_trace("* A4 F200!");
    while (hear(&p))
        ;
    hang_up(&p);
    down(&r2);
}

static void check_write_timeout_after_end(void (*start)(struct call *c))
{
    const struct plan plan = {.start = start};
    struct run r = {.plan = &plan, .conf = {.write_timeout_ns = 50 * MS}};
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, GET("/"));
    assert_trace("S F200!"); /* the client reads nothing */
    hang_up(&p);
    down(&r);
}

static void test_write_timeout_after_end(void **state)
{
    check_write_timeout_after_end(reply_much_soon);
}

static void test_write_timeout_after_end_in_start(void **state)
{
    check_write_timeout_after_end(reply_much);
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

/* Probes are not sent on top of each other. Takes as long as three of them, 500 ms and twice 5 s. */
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

/* Limits */

static void hold_or_reply(struct call *c)
{
    if (!is_path(c, "/hold"))
        reply_ok(c);
}

static void test_max_inflight(void **state)
{
    const struct plan plan = {.start = hold_or_reply, .body = take};
    struct run r = {.plan = &plan, .conf = {.max_inflight = 1, .workers = 2}};
    struct peer p, q;

    up(&r);
    p = dial(&r);
    q = dial(&r);
    say(&p, GET("/hold"));
    assert_trace("S");
    assert_true(bd_server_is_full(r.server));
    assert_int_equal(bd_server_in_flight(r.server), 1);
    say(&q, GET("/") POST("/", "3") "abc" GET("/"));
    for (int i = 0; i < 3; i++)
        expect(&q, 429, "Concurrent request limit exceeded. Max concurrent requests: 1\n");
    slam(&p);
    assert_trace("S A0 F499!");
    say(&q, GET("/"));
    expect(&q, 200, "ok");
    assert_int_equal(bd_server_in_flight(r.server), 0);
    assert_false(bd_server_is_full(r.server));
    hang_up(&q);
    down(&r);
}

/* As soon as the client has the answer its place is free, whoever calls next. */
static void test_place_is_free_in_time(void **state)
{
    const struct plan plan = {.start = hold_or_reply};
    struct run r = {.plan = &plan, .conf = {.max_inflight = 1, .workers = 2}};
    struct peer p, q;

    up(&r);
    p = dial(&r);
    q = dial(&r);
    for (int i = 0; i < 500; i++) {
        struct peer *one = i % 2 ? &p : &q;

        say(one, GET("/"));
        expect(one, 200, "ok");
    }
    hang_up(&p);
    hang_up(&q);
    down(&r);
}

static void start_route(struct bd_exchange *x)
{
    bd_reply(x, 200, NULL, 0, x->conf, strlen(x->conf));
}

static void test_routes(void **state)
{
    const struct bd_mode private = {.name = "private", .start = start_route};
    const struct bd_route route[] = {{"/_/a", &private, "a"}, {"/_/b", &private, "b"}, {0}};
    const struct plan plan = {.start = reply_ok, .body = take};
    struct run r = {.plan = &plan, .conf = {.route = route}};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/_/a") GET("/%5f/%62?x=%zz") POST("/_/a", "3") "abc" GET("http://x/_/b"));
    expect(&p, 200, "a");
    expect(&p, 200, "b");
    expect(&p, 200, "a");
    expect(&p, 200, "b");
    say(&p, GET("/_/a/") GET("/_/") GET("/_%2fa") GET("/") GET("//_/a") GET("/_/A"));
    for (int i = 0; i < 6; i++)
        expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

static void test_requests_without_path(void **state)
{
    const struct plan plan = {.start = reply_ok};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET * HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&p, 200, "");
    expect(&p, 404, "");
    expect(&p, 400, "");
    expect_end(&p);
    hang_up(&p);
    assert_trace("");
    down(&r);
}

/* Shutdown */

static void test_drain_waits(void **state)
{
    struct run r = {.plan = &quiet, .conf = {.workers = 2}};
    struct peer idle, used, open;
    const struct plan plan = {.start = hold_or_reply, .body = take, .body_end = reply_ok};
    struct answer a;

    r.plan = &plan;
    up(&r);
    idle = dial(&r);
    used = dial(&r);
    say(&used, GET("/"));
    expect(&used, 200, "ok");
    open = dial(&r);
    say(&open, POST("/hold", "5") "hell");
    assert_trace("S F200 S B");
    drain(&r);
    expect_end(&idle);
    expect_end(&used);
    assert_true(connect_to(&r, 0) < 0);
    say(&open, "o" GET("/"));
    a = hear_answer(&open);
    assert_body(&a, "ok");
    assert_true(has(&a, "\r\nConnection: close\r\n"));
    expect_end(&open);
    hang_up(&idle);
    hang_up(&used);
    hang_up(&open);
    join(&r);
}

/* A head that is under way when the drain begins has its body to come all the same. */
static void take_time(struct call *c)
{
    note("N");
}

static enum bd_flow note_time(struct call *c, const char *buf, size_t len)
{
    later(c, 2 * DRAIN_HEAD_NS, take_time);
    return BD_GO;
}

static void test_drain_spares_uploads(void **state)
{
    const struct plan plan = {.start = nothing, .body = note_time, .body_end = reply_ok};
    struct run r = {.plan = &plan};
    struct peer p, idle;

    up(&r);
    p = dial(&r);
    idle = dial(&r);
    say(&p, "POST / HTTP/1.1\r\nHost: h\r\n");
    drain(&r);
    expect_end(&idle);
    say(&p, "Content-Length: 5\r\n\r\nhell");
    assert_trace("*N");
    say(&p, "o");
    expect(&p, 200, "ok");
    hang_up(&p);
    hang_up(&idle);
    join(&r);
}

static void test_kill(void **state)
{
    const struct plan plan = {.start = nothing, .body = keep_for_ever};
    struct run r = {.plan = &plan, .conf = {.workers = 2}};
    struct peer p[4];

    up(&r);
    for (int i = 0; i < 3; i++) {
        p[i] = dial(&r);
        clear_trace();
        say(&p[i], i == 1 ? POST("/", "5") "hello" : GET("/"));
        assert_trace(i == 1 ? "S B" : "S");
    }
    p[3] = dial(&r);
    drain(&r);
    expect_end(&p[3]);
    kill_calls(&r);
    for (int i = 0; i < 3; i++)
        expect(&p[i], 503, "the watchdog is shutting down\n");
    for (int i = 0; i < 4; i++)
        hang_up(&p[i]);
    join(&r);
}

static void test_kill_under_answer(void **state)
{
    const struct plan pours = {.start = pour_large, .drain = pour};
    const struct plan much = {.start = reply_much};

    for (int i = 0; i < 2; i++) {
        struct run r = {.plan = i ? &pours : &much};
        struct peer p;

        up(&r);
        p = dial_with(&r, 4096);
        say(&p, GET("/"));
        assert_true(hear(&p));
        drain(&r);
        kill_calls(&r);
        assert_trace(i ? "* A5 F200!" : "S F200!");
        while (hear(&p))
            ;
        hang_up(&p);
        join(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_while_quiet),
        cmocka_unit_test(test_reset_in_body),
        cmocka_unit_test(test_reset_in_head),
        cmocka_unit_test(test_close_while_quiet),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_leaving_reader),
        cmocka_unit_test(test_leaving_while_last_bytes_leave),
        cmocka_unit_test(test_bad_body),
        cmocka_unit_test(test_bad_body_under_answer),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_under_answer),
        cmocka_unit_test(test_deadline_taken_away),
        cmocka_unit_test(test_read_timeout_in_body),
        cmocka_unit_test(test_read_timeout_before_body),
        cmocka_unit_test(test_read_timeout_spares_functions),
        cmocka_unit_test(test_read_timeout_in_dropped_rest),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_write_timeout_after_end),
        cmocka_unit_test(test_max_inflight),
        cmocka_unit_test(test_place_is_free_in_time),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_requests_without_path),
        cmocka_unit_test(test_drain_waits),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_kill_under_answer),
        cmocka_unit_test(test_reply_behind_waiting_continue),
        cmocka_unit_test(test_close_over_unread_bytes),
        cmocka_unit_test(test_drain_spares_uploads),
        cmocka_unit_test(test_write_timeout_after_end_in_start),
        cmocka_unit_test(test_refusal_waits_for_socket),
        cmocka_unit_test(test_continue_waits_for_socket),
        cmocka_unit_test(test_close_while_second_is_quiet),
        cmocka_unit_test(test_probes_wait_for_socket),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
