/* A real server: opening, limits, private paths, the way down. */
#include "server_acts.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* Opening */

static int open_and_fail(const struct bd_server_conf *conf, struct bd_error *err)
{
    struct bd_server *s = NULL;
    int descriptors = open_descriptors(), result;
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    result = bd_server_open(&s, &loop, conf, err);
    assert_null(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(open_descriptors(), descriptors);
    return result;
}

static void test_port_in_use(void **state)
{
    struct run r = {.plan = &quiet};
    struct bd_server_conf conf;
    struct bd_error err;
    char text[128];

    up(&r);
    conf = r.conf;
    conf.port = r.port;
    snprintf(text, sizeof(text), "listen tcp :%d: address already in use", r.port);
    assert_int_equal(open_and_fail(&conf, &err), -1);
    assert_string_equal(err.text, text);
    down(&r);
}

static atomic_int starts, stops;

static int start_the_first_two(struct bd_worker *w, const void *conf)
{
    if (atomic_fetch_add(&starts, 1) == 2)
        return UV_EMFILE;
    bd_worker_set_data(w, &starts);
    return 0;
}

static void count_stop(struct bd_worker *w)
{
    assert(bd_worker_data(w) == &starts);
    atomic_fetch_add(&stops, 1);
}

static void start_nothing(struct bd_exchange *x)
{
}

static void test_worker_does_not_start(void **state)
{
    const struct bd_mode mode = {.name = "test",
                                 .worker_start = start_the_first_two,
                                 .worker_stop = count_stop,
                                 .start = start_nothing};
    const struct bd_server_conf conf = {.workers = 5, .mode = &mode};
    struct bd_error err;

    atomic_store(&starts, 0);
    atomic_store(&stops, 0);
    assert_int_equal(open_and_fail(&conf, &err), -1);
    assert_string_equal(err.text, "cannot start worker 3 of 5: too many open files");
    assert_int_equal(atomic_load(&starts), 3);
    assert_int_equal(atomic_load(&stops), 2);
}

/* Each worker begins and ends with the mode's own calls, on its thread. */
static void test_workers_of_mode(void **state)
{
    struct run r = {.plan = &quiet, .conf = {.workers = 2}};

    atomic_store(&starts, 0);
    atomic_store(&stops, 0);
    r.mode.worker_start = start_the_first_two;
    r.mode.worker_stop = count_stop;
    up(&r);
    assert_int_equal(atomic_load(&starts), 2);
    down(&r);
    assert_int_equal(atomic_load(&stops), 2);
}

/* No descriptor for a connection: it waits until there is one. */
static void test_no_descriptors(void **state)
{
    const struct plan plan = {.start = reply_ok};
    struct run r = {.plan = &plan};
    struct rlimit before, few;
    int taken[64], n = 0;
    struct peer p;

    if (getenv("VALGRIND"))
        skip(); /* limits are played there, and not for every call */

    up(&r);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 64 && (taken[n] = dup(0)) >= 0)
        n++;
    assert_in_range(n, 2, 63);
    close(taken[--n]);
    p = dial(&r); /* has got the last one */
    say(&p, GET("/"));
    while (n > 0)
        close(taken[--n]);
    expect(&p, 200, "ok");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
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
    while (bd_server_is_full(r.server)) /* the place comes free just behind finish() */
        sched_yield();
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
    assert_trace("S F200");
    open = dial(&r);
    say(&open, POST("/hold", "5") "hell");
    assert_trace("S F200 S B");
    drain(&r);
    expect_end(&idle);
    expect_end(&used);
    assert_true(connect_to(r.port, 0) < 0);
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
    later(c, 700 * MS, take_time); /* longer than the rest of a head may take */
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
    say(&p, "Content-Length: 5\r\n\r\nhell");
    assert_trace("*N");
    expect_end(&idle);
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
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_worker_does_not_start),
        cmocka_unit_test(test_workers_of_mode),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_max_inflight),
        cmocka_unit_test(test_place_is_free_in_time),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_requests_without_path),
        cmocka_unit_test(test_drain_waits),
        cmocka_unit_test(test_drain_spares_uploads),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_kill_under_answer),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
