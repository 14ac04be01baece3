/*
 * range.c - see bandog/range.h
 */
#include "bandog/range.h"

#include <stdbool.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct bd_slice trim(struct bd_slice s)
{
    while (s.len > 0 && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Up to `separator`, which is taken off as well; all that is left when there is none. */
static struct bd_slice split(struct bd_slice *s, char separator)
{
    const char *found = s->len > 0 ? memchr(s->p, separator, s->len) : NULL;
    struct bd_slice front = *s;

    if (!found) {
        *s = (struct bd_slice){NULL, 0};
        return front;
    }
    front.len = (size_t)(found - s->p);
    s->p = found + 1;
    s->len -= front.len + 1;
    return front;
}

/* 1*DIGIT of at most 63 bits. */
static bool read_number(struct bd_slice s, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, s.p[i] - '0', ret))
            return false;
    }
    return s.len > 0;
}

/* One range-spec; `len` 0: it lies outside. False when it is malformed. */
static bool read_spec(struct bd_slice spec, int64_t size, struct bd_range *ret)
{
    struct bd_slice rest = spec, front;
    int64_t first, last = INT64_MAX;

    if (!memchr(spec.p, '-', spec.len))
        return false;
    front = split(&rest, '-');
    if (front.len == 0) { /* suffix-range */
        if (!read_number(rest, &last))
            return false;
        ret->len = last < size ? last : size;
        ret->first = size - ret->len;
        return true;
    }
    if (!read_number(front, &first) || (rest.len > 0 && !read_number(rest, &last)) || last < first)
        return false;
    if (last >= size)
        last = size - 1;
    *ret = (struct bd_range){first, first < size ? last - first + 1 : 0};
    return true;
}

enum bd_range_result bd_ranges_parse(struct bd_range ret_range[BD_RANGES_MAX], size_t *ret_n,
                                     struct bd_slice value, int64_t size)
{
    struct bd_slice unit;
    int64_t bytes = 0;
    bool asked = false, whole = size == 0;
    size_t n = 0;

    *ret_n = 0;
    if (value.len == 0 || !memchr(value.p, '=', value.len))
        return BD_RANGE_INVALID;
    unit = split(&value, '=');
    if (!bd_slice_ieq(unit, BD_SLICE("bytes")))
        return BD_RANGE_WHOLE;
    while (value.len > 0) {
        struct bd_slice spec = trim(split(&value, ','));
        struct bd_range range;

        if (spec.len == 0)
            continue;
        if (!read_spec(spec, size, &range))
            return BD_RANGE_INVALID;
        asked = true;
        if (range.len == 0)
            continue;
        /* Of a range that is not kept only the form matters. */
        if (n == BD_RANGES_MAX || __builtin_add_overflow(bytes, range.len, &bytes))
            whole = true;
        else
            ret_range[n++] = range;
    }
    if (!asked || whole || bytes > size)
        return BD_RANGE_WHOLE;
    *ret_n = n;
    return n > 0 ? BD_RANGE_PARTIAL : BD_RANGE_UNSATISFIABLE;
}
