/*
 * stream.h - an answer that is sent as its process prints it
 *
 * What streaming and cgi share. The status is sent with the first byte; with `headed` it is the one
 * of the head that the output begins with. Until then a process that fails has a status of its own;
 * afterwards only cutting the connection can still tell the client.
 */
#ifndef MODES_STREAM_H
#define MODES_STREAM_H

#include "cgi_head.h"
#include "fork.h"
#include "lines_options.h"

struct stream_conf {
    struct fork_conf fork;
    struct lines_conf lines;
};

struct stream {
    struct call call; /* first */
    bool headed;      /* the output begins with a head, see cgi_head.h */
    bool head_over;   /* and that was read */
    bool drops;       /* nothing of the body is sent, it is only read */
    char *head;       /* the head so far, when it does not come in one piece: a block */
    size_t head_len, scanned;
    int64_t left;          /* of the Content-Length that was printed; -1: there is none */
    struct bd_slice local; /* where a local redirect leads, in the arena; else empty */
    int redirects;
    /* Takes a local redirect, when its process has ended: last statement. NULL: as any other. */
    void (*redirect)(struct stream *s);
};

/*
 * Begins the exchange's call, in the arena, as x->state; what is headed or follows redirects may
 * be set before stream_begin().
 */
struct stream *stream_new(struct bd_exchange *x, unsigned environ_flags);
void stream_begin(struct stream *s);

/* The output begins anew: another process is about to answer. */
void stream_reset(struct stream *s);

/* The mode's callbacks of these names; `body` and `body_end` are fork.h's. */
int stream_check(const void *conf, struct bd_error *err);
void stream_drain(struct bd_exchange *x);
void stream_abort(struct bd_exchange *x, enum bd_abort why);
void stream_finish(struct bd_exchange *x);

#endif
