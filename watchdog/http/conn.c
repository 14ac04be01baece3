/*
 * conn.c - see conn.h
 *
 * One read buffer per connection, taken when bytes come and given back when nothing is in it, so an
 * idle connection costs its structure only. Within a request the head stays where it was read
 * (its fields are slices of it) and the body passes through the room behind it.
 *
 *     IDLE -> HEAD -> BODY <-> LENT            a request is read; or HEAD -> HELD -> BODY
 *               |       |        |
 *               +--> WHOLE <-----+             all of it is here, the answer is not complete
 *                       |
 *     IDLE <- DROP <----+----> LINGER -> CLOSED
 *
 * A mode may end its exchange inside the very call that started it; conn_advance() turns that
 * recursion into its loop.
 */
#include "conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"
#include "refuse.h"

#define BODY_ROOM_MIN (16 * 1024)   /* behind a head, so that a body comes in decent pieces */
#define LATE_NS (INT64_C(10000000)) /* to read what waits in the socket */
#define DRAIN_HEAD_NS (INT64_C(500000000)) /* for the rest of a head that has begun */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_wait_over(struct bd_deadline *d);

static void read_on(struct conn *c)
{
    if (!c->reading && !c->fin)
        c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
}

static void read_off(struct conn *c)
{
    if (c->reading)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

/* Steps */

/* A larger buffer for a head that does not fit; bounded, because head_feed() refuses longer ones.
 */
static void grow_input(struct conn *c)
{
    const char *before = c->in.buf;

    assert(c->in.cap <= 2 * HEAD_BYTES_MAX);
    input_grow(&c->in, c->host->worker);
    head_moved(&c->x->head, before, c->in.len, c->in.buf);
}

static bool is_tunnel(const struct conn *c)
{
    return c->x && c->x->reply.framing == REPLY_RAW;
}

static void wait_for_client(struct conn *c)
{
    int64_t ns = c->host->conf->read_timeout_ns;

    c->late = false;
    bd_deadline_stop(&c->wait);
    if (ns > 0 && !is_tunnel(c)) /* "none" for 0 and less */
        bd_deadline_start(c->host->worker, &c->wait, ns, on_wait_over);
}

static void refuse(struct conn *c)
{
    struct exchange *x = c->x;

    refuse_head(c, x->head.refusal.status, x->head.refusal.detail);
    conn_linger(c);
}

/* Room behind the head for what comes next, once all that was there has been taken. */
static void reuse_body_room(struct conn *c)
{
    if (c->in.at == c->in.len)
        c->in.at = c->in.len = c->x->head.at;
}

static void request_is_whole(struct conn *c)
{
    c->reads = CONN_WHOLE;
    reuse_body_room(c);
    bd_deadline_stop(&c->wait);
    if (c->fin)
        conn_probe_start(c);
}

static void offer_continue(struct conn *c)
{
    struct exchange *x = c->x;

    if (x->state != EXCHANGE_OPEN || !x->pub.mode->body || x->pub.mode->expects)
        return;
    if (c->in.at < c->in.len)
        return; /* the client has not waited */
    bd_continue(&x->pub);
}

static void head_is_complete(struct conn *c)
{
    struct exchange *x = c->x;

    c->in.at = x->head.at;
    if (x->pub.req.content_length != 0 && c->in.cap - c->in.at < BODY_ROOM_MIN)
        grow_input(c);
    if (x->pub.req.content_length == 0) {
        request_is_whole(c);
    } else {
        c->reads = CONN_BODY;
        if (c->host->draining)
            wait_for_client(c); /* the time of conn_drain() was for the head */
    }
    c->again = true;
    exchange_begin(x); /* may end x */
    if (c->reads == CONN_BODY && c->x == x && x->waits) {
        c->reads = CONN_HELD;
        conn_probe_start(c); /* once the buffer is full nothing is read that could tell */
    }
    if (c->reads == CONN_BODY && c->x == x)
        offer_continue(c);
}

void conn_turn_has_come(struct conn *c)
{
    if (c->reads != CONN_HELD)
        return; /* there is no body */
    c->reads = CONN_BODY;
    if (!c->fin)
        bd_deadline_stop(&c->probe);
    wait_for_client(c);
}

void conn_go_on(struct conn *c, const struct exchange *x)
{
    if (c->reads == CONN_BODY && c->x == x)
        offer_continue(c);
    conn_advance(c);
}

static void step_idle(struct conn *c)
{
    if (c->in.len == 0) {
        if (c->fin)
            conn_close(c);
        else if (c->host->draining && c->reused)
            conn_linger(c);
        return;
    }
    c->x = exchange_new(c->host, c);
    c->reads = CONN_HEAD;
    if (c->reused)
        wait_for_client(c); /* for a first request the time runs since the connection came */
    c->again = true;
}

static void step_head(struct conn *c)
{
    switch (head_feed(&c->x->head, c->in.buf, c->in.len)) {
    case HEAD_COMPLETE:
        head_is_complete(c);
        break;
    case HEAD_BAD:
        refuse(c);
        break;
    case HEAD_MORE:
        if (c->fin)
            conn_close(c);
        else if (c->in.len == c->in.cap)
            grow_input(c);
        break;
    }
}

/* The last piece has been taken. */
static void body_is_complete(struct conn *c)
{
    request_is_whole(c);
    c->again = true;
    exchange_body_end(c->x); /* may end the exchange */
}

static void body_is_bad(struct conn *c, enum bd_abort why, const char *reason)
{
    struct exchange *x = c->x;

    x->close = true;
    if (x->state == EXCHANGE_OPEN) {
        exchange_abort(x, why, reason);
    } else if (x->state == EXCHANGE_ENDED) {
        request_is_whole(c); /* the answer is leaving, nobody needs the body */
    } else {
        conn_linger(c);
    }
}

/* After an upgrade: the client's end of file. */
static void stream_is_over(struct conn *c)
{
    c->x->body.left = 0;
    body_is_complete(c);
}

/* The body's next piece. False when all bytes at hand have been looked at. */
static bool next_piece(struct conn *c, struct bd_slice *ret_piece, enum body_result *ret_result)
{
    struct input *in = &c->in;
    size_t used;

    if (in->at == in->len) {
        reuse_body_room(c);
        if (c->fin && body_until_close(&c->x->body))
            stream_is_over(c);
        else if (c->fin)
            body_is_bad(c, BD_ABORT_BODY, "unexpected EOF");
        return false;
    }
    *ret_result = body_feed(&c->x->body, in->buf + in->at, in->len - in->at, ret_piece, &used);
    in->at += used;
    c->again = true;
    return true;
}

static void step_body(struct conn *c)
{
    struct exchange *x = c->x;
    struct bd_slice piece;
    enum body_result result;

    if (!next_piece(c, &piece, &result))
        return;
    if (piece.len > 0 && exchange_body(x, piece.p, piece.len) == BD_WAIT) {
        assert(c->reads == CONN_BODY);
        c->reads = CONN_LENT;
        c->lent_result = result;
        return;
    }
    if (c->reads != CONN_BODY) /* the mode has ended the exchange */
        return;
    if (result == BODY_COMPLETE)
        body_is_complete(c);
    else if (result == BODY_BAD)
        body_is_bad(c, BD_ABORT_BODY, x->body.error);
}

void conn_body_resume(struct conn *c)
{
    struct exchange *x = c->x;

    if (c->reads != CONN_LENT)
        return; /* from inside body(), which then said BD_GO, or after the end */
    c->reads = CONN_BODY;
    c->again = true;
    wait_for_client(c);
    if (c->lent_result == BODY_COMPLETE)
        body_is_complete(c);
    else if (c->lent_result == BODY_BAD)
        body_is_bad(c, BD_ABORT_BODY, x->body.error);
    conn_advance(c);
}

static void on_tunnel_late(struct bd_turn *t)
{
    conn_kill(BD_CONTAINER(t, struct conn, lost));
}

void conn_upgraded(struct conn *c)
{
    assert(c->reads == CONN_WHOLE);
    bd_deadline_stop(&c->wait);
    bd_deadline_stop(&c->probe);
    c->reads = CONN_BODY;
    if (c->host->draining)
        bd_turn_add(c->host->worker, &c->lost, on_tunnel_late);
    conn_advance(c);
}

static void next_request(struct conn *c)
{
    struct exchange *x = c->x;

    c->x = NULL;
    exchange_recycle(x);
    input_shift(&c->in, c->host->worker);
    c->reads = CONN_IDLE;
    c->reused = true;
    wait_for_client(c);
    c->again = true;
}

static void step_drop(struct conn *c)
{
    struct exchange *x = c->x;
    struct bd_slice piece;
    enum body_result result;
    size_t before = c->in.at;

    if (!next_piece(c, &piece, &result))
        return;
    if (result == BODY_BAD || c->in.at - before > c->drop_left) {
        body_is_bad(c, BD_ABORT_BODY, NULL);
        return;
    }
    c->drop_left -= c->in.at - before;
    if (result == BODY_MORE)
        return;
    request_is_whole(c);
    if (x->state == EXCHANGE_OVER)
        next_request(c);
}

static void step(struct conn *c)
{
    switch (c->reads) {
    case CONN_IDLE:
        step_idle(c);
        break;
    case CONN_HEAD:
        step_head(c);
        break;
    case CONN_BODY:
        step_body(c);
        break;
    case CONN_DROP:
        step_drop(c);
        break;
    case CONN_LENT:
    case CONN_HELD:
    case CONN_WHOLE:
    case CONN_LINGER:
    case CONN_CLOSED:
        break;
    }
}

/* Reads while the state has a use for bytes and the buffer has room for them. */
static void adjust_reading(struct conn *c)
{
    switch (c->reads) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DROP:
    case CONN_LINGER:
        read_on(c);
        break;
    case CONN_HELD:
    case CONN_WHOLE: /* to see the client leave; what it pipelines waits */
        if (c->in.len < c->in.cap)
            read_on(c);
        else
            read_off(c);
        break;
    case CONN_LENT:
        read_off(c);
        break;
    case CONN_CLOSED:
        break;
    }
}

