/*
 * command.h - what bandog can be told to do
 *
 * A command is a row in commands.c and a file of its own.
 */
#ifndef BANDOG_CLI_COMMAND_H
#define BANDOG_CLI_COMMAND_H

#include <stddef.h>

#include "bandog/arena.h"
#include "flag.h"
#include "say.h"
#include "texts.h"

enum operands_offer { OPERANDS_PLAIN, OPERANDS_FUNCTIONS, OPERANDS_WORDS };

struct command {
    const char *name;     /* "new"; of a group "template pull" */
    const char *operands; /* "NAME", "[NAME...]", or NULL: none */
    size_t min, max;      /* how many operands */
    enum operands_offer offer;
    const char *const *words; /* OPERANDS_WORDS: NULL-terminated */
    const char *summary;      /* one line, a capital, no full stop */
    const char *details;      /* lines for --help, or NULL */
    const struct flag *flags; /* NULL: none */
    size_t bytes;             /* of the structure of options */
    /* Returns an enum exit_status, or what a program that was run returned. */
    int (*run)(const void *options, const struct texts *operands, struct bd_arena *a);
};

/* NULL-terminated, in the order of `bandog help`. */
extern const struct command *const commands[];

#endif
