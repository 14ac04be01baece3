/*
 * relay.c - see relay.h
 *
 * Each request is a fetch (bandog/upstream.h) from the pool of its worker; here one callback is
 * glued to the other: body() writes to the fetch, what the fetch brings is sent to the client, and
 * BD_WAIT goes through in both directions. Answers of our own say which hop failed, and why.
 */
#include "relay.h"

#include "bandog/fields.h"
#include "bandog/sniff.h"

#define EXPECT_NS (1500 * BD_NS_PER_MS) /* for the function to say 100, then we do */

/* The end of a relay; the exchange may live on */

static void release(struct relay *r)
{
    if (r->fetching)
        bd_fetch_cancel(&r->fetch);
    r->fetching = false;
    bd_deadline_stop(&r->expect);
    bd_deadline_stop(&r->pause);
    if (r->held)
        held_release(r->held);
    r->held = NULL;
}

/* An answer of our own. Last statement. */
static void refuse(struct relay *r, int status, const char *text)
{
    struct bd_exchange *x = r->x;
    const struct bd_field field[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain; charset=utf-8")},
        {BD_SLICE("X-Openfaas-Internal"), BD_SLICE("of-watchdog")},
        bd_duration_field(x, bd_now_ns()),
    };

    release(r);
    bd_reply(x, status, field, 3, text, strlen(text));
}

/* The answer */

static int64_t answer_length(const struct relay *r, const struct bd_response *a)
{
    if (r->fetch.to_head || a->status == 304)
        return a->declared >= 0 ? a->declared : BD_LENGTH_NONE;
    return a->body >= 0 ? a->body : BD_LENGTH_UNKNOWN;
}

static bool is_stream_type(struct bd_slice type)
{
    const char *end = type.len > 0 ? memchr(type.p, ';', type.len) : NULL;

    if (end)
        type.len = (size_t)(end - type.p);
    while (type.len > 0 && (type.p[type.len - 1] == ' ' || type.p[type.len - 1] == '\t'))
        type.len--;
    return bd_slice_ieq(type, BD_SLICE("text/event-stream")) ||
           bd_slice_ieq(type, BD_SLICE("application/x-ndjson"));
}

/* What the function sent, for the client; `type` is what it did not say, or NULL. */
static void respond(struct relay *r, const struct bd_response *a, const char *type)
{
    struct bd_exchange *x = r->x;
    struct bd_field *field = bd_arena_alloc(&x->arena, (a->fields + 2) * sizeof(*field));
    size_t fields = bd_fields_end_to_end(field, a->field, a->fields), kept = 0;

    for (size_t i = 0; i < fields; i++)
        if (r->forward.streams || field[i].name.len != 18 ||
            !bd_slice_ieq(field[i].name, BD_SLICE("x-duration-seconds")))
            field[kept++] = field[i];
    if (!r->forward.streams)
        field[kept++] = bd_duration_field(x, r->head_ns);
    if (type)
        field[kept++] = (struct bd_field){BD_SLICE("Content-Type"), bd_slice_of(type)};
    bd_respond_with(x, a->status, a->reason, field, kept, answer_length(r, a));
}

static void upgrade(struct relay *r, const struct bd_response *a)
{
    struct bd_exchange *x = r->x;
    struct bd_field *field = bd_arena_alloc(&x->arena, (a->fields + 1) * sizeof(*field));
    size_t fields = bd_fields_end_to_end(field, a->field, a->fields);

    for (size_t i = 0; i < a->fields; i++)
        if (bd_slice_ieq(a->field[i].name, BD_SLICE("upgrade")))
            field[fields++] = a->field[i];
    r->streams = false; /* no limit for what comes now */
    bd_upgrade(x, a->reason, field, fields);
}

static struct bd_slice kept(struct bd_exchange *x, struct bd_slice s)
{
    return (struct bd_slice){bd_arena_copy(&x->arena, s), s.len};
}

/* The head waits: everything it is made of is copied, which is rare. */
static void hold_head(struct relay *r, const struct bd_response *a)
{
    struct bd_exchange *x = r->x;
    struct bd_response *copy = bd_arena_alloc(&x->arena, sizeof(*copy));
    struct bd_field *field = bd_arena_alloc(&x->arena, (a->fields + 1) * sizeof(*field));

    for (size_t i = 0; i < a->fields; i++)
        field[i] = (struct bd_field){kept(x, a->field[i].name), kept(x, a->field[i].value)};
    *copy = *a;
    copy->field = field;
    copy->reason = r->reason;
    r->pending = copy;
}

/* A stream's limit begins anew; it is the function's, not that of a client who reads slowly. */
static void renew_limit(struct relay *r, enum bd_flow flow)
{
    if (r->streams && r->limit_ns > 0)
        bd_set_deadline(r->x, flow == BD_WAIT ? 0 : r->limit_ns, r->timer, r->value);
}

