/*
 * conn_write.c - the write side of a connection
 *
 * A failed write is not acted upon on the spot, because whoever writes may be a mode in the middle
 * of its work: the consequences come at the end of the loop's turn.
 */
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

void conn_written(struct outgoing *o, int status)
{
    struct conn *c = BD_CONTAINER(o, struct conn, out);

    if (c->reads == CONN_CLOSED)
        return;
    if (status)
        break_off(c, status);
    else if (o->under_way == 0 && c->x && c->reads != CONN_LINGER && !c->broken)
        exchange_written(c->x);
}

static enum bd_flow write_bufs(struct conn *c, uv_buf_t *bufs, unsigned n, bool more)
{
    int result;

    if (c->broken || c->reads == CONN_CLOSED)
        return BD_WAIT;
    result = outgoing_write(&c->out, bufs, n, more);
    if (result < 0)
        break_off(c, result);
    return result == 0 ? BD_GO : BD_WAIT;
}

enum bd_flow conn_write(struct conn *c, uv_buf_t *bufs, unsigned n)
{
    return write_bufs(c, bufs, n, false);
}

enum bd_flow conn_write_more(struct conn *c, uv_buf_t *buf)
{
    return write_bufs(c, buf, 1, true);
}

ssize_t conn_send_file(struct conn *c, int fd, int64_t at, size_t len)
{
    if (c->broken || c->reads == CONN_CLOSED)
        return UV_ECANCELED;
    return outgoing_send_file(&c->out, fd, at, len);
}

void conn_write_continue(struct conn *c)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t buf = uv_buf_init(line, sizeof(line) - 1);

    conn_write(c, &buf, 1);
}
