/*
 * front.c - see front.h
 */
#include "front.h"

#include <stdio.h>

#include "tunnel.h"

#define BACKLOG 512

static void on_connection(uv_stream_t *listener, int err)
{
    if (!err)
        tunnel_accept((struct front *)listener);
}

int front_open(struct front *f, uv_loop_t *loop, int port)
{
    struct sockaddr_in address;
    struct sockaddr_storage bound;
    int len = sizeof(bound), err;

    *f = (struct front){.loop = loop};
    bd_queue_init(&f->tunnels);
    uv_tcp_init(loop, &f->listener);
    uv_ip4_addr("127.0.0.1", port, &address);
    err = uv_tcp_bind(&f->listener, (const struct sockaddr *)&address, 0);
    if (!err)
        err = uv_listen((uv_stream_t *)&f->listener, BACKLOG, on_connection);
    if (!err)
        err = uv_tcp_getsockname(&f->listener, (struct sockaddr *)&bound, &len);
    if (err) {
        front_stop_listening(f);
        return err;
    }
    f->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return 0;
}

/* Calls it for those that are there now; each may go away in its own call. */
static void for_each(struct front *f, void (*call)(struct bd_queue *))
{
    struct bd_queue *q = f->tunnels.next;

    while (q != &f->tunnels) {
        struct bd_queue *next = q->next;

        call(q);
        q = next;
    }
}

void front_set_target(struct front *f, int port)
{
    f->target = port;
    f->excuse[0] = '\0';
    for_each(f, tunnel_reconsider);
}

void front_set_excuse(struct front *f, const char *text)
{
    snprintf(f->excuse, sizeof(f->excuse), "%s", text ? text : "");
    if (!f->target)
        for_each(f, tunnel_reconsider);
}

void front_drop_target(struct front *f, int port)
{
    if (f->target == port)
        f->target = 0;
}

void front_stop_listening(struct front *f)
{
    if (!f->closing)
        uv_close((uv_handle_t *)&f->listener, NULL);
    f->closing = true;
}

void front_close(struct front *f)
{
    front_stop_listening(f);
    for_each(f, tunnel_end);
}
