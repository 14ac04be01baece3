/*
 * body.h - a request's body: bytes in, pieces without framing out
 */
#ifndef WATCHDOG_HTTP_BODY_H
#define WATCHDOG_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/slice.h"
#include "head.h"

enum body_result { BODY_MORE, BODY_COMPLETE, BODY_BAD };

struct body {
    struct head *head; /* owns the chunk parser */
    int64_t left;      /* bytes to come; -1: chunked, not over; 0: complete */
    const char *error; /* BODY_BAD: what is wrong, for client and log */
};

void body_init(struct body *b, struct head *head);

/*
 * Looks at buf[0 .. len). The data of several chunks is squeezed together in place, so there is
 * one piece, beginning at buf. `ret_used` bytes are done with; what is behind them belongs to the
 * next request.
 */
enum body_result body_feed(struct body *b, char *buf, size_t len, struct bd_slice *ret_piece,
                           size_t *ret_used);

static inline bool body_complete(const struct body *b)
{
    return b->left == 0;
}

#endif
