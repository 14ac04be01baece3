/*
 * marshal.h - marshal_request: a request as one JSON object on the function's stdin
 *
 *     {"header":{"Name":["v1","v2"],...},"body":{"raw":"BASE64"}}
 *
 * Encoded piece by piece, so that a body of any size passes through one buffer.
 */
#ifndef MODES_MARSHAL_H
#define MODES_MARSHAL_H

#include <stdbool.h>

#include "bandog/exchange.h"

struct marshal;

/* In the exchange's arena, with everything before the base64 text ready to be taken. */
struct marshal *marshal_new(struct bd_exchange *x);

/* Encodes bytes off the front of `body`; what comes out is valid until the next call. */
struct bd_slice marshal_take(struct marshal *m, struct bd_slice *body);

/* What follows the last byte of the body; all of it when there was none. Once. */
struct bd_slice marshal_end(struct marshal *m);

#endif
