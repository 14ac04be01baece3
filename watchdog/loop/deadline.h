/*
 * deadline.h - a worker's timers: lists by period under one uv_timer
 *
 * Most deadlines have one of a handful of constant periods, so the ones of a period expire in the
 * order they were started and a list per period is sorted by itself. Deadlines with a rarer period
 * share one list that is kept sorted by insertion.
 */
#ifndef WATCHDOG_LOOP_DEADLINE_H
#define WATCHDOG_LOOP_DEADLINE_H

#include <uv.h>

#include "bandog/worker.h"

#define DEADLINE_PERIODS 8

struct deadlines {
    uv_timer_t timer; /* unreferenced */
    int64_t armed_ns; /* when it will fire; INT64_MAX: not armed */
    struct {
        int64_t after_ns;
        struct bd_queue list;
    } period[DEADLINE_PERIODS];
    struct bd_queue others; /* by at_ns */
};

int deadlines_init(struct deadlines *d, uv_loop_t *loop);
void deadlines_close(struct deadlines *d);

#endif
