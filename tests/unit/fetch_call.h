/*
 * fetch_call.h - a fetch on a worker's thread, and what its owner was told (see fetch_run.h)
 *
 * The fetch is memory of its own and freed with its last callback, or when it is cancelled; so is
 * what was lent to it.
 */
#ifndef TESTS_UNIT_FETCH_CALL_H
#define TESTS_UNIT_FETCH_CALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <assert.h>
#include <pthread.h>
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

    bool is_kept, is_out; /* what await_kept() and await_taken() have seen */
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
    for (size_t i = 0; i < fields && at < sizeof(c->answer); i++) /* as far as there is room */
        at += (size_t)snprintf(c->answer + at, sizeof(c->answer) - at, "%s%.*s: %.*s|", mark,
                               (int)field[i].name.len, field[i].name.p, (int)field[i].value.len,
                               field[i].value.p);
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

static void look_here(void *arg)
{
    struct call *c = arg;

    c->is_kept = c->kept.p != NULL;
    c->is_out = c->out != NULL;
}

/* Until the next bytes are lent to us. */
static void await_kept(struct call *c)
{
    do {
        on_worker(look_here, c);
    } while (!c->is_kept);
}

/* Until what we have lent is ours again. */
static void await_taken(struct call *c)
{
    do {
        on_worker(look_here, c);
    } while (c->is_out);
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

#endif
