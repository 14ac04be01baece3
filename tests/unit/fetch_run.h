/*
 * fetch_run.h - a pool on a worker, and the test as its upstream
 *
 * The test's thread listens and plays the server with blocking sockets (server_peer.h). What it
 * wants of the pool is done on the worker's thread while it waits (on_worker()). What a fetch tells
 * its owner is written into the trace of the call, which the test waits for: L linked, D drained, I
 * and the status interim, H and the status head, B body (once for several), E ended, X failed.
 */
#ifndef TESTS_UNIT_FETCH_RUN_H
#define TESTS_UNIT_FETCH_RUN_H

#include "fetch_call.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/un.h>

/* The pool */

struct counts {
    unsigned idles, waitings, dialing, links;
    bool scouting;
};

static void count_here(void *arg)
{
    struct counts *n = arg;

    *n = (struct counts){run.pool->idles, run.pool->waitings, run.pool->dialing, run.pool->links,
                         run.pool->scouting};
}

static struct counts counts(void)
{
    struct counts n;

    on_worker(count_here, &n);
    return n;
}

/* So many links there are in the end, all of them idle. */
static void assert_idles(unsigned n)
{
    struct counts now = counts();
    time_t until = time(NULL) + PATIENCE_S;

    while (now.idles != n || now.links != n) {
        if (time(NULL) > until)
            fail_msg("%u of %u links are idle, not %u", now.idles, now.links, n);
        sched_yield();
        now = counts();
    }
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static int open_pool(struct bd_worker *w, void *arg)
{
    run.pool = bd_pool_open(w, arg);
    return 0;
}

static void nothing_left(struct bd_worker *w, void *arg)
{
}

/* What is 0 in `conf` gets a default. */
static void up_at(const char *url, const struct bd_pool_conf *conf)
{
    struct bd_pool_conf c = conf ? *conf : (struct bd_pool_conf){.starting = NULL};
    struct worker_hooks hooks = {.start = open_pool, .end = nothing_left, .arg = &c};
    struct bd_error err;

    assert_int_equal(bd_upstream_parse(&run.upstream, url, &err), 0);
    c.upstream = &run.upstream;
    if (!c.idle_ns)
        c.idle_ns = 60000 * MS;
    if (!c.idle_max)
        c.idle_max = 8;
    assert_int_equal(worker_open(&run.worker, &hooks), 0);
}

static int listen_at(const struct sockaddr *a, socklen_t len, int backlog)
{
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, a, len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int listen_on(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};

    return listen_at((struct sockaddr *)&a, sizeof(a), 100);
}

static int port_of(int fd)
{
    struct sockaddr_in6 a;
    socklen_t len = sizeof(a);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin6_port); /* at the same place as that of IPv4 */
}

static void up_with(const struct bd_pool_conf *conf)
{
    char url[64];

    run.descriptors = open_descriptors();
    run.fd = listen_on(0);
    run.port = port_of(run.fd);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", run.port);
    up_at(url, conf);
}

static void up(void)
{
    up_with(NULL);
}

/* At a unix socket; its folder is gone in down(). */
static void up_unix(int backlog, const struct bd_pool_conf *conf)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char url[160];

    run.descriptors = open_descriptors();
    snprintf(run.folder, sizeof(run.folder), "/tmp/test_fetch.XXXXXX");
    assert_non_null(mkdtemp(run.folder));
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", run.folder);
    run.fd = listen_at((struct sockaddr *)&a, sizeof(a), backlog);
    snprintf(url, sizeof(url), "http+unix://%s", a.sun_path);
    up_at(url, conf);
}

static void remove_socket(void)
{
    char path[64];

    if (!run.folder[0])
        return;
    snprintf(path, sizeof(path), "%s/s", run.folder);
    unlink(path);
    rmdir(run.folder);
    run.folder[0] = '\0';
}

static void close_here(void *arg)
{
    bd_pool_close(run.pool);
    worker_close_mail(run.worker);
}

/* Parsed at start, never freed; but here there are many starts. */
static void forget_upstream(struct bd_upstream *u)
{
    if (!u->place->socket_path)
        free((char *)u->authority.p);
    free((char *)u->url);
    free((char *)u->base.p);
    free((char *)u->authorization.p);
    free(u->place->text);
    free(u->place);
}

/* After close_here(): the loop is empty then, and no descriptor left. */
static void join(void)
{
    worker_join(run.worker);
    forget_upstream(&run.upstream);
    if (run.fd >= 0)
        close(run.fd);
    remove_socket();
    assert_int_equal(open_descriptors(), run.descriptors);
}

static void down(void)
{
    on_worker(close_here, NULL);
    join();
}

/* The upstream */

static struct peer accept_link(void)
{
    struct pollfd ready = {.fd = run.fd, .events = POLLIN};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct peer p = {.fd = -1};

    if (poll(&ready, 1, PATIENCE_S * 1000) == 1)
        p.fd = accept4(run.fd, NULL, NULL, SOCK_CLOEXEC);
    if (p.fd < 0)
        fail_msg("nobody connects");
    setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(p.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return p;
}

static void nobody_connects(void)
{
    struct pollfd ready = {.fd = run.fd, .events = POLLIN};

    assert_int_equal(poll(&ready, 1, 0), 0);
}

static void hear_text(struct peer *p, const char *text)
{
    size_t n = strlen(text);

    if (!hear_bytes(p, n) || memcmp(p->buf + p->at, text, n) != 0)
        fail_msg("heard \"%.*s\" instead of \"%s\"", (int)(p->len - p->at), p->buf + p->at, text);
    p->at += n;
}

/* Links that are accepted from now on take little that is not read. */
static void take_little(void)
{
    int size = 4096;

    setsockopt(run.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* All bytes that come until the end of file. */
static void hear_rest(struct peer *p)
{
    while (hear(p))
        ;
}

/* A request and its answer; the link is idle then. */
static struct peer use_a_link(void)
{
    struct call c = {.head = ASK("/first")};
    struct peer p;

    ask(&c);
    p = accept_link();
    hear_text(&p, ASK("/first"));
    say(&p, OK("2") "ok");
    assert_trace(&c, "L H200 B E");
    forget(&c);
    return p;
}

static int set_up(void **state)
{
    uv_loop_t first; /* opens what libuv keeps */
    sigset_t set;

    assert_int_equal(uv_loop_init(&first), 0);
    assert_int_equal(uv_loop_close(&first), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#endif
