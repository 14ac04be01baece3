/*
 * tunnel.c - see tunnel.h
 *
 * Each side is a wire, an allocation of its own that its close callback frees: a link can be
 * dropped while the tunnel goes on with another.
 */
#include "tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

#define WIRE_BYTES 65536
#define ANSWER_MAX (FRONT_EXCUSE_MAX + 256)

enum state {
    WAITING, /* for a target; with an excuse, for something to refuse */
    DIALING, /* for the link */
    OPEN,    /* for bytes, of both sides */
    ENDING,  /* for the client to close: nothing more is sent to it */
};

struct tunnel;

struct wire {
    uv_tcp_t tcp;     /* first */
    struct tunnel *t; /* NULL: it has been dropped */
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool writing; /* to it */
    bool ended;   /* it sends nothing more */
    char buf[WIRE_BYTES];
};

struct tunnel {
    struct bd_queue of_front; /* first */
    struct front *front;
    enum state state;
    struct wire *client, *link; /* link: NULL unless DIALING, OPEN, ENDING */
    int port;                   /* of the link */
    size_t early;               /* bytes in the client's buffer that there was nobody to give to */
    struct traffic traffic;
    char answer[ANSWER_MAX]; /* of our own, when there is nobody else to give one */
};

static void dial(struct tunnel *t);
static void go_on(struct tunnel *t);
static void leave(struct tunnel *t);
static bool may_leave(const struct tunnel *t);
static void refuse(struct tunnel *t, const char *why);

/* --- wires --------------------------------------------------------------------------------------
 */

static void on_wire_closed(uv_handle_t *handle)
{
    free(handle);
}

static struct wire *wire_new(struct tunnel *t)
{
    struct wire *w = malloc(sizeof(*w));

    if (!w || uv_tcp_init(t->front->loop, &w->tcp))
        abort();
    w->t = t;
    w->writing = w->ended = false;
    return w;
}

static void wire_drop(struct wire **w)
{
    if (!*w)
        return;
    (*w)->t = NULL;
    uv_close((uv_handle_t *)&(*w)->tcp, on_wire_closed);
    *w = NULL;
}

static struct wire *other(const struct wire *w)
{
    return w == w->t->client ? w->t->link : w->t->client;
}

static void tunnel_close(struct tunnel *t)
{
    bd_queue_remove(&t->of_front);
    wire_drop(&t->client);
    wire_drop(&t->link);
    free(t);
}

