/* A real server and the contract of modes (bandog/mode.h): deadlines and timeouts. */
#include "server_acts.h"

static void reply_much_soon(struct call *c)
{
    later(c, 0, reply_much);
}

/* The answer has begun: all the client can see is that it does not end. */
static void begin_answer(struct call *c)
{
    respond(c, 200, -1);
    send_copy(c, "begun", 5);
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

/* read_timeout: so long that a client on a busy machine writes in time */

#define READ_NS (200 * MS)

static void test_read_timeout_in_body(void **state)
{
    struct run r = {.plan = &quiet, .conf = {.read_timeout_ns = READ_NS}};
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
    struct run r = {.plan = &quiet, .conf = {.read_timeout_ns = READ_NS}};
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
    later(c, READ_NS * 3 / 2, reply_ok);
}

/* A running function is not touched by it; nor is one that keeps the body. */
static enum bd_flow keep_long(struct call *c, const char *buf, size_t len)
{
    later(c, READ_NS * 3 / 2, give_back);
    return keep(c, buf, len);
}

static void test_read_timeout_spares_functions(void **state)
{
    const struct plan plan = {.start = nothing, .body = keep_long, .body_end = answer_soon};
    struct run r = {.plan = &plan, .conf = {.read_timeout_ns = READ_NS}};
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
    struct run r = {.plan = &plan, .conf = {.read_timeout_ns = READ_NS}};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_under_answer),
        cmocka_unit_test(test_deadline_taken_away),
        cmocka_unit_test(test_read_timeout_in_body),
        cmocka_unit_test(test_read_timeout_before_body),
        cmocka_unit_test(test_read_timeout_spares_functions),
        cmocka_unit_test(test_read_timeout_in_dropped_rest),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_write_timeout_after_end),
        cmocka_unit_test(test_write_timeout_after_end_in_start),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
