/*
 * range.c - see bandog/range.h
 */
#include "bandog/range.h"

#include <stdbool.h>

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

/* One range-spec; `len` 0: it lies outside. False when it is malformed. */
static bool read_spec(struct bd_slice spec, int64_t size, struct bd_range *ret)
{
    struct bd_slice rest = spec, front;
    int64_t first, last = INT64_MAX;

    if (!memchr(spec.p, '-', spec.len))
        return false;
    front = split(&rest, '-');
    if (front.len == 0) { /* suffix-range */
        if (!bd_slice_number(rest, &last))
            return false;
        ret->len = last < size ? last : size;
        ret->first = size - ret->len;
        return true;
    }
    if (!bd_slice_number(front, &first) || (rest.len > 0 && !bd_slice_number(rest, &last)) ||
        last < first)
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
        struct bd_slice spec = bd_slice_trim(split(&value, ','));
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