void conn_advance(struct conn *c)
{
    c->again = true;
    if (c->advancing)
        return; /* called from inside a mode: the loop below goes on */
    c->advancing = true;
    while (c->again) {
        c->again = false;
        step(c);
    }
    c->advancing = false;
    adjust_reading(c);
}

/* The exchange's end */

/* In the socket, unread: closing now would send a reset. */
static bool has_bytes_waiting(struct conn *c)
{
    char byte;
    int fd;

    return uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0 &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void conn_drop_body(struct conn *c)
{
    struct exchange *x = c->x;

    if (c->reads != CONN_BODY && c->reads != CONN_LENT && c->reads != CONN_HELD)
        return;
    if (x->body.error)
        x->close = true;
    if (x->body.error || body_complete(&x->body) || is_tunnel(c)) {
        request_is_whole(c);
        return;
    }
    c->reads = CONN_DROP;
    c->drop_left = CONN_DROP_BYTES_MAX;
    wait_for_client(c);
}

/* All was read, and the client, who asked for it, sends nothing more: a plain FIN. */
static bool can_close_at_once(struct conn *c)
{
    return c->reads == CONN_WHOLE && !c->x->close && !c->x->head.client_keep_alive &&
           c->in.at == c->in.len && !has_bytes_waiting(c);
}

void conn_exchange_over(struct conn *c)
{
    struct exchange *x = c->x;
    bool keep = x->reply.keep_alive && !x->pub.cut && !x->close && !c->broken;

    assert(x->state == EXCHANGE_OVER);
    bd_deadline_stop(&c->probe);
    if (x->pub.cut && x->reply.framing == REPLY_CLOSE) {
        conn_reset(c);
    } else if (x->pub.cut || c->broken) {
        conn_close(c);
    } else if (c->reads == CONN_WHOLE && keep) {
        next_request(c);
    } else if (can_close_at_once(c)) {
        conn_close(c);
    } else if (!keep) {
        conn_linger(c);
    }
    conn_advance(c);
}

/* Time is up for the client: read_timeout. */
static void on_wait_over(struct bd_deadline *d)
{
    struct conn *c = BD_CONTAINER(d, struct conn, wait);
    struct exchange *x = c->x;

    /* It may be us who were not there: what has come in time is read first, once. */
    if (!c->late && c->reading && c->reads != CONN_LINGER && has_bytes_waiting(c)) {
        c->late = true;
        bd_deadline_start(c->host->worker, &c->wait, LATE_NS, on_wait_over);
        return;
    }
    switch (c->reads) {
    case CONN_IDLE:
        conn_close(c);
        break;
    case CONN_HEAD:
        if (!memchr(c->in.buf, '\n', c->in.len)) { /* not even the request line */
            refuse_head(c, 400, NULL);
            conn_linger(c);
        } else {
            conn_close(c);
        }
        break;
    case CONN_BODY:
        body_is_bad(c, BD_ABORT_READ_TIMEOUT,
                    bd_arena_printf(&x->pub.arena,
                                    "i/o timeout: read_timeout %s reached in the request body",
                                    c->host->conf->read_timeout));
        break;
    case CONN_DROP:
        body_is_bad(c, BD_ABORT_READ_TIMEOUT, NULL);
        break;
    case CONN_LENT: /* it is the function that makes us wait */
    case CONN_HELD:
        wait_for_client(c);
        break;
    case CONN_WHOLE:
    case CONN_LINGER:
    case CONN_CLOSED:
        break;
    }
    conn_advance(c);
}

/* Reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    (void)suggested;
    if (c->reads == CONN_LINGER)
        c->in.len = c->in.at = 0; /* whatever comes is thrown away */
    input_take(&c->in, c->host->worker);
    *buf = uv_buf_init(c->in.buf + c->in.len, (unsigned)(c->in.cap - c->in.len));
}

