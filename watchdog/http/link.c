/*
 * link.c - see link.h
 *
 *     DIALS -> IDLE <-> HEAD -> BODY <-> LENT
 *                ^        |       |
 *                +--------+-------+         the answer is complete, both sides keep the connection
 *
 * A link reads all the time but while its owner keeps bytes: so an end of file is seen while it is
 * idle, and the answer of an upstream that does not want to read the whole body is not missed.
 */
#include "link.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bandog/fields.h"
#include "fetch.h"

#define IDLE_LOOK_NS (500 * INT64_C(1000000)) /* so long a hungry link waits at most */
#define HUNGRY_NS (250 * INT64_C(1000000))
#define INTERIMS_MAX 64 /* of one request */

static void advance(struct bd_link *l);

/* Hunger: see bd_pool_conf.shared */

static void set_hungry(struct bd_link *l, bool hungry)
{
    struct bd_pool_shared *shared = l->pool->conf.shared;

    if (l->hungry == hungry || !shared)
        return;
    l->hungry = hungry;
    __atomic_fetch_add(&shared->hungry, hungry ? 1 : -1, __ATOMIC_RELAXED);
}

static bool others_are_hungry(const struct bd_link *l)
{
    const struct bd_pool_shared *shared = l->pool->conf.shared;

    return shared && __atomic_load_n(&shared->hungry, __ATOMIC_RELAXED) > 0;
}

static void on_hungry(struct bd_deadline *d)
{
    set_hungry(BD_CONTAINER(d, struct bd_link, wait), true);
}

/* Closing */

static void on_closed(uv_handle_t *handle)
{
    struct bd_link *l = handle->data;
    struct bd_pool *p = l->pool;

    bd_queue_remove(&l->link);
    free(l);
    pool_link_gone(p);
}

void link_close(struct bd_link *l)
{
    if (l->state == LINK_CLOSED)
        return;
    assert(!l->f);
    if (l->state == LINK_IDLE)
        l->pool->idles--;
    l->state = LINK_CLOSED;
    set_hungry(l, false);
    bd_deadline_stop(&l->wait);
    input_release(&l->in, l->pool->worker);
    bd_queue_remove(&l->link);
    bd_queue_push(&l->pool->busy, &l->link);
    /* Whatever is being written is cut off: the memory is its owner's again. */
    uv_close(&l->io.handle, on_closed);
}

/* The link is no good any more. Last statement. */
static void failed(struct bd_link *l, const char *why)
{
    struct bd_fetch *f = l->f;

    l->f = NULL;
    link_close(l);
    if (f)
        fetch_failed(f, why);
}

/* Writing */

static void on_written(struct outgoing *o, int status)
{
    struct bd_link *l = BD_CONTAINER(o, struct bd_link, out);

    if (l->state == LINK_CLOSED)
        return;
    if (status)
        l->mute = true;
    if (o->under_way == 0 && l->f)
        fetch_drained(l->f);
}

static enum bd_flow write_out(struct bd_link *l, uv_buf_t *bufs, unsigned n)
{
    int result;

    if (l->mute)
        return BD_GO; /* an answer may still come */
    result = outgoing_write(&l->out, bufs, n, false);
    if (result < 0)
        l->mute = true;
    return result > 0 ? BD_WAIT : BD_GO;
}

/* The head's turn has come if it did not leave yet. */
static unsigned add_head(struct bd_link *l, uv_buf_t *buf)
{
    struct bd_fetch *f = l->f;

    if (f->head_sent)
        return 0;
    f->head_sent = true;
    bd_turn_cancel(&f->flush);
    *buf = uv_buf_init((char *)f->head.p, (unsigned)f->head.len);
    return 1;
}

enum bd_flow link_write(struct bd_link *l, const char *p, size_t len)
{
    static char crlf[] = "\r\n";
    bool chunked = l->f->length < 0 && !l->tunnel && len > 0;
    uv_buf_t buf[4];
    unsigned n = add_head(l, buf);

