/*
 * arena.h - memory that lives as long as one exchange
 *
 * Allocation is a pointer bump; all of it is given back at once. Running out of memory ends the
 * program: what a client can make large is bounded before it gets here (the size of a head).
 * One thread only.
 */
#ifndef BANDOG_ARENA_H
#define BANDOG_ARENA_H

#include <stddef.h>

#include "slice.h"

struct bd_arena_chunk;

struct bd_arena {
    struct bd_arena_chunk *chunk; /* the one in use, then the others */
    char *at, *end;               /* free part of the one in use */
};

void bd_arena_init(struct bd_arena *a);

/* Frees the memory too; the arena can be used again. */
void bd_arena_release(struct bd_arena *a);

/* Everything allocated is gone; one chunk of usual size stays for the next user. */
void bd_arena_clear(struct bd_arena *a);

/* Never NULL, aligned for any type, not zeroed. */
void *bd_arena_alloc(struct bd_arena *a, size_t bytes)
    __attribute__((returns_nonnull, malloc, alloc_size(2)));

/* A copy with a NUL behind it. */
char *bd_arena_copy(struct bd_arena *a, struct bd_slice s) __attribute__((returns_nonnull));

/* printf into the arena, NUL-terminated. */
char *bd_arena_printf(struct bd_arena *a, const char *format, ...)
    __attribute__((returns_nonnull, format(printf, 2, 3)));

#endif
