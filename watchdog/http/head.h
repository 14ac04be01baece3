/*
 * head.h - a request's head: bytes in, fields out
 *
 * The request line is read here, because any token is a method and nearly any byte may stand in a
 * target; what follows them is a message like others (message.h). All slices point into the
 * connection's read buffer: whoever moves that buffer calls head_moved().
 */
#ifndef WATCHDOG_HTTP_HEAD_H
#define WATCHDOG_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/exchange.h"
#include "message.h"

#define HEAD_BYTES_MAX MESSAGE_HEAD_BYTES_MAX /* request line, fields and blank line */

enum head_step {
    HEAD_EMPTY_LINE, /* optional blank lines before a request (RFC 9112, 2.2) */
    HEAD_METHOD,     /* until the first blank */
    HEAD_TARGET,     /* until the second */
    HEAD_VERSION,    /* its first byte */
    HEAD_FIELDS,     /* its rest and the fields, llhttp's */
};

enum head_result { HEAD_MORE, HEAD_COMPLETE, HEAD_BAD };

/* Why a head is refused. */
struct head_refusal {
    int status;
    const char *detail; /* follows the reason phrase; NULL: nothing */
};

struct head {
    struct message msg;
    enum head_step step;
    size_t at; /* first byte of the buffer not looked at */
    struct bd_request *req;
    struct head_refusal refusal;
    bool client_keep_alive; /* what the client asked for, by version and Connection */
    bool expect_continue;
};

/* Ready for a request whose first byte is buf[0]. */
void head_init(struct head *h, struct bd_arena *arena, struct bd_request *req);

/* Looks at buf[h->at .. len). When COMPLETE, h->at is the first byte behind the head. */
enum head_result head_feed(struct head *h, const char *buf, size_t len);

/* The buffer of `len` bytes, which was at `from`, is at `to` now. */
void head_moved(struct head *h, const char *from, size_t len, const char *to);

#endif
