/*
 * glob.h - a text without what a shell's pattern matches at one of its ends
 *
 * In a pattern `*` is any run of bytes, `?` any byte, `[a-z_]` one of a set and `[!a-z_]` or
 * `[^a-z_]` one outside it. Other bytes, `/` and `\` among them, are themselves.
 */
#ifndef BANDOG_CLI_GLOB_H
#define BANDOG_CLI_GLOB_H

#include <stdbool.h>

#include "bandog/slice.h"

enum glob_side { GLOB_BEGINNING, GLOB_END };

/* `most`: as much as the pattern matches goes, else as little; nothing when it does not match. */
struct bd_slice glob_trim(struct bd_slice text, struct bd_slice pattern, enum glob_side side,
                          bool most);

#endif
