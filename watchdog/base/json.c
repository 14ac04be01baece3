/*
 * json.c - see bandog/json.h
 */
#include "bandog/json.h"

#include <stdint.h>

size_t bd_utf8_length(const unsigned char *p, size_t len)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (n == 0 || n > len || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* The escape of one character; empty: it stands for itself. */
static struct bd_slice escape(const unsigned char *p, size_t n, char room[6])
{
    static const char digit[] = "0123456789abcdef";

    if (n == 0)
        return BD_SLICE("\xef\xbf\xbd"); /* U+FFFD */
    if (*p == '"')
        return BD_SLICE("\\\"");
    if (*p == '\\')
        return BD_SLICE("\\\\");
    if (*p >= 0x20 && *p != 0x7f)
        return (struct bd_slice){NULL, 0};
    memcpy(room, "\\u00", 4);
    room[4] = digit[*p >> 4];
    room[5] = digit[*p & 15];
    return (struct bd_slice){room, 6};
}

/* Puts it to `to`, if that is not NULL; returns how many bytes it takes. */
static size_t print(char *to, struct bd_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t left = s.len, bytes = 2;

    if (to)
        *to++ = '"';
    while (left > 0) {
        size_t n = bd_utf8_length(p, left);
        char room[6];
        struct bd_slice text = escape(p, n, room);

        n = n ? n : 1;
        if (text.len == 0)
            text = (struct bd_slice){(const char *)p, n};
        if (to)
            to = bd_slice_put(to, text);
        bytes += text.len;
        p += n;
        left -= n;
    }
    if (to)
        *to = '"';
    return bytes;
}

char *bd_json_put(char *to, struct bd_slice s)
{
    return to + print(to, s);
}

size_t bd_json_bytes(struct bd_slice s)
{
    return print(NULL, s);
}
