/*
 * Any Range of a representation of any size, against a slower and simpler reading of RFC 9110, 14.
 * The input is the size in digits, a newline, and the value.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/range.h"

typedef unsigned __int128 wide;

struct answer {
    enum bd_range_result result;
    struct bd_range range[BD_RANGES_MAX + 1];
    size_t n; /* stops counting one above the limit */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Digits alone, at least one and below 2^63. */
static bool number(const char *p, const char *end, wide *ret)
{
    *ret = 0;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        *ret = *ret * 10 + (wide)(*p - '0');
        if (*ret > INT64_MAX)
            return false;
    }
    return true;
}

/* One range without blanks around it. False when it is malformed. */
static bool spec(const char *p, const char *end, wide size, wide *ret_first, wide *ret_behind)
{
    const char *dash = p;

    while (dash < end && *dash != '-')
        dash++;
    if (dash == end)
        return false;
    if (dash == p) {
        wide last;

        if (!number(dash + 1, end, &last))
            return false;
        *ret_first = last < size ? size - last : 0;
        *ret_behind = size;
        return true;
    }
    if (!number(p, dash, ret_first))
        return false;
    *ret_behind = size;
    if (dash + 1 == end)
        return true;
    if (!number(dash + 1, end, ret_behind) || *ret_behind < *ret_first)
        return false;
    ++*ret_behind;
    if (*ret_behind > size)
        *ret_behind = size;
    return true;
}

static void read_simply(struct answer *a, struct bd_slice value, wide size)
{
    const char *p = value.p, *end = value.p + value.len, *is;
    bool asked = false, malformed = false;
    wide sum = 0;

    a->n = 0;
    for (is = p; is < end && *is != '=';)
        is++;
    a->result = is == end ? BD_RANGE_INVALID : BD_RANGE_WHOLE;
    if (is == end || !bd_slice_ieq((struct bd_slice){p, (size_t)(is - p)}, BD_SLICE("bytes")))
        return;
    for (p = is + 1; p <= end; p++) {
        const char *begin = p, *comma = p;
        wide first = 0, behind = 0;

        while (comma < end && *comma != ',')
            comma++;
        for (p = comma; p > begin && is_blank(p[-1]);)
            p--;
        while (begin < p && is_blank(*begin))
            begin++;
        if (begin < p) {
            asked = true;
            if (!spec(begin, p, size, &first, &behind))
                malformed = true;
            if (!malformed && first < behind && a->n <= BD_RANGES_MAX) {
                a->range[a->n++] = (struct bd_range){(int64_t)first, (int64_t)(behind - first)};
                sum += behind - first;
            }
        }
        p = comma;
    }
    if (malformed)
        a->result = BD_RANGE_INVALID;
    else if (!asked || size == 0 || a->n > BD_RANGES_MAX || sum > size)
        a->result = BD_RANGE_WHOLE;
    else
        a->result = a->n > 0 ? BD_RANGE_PARTIAL : BD_RANGE_UNSATISFIABLE;
}

static void check(struct bd_slice value, int64_t size)
{
    static struct answer expected;
    static struct bd_range range[BD_RANGES_MAX];
    size_t n = 0;
    int64_t left = size;
    enum bd_range_result result = bd_ranges_parse(range, &n, value, size);

    if (result == BD_RANGE_PARTIAL) {
        assert(n > 0 && n <= BD_RANGES_MAX);
        for (size_t i = 0; i < n; i++) {
            assert(range[i].first >= 0 && range[i].len > 0 && range[i].first < size);
            assert(range[i].len <= size - range[i].first);
            assert(range[i].len <= left); /* not more than the whole in all */
            left -= range[i].len;
        }
    }
    read_simply(&expected, value, (wide)size);
    assert(result == expected.result);
    if (result != BD_RANGE_PARTIAL)
        return;
    assert(n == expected.n);
    for (size_t i = 0; i < n; i++)
        assert(range[i].first == expected.range[i].first && range[i].len == expected.range[i].len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t of = 0;
    char *exact;

    while (size > 0 && *data >= '0' && *data <= '9') {
        of = of * 10 + (uint64_t)(*data++ - '0');
        size--;
    }
    if (size == 0 || *data != '\n')
        return 0;
    data++;
    size--;
    exact = malloc(size ? size : 1); /* ends where AddressSanitizer sees it */
    assert(exact);
    if (size > 0)
        memcpy(exact, data, size);
    check((struct bd_slice){exact, size}, (int64_t)(of & INT64_MAX));
    free(exact);
    return 0;
}
