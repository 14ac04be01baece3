/*
 * dev_environment.h - the environment that a function has in its container, for one that runs
 * without
 */
#ifndef BANDOG_CLI_DEV_ENVIRONMENT_H
#define BANDOG_CLI_DEV_ENVIRONMENT_H

#include <stdbool.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "stack.h"
#include "template.h"

struct dev_environment {
    struct pairs rows;
    const char *mode; /* of the watchdog */
    /*
     * The function listens at an address of its own, so that two of its instances can run at a
     * time. Otherwise it is the one that the Dockerfile says, and only one can.
     */
    bool is_movable;
};

/*
 * From the least to the most: PATH, HOME, the locale and the time zone of ours; the ENV of the
 * Dockerfile; `dev` of template.yml; the stack file; its environment files; and what belongs to
 * this run: `port`, and files in `folder`, which is the instance's own. `t` is NULL for a function
 * with a Dockerfile of its own.
 */
int dev_environment(struct bd_arena *a, const struct function *f, const struct template *t,
                    struct bd_slice dockerfile, const char *folder, struct dev_environment *ret,
                    struct bd_error *err);

/* "NAME=VALUE" rows, NULL-terminated. */
char **dev_environment_rows(struct bd_arena *a, const struct pairs *rows);

#endif
