/*
 * Any fields, a line each: name, colon, value. What is left must be what a slower and simpler
 * reading of RFC 9110, 7.6.1 leaves, in the same order.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/fields.h"

#define FIELDS_MAX 64

static bool is_one_of(struct bd_slice name, const char *const *names)
{
    for (; *names; names++)
        if (bd_slice_ieq(name, bd_slice_of(*names)))
            return true;
    return false;
}

/* Trims blanks, as RFC 9110, 5.6.1 has them around the members of a list. */
static struct bd_slice trimmed(struct bd_slice s)
{
    while (s.len > 0 && (*s.p == ' ' || *s.p == '\t'))
        s = (struct bd_slice){s.p + 1, s.len - 1};
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool list_has(struct bd_slice list, struct bd_slice word)
{
    size_t from = 0;

    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.p[i] != ',')
            continue;
        if (i > from) {
            struct bd_slice member = trimmed((struct bd_slice){list.p + from, i - from});

            if (member.len > 0 && bd_slice_ieq(member, word))
                return true;
        }
        from = i + 1;
    }
    return false;
}

static bool is_left_out(struct bd_slice name, const struct bd_field *field, size_t n)
{
    static const char *const hop[] = {
        "connection",          "keep-alive", "proxy-connection",  "proxy-authenticate",
        "proxy-authorization", "te",         "transfer-encoding", "upgrade",
        "content-length",      NULL};
    static const char *const never[] = {"host", "expect", NULL};

    if (is_one_of(name, hop))
        return true;
    if (is_one_of(name, never))
        return false;
    for (size_t i = 0; i < n; i++)
        if (bd_slice_ieq(field[i].name, BD_SLICE("connection")) && list_has(field[i].value, name))
            return true;
    return false;
}

/* A token (RFC 9110, 5.6.2); but "close" is an option of Connection, and no field's name. */
static bool is_name(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.len > 0 && !bd_slice_ieq(s, BD_SLICE("close"));
}

static size_t split(struct bd_field *to, const char *p, size_t len)
{
    size_t n = 0;

    while (len > 0 && n < FIELDS_MAX) {
        const char *end = memchr(p, '\n', len), *colon;
        size_t line = end ? (size_t)(end - p) : len;

        colon = line > 0 ? memchr(p, ':', line) : NULL;
        if (colon && is_name((struct bd_slice){p, (size_t)(colon - p)})) {
            to[n].name = (struct bd_slice){p, (size_t)(colon - p)};
            to[n].value = (struct bd_slice){colon + 1, line - (size_t)(colon - p) - 1};
            n++;
        }
        line += end != NULL;
        p += line;
        len -= line;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_field from[FIELDS_MAX] = {{.name = {NULL, 0}}}, to[FIELDS_MAX];
    size_t n = split(from, (const char *)data, size);
    size_t kept = bd_fields_end_to_end(to, from, n), at = 0;

    if (!bd_connection_is_usable(from, n))
        return 0; /* it names too many */
    for (size_t i = 0; i < n; i++) {
        if (is_left_out(from[i].name, from, n))
            continue;
        assert(at < kept && to[at].name.p == from[i].name.p && to[at].value.p == from[i].value.p);
        at++;
    }
    assert(at == kept);
    for (size_t i = 0; i + 1 < n; i++)
        assert(bd_list_has(from[i].value, from[i + 1].name) ==
               list_has(from[i].value, from[i + 1].name));
    return 0;
}
