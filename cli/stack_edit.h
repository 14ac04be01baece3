/*
 * stack_edit.h - adds a function to the text of a stack file
 *
 * The file belongs to its author: every byte that was there stays, comments and order included.
 */
#ifndef BANDOG_CLI_STACK_EDIT_H
#define BANDOG_CLI_STACK_EDIT_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "stack.h"

/*
 * What a new function has: name, lang, handler, image, limits, requests. `text` is the file `path`
 * as it is; a NULL `text.p` makes a new one with `gateway`. The result is checked by reading it
 * again.
 */
int stack_add(struct bd_arena *a, const char *path, struct bd_slice text, const char *gateway,
              const struct function *f, struct bd_slice *ret, struct bd_error *err);

#endif
