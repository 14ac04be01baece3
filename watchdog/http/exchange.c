/*
 * exchange.c - see exchange.h
 *
 * The one place that decides, in a fixed order, what becomes of a request: a private path, the
 * limit, the mode; and the one place that ends it and counts it.
 */
#include "exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "bandog/metrics.h"
#include "call_id.h"
#include "conn.h"

#if defined(__SANITIZE_ADDRESS__)
#define SPARES_MAX 0 /* so that a use after the end is seen */
#else
#define SPARES_MAX 128
#endif

#define STATUS_CLIENT_GONE 499

/* Who answers when no mode does. */
static const struct bd_mode engine = {.name = "engine"};

/* Memory */

struct exchange *exchange_new(struct host *h, struct conn *c)
{
    struct bd_queue *q = bd_queue_shift(&h->spare);
    struct exchange *x;

    if (q) {
        x = BD_CONTAINER(q, struct exchange, link);
        h->spares--;
    } else {
        x = malloc(sizeof(*x));
        if (!x)
            abort();
        bd_arena_init(&x->pub.arena);
        bd_queue_init(&x->link);
    }
    x->pub = (struct bd_exchange){.worker = h->worker, .mode = &engine, .arena = x->pub.arena};
    x->conn = c;
    x->host = h;
    x->state = EXCHANGE_HEAD;
    x->counted = x->entered = x->in_flight = x->expect_continue = x->close = x->waits = x->granted =
        x->waited = false;
    x->deadline = x->write_timeout = x->queue_wait = (struct bd_deadline){0};
    x->reply.flush = (struct bd_turn){0};
    head_init(&x->head, &x->pub.arena, &x->pub.req);
    reply_init(&x->reply);
    return x;
}

void exchange_recycle(struct exchange *x)
{
    struct host *h = x->host;

    assert(x->state == EXCHANGE_OVER || x->state == EXCHANGE_HEAD);
    bd_arena_clear(&x->pub.arena);
    if (h->spares < SPARES_MAX) {
        bd_queue_push(&h->spare, &x->link);
        h->spares++;
    } else {
        bd_arena_release(&x->pub.arena);
        free(x);
    }
}

/* Beginning */

static void answer(struct exchange *x, int status)
{
    bd_reply(&x->pub, status, NULL, 0, NULL, 0);
}

/* An escape may stand for any character of the path but '/', which separates only as itself. */
static bool matches(struct bd_slice raw, const char *path)
{
    size_t i = 0;

    for (; *path; path++) {
        if (i == raw.len)
            return false;
        if (raw.p[i] == '%') {
            if (*path == '/' || bd_hex_byte(raw.p + i + 1) != (unsigned char)*path)
                return false;
            i += 3;
        } else if (raw.p[i++] != *path) {
            return false;
        }
    }
    return i == raw.len;
}

static const struct bd_route *find_route(struct exchange *x)
{
    const struct bd_route *r = x->host->conf->route;

    for (; r && r->path; r++)
        if (matches(x->pub.req.path, r->path))
            return r;
    return NULL;
}

static void refuse_with_429(struct exchange *x, const char *text)
{
    static const struct bd_field field[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain")},
        {BD_SLICE("X-Openfaas-Internal"), BD_SLICE("faas-middleware")},
        {BD_SLICE("Retry-After"), BD_SLICE("1")},
    };

    bd_reply(&x->pub, 429, field, 3, text, strlen(text));
}

static void refuse_over_limit(struct exchange *x)
{
    refuse_with_429(x, bd_arena_printf(&x->pub.arena,
                                       "Concurrent request limit exceeded. Max concurrent "
                                       "requests: %lld\n",
                                       (long long)x->host->conf->max_inflight));
}

static void on_queue_timeout(struct bd_deadline *d)
{
    struct exchange *x = BD_CONTAINER(d, struct exchange, queue_wait);
    const struct bd_server_conf *conf = x->host->conf;

    line_leave(x);
    refuse_with_429(x,
                    bd_arena_printf(&x->pub.arena,
                                    "queue_timeout %s reached: max_inflight %lld calls are under "
                                    "way\n",
                                    conf->queue_timeout, (long long)conf->max_inflight));
}

static void on_write_timeout(struct bd_deadline *d)
{
    struct exchange *x = BD_CONTAINER(d, struct exchange, write_timeout);

    if (x->state == EXCHANGE_OPEN) {
        const char *reason = bd_arena_printf(&x->pub.arena, "write_timeout %s reached",
                                             x->host->conf->write_timeout);

        exchange_abort(x, BD_ABORT_WRITE_TIMEOUT, reason);
    } else {
        exchange_broken(x);
    }
}

static void start_write_timeout(struct exchange *x, int64_t now_ns)
{
    int64_t ns = x->host->conf->write_timeout_ns;

    if (ns > 0)
        bd_deadline_start_at(x->host->worker, &x->write_timeout, now_ns, ns, on_write_timeout);
}

