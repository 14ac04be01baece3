/*
 * exposition.c - see exposition.h
 */
#include "exposition.h"

#include <string.h>

#include "shortest.h"

void histogram_add(struct histogram *h, const struct histogram_family *f, int64_t value)
{
    size_t i = 0;

    while (i < f->bounds && value > f->bound[i])
        i++;
    ADD(&h->bucket[i], 1);
    ADD(&h->sum, value);
}

void histogram_collect(struct histogram_total *to, const struct histogram *h)
{
    for (size_t i = 0; i <= BOUNDS_MAX; i++) {
        uint64_t events = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);

        to->bucket[i] += events;
        to->count += events;
    }
    to->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
}

static const char *print_bound(char buf[SHORTEST_BYTES + 2], const struct histogram_family *f,
                               size_t i, bool open)
{
    if (i == f->bounds)
        return "+Inf";
    shortest_print(buf, (double)f->bound[i] / f->unit);
    if (open && !strpbrk(buf, ".e"))
        memcpy(buf + strlen(buf), ".0", 3);
    return buf;
}

static void print_line(FILE *to, const char *name, const char *suffix, const char *labels,
                       double value)
{
    char text[SHORTEST_BYTES];

    shortest_print(text, value);
    if (*labels)
        fprintf(to, "%s%s{%s} %s\n", name, suffix, labels, text);
    else
        fprintf(to, "%s%s %s\n", name, suffix, text);
}

void histogram_print(FILE *to, const struct histogram_family *f, const char *labels,
                     const struct histogram_total *t, bool open)
{
    char bucket_labels[128], bound[SHORTEST_BYTES + 2];
    uint64_t below = 0;

    for (size_t i = 0; i <= f->bounds; i++) {
        below += t->bucket[i];
        snprintf(bucket_labels, sizeof(bucket_labels), "%s%sle=\"%s\"", labels, *labels ? "," : "",
                 print_bound(bound, f, i, open));
        print_line(to, f->name, "_bucket", bucket_labels, (double)below);
    }
    print_line(to, f->name, "_sum", labels, (double)t->sum / f->unit);
    print_line(to, f->name, "_count", labels, (double)t->count);
}

void family_print(FILE *to, const char *name, const char *help, const char *type, bool open)
{
    int len = (int)strlen(name);

    if (open && strcmp(type, "counter") == 0)
        len -= (int)strlen("_total");
    fprintf(to, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

void value_print(FILE *to, const char *name, const char *help, const char *type, double value,
                 bool open)
{
    family_print(to, name, help, type, open);
    print_line(to, name, "", "", value);
}
