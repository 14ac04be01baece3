/*
 * flag.h - options of a command are rows
 *
 * Parsing, --help and the shells' completion come from the same rows. A row tells where its value
 * goes: `offset` into the command's structure of options, zeroed at first.
 */
#ifndef BANDOG_CLI_FLAG_H
#define BANDOG_CLI_FLAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/arena.h"
#include "texts.h"

enum flag_type {
    FLAG_SWITCH, /* bool: --name, --name=true, --name=false */
    FLAG_TEXT,   /* const char * */
    FLAG_LIST,   /* struct texts: may be given several times */
    FLAG_PAIRS,  /* struct pairs: KEY=VALUE, as often as given, KEY too; it is not empty */
    FLAG_NUMBER, /* int64_t, `min`..`max` */
    FLAG_WORD,   /* const char *, one of `words` */
};

/* What a shell offers for a value. */
enum flag_offer { OFFER_NOTHING, OFFER_FILES, OFFER_FOLDERS, OFFER_TEMPLATES };

struct flag {
    const char *name; /* NULL ends the rows */
    char letter;      /* of the short form, or 0 */
    enum flag_type type;
    enum flag_offer offer;
    size_t offset;
    const char *value;        /* how --help calls it: "FILE" */
    const char *initial;      /* the value where none is given, as text; NULL: zero */
    const char *const *words; /* FLAG_WORD: NULL-terminated */
    int64_t min, max;
    const char *help; /* lower case, no full stop */
};

struct command;

/*
 * Parses what stands behind the command's name. Options may stand anywhere before "--". Texts of
 * `argv` are not copied. Returns 0, or EXIT_USAGE after a complaint that names the option and what
 * is allowed.
 */
int flags_read(const struct command *c, int argc, char **argv, void *ret_options,
               struct texts *ret_operands, struct bd_arena *a);

/* The options' part of --help, on stdout. */
void flags_explain(const struct flag *rows);

#endif
