/*
 * option_help.c - bd_options_help(), see bandog/option.h
 *
 * A name with a row for each family becomes one entry that tells both defaults:
 *
 *   exec_timeout=DURATION
 *         how long a call may take (default: 0s with mode=classic, else 30s)
 */
#include "bandog/option.h"

#include <string.h>

#include "bandog/arena.h"
#include "option_value.h"

/* The other row of that name, behind `o` or in front of it; NULL when there is none. */
static const struct bd_option *find_twin(const struct bd_option *rows, const struct bd_option *o)
{
    for (const struct bd_option *r = rows; r->name; r++)
        if (r != o && strcmp(r->name, o->name) == 0)
            return r;
    return NULL;
}

static const char *unit_in_capitals(struct bd_arena *a, const char *unit)
{
    char *text = bd_arena_copy(a, bd_slice_of(unit));

    for (char *p = text; *p; p++)
        *p = bd_ascii_upper(*p);
    return text;
}

static const char *words_with_bars(struct bd_arena *a, const char *const *words)
{
    const char *text = words[0];

    for (size_t i = 1; words[i]; i++)
        text = bd_arena_printf(a, "%s|%s", text, words[i]);
    return text;
}

/* What stands behind "name=". */
static const char *kind(struct bd_arena *a, const struct bd_option *o)
{
    switch (o->type) {
    case BD_TEXT:
        break;
    case BD_INT:
        return o->unit ? unit_in_capitals(a, o->unit) : "NUMBER";
    case BD_DURATION:
        return "DURATION";
    case BD_WORD:
        return words_with_bars(a, o->words);
    case BD_BOOL:
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        return "true|false";
    }
    return o->unit ? unit_in_capitals(a, o->unit) : "TEXT";
}

static const char *default_text(struct bd_arena *a, const struct bd_option *o)
{
    if (o->like)
        return bd_arena_printf(a, "that of %s", o->like);
    if (o->initial)
        return option_print(a, o, option_literal(o, o->initial));
    if (o->type == BD_TEXT)
        return "none";
    return option_print(a, o, (union option_value){.number = 0});
}

static const char *range_text(struct bd_arena *a, const struct bd_option *o)
{
    return o->type == BD_INT && (o->min || o->max) ? option_allowed(a, o) : NULL;
}

static const char *both_defaults(struct bd_arena *a, const struct bd_option *o,
                                 const struct bd_option *twin)
{
    bool classic_first = o->family == BD_CLASSIC;
    const char *with = default_text(a, classic_first ? o : twin);
    const char *without = default_text(a, classic_first ? twin : o);

    if (strcmp(with, without) == 0)
        return with;
    return bd_arena_printf(a, "%s with mode=classic, else %s", with, without);
}

static void print_entry(FILE *to, struct bd_arena *a, const struct bd_option *o,
                        const struct bd_option *twin)
{
    const char *range = range_text(a, o);

    fprintf(to, "  %s=%s\n        %s (default: %s", o->name, kind(a, o), o->help,
            twin ? both_defaults(a, o, twin) : default_text(a, o));
    if (range)
        fprintf(to, "; allowed: %s", range);
    if (o->also)
        fprintf(to, "; also read as %s", o->also);
    if (!twin && o->family == BD_CLASSIC)
        fprintf(to, "; only with mode=classic");
    if (!twin && o->family == BD_OTHERS)
        fprintf(to, "; not with mode=classic");
    fprintf(to, ")\n");
}

void bd_options_help(FILE *to, const struct bd_option *rows)
{
    struct bd_arena arena;

    bd_arena_init(&arena);
    for (const struct bd_option *o = rows; o->name; o++) {
        const struct bd_option *twin = find_twin(rows, o);

        if (!twin || o < twin)
            print_entry(to, &arena, o, twin);
        bd_arena_clear(&arena);
    }
    bd_arena_release(&arena);
}
