/*
 * confine.h - the settings that say what the function may do to its machine
 */
#ifndef WATCHDOG_CONFINE_H
#define WATCHDOG_CONFINE_H

#include <stdint.h>

#include "bandog/error.h"

struct confine {
    int64_t memory_bytes; /* the four: 0 is no limit */
    int64_t cpu_s;
    int64_t files;
    int64_t processes;
    const char *user, *group; /* name or number; NULL: as we are */
};

/* For every process from now on. 0, or -1 with a sentence. Once, before the threads. */
int confine_apply(const struct confine *c, struct bd_error *err);

#endif
