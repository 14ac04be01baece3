/*
 * option.c - see bandog/option.h: from rows and the environment to a structure of values
 *
 * Runs at start, on one thread. What one value looks like is in option_value.c.
 */
#include "bandog/option.h"

#include <assert.h>
#include <string.h>

#include "bandog/arena.h"
#include "bandog/log.h"
#include "option_value.h"

/* Of a value from the environment no more than this is shown in a sentence. */
#define SHOWN_BYTES 80

struct loading {
    const struct bd_option *rows;
    char *conf;
    enum bd_family family;
    bool strict;
    char *const *environ_rows;
    const struct bd_report *report;
    struct bd_arena arena; /* for texts, cleared after each row */
    int errors;
};

/* Where a row's text came from; `value` is NULL when it counts as unset. */
struct given {
    const char *name, *value;
};

const char *bd_environ_get(char *const *environ_rows, const char *name)
{
    size_t len = strlen(name);

    for (; *environ_rows; environ_rows++)
        if (strncmp(*environ_rows, name, len) == 0 && (*environ_rows)[len] == '=')
            return *environ_rows + len + 1;
    return NULL;
}

static bool is_in_force(const struct loading *l, const struct bd_option *o)
{
    return (o->family ? o->family : (unsigned)BD_ANY) & l->family;
}

static bool empty_is_unset(const struct loading *l, const struct bd_option *o)
{
    if (l->family == BD_CLASSIC || o->flags & BD_OWN)
        return true;
    switch (o->type) {
    case BD_WORD:
    case BD_BOOL:
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        return true;
    case BD_TEXT:
    case BD_INT:
    case BD_DURATION:
        break;
    }
    return false;
}

static struct given look_up(const struct loading *l, const struct bd_option *o, const char *name)
{
    struct given g = {name, bd_environ_get(l->environ_rows, name)};

    if (g.value && !*g.value && empty_is_unset(l, o))
        g.value = NULL;
    return g;
}

static struct given look_up_both(const struct loading *l, const struct bd_option *o)
{
    struct given name = look_up(l, o, o->name), also;

    if (!o->also)
        return name;
    also = look_up(l, o, o->also);
    if (!name.value || (also.value && !o->prefer_name))
        return also;
    return name;
}

static void *place(const struct loading *l, const struct bd_option *o)
{
    return l->conf + o->offset;
}

static void store(const struct loading *l, const struct bd_option *o, union option_value v)
{
    switch (o->type) {
    case BD_TEXT:
        *(const char **)place(l, o) = v.text;
        break;
    case BD_INT:
    case BD_DURATION:
        *(int64_t *)place(l, o) = v.number;
        break;
    case BD_WORD:
        *(int *)place(l, o) = v.word;
        break;
    case BD_BOOL:
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        *(bool *)place(l, o) = v.flag;
        break;
    }
}

static union option_value stored(const struct loading *l, const struct bd_option *o)
{
    switch (o->type) {
    case BD_TEXT:
        break;
    case BD_INT:
    case BD_DURATION:
        return (union option_value){.number = *(int64_t *)place(l, o)};
    case BD_WORD:
        return (union option_value){.word = *(int *)place(l, o)};
    case BD_BOOL:
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        return (union option_value){.flag = *(bool *)place(l, o)};
    }
    return (union option_value){.text = *(const char **)place(l, o)};
}

/* The row that `o` takes its default from: earlier in the table, of the same type, in force. */
static const struct bd_option *find_like(const struct loading *l, const struct bd_option *o)
{
    const struct bd_option *other = l->rows;

    while (other < o && (!is_in_force(l, other) || strcmp(other->name, o->like)))
        other++;
    assert(other < o && other->type == o->type);
    return other;
}

static union option_value default_value(const struct loading *l, const struct bd_option *o)
{
    if (o->like)
        return stored(l, find_like(l, o));
    if (o->initial)
        return option_literal(o, o->initial);
    return (union option_value){.number = 0}; /* all zero: NULL, false, the first word */
}

static union option_value replacement(const struct loading *l, const struct bd_option *o,
                                      const struct option_reading *bad)
{
    if (o->fallback)
        return option_literal(o, o->fallback);
    return bad->binding ? bad->value : default_value(l, o);
}

/* `NAME="VALUE" is not ..., using ...; allowed: ...` */
static void complain(struct loading *l, const struct bd_option *o, const struct given *g,
                     const char *fault, union option_value used)
{
    bool error = l->strict || o->flags & (BD_OWN | BD_FATAL);
    size_t len = strlen(g->value), shown = len < SHOWN_BYTES ? len : SHOWN_BYTES;
    struct bd_slice text = bd_printable(&l->arena, (struct bd_slice){g->value, shown});
    const char *tail = "";

    l->errors += error;
    if (!l->report->problem)
        return;
    if (!error)
        tail = bd_arena_printf(&l->arena, ", using %s", option_print(&l->arena, o, used));
    text = bd_slice_of(bd_arena_printf(&l->arena, "%s=\"%.*s\"%s %s%s; allowed: %s", g->name,
                                       BD_ARG(text), shown < len ? "..." : "", fault, tail,
                                       option_allowed(&l->arena, o)));
    l->report->problem(l->report->self, error ? BD_ERROR : BD_WARNING, text.p);
}

static void load_row(struct loading *l, const struct bd_option *o)
{
    struct given g = look_up_both(l, o);
    struct option_reading r = {.fault = NULL};
    enum bd_source source = BD_FROM_ENVIRONMENT;

    if (g.value) {
        r = option_read(o, g.value);
    } else {
        r.value = default_value(l, o);
        source = BD_FROM_DEFAULT;
    }
    if (r.fault) {
        r.value = replacement(l, o, &r);
        source = BD_FROM_FALLBACK;
        complain(l, o, &g, r.fault, r.value);
    }
    store(l, o, r.value);
    if (l->report->setting)
        l->report->setting(l->report->self, o, option_print(&l->arena, o, r.value), source);
    bd_arena_clear(&l->arena);
}

int bd_options_load(const struct bd_option *rows, void *conf, enum bd_family family, bool strict,
                    char *const *environ_rows, const struct bd_report *report)
{
    struct loading l = {.rows = rows,
                        .conf = conf,
                        .family = family,
                        .strict = strict,
                        .environ_rows = environ_rows,
                        .report = report};

    assert(family == BD_CLASSIC || family == BD_OTHERS);
    bd_arena_init(&l.arena);
    for (const struct bd_option *o = rows; o->name; o++)
        if (is_in_force(&l, o))
            load_row(&l, o);
    bd_arena_release(&l.arena);
    return l.errors;
}
