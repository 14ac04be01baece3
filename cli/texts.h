/*
 * texts.h - lists of texts and of names with values, in an arena
 *
 * Zero-initialised ones are empty. The texts are not copied: they live as long as whoever made
 * them.
 */
#ifndef BANDOG_CLI_TEXTS_H
#define BANDOG_CLI_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"

struct texts {
    const char **text; /* NULL behind the last, or NULL when there is none */
    size_t count;
};

struct pair {
    const char *name, *value;
};

struct pairs {
    struct pair *row;
    size_t count;
};

void texts_add(struct bd_arena *a, struct texts *t, const char *text);
void texts_add_all(struct bd_arena *a, struct texts *t, const struct texts *more);
bool texts_have(const struct texts *t, const char *text);
bool texts_are_equal(const struct texts *a, const struct texts *b);

/* Sorted by bytes, each only once. */
void texts_sort(struct texts *t);

/* "a, b, c" */
const char *texts_join(struct bd_arena *a, const struct texts *t, const char *between);

/* The value of `name` is replaced where it is there, else a row is added. */
void pairs_set(struct bd_arena *a, struct pairs *p, const char *name, const char *value);
/* A further row, also when the name is there. */
void pairs_add(struct bd_arena *a, struct pairs *p, const char *name, const char *value);

void pairs_set_all(struct bd_arena *a, struct pairs *p, const struct pairs *more);

/* NULL when it is not there. */
const char *pairs_get(const struct pairs *p, const char *name);

/* In the same order, too. */
bool pairs_are_equal(const struct pairs *a, const struct pairs *b);

/* Sorted by the bytes of the names. */
void pairs_sort(struct pairs *p);

#endif
