/*
 * texts.c - see texts.h
 */
#include "texts.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for one more row (and what has to stand behind it): powers of two, from 8 on. */
static void *grown(struct bd_arena *a, void *rows, size_t count, size_t bytes)
{
    void *more;

    if (count > 0 && (count < 8 || (count & (count - 1)) != 0))
        return rows;
    more = bd_arena_alloc(a, (count ? 2 * count : 8) * bytes + bytes);
    if (count > 0)
        memcpy(more, rows, count * bytes);
    return more;
}

void texts_add(struct bd_arena *a, struct texts *t, const char *text)
{
    t->text = grown(a, t->text, t->count, sizeof(*t->text));
    t->text[t->count++] = text;
    t->text[t->count] = NULL;
}

void texts_add_all(struct bd_arena *a, struct texts *t, const struct texts *more)
{
    for (size_t i = 0; i < more->count; i++)
        texts_add(a, t, more->text[i]);
}

bool texts_have(const struct texts *t, const char *text)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->text[i], text) == 0)
            return true;
    return false;
}

bool texts_are_equal(const struct texts *a, const struct texts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void texts_sort(struct texts *t)
{
    size_t kept = 0;

    if (t->count == 0)
        return;
    qsort(t->text, t->count, sizeof(*t->text), compare_texts);
    for (size_t i = 1; i < t->count; i++)
        if (strcmp(t->text[i], t->text[kept]) != 0)
            t->text[++kept] = t->text[i];
    t->count = kept + 1;
    t->text[t->count] = NULL;
}

const char *texts_join(struct bd_arena *a, const struct texts *t, const char *between)
{
    size_t bytes = 1, gap = strlen(between);
    char *joined, *at;

    for (size_t i = 0; i < t->count; i++)
        bytes += strlen(t->text[i]) + gap;
    at = joined = bd_arena_alloc(a, bytes);
    for (size_t i = 0; i < t->count; i++) {
        if (i > 0)
            at = bd_slice_put(at, (struct bd_slice){between, gap});
        at = bd_slice_put(at, bd_slice_of(t->text[i]));
    }
    *at = '\0';
    return joined;
}

static struct pair *find(const struct pairs *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->row[i].name, name) == 0)
            return &p->row[i];
    return NULL;
}

void pairs_add(struct bd_arena *a, struct pairs *p, const char *name, const char *value)
{
    p->row = grown(a, p->row, p->count, sizeof(*p->row));
    p->row[p->count++] = (struct pair){name, value};
}

void pairs_set(struct bd_arena *a, struct pairs *p, const char *name, const char *value)
{
    struct pair *row = find(p, name);

    if (row)
        row->value = value;
    else
        pairs_add(a, p, name, value);
}

void pairs_set_all(struct bd_arena *a, struct pairs *p, const struct pairs *more)
{
    for (size_t i = 0; i < more->count; i++)
        pairs_set(a, p, more->row[i].name, more->row[i].value);
}

const char *pairs_get(const struct pairs *p, const char *name)
{
    const struct pair *row = find(p, name);

    return row ? row->value : NULL;
}

bool pairs_are_equal(const struct pairs *a, const struct pairs *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->row[i].name, b->row[i].name) != 0 ||
            strcmp(a->row[i].value, b->row[i].value) != 0)
            return false;
    return true;
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

void pairs_sort(struct pairs *p)
{
    if (p->count > 0)
        qsort(p->row, p->count, sizeof(*p->row), compare_pairs);
}
