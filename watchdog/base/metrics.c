/*
 * metrics.c - see bandog/metrics.h
 *
 * A worker's numbers are a table by status code, whose rows are made when a code is first seen, by
 * method; finding a series is two look-ups. Only the owner writes, so adding is a load and a store
 * without a locked instruction; the pointer to a row is released after the row was zeroed. The
 * labels are bounded: 900 codes, 11 methods.
 */
#include "bandog/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "exposition.h"
#include "metrics_process.h"
#include "shortest.h"

#define CODE_MIN 100
#define CODES 900

/* In the order of the labels in a scrape. What is not listed counts as the last one. */
static const struct {
    struct bd_slice upper, lower;
} methods[] = {
    {BD_SLICE("CONNECT"), BD_SLICE("connect")}, {BD_SLICE("DELETE"), BD_SLICE("delete")},
    {BD_SLICE("GET"), BD_SLICE("get")},         {BD_SLICE("HEAD"), BD_SLICE("head")},
    {BD_SLICE("NOTIFY"), BD_SLICE("notify")},   {BD_SLICE("OPTIONS"), BD_SLICE("options")},
    {BD_SLICE("PATCH"), BD_SLICE("patch")},     {BD_SLICE("POST"), BD_SLICE("post")},
    {BD_SLICE("PUT"), BD_SLICE("put")},         {BD_SLICE("TRACE"), BD_SLICE("trace")},
    {BD_SLICE(""), BD_SLICE("unknown")},
};

#define METHODS (sizeof(methods) / sizeof(*methods))

#define MS INT64_C(1000000)
#define MIB (INT64_C(1024) * 1024)

static const struct histogram_family requests = {
    .name = "http_request_duration_seconds",
    .help = "Seconds spent serving HTTP requests.",
    .unit = 1e9,
    .bound = {5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2500 * MS,
              5000 * MS, 10000 * MS},
    .bounds = 11,
};

static const struct histogram_family spawns = {
    .name = "bandog_spawn_duration_seconds",
    .help = "Time to start a process.",
    .unit = 1e9,
    .bound = {MS / 4, MS / 2, MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
              1000 * MS},
    .bounds = 11,
};

static const struct histogram_family child_cpu = {
    .name = "bandog_child_cpu_seconds",
    .help = "Processor time of processes that have ended, user and system.",
    .unit = 1e9,
    .bound = {MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,
              1000 * MS, 5000 * MS},
    .bounds = 11,
};

static const struct histogram_family child_rss = {
    .name = "bandog_child_max_rss_bytes",
    .help = "Largest resident memory of processes that have ended.",
    .unit = 1,
    .bound = {MIB, 2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB, 128 * MIB, 256 * MIB,
              512 * MIB, 1024 * MIB},
    .bounds = 11,
};

struct row {
    struct histogram series[METHODS];
};

struct bd_metrics {
    _Atomic(int64_t) in_flight;
    _Atomic(struct row *) row[CODES];
    struct histogram spawn, cpu, rss;
};

struct bd_metrics *bd_metrics_new(void)
{
    struct bd_metrics *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    return m;
}

void bd_metrics_free(struct bd_metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < CODES; i++)
        free(atomic_load_explicit(&m->row[i], memory_order_relaxed));
    free(m);
}

void bd_metrics_begin(struct bd_metrics *m)
{
    ADD(&m->in_flight, 1);
}

void bd_metrics_end(struct bd_metrics *m)
{
    ADD(&m->in_flight, -1);
}

static size_t method_index(struct bd_slice method)
{
    size_t i = 0;

    while (i < METHODS - 1 && !bd_slice_eq(method, methods[i].upper) &&
           !bd_slice_eq(method, methods[i].lower))
        i++;
    return i;
}

static struct row *row_of(struct bd_metrics *m, int status)
{
    _Atomic(struct row *) *place = &m->row[status - CODE_MIN];
    struct row *r = atomic_load_explicit(place, memory_order_relaxed);

    if (r)
        return r;
    r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    atomic_store_explicit(place, r, memory_order_release);
    return r;
}

void bd_metrics_count(struct bd_metrics *m, int status, struct bd_slice method, int64_t ns)
{
    assert(status >= CODE_MIN && status < CODE_MIN + CODES);
    assert(ns >= 0);
    histogram_add(&row_of(m, status)->series[method_index(method)], &requests, ns);
}

