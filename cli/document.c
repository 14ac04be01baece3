/*
 * document.c - composes libyaml's events into a tree, see document.h
 *
 * An alias is a second way to the same node, nothing is copied. Whoever walks the tree pays for
 * each way, so `weight` counts what a walk will see and is what the bound on nodes is about.
 */
#include "document.h"

#include <string.h>
#include <yaml.h>

#include "grow.h"

struct anchor {
    const char *name;
    struct node *node; /* NULL: it is not complete yet */
    struct anchor *next;
};

/* A list or map that is being read. */
struct level {
    struct node *node;
    struct node *key;      /* of a map, when its value comes next */
    struct anchor *anchor; /* to be filled in at its end */
    size_t room;           /* of item or entry */
};

struct composer {
    struct bd_arena *arena;
    struct bd_error *err;
    const char *file;
    yaml_parser_t parser;
    struct anchor *anchors; /* the newest first */
    struct level level[DOCUMENT_DEPTH_MAX];
    size_t depth;
    struct node *root;
    bool complete; /* a document has ended */
};

static int fail_at(struct composer *c, yaml_mark_t at, const char *reason)
{
    return bd_fail(c->err, "%s:%zu:%zu: %s", c->file, at.line + 1, at.column + 1, reason);
}

static int fail_node(struct composer *c, const struct node *at, const char *reason)
{
    return bd_fail(c->err, "%s:%zu:%zu: %s", c->file, at->line, at->column, reason);
}

static int fail_parser(struct composer *c)
{
    const yaml_parser_t *p = &c->parser;
    yaml_mark_t at = p->problem_mark;

    if (p->error == YAML_READER_ERROR) /* it knows a byte only */
        return bd_fail(c->err, "%s: byte %zu: %s", c->file, p->problem_offset, p->problem);
    if (p->error == YAML_MEMORY_ERROR)
        return bd_fail(c->err, "%s: no memory", c->file);
    if (p->context)
        return bd_fail(c->err, "%s:%zu:%zu: %s, %s", c->file, at.line + 1, at.column + 1,
                       p->problem, p->context);
    return fail_at(c, at, p->problem);
}

static struct node *node_new(struct composer *c, enum node_kind kind, const yaml_event_t *e)
{
    struct node *n = bd_arena_alloc(c->arena, sizeof(*n));
    yaml_mark_t end = e->end_mark;

    *n = (struct node){.kind = kind,
                       .line = e->start_mark.line + 1,
                       .column = e->start_mark.column + 1,
                       .next_line = end.line + (end.column > 0 || end.index == e->start_mark.index),
                       .weight = 1,
                       .text = ""};
    return n;
}

static bool is_null(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static struct anchor *anchor_new(struct composer *c, const yaml_char_t *name, struct node *node)
{
    struct anchor *anchor;

    if (!name)
        return NULL;
    anchor = bd_arena_alloc(c->arena, sizeof(*anchor));
    anchor->name = bd_arena_copy(c->arena, bd_slice_of((const char *)name));
    anchor->node = node;
    anchor->next = c->anchors;
    c->anchors = anchor;
    return anchor;
}

static struct entry *find(const struct node *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->entry[i].key->text, key) == 0)
            return &map->entry[i];
    return NULL;
}

static bool is_merge(const struct node *key)
{
    return key->plain && strcmp(key->text, "<<") == 0;
}

static void add_entry(struct composer *c, struct level *l, struct node *key, struct node *value)
{
    struct node *map = l->node;

    map->entry = grow(c->arena, map->entry, map->count, &l->room, sizeof(*map->entry));
    map->entry[map->count++] = (struct entry){key, value};
}

static int add_to_map(struct composer *c, struct level *l, struct node *n)
{
    struct entry *old;
    struct node *key = l->key;

    if (!key) {
        if (n->kind != NODE_SCALAR)
            return fail_node(c, n, "a key must be a text");
        l->key = n;
        return 0;
    }
    l->key = NULL;
    old = is_merge(key) ? NULL : find(l->node, key->text);
    if (old)
        return bd_fail(c->err, "%s:%zu:%zu: mapping key \"%s\" already defined at line %zu",
                       c->file, key->line, key->column, key->text, old->key->line);
    add_entry(c, l, key, n);
    return 0;
}

static int add(struct composer *c, struct node *n)
{
    struct level *l;
    struct node *into;

    if (c->depth == 0) {
        c->root = n;
        return 0;
    }
    l = &c->level[c->depth - 1];
    into = l->node;
    into->weight += n->weight;
    if (into->weight > DOCUMENT_NODES_MAX)
        return fail_node(c, n, "the document is too large once its aliases are followed");
    if (into->kind == NODE_MAP)
        return add_to_map(c, l, n);
    into->item = grow(c->arena, into->item, into->count, &l->room, sizeof(struct node *));
    into->item[into->count++] = n;
    return 0;
}

static int open_level(struct composer *c, struct node *n, const yaml_char_t *anchor)
{
    if (c->depth == DOCUMENT_DEPTH_MAX)
        return fail_node(c, n, "lists and maps are nested too deeply");
    c->level[c->depth++] = (struct level){.node = n, .anchor = anchor_new(c, anchor, NULL)};
    return 0;
}

/* What is not there by itself comes from the map, or the list of maps, under "<<" (YAML's merge
 * type). */
