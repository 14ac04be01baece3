/*
 * link.h - one connection to an upstream: requests out, answers in, one after the other
 */
#ifndef WATCHDOG_HTTP_LINK_H
#define WATCHDOG_HTTP_LINK_H

#include <stdbool.h>
#include <uv.h>

#include "body.h"
#include "input.h"
#include "outgoing.h"
#include "place.h"
#include "pool.h"
#include "response.h"

/* What it waits for. */
enum link_state {
    LINK_DIALS,  /* the connection */
    LINK_IDLE,   /* a fetch */
    LINK_HEAD,   /* the rest of an answer's head */
    LINK_BODY,   /* more of its body */
    LINK_LENT,   /* the owner, who keeps body bytes */
    LINK_CLOSED, /* libuv to let go */
};

struct bd_link {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct bd_pool *pool;
    struct bd_queue link; /* pool->idle or pool->busy */
    struct bd_fetch *f;   /* from LINK_HEAD to LINK_LENT */

    enum link_state state;
    struct outgoing out;
    struct input in;
    struct response answer;
    struct body body;
    enum body_result lent_result; /* LINK_LENT: what follows the piece that is lent */

    unsigned next_address; /* LINK_DIALS: to try when this one fails */
    bool used;             /* has carried a request before this one */
    bool mute;             /* the upstream reads no more; it may still answer */
    bool tunnel;           /* 101: bytes are just bytes */
    bool fin;              /* the upstream has sent its last byte */
    int read_error;        /* then: a UV_E code, or 0 after an end of file */
    unsigned interims;     /* answers 1xx to this request */
    bool reading;
    bool hungry; /* counted in the pool's shared state */
    bool advancing, again;
    int64_t idle_since_ns;
    struct bd_deadline wait;              /* idle: when to look again; fresh: when it gets hungry */
    char size_line[BODY_SIZE_LINE_BYTES]; /* of the chunk being written */
};

/* Dials the place's address with that number, or the socket. 0 or a UV_E code. */
int link_dial(struct bd_pool *p, unsigned address) __attribute__((warn_unused_result));

/* Begins a fetch: sends what there is of it. */
void link_serve(struct bd_link *l, struct bd_fetch *f);

/* For fetch.c: the head, if it was not sent yet, and a piece of body, which may be empty. */
enum bd_flow link_write(struct bd_link *l, const char *buf, size_t len);
void link_write_end(struct bd_link *l);
void link_resume(struct bd_link *l);

/* Idle: it waits for a fetch. */
void link_rest(struct bd_link *l);

/* At once, whatever is under way on it. Its fetch must have been told. */
void link_close(struct bd_link *l);

#endif
