/*
 * feed.h - bytes into a process's stdin
 *
 * What the pipe does not take at once stays where it is, lent by the writer, until it does. A
 * process that does not read is no error: from its first EPIPE on everything is dropped.
 */
#ifndef WATCHDOG_PROC_FEED_H
#define WATCHDOG_PROC_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/flow.h"
#include "watch.h"

struct feed {
    struct watch watch; /* closed: what is written is dropped */
    const char *lent;   /* what waits for room; NULL: nothing */
    size_t len;
    bool finish; /* end of file once it has gone */
};

/* Takes over `fd`, a non-blocking pipe. `ready` calls feed_ready(). */
void feed_init(struct feed *f, struct watches *set, int fd,
               void (*ready)(struct watch *w, uint32_t events));

/* BD_WAIT: lent until feed_ready() or feed_forget() say so. Not while bytes are lent. */
enum bd_flow feed_write(struct feed *f, const char *buf, size_t len);

/* The pipe has room or no reader. True when the lent bytes are the writer's again. */
bool feed_ready(struct feed *f);

/* End of file, once what was written has been taken. */
void feed_finish(struct feed *f);

/* Lent bytes are the writer's again at once; the pipe stays open when there were some. True then.
 */
bool feed_forget(struct feed *f);

/* The same and the pipe is closed. True when bytes were lent. */
bool feed_close(struct feed *f);

#endif