static int merge_one(struct composer *c, struct level *l, const struct node *from)
{
    if (from->kind != NODE_MAP)
        return fail_node(c, from, "a map or a list of maps must stand behind <<");
    for (size_t i = 0; i < from->count; i++)
        if (!find(l->node, from->entry[i].key->text))
            add_entry(c, l, from->entry[i].key, from->entry[i].value);
    return 0;
}

static int merge(struct composer *c, struct level *l)
{
    struct node *map = l->node;
    size_t own = map->count, kept = 0;
    struct node **merged = bd_arena_alloc(c->arena, (own + 1) * sizeof(*merged));
    size_t count = 0;
    int err = 0;

    for (size_t i = 0; i < own; i++)
        if (is_merge(map->entry[i].key))
            merged[count++] = map->entry[i].value;
        else
            map->entry[kept++] = map->entry[i];
    map->count = kept;
    for (size_t i = 0; i < count && !err; i++) {
        const struct node *from = merged[i];

        if (from->kind != NODE_LIST)
            err = merge_one(c, l, from);
        else
            for (size_t k = 0; k < from->count && !err; k++)
                err = merge_one(c, l, from->item[k]);
    }
    return err;
}

static int close_level(struct composer *c, const yaml_event_t *e)
{
    struct level *l = &c->level[--c->depth];
    struct node *n = l->node;

    if (n->flow) {
        n->next_line = e->end_mark.line + 1;
    } else { /* the end event of a block stands where the next thing begins */
        for (size_t i = 0; i < n->count; i++) {
            size_t inner =
                n->kind == NODE_LIST ? n->item[i]->next_line : n->entry[i].value->next_line;
            size_t key = n->kind == NODE_LIST ? 0 : n->entry[i].key->next_line;

            inner = inner > key ? inner : key;
            n->next_line = inner > n->next_line ? inner : n->next_line;
        }
    }
    if (n->kind == NODE_MAP && merge(c, l))
        return -1;
    if (l->anchor)
        l->anchor->node = n;
    return add(c, n);
}

static int scalar(struct composer *c, const yaml_event_t *e)
{
    struct node *n = node_new(c, NODE_SCALAR, e);
    struct bd_slice text = {(const char *)e->data.scalar.value, e->data.scalar.length};

    if (memchr(text.p, '\0', text.len))
        return fail_node(c, n, "a text with a NUL byte in it");
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = bd_arena_copy(c->arena, text);
    n->null = n->plain && is_null(n->text);
    if (n->null)
        n->text = "";
    anchor_new(c, e->data.scalar.anchor, n);
    return add(c, n);
}

static int alias(struct composer *c, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;

    for (struct anchor *anchor = c->anchors; anchor; anchor = anchor->next) {
        struct node *copy;

        if (strcmp(anchor->name, name) != 0)
            continue;
        if (!anchor->node)
            return fail_at(c, e->start_mark, "an alias inside of what it stands for");
        copy = bd_arena_alloc(c->arena, sizeof(*copy));
        *copy = *anchor->node; /* the same lists and maps, at another place */
        copy->line = e->start_mark.line + 1;
        copy->column = e->start_mark.column + 1;
        copy->next_line = e->end_mark.line + 1;
        return add(c, copy);
    }
    return fail_at(c, e->start_mark, "an alias of an unknown anchor");
}

static int handle(struct composer *c, const yaml_event_t *e)
{
    struct node *n;

    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return c->complete ? fail_at(c, e->start_mark, "a second document") : 0;
    case YAML_DOCUMENT_END_EVENT:
        c->complete = true;
        return 0;
    case YAML_SCALAR_EVENT:
        return scalar(c, e);
    case YAML_ALIAS_EVENT:
        return alias(c, e);
    case YAML_SEQUENCE_START_EVENT:
        n = node_new(c, NODE_LIST, e);
        n->flow = e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        return open_level(c, n, e->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        n = node_new(c, NODE_MAP, e);
        n->flow = e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
        return open_level(c, n, e->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(c, e);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        return 0;
    }
    return 0;
}

static int compose(struct composer *c)
{
    for (;;) {
        yaml_event_t event;
        bool is_end;
        int err;

        if (!yaml_parser_parse(&c->parser, &event))
            return fail_parser(c);
        is_end = event.type == YAML_STREAM_END_EVENT;
        err = handle(c, &event);
        yaml_event_delete(&event);
        if (err || is_end)
            return err;
    }
}

int document_read(struct bd_arena *a, const char *file, struct bd_slice text,
                  struct node **ret_root, struct bd_error *err)
{
    struct composer c = {.arena = a, .err = err, .file = file};
    int failed;

    if (text.len > DOCUMENT_BYTES_MAX)
        return bd_fail(err, "%s: larger than %d bytes", file, DOCUMENT_BYTES_MAX);
    if (!yaml_parser_initialize(&c.parser))
        return bd_fail(err, "%s: no memory", file);
    yaml_parser_set_input_string(&c.parser, (const unsigned char *)text.p, text.len);
    failed = compose(&c);
    yaml_parser_delete(&c.parser);
    if (failed)
        return -1;
    if (!c.root) {
        c.root = bd_arena_alloc(a, sizeof(*c.root));
        *c.root = (struct node){.kind = NODE_SCALAR,
                                .null = true,
                                .plain = true,
                                .line = 1,
                                .column = 1,
                                .weight = 1,
                                .text = ""};
    }
    *ret_root = c.root;
    return 0;
}

struct node *node_get(const struct node *map, const char *key)
{
    struct entry *e = map && map->kind == NODE_MAP ? find(map, key) : NULL;

    return e ? e->value : NULL;
}
