/*
 * metrics.h - counters of finished requests
 *
 * Each worker counts for itself without locks; a scrape on any thread reads them while they change
 * (every number is atomic by itself, so a sum may be one request behind a count).
 */
#ifndef BANDOG_METRICS_H
#define BANDOG_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "slice.h"

struct bd_metrics; /* one worker's */

struct bd_metrics *bd_metrics_new(void);
void bd_metrics_free(struct bd_metrics *m);

/* A call entered or left; owner's thread only. */
void bd_metrics_begin(struct bd_metrics *m);
void bd_metrics_end(struct bd_metrics *m);

/* A call is over: what the client saw (100..999) and how long it took. Owner's thread only. */
void bd_metrics_count(struct bd_metrics *m, int status, struct bd_slice method, int64_t ns);

/* Calls under way in all of them. */
int64_t bd_metrics_in_flight(struct bd_metrics *const *all, size_t n);

/* A process was started, which took so long; one has ended. Owner's thread only. */
void bd_metrics_spawned(struct bd_metrics *m, int64_t ns);
void bd_metrics_child(struct bd_metrics *m, int64_t cpu_us, int64_t max_rss_bytes);

/* What a scrape shows. */
struct bd_scrape {
    struct bd_metrics *const *worker; /* their numbers are summed */
    size_t workers;
    int64_t queue_depth;
    int64_t restarts;  /* of a long-lived function; -1: there is none */
    bool open_metrics; /* in the format OpenMetrics 1.0, else in Prometheus' text format 0.0.4 */
};

/* Families in the order of their names; those of calls, processes and durations once they have had
 * one. */
void bd_metrics_print(FILE *to, const struct bd_scrape *s);

#endif
