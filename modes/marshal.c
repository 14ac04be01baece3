/*
 * marshal.c - see marshal.h
 *
 * Strings are escaped as Go's encoding/json does, which existing functions have been reading:
 * '<', '>', '&', U+2028 and U+2029 as \u escapes, invalid UTF-8 as U+FFFD for each byte.
 */
#include "marshal.h"

#include <stdint.h>
#include <stdlib.h>

#include "bandog/json.h"
#include "bandog/base64.h"
#include "environ.h"

#define ENCODE_BYTES 12288 /* of body at a time, a multiple of 3 */

struct marshal {
    struct bd_arena *arena;
    char *head; /* JSON before the base64 text; taken with the first piece */
    size_t head_len, head_room;
    bool head_taken;
    unsigned char carry[3]; /* bytes that do not fill a group of three yet */
    size_t carried;
    char text[ENCODE_BYTES / 3 * 4 + 16];
};

/* JSON strings */

static void put(struct marshal *m, const char *p, size_t len)
{
    if (m->head_room - m->head_len < len) {
        size_t room = (m->head_room + len) * 2;
        char *head = bd_arena_alloc(m->arena, room);

        if (m->head_len > 0)
            memcpy(head, m->head, m->head_len);
        m->head = head;
        m->head_room = room;
    }
    if (len > 0)
        memcpy(m->head + m->head_len, p, len);
    m->head_len += len;
}

static void put_text(struct marshal *m, const char *text)
{
    put(m, text, strlen(text));
}

/* The escape of one character, NULL when it stands for itself. */
static const char *escape(const unsigned char *p, size_t n)
{
    if (n == 0)
        return "\\ufffd";
    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        return p[2] == 0xa8 ? "\\u2028" : "\\u2029";
    switch (p[0]) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\t':
        return "\\t";
    case '<':
        return "\\u003c";
    case '>':
        return "\\u003e";
    case '&':
        return "\\u0026";
    default:
        return NULL;
    }
}

static void put_string(struct marshal *m, struct bd_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t left = s.len;

    put(m, "\"", 1);
    while (left > 0) {
        size_t n = bd_utf8_length(p, left);
        const char *escaped = escape(p, n);

        if (escaped)
            put_text(m, escaped);
        else
            put(m, (const char *)p, n);
        n = n ? n : 1;
        p += n;
        left -= n;
    }
    put(m, "\"", 1);
}

/* The header object */

struct entry {
    struct bd_slice name; /* canonical */
    struct bd_slice value;
    size_t order;
};

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.p, b->name.p, len);

    if (order != 0)
        return order;
    if (a->name.len != b->name.len)
        return a->name.len < b->name.len ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static size_t collect(struct bd_exchange *x, struct entry *entry)
{
    const struct bd_request *r = &x->req;
    size_t n = 0;

    for (size_t i = 0; i < r->fields; i++) {
        if (bd_slice_ieq(r->field[i].name, BD_SLICE("host")) ||
            bd_slice_ieq(r->field[i].name, BD_SLICE("transfer-encoding")))
            continue;
        entry[n].name = environ_canonical(&x->arena, r->field[i].name);
        entry[n].value = r->field[i].value;
        entry[n].order = n;
        n++;
    }
    qsort(entry, n, sizeof(*entry), compare);
    return n;
}

static void put_header(struct marshal *m, struct bd_exchange *x)
{
    struct entry *entry = bd_arena_alloc(&x->arena, (x->req.fields + 1) * sizeof(*entry));
    size_t n = collect(x, entry);

    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && bd_slice_eq(entry[i].name, entry[i - 1].name);

        if (!same) {
            put_text(m, i > 0 ? "]," : "");
            put_string(m, entry[i].name);
            put_text(m, ":[");
        } else {
            put_text(m, ",");
        }
        put_string(m, entry[i].value);
    }
    put_text(m, n > 0 ? "]" : "");
}

struct marshal *marshal_new(struct bd_exchange *x)
{
    struct marshal *m = bd_arena_alloc(&x->arena, sizeof(*m));

    m->arena = &x->arena;
    m->head = NULL;
    m->head_len = m->head_room = m->carried = 0;
    m->head_taken = false;
    put_text(m, "{\"header\":{");
    put_header(m, x);
    put_text(m, "},\"body\":{\"raw\":\"");
    return m;
}

/* Base64 (RFC 4648, section 4) */

struct bd_slice marshal_take(struct marshal *m, struct bd_slice *body)
{
    size_t n = body->len < ENCODE_BYTES ? body->len : ENCODE_BYTES;
    char *out = m->text;

    if (!m->head_taken) {
        m->head_taken = true;
        return (struct bd_slice){m->head, m->head_len};
    }
    for (size_t i = 0; i < n; i++) {
        m->carry[m->carried++] = (unsigned char)body->p[i];
        if (m->carried == 3) {
            out = bd_base64_put(out, m->carry, 3);
            m->carried = 0;
        }
    }
    body->p += n;
    body->len -= n;
    return (struct bd_slice){m->text, (size_t)(out - m->text)};
}

struct bd_slice marshal_end(struct marshal *m)
{
    static const char end[] = "\"}}";
    char *out = m->text;

    if (m->carried > 0)
        out = bd_base64_put(out, m->carry, m->carried);
    memcpy(out, end, sizeof(end) - 1);
    out += sizeof(end) - 1;
    if (m->head_taken)
        return (struct bd_slice){m->text, (size_t)(out - m->text)};
    put(m, m->text, (size_t)(out - m->text)); /* there was no body */
    return (struct bd_slice){m->head, m->head_len};
}
