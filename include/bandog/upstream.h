/*
 * upstream.h - an HTTP/1.1 client for relays: where to, kept links, one request at a time on each
 *
 *     bd_upstream   an address, parsed once, shared by all threads
 *     bd_pool       one worker's links to it
 *     bd_fetch      one request and its answer; lives in its owner's memory
 *
 * Everything but bd_upstream belongs to one worker. Bytes pass through without a copy: what a
 * callback is given lies in the link's read buffer, what is written lies where the owner has it.
 * The exception is a request on a link that was used before: it may turn out to be dead within
 * moments, and what was sent until the first byte of an answer is kept, up to BD_BLOCK_BYTES, to be
 * sent once more.
 */
#ifndef BANDOG_UPSTREAM_H
#define BANDOG_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "flow.h"
#include "queue.h"
#include "slice.h"
#include "worker.h"

/* Where requests go. */
struct bd_upstream {
    const char *url;                 /* for logs: scheme, place and base, no userinfo */
    struct bd_slice authority;       /* what Host says when the client does not */
    struct bd_slice base;            /* put before each target: "" or "/a/b" */
    struct bd_slice authorization;   /* "Basic ..." of a userinfo; empty: none */
    struct bd_upstream_place *place; /* upstream.c's */
};

/*
 * http://HOST[:PORT][/BASE], http+unix:///PATH/OF/SOCKET or http+unix://%2FPATH%2FOF%2FSOCKET/BASE
 * (RFC 3986). 0, or -1 with a sentence that follows "NAME=VALUE ". Never freed.
 */
int bd_upstream_parse(struct bd_upstream *ret_upstream, const char *url, struct bd_error *err);

/* An answer's head. Slices are good until the callback that brings it returns. */
struct bd_response {
    int status; /* 100..999 */
    struct bd_slice reason;
    const struct bd_field *field; /* every one, in order */
    size_t fields;
    int64_t declared; /* by Content-Length; -1: it does not say */
    int64_t body;     /* bytes that follow it: a number, or one of these */
#define BD_BODY_CHUNKED INT64_C(-1)
#define BD_BODY_UNTIL_CLOSE INT64_C(-2)
};

struct bd_pool;
struct bd_link;

struct bd_pool_conf {
    const struct bd_upstream *upstream;
    int64_t idle_ns; /* an unused link is closed after this time */
    unsigned idle_max;
    /*
     * Nobody listens: is somebody about to? Then requests wait until he does, or until their owner
     * gives them up. Any thread; NULL: never.
     */
    bool (*starting)(void *arg);
    void *arg;
    /*
     * Links that have waited long for their first answer, of all workers together: a server that
     * takes one connection at a time is waiting for an idle link of another worker to close. May
     * be NULL.
     */
    struct bd_pool_shared *shared;
};

/* Shared by the workers' pools of one upstream. Zeroed memory is a valid one. */
struct bd_pool_shared {
    unsigned hungry; /* atomic */
};

/* NULL never. `conf` is copied. */
struct bd_pool *bd_pool_open(struct bd_worker *w, const struct bd_pool_conf *conf);

/* Closes its links; no request may be under way. Frees itself when the last one is closed. */
void bd_pool_close(struct bd_pool *p);

struct bd_fetch;

struct bd_fetch_ops {
    /* `link` was NULL after bd_fetch_start(), and is not any more. May be NULL. */
    void (*linked)(void *owner);
    /* After a bd_fetch_write() that said BD_WAIT: the bytes are yours again. */
    void (*drained)(void *owner);
    /* 1xx but 101. */
    void (*interim)(void *owner, const struct bd_response *r);
    /* The answer's head, once; 101 only for a request that asked for it. */
    void (*head)(void *owner, const struct bd_response *r);
    /* BD_WAIT: the bytes are kept until bd_fetch_resume(). */
    enum bd_flow (*body)(void *owner, const char *buf, size_t len);
    /* The answer is complete. The last call. After 101: the upstream's end of file. */
    void (*ended)(void *owner, const struct bd_field *trailer, size_t trailers);
    /* There will be no answer, or no more of it. `why` is a phrase for the log. The last call. */
    void (*failed)(void *owner, const char *why);
};

struct bd_fetch {
    /* Set by the owner before bd_fetch_start(): */
    const struct bd_fetch_ops *ops;
    void *owner;
    struct bd_arena *arena; /* for fields that do not fit the link's own room */
    struct bd_slice head;   /* the whole head, ready to be sent; lives as long as this */
    int64_t length;         /* of the body; -1: chunked */
    bool to_head;           /* the method is HEAD: no answer has a body */
    bool upgrade;           /* 101 is an answer */

    /* upstream's: */
    struct bd_pool *pool;
    struct bd_link *link;    /* NULL: it waits for one */
    struct bd_queue waiting; /* in the pool */
    struct bd_turn flush;    /* sends the head when no body comes with it */
    struct bd_slice lent;    /* body the owner waits for, not yet given to a link */
    bool owner_waits;        /* for drained() */
    char *kept;              /* a block: the body so far, for another try; NULL: none */
    size_t kept_len;
    bool kept_lost; /* more was sent than can be kept */
    bool finished;  /* bd_fetch_finish() was called */
    bool head_sent, end_sent;
    int64_t linked_ns; /* when it got a link that was used before; 0: it did not */
    bool answered;     /* a byte of the answer has come */
    bool retried;
    const struct bd_field *trailer;
    size_t trailers;
};

/*
 * Begins: takes an idle link or dials. No callback comes before it returns. The head leaves with
 * the first piece of body, with bd_fetch_finish() or at the end of the turn.
 */
void bd_fetch_start(struct bd_fetch *f, struct bd_pool *p);

/*
 * A piece of the request's body, framed here. BD_GO: taken. BD_WAIT: lent until drained(). Once the
 * upstream does not read any more the bytes are dropped: it may still be answering.
 */
enum bd_flow bd_fetch_write(struct bd_fetch *f, const char *buf, size_t len);

/* The body is complete (after 101: end of file). Trailers are sent behind a chunked one. */
void bd_fetch_finish(struct bd_fetch *f, const struct bd_field *trailer, size_t trailers);

/* The owner is done with what body() kept. May call body() and ended() before it returns. */
void bd_fetch_resume(struct bd_fetch *f);

/* The owner leaves: no callback comes any more, all lent bytes are his again at once. */
void bd_fetch_cancel(struct bd_fetch *f);

#endif
