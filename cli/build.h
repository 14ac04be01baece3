/*
 * build.h - what a function is put together from, for build and dev
 */
#ifndef BANDOG_CLI_BUILD_H
#define BANDOG_CLI_BUILD_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "stack.h"
#include "template.h"

/*
 * The function's template; `*ret` is NULL for `lang: dockerfile`. Fails when there is none, or no
 * lang. One that the stack file names with its source is fetched when it is not there.
 */
int build_template(struct bd_arena *a, const struct stack *s, const struct function *f,
                   struct template *space, struct template **ret, struct bd_error *err);

/* "build/NAME" */
const char *build_folder(struct bd_arena *a, const struct function *f);

/* Puts it together there, anew: the handler over the template, then the extra paths of `extra` and
 * of the stack. */
int build_assemble(struct bd_arena *a, const struct stack *s, const struct function *f,
                   const struct template *t, const struct texts *extra, struct bd_error *err);

#endif
