/*
 * reader.h - bytes out of a process's stdout or stderr
 *
 * Each readable pipe is read into a block of the worker, taken just for that; whoever gets the
 * bytes may keep them, and the block with them, and then nothing more is read until he is done.
 */
#ifndef WATCHDOG_PROC_READER_H
#define WATCHDOG_PROC_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/flow.h"
#include "watch.h"

struct bd_worker;
struct reader;

/* BD_WAIT: the bytes are kept until reader_resume() or reader_discard(), which it may call. */
typedef enum bd_flow reader_take(struct reader *r, const char *buf, size_t len);

struct reader {
    struct watch watch; /* closed: the stream has ended */
    struct bd_worker *worker;
    reader_take *take;
    size_t most;   /* bytes given at a time */
    char *held;    /* the block whose bytes are kept; NULL: none */
    uint64_t left; /* bytes until the stream is taken for ended; UINT64_MAX: it ends by itself */
    bool taking;   /* take() is being called */
    bool resumed;  /* ... and the bytes were given back before it returned */
};

/* Takes over `fd`, a non-blocking pipe; -1: a stream that has ended. `ready` calls reader_ready().
 */
void reader_init(struct reader *r, struct bd_worker *worker, struct watches *set, int fd,
                 reader_take *take, void (*ready)(struct watch *w, uint32_t events));

/* Hands over what the pipe holds, a bounded part of it: there will be another event for the rest.
 */
void reader_ready(struct reader *r, uint32_t events);

/* The kept bytes are free again. Reads on before it returns, unless called from take(). */
void reader_resume(struct reader *r);

/* What is kept is free again, what comes is dropped. */
void reader_discard(struct reader *r);

/* What the pipe holds now is the rest of the stream, whoever else has it open. */
void reader_limit(struct reader *r);

/* Drops everything. */
void reader_close(struct reader *r);

/* The stream has ended and nobody keeps bytes of it. */
static inline bool reader_is_done(const struct reader *r)
{
    return !watch_is_open(&r->watch) && !r->held;
}

#endif
