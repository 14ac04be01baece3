/*
 * fetch_run.h - a pool on a worker, and the test as its upstream
 *
 * The test's thread listens and plays the server with blocking sockets (server_peer.h). What it
 * wants of the pool is done on the worker's thread while it waits (on_worker()). What a fetch tells
 * its owner is written into the trace of the call, which the test waits for: L linked, D drained, I
 * and the status interim, H and the status head, B body (once for several), E ended, X failed.
 *
 * The fetch is memory of its own and freed with its last callback, or when it is cancelled; so is
 * what was lent to it.
 */
#ifndef TESTS_UNIT_FETCH_RUN_H
#define TESTS_UNIT_FETCH_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/un.h>
#include <time.h>

#include "server_peer.h"
#include "watchdog/http/fetch.h"
#include "watchdog/http/link.h"
#include "watchdog/http/pool.h"
#include "watchdog/loop/worker.h"

#define MS INT64_C(1000000)
#define OK(body_length) "HTTP/1.1 200 OK\r\nContent-Length: " body_length "\r\n\r\n"
#define ASK(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define PUT(path, length) "PUT " path " HTTP/1.1\r\nContent-Length: " length "\r\n\r\n"
#define PUT_CHUNKED(path) "PUT " path " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct {
    struct bd_worker *worker;
    struct bd_pool *pool;
    struct bd_upstream upstream;
    int fd, port;    /* where the test listens */
    char folder[32]; /* of a unix socket, "" */
    int descriptors;
} run;

/* What is done on the worker's thread */

struct order {
    struct bd_mail mail;
    void (*run)(void *arg);
    void *arg;
    uv_sem_t done;
};

static void on_order(struct bd_worker *w, struct bd_mail *m)
{
    struct order *o = BD_CONTAINER(m, struct order, mail);

    o->run(o->arg);
    uv_sem_post(&o->done);
}

static void on_worker(void (*to_do)(void *arg), void *arg)
{
    struct order o = {.mail.run = on_order, .run = to_do, .arg = arg};

    uv_sem_init(&o.done, 0);
    assert_true(bd_worker_post(run.worker, &o.mail));
    uv_sem_wait(&o.done);
    uv_sem_destroy(&o.done);
}

/* Calls */

struct call {
    /* Set by the test; absent members do nothing, `body` says BD_GO. */
    const char *head;
    int64_t length;
    bool to_head, upgrade;
    void (*linked)(struct call *c);
    void (*drained)(struct call *c);
    void (*interim)(struct call *c);
    void (*told_head)(struct call *c);
    enum bd_flow (*body)(struct call *c);
    void (*ended)(struct call *c);
    void (*failed)(struct call *c);

    struct bd_fetch *fetch; /* NULL: over */
    struct bd_arena arena;
    bool starting;
    char *out;            /* lent to the fetch; NULL: none */
    enum bd_flow flow;    /* of the last write */
    struct bd_slice kept; /* lent to us */
    char *kept_copy;

    char trace[256];
    char
        answer[4096]; /* of the newest head: "200 OK|Name: value|" and for a trailer "+Name: ..." */
    int64_t declared, body_length;
    char *got;
    size_t got_len;
    char why[128];
};

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t trace_grown = PTHREAD_COND_INITIALIZER;

static void note(struct call *c, const char *word)
{
    size_t len, n = strlen(word);

    pthread_mutex_lock(&trace_lock);
    len = strlen(c->trace);
    if (len < n || strcmp(c->trace + len - n, word) != 0 || word[0] == 'I')
        snprintf(c->trace + len, sizeof(c->trace) - len, "%s%s", len ? " " : "", word);
    pthread_cond_broadcast(&trace_grown);
    pthread_mutex_unlock(&trace_lock);
}

