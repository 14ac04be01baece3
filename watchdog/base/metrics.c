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
#include <stdlib.h>

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

/* Upper bounds, inclusive; one more bucket has none. */
static const int64_t bound_us[] = {5000,   10000,   25000,   50000,   100000,  250000,
                                   500000, 1000000, 2500000, 5000000, 10000000};

#define BOUNDS (sizeof(bound_us) / sizeof(*bound_us))

struct series {
    _Atomic(uint64_t) bucket[BOUNDS + 1]; /* each by itself, not what lies below */
    _Atomic(int64_t) sum_ns;
};

struct row {
    struct series series[METHODS];
};

struct bd_metrics {
    _Atomic(int64_t) in_flight;
    _Atomic(struct row *) row[CODES];
};

/* One series of all workers, as read. */
struct total {
    uint64_t bucket[BOUNDS + 1];
    uint64_t count;
    int64_t sum_ns;
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

/* Owner's thread only, so nothing can come between the load and the store. */
#define ADD(counter, n)                                                                            \
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (n),      \
                          memory_order_relaxed)

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
    struct series *s;
    size_t i = 0;

    assert(status >= CODE_MIN && status < CODE_MIN + CODES);
    assert(ns >= 0);
    s = &row_of(m, status)->series[method_index(method)];
    while (i < BOUNDS && ns > bound_us[i] * 1000)
        i++;
    ADD(&s->bucket[i], 1);
    ADD(&s->sum_ns, ns);
}

int64_t bd_metrics_in_flight(struct bd_metrics *const *all, size_t n)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += atomic_load_explicit(&all[i]->in_flight, memory_order_relaxed);
    return sum;
}

static void add_series(struct total *t, const struct series *s)
{
    for (size_t i = 0; i <= BOUNDS; i++) {
        uint64_t events = atomic_load_explicit(&s->bucket[i], memory_order_relaxed);

        t->bucket[i] += events;
        t->count += events;
    }
    t->sum_ns += atomic_load_explicit(&s->sum_ns, memory_order_relaxed);
}

static struct total total_of(struct bd_metrics *const *all, size_t n, size_t code, size_t method)
{
    struct total t = {.count = 0};

    for (size_t i = 0; i < n; i++) {
        struct row *r = atomic_load_explicit(&all[i]->row[code], memory_order_acquire);

        if (r)
            add_series(&t, &r->series[method]);
    }
    return t;
}

static void print_line(FILE *to, const char *name, const char *labels, double value)
{
    char text[SHORTEST_BYTES];

    fprintf(to, "%s{%s} %s\n", name, labels, shortest_print(text, value));
}

static void print_histogram(FILE *to, const char *labels, const struct total *t)
{
    char bucket_labels[128], bound[SHORTEST_BYTES];
    uint64_t below = 0;

    for (size_t i = 0; i <= BOUNDS; i++) {
        below += t->bucket[i];
        snprintf(bucket_labels, sizeof(bucket_labels), "%s,le=\"%s\"", labels,
                 i < BOUNDS ? shortest_print(bound, (double)bound_us[i] / 1e6) : "+Inf");
        print_line(to, "http_request_duration_seconds_bucket", bucket_labels, (double)below);
    }
    print_line(to, "http_request_duration_seconds_sum", labels, (double)t->sum_ns / 1e9);
    print_line(to, "http_request_duration_seconds_count", labels, (double)t->count);
}

static void print_counter(FILE *to, const char *labels, const struct total *t)
{
    print_line(to, "http_requests_total", labels, (double)t->count);
}

/* Every series that has had an event; the family's head comes with the first. */
static void print_family(FILE *to, struct bd_metrics *const *all, size_t n, const char *head,
                         void (*print)(FILE *, const char *labels, const struct total *))
{
    char labels[64];

    for (size_t i = 0; i < CODES * METHODS; i++) {
        size_t code = i / METHODS, method = i % METHODS;
        struct total t = total_of(all, n, code, method);

        if (!t.count)
            continue;
        fputs(head, to);
        head = "";
        snprintf(labels, sizeof(labels), "code=\"%zu\",method=\"%s\"", code + CODE_MIN,
                 methods[method].lower.p);
        print(to, labels, &t);
    }
}

void bd_metrics_print(FILE *to, struct bd_metrics *const *all, size_t n)
{
    char in_flight[SHORTEST_BYTES];

    print_family(to, all, n,
                 "# HELP http_request_duration_seconds Seconds spent serving HTTP requests.\n"
                 "# TYPE http_request_duration_seconds histogram\n",
                 print_histogram);
    fprintf(to,
            "# HELP http_requests_in_flight total HTTP requests in-flight\n"
            "# TYPE http_requests_in_flight gauge\n"
            "http_requests_in_flight %s\n",
            shortest_print(in_flight, (double)bd_metrics_in_flight(all, n)));
    print_family(to, all, n,
                 "# HELP http_requests_total total HTTP requests processed\n"
                 "# TYPE http_requests_total counter\n",
                 print_counter);
}
