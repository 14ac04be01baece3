/*
 * places.h - places for calls under max_inflight, and the line of those that wait for one
 *
 * Places are an atomic count. The line is one for all workers, in the order of arrival, behind a
 * lock that is taken only while calls wait; whoever gives a place back while they do passes it on
 * to the first of them, by a letter to its worker.
 */
#ifndef WATCHDOG_HTTP_PLACES_H
#define WATCHDOG_HTTP_PLACES_H

#include <pthread.h>
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
    atomic_bool closed; /* nobody in the line gets a place any more */
    pthread_mutex_t lock;
    struct bd_queue line; /* exchange.link */
};

/* One worker's: who has been given a place and does not know yet. The line's lock guards it. */
struct granted {
    struct bd_queue list; /* exchange.link */
    bool posted;
    struct bd_mail mail;
};

void places_init(struct places *p, int64_t most, int64_t most_waits);
void granted_init(struct granted *g);

/* Who waits will be sent away: places that become free are nobody's. Any thread. */
void places_close(struct places *p);

/* Takes a place, if there is one and nobody waits for it. */
bool place_take(struct host *h);
void place_give(struct host *h);

/* Joins the line: exchange_granted() comes in its turn. False: it is full. */
bool line_join(struct exchange *x);

/* Leaves it, not having had its turn. Fine for who is not in it. */
void line_leave(struct exchange *x);

#endif
