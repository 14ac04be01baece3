/*
 * reply.h - an answer: head, framing, body, on their way to the connection
 *
 * Implements bd_respond() and what follows it (bandog/exchange.h). The head is gathered in the
 * arena and held back until the end of the loop turn or the first piece of body that is too large
 * to wait with it, so that a short answer is one write and carries its length.
 */
#ifndef WATCHDOG_HTTP_REPLY_H
#define WATCHDOG_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/slice.h"
#include "bandog/worker.h"
#include "body.h"

#define REPLY_HOLD_BYTES 2048 /* body that may wait for the end of the turn */

struct exchange;

/* What is being sent of a file. */
struct reply_file {
    int fd; /* the mode's */
    int64_t at, left;
    char *block;  /* a small file's bytes, lent to the connection; else NULL */
    char *piece;  /* in the arena: what is read where sendfile(2) does not get on */
    bool is_read; /* all of it: sendfile(2) does not work on this file */
    struct bd_deadline pause;
    struct bd_turn failed;
};

enum reply_framing {
    REPLY_UNDECIDED, /* length unknown, nothing out: may still turn out short */
    REPLY_EMPTY,     /* HEAD, 204, 304: a head only */
    REPLY_LENGTH,    /* Content-Length */
    REPLY_CHUNKED,   /* HTTP/1.1 */
    REPLY_CLOSE,     /* HTTP/1.0: ends with the connection */
    REPLY_RAW,       /* after 101: whatever comes */
};

struct reply {
    char *out; /* head so far, and after sealing the first piece of body */
    size_t len, room;
    char *held; /* first piece, while undecided */
    size_t held_len;
    int64_t length; /* promised, or BD_LENGTH_* */
    const struct bd_field *trailer;
    size_t trailers;
    enum reply_framing framing;
    bool begun;        /* bd_respond() or bd_upgrade() was called */
    bool dated;        /* the mode has given Date */
    unsigned interims; /* sent before it */
    bool out_sealed;   /* the head is complete and was given to the connection */
    bool lent;         /* the last bd_send() said BD_WAIT */
    bool keep_alive;   /* the connection outlives this answer */
    struct bd_turn flush;
    struct reply_file file;
    char size_line[BODY_SIZE_LINE_BYTES]; /* of the chunk being written */
};

void reply_init(struct reply *r);

/* Forgets an answer of which nothing is out. */
void reply_reset(struct exchange *x);

/* For HEAD, 204 and 304 nothing follows the head. */
bool reply_has_no_body(const struct exchange *x);

/* Sends the head, not in a packet of its own. BD_WAIT as from conn_write(). */
enum bd_flow reply_send_head(struct exchange *x);

/* The connection has taken what it had been lent: BD_WAIT when more of a file follows. */
enum bd_flow reply_file_written(struct exchange *x);

/* The exchange is over. */
void reply_file_stop(struct exchange *x);

#endif
