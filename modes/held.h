/*
 * held.h - bytes that cannot go on yet
 *
 * Until a process has exited its status is not known, and so neither is that of the answer; and a
 * function may want to know the length of a body before it gets it. Up to
 * HELD_MEMORY_BYTES are kept in memory, the rest in a file without a name (bandog/temp.h), so a
 * call costs the same memory whatever it prints.
 */
#ifndef MODES_HELD_H
#define MODES_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/exchange.h"

#define HELD_BLOCKS 4
#define HELD_MEMORY_BYTES ((size_t)HELD_BLOCKS * BD_BLOCK_BYTES)

struct held {
    struct bd_worker *worker;
    char *block[HELD_BLOCKS];
    size_t len;  /* bytes in all, in memory first */
    int fd;      /* -1: nothing on disk */
    size_t sent; /* of `len` */
    char *page;  /* what is being sent from the file */
};

enum held_result {
    HELD_SENT,  /* everything */
    HELD_WAIT,  /* go on when the taker is done with what he keeps */
    HELD_PAUSE, /* go on in a later loop turn: others want theirs */
    HELD_LOST,  /* the file cannot be read any more */
};

void held_init(struct held *h, struct bd_worker *w);

/* Memory and file are given back; it is empty and can be used again. */
void held_release(struct held *h);

/* 0, or the errno that says why the file cannot take it; then nothing of `buf` was kept. */
int held_add(struct held *h, const char *buf, size_t len);

/* The first bytes, as many as lie in one piece. Before anything was given on. */
struct bd_slice held_begin(const struct held *h);

/* Copies the first bytes, as many as there are in memory. Returns how many. */
size_t held_peek(const struct held *h, char *buf, size_t len);

/* The first `len` of them, which held_begin() has shown, are not given on. */
void held_skip(struct held *h, size_t len);

/* Of what would be given on only `len` bytes are. */
void held_cut(struct held *h, size_t len);

/* How much is still to be given on. */
size_t held_left(const struct held *h);

/* Who gets the bytes; BD_WAIT: keeps them for a while. */
typedef enum bd_flow held_take(void *to, const char *buf, size_t len);

/* Gives on. Until it says HELD_SENT nothing may be added or released. */
enum held_result held_give(struct held *h, held_take *take, void *to);

/* The same, to bd_send(). Until it says HELD_SENT nothing may be added or released. */
enum held_result held_send(struct held *h, struct bd_exchange *x);

#endif
