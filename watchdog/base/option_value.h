/*
 * option_value.h - one setting's value: from text, to text, and what texts are allowed
 */
#ifndef WATCHDOG_BASE_OPTION_VALUE_H
#define WATCHDOG_BASE_OPTION_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "bandog/arena.h"
#include "bandog/option.h"

union option_value {
    const char *text; /* BD_TEXT */
    int64_t number;   /* BD_INT, BD_DURATION */
    int word;         /* BD_WORD */
    bool flag;        /* BD_BOOL, BD_BOOL_ONE, BD_BOOL_WORD */
};

struct option_reading {
    union option_value value;
    const char *fault; /* "is not a duration"; NULL when the text is good */
    bool binding;      /* with a fault: the type itself says that the text means `value` */
};

struct option_reading option_read(const struct bd_option *o, const char *text);

/* The value of a row's own text, `initial` or `fallback`; it must be a good one. */
union option_value option_literal(const struct bd_option *o, const char *text);

/* Bytes outside printable ASCII are escaped. Static storage, the value itself, or in `a`. */
const char *option_print(struct bd_arena *a, const struct bd_option *o, union option_value v);

/* "a whole number of bytes from 1 to 64", "classic, streaming or serializing"; in `a` or static. */
const char *option_allowed(struct bd_arena *a, const struct bd_option *o);

#endif
