/* A real server: connections that become tunnels (bd_upgrade()) */
#include "server_acts.h"

#include "bandog/metrics.h"
#include "server_writer.h"

#define UPGRADE "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

/* What comes now is body. */
static void upgrade(struct call *c)
{
    static const struct bd_field field[] = {{BD_SLICE("Upgrade"), BD_SLICE("x")}};

    note("U");
    c->body_over = false;
    bd_upgrade(c->x, BD_SLICE("Go on"), field, 1);
}

static void upgrade_later(struct call *c)
{
    later(c, 0, upgrade);
}

static enum bd_flow echo(struct call *c, const char *buf, size_t len)
{
    if (bd_send(c->x, buf, len) == BD_GO)
        return BD_GO;
    note("W");
    c->relayed = true;
    return keep(c, buf, len);
}

static const struct plan echoes = {
    .start = upgrade_later, .body = echo, .body_end = end, .drain = give_back};

static void expect_switch(struct peer *p)
{
    struct answer a = hear_answer(p);

    assert_int_equal(a.status, 101);
    assert_true(has(&a, "HTTP/1.1 101 Go on\r\nUpgrade: x\r\nConnection: Upgrade\r\nDate: "));
    assert_false(has(&a, "Content-Length"));
    assert_false(has(&a, "Transfer-Encoding"));
}

static void expect_text(struct peer *p, const char *text)
{
    assert_true(hear_bytes(p, strlen(text)));
    assert_memory_equal(p->buf + p->at, text, strlen(text));
    p->at += strlen(text);
}

static void assert_counted(struct run *r, const char *line)
{
    struct bd_scrape s = {.restarts = -1};
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    s.worker = bd_server_metrics(r->server, &s.workers);
    bd_metrics_print(to, &s);
    fclose(to);
    if (!strstr(text, line))
        fail_msg("\"%s\" is not in %s", line, text);
    free(text);
}

static void check_echo(void (*start)(struct call *c))
{
    const struct plan plan = {.start = start, .body = echo, .body_end = end, .drain = give_back};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE "early"); /* before it knows */
    expect_switch(&p);
    expect_text(&p, "early");
    assert_int_equal(bd_server_in_flight(r.server), 1);
    say(&p, GET("/")); /* just bytes */
    expect_text(&p, GET("/"));
    shutdown(p.fd, SHUT_WR);
    expect_end(&p);
    assert_trace("S U B E F101");
    assert_int_equal(trace.sent_bytes, 5 + strlen(GET("/")));
    assert_int_equal(trace.body_bytes, trace.sent_bytes);
    assert_counted(&r, "http_requests_total{code=\"200\",method=\"get\"} 1\n");
    hang_up(&p);
    down(&r);
}

static void test_tunnel(void **state)
{
    check_echo(upgrade_later);
    check_echo(upgrade);
}

/* The client's end of file is not the end: the other direction goes on. */
static void say_bye(struct call *c)
{
    send_copy(c, "bye", 3);
    end(c);
}

static void wait_a_turn(struct call *c)
{
    later(c, 0, say_bye);
}

static void test_half_close(void **state)
{
    const struct plan plan = {
        .start = upgrade_later, .body = echo, .body_end = wait_a_turn, .drain = give_back};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE);
    shutdown(p.fd, SHUT_WR); /* perhaps even before it is one */
    expect_switch(&p);
    expect_text(&p, "bye");
    expect_end(&p);
    assert_trace("S U E F101");
    hang_up(&p);
    down(&r);
}

/* Our own end comes first: the client hears it, and what it still says is nobody's. */
static void upgrade_and_end(struct call *c)
{
    upgrade(c);
    send_copy(c, "bye", 3);
    end(c);
}

static void test_our_end_first(void **state)
{
    const struct plan plan = {.start = upgrade_and_end, .body = echo};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE "x");
    expect_switch(&p);
    expect_text(&p, "bye");
    expect_end(&p);
    say_bytes(&p, "late", 4);
    assert_trace("S U F101");
    hang_up(&p);
    down(&r);
}

