/*
 * template_pull.h - templates from elsewhere, into ./template
 */
#ifndef BANDOG_CLI_TEMPLATE_PULL_H
#define BANDOG_CLI_TEMPLATE_PULL_H

#include <stdbool.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "stack.h"
#include "texts.h"

struct pull {
    const char *source; /* a folder with template/ in it, or what git can clone; "#ref" may stand
                           behind it */
    const char *only;   /* this template, NULL: all */
    const char *as;     /* the name that `only` gets; NULL: as usual, NAME or NAME@ref */
    bool overwrite;
};

/*
 * Adds the names written to `ret_names`. Nothing is written before everything has
 * been looked at, and each template is replaced as a whole:
 * links that lead outside of the source and special files are refused.
 */
int template_pull(struct bd_arena *a, const struct pull *p, struct texts *ret_names,
                  struct bd_error *err);

/* The template `lang` of a function, when it is not there and the stack file says where it comes
 * from. */
int template_pull_missing(struct bd_arena *a, const struct stack *s, const char *lang,
                          struct bd_error *err);

#endif
