/*
 * conn.h - THE connection state machine
 */
#ifndef WATCHDOG_HTTP_CONN_H
#define WATCHDOG_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "bandog/flow.h"
#include "bandog/worker.h"
#include "body.h"
#include "host.h"
#include "input.h"
#include "outgoing.h"

struct exchange;

/* What the read side waits for. */
enum conn_read {
    CONN_IDLE,   /* the first byte of a request */
    CONN_HEAD,   /* the rest of its head */
    CONN_BODY,   /* more of its body */
    CONN_LENT,   /* the mode, which keeps body bytes */
    CONN_HELD,   /* its turn, before the body is looked at */
    CONN_WHOLE,  /* the end of the exchange; the request has been read */
    CONN_DROP,   /* the rest of a body nobody wants */
    CONN_LINGER, /* the client's end of file, after ours */
    CONN_CLOSED, /* libuv to let go */
};

/* As much of a body that nobody wants is read to keep the connection. */
#define CONN_DROP_BYTES_MAX (256 * 1024)

struct conn {
    uv_tcp_t tcp;
    /* At most an interim answer, a 100, a head that left at the end of a turn, the first piece. */
    struct outgoing out;
    uv_shutdown_t shutdown;
    struct host *host;
    struct bd_queue link; /* host->conns */
    struct exchange *x;   /* the request being read or answered; NULL in between */

    enum conn_read reads;
    struct input in;
    size_t drop_left; /* CONN_DROP: bytes still worth reading to keep the connection */

    enum body_result lent_result; /* CONN_LENT: what follows the piece that is lent */

    bool reading;   /* libuv reads */
    bool late;      /* read_timeout was over, but something had come */
    bool reused;    /* not its first request */
    bool fin;       /* the client has sent its last byte */
    bool probed;    /* a 100 was sent after `fin`, its fate is to be looked at */
    bool advancing; /* conn_advance() is on the stack */
    bool again;     /* and shall go round once more */
    int broken;     /* UV_E code of a failed write; the turn's end takes the consequences */
    struct bd_deadline wait;  /* read_timeout, or the end of lingering */
    struct bd_deadline probe; /* is a client that has sent its FIN still there? */
    struct bd_turn lost;
};

/* Takes over `fd`, also on failure. */
void conn_open(struct host *h, int fd);

/* Ends it at once, whatever is under way on it; its exchange must be over. */
void conn_close(struct conn *c);

/* The same, so that the client cannot take what it has for the whole: RST instead of FIN. */
void conn_reset(struct conn *c);

/* Ends it once what is being written has left, and such that the client can read all of it. */
void conn_linger(struct conn *c);

/* Goes on as far as the bytes at hand allow. */
void conn_advance(struct conn *c);

/*
 * Writes. BD_GO: all taken. BD_WAIT: the rest is queued, the memory is lent until
 * exchange_written(), which comes when nothing is under way any more, or until the exchange is
 * aborted because the connection broke.
 */
enum bd_flow conn_write(struct conn *c, uv_buf_t *bufs, unsigned n);

/* The same for one buffer, the rest of whose packet follows at once. */
enum bd_flow conn_write_more(struct conn *c, uv_buf_t *buf);

/* As outgoing_send_file(); UV_ECANCELED when the connection is broken. */
ssize_t conn_send_file(struct conn *c, int fd, int64_t at, size_t len);

/* The socket has taken something that was queued. */
void conn_written(struct outgoing *o, int status);

/* The client is gone: ends what is under way. Not from inside a mode. */
void conn_lost(struct conn *c);

/* Is the client still there? It has sent its FIN, or is not read from for a while. */
void conn_probe_start(struct conn *c);

/* The interim answer 100 (RFC 9110, 15.2.1). */
void conn_write_continue(struct conn *c);

/* The mode is done with lent body bytes. */
void conn_body_resume(struct conn *c);

/* The exchange has left the line: before its mode starts, and after. */
void conn_turn_has_come(struct conn *c);
void conn_go_on(struct conn *c, const struct exchange *x);

/* The request is whole; what comes now is the mode's as it comes (bd_upgrade()). */
void conn_upgraded(struct conn *c);

/* The mode has ended its exchange: what is left of the request's body is nobody's. */
void conn_drop_body(struct conn *c);

/* The exchange has been answered and counted: what becomes of the connection? */
void conn_exchange_over(struct conn *c);

/* The server drains: closes the connection if no request is under way. */
void conn_drain(struct conn *c);

/* The server gives up waiting. */
void conn_kill(struct conn *c);

#endif
