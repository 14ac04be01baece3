/*
 * metrics.h - counters of finished requests
 *
 * Each worker counts for itself without locks; a scrape on any thread reads them while they change
 * (every number is atomic by itself, so a sum may be one request behind a count).
 */
#ifndef BANDOG_METRICS_H
#define BANDOG_METRICS_H

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

/*
 * The three families in the Prometheus text format 0.0.4, the workers' numbers summed:
 * http_request_duration_seconds, http_requests_in_flight, http_requests_total.
 */
void bd_metrics_print(FILE *to, struct bd_metrics *const *all, size_t n);

#endif
