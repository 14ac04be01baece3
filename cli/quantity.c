/*
 * quantity.c - see quantity.h
 *
 * Exact for any number of digits: a power of ten moves the point, the digits before it are summed
 * up, those behind it are carried from the last one on.
 */
#include "quantity.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define EXPONENT_MAX 99

enum fault { FINE, MALFORMED, OUT_OF_RANGE };

struct quantity {
    const char *digits; /* with a point in them, perhaps */
    long count;         /* of digits, without the point */
    long point;         /* how many stand before it */
    long exponent;      /* of 10 */
    unsigned shift;     /* times 2 to the power of it */
};

static const struct suffix {
    const char *name;
    long exponent;
    unsigned shift;
} suffixes[] = {
    {"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

static size_t digits_len(const char *text)
{
    return strspn(text, "0123456789");
}

/* What stands behind the "e" of an exponent, if that is what it is. */
static bool read_exponent(const char *at, long *ret_exponent)
{
    bool negative = *at == '-';
    long n = 0;

    at += *at == '-' || *at == '+';
    if (digits_len(at) == 0 || at[digits_len(at)] != '\0')
        return false;
    for (; *at && n <= EXPONENT_MAX; at++)
        n = n * 10 + (*at - '0');
    *ret_exponent = negative ? -n : n;
    return true;
}

static bool read_suffix(const char *at, struct quantity *q)
{
    if ((*at == 'e' || *at == 'E') && read_exponent(at + 1, &q->exponent))
        return true;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (strcmp(suffixes[i].name, at) == 0) {
            q->exponent = suffixes[i].exponent;
            q->shift = suffixes[i].shift;
            return true;
        }
    return false;
}

static bool read_quantity(const char *text, struct quantity *q)
{
    const char *at = text + (*text == '+');
    size_t before = digits_len(at), behind;

    *q = (struct quantity){.digits = at, .point = (long)before};
    at += before;
    behind = *at == '.' ? digits_len(at + 1) : 0;
    at += *at == '.' ? 1 + behind : 0;
    q->count = (long)(before + behind);
    return q->count > 0 && read_suffix(at, q);
}

/* There are zeros on both sides of those that are written. */
static unsigned digit(const struct quantity *q, long i)
{
    if (i < 0 || i >= q->count)
        return 0;
    return (unsigned)(q->digits[i + (i >= q->point)] - '0');
}

static bool sum_up(const struct quantity *q, int64_t *ret_sum)
{
    const int64_t unit = INT64_C(1) << q->shift;
    long end = q->point + q->exponent;
    int64_t sum = 0;

    for (long i = 0; i < end; i++)
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit(q, i), &sum))
            return false;
    return !__builtin_mul_overflow(sum, unit, ret_sum);
}

/* What the digits behind the point are worth, rounded up. */
static int64_t fraction(const struct quantity *q)
{
    const uint64_t unit = UINT64_C(1) << q->shift;
    long end = q->point + q->exponent;
    uint64_t carried = 0;
    bool rest = false;

    for (long i = q->count; i-- > end;) {
        carried += digit(q, i) * unit; /* below 10 units, and those below 2^64 */
        rest = rest || carried % 10 > 0;
        carried /= 10;
    }
    return (int64_t)carried + rest;
}

static enum fault quantity_read(const char *text, long exponent, int64_t *ret_n)
{
    struct quantity q;
    int64_t n;

    if (!read_quantity(text, &q))
        return MALFORMED;
    if (q.exponent > EXPONENT_MAX || q.exponent < -EXPONENT_MAX)
        return OUT_OF_RANGE;
    q.exponent += exponent;
    if (!sum_up(&q, &n) || __builtin_add_overflow(n, fraction(&q), &n))
        return OUT_OF_RANGE;
    *ret_n = n;
    return FINE;
}

static int explain(struct bd_error *err, enum fault fault, const char *text, const char *expected)
{
    if (fault == OUT_OF_RANGE)
        return bd_fail(err, "'%s' is out of range", text);
    return bd_fail(err, "'%s' is not %s", text, expected);
}

int quantity_bytes(const char *text, int64_t *ret_bytes, struct bd_error *err)
{
    enum fault fault = quantity_read(text, 0, ret_bytes);

    if (fault)
        return explain(err, fault, text, "an amount of memory such as 128Mi, 1.5G or 64000000");
    return 0;
}

int quantity_millicpu(const char *text, int64_t *ret_millicpu, struct bd_error *err)
{
    enum fault fault = quantity_read(text, 3, ret_millicpu);

    if (fault)
        return explain(err, fault, text, "an amount of processor time such as 500m, 0.5 or 2");
    return 0;
}
