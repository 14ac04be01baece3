/*
 * stack_edit.c - see stack_edit.h
 */
#include "stack_edit.h"

#include <stdarg.h>
#include <string.h>

#include "document.h"

#define TEXT_MAX 8192 /* of one entry */

/* The lines of the entry. */
struct lines {
    struct bd_arena *arena;
    const char *end; /* of a line: "\n", or "\r\n" as in the rest of the file */
    char text[TEXT_MAX];
    size_t len;
    bool full;
};

static void line(struct lines *l, size_t indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void line(struct lines *l, size_t indent, const char *format, ...)
{
    size_t room = sizeof(l->text) - l->len;
    va_list args;
    int n, m;

    va_start(args, format);
    n = snprintf(l->text + l->len, room, "%*s", (int)indent, "");
    m = (size_t)n < room ? vsnprintf(l->text + l->len + n, room - (size_t)n, format, args) : 0;
    va_end(args);
    if ((size_t)n + (size_t)m + 3 > room) {
        l->full = true;
        return;
    }
    l->len += (size_t)n + (size_t)m;
    l->len += (size_t)snprintf(l->text + l->len, room, "%s", l->end);
}

/* As it is where that is surely a text in YAML, else in double quotes. */
static const char *scalar(struct bd_arena *a, const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",  "on",
                                        "off", "true", "false", "null"};
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@+";
    const char *colon = strchr(text, ':');
    char *quoted, *at;
    bool is_text = *text && text[strspn(text, "0123456789abcdefABCDEFxXo.:_+-")] != '\0';

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        is_text = is_text && !bd_slice_ieq(bd_slice_of(text), bd_slice_of(words[i]));
    if (is_text && !strchr("-@.+", *text) && text[strspn(text, plain)] == '\0')
        return text;
    if (text[0] == '.' && text[1] == '/' && text[strspn(text, plain)] == '\0')
        return text;
    /* an image or an address: a colon with something behind it, none at the end */
    if (colon && colon[1] &&
        text[strspn(text, "-_./:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] ==
            '\0' &&
        text[strlen(text) - 1] != ':' && is_text && !strchr("-:.", *text))
        return text;
    quoted = at = bd_arena_alloc(a, 4 * strlen(text) + 3);
    *at++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            at += snprintf(at, 5, "\\x%02x", (unsigned)*text);
        else
            *at++ = *text;
    }
    *at++ = '"';
    *at = '\0';
    return quoted;
}

static void resources(struct lines *l, size_t indent, size_t step, const char *name,
                      const struct resources *r)
{
    if (!r->cpu && !r->memory)
        return;
    line(l, indent, "%s:", name);
    if (r->cpu)
        line(l, indent + step, "cpu: %s", scalar(l->arena, r->cpu));
    if (r->memory)
        line(l, indent + step, "memory: %s", scalar(l->arena, r->memory));
}

/* `indent` is the name's, its keys stand `step` further right. */
static void entry(struct lines *l, size_t indent, size_t step, const struct function *f)
{
    line(l, indent, "%s:", scalar(l->arena, f->name));
    line(l, indent + step, "lang: %s", scalar(l->arena, f->lang));
    line(l, indent + step, "handler: %s", scalar(l->arena, f->handler));
    line(l, indent + step, "image: %s", scalar(l->arena, f->image));
    resources(l, indent + step, step, "requests", &f->requests);
    resources(l, indent + step, step, "limits", &f->limits);
    line(l, 0, "%s", "");
}

/* Where a line (from 0) begins; the end of the text when it has fewer. */
static size_t offset_of(struct bd_slice text, size_t number)
{
    size_t at = 0;

    while (number > 0 && at < text.len) {
        const char *end = memchr(text.p + at, '\n', text.len - at);

        at = end ? (size_t)(end - text.p) + 1 : text.len;
        number--;
    }
    return at;
}

/* Goes over empty lines, and comments that belong to the last function: further right than its
 * name. */
static size_t skip_rest(struct bd_slice text, size_t at, size_t indent)
{
    while (at < text.len) {
        size_t p = at;

        while (p < text.len && (text.p[p] == ' ' || text.p[p] == '\t' || text.p[p] == '\r'))
            p++;
        if (p < text.len && text.p[p] != '\n' && (text.p[p] != '#' || p - at <= indent))
            return at;
        while (p < text.len && text.p[p] != '\n')
            p++;
        at = p + (p < text.len);
    }
    return at;
}

static struct bd_slice insert(struct bd_arena *a, struct bd_slice text, size_t at,
                              const struct lines *l)
{
    bool needs_end = at > 0 && text.p[at - 1] != '\n';
    char *all = bd_arena_alloc(a, text.len + l->len + 3), *p = all;

    p = bd_slice_put(p, (struct bd_slice){text.p, at});
    if (needs_end)
        p = bd_slice_put(p, bd_slice_of(l->end));
    p = bd_slice_put(p, (struct bd_slice){l->text, l->len});
    p = bd_slice_put(p, (struct bd_slice){text.p + at, text.len - at});
    return (struct bd_slice){all, (size_t)(p - all)};
}

/* The entry of the key `functions`, NULL: there is none. */
static struct entry *functions_of(const struct node *root)
{
    for (size_t i = 0; root->kind == NODE_MAP && i < root->count; i++)
        if (strcmp(root->entry[i].key->text, "functions") == 0)
            return &root->entry[i];
    return NULL;
}

/* Does it stand behind the name, in the lines of what is under it? Merged and aliased entries stand
 * elsewhere. */
static bool stands_in(const struct node *key, const struct entry *name, size_t indent)
{
    return key->line > name->key->line && key->line <= name->value->next_line &&
           key->column > indent + 1;
}

/* Where the first entry that stands in a block map has its keys; 0: none does. */
static size_t indent_of(const struct entry *name, size_t outer)
{
    const struct node *map = name->value;

    for (size_t i = 0; map->kind == NODE_MAP && !map->flow && i < map->count; i++)
        if (stands_in(map->entry[i].key, name, outer))
            return map->entry[i].key->column - 1;
    return 0;
}

static int add_to(struct bd_arena *a, const char *path, struct bd_slice text,
                  const struct node *root, struct lines *l, const struct function *f,
                  struct bd_slice *ret, struct bd_error *err)
{
    struct entry *functions = functions_of(root);
    const struct node *n = functions ? functions->value : NULL;
    size_t outer, indent, inner = 0;

    if (root->kind != NODE_MAP || root->flow || (n && !n->null && (n->kind != NODE_MAP || n->flow)))
        return bd_fail(err, "%s: functions must be a map in block style to be added to", path);
    for (size_t i = 0; n && i < n->count; i++)
        if (strcmp(n->entry[i].key->text, f->name) == 0)
            return bd_fail(err, "function %s already exists in %s (line %zu)", f->name, path,
                           n->entry[i].key->line);
    if (!n) {
        line(l, 0, "functions:");
        entry(l, 2, 2, f);
        *ret = insert(a, text, text.len, l);
        return 0;
    }
    outer = functions->key->column - 1;
    indent = n->null ? 0 : indent_of(functions, outer);
    for (size_t i = 0; indent > 0 && i < n->count && inner == 0; i++)
        if (stands_in(n->entry[i].key, functions, outer))
            inner = indent_of(&n->entry[i], indent);
    if (indent == 0)
        indent = outer + 2;
    entry(l, indent, inner > indent ? inner - indent : 2, f);
    *ret = insert(a, text,
                  n->null ? offset_of(text, functions->key->line)
                          : skip_rest(text, offset_of(text, n->next_line), indent),
                  l);
    return 0;
}

/* Reads the result: every function that was there, and the new one. */
static int check(struct bd_arena *a, const char *path, struct bd_slice text, const struct node *old,
                 const struct function *f, struct bd_error *err)
{
    const struct node *was = old ? node_get(old, "functions") : NULL, *is;
    struct node *root;
    size_t count = was && was->kind == NODE_MAP ? was->count : 0;

    if (document_read(a, path, text, &root, err) == 0) {
        is = node_get(root, "functions");
        if (is && is->count == count + 1 && node_get(node_get(is, f->name), "lang"))
            return 0;
    }
    return bd_fail(err, "%s: found no place for the function: add it by hand", path);
}

int stack_add(struct bd_arena *a, const char *path, struct bd_slice text, const char *gateway,
              const struct function *f, struct bd_slice *ret, struct bd_error *err)
{
    struct lines l = {.arena = a, .end = "\n"};
    struct node *root = NULL;

    if (text.p) {
        const char *end = memchr(text.p, '\n', text.len);

        if (end && end > text.p && end[-1] == '\r')
            l.end = "\r\n";
        if (document_read(a, path, text, &root, err))
            return -1;
    }
    if (root && !root->null) {
        if (add_to(a, path, text, root, &l, f, ret, err))
            return -1;
    } else {
        line(&l, 0, "version: 1.0");
        line(&l, 0, "provider:");
        line(&l, 2, "name: openfaas");
        line(&l, 2, "gateway: %s", scalar(a, gateway));
        line(&l, 0, "functions:");
        entry(&l, 2, 2, f);
        *ret = insert(a, text, text.len, &l);
    }
    if (l.full)
        return bd_fail(err, "%s: the new entry would be too long", path);
    return check(a, path, *ret, root, f, err);
}
