/*
 * Any text as a Dockerfile. What it gives is written as another one, which must give the same; so
 * must the text with other ends of its lines, and with comments between them.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dockerfile.h"

#define BYTES_MAX 600
#define DOLLARS_MAX 20 /* each can double a value */

static void check_equal(const struct dockerfile *a, const struct dockerfile *b)
{
    assert(a->environment.count == b->environment.count && a->args.count == b->args.count);
    for (size_t i = 0; i < a->environment.count; i++) {
        assert(strcmp(a->environment.row[i].name, b->environment.row[i].name) == 0);
        assert(strcmp(a->environment.row[i].value, b->environment.row[i].value) == 0);
    }
    for (size_t i = 0; i < a->args.count; i++)
        assert(strcmp(a->args.text[i], b->args.text[i]) == 0);
}

static void check_names(const struct dockerfile *d)
{
    for (size_t i = 0; i < d->environment.count; i++) {
        const struct pair *row = &d->environment.row[i];

        assert(!strpbrk(row->name, "= \t\n") && !strchr(row->value, '\n'));
        assert(pairs_get(&d->environment, row->name) == row->value); /* there is no other */
    }
    for (size_t i = 0; i < d->args.count; i++)
        for (size_t k = 0; k < i; k++)
            assert(strcmp(d->args.text[i], d->args.text[k]) != 0);
}

/* In double quotes, or in single ones. */
static void put_quoted(FILE *to, const char *text, char quote)
{
    putc(quote, to);
    for (; *text; text++) {
        if (quote == '"' && strchr("\"\\$", *text))
            putc('\\', to);
        if (quote == '\'' && *text == '\'')
            fputs("'\\", to);
        putc(*text, to);
        if (quote == '\'' && *text == '\'')
            putc('\'', to);
    }
    putc(quote, to);
}

static void check_read_back(struct bd_arena *a, const struct dockerfile *d)
{
    struct dockerfile again;
    char *text;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert(to);
    for (size_t i = 0; i < d->args.count; i++)
        fprintf(to, "ARG %s=1\n", d->args.text[i]);
    fputs("FROM x\n", to);
    for (size_t i = 0; i < d->environment.count; i++) {
        fprintf(to, "ENV %s=", d->environment.row[i].name);
        put_quoted(to, d->environment.row[i].value, i % 2 ? '"' : '\'');
        putc('\n', to);
    }
    fclose(to);
    dockerfile_read(a, (struct bd_slice){text, len}, &again);
    free(text);
    check_equal(d, &again);
}

/* With something behind, or instead of, every end of a line. */
static void check_with_line_ends(struct bd_arena *a, struct bd_slice text, const char *end,
                                 const struct dockerfile *d)
{
    struct dockerfile again;
    char *other;
    size_t len;
    FILE *to = open_memstream(&other, &len);

    assert(to);
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] == '\n')
            fputs(end, to);
        else
            putc(text.p[i], to);
    fclose(to);
    dockerfile_read(a, (struct bd_slice){other, len}, &again);
    free(other);
    check_equal(d, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_slice text = {(const char *)data, size};
    struct bd_arena arena;
    struct dockerfile d;
    size_t dollars = 0;

    for (size_t i = 0; i < size; i++)
        dollars += data[i] == '$';
    if (size > BYTES_MAX || dollars > DOLLARS_MAX)
        return 0;
    bd_arena_init(&arena);
    dockerfile_read(&arena, text, &d);
    check_names(&d);
    check_read_back(&arena, &d);
    check_with_line_ends(&arena, text, " \t\r\n", &d);
    check_with_line_ends(&arena, text, "\n # ENV COMMENT=1 \\\n", &d);
    bd_arena_release(&arena);
    return 0;
}
