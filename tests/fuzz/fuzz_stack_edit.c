/*
 * Any text as a stack file, behind a line with the name and the other texts of a new function. What
 * comes out begins and ends with the old text, and read again it has one function more and all else
 * as it was.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "stack_edit.h"

#define BYTES_MAX 4096
#define GATEWAY "http://127.0.0.1:8080"

/* The bytes before the next tab or newline, which is passed over. */
static const char *field(struct bd_arena *a, struct bd_slice *text)
{
    size_t len = 0;
    const char *copy;

    while (len < text->len && text->p[len] != '\t' && text->p[len] != '\n')
        len++;
    copy = bd_arena_copy(a, (struct bd_slice){text->p, len});
    len += len < text->len;
    text->p += len;
    text->len -= len;
    return copy;
}

static void check_bytes(struct bd_slice old, struct bd_slice now)
{
    size_t before = 0, behind = 0;

    assert(now.len > old.len);
    while (before < old.len && old.p[before] == now.p[before])
        before++;
    while (behind < old.len && old.p[old.len - 1 - behind] == now.p[now.len - 1 - behind])
        behind++;
    assert(before + behind >= old.len);
}

/* A block scalar at the end of a file has a newline more when the file gets one. */
static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(a);

    return strncmp(a, b, len) == 0 && (!b[len] || strcmp(b + len, "\n") == 0);
}

static void check_same(const struct node *a, const struct node *b, size_t depth)
{
    assert(a->kind == b->kind && a->null == b->null && a->plain == b->plain);
    if (a->kind == NODE_SCALAR) {
        assert(same_text(a->text, b->text));
        return;
    }
    assert(a->count <= b->count && (depth < 2 || a->count == b->count));
    for (size_t i = 0; i < a->count; i++)
        if (a->kind == NODE_LIST) {
            check_same(a->item[i], b->item[i], depth + 1);
        } else {
            const struct node *was = a->entry[i].value, *is = node_get(b, a->entry[i].key->text);

            assert(is);
            if (depth > 0 || strcmp(a->entry[i].key->text, "functions") != 0 || !was->null)
                check_same(was, is, depth + 1);
        }
}

static void check_function(const struct node *functions, const struct function *f)
{
    const struct node *n = node_get(functions, f->name);

    assert(n && n->count == 3);
    assert(strcmp(node_get(n, "lang")->text, f->lang) == 0);
    assert(strcmp(node_get(n, "handler")->text, f->handler) == 0);
    assert(strcmp(node_get(n, "image")->text, f->image) == 0);
}

static void check(struct bd_arena *a, struct bd_slice text, const struct function *f)
{
    struct bd_slice now;
    struct bd_error err = {""};
    struct node *was, *is;
    const struct node *old, *functions;

    if (stack_add(a, "s.yml", text, GATEWAY, f, &now, &err)) {
        assert(*err.text);
        return;
    }
    check_bytes(text, now);
    assert(document_read(a, "old", text, &was, &err) == 0);
    assert(document_read(a, "new", now, &is, &err) == 0);
    old = node_get(was, "functions");
    functions = node_get(is, "functions");
    assert(functions->count == (old ? old->count : 0) + 1);
    check_function(functions, f);
    if (!was->null) {
        assert(is->count == was->count + !old);
        check_same(was, is, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_slice text = {(const char *)data, size};
    struct bd_arena arena;
    struct function f = {0};

    if (size > BYTES_MAX)
        return 0;
    bd_arena_init(&arena);
    f.name = field(&arena, &text);
    f.lang = field(&arena, &text);
    f.handler = field(&arena, &text);
    f.image = field(&arena, &text);
    check(&arena, text, &f);
    bd_arena_release(&arena);
    return 0;
}
