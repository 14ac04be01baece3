/*
 * forward.h - the head that mode=http sends to the function
 */
#ifndef MODES_FORWARD_H
#define MODES_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "bandog/exchange.h"
#include "bandog/upstream.h"

/* What a request's fields say to a relay, found in one pass. NULL: there is no such field. */
struct forward {
    const struct bd_field *accept, *agent, *timeout, *upgrade;
    bool has_authorization, has_length;
    bool te_trailers; /* the client reads trailers */
    bool upgrades;    /* it asks for another protocol (RFC 9110, 7.8) */
    bool streams;     /* it wants the answer piece by piece, or a tunnel */
};

void forward_read(struct forward *f, const struct bd_request *r);

/*
 * Request line and fields in the exchange's arena: RFC 9112, 3 and RFC 9110, 7.6. `length` of the
 * body as it is going to be sent, -1: chunked. `expect`: pass on Expect, too.
 */
struct bd_slice forward_head(struct bd_exchange *x, const struct forward *f,
                             const struct bd_upstream *u, int64_t length, bool expect);

/* The target in origin-form, byte for byte what the client sent; in the arena if need be. */
struct bd_slice forward_target(struct bd_exchange *x);

#endif
