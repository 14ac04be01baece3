/*
 * option_value.c - see option_value.h
 *
 * A boolean is complained about only when what happens may not be what was meant: "1" that does not
 * count as true is, "0" is not.
 */
#include "option_value.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "bandog/duration.h"
#include "bandog/log.h"
#include "number.h"

/* The spellings of strconv.ParseBool in Go. */
static const char *const true_words[] = {"true", "1", "t", "T", "TRUE", "True", NULL};
static const char *const false_words[] = {"false", "0", "f", "F", "FALSE", "False", NULL};

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

/* `trues`: how many of true_words the type knows. */
static struct option_reading read_bool(const char *text, int trues, bool binding)
{
    int i = find_word(true_words, text);

    if (i >= 0 && i < trues)
        return (struct option_reading){.value.flag = true};
    if (find_word(false_words, text) >= 0)
        return (struct option_reading){.value.flag = false};
    return (struct option_reading){.fault = "is not a boolean", .binding = binding};
}

static struct option_reading read_int(const struct bd_option *o, const char *text)
{
    struct option_reading r = {.fault = NULL};

    switch (number_parse(text, &r.value.number)) {
    case NUMBER_MALFORMED:
        r.fault = "is not a whole number";
        return r;
    case NUMBER_RANGE:
        r.fault = "is out of range";
        return r;
    case NUMBER_FINE:
        break;
    }
    if ((o->min || o->max) && (r.value.number < o->min || r.value.number > o->max))
        r.fault = "is out of range";
    return r;
}

static struct option_reading read_duration(const char *text)
{
    struct option_reading r = {.fault = NULL};

    switch (bd_duration_parse(text, &r.value.number)) {
    case 0:
        break;
    case -2:
        /* It wraps in the Go programs, to a negative value mostly, which means none as 0 does. */
        r.fault = "is too long";
        r.binding = true;
        r.value.number = 0;
        break;
    default:
        r.fault = "is not a duration";
        break;
    }
    return r;
}

static struct option_reading read_word(const struct bd_option *o, const char *text)
{
    int i = find_word(o->words, text);

    if (i < 0)
        return (struct option_reading){.fault = "is not a known word"};
    return (struct option_reading){.value.word = i};
}

struct option_reading option_read(const struct bd_option *o, const char *text)
{
    switch (o->type) {
    case BD_TEXT:
        break;
    case BD_INT:
        return read_int(o, text);
    case BD_DURATION:
        return read_duration(text);
    case BD_WORD:
        return read_word(o, text);
    case BD_BOOL:
        return read_bool(text, 1, true);
    case BD_BOOL_ONE:
        return read_bool(text, 2, true);
    case BD_BOOL_WORD:
        return read_bool(text, 6, false);
    }
    return (struct option_reading){.value.text = text};
}

union option_value option_literal(const struct bd_option *o, const char *text)
{
    struct option_reading r = option_read(o, text);

    assert(!r.fault);
    return r.value;
}

const char *option_print(struct bd_arena *a, const struct bd_option *o, union option_value v)
{
    char duration[BD_DURATION_BYTES];
    struct bd_slice text;

    switch (o->type) {
    case BD_TEXT:
        break;
    case BD_INT:
        return bd_arena_printf(a, "%" PRId64, v.number);
    case BD_DURATION:
        return bd_arena_copy(a, bd_slice_of(bd_duration_print(duration, v.number)));
    case BD_WORD:
        return o->words[v.word];
    case BD_BOOL:
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        return v.flag ? "true" : "false";
    }
    if (!v.text)
        return "(unset)";
    text = bd_printable(a, bd_slice_of(v.text));
    return text.p == v.text ? v.text : bd_arena_copy(a, text);
}

static const char *allowed_numbers(struct bd_arena *a, const struct bd_option *o)
{
    const char *of = o->unit ? " of " : "", *unit = o->unit ? o->unit : "";

    if (!o->min && !o->max)
        return bd_arena_printf(a, "a whole number%s%s", of, unit);
    if (o->max == INT64_MAX)
        return bd_arena_printf(a, "a whole number%s%s, at least %" PRId64, of, unit, o->min);
    return bd_arena_printf(a, "a whole number%s%s from %" PRId64 " to %" PRId64, of, unit, o->min,
                           o->max);
}

/* "a", "a or b", "a, b or c" */
static const char *allowed_words(struct bd_arena *a, const char *const *words)
{
    const char *text = words[0];

    for (size_t i = 1; words[i]; i++)
        text = bd_arena_printf(a, "%s%s%s", text, words[i + 1] ? ", " : " or ", words[i]);
    return text;
}

const char *option_allowed(struct bd_arena *a, const struct bd_option *o)
{
    switch (o->type) {
    case BD_TEXT:
        break;
    case BD_INT:
        return allowed_numbers(a, o);
    case BD_DURATION:
        return "whole seconds or a duration like 1m30s or 500ms";
    case BD_WORD:
        return allowed_words(a, o->words);
    case BD_BOOL:
        return "true or false";
    case BD_BOOL_ONE:
    case BD_BOOL_WORD:
        return "true, 1, false or 0";
    }
    return "any text";
}
