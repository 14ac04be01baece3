/* pool.c: which link a fetch gets, how links are made and given up */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../watchdog/http/pool.c"
#include "fetch_run.h"

#include <sys/resource.h>

static void answer(struct peer *p, struct call *c, const char *traced)
{
    say(p, OK("2") "ok");
    assert_trace(c, traced);
    assert_got(c, "ok");
    forget(c);
}

/* Idle links */

static void use_three(struct peer p[3])
{
    struct call c[3] = {{.head = ASK("/0")}, {.head = ASK("/1")}, {.head = ASK("/2")}};

    for (int i = 0; i < 3; i++) {
        ask(&c[i]);
        p[i] = accept_link();
        hear_text(&p[i], c[i].head);
        assert_trace(&c[i], "L");
    }
    for (int i = 0; i < 3; i++)
        answer(&p[i], &c[i], "L H200 B E");
}

static void test_last_used_is_taken_first(void **state)
{
    struct call c[3] = {{.head = ASK("/a")}, {.head = ASK("/b")}, {.head = ASK("/c")}};
    struct peer p[3];

    up();
    use_three(p);
    assert_idles(3);
    for (int i = 0; i < 3; i++) {
        ask(&c[i]);
        hear_text(&p[2 - i], c[i].head);
    }
    for (int i = 0; i < 3; i++)
        answer(&p[2 - i], &c[i], "H200 B E");
    for (int i = 0; i < 3; i++)
        hang_up(&p[i]);
    nobody_connects();
    down();
}

/* The one that was used longest ago goes. */
static void test_idle_max(void **state)
{
    struct peer p[3], q;

    up_with(&(struct bd_pool_conf){.idle_max = 2});
    use_three(p);
    expect_end(&p[0]);
    assert_idles(2);
    for (int i = 0; i < 3; i++)
        hang_up(&p[i]);
    assert_idles(0);
    q = use_a_link();
    hang_up(&q);
    down();
}

static void test_idle_limit(void **state)
{
    struct peer p;

    up_with(&(struct bd_pool_conf){.idle_ns = 1});
    p = use_a_link();
    expect_end(&p);
    hang_up(&p);
    assert_idles(0);
    down();
}