static void start_mode(struct exchange *x)
{
    struct conn *c = x->conn;

    x->pub.mode->start(&x->pub);
    /* After start(), so that a deadline of the mode with the same length comes first. */
    if (c->x == x && x->state == EXCHANGE_OPEN && x->reply.framing != REPLY_RAW)
        start_write_timeout(x, x->waited ? bd_now_ns() : x->pub.began_ns);
}

/* Declared; what a chunked one turns out to be is seen by exchange_body(). */
static bool has_too_much_body(const struct exchange *x)
{
    int64_t most = x->host->conf->max_body;

    return most > 0 && x->pub.req.content_length > most;
}

static const char *max_body_reached(struct exchange *x)
{
    return bd_arena_printf(&x->pub.arena, "max_body %lld bytes reached",
                           (long long)x->host->conf->max_body);
}

static void begin_mode(struct exchange *x)
{
    call_id_ensure(x);
    x->entered = true;
    x->pub.mode = x->host->conf->mode;
    x->pub.conf = x->host->conf->mode_conf;
    start_mode(x);
}

static void begin_call(struct exchange *x)
{
    const struct bd_server_conf *conf = x->host->conf;

    bd_metrics_begin(bd_worker_metrics(x->host->worker));
    x->counted = x->in_flight = true;
    if (has_too_much_body(x)) {
        x->close = true;
        bd_reply_text(&x->pub, 413, bd_arena_printf(&x->pub.arena, "%s\n", max_body_reached(x)));
    } else if (place_take(x->host)) {
        begin_mode(x);
    } else if (line_join(x)) {
        if (conf->queue_timeout_ns > 0)
            bd_deadline_start(x->host->worker, &x->queue_wait, conf->queue_timeout_ns,
                              on_queue_timeout);
    } else {
        refuse_over_limit(x);
    }
}

void exchange_granted(struct exchange *x)
{
    struct conn *c = x->conn;

    x->waited = true;
    bd_deadline_stop(&x->queue_wait);
    conn_turn_has_come(c);
    begin_mode(x); /* may end x */
    conn_go_on(c, x);
}

void exchange_begin(struct exchange *x)
{
    const struct bd_request *r = &x->pub.req;
    const struct bd_route *route;

    assert(x->state == EXCHANGE_HEAD);
    x->state = EXCHANGE_OPEN;
    x->pub.began_ns = bd_now_ns();
    x->expect_continue = x->head.expect_continue;
    body_init(&x->body, &x->head.msg, r->content_length);

    if (bd_slice_eq(r->method, BD_SLICE("CONNECT"))) {
        answer(x, 404);
        return;
    }
    if (bd_slice_eq(r->target, BD_SLICE("*"))) {
        x->close = !bd_slice_eq(r->method, BD_SLICE("OPTIONS"));
        answer(x, x->close ? 400 : 200);
        return;
    }
    route = find_route(x);
    if (route) {
        x->pub.mode = route->mode;
        x->pub.conf = route->conf;
        start_mode(x);
    } else {
        begin_call(x);
    }
}

/* The body, for the mode */

enum bd_flow exchange_body(struct exchange *x, const char *buf, size_t len)
{
    int64_t most = x->host->conf->max_body;

    x->expect_continue = false;
    x->pub.body_bytes += (int64_t)len;
    if (most > 0 && x->pub.body_bytes > most && x->counted && x->state == EXCHANGE_OPEN &&
        x->reply.framing != REPLY_RAW) {
        exchange_abort(x, BD_ABORT_LIMIT, max_body_reached(x));
        return BD_GO;
    }
    if (x->state != EXCHANGE_OPEN || !x->pub.mode->body)
        return BD_GO;
    return x->pub.mode->body(&x->pub, buf, len);
}

void exchange_body_end(struct exchange *x)
{
    x->pub.req.trailer = x->head.msg.trailer;
    x->pub.req.trailers = x->head.msg.trailers;
    if (x->state == EXCHANGE_OPEN && x->pub.mode->body_end)
        x->pub.mode->body_end(&x->pub);
}

void bd_body_resume(struct bd_exchange *x)
{
    conn_body_resume(exchange_of(x)->conn);
}

bool bd_body_complete(const struct bd_exchange *x)
{
    return body_complete(&((const struct exchange *)(const void *)x)->body);
}

/* The end */

bool bd_take_place(struct bd_exchange *pub)
{
    struct exchange *x = exchange_of(pub);

    x->entered = place_take(x->host);
    if (x->entered)
        call_id_ensure(x);
    return x->entered;
}

void exchange_leave(struct exchange *x)
{
    if (x->entered)
        place_give(x->host);
    if (x->in_flight)
        bd_metrics_end(bd_worker_metrics(x->host->worker));
    x->entered = x->in_flight = false;
}

