/*
 * field_groups.c - see field_groups.h
 */
#include "field_groups.h"

#include "bandog/hash.h"

/* Open addressing by the hash of the name: number of the group plus 1. */
struct table {
    size_t *slot;
    size_t mask;
};

static void add(struct field_groups *g, struct table *t, size_t i)
{
    const struct bd_field *f = &g->field[i];
    size_t at = bd_ihash(f->name) & t->mask;

    for (; t->slot[at] > 0; at = (at + 1) & t->mask) {
        struct field_group *old = &g->group[t->slot[at] - 1];

        if (!bd_slice_ieq(g->field[old->first].name, f->name))
            continue;
        g->next[old->last] = i;
        old->last = i;
        old->fields++;
        old->bytes += f->value.len;
        return;
    }
    g->group[g->groups++] = (struct field_group){i, i, 1, f->value.len};
    t->slot[at] = g->groups;
}

void field_groups_make(struct field_groups *ret, struct bd_arena *a, const struct bd_field *field,
                       size_t fields, bool (*hidden)(struct bd_slice name))
{
    size_t slots = 16;
    struct table t;

    while (slots < fields * 2)
        slots *= 2;
    t = (struct table){bd_arena_alloc(a, slots * sizeof(*t.slot)), slots - 1};
    memset(t.slot, 0, slots * sizeof(*t.slot));
    *ret = (struct field_groups){.field = field};
    ret->group = bd_arena_alloc(a, (fields + 1) * sizeof(*ret->group));
    ret->next = bd_arena_alloc(a, (fields + 1) * sizeof(*ret->next));
    for (size_t i = 0; i < fields; i++)
        if (!hidden || !hidden(field[i].name))
            add(ret, &t, i);
}

char *field_group_put(char *to, const struct field_groups *g, const struct field_group *group,
                      struct bd_slice joint)
{
    for (size_t i = group->first;; i = g->next[i]) {
        to = bd_slice_put(to, g->field[i].value);
        if (i == group->last)
            return to;
        to = bd_slice_put(to, joint);
    }
}
