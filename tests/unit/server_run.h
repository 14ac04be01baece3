/*
 * server_run.h - a real server with a mode made of the test's functions
 *
 * The test's thread is the client (server_peer.h); acceptor and workers run on their own threads.
 * The mode checks its side of the contract (bandog/mode.h) in every call and writes each into a
 * trace, which the test waits for: S start, B body, E body_end, D drain, T deadline, A and a number
 * abort, F and the status finish, with a '!' when the answer was cut. Calls that repeat stand there
 * once.
 *
 * Bytes lent to the engine are memory of their own, freed as soon as they may be.
 */
#ifndef TESTS_UNIT_SERVER_RUN_H
#define TESTS_UNIT_SERVER_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "bandog/server.h"
#include "server_peer.h"
#include "watchdog/http/conn.c"

#define MS INT64_C(1000000)

/* The trace */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    char text[4096];
    int64_t sent_bytes, body_bytes; /* of the exchange that finished last */
    char reason[256];
} trace = {.lock = PTHREAD_MUTEX_INITIALIZER, .grown = PTHREAD_COND_INITIALIZER};

static void note(const char *word)
{
    size_t len, n = strlen(word);

    pthread_mutex_lock(&trace.lock);
    len = strlen(trace.text);
    if (len < n || strcmp(trace.text + len - n, word) != 0 ||
        (len > n && trace.text[len - n - 1] != ' ') || word[0] == 'F') {
        if (len + n + 2 < sizeof(trace.text))
            snprintf(trace.text + len, sizeof(trace.text) - len, "%s%s", len ? " " : "", word);
    }
    pthread_cond_broadcast(&trace.grown);
    pthread_mutex_unlock(&trace.lock);
}

static void clear_trace(void)
{
    pthread_mutex_lock(&trace.lock);
    trace.text[0] = trace.reason[0] = '\0';
    pthread_mutex_unlock(&trace.lock);
}

/* Is it `text`; or, where that begins or ends with '*', does it end or begin so? */
static bool trace_is(const char *text)
{
    size_t n = strlen(text), len = strlen(trace.text);

    if (text[0] == '*')
        return len >= n - 1 && strcmp(trace.text + len - (n - 1), text + 1) == 0;
    return n > 0 && text[n - 1] == '*' ? strncmp(trace.text, text, n - 1) == 0
                                       : strcmp(trace.text, text) == 0;
}

/* Waits until it is. */
static void assert_trace(const char *text)
{
    struct timespec until;
    bool same = false;
    char seen[sizeof(trace.text)];

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&trace.lock);
    for (;;) {
        same = trace_is(text);
        if (same || pthread_cond_timedwait(&trace.grown, &trace.lock, &until))
            break;
    }
    memcpy(seen, trace.text, sizeof(seen));
    pthread_mutex_unlock(&trace.lock);
    if (!same)
        fail_msg("trace is \"%s\", not \"%s\"", seen, text);
}

/* The mode */

struct call;

/* What the mode does; absent members are absent in the mode too. */
struct plan {
    void (*start)(struct call *c);
    enum bd_flow (*body)(struct call *c, const char *buf, size_t len);
    void (*body_end)(struct call *c);
    void (*drain)(struct call *c);
    void (*deadline)(struct call *c);
    void (*finish)(struct call *c);
};

struct call {
    struct bd_exchange *x;
    const struct plan *plan;
    pthread_t thread;
    struct bd_deadline timer;
    void (*expired)(struct call *c);
    enum { CALL_OPEN, CALL_ENDED, CALL_ABORTED } life;
    bool body_over;
    struct bd_slice kept; /* of the request's body, lent to us; p NULL: none */
    uint32_t kept_sum;
    char *out;    /* lent to the engine; NULL: none */
    bool relayed; /* lent to the engine: what is lent to us */
    size_t body_bytes, left;
    uint32_t body_sum;
    int n; /* for the plan */
};

static uint32_t sum(uint32_t s, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s = s * 31 + (unsigned char)buf[i];
    return s;
}

static struct call *call_of(struct bd_exchange *x)
{
    struct call *c = x->state;

    assert(c && c->x == x && pthread_equal(c->thread, pthread_self()));
    return c;
}

