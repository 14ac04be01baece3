/*
 * watch.h - readiness of plain descriptors, without a libuv handle for each
 *
 * A worker's watches share one epoll set, which the loop sees as one descriptor. A child has three
 * of them for a few milliseconds: here starting one costs a single system call and closing one is
 * over when the call returns, where uv_poll_t needs three and a turn of the loop.
 *
 * Level-triggered, and EPOLLERR and EPOLLHUP come unasked: who does not handle an event must disarm
 * the watch, else it comes again at once. One worker's thread only.
 */
#ifndef WATCHDOG_PROC_WATCH_H
#define WATCHDOG_PROC_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct watches;

struct watch {
    struct watches *set;
    int fd; /* owned; -1: closed */
    uint32_t events;
    bool armed;
    void (*ready)(struct watch *w, uint32_t events); /* may close this watch and any other */
};

/* 0 or a UV_E code. Does not keep the loop alive before watches_hold_loop(). */
int watches_open(struct watches **ret_set, uv_loop_t *loop) __attribute__((warn_unused_result));

/* Once all its watches are closed. Frees itself in the loop's next turn. NULL is fine. */
void watches_close(struct watches *set);

/* Whether the loop goes on for the sake of this set. */
void watches_hold_loop(struct watches *set, bool hold);

/* Takes over `fd`, not armed yet. Cannot fail. */
void watch_init(struct watch *w, struct watches *set, int fd, uint32_t events,
                void (*ready)(struct watch *w, uint32_t events));

/* 0 or a UV_E code of epoll_ctl(2): UV_EPERM when the kernel has no poll for such a descriptor. */
int watch_try_arm(struct watch *w) __attribute__((warn_unused_result));

/* The same where only a lack of memory can stand in the way, which ends the program. */
void watch_arm(struct watch *w);

/* No event comes any more, not even one that the kernel has reported already. */
void watch_disarm(struct watch *w);

/* Disarms and closes the descriptor. A closed watch is fine. */
void watch_close(struct watch *w);

static inline bool watch_is_open(const struct watch *w)
{
    return w->fd >= 0;
}

#endif
