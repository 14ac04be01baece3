/*
 * builtin.h - what the watchdog answers itself: health, readiness, metrics
 *
 * They are modes like the others, so the server knows no special case.
 */
#ifndef WATCHDOG_BUILTIN_H
#define WATCHDOG_BUILTIN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bandog/function.h"
#include "bandog/mode.h"
#include "bandog/server.h"

/* What the three look at; read by every worker. */
struct builtin {
    atomic_bool accepting;              /* the program has started and is not told to stop */
    bool lock_counts;                   /* a missing lock file is unhealthy */
    _Atomic(struct bd_server *) server; /* the functions' */
    int64_t max_inflight;
    const struct bd_function *function; /* has to listen to be ready; NULL: there is none */
    const char *ready_path;             /* readiness is the function's answer to this; NULL: not */
    const struct bd_mode *mode;         /* who passes that on */
    const void *mode_conf;
};

extern const struct bd_mode builtin_health;  /* conf: struct builtin */
extern const struct bd_mode builtin_ready;   /* conf: struct builtin */
extern const struct bd_mode builtin_metrics; /* conf: struct builtin */

#endif
