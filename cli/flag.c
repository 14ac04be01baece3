/*
 * flag.c - see flag.h
 */
#include "flag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bandog/slice.h"
#include "command.h"
#include "match.h"
#include "say.h"

/* The command line while it is read. */
struct reading {
    const struct command *command;
    char **next, **end;
    char *options; /* the structure */
    struct texts *operands;
    struct bd_arena *arena;
};

static int usage(const struct reading *r)
{
    fprintf(stderr, "See 'bandog %s --help'.\n", r->command->name);
    return EXIT_USAGE;
}

static int parse_switch(const struct reading *r, const struct flag *f, const char *text)
{
    bool *value = (bool *)(void *)(r->options + f->offset);

    if (!text || strcmp(text, "true") == 0 || strcmp(text, "1") == 0) {
        *value = true;
    } else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        *value = false;
    } else {
        complain("%s: --%s is '%s', allowed are true and false", r->command->name, f->name, text);
        return usage(r);
    }
    return 0;
}

static int parse_number(const struct reading *r, const struct flag *f, const char *text)
{
    bool negative = *text == '-';
    int64_t n;

    if (!bd_slice_number(bd_slice_of(text + negative), &n) || (negative ? -n : n) < f->min ||
        (negative ? -n : n) > f->max) {
        complain("%s: --%s is '%s', allowed are numbers from %" PRId64 " to %" PRId64,
                 r->command->name, f->name, text, f->min, f->max);
        return usage(r);
    }
    *(int64_t *)(void *)(r->options + f->offset) = negative ? -n : n;
    return 0;
}

static int parse_pair(const struct reading *r, const struct flag *f, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text) {
        complain("%s: --%s is '%s', it must have the form %s", r->command->name, f->name, text,
                 f->value);
        return usage(r);
    }
    pairs_add(r->arena, (struct pairs *)(void *)(r->options + f->offset),
              bd_arena_copy(r->arena, (struct bd_slice){text, (size_t)(equals - text)}),
              equals + 1);
    return 0;
}

static int parse_word(const struct reading *r, const struct flag *f, const char *text)
{
    struct texts words = {0};

    for (const char *const *w = f->words; *w; w++) {
        if (strcmp(*w, text) == 0) {
            *(const char **)(void *)(r->options + f->offset) = text;
            return 0;
        }
        texts_add(r->arena, &words, *w);
    }
    complain("%s: --%s is '%s', allowed: %s", r->command->name, f->name, text,
             texts_join(r->arena, &words, ", "));
    return usage(r);
}

static int take(const struct reading *r, const struct flag *f, const char *text)
{
    switch (f->type) {
    case FLAG_SWITCH:
        return parse_switch(r, f, text);
    case FLAG_TEXT:
        *(const char **)(void *)(r->options + f->offset) = text;
        return 0;
    case FLAG_LIST:
        texts_add(r->arena, (struct texts *)(void *)(r->options + f->offset), text);
        return 0;
    case FLAG_PAIRS:
        return parse_pair(r, f, text);
    case FLAG_NUMBER:
        return parse_number(r, f, text);
    case FLAG_WORD:
        return parse_word(r, f, text);
    }
    __builtin_unreachable();
}

/* An option whose value may stand in the next argument. */
static int take_value(struct reading *r, const struct flag *f, const char *value)
{
    if (f->type != FLAG_SWITCH && !value) {
        if (r->next == r->end) {
            complain("%s: --%s needs a value: %s", r->command->name, f->name, f->value);
            return usage(r);
        }
        value = *r->next++;
    }
    return take(r, f, value);
}

static int unknown(const struct reading *r, struct bd_slice name)
{
    struct texts names = {0};
    const char *near;

    for (const struct flag *f = r->command->flags; f && f->name; f++)
        texts_add(r->arena, &names, f->name);
    near = names.count ? nearest(bd_arena_copy(r->arena, name), names.text) : NULL;
    if (near)
        complain("%s: unknown option --%.*s (did you mean --%s?)", r->command->name, (int)name.len,
                 name.p, near);
    else
        complain("%s: unknown option --%.*s", r->command->name, (int)name.len, name.p);
    return usage(r);
}

static int parse_long(struct reading *r, const char *arg)
{
    const char *equals = strchr(arg, '=');
    struct bd_slice name = {arg, equals ? (size_t)(equals - arg) : strlen(arg)};

    for (const struct flag *f = r->command->flags; f && f->name; f++)
        if (bd_slice_eq(name, bd_slice_of(f->name)))
            return take_value(r, f, equals ? equals + 1 : NULL);
    return unknown(r, name);
}

static const struct flag *find_letter(const struct reading *r, char letter)
{
    for (const struct flag *f = r->command->flags; f && f->name; f++)
        if (f->letter == letter)
            return f;
    return NULL;
}

/* "-f FILE", "-fFILE", "-f=FILE", "-qa" */
static int parse_short(struct reading *r, const char *arg)
{
    for (; *arg; arg++) {
        const struct flag *f = find_letter(r, *arg);
        int status;

        if (!f) {
            complain("%s: unknown option -%c", r->command->name, *arg);
            return usage(r);
        }
        if (f->type != FLAG_SWITCH)
            return take_value(r, f, arg[1] == '\0' ? NULL : arg + 1 + (arg[1] == '='));
        status = take(r, f, NULL);
        if (status)
            return status;
    }
    return 0;
}

static int check_operands(const struct reading *r)
{
    const struct command *c = r->command;

    if (r->operands->count > c->max) {
        complain("%s: unexpected '%s'", c->name, r->operands->text[c->max]);
        return usage(r);
    }
    if (r->operands->count < c->min) {
        complain("%s: %s is missing", c->name, c->operands);
        return usage(r);
    }
    return 0;
}

static int set_initial(const struct reading *r)
{
    int status = 0;

    for (const struct flag *f = r->command->flags; f && f->name && !status; f++)
        if (f->initial)
            status = take(r, f, f->initial);
    return status;
}

int flags_read(const struct command *c, int argc, char **argv, void *ret_options,
               struct texts *ret_operands, struct bd_arena *a)
{
    struct reading r = {c, argv, argv + argc, ret_options, ret_operands, a};
    bool options_end = false;
    int status = set_initial(&r);

    while (!status && r.next < r.end) {
        char *arg = *r.next++;

        if (options_end || arg[0] != '-' || arg[1] == '\0')
            texts_add(a, ret_operands, arg);
        else if (strcmp(arg, "--") == 0)
            options_end = true;
        else
            status = arg[1] == '-' ? parse_long(&r, arg + 2) : parse_short(&r, arg + 1);
    }
    return status ? status : check_operands(&r);
}

static void help_words(const struct flag *f)
{
    for (const char *const *w = f->words; *w; w++)
        printf("%s%s", w == f->words ? ": " : ", ", *w);
}

void flags_explain(const struct flag *rows)
{
    for (const struct flag *f = rows; f && f->name; f++) {
        char left[64];
        int n = snprintf(left, sizeof(left), f->letter ? "-%c, " : "    ", f->letter);

        snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s%s", f->name, f->value ? " " : "",
                 f->value ? f->value : "");
        printf("  %-28s %s", left, f->help);
        if (f->words)
            help_words(f);
        if (f->initial)
            printf(" (default: %s)", f->initial);
        putchar('\n');
    }
    printf("  %-28s %s\n", "-h, --help", "show this text");
}
