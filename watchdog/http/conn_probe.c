/*
 * conn_probe.c - is a client that has sent its FIN still there?
 *
 * It may still wait for the answer (a half-closed connection), or have gone for good; TCP shows the
 * difference only to who sends. While there is no answer to send, an interim one will do: a client
 * must be ready for it (RFC 9110, 15.2), and a closed socket answers it with a reset.
 */
#include <sys/socket.h>

#include "conn.h"
#include "exchange.h"

#define FIRST_NS (INT64_C(500000000)) /* after the FIN */
#define LOOK_NS (INT64_C(50000000))   /* for a reset to come back */
#define AGAIN_NS (5 * INT64_C(1000000000))

static bool has_socket_error(struct conn *c)
{
    int err = 0, fd;
    socklen_t len = sizeof(err);

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd))
        return true;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0;
}

static void on_probe(struct bd_deadline *d)
{
    struct conn *c = BD_CONTAINER(d, struct conn, probe);
    struct exchange *x = c->x;

    if (!x || x->state != EXCHANGE_OPEN || x->reply.out_sealed)
        return;
    if (has_socket_error(c)) {
        conn_lost(c);
        return;
    }
    c->probed = !c->probed && c->fin && x->pub.req.minor > 0;
    if (c->probed && c->out.under_way == 0) /* else TCP is trying already */
        conn_write_continue(c);
    bd_deadline_start(c->host->worker, &c->probe, c->probed ? LOOK_NS : AGAIN_NS, on_probe);
}

void conn_probe_start(struct conn *c)
{
    c->probed = false;
    bd_deadline_start(c->host->worker, &c->probe, FIRST_NS, on_probe);
}