/* An upgraded connection counts as 200, as it does in the Go programs. */
static int counted_status(int status)
{
    return status == 101 ? 200 : status;
}

static void finish(struct exchange *x)
{
    struct bd_exchange *pub = &x->pub;

    assert(x->state == EXCHANGE_ENDED);
    bd_deadline_stop(&x->deadline);
    bd_deadline_stop(&x->write_timeout);
    bd_turn_cancel(&x->reply.flush);
    reply_file_stop(x);
    if (pub->mode->finish)
        pub->mode->finish(pub);
    exchange_leave(x);
    if (x->counted)
        bd_metrics_count(bd_worker_metrics(x->host->worker), counted_status(pub->status),
                         pub->req.method, bd_now_ns() - pub->began_ns);
    x->state = EXCHANGE_OVER;
    conn_exchange_over(x->conn);
}

void exchange_upgraded(struct exchange *x)
{
    bd_deadline_stop(&x->deadline);
    bd_deadline_stop(&x->write_timeout);
    x->body.left = BODY_UNTIL_CLOSE;
    conn_upgraded(x->conn);
}

void exchange_ended(struct exchange *x)
{
    assert(x->state == EXCHANGE_OPEN);
    x->state = EXCHANGE_ENDED;
    bd_deadline_stop(&x->deadline);
    conn_drop_body(x->conn);
    if (x->conn->out.under_way == 0 && !x->conn->broken) {
        finish(x);
        return;
    }
    if (!bd_deadline_runs(&x->write_timeout))
        start_write_timeout(x, bd_now_ns()); /* it was over before exchange_begin() could do that */
    conn_advance(x->conn);                   /* a client may want to say all before it reads */
}

void exchange_written(struct exchange *x)
{
    if (x->state == EXCHANGE_ENDED) {
        finish(x);
        return;
    }
    assert(x->state == EXCHANGE_OPEN);
    if (!x->reply.lent)
        return;
    if (reply_file_written(x) == BD_WAIT)
        return;
    x->reply.lent = false;
    x->pub.mode->drain(&x->pub);
}

void exchange_broken(struct exchange *x)
{
    assert(x->state == EXCHANGE_ENDED);
    x->pub.cut = true;
    finish(x);
}

static int abort_status(enum bd_abort why)
{
    switch (why) {
    case BD_ABORT_GONE:
        return STATUS_CLIENT_GONE;
    case BD_ABORT_BODY:
    case BD_ABORT_READ_TIMEOUT:
        return 400;
    case BD_ABORT_DEADLINE:
    case BD_ABORT_WRITE_TIMEOUT:
        return 504;
    case BD_ABORT_SHUTDOWN:
        return 503;
    case BD_ABORT_SOURCE:
        return 500;
    case BD_ABORT_LIMIT:
        return 413;
    }
    return 500;
}

void exchange_abort(struct exchange *x, enum bd_abort why, const char *reason)
{
    assert(x->state == EXCHANGE_OPEN);
    x->pub.reason = reason;
    line_leave(x);
    bd_deadline_stop(&x->queue_wait);
    if (x->pub.mode->abort)
        x->pub.mode->abort(&x->pub, why);
    assert(x->state == EXCHANGE_OPEN);

    if (x->reply.out_sealed || why == BD_ABORT_GONE) {
        x->pub.cut = true;
        if (!x->reply.out_sealed)
            x->pub.status = STATUS_CLIENT_GONE;
        x->state = EXCHANGE_ENDED;
        finish(x);
        return;
    }
    reply_reset(x);
    x->close = why != BD_ABORT_DEADLINE && why != BD_ABORT_WRITE_TIMEOUT;
    bd_reply_text(&x->pub, abort_status(why), bd_arena_printf(&x->pub.arena, "%s\n", reason));
}

/* Deadline */

static void on_deadline(struct bd_deadline *d)
{
    struct exchange *x = BD_CONTAINER(d, struct exchange, deadline);
    const char *reason;

    assert(x->state == EXCHANGE_OPEN);
    reason = bd_arena_printf(&x->pub.arena, "%s %s reached", x->deadline_name, x->deadline_value);
    if (x->reply.out_sealed || !x->pub.mode->deadline) {
        exchange_abort(x, BD_ABORT_DEADLINE, reason);
        return;
    }
    reply_reset(x);
    x->pub.reason = reason;
    x->pub.mode->deadline(&x->pub);
}

void bd_set_deadline(struct bd_exchange *pub, int64_t ns, const char *name, const char *value)
{
    struct exchange *x = exchange_of(pub);

    assert(x->state == EXCHANGE_OPEN);
    x->deadline_name = name;
    x->deadline_value = value;
    if (ns > 0)
        bd_deadline_start(x->host->worker, &x->deadline, ns, on_deadline);
    else
        bd_deadline_stop(&x->deadline);
}