static void fed(struct conn *c, size_t n)
{
    if (c->reads == CONN_LINGER)
        return;
    c->in.len += n;
    conn_advance(c);
}

static void ended(struct conn *c)
{
    struct exchange *x = c->x;

    c->fin = true;
    c->reading = false; /* libuv stops by itself */
    switch (c->reads) {
    case CONN_IDLE:
    case CONN_LINGER:
        conn_close(c);
        break;
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DROP:
        conn_advance(c);
        break;
    case CONN_WHOLE:
    case CONN_HELD:
        if (x->state == EXCHANGE_OPEN)
            conn_probe_start(c);
        break;
    case CONN_LENT: /* not reading */
    case CONN_CLOSED:
        break;
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    (void)buf;
    if (n > 0) {
        fed(c, (size_t)n);
        return;
    }
    if (c->in.len == 0)
        input_release(&c->in, c->host->worker);
    if (n == UV_EOF)
        ended(c);
    else if (n < 0)
        conn_lost(c);
}

/* Life */

void conn_open(struct host *h, int fd)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->host = h;
    c->tcp.data = c;
    outgoing_init(&c->out, (uv_stream_t *)&c->tcp, conn_written);
    bd_queue_push(&h->conns, &c->link);
    uv_tcp_init(bd_worker_loop(h->worker), &c->tcp);
    if (uv_tcp_open(&c->tcp, fd)) {
        close(fd);
        conn_close(c);
        return;
    }
    wait_for_client(c);
    conn_advance(c);
}

void conn_drain(struct conn *c)
{
    if (is_tunnel(c))
        conn_kill(c); /* it may last for ever: nobody waits for it */
    /* A request that is here, if unread, is answered: closing would reset it. */
    else if (c->reads == CONN_IDLE && c->reused && !has_bytes_waiting(c))
        conn_close(c); /* a new one is about to say something */
    else if (c->reads == CONN_IDLE || c->reads == CONN_HEAD)
        bd_deadline_start(c->host->worker, &c->wait, DRAIN_HEAD_NS, on_wait_over);
}

void conn_kill(struct conn *c)
{
    if (c->x && c->x->state == EXCHANGE_OPEN)
        exchange_abort(c->x, BD_ABORT_SHUTDOWN, "the watchdog is shutting down");
    if (c->x && c->x->state == EXCHANGE_ENDED)
        exchange_broken(c->x);
    conn_close(c);
}
