/*
 * conn_write.c - the write side of a connection
 *
 * Try, then queue: what the socket does not take at once libuv keeps writing, from the caller's
 * memory. A failed write is not acted upon on the spot, because whoever writes may be a mode in the
 * middle of its work: the consequences come at the end of the loop's turn.
 */
#include <assert.h>

#include "conn.h"
#include "exchange.h"

static void on_lost(struct bd_turn *t)
{
    conn_lost(BD_CONTAINER(t, struct conn, lost));
}

static void break_off(struct conn *c, int err)
{
    if (c->broken || c->reads == CONN_CLOSED)
        return;
    c->broken = err;
    bd_turn_add(c->host->worker, &c->lost, on_lost);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;

    req->data = NULL;
    c->writes--;
    if (c->reads == CONN_CLOSED)
        return;
    if (status)
        break_off(c, status);
    else if (c->writes == 0 && c->x && c->reads != CONN_LINGER && !c->broken)
        exchange_written(c->x);
}

/* Takes `done` bytes off the front of the buffers. */
static unsigned skip_written(uv_buf_t *bufs, unsigned n, size_t done)
{
    unsigned first = 0;

    while (first < n && done >= bufs[first].len)
        done -= bufs[first++].len;
    if (first < n) {
        bufs[first].base += done;
        bufs[first].len -= done;
    }
    return first;
}

enum bd_flow conn_write(struct conn *c, uv_buf_t *bufs, unsigned n)
{
    uv_write_t *req = c->write;
    unsigned first;
    int done = 0;

    if (c->broken || c->reads == CONN_CLOSED)
        return BD_WAIT;
    if (c->writes == 0)
        done = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    if (done == UV_EAGAIN)
        done = 0;
    if (done < 0) {
        break_off(c, done);
        return BD_WAIT;
    }
    first = skip_written(bufs, n, (size_t)done);
    if (first == n)
        return BD_GO;
    while (req->data)
        req++;
    assert(req < c->write + CONN_WRITES_MAX);
    req->data = c;
    c->writes++;
    done = uv_write(req, (uv_stream_t *)&c->tcp, bufs + first, n - first, on_written);
    if (done) {
        req->data = NULL;
        c->writes--;
        break_off(c, done);
    }
    return BD_WAIT;
}

void conn_write_continue(struct conn *c)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t buf = uv_buf_init(line, sizeof(line) - 1);

    conn_write(c, &buf, 1);
}
