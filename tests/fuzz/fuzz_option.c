/*
 * Any environment against rows of every type. The first byte chooses family and strictness, then
 * come the rows of the environment, a newline between two.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/option.h"

#define ROWS_MAX 64

struct conf {
    const char *text, *process;
    int64_t any, ranged, duration, like;
    int word;
    bool plain, one, spelled;
};

static const char *const words[] = {"classic", "streaming", "serializing", NULL};

#define ROW(member, kind) .name = #member, .type = kind, .offset = offsetof(struct conf, member)

static const struct bd_option rows[] = {
    {ROW(text, BD_TEXT)},
    {ROW(process, BD_TEXT), .also = "other", .family = BD_CLASSIC, .prefer_name = true},
    {ROW(process, BD_TEXT), .also = "other", .family = BD_OTHERS, .initial = "cat"},
    {ROW(any, BD_INT), .fallback = "7"},
    {ROW(ranged, BD_INT), .flags = BD_OWN, .initial = "1", .min = 1, .max = 64, .unit = "threads"},
    {ROW(duration, BD_DURATION), .initial = "30s"},
    {ROW(like, BD_DURATION), .like = "duration"},
    {ROW(word, BD_WORD), .flags = BD_FATAL, .words = words},
    {ROW(plain, BD_BOOL), .initial = "true"},
    {ROW(one, BD_BOOL_ONE), .also = "other"},
    {ROW(spelled, BD_BOOL_WORD), .initial = "true"},
    {.name = NULL},
};

struct seen {
    int errors, settings;
};

/* Printable ASCII, and the micro sign of a duration that we have printed. */
static void check_clean(const char *text)
{
    for (; *text; text++)
        if (strncmp(text, "\xc2\xb5s", 3) == 0)
            text += 2;
        else
            assert(*text >= 0x20 && *text <= 0x7e);
}

static void problem(void *self, enum bd_severity severity, const char *text)
{
    struct seen *seen = self;

    check_clean(text);
    assert(strlen(text) < 1024 && strstr(text, "; allowed: "));
    seen->errors += severity == BD_ERROR;
}

static void setting(void *self, const struct bd_option *o, const char *value, enum bd_source source)
{
    struct seen *seen = self;

    (void)source;
    assert(o->name);
    check_clean(value);
    seen->settings++;
}

static void check_ranges(const struct conf *c)
{
    assert(c->ranged >= 1 && c->ranged <= 64);
    assert(c->word >= 0 && c->word < 3);
}

/* Cuts `text` at its newlines. */
static void split(char *text, char *ret_rows[ROWS_MAX + 1])
{
    size_t n = 0;

    for (char *row; n < ROWS_MAX && (row = strsep(&text, "\n"));)
        ret_rows[n++] = row;
    ret_rows[n] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1), *environ_rows[ROWS_MAX + 1];
    unsigned choice = size ? data[0] : 0;
    struct conf conf = {.text = NULL};
    struct seen seen = {0, 0};
    const struct bd_report report = {problem, setting, &seen};

    if (size)
        memcpy(text, data + 1, size - 1);
    split(text, environ_rows);
    assert(bd_options_load(rows, &conf, choice & 1 ? BD_CLASSIC : BD_OTHERS, choice & 2,
                           environ_rows, &report) == seen.errors);
    assert(seen.settings == 10);
    check_ranges(&conf);
    free(text);
    return 0;
}
