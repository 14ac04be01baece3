/*
 * input.c - see input.h
 */
#include "input.h"

#include <stdlib.h>
#include <string.h>

static void give(struct input *in, struct bd_worker *w)
{
    if (in->cap == BD_BLOCK_BYTES)
        bd_block_give(w, in->buf);
    else
        free(in->buf);
}

void input_take(struct input *in, struct bd_worker *w)
{
    if (in->buf)
        return;
    in->buf = bd_block_take(w);
    in->cap = BD_BLOCK_BYTES;
    in->len = in->at = 0;
}

void input_release(struct input *in, struct bd_worker *w)
{
    give(in, w);
    *in = (struct input){0};
}

void input_grow(struct input *in, struct bd_worker *w)
{
    size_t cap = in->cap * 2;
    char *buf = malloc(cap);

    if (!buf)
        abort();
    memcpy(buf, in->buf, in->len);
    give(in, w);
    in->buf = buf;
    in->cap = cap;
}

void input_shift(struct input *in, struct bd_worker *w)
{
    size_t left = in->len - in->at;

    if (left == 0) {
        input_release(in, w);
        return;
    }
    if (in->cap != BD_BLOCK_BYTES && left <= BD_BLOCK_BYTES) {
        char *buf = bd_block_take(w);

        memcpy(buf, in->buf + in->at, left);
        free(in->buf);
        in->buf = buf;
        in->cap = BD_BLOCK_BYTES;
    } else {
        memmove(in->buf, in->buf + in->at, left);
    }
    in->len = left;
    in->at = 0;
}
