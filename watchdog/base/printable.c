/*
 * printable.c - bd_printable() and bd_printable_text(), see bandog/log.h
 */
#include <assert.h>

#include "bandog/log.h"

static bool is_clean(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

static char *put(char *to, char c)
{
    static const char hex[] = "0123456789abcdef";

    if (is_clean(c)) {
        *to++ = c;
    } else {
        *to++ = '\\';
        *to++ = 'x';
        *to++ = hex[(unsigned char)c >> 4];
        *to++ = hex[(unsigned char)c & 15];
    }
    return to;
}

struct bd_slice bd_printable(struct bd_arena *a, struct bd_slice s)
{
    size_t dirty = 0;
    char *text, *to;

    for (size_t i = 0; i < s.len; i++)
        dirty += !is_clean(s.p[i]);
    if (!dirty)
        return s;

    text = to = bd_arena_alloc(a, s.len + 3 * dirty);
    for (size_t i = 0; i < s.len; i++)
        to = put(to, s.p[i]);
    return (struct bd_slice){text, (size_t)(to - text)};
}

char *bd_printable_text(char *buf, size_t bytes, const char *text)
{
    char *to = buf;

    assert(bytes > 4);
    for (; *text && (size_t)(to - buf) < bytes - 4; text++)
        to = put(to, *text);
    *to = '\0';
    return buf;
}