/* A server may close, or say what nobody has asked for. */
static void test_idle_link_ends(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    p = use_a_link();
    hang_up(&p);
    assert_idles(0);
    p = use_a_link();
    say(&p, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    expect_end(&p);
    hang_up(&p);
    assert_idles(0);
    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/"));
    answer(&p, &c, "L H200 B E");
    hang_up(&p);
    down();
}

/* Workers that share an upstream */

static struct bd_pool_shared shared;

static unsigned hungry(void)
{
    return __atomic_load_n(&shared.hungry, __ATOMIC_RELAXED);
}

static void await_hungry(unsigned n)
{
    time_t until = time(NULL) + PATIENCE_S;

    while (hungry() != n) {
        assert_true(time(NULL) < until);
        sched_yield();
    }
}

static void test_idle_link_makes_room(void **state)
{
    struct peer p;

    shared.hungry = 0;
    up_with(&(struct bd_pool_conf){.shared = &shared});
    p = use_a_link();
    __atomic_fetch_add(&shared.hungry, 1, __ATOMIC_RELAXED);
    expect_end(&p);
    hang_up(&p);
    assert_idles(0);
    assert_int_equal(hungry(), 1);
    down();
}

static void test_hungry_until_answered(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    shared.hungry = 0;
    up_with(&(struct bd_pool_conf){.shared = &shared});
    ask(&c);
    p = accept_link();
    await_hungry(1);
    say(&p, "H");
    await_hungry(0);
    cancel(&c);
    forget(&c);
    hang_up(&p);

    ask(&c);
    p = accept_link();
    await_hungry(1);
    cancel(&c);
    await_hungry(0);
    forget(&c);
    hang_up(&p);

    ask(&c);
    p = accept_link();
    await_hungry(1);
    hang_up(&p);
    assert_trace(&c, "L X");
    await_hungry(0);
    forget(&c);
    down();
}

/* Nobody listens */

static void up_at_closed_port(const struct bd_pool_conf *conf)
{
    char url[64];
    int fd;

    run.descriptors = open_descriptors();
    fd = listen_on(0);
    run.port = port_of(fd);
    close(fd);
    run.fd = -1;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", run.port);
    up_at(url, conf);
}

static void test_refused(void **state)
{
    struct call c[3] = {{.head = ASK("/0")}, {.head = ASK("/1")}, {.head = ASK("/2")}};

    up_at_closed_port(NULL);
    for (int i = 0; i < 3; i++)
        ask(&c[i]);
    for (int i = 0; i < 3; i++) {
        assert_trace(&c[i], "X");
        assert_string_equal(c[i].why, "connection refused");
        forget(&c[i]);
    }
    assert_idles(0);
    down();
}

static struct call second = {.head = ASK("/second")};

static void ask_second(struct call *c)
{
    ask_here(&second);
}

static void test_owner_asks_again_when_it_failed(void **state)
{
    struct call c = {.head = ASK("/"), .failed = ask_second};

    up_at_closed_port(NULL);
    ask(&c);
    assert_trace(&c, "X");
    assert_trace(&second, "X");
    forget(&c);
    forget(&second);
    down();
}

static void test_no_socket(void **state)
{
    struct call c = {.head = ASK("/")};

    run.descriptors = open_descriptors();
    run.fd = -1;
    up_at("http+unix:///nonexistent/socket", NULL);
    ask(&c);
    assert_trace(&c, "X");
    assert_string_equal(c.why, "no such file or directory");
    forget(&c);
    down();
}

/* Somebody is about to */

static int about_to;

static bool is_about_to(void *arg)
{
    return __atomic_load_n((int *)arg, __ATOMIC_RELAXED);
}

static const struct bd_pool_conf starting = {.starting = is_about_to, .arg = &about_to};

static void await_dialed(void)
{
    time_t until = time(NULL) + PATIENCE_S;

    while (!counts().scouting) /* only ever set while nobody listens */
        assert_true(time(NULL) < until);
}

static void test_waits_while_starting(void **state)
{
    struct call c[3] = {
        {.head = ASK("/0")}, {.head = PUT("/1", "3"), .length = 3}, {.head = ASK("/2")}};
    struct call gone = {.head = ASK("/gone")};
    struct peer p[3];

    about_to = 1;
    up_at_closed_port(&starting);
    ask(&gone);
    ask(&c[0]);
    start(&c[1]);
    ask(&c[2]);
    assert_int_equal(write_text(&c[1], "abc"), BD_WAIT);
    await_dialed();
    assert_int_equal(counts().waitings, 4);
    assert_in_range(counts().dialing, 0, 1); /* one for all */
    cancel(&gone);
    run.fd = listen_on(run.port);
    for (int i = 0; i < 3; i++) {
        p[i] = accept_link();
        assert_true(hear(&p[i]));
    }
    assert_trace(&c[0], "L");
    assert_trace(&c[1], "D L");
    assert_trace(&c[2], "L");
    finish(&c[1]);
    for (int i = 0; i < 3; i++)
        say(&p[i], OK("2") "ok");
    assert_trace(&c[0], "L H200 B E");
    assert_trace(&c[1], "D L H200 B E");
    assert_trace(&c[2], "L H200 B E");
    for (int i = 0; i < 3; i++) {
        forget(&c[i]);
        hang_up(&p[i]);
    }
    forget(&gone);
    down();
}

static void test_start_has_failed(void **state)
{
    struct call c[3] = {{.head = ASK("/0")}, {.head = ASK("/1")}, {.head = ASK("/2")}};

    about_to = 1;
    up_at_closed_port(&starting);
    for (int i = 0; i < 3; i++)
        ask(&c[i]);
    await_dialed();
    __atomic_store_n(&about_to, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        assert_trace(&c[i], "X");
        assert_string_equal(c[i].why, "connection refused");
        forget(&c[i]);
    }
    down();
}

static void test_close_while_starting(void **state)
{
    struct call c = {.head = ASK("/")};

    about_to = 1;
    up_at_closed_port(&starting);
    ask(&c);
    await_dialed();
    cancel(&c);
    forget(&c);
    down();
}

/* Unix sockets */

static void test_unix_socket(void **state)
{
    struct peer p;

    up_unix(8, NULL);
    p = use_a_link();
    hang_up(&p);
    down();
}

/* EAGAIN: it will be taken some time. */
static void test_full_backlog(void **state)
{
    struct call c[4] = {
        {.head = ASK("/0")}, {.head = ASK("/1")}, {.head = ASK("/2")}, {.head = ASK("/3")}};
    struct peer p[4];

    up_unix(0, NULL);
    for (int i = 0; i < 4; i++)
        ask(&c[i]);
    await_dialed();
    for (int i = 0; i < 4; i++) {
        p[i] = accept_link();
        assert_true(hear(&p[i]));
        say(&p[i], "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    for (int i = 0; i < 4; i++) {
        assert_trace(&c[i], "L H204 E");
        forget(&c[i]);
        hang_up(&p[i]);
    }
    assert_idles(0);
    down();
}

/* A link that becomes free before that serves the first who waits, if he may have it. */
static void test_free_link_serves_who_waits(void **state)
{
    struct call first = {.head = ASK("/")}, c = {.head = ASK("/next")};
    struct call filler = {.head = ASK("/filler")};
    struct peer p, q;

    up_unix(0, NULL);
    ask(&first);
    p = accept_link();
    hear_text(&p, ASK("/"));
    ask(&filler);
    assert_trace(&filler, "L");
    ask(&c);
    await_dialed();
    answer(&p, &first, "L H200 B E");
    hear_text(&p, ASK("/next"));
    assert_trace(&c, "L");
    answer(&p, &c, "L H200 B E");
    q = accept_link();
    hear_text(&q, ASK("/filler"));
    answer(&q, &filler, "L H200 B E");
    hang_up(&p);
    hang_up(&q);
    down();
}

/* The end */

static void dial_and_close_here(void *arg)
{
    struct call *c = arg;

    c->length = BD_BLOCK_BYTES + 1; /* only a fresh link will do */
    start_here(c);
    cancel_here(c);
    assert(run.pool->dialing == 1 && run.pool->idles == 2);
    close_here(NULL);
}

static void test_close_with_all_kinds_of_links(void **state)
{
    struct call c = {.head = ASK("/")};
    struct peer p[3];

    up();
    use_three(p);
    assert_idles(3);
    ask(&c);
    hear_text(&p[2], ASK("/"));
    say(&p[2], "HTTP/1.1 20");
    cancel(&c);
    forget(&c);
    on_worker(dial_and_close_here, &c);
    forget(&c);
    for (int i = 0; i < 3; i++)
        hang_up(&p[i]);
    join();
}

/* No descriptor for a socket: that is known at once, but told later. */
static void ask_without_descriptors_here(void *arg)
{
    struct rlimit before, none;

    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    ask_here(arg);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void test_no_descriptors(void **state)
{
    struct call c = {.head = ASK("/")};

    up();
    on_worker(ask_without_descriptors_here, &c);
    assert_trace(&c, "X");
    assert_string_equal(c.why, "too many open files");
    forget(&c);
    down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_used_is_taken_first),
        cmocka_unit_test(test_idle_limit),
        cmocka_unit_test(test_idle_link_ends),
        cmocka_unit_test(test_idle_link_makes_room),
        cmocka_unit_test(test_hungry_until_answered),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_owner_asks_again_when_it_failed),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_waits_while_starting),
        cmocka_unit_test(test_start_has_failed),
        cmocka_unit_test(test_close_while_starting),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_full_backlog),
        cmocka_unit_test(test_free_link_serves_who_waits),
        cmocka_unit_test(test_close_with_all_kinds_of_links),
        cmocka_unit_test(test_idle_max),
        cmocka_unit_test(test_no_descriptors),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
