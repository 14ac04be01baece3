/*
 * href.c - see href.h
 */
#include "href.h"

#include <stdbool.h>

/* Not '&': in a page it may begin an entity. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.~/$+,:;=@", c));
}

/* Besides those: what was sent like that, and means what it says. */
static bool is_encoded(char c)
{
    return is_plain(c) || (c != '\0' && strchr("%&!*'()", c));
}

static char *put(char *to, struct bd_slice s, bool (*stays)(char c))
{
    static const char digit[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (stays((char)c)) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = digit[c >> 4];
            *to++ = digit[c & 15];
        }
    }
    return to;
}

char *href_put(char *to, struct bd_slice name)
{
    if (name.len > 0 && memchr(name.p, ':', name.len)) /* else it would be a scheme */
        to = bd_slice_put(to, BD_SLICE("./"));
    return put(to, name, is_plain);
}

struct bd_slice href_name(struct bd_arena *a, struct bd_slice name)
{
    char *text = bd_arena_alloc(a, HREF_BYTES(name));

    return (struct bd_slice){text, (size_t)(href_put(text, name) - text)};
}

static struct bd_slice encode(struct bd_arena *a, struct bd_slice path, bool (*stays)(char c))
{
    char *text = bd_arena_alloc(a, path.len * 3 + 1);

    return (struct bd_slice){text, (size_t)(put(text, path, stays) - text)};
}

struct bd_slice href_path(struct bd_arena *a, struct bd_slice path)
{
    return encode(a, path, is_plain);
}

struct bd_slice href_again(struct bd_arena *a, struct bd_slice path)
{
    return encode(a, path, is_encoded);
}
