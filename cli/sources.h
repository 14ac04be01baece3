/*
 * sources.h - what a function of `bandog dev` is made of: checked, put together, watched
 */
#ifndef BANDOG_CLI_SOURCES_H
#define BANDOG_CLI_SOURCES_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "stack.h"
#include "template.h"
#include "watcher.h"

/* The programs that the template needs (NULL: none) are in PATH. */
int sources_check(struct bd_arena *a, const struct function *f, const struct template *t,
                  struct bd_error *err);

/*
 * Makes `folder` what the function is now, but for what `dev.install` and `dev.build` have made in
 * it. `t` is NULL for a Dockerfile of its own.
 */
int sources_assemble(struct bd_arena *a, const struct stack *s, const struct function *f,
                     const struct template *t, const char *folder, struct bd_error *err);

/* Has it watched. The texts come from `a`, which must stay until the watcher is set anew. */
void sources_watch(struct bd_arena *a, const struct stack *s, const struct function *f,
                   struct watcher *w);

#endif
