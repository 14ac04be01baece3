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
 * lang. One that the stack file names with its source is fetched when it is not there; not with `s`
 * NULL.
 */
int build_template(struct bd_arena *a, const struct stack *s, const struct function *f,
                   struct template *space, struct template **ret, struct bd_error *err);

#endif
