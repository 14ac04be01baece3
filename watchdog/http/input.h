/*
 * input.h - the bytes a connection has read and not yet done with
 *
 * Memory is taken when bytes come and given back when nothing is left, so an idle connection has
 * none. Usually it is one of the worker's blocks; only a head that does not fit gets more.
 */
#ifndef WATCHDOG_HTTP_INPUT_H
#define WATCHDOG_HTTP_INPUT_H

#include <stddef.h>

#include "bandog/worker.h"

struct input {
    char *buf; /* NULL: there is none */
    size_t cap;
    size_t len; /* filled up to */
    size_t at;  /* looked at up to */
};

/* Memory for the next read, if there is none yet. */
void input_take(struct input *in, struct bd_worker *w);

/* Whatever is in it is gone. */
void input_release(struct input *in, struct bd_worker *w);

/* Twice the room. The bytes move. */
void input_grow(struct input *in, struct bd_worker *w);

/* What has been looked at is gone; the rest moves to the front. */
void input_shift(struct input *in, struct bd_worker *w);

#endif
