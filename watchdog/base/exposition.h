/*
 * exposition.h - families of metrics as Prometheus reads them
 *
 * In its text format 0.0.4, or in OpenMetrics 1.0 where `open` says so: there a counter's family is
 * named without its _total, and bounds of buckets are floats.
 */
#ifndef WATCHDOG_BASE_EXPOSITION_H
#define WATCHDOG_BASE_EXPOSITION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Owner's thread only, so nothing can come between the load and the store. */
#define ADD(counter, n)                                                                            \
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (n),      \
                          memory_order_relaxed)

#define BOUNDS_MAX 12

/* What the histograms of a family have in common. */
struct histogram_family {
    const char *name, *help;
    double unit;               /* what is counted is divided by it */
    int64_t bound[BOUNDS_MAX]; /* upper ones, inclusive; one more bucket has none */
    size_t bounds;
};

/* One thread adds, any thread reads. */
struct histogram {
    _Atomic(uint64_t) bucket[BOUNDS_MAX + 1]; /* each by itself, not what lies below */
    _Atomic(int64_t) sum;
};

/* Several, as read. */
struct histogram_total {
    uint64_t bucket[BOUNDS_MAX + 1];
    uint64_t count;
    int64_t sum;
};

void histogram_add(struct histogram *h, const struct histogram_family *f, int64_t value);
void histogram_collect(struct histogram_total *to, const struct histogram *h);

/* Its lines; `labels` as between the braces, perhaps empty. */
void histogram_print(FILE *to, const struct histogram_family *f, const char *labels,
                     const struct histogram_total *t, bool open);

/* The lines HELP and TYPE. */
void family_print(FILE *to, const char *name, const char *help, const char *type, bool open);

/* A family of one value. */
void value_print(FILE *to, const char *name, const char *help, const char *type, double value,
                 bool open);

#endif