static void test_much(void **state)
{
    struct run r = {.plan = &echoes};
    struct writer w = {.len = 20000000};
    char *much = make_bytes(w.len);
    struct peer p, reader;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, UPGRADE);
    expect_switch(&p);
    reader = p;
    w.peer = &p;
    w.buf = much;
    start_writing(&w);
    assert_trace("S U B W"); /* nobody reads */
    assert_true(hear_bytes(&reader, w.len));
    assert_memory_equal(reader.buf + reader.at, much, w.len);
    pthread_join(w.thread, NULL);
    hang_up(&reader);
    assert_trace("* E F101");
    down(&r);
    free(much);
}

static void test_reset(void **state)
{
    struct run r = {.plan = &echoes};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE);
    expect_switch(&p);
    slam(&p);
    assert_trace("S U A0 F101!");
    down(&r);
}

static void cut_it(struct call *c)
{
    cut(c);
}

static void test_cut(void **state)
{
    const struct plan plan = {.start = upgrade_later, .body = echo, .body_end = cut_it};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE);
    expect_switch(&p);
    shutdown(p.fd, SHUT_WR);
    expect_end(&p);
    assert_trace("S U E F101!");
    assert_string_equal(trace.reason, "cut by the test");
    hang_up(&p);
    down(&r);
}

/* Draining does not wait for them. */
static void test_drain(void **state)
{
    struct run r = {.plan = &echoes};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE "x");
    expect_switch(&p);
    expect_text(&p, "x");
    drain(&r);
    assert_trace("S U B A5 F101!");
    assert_string_equal(trace.reason, "the watchdog is shutting down");
    expect_end(&p);
    hang_up(&p);
    join(&r);
}

static void upgrade_when_draining(struct call *c)
{
    if (exchange_of(c->x)->host->draining)
        upgrade(c);
    else
        later(c, 1 * MS, upgrade_when_draining);
}

static void test_upgrade_while_draining(void **state)
{
    const struct plan plan = {.start = upgrade_when_draining, .body = echo};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE);
    assert_trace("S");
    drain(&r);
    assert_trace("S U A5 F101!");
    expect_switch(&p);
    expect_end(&p);
    hang_up(&p);
    join(&r);
}

/* None of the server's timeouts runs any more, nor the mode's deadline. */
static void look_for_timers(struct call *c)
{
    struct exchange *x = exchange_of(c->x);

    note(bd_deadline_runs(&x->write_timeout) ? "write_timeout"
         : bd_deadline_runs(&x->deadline)    ? "deadline"
         : bd_deadline_runs(&x->conn->wait)  ? "read_timeout"
                                             : "none");
}

static void upgrade_and_look(struct call *c)
{
    bd_set_deadline(c->x, 60000 * MS, "timer", "1m");
    upgrade(c);
    later(c, 0, look_for_timers);
}

static void upgrade_and_look_later(struct call *c)
{
    later(c, 0, upgrade_and_look);
}

static void check_timers(void (*start)(struct call *c))
{
    const struct plan plan = {.start = start, .body = echo, .body_end = end};
    struct run r = {.plan = &plan,
                    .conf = {.read_timeout_ns = 60000 * MS, .write_timeout_ns = 60000 * MS}};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, UPGRADE);
    expect_switch(&p);
    assert_trace("S U none");
    hang_up(&p);
    assert_trace("S U none E F101");
    down(&r);
}

static void test_no_timeouts(void **state)
{
    check_timers(upgrade_and_look_later);
}

static void test_no_timeouts_when_upgraded_at_once(void **state)
{
    check_timers(upgrade_and_look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_our_end_first),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_upgrade_while_draining),
        cmocka_unit_test(test_no_timeouts),
        cmocka_unit_test(test_no_timeouts_when_upgraded_at_once),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