static void on_start(struct bd_exchange *x)
{
    struct call *c = calloc(1, sizeof(*c));

    assert(c && !x->state && x->status == 0);
    c->x = x;
    c->plan = x->conf;
    c->thread = pthread_self();
    c->body_over = x->req.content_length == 0;
    assert(bd_body_complete(x) == c->body_over);
    x->state = c;
    note("S");
    c->plan->start(c);
}

static enum bd_flow on_body(struct bd_exchange *x, const char *buf, size_t len)
{
    struct call *c = call_of(x);

    assert(c->life == CALL_OPEN && !c->body_over && !c->kept.p && len > 0);
    c->body_bytes += len;
    c->body_sum = sum(c->body_sum, buf, len);
    assert((int64_t)c->body_bytes == x->body_bytes);
    note("B");
    return c->plan->body(c, buf, len);
}

static void on_body_end(struct bd_exchange *x)
{
    struct call *c = call_of(x);

    assert(c->life == CALL_OPEN && !c->body_over && !c->kept.p && bd_body_complete(x));
    c->body_over = true;
    note("E");
    if (c->plan->body_end)
        c->plan->body_end(c);
}

static void free_out(struct call *c)
{
    free(c->out);
    c->out = NULL;
}

static void on_drain(struct bd_exchange *x)
{
    struct call *c = call_of(x);

    assert(c->life == CALL_OPEN && (c->out || c->relayed));
    free_out(c);
    c->relayed = false;
    note("D");
    c->plan->drain(c);
}

static void on_mode_deadline(struct bd_exchange *x)
{
    struct call *c = call_of(x);

    assert(c->life == CALL_OPEN);
    note("T");
    c->plan->deadline(c);
}

static void on_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct call *c = call_of(x);
    char word[8];

    assert(c->life == CALL_OPEN && x->reason);
    c->life = CALL_ABORTED;
    bd_deadline_stop(&c->timer);
    free_out(c);
    c->kept.p = NULL;
    snprintf(word, sizeof(word), "A%d", (int)why);
    note(word);
}

static void on_finish(struct bd_exchange *x)
{
    struct call *c = call_of(x);
    char word[16];

    assert(c->life != CALL_OPEN && (x->status >= 200 || x->status == 101));
    assert(c->life == CALL_ABORTED || x->cut || !x->reason || x->status == 499 ||
           c->plan->deadline);
    if (c->plan->finish)
        c->plan->finish(c);
    pthread_mutex_lock(&trace.lock);
    trace.sent_bytes = x->sent_bytes;
    trace.body_bytes = x->body_bytes;
    snprintf(trace.reason, sizeof(trace.reason), "%s", x->reason ? x->reason : "");
    pthread_mutex_unlock(&trace.lock);
    snprintf(word, sizeof(word), "F%d%s", x->status, x->cut ? "!" : "");
    free_out(c);
    free(c);
    x->state = NULL;
    note(word);
}

/* What plans call */

static void on_timer(struct bd_deadline *d)
{
    struct call *c = BD_CONTAINER(d, struct call, timer);

    assert(c->life == CALL_OPEN);
    c->expired(c);
}

static void later(struct call *c, int64_t ns, void (*expired)(struct call *c))
{
    c->expired = expired;
    bd_deadline_start(c->x->worker, &c->timer, ns, on_timer);
}

static enum bd_flow keep(struct call *c, const char *buf, size_t len)
{
    c->kept = (struct bd_slice){buf, len};
    c->kept_sum = sum(0, buf, len);
    return BD_WAIT;
}

/* The last statement. */
static void give_back(struct call *c)
{
    assert(c->kept.p && sum(0, c->kept.p, c->kept.len) == c->kept_sum);
    c->kept.p = NULL;
    bd_body_resume(c->x);
}

static void respond(struct call *c, int status, int64_t length)
{
    static const struct bd_field field[] = {{BD_SLICE("X-Test"), BD_SLICE("yes")}};

    bd_respond(c->x, status, field, 1, length);
}

static enum bd_flow send_copy(struct call *c, const char *buf, size_t len)
{
    char *out = malloc(len ? len : 1);
    enum bd_flow flow;

    assert(out && !c->out);
    if (len)
        memcpy(out, buf, len);
    flow = bd_send(c->x, out, len);
    if (flow == BD_WAIT)
        c->out = out;
    else
        free(out);
    return flow;
}

