/*
 * pool.h - one worker's links to one upstream
 *
 *     a fetch takes an idle link, the one used last, or waits
 *     for each that waits a link is dialed; whichever link is free first serves the first in line
 *
 * While nobody listens but somebody is about to (bd_pool_conf.starting), one dial at a time is
 * tried again and again, and all wait for it.
 */
#ifndef WATCHDOG_HTTP_POOL_H
#define WATCHDOG_HTTP_POOL_H

#include "bandog/upstream.h"
#include "place.h"

struct bd_pool {
    struct bd_worker *worker;
    struct bd_pool_conf conf;
    struct bd_queue idle;    /* links, the one used last at the end */
    struct bd_queue busy;    /* all the others that are not closed */
    struct bd_queue waiting; /* fetches without a link */
    unsigned idles, waitings, dialing;
    unsigned links; /* not yet closed and freed */
    bool closing;

    bool scouting; /* the last dial failed: one at a time */
    int late_err;  /* of a dial that failed at once, told by `retry` */
    int64_t retry_ns;
    struct bd_deadline retry;

    uv_getaddrinfo_t lookup;
    bool looking_up;
    int64_t looked_up_ns; /* 0: never */
    union place_address address[PLACE_ADDRESSES_MAX];
    unsigned addresses;
};

/* A link for it, now or later. */
void pool_want(struct bd_pool *p, struct bd_fetch *f);

/* It does not wait any more. */
void pool_forget(struct bd_pool *p, struct bd_fetch *f);

/* From link.c: a dial has ended; `err` is 0 or a UV_E code, and then the link is closed already. */
void pool_dialed(struct bd_pool *p, struct bd_link *l, int err, unsigned next_address);

/* From link.c: it can be used again. */
void pool_put(struct bd_pool *p, struct bd_link *l);

/* From link.c: its memory is about to go. */
void pool_link_gone(struct bd_pool *p);

#endif
