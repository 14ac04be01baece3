/*
 * worker.h - one thread, its loop, and what the code running on it shares
 *
 * A worker owns everything it runs: connections, children, blocks, deadlines. Nothing here may be
 * called from another thread, except bd_worker_post(). A worker ends when its loop is empty.
 */
#ifndef BANDOG_WORKER_H
#define BANDOG_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "queue.h"

struct bd_metrics;
struct bd_worker;

uv_loop_t *bd_worker_loop(struct bd_worker *w);
struct bd_metrics *bd_worker_metrics(struct bd_worker *w);

/* The mode's own, per worker: set by its worker_start, cleared by nobody. */
void *bd_worker_data(struct bd_worker *w);
void bd_worker_set_data(struct bd_worker *w, void *data);

/* Monotonic clock, nanoseconds. */
static inline int64_t bd_now_ns(void)
{
    return (int64_t)uv_hrtime();
}

/*
 * Blocks: read buffers of one size. Whoever takes one gives it back; the worker keeps a few for the
 * next taker. Never NULL.
 */
#define BD_BLOCK_BYTES 65536

char *bd_block_take(struct bd_worker *w);
void bd_block_give(struct bd_worker *w, char *block); /* NULL is fine */

/*
 * Deadlines: timers for the many. Starting and stopping costs a list operation, no system call and
 * no heap: equal periods expire in the order they were started. Zeroed memory is a valid, stopped
 * deadline.
 */
struct bd_deadline {
    struct bd_queue link;
    int64_t at_ns;
    void (*expired)(struct bd_deadline *d); /* stopped already when called; may start it again */
};

/* `after_ns` from now; one that runs is moved. The callback comes on time or a few ms late. */
void bd_deadline_start(struct bd_worker *w, struct bd_deadline *d, int64_t after_ns,
                       void (*expired)(struct bd_deadline *d));
/* The same for who has just asked for the time and says what it was. */
void bd_deadline_start_at(struct bd_worker *w, struct bd_deadline *d, int64_t now_ns,
                          int64_t after_ns, void (*expired)(struct bd_deadline *d));

static inline bool bd_deadline_runs(const struct bd_deadline *d)
{
    return d->link.next && d->link.next != &d->link;
}

void bd_deadline_stop(struct bd_deadline *d); /* stopped or never started is fine */

/*
 * End of turn: called once, after all events the loop has at hand were handled, so that what they
 * produced leaves together. Zeroed memory is a valid one.
 */
struct bd_turn {
    struct bd_queue link;
    void (*run)(struct bd_turn *t);
};

void bd_turn_add(struct bd_worker *w, struct bd_turn *t, void (*run)(struct bd_turn *t));
void bd_turn_cancel(struct bd_turn *t);

/*
 * Mail from another thread: `run` is called on the worker's thread, in the order of posting.
 * The caller owns `m` until then, the receiver afterwards. Returns false when the worker has ended
 * and `m` was not taken.
 */
struct bd_mail {
    struct bd_queue link;
    void (*run)(struct bd_worker *w, struct bd_mail *m);
};

bool bd_worker_post(struct bd_worker *w, struct bd_mail *m);

#endif
