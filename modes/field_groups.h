/*
 * field_groups.h - fields sorted out by their name
 */
#ifndef MODES_FIELD_GROUPS_H
#define MODES_FIELD_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/slice.h"

/* All fields of one name, upper and lower case being the same. */
struct field_group {
    size_t first, last; /* numbers of fields; in between it is `next` of the groups */
    size_t fields;
    size_t bytes; /* of their values */
};

struct field_groups {
    const struct bd_field *field;
    struct field_group *group; /* in the order of their first fields */
    size_t groups;
    size_t *next; /* for a field the number of the next one of its group */
};

/* In the arena. Fields whose name is `hidden` are in none; NULL: no name is. */
void field_groups_make(struct field_groups *ret, struct bd_arena *a, const struct bd_field *field,
                       size_t fields, bool (*hidden)(struct bd_slice name));

/* The values of a group with `joint` between them, group->bytes and what that takes; the end. */
char *field_group_put(char *to, const struct field_groups *g, const struct field_group *group,
                      struct bd_slice joint);

#endif
