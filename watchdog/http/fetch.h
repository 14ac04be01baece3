/*
 * fetch.h - a request to an upstream as link and pool see it
 */
#ifndef WATCHDOG_HTTP_FETCH_H
#define WATCHDOG_HTTP_FETCH_H

#include "bandog/upstream.h"

/* May it only use a link that nobody has used before? */
static inline bool fetch_wants_fresh(const struct bd_fetch *f)
{
    return f->retried || f->length > BD_BLOCK_BYTES;
}

/* It has got a link: what there is of the request goes out. */
void fetch_linked(struct bd_fetch *f, struct bd_link *l);

/* The link has taken everything that was written: what the owner waits for has its turn. */
void fetch_drained(struct bd_fetch *f);

/* The first byte of an answer is here: there will be no other try. */
void fetch_answered(struct bd_fetch *f);

/* Tells the owner, unless another try is possible. The link has let go of it. Last statement. */
void fetch_failed(struct bd_fetch *f, const char *why);

/* Gives back what it keeps; before the owner's last callback. */
void fetch_release(struct bd_fetch *f);

#endif
