/*
 * ignore.h - .dockerignore: what is left out of a build
 *
 * A pattern a line, of which the last that matches decides; "!" in front takes back. Steps of a
 * path are matched as by fnmatch(3), "**" is any number of steps, and what is below a match
 * matches, too. "#" begins a comment.
 */
#ifndef BANDOG_CLI_IGNORE_H
#define BANDOG_CLI_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/slice.h"

struct ignore_rule {
    const char *pattern; /* cleaned, without the "!" */
    bool takes_back;
};

struct ignore {
    struct ignore_rule *rule;
    size_t count;
    bool takes_back; /* one of them does: what is below an ignored folder may still be wanted */
};

void ignore_read(struct bd_arena *a, struct bd_slice text, struct ignore *ret);

/* Of a clean path, relative to the folder of the file. */
bool ignore_has(const struct ignore *i, const char *path);

#endif
