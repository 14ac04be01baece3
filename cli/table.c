/*
 * table.c - see table.h
 */
#include "table.h"

#include <stdio.h>
#include <string.h>

#include "bandog/json.h"
#include "grow.h"
#include "tame.h"

const char **table_add(struct table *t)
{
    t->row = grow(t->arena, t->row, t->rows, &t->room, sizeof(*t->row));
    return t->row[t->rows++];
}

/* Characters, for the usual ones that are one column wide. */
static int width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void put_capitals(const char *text)
{
    for (; *text; text++)
        putchar(bd_ascii_upper(*text));
}

static void put_cell(const char *text, int columns)
{
    tame_put(stdout, bd_slice_of(text), TAME_ALL);
    printf("%*s", columns ? columns - width(text) : 0, "");
}

void table_print(const struct table *t, size_t shown)
{
    int widest[TABLE_COLUMNS] = {0};

    for (size_t c = 0; c < shown; c++) {
        widest[c] = width(t->column[c]);
        for (size_t r = 0; r < t->rows; r++)
            if (width(t->row[r][c]) > widest[c])
                widest[c] = width(t->row[r][c]);
    }
    for (size_t c = 0; c < shown; c++) {
        put_capitals(t->column[c]);
        printf("%*s", c + 1 < shown ? widest[c] + 2 - width(t->column[c]) : 0, "");
    }
    putchar('\n');
    for (size_t r = 0; r < t->rows; r++) {
        for (size_t c = 0; c < shown; c++)
            put_cell(t->row[r][c], c + 1 < shown ? widest[c] + 2 : 0);
        putchar('\n');
    }
}

static void put_json(struct bd_arena *a, const char *text)
{
    struct bd_slice s = bd_slice_of(text);
    char *json = bd_arena_alloc(a, bd_json_bytes(s));

    fwrite(json, 1, (size_t)(bd_json_put(json, s) - json), stdout);
}

void table_print_json(const struct table *t)
{
    fputs("[", stdout);
    for (size_t r = 0; r < t->rows; r++) {
        fputs(r ? ",\n  {\n" : "\n  {\n", stdout);
        for (size_t c = 0; t->column[c]; c++) {
            fputs("    ", stdout);
            put_json(t->arena, t->column[c]);
            fputs(": ", stdout);
            put_json(t->arena, t->row[r][c]);
            fputs(t->column[c + 1] ? ",\n" : "\n", stdout);
        }
        fputs("  }", stdout);
    }
    fputs(t->rows ? "\n]\n" : "]\n", stdout);
}
