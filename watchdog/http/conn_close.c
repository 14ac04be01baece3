/*
 * conn_close.c - the ways a connection ends
 */
#include <stdlib.h>

#include "conn.h"
#include "exchange.h"

#define LINGER_NS (2 * INT64_C(1000000000))

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct host *h = c->host;

    bd_queue_remove(&c->link);
    free(c);
    host_conn_closed(h);
}

static void forget(struct conn *c)
{
    bd_deadline_stop(&c->wait);
    bd_deadline_stop(&c->probe);
    bd_turn_cancel(&c->lost);
    if (c->x) {
        exchange_recycle(c->x);
        c->x = NULL;
    }
    input_release(&c->in, c->host->worker);
    c->reads = CONN_CLOSED;
}

void conn_close(struct conn *c)
{
    if (c->reads == CONN_CLOSED)
        return;
    forget(c);
    /* Whatever is being written is cut off: the memory is its owner's again. */
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_reset(struct conn *c)
{
    forget(c);
    if (uv_tcp_close_reset(&c->tcp, on_closed))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_linger_over(struct bd_deadline *d)
{
    conn_close(BD_CONTAINER(d, struct conn, wait));
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct conn *c = req->data;

    if (status != UV_ECANCELED && (status || c->fin))
        conn_close(c); /* lost, or both sides have said all */
}

/*
 * FIN first, then read until the client's own: closing with unread bytes would send a reset, and
 * that can destroy the answer before the client has read it (RFC 9112, 9.6).
 */
void conn_linger(struct conn *c)
{
    /* c->x stays: what is still being written may lie in its arena. */
    bd_deadline_stop(&c->probe);
    input_release(&c->in, c->host->worker);
    c->reads = CONN_LINGER;
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown)) {
        conn_close(c);
        return;
    }
    bd_deadline_start(c->host->worker, &c->wait, LINGER_NS, on_linger_over);
}

void conn_lost(struct conn *c)
{
    struct exchange *x = c->x;

    if (x && x->state == EXCHANGE_OPEN)
        exchange_abort(x, BD_ABORT_GONE, "the client has closed the connection");
    else if (x && x->state == EXCHANGE_ENDED)
        exchange_broken(x);
    conn_close(c);
}
