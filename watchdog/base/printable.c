/*
 * printable.c - bd_printable(), see bandog/log.h
 */
#include "bandog/log.h"

static bool is_clean(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

struct bd_slice bd_printable(struct bd_arena *a, struct bd_slice s)
{
    static const char hex[] = "0123456789abcdef";
    size_t dirty = 0;
    char *text, *to;

    for (size_t i = 0; i < s.len; i++)
        dirty += !is_clean(s.p[i]);
    if (!dirty)
        return s;

    text = to = bd_arena_alloc(a, s.len + 3 * dirty);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_clean(s.p[i])) {
            *to++ = s.p[i];
        } else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    return (struct bd_slice){text, (size_t)(to - text)};
}