/* Waits until it is. */
static void assert_trace(struct call *c, const char *text)
{
    struct timespec until;
    char seen[sizeof(c->trace)];
    bool same;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&trace_lock);
    while (!(same = strcmp(c->trace, text) == 0))
        if (pthread_cond_timedwait(&trace_grown, &trace_lock, &until))
            break;
    memcpy(seen, c->trace, sizeof(seen));
    pthread_mutex_unlock(&trace_lock);
    if (!same)
        fail_msg("trace is \"%s\" (%s), not \"%s\"", seen, c->why, text);
}

static void free_out(struct call *c)
{
    free(c->out);
    c->out = NULL;
}

static void free_kept(struct call *c)
{
    free(c->kept_copy);
    c->kept_copy = NULL;
    c->kept.p = NULL;
}

static struct call *call_of(void *owner)
{
    struct call *c = owner;

    assert(c->fetch && !c->starting && pthread_equal(pthread_self(), run.worker->thread));
    return c;
}

static void on_linked(void *owner)
{
    struct call *c = call_of(owner);

    assert(c->fetch->link);
    if (c->linked)
        c->linked(c);
    note(c, "L");
}

static void on_drained(void *owner)
{
    struct call *c = call_of(owner);

    assert(c->out);
    free_out(c);
    if (c->drained)
        c->drained(c);
    note(c, "D");
}

static size_t tell_fields(struct call *c, size_t at, const char *mark, const struct bd_field *field,
                          size_t fields)
{
    for (size_t i = 0; i < fields; i++)
        at += (size_t)snprintf(c->answer + at, sizeof(c->answer) - at, "%s%.*s: %.*s|", mark,
                               (int)field[i].name.len, field[i].name.p, (int)field[i].value.len,
                               field[i].value.p);
    assert(at < sizeof(c->answer));
    return at;
}

static void tell_head(struct call *c, const struct bd_response *r)
{
    int at = snprintf(c->answer, sizeof(c->answer), "%d %.*s|", r->status, (int)r->reason.len,
                      r->reason.len ? r->reason.p : "");

    tell_fields(c, (size_t)at, "", r->field, r->fields);
    c->declared = r->declared;
    c->body_length = r->body;
}

static void on_interim(void *owner, const struct bd_response *r)
{
    struct call *c = call_of(owner);
    char word[16];

    assert(r->status < 200 && r->status != 101);
    tell_head(c, r);
    snprintf(word, sizeof(word), "I%d", r->status);
    if (c->interim)
        c->interim(c);
    note(c, word);
}

static void on_head(void *owner, const struct bd_response *r)
{
    struct call *c = call_of(owner);
    char word[16];

    assert(r->status >= 200 || r->status == 101);
    tell_head(c, r);
    snprintf(word, sizeof(word), "H%d", r->status);
    if (c->told_head)
        c->told_head(c);
    note(c, word);
}

static enum bd_flow on_body(void *owner, const char *buf, size_t len)
{
    struct call *c = call_of(owner);
    enum bd_flow flow;

    assert(len > 0 && !c->kept.p);
    c->got = realloc(c->got, c->got_len + len + 1);
    assert(c->got);
    memcpy(c->got + c->got_len, buf, len);
    c->got_len += len;
    c->got[c->got_len] = '\0';
    flow = c->body ? c->body(c) : BD_GO;
    if (flow == BD_WAIT && c->fetch) {
        c->kept = (struct bd_slice){buf, len};
        c->kept_copy = malloc(len);
        assert(c->kept_copy);
        memcpy(c->kept_copy, buf, len);
    }
    note(c, "B");
    return flow;
}

/* The fetch is its owner's again, who has no use for it. */
static void let_go(struct call *c)
{
    free(c->fetch);
    c->fetch = NULL;
    free_out(c);
    free_kept(c);
}

static void on_ended(void *owner, const struct bd_field *trailer, size_t trailers)
{
    struct call *c = call_of(owner);

    assert(!c->kept.p);
    tell_fields(c, strlen(c->answer), "+", trailer, trailers);
    let_go(c);
    if (c->ended)
        c->ended(c);
    note(c, "E");
}

