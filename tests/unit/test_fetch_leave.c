/* fetch.c: owners who leave, in every state and from inside every callback */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../watchdog/http/fetch.c"
#include "fetch_run.h"

static char bytes[200000];

static void start_and_write_here(void *arg)
{
    start_here(arg);
    write_here(arg, "abc", 3);
}

static void shrink_here(void *arg)
{
    struct call *c = arg;
    int fd, size = 4096;

    assert(uv_fileno(&c->fetch->link->io.handle, &fd) == 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void answer_and_check(struct call *c, struct peer *p, const char *traced)
{
    say(p, OK("2") "ok");
    assert_trace(c, traced);
    assert_got(c, "ok");
    forget(c);
    hang_up(p);
}

/* The owner leaves */

static void ask_and_cancel_here(void *arg)
{
    ask_here(arg);
    cancel_here(arg);
}

static void write_and_cancel_here(void *arg)
{
    start_and_write_here(arg);
    cancel_here(arg);
}

static void test_cancel_while_waiting(void **state)
{
    struct call c = {.head = PUT("/", "9"), .length = 9};
    struct call next = {.head = ASK("/")};
    struct peer p;

    up();
    on_worker(write_and_cancel_here, &c);
    forget(&c);
    p = accept_link(); /* it was being dialed, and will do for the next one */
    assert_idles(1);
    ask(&next);
    hear_text(&p, ASK("/"));
    answer_and_check(&next, &p, "H200 B E");
    on_worker(ask_and_cancel_here, &next);
    on_worker(ask_and_cancel_here, &next);
    forget(&next);
    down();
    assert_string_equal(c.trace, "");
}

/* `say` NULL: before anything has come. */
static void check_cancel(const char *answer, const char *traced)
{
    struct call c = {.head = ASK("/")};
    struct peer p;

    up();
    p = use_a_link();
    ask(&c);
    hear_text(&p, ASK("/"));
    if (answer)
        say(&p, answer);
    assert_trace(&c, traced);
    cancel(&c);
    assert_idles(0);
    hear_rest(&p); /* the link is closed, at once */
    hang_up(&p);
    assert_string_equal(c.trace, traced);
    forget(&c);
    down();
}

static void test_cancel_while_answered(void **state)
{
    check_cancel(NULL, "");
    check_cancel("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2", "I103");
    check_cancel(OK("3"), "H200");
    check_cancel(OK("3") "ab", "H200 B");
}

static enum bd_flow keep_it(struct call *c)
{
    return BD_WAIT;
}

static void test_cancel_while_bytes_are_lent(void **state)
{
    struct call c = {.head = ASK("/"), .body = keep_it};
    struct peer p;

    up();
    ask(&c);
    p = accept_link();
    say(&p, OK("3") "abc");
    assert_trace(&c, "L H200 B");
    cancel(&c);
    forget(&c);
    hear_rest(&p);
    hang_up(&p);
    down();
}

static void test_cancel_while_bytes_are_borrowed(void **state)
{
    struct call c = {.head = PUT("/", "900000"), .length = 900000};
    struct peer p;

    up();
    take_little();
    start(&c);
    p = accept_link();
    hear_text(&p, PUT("/", "900000"));
    on_worker(shrink_here, &c);
    while (write_bytes(&c, bytes, sizeof(bytes)) == BD_GO)
        ;
    cancel(&c);
    forget(&c);
    hear_rest(&p);
    hang_up(&p);
    down();
}

/* From inside a callback: nothing of the fetch is touched afterwards. */

static void leave(struct call *c)
{
    cancel_here(c);
}

static enum bd_flow leave_and_go(struct call *c)
{
    cancel_here(c);
    return BD_GO;
}

static enum bd_flow leave_and_wait(struct call *c)
{
    cancel_here(c);
    return BD_WAIT;
}

static void check_leaving(struct call *c, void (*use)(void *arg), const char *answer,
                          const char *traced)
{
    struct peer p;

    up();
    on_worker(use, c);
    p = accept_link();
    say(&p, answer);
    assert_trace(c, traced);
    hear_rest(&p);
    hang_up(&p);
    assert_idles(0);
    assert_string_equal(c->trace, traced);
    forget(c);
    down();
}

static void test_cancel_inside_callbacks(void **state)
{
    static const char answer[] = "HTTP/1.1 103 \r\n\r\n" OK("2") "ok";
    struct call at_head = {.head = ASK("/"), .told_head = leave};
    struct call at_body = {.head = ASK("/"), .body = leave_and_go};
    struct call at_body_too = {.head = ASK("/"), .body = leave_and_wait};
    struct call at_interim = {.head = ASK("/"), .interim = leave};

    check_leaving(&at_head, ask_here, answer, "L I103 H200");
    check_leaving(&at_body, ask_here, answer, "L I103 H200 B");
    check_leaving(&at_body_too, ask_here, answer, "L I103 H200 B");
    check_leaving(&at_interim, ask_here, answer, "L I103");
}

static void test_cancel_when_linked(void **state)
{
    struct call at_link = {.head = ASK("/"), .linked = leave};
    struct call at_drain = {.head = PUT("/", "9"), .length = 9, .drained = leave};

    check_leaving(&at_link, ask_here, "", "L");
    check_leaving(&at_drain, start_and_write_here, "", "D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_while_waiting),
        cmocka_unit_test(test_cancel_while_answered),
        cmocka_unit_test(test_cancel_while_bytes_are_lent),
        cmocka_unit_test(test_cancel_while_bytes_are_borrowed),
        cmocka_unit_test(test_cancel_inside_callbacks),
        cmocka_unit_test(test_cancel_when_linked),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
