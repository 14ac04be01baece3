/*
 * server_run.h - a real server with a mode made of the test's functions, and blocking clients
 *
 * The test's thread is the client; acceptor and workers run on their own threads. The mode checks
 * its side of the contract (bandog/mode.h) in every call and writes each into a trace, which the
 * test waits for: S start, B body, E body_end, D drain, T deadline, A and a number abort, F and the
 * status finish, with a '!' when the answer was cut. Calls that repeat stand there once.
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

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "bandog/server.h"
#include "watchdog/http/conn.c"

#define MS INT64_C(1000000)
#define PATIENCE_S 20 /* for what must come: only a failing test waits that long */

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
    char *out; /* lent to the engine; NULL: none */
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

    assert(c->life != CALL_OPEN && x->status >= 200);
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
    struct bd_mode mode;
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
    r->mode = (struct bd_mode){.name = "test",
                               .start = on_start,
                               .body = p->body ? on_body : NULL,
                               .body_end = p->body ? on_body_end : NULL,
                               .drain = on_drain,
                               .deadline = p->deadline ? on_mode_deadline : NULL,
                               .abort = on_abort,
                               .finish = on_finish};
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

struct peer {
    int fd;
    char *buf;
    size_t len, cap, at; /* at: taken by answers so far */
    int end;             /* 0: open; else 1 end of file, or -errno */
};

static int connect_to(struct run *r, int rcvbuf)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)r->port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct peer dial_with(struct run *r, int rcvbuf)
{
    struct peer p = {.fd = connect_to(r, rcvbuf)};

    assert_true(p.fd >= 0);
    return p;
}

static struct peer dial(struct run *r)
{
    return dial_with(r, 0);
}

static void hang_up(struct peer *p)
{
    close(p->fd);
    free(p->buf);
    p->buf = NULL;
}

/* RST instead of FIN. */
static void slam(struct peer *p)
{
    struct linger none = {.l_onoff = 1};

    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    hang_up(p);
}

/* False when the server has closed. */
static bool say_bytes(struct peer *p, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, buf, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("the server does not read");
        if (n < 0)
            return false;
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static void say(struct peer *p, const char *text)
{
    assert_true(say_bytes(p, text, strlen(text)));
}

/* False at the end. */
static bool hear(struct peer *p)
{
    ssize_t n;

    if (p->end)
        return false;
    if (p->cap - p->len < 65537) {
        p->cap = p->cap * 2 + 131072;
        p->buf = realloc(p->buf, p->cap);
        assert_non_null(p->buf);
    }
    do {
        n = recv(p->fd, p->buf + p->len, 65536, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing comes after: %.*s", (int)(p->len - p->at < 300 ? p->len - p->at : 300),
                 p->buf + p->at);
    if (n <= 0) {
        p->end = n == 0 ? 1 : -errno;
        return false;
    }
    p->len += (size_t)n;
    p->buf[p->len] = '\0';
    return true;
}

struct answer {
    int status;
    char head[2048]; /* with its blank line */
    const char *body; /* in the peer's buffer until the next answer; chunks removed */
    size_t len;
    bool whole; /* as far as its framing tells */
};

static const char *find_bytes(const char *buf, size_t len, const char *text)
{
    return len ? memmem(buf, len, text, strlen(text)) : NULL;
}

static bool has(const struct answer *a, const char *text)
{
    return strstr(a->head, text) != NULL;
}

/* One line of the stream, without its end; NULL: the stream has ended. */
static const char *hear_line(struct peer *p)
{
    const char *cr;
    char *line;

    while (!(cr = find_bytes(p->buf + p->at, p->len - p->at, "\r\n")))
        if (!hear(p))
            return NULL;
    line = p->buf + p->at;
    line[cr - line] = '\0';
    p->at = (size_t)(cr + 2 - p->buf);
    return line;
}

static bool hear_bytes(struct peer *p, size_t n)
{
    while (p->len - p->at < n)
        if (!hear(p))
            return false;
    return true;
}

static void hear_chunks(struct peer *p, struct answer *a)
{
    size_t begin = p->at, to = p->at;

    for (;;) {
        const char *line = hear_line(p);
        char *last;
        size_t n;

        if (!line)
            break;
        n = strtoul(line, &last, 16);
        assert_true(*last == '\0' && last > line);
        if (!hear_bytes(p, n + 2))
            break;
        memmove(p->buf + to, p->buf + p->at, n);
        to += n;
        assert_memory_equal(p->buf + p->at + n, "\r\n", 2);
        p->at += n + 2;
        if (n == 0) {
            a->whole = true;
            break;
        }
    }
    a->body = p->buf + begin;
    a->len = to - begin;
}

static struct answer hear_answer_to(struct peer *p, const char *method)
{
    struct answer a = {.status = 0};
    const char *blank, *field;
    size_t n;

    while (!(blank = find_bytes(p->buf + p->at, p->len - p->at, "\r\n\r\n")))
        if (!hear(p))
            return a;
    n = (size_t)(blank + 4 - p->buf) - p->at;
    assert_true(n < sizeof(a.head));
    memcpy(a.head, p->buf + p->at, n);
    p->at += n;
    assert_int_equal(sscanf(a.head, "HTTP/1.%*1[01] %d ", &a.status), 1);
    if (strcmp(method, "HEAD") == 0 || a.status < 200 || a.status == 204 || a.status == 304) {
        a.whole = true;
    } else if (has(&a, "\r\nTransfer-Encoding: chunked\r\n")) {
        assert_false(has(&a, "Content-Length"));
        hear_chunks(p, &a);
    } else if ((field = strstr(a.head, "\r\nContent-Length: "))) {
        a.len = strtoul(field + 18, NULL, 10);
        a.whole = hear_bytes(p, a.len);
        a.body = p->buf + p->at;
        if (!a.whole)
            a.len = p->len - p->at;
        p->at += a.len;
    } else {
        size_t begin = p->at;

        assert_true(has(&a, "\r\nConnection: close\r\n"));
        while (hear(p))
            ;
        a.whole = p->end == 1;
        a.body = p->buf + begin;
        a.len = p->len - begin;
        p->at = p->len;
    }
    return a;
}

static struct answer hear_answer(struct peer *p)
{
    return hear_answer_to(p, "GET");
}

static void assert_body(const struct answer *a, const char *text)
{
    assert_true(a->whole);
    assert_int_equal(a->len, strlen(text));
    assert_memory_equal(a->body, text, a->len);
}

/* The next answer, with this status and body. */
static void expect(struct peer *p, int status, const char *text)
{
    struct answer a = hear_answer(p);

    if (a.status != status)
        fail_msg("status %d instead of %d: %.*s", a.status, status, (int)a.len,
                 a.body ? a.body : "");
    assert_body(&a, text);
}

/* Nothing follows but the server's FIN. */
static void expect_end(struct peer *p)
{
    if (p->at < p->len || hear(p))
        fail_msg("more: %.*s", (int)(p->len - p->at), p->buf + p->at);
    assert_int_equal(p->end, 1);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

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
