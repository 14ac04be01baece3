/*
 * choice.h - which stack file, and which of its functions: what build, push, dev and generate have
 * in common
 */
#ifndef BANDOG_CLI_CHOICE_H
#define BANDOG_CLI_CHOICE_H

#include <stdbool.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "flag.h"
#include "stack.h"

/* The first member of these commands' structures of options. */
struct choice {
    const char *file; /* NULL: the default */
    const char *filter, *regex;
    bool substitute;
};

/* The rows for it; `letter` of --yaml is -f as everywhere. */
#define CHOICE_FLAGS                                                                               \
    {.name = "yaml",                                                                               \
     .letter = 'f',                                                                                \
     .type = FLAG_TEXT,                                                                            \
     .offer = OFFER_FILES,                                                                         \
     .offset = offsetof(struct choice, file),                                                      \
     .value = "FILE",                                                                              \
     .help = "the stack file instead of stack.yaml or stack.yml"},                                 \
        {.name = "filter",                                                                         \
         .type = FLAG_TEXT,                                                                        \
         .offset = offsetof(struct choice, filter),                                                \
         .value = "PATTERN",                                                                       \
         .help = "only functions of such a name, * stands for any text"},                          \
        {.name = "regex",                                                                          \
         .type = FLAG_TEXT,                                                                        \
         .offset = offsetof(struct choice, regex),                                                 \
         .value = "REGEX",                                                                         \
         .help = "only functions whose name matches (POSIX extended)"},                            \
    {                                                                                              \
        .name = "envsubst", .type = FLAG_SWITCH, .offset = offsetof(struct choice, substitute),    \
        .initial = "true", .help = "replace ${VARIABLES} in the stack file"                        \
    }

/*
 * Reads the stack and takes away the functions that are not chosen: by --filter or --regex, or by
 * their names when `names` has some. The order of the file stays.
 */
int choice_read(struct bd_arena *a, const struct choice *c, const struct texts *names,
                struct stack *ret, struct bd_error *err);

#endif