void bd_metrics_spawned(struct bd_metrics *m, int64_t ns)
{
    histogram_add(&m->spawn, &spawns, ns);
}

void bd_metrics_child(struct bd_metrics *m, int64_t cpu_us, int64_t max_rss_bytes)
{
    histogram_add(&m->cpu, &child_cpu, cpu_us * 1000);
    histogram_add(&m->rss, &child_rss, max_rss_bytes);
}

int64_t bd_metrics_in_flight(struct bd_metrics *const *all, size_t n)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += atomic_load_explicit(&all[i]->in_flight, memory_order_relaxed);
    return sum;
}

static struct histogram_total total_of(const struct bd_scrape *s, size_t code, size_t method)
{
    struct histogram_total t = {.count = 0};

    for (size_t i = 0; i < s->workers; i++) {
        struct row *r = atomic_load_explicit(&s->worker[i]->row[code], memory_order_acquire);

        if (r)
            histogram_collect(&t, &r->series[method]);
    }
    return t;
}

typedef void print_series(FILE *to, const struct bd_scrape *s, const char *labels,
                          const struct histogram_total *t);

static void print_durations(FILE *to, const struct bd_scrape *s, const char *labels,
                            const struct histogram_total *t)
{
    histogram_print(to, &requests, labels, t, s->open_metrics);
}

static void print_count(FILE *to, const struct bd_scrape *s, const char *labels,
                        const struct histogram_total *t)
{
    char value[SHORTEST_BYTES];

    (void)s;
    fprintf(to, "http_requests_total{%s} %s\n", labels, shortest_print(value, (double)t->count));
}

/* Every series that has had an event; the family's head comes with the first. */
static void print_by_code(FILE *to, const struct bd_scrape *s, const char *name, const char *help,
                          const char *type, print_series *print)
{
    char labels[64];
    bool begun = false;

    for (size_t i = 0; i < CODES * METHODS; i++) {
        size_t code = i / METHODS, method = i % METHODS;
        struct histogram_total t = total_of(s, code, method);

        if (!t.count)
            continue;
        if (!begun)
            family_print(to, name, help, type, s->open_metrics);
        begun = true;
        snprintf(labels, sizeof(labels), "code=\"%zu\",method=\"%s\"", code + CODE_MIN,
                 methods[method].lower.p);
        print(to, s, labels, &t);
    }
}

/* One histogram of all workers. */
static void print_histogram(FILE *to, const struct bd_scrape *s, const struct histogram_family *f,
                            size_t offset)
{
    struct histogram_total t = {.count = 0};

    for (size_t i = 0; i < s->workers; i++)
        histogram_collect(
            &t, (const struct histogram *)(const void *)((const char *)s->worker[i] + offset));
    if (!t.count)
        return;
    family_print(to, f->name, f->help, "histogram", s->open_metrics);
    histogram_print(to, f, "", &t, s->open_metrics);
}

void bd_metrics_print(FILE *to, const struct bd_scrape *s)
{
    print_histogram(to, s, &child_cpu, offsetof(struct bd_metrics, cpu));
    print_histogram(to, s, &child_rss, offsetof(struct bd_metrics, rss));
    if (s->restarts >= 0)
        value_print(to, "bandog_function_restarts_total",
                    "Times that the function was started again.", "counter", (double)s->restarts,
                    s->open_metrics);
    value_print(to, "bandog_queue_depth", "Calls that wait for a place under max_inflight.",
                "gauge", (double)s->queue_depth, s->open_metrics);
    print_histogram(to, s, &spawns, offsetof(struct bd_metrics, spawn));
    print_by_code(to, s, requests.name, requests.help, "histogram", print_durations);
    value_print(to, "http_requests_in_flight", "total HTTP requests in-flight", "gauge",
                (double)bd_metrics_in_flight(s->worker, s->workers), s->open_metrics);
    print_by_code(to, s, "http_requests_total", "total HTTP requests processed", "counter",
                  print_count);
    metrics_process_print(to, s->open_metrics);
    if (s->open_metrics)
        fputs("# EOF\n", to);
}