static bool is_between(const struct tunnel *t)
{
    return traffic_is_between(&t->traffic) && !t->client->ended && !t->client->writing &&
           !t->link->writing;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct wire *w = (struct wire *)handle;

    (void)suggested;
    *buf = uv_buf_init(w->buf, sizeof(w->buf));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void wire_read(struct wire *w)
{
    if (!w->ended)
        uv_read_start((uv_stream_t *)&w->tcp, on_alloc, on_read);
}

static void on_written(uv_write_t *write, int err)
{
    struct wire *to = BD_CONTAINER(write, struct wire, write), *from;

    if (!to->t)
        return;
    to->writing = false;
    from = other(to);
    if (err)
        tunnel_close(to->t);
    else if (may_leave(to->t))
        leave(to->t);
    else if (from)
        wire_read(from); /* its buffer is its own again */
}

/* Lends bytes of `from`, which is not read from until they are gone. True when they are. */
static bool wire_send(struct wire *from, struct wire *to, size_t len)
{
    uv_buf_t buf = uv_buf_init(from->buf, (unsigned)len);
    int n = uv_try_write((uv_stream_t *)&to->tcp, &buf, 1);

    if (n == (int)len)
        return true;
    if (n < 0 && n != UV_EAGAIN) {
        tunnel_close(from->t);
        return false;
    }
    n = n > 0 ? n : 0;
    buf = uv_buf_init(from->buf + n, (unsigned)len - (unsigned)n);
    uv_read_stop((uv_stream_t *)&from->tcp);
    to->writing = true;
    if (uv_write(&to->write, (uv_stream_t *)&to->tcp, &buf, 1, on_written))
        tunnel_close(from->t);
    return false;
}

static void on_shut(uv_shutdown_t *shutdown, int err)
{
    struct wire *w = BD_CONTAINER(shutdown, struct wire, shutdown);

    if (w->t && (err || (w == w->t->client && w->ended)))
        tunnel_close(w->t);
}

/* Tells it that nothing more comes, behind what is still being written. */
static void wire_finish(struct wire *w)
{
    if (uv_shutdown(&w->shutdown, (uv_stream_t *)&w->tcp, on_shut))
        tunnel_close(w->t);
}

/* --- what happens -------------------------------------------------------------------------------
 */

/* The client is still read, so that what it sends does not destroy what it is being sent (RFC
 * 9112, 9.6). */
static void end_gently(struct tunnel *t)
{
    t->state = ENDING;
    if (!t->link || !t->link->writing) /* else its buffer is lent */
        wire_read(t->client);
    wire_finish(t->client);
}

static void client_ended(struct tunnel *t)
{
    t->client->ended = true;
    uv_read_stop((uv_stream_t *)&t->client->tcp);
    if (t->state == OPEN)
        wire_finish(t->link); /* half closed: the answer may still come */
    else if (t->state != ENDING || !t->client->writing)
        tunnel_close(t);
}

/* The client's bytes, as far as they fit, wait with it. */
static void client_is_early(struct tunnel *t, size_t len)
{
    t->early = len;
    uv_read_stop((uv_stream_t *)&t->client->tcp);
    if (t->state == WAITING)
        go_on(t);
}

static void client_sent(struct tunnel *t, size_t len)
{
    if (t->state != OPEN) {
        client_is_early(t, len);
        return;
    }
    traffic_request(&t->traffic, t->client->buf, len);
    wire_send(t->client, t->link, len);
}

static void link_ended(struct tunnel *t)
{
    uv_read_stop((uv_stream_t *)&t->link->tcp);
    if (may_leave(t))
        leave(t); /* an instance that has been replaced closes what is idle */
    else
        end_gently(t);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct wire *w = (struct wire *)stream;
    struct tunnel *t = w->t;
    bool is_client = w == t->client;

    (void)buf;
    if (n == 0 || (n > 0 && t->state == ENDING))
        return;
    if (n == UV_EOF && is_client) {
        client_ended(t);
    } else if (n == UV_EOF) {
        link_ended(t);
    } else if (n < 0) {
        if (!is_client && may_leave(t))
            leave(t);
        else
            tunnel_close(t);
    } else if (is_client) {
        client_sent(t, (size_t)n);
    } else {
        traffic_response(&t->traffic, w->buf, (size_t)n);
        if (wire_send(w, t->client, (size_t)n) && may_leave(t))
            leave(t);
    }
}

static void on_connected(uv_connect_t *connect, int err)
{
    struct wire *w = BD_CONTAINER(connect, struct wire, connect);
    struct tunnel *t = w->t;

    if (!t)
        return;
    if (err && may_leave(t)) {
        leave(t);
    } else if (err) {
        refuse(t, uv_strerror(err));
    } else {
        t->state = OPEN;
        uv_tcp_nodelay(&w->tcp, 1);
        wire_read(t->link);
        wire_read(t->client);
        if (t->early > 0)
            client_sent(t, t->early);
    }
}

static void dial(struct tunnel *t)
{
    struct sockaddr_in address;

    wire_drop(&t->link);
    traffic_init(&t->traffic);
    t->link = wire_new(t);
    t->port = t->front->target;
    t->state = DIALING;
    uv_ip4_addr("127.0.0.1", t->port, &address);
    if (uv_tcp_connect(&t->link->connect, &t->link->tcp, (const struct sockaddr *)&address,
                       on_connected))
        refuse(t, "no connection");
}

static void on_answered(uv_write_t *write, int err)
{
    struct wire *w = BD_CONTAINER(write, struct wire, write);

    if (!w->t)
        return;
    w->writing = false;
    if (err)
        tunnel_close(w->t);
}

/* 503 with a reason, and the end. */
static void refuse(struct tunnel *t, const char *why)
{
    int len = snprintf(t->answer, sizeof(t->answer),
                       "HTTP/1.1 503 Service Unavailable\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s\n",
                       strlen(why) + 1, why);
    uv_buf_t buf = uv_buf_init(t->answer, (unsigned)len);

    wire_drop(&t->link);
    t->client->writing = true;
    if (uv_write(&t->client->write, (uv_stream_t *)&t->client->tcp, &buf, 1, on_answered))
        tunnel_close(t);
    else
        end_gently(t);
}

static void go_on(struct tunnel *t)
{
    if (t->front->target)
        dial(t);
    else if (*t->front->excuse && t->early > 0)
        refuse(t, t->front->excuse);
}

/* To the new target, or to wait for it. */
static void leave(struct tunnel *t)
{
    wire_drop(&t->link);
    t->state = WAITING;
    if (t->early == 0)
        wire_read(t->client);
    go_on(t);
}

/* What is behind has been replaced, and nothing of it is under way. */
static bool may_leave(const struct tunnel *t)
{
    return t->port != t->front->target &&
           (t->state == DIALING || (t->state == OPEN && is_between(t)));
}

void tunnel_accept(struct front *f)
{
    struct tunnel *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->front = f;
    t->state = WAITING;
    bd_queue_push(&f->tunnels, &t->of_front);
    t->client = wire_new(t);
    if (uv_accept((uv_stream_t *)&f->listener, (uv_stream_t *)&t->client->tcp)) {
        tunnel_close(t);
        return;
    }
    uv_tcp_nodelay(&t->client->tcp, 1);
    wire_read(t->client);
    go_on(t);
}

void tunnel_reconsider(struct bd_queue *of_front)
{
    struct tunnel *t = BD_CONTAINER(of_front, struct tunnel, of_front);

    if (t->state == WAITING)
        go_on(t);
    else if (may_leave(t))
        leave(t);
}

void tunnel_end(struct bd_queue *of_front)
{
    tunnel_close(BD_CONTAINER(of_front, struct tunnel, of_front));
}