static struct bd_exchange *leave(struct call *c)
{
    assert(c->life == CALL_OPEN);
    c->life = CALL_ENDED;
    c->kept.p = NULL;
    bd_deadline_stop(&c->timer);
    return c->x;
}

static void end(struct call *c)
{
    bd_end(leave(c));
}

static void cut(struct call *c)
{
    bd_cut(leave(c), "cut by the test");
}

static void reply(struct call *c, int status, const char *text)
{
    bd_reply(leave(c), status, NULL, 0, text, strlen(text));
}

static void reply_ok(struct call *c)
{
    reply(c, 200, "ok");
}

static bool is_path(struct call *c, const char *path)
{
    return bd_slice_eq(c->x->req.path, bd_slice_of(path));
}

static int socket_of(struct call *c)
{
    int fd = -1;

    uv_fileno((uv_handle_t *)&exchange_of(c->x)->conn->tcp, &fd);
    return fd;
}

/* The server */

struct run {
    const struct plan *plan;
    struct bd_server_conf conf; /* what is 0 gets a default */
    struct bd_mode mode;        /* made from the plan, but for what it has none of */
    uv_thread_t thread;
    uv_sem_t ready;
    uv_loop_t loop;
    uv_async_t drain, kill;
    struct bd_server *server;
    int port, descriptors;
};

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

static void on_drained(void *arg)
{
    struct run *r = arg;

    assert(bd_server_in_flight(r->server) == 0);
    bd_server_close(r->server);
    uv_close((uv_handle_t *)&r->drain, NULL);
    uv_close((uv_handle_t *)&r->kill, NULL);
}

static void on_drain_asked(uv_async_t *async)
{
    struct run *r = async->data;

    bd_server_drain(r->server, on_drained, r);
}

static void on_kill_asked(uv_async_t *async)
{
    struct run *r = async->data;

    bd_server_kill(r->server);
}

static void run_server(void *arg)
{
    struct run *r = arg;
    struct bd_error err;
    int left;

    uv_loop_init(&r->loop);
    uv_async_init(&r->loop, &r->drain, on_drain_asked);
    uv_async_init(&r->loop, &r->kill, on_kill_asked);
    r->drain.data = r->kill.data = r;
    if (bd_server_open(&r->server, &r->loop, &r->conf, &err))
        assert(!"the server does not open");
    r->port = bd_server_port(r->server);
    uv_sem_post(&r->ready);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    left = uv_loop_close(&r->loop);
    assert(left == 0);
    (void)left;
}

static void up(struct run *r)
{
    const struct plan *p = r->plan;

    r->descriptors = open_descriptors();
    clear_trace();
    r->mode.name = "test";
    r->mode.start = on_start;
    r->mode.body = p->body ? on_body : NULL;
    r->mode.body_end = p->body ? on_body_end : NULL;
    r->mode.drain = on_drain;
    r->mode.deadline = p->deadline ? on_mode_deadline : NULL;
    r->mode.abort = on_abort;
    r->mode.finish = on_finish;
    r->conf.mode = &r->mode;
    r->conf.mode_conf = p;
    if (!r->conf.workers)
        r->conf.workers = 1;
    r->conf.read_timeout = "RT";
    r->conf.write_timeout = "WT";
    uv_sem_init(&r->ready, 0);
    assert_int_equal(uv_thread_create(&r->thread, run_server, r), 0);
    uv_sem_wait(&r->ready);
}

static void drain(struct run *r)
{
    uv_async_send(&r->drain);
}

static void kill_calls(struct run *r)
{
    uv_async_send(&r->kill);
}

/* After drain(): every connection has come to its end, every loop is empty, no descriptor left. */
static void join(struct run *r)
{
    uv_thread_join(&r->thread);
    uv_sem_destroy(&r->ready);
    assert_int_equal(open_descriptors(), r->descriptors);
}

static void down(struct run *r)
{
    drain(r);
    join(r);
}

/* Clients */

static struct peer dial_with(struct run *r, int rcvbuf)
{
    struct peer p = {.fd = connect_to(r->port, rcvbuf)};

    assert_true(p.fd >= 0);
    return p;
}

static struct peer dial(struct run *r)
{
    return dial_with(r, 0);
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
