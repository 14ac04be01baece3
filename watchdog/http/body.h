/*
 * body.h - the body of a request or an answer: bytes in, pieces without framing out
 */
#ifndef WATCHDOG_HTTP_BODY_H
#define WATCHDOG_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/slice.h"
#include "message.h"

enum body_result { BODY_MORE, BODY_COMPLETE, BODY_BAD };

#define BODY_CHUNKED (-1)
#define BODY_UNTIL_CLOSE (-2) /* all bytes there will be, whoever feeds sees the end */

struct body {
    struct message *msg; /* owns the chunk parser */
    int64_t left;        /* bytes to come, or one of the above; 0: complete */
    const char *error;   /* BODY_BAD: what is wrong, for client and log */
};

void body_init(struct body *b, struct message *msg, int64_t length);

/*
 * Looks at buf[0 .. len). The data of several chunks is squeezed together in place, so there is
 * one piece, beginning at buf. `ret_used` bytes are done with; what is behind them belongs to the
 * next message.
 */
enum body_result body_feed(struct body *b, char *buf, size_t len, struct bd_slice *ret_piece,
                           size_t *ret_used);

/* The line before a chunk of `n` bytes (RFC 9112, 7.1); returns its length. */
#define BODY_SIZE_LINE_BYTES 20
size_t body_print_size_line(char line[BODY_SIZE_LINE_BYTES], size_t n);

static inline bool body_complete(const struct body *b)
{
    return b->left == 0;
}

static inline bool body_until_close(const struct body *b)
{
    return b->left == BODY_UNTIL_CLOSE;
}

#endif
