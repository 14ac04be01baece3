/*
 * tame.c - see tame.h
 */
#include "tame.h"

#include "bandog/json.h"

/* Bytes of "ESC [ 31 m" at `p`; 0: something else. */
static size_t colour_length(const char *p, size_t left)
{
    size_t n = 2;

    if (left < 3 || p[0] != '\033' || p[1] != '[')
        return 0;
    while (n < left && ((p[n] >= '0' && p[n] <= '9') || p[n] == ';'))
        n++;
    return n < left && p[n] == 'm' ? n + 1 : 0;
}

/* How many bytes may be written as they are; 0: this one may not. */
static size_t harmless(const char *p, size_t left, unsigned allowed)
{
    unsigned char c = (unsigned char)*p;
    size_t n;

    if (c < ' ') {
        if ((c == '\t' && allowed & TAME_TABS) || (c == '\n' && allowed & TAME_LINES))
            return 1;
        return allowed & TAME_COLOURS ? colour_length(p, left) : 0;
    }
    if (c < 0x7f)
        return 1;
    n = bd_utf8_length((const unsigned char *)p, left);
    return c == 0x7f || (c == 0xc2 && n == 2 && (unsigned char)p[1] < 0xa0) ? 0 : n;
}

void tame_put(FILE *to, struct bd_slice s, unsigned allowed)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = harmless(s.p + i, s.len - i, allowed);

        if (n > 0)
            fwrite(s.p + i, 1, n, to);
        else
            fprintf(to, "\\x%02x", (unsigned)(unsigned char)s.p[i++]);
        i += n;
    }
}
