/*
 * table.h - rows of texts, for people as columns and for programs as JSON
 */
#ifndef BANDOG_CLI_TABLE_H
#define BANDOG_CLI_TABLE_H

#include <stddef.h>

#include "bandog/arena.h"

#define TABLE_COLUMNS 8

struct table {
    struct bd_arena *arena;
    const char *const
        *column; /* names as in JSON, lower case, NULL-terminated; at most TABLE_COLUMNS */
    const char *(*row)[TABLE_COLUMNS];
    size_t rows, room;
};

/* The next row, to be filled in; its texts must live as long as the table. */
const char **table_add(struct table *t);

/* Columns with their names in capitals above them, on stdout. The first `shown` only. */
void table_print(const struct table *t, size_t shown);

/* An array of objects on stdout, two blanks of indentation. */
void table_print_json(const struct table *t);

#endif