    if (chunked)
        buf[n++] = uv_buf_init(l->size_line, (unsigned)body_print_size_line(l->size_line, len));
    if (len > 0)
        buf[n++] = uv_buf_init((char *)p, (unsigned)len);
    if (chunked)
        buf[n++] = uv_buf_init(crlf, 2);
    return n > 0 ? write_out(l, buf, n) : BD_GO;
}

static uv_buf_t last_chunk(const struct bd_fetch *f)
{
    static char plain[] = "0\r\n\r\n";
    size_t len = sizeof(plain) - 1;
    char *text, *to;

    if (f->trailers == 0)
        return uv_buf_init(plain, (unsigned)len);
    for (size_t i = 0; i < f->trailers; i++)
        len += f->trailer[i].name.len + f->trailer[i].value.len + BD_FIELD_BYTES;
    text = bd_arena_alloc(f->arena, len);
    to = bd_slice_put(text, BD_SLICE("0\r\n"));
    for (size_t i = 0; i < f->trailers; i++)
        to = bd_field_put(to, f->trailer[i].name, f->trailer[i].value);
    bd_slice_put(to, BD_SLICE("\r\n"));
    return uv_buf_init(text, (unsigned)len);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status; /* the upstream's own end, or a write, will show it */
}

void link_write_end(struct bd_link *l)
{
    uv_buf_t buf[2];
    unsigned n;

    if (l->tunnel) {
        uv_shutdown(&l->shutdown, &l->io.stream, on_shutdown);
        return;
    }
    n = add_head(l, buf);
    if (l->f->length < 0)
        buf[n++] = last_chunk(l->f);
    if (n > 0)
        (void)write_out(l, buf, n);
}

/* Reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct bd_link *l = handle->data;

    (void)suggested;
    input_take(&l->in, l->pool->worker);
    *buf = uv_buf_init(l->in.buf + l->in.len, (unsigned)(l->in.cap - l->in.len));
}

/* libuv takes a reset that comes behind bytes for an end of file; the socket still knows. */
static int reset_at_end(const struct bd_link *l)
{
    socklen_t len = sizeof(int);
    int err = 0, fd;

    if (uv_fileno(&l->io.handle, &fd) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
        return 0;
    return -err;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct bd_link *l = stream->data;

    (void)buf;
    if (n > 0) {
        l->in.len += (size_t)n;
    } else if (n < 0) {
        l->fin = true;
        l->reading = false;
        l->read_error = n == UV_EOF ? reset_at_end(l) : (int)n;
    }
    if (l->in.len == 0)
        input_release(&l->in, l->pool->worker);
    if (n != 0)
        advance(l);
}

static void read_on(struct bd_link *l)
{
    if (!l->reading && !l->fin)
        l->reading = uv_read_start(&l->io.stream, on_alloc, on_read) == 0;
}

static void read_off(struct bd_link *l)
{
    if (l->reading)
        uv_read_stop(&l->io.stream);
    l->reading = false;
}

/* Answers */

static void step_head(struct bd_link *l)
{
    struct bd_fetch *f = l->f;
    const struct bd_response *r = &l->answer.pub;

    l->in.at = l->answer.at;
    l->again = true;
    if (r->status == 101) {
        if (!f->upgrade || !f->finished) {
            failed(l, "malformed answer: 101 to a request that did not ask for it");
            return;
        }
        l->tunnel = true;
        body_init(&l->body, &l->answer.msg, BODY_UNTIL_CLOSE);
        l->state = LINK_BODY;
        f->ops->head(f->owner, r);
    } else if (r->status < 200) {
        if (++l->interims > INTERIMS_MAX) {
            failed(l, "malformed answer: interim answers without end");
            return;
        }
        f->ops->interim(f->owner, r);
        if (l->f == f)
            response_init(&l->answer, f->arena, f->to_head, l->in.at);
    } else {
        body_init(&l->body, &l->answer.msg, r->body);
        l->state = LINK_BODY;
        f->ops->head(f->owner, r);
    }
}

static const char *end_reason(const struct bd_link *l)
{
    return l->read_error ? uv_strerror(l->read_error) : "unexpected EOF";
}

static void grow_input(struct bd_link *l)
{
    const char *before = l->in.buf;

    input_grow(&l->in, l->pool->worker);
    message_moved(&l->answer.msg, before, l->in.len, l->in.buf);
}

static void read_head(struct bd_link *l)
{
    if (l->in.at == l->in.len && !l->fin)
        return;
    if (l->in.at == l->in.len) {
        failed(l, end_reason(l));
        return;
    }
    if (!l->f->answered) {
        set_hungry(l, false);
        bd_deadline_stop(&l->wait);
        fetch_answered(l->f);
    }
    switch (response_feed(&l->answer, l->in.buf, l->in.len)) {
    case RESPONSE_COMPLETE:
        step_head(l);
        break;
    case RESPONSE_BAD:
        failed(l, l->answer.error);
        break;
    case RESPONSE_MORE:
        if (l->fin)
            failed(l, end_reason(l));
        else if (l->in.len == l->in.cap)
            grow_input(l);
        break;
    }
}

static bool can_be_used_again(const struct bd_link *l)
{
    return l->answer.keep_alive && !l->tunnel && !l->fin && !l->mute && l->in.at == l->in.len &&
           l->f->finished && l->out.under_way == 0;
}

/* Trailers lie in the link, which may serve somebody else in a moment. */
static const struct bd_field *copy_trailers(const struct bd_link *l, struct bd_arena *arena)
{
    size_t bytes = l->answer.msg.trailers * sizeof(struct bd_field);

    return bytes > 0 ? memcpy(bd_arena_alloc(arena, bytes), l->answer.msg.trailer, bytes) : NULL;
}

/* The answer is complete. Last statement. */
static void over(struct bd_link *l)
{
    struct bd_fetch *f = l->f;
    const struct bd_field *trailer = copy_trailers(l, f->arena);
    size_t trailers = l->answer.msg.trailers;
    bool again = can_be_used_again(l);

    l->f = NULL;
    f->link = NULL;
    fetch_release(f);
    if (again) {
        input_release(&l->in, l->pool->worker);
        pool_put(l->pool, l);
    } else {
        link_close(l);
    }
    f->ops->ended(f->owner, trailer, trailers);
}

static void piece_is_done(struct bd_link *l, enum body_result result)
{
    switch (result) {
    case BODY_COMPLETE:
        over(l);
        break;
    case BODY_BAD:
        failed(l, l->body.error);
        break;
    case BODY_MORE:
        l->again = true;
        break;
    }
}

static void read_body(struct bd_link *l)
{
    struct bd_fetch *f = l->f;
    enum body_result result;
    struct bd_slice piece;
    size_t used;

    if (body_complete(&l->body)) {
        over(l);
        return;
    }
    if (l->in.at == l->in.len) {
        l->in.at = l->in.len = 0;
        if (!l->fin)
            return;
        if (body_until_close(&l->body) && l->read_error == 0)
            over(l);
        else
            failed(l, end_reason(l));
        return;
    }
    result = body_feed(&l->body, l->in.buf + l->in.at, l->in.len - l->in.at, &piece, &used);
    l->in.at += used;
    if (piece.len > 0) {
        enum bd_flow flow = f->ops->body(f->owner, piece.p, piece.len);

        if (l->f != f) /* cancelled */
            return;
        if (flow == BD_WAIT) {
            l->state = LINK_LENT;
            l->lent_result = result;
            return;
        }
    }
    piece_is_done(l, result);
}

static void step(struct bd_link *l)
{
    switch (l->state) {
    case LINK_HEAD:
        read_head(l);
        break;
    case LINK_BODY:
        read_body(l);
        break;
    case LINK_IDLE: /* nobody has asked for anything */
        if (l->fin || l->in.len > 0)
            link_close(l);
        break;
    case LINK_DIALS:
    case LINK_LENT:
    case LINK_CLOSED:
        break;
    }
}

static void adjust_reading(struct bd_link *l)
{
    switch (l->state) {
    case LINK_IDLE:
    case LINK_HEAD:
    case LINK_BODY:
        read_on(l);
        break;
    case LINK_LENT:
        read_off(l);
        break;
    case LINK_DIALS:
    case LINK_CLOSED:
        break;
    }
}

static void advance(struct bd_link *l)
{
    l->again = true;
    if (l->advancing)
        return; /* the loop below goes on */
    l->advancing = true;
    while (l->again) {
        l->again = false;
        step(l);
    }
    l->advancing = false;
    adjust_reading(l);
}

void link_resume(struct bd_link *l)
{
    if (l->state != LINK_LENT)
        return; /* from inside body(), which then says BD_GO */
    l->state = LINK_BODY;
    piece_is_done(l, l->lent_result);
    advance(l);
}

/* Life */

void link_serve(struct bd_link *l, struct bd_fetch *f)
{
    assert(!l->f);
    bd_deadline_stop(&l->wait);
    l->f = f;
    l->state = LINK_HEAD;
    l->interims = 0;
    response_init(&l->answer, f->arena, f->to_head, 0);
    if (!l->used && l->pool->conf.shared)
        bd_deadline_start(l->pool->worker, &l->wait, HUNGRY_NS, on_hungry);
    fetch_linked(f, l);
}

static void on_idle_look(struct bd_deadline *d)
{
    struct bd_link *l = BD_CONTAINER(d, struct bd_link, wait);

    if (others_are_hungry(l) || bd_now_ns() - l->idle_since_ns >= l->pool->conf.idle_ns)
        link_close(l);
    else
        bd_deadline_start(l->pool->worker, d, IDLE_LOOK_NS, on_idle_look);
}

void link_rest(struct bd_link *l)
{
    l->state = LINK_IDLE;
    l->used = true; /* whoever gets it cannot be sure that it is still good */
    l->idle_since_ns = bd_now_ns();
    bd_deadline_start_at(l->pool->worker, &l->wait, l->idle_since_ns, IDLE_LOOK_NS, on_idle_look);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct bd_link *l = req->data;
    struct bd_pool *p = l->pool;
    unsigned next = l->next_address;

    if (l->state == LINK_CLOSED)
        return;
    if (status) {
        link_close(l);
        pool_dialed(p, NULL, status, next);
        return;
    }
    if (l->io.handle.type == UV_TCP)
        uv_tcp_nodelay(&l->io.tcp, 1);
    read_on(l);
    pool_dialed(p, l, 0, 0);
}

static int connect_to(struct bd_link *l, unsigned address)
{
    const char *path = l->pool->conf.upstream->place->socket_path;
    uv_loop_t *loop = bd_worker_loop(l->pool->worker);

    l->connect.data = l;
    if (path) {
        uv_pipe_init(loop, &l->io.pipe, 0);
        l->io.handle.data = l;
        return uv_pipe_connect2(&l->connect, &l->io.pipe, path, strlen(path), 0, on_connected);
    }
    uv_tcp_init(loop, &l->io.tcp);
    l->io.handle.data = l;
    return uv_tcp_connect(&l->connect, &l->io.tcp, &l->pool->address[address].any, on_connected);
}

int link_dial(struct bd_pool *p, unsigned address)
{
    struct bd_link *l = calloc(1, sizeof(*l));
    int err;

    if (!l)
        return UV_ENOMEM;
    l->pool = p;
    l->next_address = address + 1;
    bd_queue_push(&p->busy, &l->link);
    p->links++;
    err = connect_to(l, address);
    if (err)
        link_close(l);
    else
        outgoing_init(&l->out, &l->io.stream, on_written);
    return err;
}
