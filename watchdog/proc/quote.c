/*
 * quote.c - see quote.h
 *
 * Go escapes what is not printable by the Unicode tables of its version. Here a character beyond
 * ASCII is printable unless it is one of those that change or hide the text around them.
 */
#include "quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Decodes one character of UTF-8 (RFC 3629). Its length, 0 when there is none. */
static size_t decode(const unsigned char *p, uint32_t *ret_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t point = len < 2 ? p[0] : p[0] & (0x7fu >> len);

    if (p[0] >= 0xf8)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    if (len == 0 || point < least[len] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0;
    *ret_point = point;
    return len;
}

static bool printable(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x00, 0x1f},     {0x7f, 0xa0},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},
        {0x205f, 0x206f}, {0x3000, 0x3000}, {0xe000, 0xf8ff},   {0xfeff, 0xfeff},
        {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff},
    };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        if (c >= hidden[i].first && c <= hidden[i].last)
            return false;
    return true;
}

/* How one character is written; `out` has room for 12 bytes. How many bytes of `p` it took. */
static size_t quote_one(const unsigned char *p, char out[12])
{
    static const char control[] = "\a\b\f\n\r\t\v", letter[] = "abfnrtv";
    uint32_t c;
    size_t len = decode(p, &c);
    const char *known = *p < 0x80 ? strchr(control, *p) : NULL;

    if (*p == '"' || *p == '\\')
        snprintf(out, 12, "\\%c", *p);
    else if (known)
        snprintf(out, 12, "\\%c", letter[known - control]);
    else if (len == 0 || (len == 1 && !printable(c)))
        snprintf(out, 12, "\\x%02x", *p);
    else if (printable(c))
        snprintf(out, 12, "%.*s", (int)len, (const char *)p);
    else if (c < 0x10000)
        snprintf(out, 12, "\\u%04x", c);
    else
        snprintf(out, 12, "\\U%08x", c);
    return len ? len : 1;
}

char *quote_go(char *buf, size_t bytes, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0;
    char out[12];

    buf[used++] = '"';
    while (*p) {
        p += quote_one(p, out);
        if (used + strlen(out) + 2 > bytes)
            break;
        memcpy(buf + used, out, strlen(out));
        used += strlen(out);
    }
    buf[used++] = '"';
    buf[used] = '\0';
    return buf;
}
