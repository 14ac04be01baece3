/* pool.c: names that have to be looked up, and hosts with more than one address */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../watchdog/http/pool.c"
#include "fetch_run.h"

#include <netdb.h>

static bool is_known(const char *name)
{
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};

    if (getaddrinfo(name, "80", &hints, &found))
        return false;
    freeaddrinfo(found);
    return true;
}

/* All addresses, of both kinds if there are two. */
static int listen_everywhere(void)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return listen_at((struct sockaddr *)&four, sizeof(four), 100);
    close(fd);
    return listen_at((struct sockaddr *)&six, sizeof(six), 100);
}

static const char *known_name(void)
{
    static char name[256];

    if (is_known("localhost."))
        return "localhost.";
    if (gethostname(name, sizeof(name)) == 0 && is_known(name))
        return name;
    return NULL;
}

static bool up_named(void)
{
    const char *name = known_name();
    char url[300];

    if (!name)
        return false;
    run.descriptors = open_descriptors();
    run.fd = listen_everywhere();
    run.port = port_of(run.fd);
    snprintf(url, sizeof(url), "http://%s:%d", name, run.port);
    up_at(url, NULL);
    return true;
}

static void test_name(void **state)
{
    struct call c[2] = {{.head = ASK("/")}, {.head = ASK("/")}};
    struct peer p[2];

    if (!up_named())
        skip();
    ask(&c[0]);
    ask(&c[1]);
    for (int i = 0; i < 2; i++) {
        p[i] = accept_link();
        hear_text(&p[i], ASK("/"));
    }
    for (int i = 0; i < 2; i++)
        say(&p[i], OK("0"));
    for (int i = 0; i < 2; i++) {
        assert_trace(&c[i], "L H200 E");
        forget(&c[i]);
        hang_up(&p[i]);
    }
    assert_idles(0);
    p[0] = use_a_link();
    hang_up(&p[0]);
    down();
}

static void test_unknown_name(void **state)
{
    struct call c[2] = {{.head = ASK("/")}, {.head = ASK("/")}};

    run.descriptors = open_descriptors();
    run.fd = -1;
    /* No label is that long, so nobody is asked. */
    up_at("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
    for (int i = 0; i < 2; i++)
        ask(&c[i]);
    for (int i = 0; i < 2; i++) {
        assert_trace(&c[i], "X");
        assert_true(strlen(c[i].why) > 0);
        forget(&c[i]);
    }
    down();
}

static void look_up_and_close_here(void *arg)
{
    ask_here(arg);
    cancel_here(arg);
    assert(run.pool->looking_up);
    close_here(NULL);
}

static void test_close_while_looking_up(void **state)
{
    struct call c = {.head = ASK("/")};

    if (!up_named())
        skip();
    on_worker(look_up_and_close_here, &c);
    forget(&c);
    join();
}

/* localhost is 127.0.0.1 and then ::1. */
static void test_next_address(void **state)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct call c[3] = {{.head = ASK("/0")}, {.head = ASK("/1")}, {.head = ASK("/2")}};
    struct peer p[3];
    char url[64];

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a))) {
        close(fd);
        skip();
    }
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    run.descriptors = open_descriptors() - 1;
    run.fd = fd;
    run.port = port_of(fd);
    assert_int_equal(listen(fd, 100), 0);
    snprintf(url, sizeof(url), "http://localhost:%d", run.port);
    up_at(url, NULL);
    for (int i = 0; i < 3; i++)
        ask(&c[i]);
    for (int i = 0; i < 3; i++) {
        p[i] = accept_link();
        assert_true(hear(&p[i]));
    }
    for (int i = 0; i < 3; i++)
        say(&p[i], OK("0"));
    for (int i = 0; i < 3; i++) {
        assert_trace(&c[i], "L H200 E");
        forget(&c[i]);
        hang_up(&p[i]);
    }
    down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_unknown_name),
        cmocka_unit_test(test_close_while_looking_up),
        cmocka_unit_test(test_next_address),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
