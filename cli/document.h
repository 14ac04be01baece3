/*
 * document.h - a YAML 1.1 document as a tree, with the places where everything stands
 *
 * libyaml reads; this composes. Of what others may do to a reader the following is bounded: bytes,
 * depth, and nodes after every alias has been followed (a kilobyte of aliases can stand for
 * billions of nodes).
 */
#ifndef BANDOG_CLI_DOCUMENT_H
#define BANDOG_CLI_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "texts.h"

#define DOCUMENT_BYTES_MAX (1 << 20)
#define DOCUMENT_DEPTH_MAX 64
#define DOCUMENT_NODES_MAX 20000

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct entry {
    struct node *key; /* NODE_SCALAR */
    struct node *value;
};

struct node {
    enum node_kind kind;
    bool null;           /* a plain scalar: nothing, ~, null; its text is "" */
    bool flow;           /* of lists and maps: [a], {a: b} */
    bool plain;          /* of scalars: without quotes */
    size_t line, column; /* from 1 */
    size_t next_line;    /* the first line behind it and all that is in it, from 0 */
    size_t weight;       /* nodes in it, itself included, aliases followed */

    const char *text; /* NODE_SCALAR: as it stands in the source, 1.50 stays "1.50"; no NUL in it */
    size_t count;
    struct node **item;  /* NODE_LIST */
    struct entry *entry; /* NODE_MAP: in the order of the file, merged ones last */
};

/*
 * Reads the one document in `text`; an empty one is a null scalar. `file` is its name in messages
 * ("FILE:LINE:COLUMN: ..."). Returns 0, or -1 with `err`.
 */
int document_read(struct bd_arena *a, const char *file, struct bd_slice text,
                  struct node **ret_root, struct bd_error *err);

/* The value under `key` of a map, NULL when it is not there or `map` is none. */
struct node *node_get(const struct node *map, const char *key);

/*
 * What is being read from a tree, and what was found wrong with it. Problems are printed when they
 * are found, so that the user sees all of them at once.
 */
struct reader {
    struct bd_arena *arena;
    const char *file;
    int errors;
};

/* Prints "bandog: FILE:LINE:COLUMN: ..." and counts it. */
void node_error(struct reader *r, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same as a warning, not counted. */
void node_warning(struct reader *r, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Typed values. A NULL or null node leaves `ret` as it is; one of another kind is an error that
 * names `what`.
 */
void node_text(struct reader *r, const struct node *n, const char *what, const char **ret);
void node_bool(struct reader *r, const struct node *n, const char *what, bool *ret);
void node_texts(struct reader *r, const struct node *n, const char *what, struct texts *ret);
void node_pairs(struct reader *r, const struct node *n, const char *what, struct pairs *ret);

/* Says whether it is a map; a null one counts as an empty map. Anything else is an error. */
bool node_is_map(struct reader *r, const struct node *n, const char *what);

enum node_strictness { UNKNOWN_WARNS, UNKNOWN_FAILS };

/* Keys of `map` that are not in `known` (NULL-terminated), with the nearest known one. */
void node_check_keys(struct reader *r, const struct node *map, const char *const *known,
                     enum node_strictness strictness);

#endif