static void on_head(void *owner, const struct bd_response *a)
{
    struct relay *r = owner;
    struct bd_exchange *x = r->x;
    bool typed = false, coded = false;

    bd_deadline_stop(&r->expect);
    r->head_ns = bd_now_ns();
    r->declared = a->declared;
    r->reason = kept(x, a->reason);
    if (a->status == 101) {
        upgrade(r, a);
        return;
    }
    r->streams = r->forward.streams;
    for (size_t i = 0; i < a->fields; i++) {
        const struct bd_field *f = &a->field[i];

        if (f->name.len == 12 && bd_slice_ieq(f->name, BD_SLICE("content-type"))) {
            typed = true;
            r->streams = r->streams || is_stream_type(f->value);
        } else if (f->name.len == 16 && bd_slice_ieq(f->name, BD_SLICE("content-encoding"))) {
            coded = true;
        }
    }
    renew_limit(r, BD_GO);
    if (typed || coded || a->body == 0)
        respond(r, a, NULL);
    else
        hold_head(r, a);
}

static void on_interim(void *owner, const struct bd_response *a)
{
    struct relay *r = owner;
    struct bd_exchange *x = r->x;
    struct bd_field *field;
    size_t fields;

    if (a->status == 100) {
        bd_deadline_stop(&r->expect);
        bd_continue(x);
        return;
    }
    field = bd_arena_alloc(&x->arena, (a->fields + 1) * sizeof(*field));
    fields = bd_fields_end_to_end(field, a->field, a->fields);
    bd_interim(x, a->status, a->reason, field, fields);
}

static enum bd_flow on_body(void *owner, const char *buf, size_t len)
{
    struct relay *r = owner;
    enum bd_flow flow;

    if (r->pending) {
        respond(r, r->pending, bd_sniff(buf, len));
        r->pending = NULL;
    }
    flow = bd_send(r->x, buf, len);
    renew_limit(r, flow);
    return flow;
}

static void on_ended(void *owner, const struct bd_field *trailer, size_t trailers)
{
    struct relay *r = owner;
    struct bd_exchange *x = r->x;

    r->fetching = false;
    release(r);
    if (r->pending)
        respond(r, r->pending, NULL);
    if (trailers > 0) {
        struct bd_field *field = bd_arena_alloc(&x->arena, trailers * sizeof(*field));

        trailers = bd_fields_end_to_end(field, trailer, trailers);
        bd_trailer(x, field, trailers);
    }
    bd_end(x);
}

static void on_failed(void *owner, const char *why)
{
    struct relay *r = owner;
    struct bd_exchange *x = r->x;

    r->fetching = false;
    if (x->status == 0) {
        r->error = why;
        refuse(r, 502,
               bd_arena_printf(&x->arena, "no answer from the function at %s: %s\n",
                               r->conf->upstream.url, why));
        return;
    }
    release(r);
    r->broke = why;
    bd_cut(x, why);
}

/* The request's body */

static enum bd_flow take_for_function(void *to, const char *buf, size_t len)
{
    return bd_fetch_write(&((struct relay *)to)->fetch, buf, len);
}

static void on_pause_over(struct bd_deadline *d);

static void send_held(struct relay *r)
{
    switch (held_give(r->held, take_for_function, r)) {
    case HELD_SENT:
        r->sending_held = false;
        held_release(r->held);
        r->held = NULL;
        bd_fetch_finish(&r->fetch, NULL, 0);
        break;
    case HELD_WAIT:
        break;
    case HELD_PAUSE:
        bd_deadline_start(r->x->worker, &r->pause, 0, on_pause_over);
        break;
    case HELD_LOST:
        bd_fetch_cancel(&r->fetch);
        on_failed(r, "the body held on disk cannot be read");
        break;
    }
}

static void on_pause_over(struct bd_deadline *d)
{
    send_held(BD_CONTAINER(d, struct relay, pause));
}

static void on_drained(void *owner)
{
    struct relay *r = owner;

    if (r->sending_held)
        send_held(r);
    else
        bd_body_resume(r->x);
}

/* Without exec_timeout only the wait for the function to listen is limited. */
static void on_linked(void *owner)
{
    struct relay *r = owner;

    if (r->limit_ns <= 0)
        bd_set_deadline(r->x, 0, NULL, NULL);
}

static const struct bd_fetch_ops fetch_ops = {
    .linked = on_linked,
    .drained = on_drained,
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .ended = on_ended,
    .failed = on_failed,
};

/* Beginning */

static void on_expect_over(struct bd_deadline *d)
{
    struct relay *r = BD_CONTAINER(d, struct relay, expect);

    bd_continue(r->x);
}

