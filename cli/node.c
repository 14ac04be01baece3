/*
 * node.c - typed values out of a tree, see document.h
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "match.h"
#include "say.h"

static void tell(struct reader *r, const struct node *at,
                 void (*out)(const char *format, ...) __attribute__((format(printf, 1, 2))),
                 const char *format, va_list args) __attribute__((format(printf, 4, 0)));

static void tell(struct reader *r, const struct node *at,
                 void (*out)(const char *format, ...) __attribute__((format(printf, 1, 2))),
                 const char *format, va_list args)
{
    char text[2048];

    vsnprintf(text, sizeof(text), format, args);
    out("%s:%zu:%zu: %s", r->file, at->line, at->column, text);
}

void node_error(struct reader *r, const struct node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(r, at, complain, format, args);
    va_end(args);
    r->errors++;
}

void node_warning(struct reader *r, const struct node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(r, at, warn, format, args);
    va_end(args);
}

static const char *kind_name(const struct node *n)
{
    static const char *const names[] = {
        [NODE_SCALAR] = "a text", [NODE_LIST] = "a list", [NODE_MAP] = "a map"};

    return names[n->kind];
}

static bool is_kind(struct reader *r, const struct node *n, enum node_kind kind, const char *what)
{
    static const char *const wanted[] = {
        [NODE_SCALAR] = "a text", [NODE_LIST] = "a list of texts", [NODE_MAP] = "a map"};

    if (!n || n->null)
        return false;
    if (n->kind != kind) {
        node_error(r, n, "%s must be %s, but it is %s", what, wanted[kind], kind_name(n));
        return false;
    }
    return true;
}

void node_text(struct reader *r, const struct node *n, const char *what, const char **ret)
{
    if (is_kind(r, n, NODE_SCALAR, what))
        *ret = n->text;
}

void node_bool(struct reader *r, const struct node *n, const char *what, bool *ret)
{
    static const char *const words[2][11] = {
        {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", NULL},
        {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", NULL}};

    if (!is_kind(r, n, NODE_SCALAR, what))
        return;
    for (int value = 0; n->plain && value < 2; value++)
        for (const char *const *w = words[value]; *w; w++)
            if (strcmp(n->text, *w) == 0) {
                *ret = value;
                return;
            }
    node_error(r, n, "%s must be true or false, but it is \"%s\"", what, n->text);
}

void node_texts(struct reader *r, const struct node *n, const char *what, struct texts *ret)
{
    if (!is_kind(r, n, NODE_LIST, what))
        return;
    for (size_t i = 0; i < n->count; i++) {
        const char *text = "";
        char item[128];

        snprintf(item, sizeof(item), "item %zu of %s", i + 1, what);
        node_text(r, n->item[i], item, &text);
        texts_add(r->arena, ret, text);
    }
}

void node_pairs(struct reader *r, const struct node *n, const char *what, struct pairs *ret)
{
    if (!is_kind(r, n, NODE_MAP, what))
        return;
    for (size_t i = 0; i < n->count; i++) {
        const char *text = "";
        char item[128];

        snprintf(item, sizeof(item), "\"%.60s\" in %s", n->entry[i].key->text, what);
        node_text(r, n->entry[i].value, item, &text);
        pairs_set(r->arena, ret, n->entry[i].key->text, text);
    }
}

bool node_is_map(struct reader *r, const struct node *n, const char *what)
{
    return is_kind(r, n, NODE_MAP, what);
}

void node_check_keys(struct reader *r, const struct node *map, const char *const *known,
                     enum node_strictness strictness)
{
    void (*tell_it)(struct reader *, const struct node *, const char *, ...) =
        strictness == UNKNOWN_FAILS ? node_error : node_warning;

    for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++) {
        const struct node *key = map->entry[i].key;
        const char *const *k = known;
        const char *near;

        while (*k && strcmp(*k, key->text) != 0)
            k++;
        if (*k)
            continue;
        near = nearest(key->text, known);
        if (near)
            tell_it(r, key, "unknown key \"%s\" (did you mean %s?)", key->text, near);
        else
            tell_it(r, key, "unknown key \"%s\"", key->text);
    }
}
