/*
 * places.h - places for calls under max_inflight, and the line of those that wait for one
 *
 * Places are an atomic count. The line has a part on each worker, in the order of tickets; when a
 * call gives its place back while others wait it is granted to the worker that has the oldest
 * ticket. That takes a letter to the worker, and so its lock, but only while calls wait.
 */
#ifndef WATCHDOG_HTTP_PLACES_H
#define WATCHDOG_HTTP_PLACES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bandog/queue.h"
#include "bandog/worker.h"

struct exchange;
struct host;

/* A server's. */
struct places {
    int64_t most;       /* calls at a time; <= 0: no limit */
    int64_t most_waits; /* calls in the line; <= 0: none */
    atomic_long taken, waiting;
    atomic_ullong next_ticket;
    struct host **host; /* all workers' */
    unsigned hosts;
};

/* One worker's part. */
struct line {
    struct bd_queue waiting;
    atomic_ullong oldest; /* ticket; LINE_EMPTY: nobody waits here */
    atomic_uint grants;   /* places that were given to this worker and not yet taken */
    struct bd_mail grant;
};

#define LINE_EMPTY UINT64_MAX

void line_init(struct line *l);

/* Takes a place, if there is one and nobody waits for it. */
bool place_take(struct host *h);
void place_give(struct host *h);

/* Joins the line: exchange_granted() comes in its turn. False: it is full. */
bool line_join(struct exchange *x);

/* Leaves it, not having had its turn. */
void line_leave(struct exchange *x);

#endif
