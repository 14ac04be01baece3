/*
 * Any bytes as a YAML document: libyaml's own loader says what is one, and what stands in it. Every
 * place must lie in the text, and no walk sees more than the tree claims to weigh.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "document.h"

#define BYTES_MAX 4096

/* The loader's tree of the one document; false: it refuses. */
static bool load(struct bd_slice text, yaml_document_t *ret, bool *ret_has_twins)
{
    yaml_parser_t parser;
    yaml_document_t next;
    bool single = false;

    assert(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.len);
    *ret_has_twins = false;
    if (yaml_parser_load(&parser, ret)) {
        if (!yaml_document_get_root_node(ret)) {
            single = true;
        } else if (yaml_parser_load(&parser, &next)) {
            single = !yaml_document_get_root_node(&next);
            yaml_document_delete(&next);
        }
        if (!single)
            yaml_document_delete(ret);
    } else { /* YAML allows to name another node the same, the loader does not */
        *ret_has_twins = parser.context && strstr(parser.context, "duplicate anchor");
    }
    yaml_parser_delete(&parser);
    return single;
}

static bool is_merge(yaml_document_t *d, const yaml_node_t *map)
{
    const yaml_node_pair_t *p = map->data.mapping.pairs.start;

    for (; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(d, p->key);

        if (key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
            strcmp((const char *)key->data.scalar.value, "<<") == 0)
            return true;
    }
    return false;
}

static void check_scalar(const yaml_node_t *y, const struct node *n)
{
    assert(n->kind == NODE_SCALAR);
    assert(n->plain == (y->data.scalar.style == YAML_PLAIN_SCALAR_STYLE));
    assert(!n->null || (n->plain && *n->text == '\0'));
    if (!n->null) {
        assert(strlen(n->text) == y->data.scalar.length);
        assert(memcmp(n->text, y->data.scalar.value, y->data.scalar.length) == 0);
    }
}

static void check_same(yaml_document_t *d, int index, const struct node *n)
{
    const yaml_node_t *y = yaml_document_get_node(d, index);

    if (y->type == YAML_SCALAR_NODE) {
        check_scalar(y, n);
    } else if (y->type == YAML_SEQUENCE_NODE) {
        const int *item = y->data.sequence.items.start;

        assert(n->kind == NODE_LIST);
        assert(n->flow == (y->data.sequence.style == YAML_FLOW_SEQUENCE_STYLE));
        assert(n->count == (size_t)(y->data.sequence.items.top - item));
        for (size_t i = 0; i < n->count; i++)
            check_same(d, item[i], n->item[i]);
    } else if (!is_merge(d, y)) {
        const yaml_node_pair_t *pair = y->data.mapping.pairs.start;

        assert(n->kind == NODE_MAP);
        assert(n->flow == (y->data.mapping.style == YAML_FLOW_MAPPING_STYLE));
        assert(n->count == (size_t)(y->data.mapping.pairs.top - pair));
        for (size_t i = 0; i < n->count; i++) {
            check_same(d, pair[i].key, n->entry[i].key);
            check_same(d, pair[i].value, n->entry[i].value);
        }
    }
}

/* --- places --------------------------------------------------------------------------------------
 */

/* Bytes of the end of a line at `p`, of YAML 1.1; 0: none. */
static size_t line_end(struct bd_slice text, size_t p)
{
    static const char *const ends[] = {"\r\n",     "\r",           "\n",
                                       "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (bd_slice_starts((struct bd_slice){text.p + p, text.len - p}, bd_slice_of(ends[i])))
            return strlen(ends[i]);
    return 0;
}

/* The characters of each line, from 1. Behind a last one without an end libyaml sees one more. */
struct lengths {
    size_t of[BYTES_MAX + 3], lines;
};

static void measure(struct bd_slice text, struct lengths *ret)
{
    size_t p = bd_slice_starts(text, BD_SLICE("\xef\xbb\xbf")) ? 3 : 0;

    ret->lines = 1;
    ret->of[1] = 0;
    while (p < text.len) {
        size_t end = line_end(text, p);

        if (end)
            ret->of[++ret->lines] = 0;
        else
            ret->of[ret->lines] += ((unsigned char)text.p[p] & 0xc0) != 0x80;
        p += end ? end : 1;
    }
    if (ret->of[ret->lines] > 0)
        ret->of[++ret->lines] = 0;
}

/* Returns how many nodes a walk sees. */
static size_t check_places(const struct node *n, const struct lengths *l)
{
    size_t seen = 1;

    assert(n->line >= 1 && n->line <= l->lines);
    assert(n->column >= 1 && n->column <= l->of[n->line] + 1);
    assert(n->next_line <= l->lines);
    assert(n->next_line + 1 >= n->line);
    for (size_t i = 0; i < n->count; i++)
        if (n->kind == NODE_LIST)
            seen += check_places(n->item[i], l);
        else
            seen += check_places(n->entry[i].key, l) + check_places(n->entry[i].value, l);
    assert(seen <= n->weight);
    return seen;
}

/* --- refusals ------------------------------------------------------------------------------------
 */

/* One that the loader knows nothing about. */
static bool is_our_reason(const char *text)
{
    static const char *const reasons[] = {
        ": a key must be a text",
        "\" already defined at line ",
        ": lists and maps are nested too deeply",
        ": a map or a list of maps must stand behind <<",
        ": a text with a NUL byte in it",
        ": an alias inside of what it stands for",
        ": the document is too large once its aliases are followed",
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (strstr(text, reasons[i]))
            return true;
    return strlen(text) > 500; /* cut */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_slice text = {(const char *)data, size};
    bool is_wide =
        size >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0);
    struct bd_error err = {""};
    static struct lengths lengths;
    struct bd_arena arena;
    struct node *root;
    yaml_document_t document;
    bool loaded, has_twins;

    if (size > BYTES_MAX)
        return 0;
    bd_arena_init(&arena);
    loaded = load(text, &document, &has_twins);
    if (document_read(&arena, "f", text, &root, &err) == 0) {
        assert(loaded || has_twins);
        if (loaded && yaml_document_get_root_node(&document))
            check_same(&document, 1, root);
        assert(root->weight <= DOCUMENT_NODES_MAX);
        measure(text, &lengths);
        if (!is_wide) /* UTF-16 has other bytes */
            check_places(root, &lengths);
    } else {
        assert(strncmp(err.text, "f:", 2) == 0);
        assert(!loaded || is_our_reason(err.text));
    }
    if (loaded)
        yaml_document_delete(&document);
    bd_arena_release(&arena);
    return 0;
}
