/*
 * environ_rows.h - the rows of an environment while it is made
 */
#ifndef MODES_ENVIRON_ROWS_H
#define MODES_ENVIRON_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/slice.h"

#define ROW_BYTES_MAX ((size_t)128 * 1024) /* MAX_ARG_STRLEN of Linux, with the NUL */

/* Rows of one request, with the names in a hash table so that the first of equal names wins. */
struct rows {
    struct bd_arena *arena;
    char **row;
    size_t n;
    size_t bytes;
    const char **slot; /* open addressing, rows by the hash of their name */
    size_t mask;
    bool too_long; /* a row was */
};

/*
 * Adds the row "PREFIXNAME=", '-' in the name replaced by '_', with room for a value of that many
 * bytes. Returns where that goes; NULL when there is such a row already, or it would be too long.
 */
char *rows_add(struct rows *r, struct bd_slice prefix, struct bd_slice name, size_t value_bytes);

#endif
