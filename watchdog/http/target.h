/*
 * target.h - the request-target (RFC 9112, 3.2)
 */
#ifndef WATCHDOG_HTTP_TARGET_H
#define WATCHDOG_HTTP_TARGET_H

#include <stdbool.h>

#include "bandog/exchange.h"

/* What may stand in one: no blank, no control character. */
static inline bool is_target_byte(unsigned char c)
{
    return c > ' ' && c != 0x7f;
}

/*
 * Sets path and query from what is left of the target behind scheme and authority. False when the
 * path holds a % that is no escape.
 */
bool target_split(struct bd_request *r, struct bd_slice rest);

#endif
