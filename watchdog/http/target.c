/*
 * target.c - see target.h
 */
#include "target.h"

static bool escapes_are_good(struct bd_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.p[i] != '%')
            continue;
        if (i + 2 >= path.len || !bd_is_hex(path.p[i + 1]) || !bd_is_hex(path.p[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

bool target_split(struct bd_request *r, struct bd_slice rest)
{
    const char *question = rest.len > 0 ? memchr(rest.p, '?', rest.len) : NULL;

    r->path = rest;
    r->query = (struct bd_slice){NULL, 0};
    if (question) {
        r->path.len = (size_t)(question - rest.p);
        r->query = (struct bd_slice){question + 1, rest.len - r->path.len - 1};
    }
    if (r->path.len == 0)
        r->path = BD_SLICE("/"); /* absolute form without a path */
    return escapes_are_good(r->path);
}

bool bd_request_set_target(struct bd_request *r, struct bd_slice target)
{
    if (target.len == 0 || target.p[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++)
        if (!is_target_byte((unsigned char)target.p[i]) || target.p[i] == '#')
            return false;
    r->target = target;
    return target_split(r, target);
}