static void on_failed(void *owner, const char *why)
{
    struct call *c = call_of(owner);

    snprintf(c->why, sizeof(c->why), "%s", why);
    let_go(c);
    if (c->failed)
        c->failed(c);
    note(c, "X");
}

static const struct bd_fetch_ops ops = {.linked = on_linked,
                                        .drained = on_drained,
                                        .interim = on_interim,
                                        .head = on_head,
                                        .body = on_body,
                                        .ended = on_ended,
                                        .failed = on_failed};

/* These on the worker's thread: */

static void start_here(void *arg)
{
    struct call *c = arg;
    struct bd_fetch *f = malloc(sizeof(*f));

    assert(f);
    memset(f, 0xa5, sizeof(*f));
    f->ops = &ops;
    f->owner = c;
    f->arena = &c->arena;
    f->head = bd_slice_of(c->head);
    f->length = c->length;
    f->to_head = c->to_head;
    f->upgrade = c->upgrade;
    bd_arena_init(&c->arena);
    c->fetch = f;
    c->starting = true;
    bd_fetch_start(f, run.pool);
    c->starting = false;
}

static void finish_here(void *arg)
{
    bd_fetch_finish(((struct call *)arg)->fetch, NULL, 0);
}

static void ask_here(void *arg)
{
    start_here(arg);
    finish_here(arg);
}

static void cancel_here(void *arg)
{
    struct call *c = arg;

    if (c->fetch)
        bd_fetch_cancel(c->fetch);
    let_go(c);
}

static enum bd_flow write_here(struct call *c, const char *buf, size_t len)
{
    char *out = malloc(len);

    assert(out && !c->out);
    memcpy(out, buf, len);
    c->out = out;
    c->flow = bd_fetch_write(c->fetch, out, len);
    if (c->flow == BD_GO)
        free_out(c);
    return c->flow;
}

static void resume_here(void *arg)
{
    struct call *c = arg;

    assert(c->kept.p && memcmp(c->kept.p, c->kept_copy, c->kept.len) == 0);
    free_kept(c);
    bd_fetch_resume(c->fetch);
}

/* And these on the test's: */

struct piece {
    struct call *c;
    struct bd_slice bytes;
};

static void piece_here(void *arg)
{
    struct piece *p = arg;

    write_here(p->c, p->bytes.p, p->bytes.len);
}

static enum bd_flow write_bytes(struct call *c, const char *buf, size_t len)
{
    struct piece p = {c, {buf, len}};

    on_worker(piece_here, &p);
    return c->flow;
}

static enum bd_flow write_text(struct call *c, const char *text)
{
    return write_bytes(c, text, strlen(text));
}

static void start(struct call *c)
{
    on_worker(start_here, c);
}

/* Without a body. */
static void ask(struct call *c)
{
    on_worker(ask_here, c);
}

static void finish(struct call *c)
{
    on_worker(finish_here, c);
}

static void cancel(struct call *c)
{
    on_worker(cancel_here, c);
}

static void resume(struct call *c)
{
    on_worker(resume_here, c);
}

static void forget(struct call *c)
{
    assert_null(c->fetch);
    free(c->got);
    c->got = NULL;
    c->got_len = 0;
    c->trace[0] = c->why[0] = '\0';
    bd_arena_release(&c->arena);
}

static void assert_got(const struct call *c, const char *text)
{
    assert_string_equal(c->got ? c->got : "", text);
}

/* The pool */

struct counts {
    unsigned idles, waitings, dialing, links;
};

static void count_here(void *arg)
{
    struct counts *n = arg;

    *n = (struct counts){run.pool->idles, run.pool->waitings, run.pool->dialing, run.pool->links};
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

/* The loop is empty then, and no descriptor left. */
static void down(void)
{
    on_worker(close_here, NULL);
    worker_join(run.worker);
    forget_upstream(&run.upstream);
    if (run.fd >= 0)
        close(run.fd);
    remove_socket();
    assert_int_equal(open_descriptors(), run.descriptors);
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
