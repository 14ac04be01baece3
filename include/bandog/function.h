/*
 * function.h - a function that is one long-lived process
 *
 * A mode that has one says how it is run; the program runs it: starts it before it listens, sees
 * its end, starts it again or ends with it, and stops it when the last call is over.
 */
#ifndef BANDOG_FUNCTION_H
#define BANDOG_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "upstream.h"

enum bd_restart { BD_RESTART_NEVER, BD_RESTART_ON_FAILURE, BD_RESTART_ALWAYS };

enum bd_presence {
    BD_FUNCTION_STARTING, /* it runs, or is about to, but does not listen yet */
    BD_FUNCTION_UP,       /* it has been seen to listen */
    BD_FUNCTION_OVER,     /* it has ended for good */
};

struct bd_function {
    struct bd_command command;
    const struct bd_upstream *upstream; /* where it is going to listen */
    enum bd_restart restart;
    bool prefix_lines;
    size_t line_bytes;
    int64_t kill_grace_ns;
    int presence; /* enum bd_presence, atomic: the program's to change */
    int restarts; /* times it was started again; likewise */
};

/* Any thread, both. */
static inline enum bd_presence bd_function_presence(const struct bd_function *f)
{
    return (enum bd_presence)__atomic_load_n(&f->presence, __ATOMIC_ACQUIRE);
}

static inline int bd_function_restarts(const struct bd_function *f)
{
    return __atomic_load_n(&f->restarts, __ATOMIC_RELAXED);
}

#endif
