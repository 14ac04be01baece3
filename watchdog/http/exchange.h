/*
 * exchange.h - an exchange as the server sees it
 *
 * Begins with the first byte of a request and lasts until the request has been read to its end and
 * the answer has left. Recycled through its host, together with its arena.
 */
#ifndef WATCHDOG_HTTP_EXCHANGE_H
#define WATCHDOG_HTTP_EXCHANGE_H

#include <stdbool.h>

#include "bandog/mode.h"
#include "body.h"
#include "head.h"
#include "host.h"
#include "reply.h"

struct conn;

enum exchange_state {
    EXCHANGE_HEAD,  /* the rest of the head */
    EXCHANGE_OPEN,  /* the mode */
    EXCHANGE_ENDED, /* the last bytes of the answer to leave */
    EXCHANGE_OVER,  /* only the rest of the request, which is dropped */
};

struct exchange {
    struct bd_exchange pub; /* first: what modes hold */
    struct conn *conn;
    struct host *host;
    enum exchange_state state;
    bool counted;         /* a call, not a private path: in the metrics */
    bool entered;         /* holds a place under max_inflight */
    bool in_flight;       /* a call whose last byte is not on the way yet */
    bool expect_continue; /* the client waits for a 100 before it sends the body */
    bool close;           /* the connection must not be used again */
    bool waits;           /* in the line for a place: see places.h */
    bool granted;         /* it has one, and does not know yet; the line's lock guards it */
    bool waited;          /* it began late */
    struct bd_deadline queue_wait;
    struct head head;
    struct body body;
    struct reply reply;
    struct bd_deadline deadline; /* the mode's, bd_set_deadline() */
    const char *deadline_name, *deadline_value;
    struct bd_deadline write_timeout; /* the server's */
    struct bd_queue link;             /* host->spare, or the line */
};

static inline struct exchange *exchange_of(struct bd_exchange *x)
{
    return (struct exchange *)(void *)x;
}

struct exchange *exchange_new(struct host *h, struct conn *c);
void exchange_recycle(struct exchange *x);

/* The head is complete: chooses who answers and starts him. */
void exchange_begin(struct exchange *x);

/* Its turn has come: the place is its own. */
void exchange_granted(struct exchange *x);

/* Body bytes and the end of the body, for the mode. */
enum bd_flow exchange_body(struct exchange *x, const char *buf, size_t len);
void exchange_body_end(struct exchange *x);

/* The engine ends it. `reason` is a sentence for the log and, when nothing is out, the client. */
void exchange_abort(struct exchange *x, enum bd_abort why, const char *reason);

/*
 * From reply.c: the last byte is about to be written. Before the client can know, so that its next
 * call finds the place free.
 */
void exchange_leave(struct exchange *x);

/* From reply.c: what is between client and mode is no HTTP any more. */
void exchange_upgraded(struct exchange *x);

/* From reply.c: the mode has said its last word. */
void exchange_ended(struct exchange *x);

/* From conn.c: all that was written has left. */
void exchange_written(struct exchange *x);

/* From conn.c: the connection broke while the last bytes were leaving. */
void exchange_broken(struct exchange *x);

#endif
