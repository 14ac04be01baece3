/*
 * worker.h - the inside of a worker, for the code that makes and extends one
 *
 * Modes see only bandog/worker.h. The fields named after a module belong to that module.
 */
#ifndef WATCHDOG_LOOP_WORKER_H
#define WATCHDOG_LOOP_WORKER_H

#include <stdbool.h>
#include <uv.h>

#include "bandog/worker.h"
#include "deadline.h"

/* Of a block that carried little only the first page is resident. */
#define WORKER_SPARE_BLOCKS 128

struct bd_worker {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_prepare_t turn_end; /* unreferenced: runs the turns just before the loop sleeps */
    struct bd_queue turns;
    struct bd_deadline log_retry; /* runs while a descriptor does not take our lines */
    struct deadlines deadlines;
    struct bd_metrics *metrics;
    void *data;

    char *spare_block[WORKER_SPARE_BLOCKS];
    unsigned spare_blocks;

    struct bd_queue children;       /* proc/child.c: every child not yet ended */
    struct bd_queue spare_children; /* proc/child.c: memory for the next ones */
    unsigned spare_child_count;
    int64_t log_waited_ns;   /* proc/child.c: since the log took lines without delay */
    struct watches *watches; /* proc/watch.c: the descriptors of its children; NULL at first */
    void *http;              /* http/server.c: the server's part of this worker */

    uv_async_t mail_come;
    uv_mutex_t mail_lock; /* guards the two below */
    struct bd_queue mail;
    bool mail_closed;
};

struct worker_hooks {
    /* On the new thread, before its loop runs. Not 0: the worker ends and worker_open() fails. */
    int (*start)(struct bd_worker *w, void *arg);
    /* On the thread, once the loop is empty, before the worker's memory goes. */
    void (*end)(struct bd_worker *w, void *arg);
    void *arg;
};

/* Makes a thread with a loop and waits for its start(). 0, a UV_E code, or what start() returned.
 */
int worker_open(struct bd_worker **ret_worker, const struct worker_hooks *hooks)
    __attribute__((warn_unused_result));

/*
 * The same for the thread that calls it, which becomes the worker: no hooks, and no loop that runs
 * before worker_run_here(). 0 or a UV_E code.
 */
int worker_open_here(struct bd_worker **ret_worker) __attribute__((warn_unused_result));

/*
 * Runs its loop until it is empty, the mailbox closed by something on it; then `end`, and frees.
 */
void worker_run_here(struct bd_worker *w, void (*end)(struct bd_worker *w));

/*
 * No more mail: the loop ends when what runs on it has ended. On the worker's thread, or before it
 * has got its first mail.
 */
void worker_close_mail(struct bd_worker *w);

/* Waits for the end of the thread and frees. Asserts that its loop was empty. */
void worker_join(struct bd_worker *w);

#endif
