/*
 * grow.h - arrays in an arena that get one more element at a time
 */
#ifndef BANDOG_CLI_GROW_H
#define BANDOG_CLI_GROW_H

#include <stddef.h>
#include <string.h>

#include "bandog/arena.h"

/*
 * `rows`, or a copy of its `count` elements with room for at least one more; `*room` is how many it
 * has room for, 0 at first. The old ones stay in the arena, all together no larger than the new
 * one.
 */
static inline void *grow(struct bd_arena *a, void *rows, size_t count, size_t *room, size_t bytes)
{
    void *more;

    if (count < *room)
        return rows;
    *room = *room ? 2 * *room : 8;
    more = bd_arena_alloc(a, *room * bytes);
    if (count > 0)
        memcpy(more, rows, count * bytes);
    return more;
}

#endif