static void begin(struct relay *r, int64_t length)
{
    struct bd_exchange *x = r->x;

    r->fetch.ops = &fetch_ops;
    r->fetch.owner = r;
    r->fetch.arena = &x->arena;
    r->fetch.length = length;
    r->fetch.to_head = bd_slice_eq(x->req.method, BD_SLICE("HEAD"));
    r->fetch.upgrade = r->forward.upgrades;
    r->fetch.head = forward_head(x, &r->forward, &r->conf->upstream, length, !r->held);
    r->fetching = true;
    bd_fetch_start(&r->fetch, bd_worker_data(x->worker));
    if (!r->fetch.link && r->limit_ns <= 0)
        bd_set_deadline(x, START_NS, "the time to start", START_TEXT);
    if (bd_expects_continue(x))
        bd_deadline_start(x->worker, &r->expect, EXPECT_NS, on_expect_over);
    if (length == 0)
        bd_fetch_finish(&r->fetch, NULL, 0);
}

/* X-Timeout may shorten exec_timeout for this call. */
static void set_limit(struct relay *r)
{
    const struct http_conf *conf = r->conf;
    int64_t ns;

    r->limit_ns = conf->exec_timeout_ns;
    r->timer = "exec_timeout";
    r->value = conf->exec_timeout;
    if (r->forward.timeout && r->limit_ns > 0 && r->forward.timeout->value.len < 64) {
        char *text = bd_arena_copy(&r->x->arena, r->forward.timeout->value);

        if (bd_duration_parse_units(text, &ns) == 0 && ns > 0 && ns <= r->limit_ns) {
            r->limit_ns = ns;
            r->timer = "X-Timeout";
            r->value = bd_duration_print(bd_arena_alloc(&r->x->arena, BD_DURATION_BYTES), ns);
        }
    }
    if (r->limit_ns > 0)
        bd_set_deadline(r->x, r->limit_ns, r->timer, r->value);
}

void relay_start(struct bd_exchange *x)
{
    const struct http_conf *conf = x->conf;
    struct relay *r = bd_arena_alloc(&x->arena, sizeof(*r));

    memset(r, 0, sizeof(*r));
    r->x = x;
    r->conf = conf;
    x->state = r;
    forward_read(&r->forward, &x->req);
    set_limit(r);
    if ((conf->buffer_http || conf->http_buffer_req_body) && !bd_body_complete(x)) {
        r->held = bd_arena_alloc(&x->arena, sizeof(*r->held));
        held_init(r->held, x->worker);
        bd_continue(x);
    } else {
        begin(r, x->req.content_length);
    }
}

enum bd_flow relay_body(struct bd_exchange *x, const char *buf, size_t len)
{
    struct relay *r = x->state;
    int err;

    if (!r->held)
        return bd_fetch_write(&r->fetch, buf, len);
    err = held_add(r->held, buf, len);
    if (err) {
        r->error = bd_arena_printf(&x->arena, "cannot hold the request body: %s", strerror(err));
        refuse(r, 507, bd_arena_printf(&x->arena, "%s\n", r->error));
    }
    return BD_GO;
}

static void begin_with_held(struct relay *r)
{
    begin(r, (int64_t)r->held->len);
    r->sending_held = r->held->len > 0;
    if (r->sending_held)
        send_held(r);
    else
        r->held = NULL; /* nothing came, so nothing is in it */
}

void relay_body_end(struct bd_exchange *x)
{
    struct relay *r = x->state;
    struct bd_field *field;
    size_t fields;

    if (r->held) {
        begin_with_held(r);
        return;
    }
    if (x->status == 101) { /* half a tunnel must not stay silent for ever */
        r->streams = true;
        if (r->limit_ns <= 0) {
            r->limit_ns = START_NS;
            r->value = START_TEXT;
        }
        renew_limit(r, BD_GO);
    }
    field = bd_arena_alloc(&x->arena, (x->req.trailers + 1) * sizeof(*field));
    fields = bd_fields_end_to_end(field, x->req.trailer, x->req.trailers);
    bd_fetch_finish(&r->fetch, field, fields);
}

void relay_drain(struct bd_exchange *x)
{
    struct relay *r = x->state;

    if (!r->fetching)
        return;
    renew_limit(r, BD_GO);
    bd_fetch_resume(&r->fetch);
}

/* Endings that the engine asks for */

void relay_deadline(struct bd_exchange *x)
{
    struct relay *r = x->state;
    bool linked = r->fetching && r->fetch.link;
    const char *text;

    r->timed_out = true;
    r->error = bd_arena_printf(&x->arena, "context deadline exceeded (%s)", x->reason);
    if (linked)
        text = bd_arena_printf(&x->arena, "%s while waiting for the answer of the function at %s\n",
                               x->reason, r->conf->upstream.url);
    else if (r->fetching)
        text = bd_arena_printf(&x->arena, "%s while waiting for the function to listen at %s\n",
                               x->reason, r->conf->upstream.url);
    else
        text = bd_arena_printf(&x->arena, "%s while waiting for the request body\n", x->reason);
    refuse(r, r->fetching && !linked ? 503 : 504, text);
}

void relay_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct relay *r = x->state;

    if (why != BD_ABORT_GONE && x->status == 0)
        r->error = x->reason;
    else if (why != BD_ABORT_GONE)
        r->broke = x->reason;
    release(r);
}
