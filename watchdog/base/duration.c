/*
 * duration.c - see bandog/duration.h
 *
 * Sums are kept unsigned and up to 2^63, so that the most negative value can be written too. The
 * fraction goes through a double exactly as Go's does: "0.3333333333333333333h" is 20 minutes.
 */
#include "bandog/duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

#define LIMIT (UINT64_C(1) << 63)

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* U+00B5 micro sign */
    {"\xce\xbcs", 1000}, /* U+03BC Greek small letter mu */
    {"ms", 1000000},
    {"s", UINT64_C(1000000000)},
    {"m", UINT64_C(60) * 1000000000},
    {"h", UINT64_C(3600) * 1000000000},
};

/* "1", "1.", ".5", "1.5": the fraction is `part` / `scale`. */
struct decimal {
    uint64_t whole;
    uint64_t part;
    double scale;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits before the point; false when there are too many. */
static bool scan_whole(const char **at, uint64_t *ret_whole)
{
    uint64_t whole = 0;

    for (; is_digit(**at); ++*at) {
        if (whole > LIMIT / 10)
            return false;
        whole = whole * 10 + (uint64_t)(**at - '0');
        if (whole > LIMIT)
            return false;
    }
    *ret_whole = whole;
    return true;
}

/* Digits behind the point; the ones that 63 bits do not hold are read and have no effect. */
static void scan_part(const char **at, struct decimal *n)
{
    bool full = false;

    for (; is_digit(**at); ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');

        full = full || n->part > (LIMIT - digit) / 10;
        if (full)
            continue;
        n->part = n->part * 10 + digit;
        n->scale *= 10;
    }
}

static bool scan_number(const char **at, struct decimal *n)
{
    const char *begin = *at, *point;

    *n = (struct decimal){0, 0, 1};
    if (!scan_whole(at, &n->whole))
        return false;
    point = *at;
    if (*point != '.')
        return point > begin;
    ++*at;
    scan_part(at, n);
    return point > begin || *at > point + 1;
}

/* Everything up to the next number is the unit's name. NULL when there is no such unit. */
static const struct unit *scan_unit(const char **at)
{
    const char *name = *at;
    size_t len = strcspn(name, ".0123456789");

    *at += len;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
            return &units[i];
    return NULL;
}

/* One number with its unit, in nanoseconds. */
static bool scan_term(const char **at, uint64_t *ret_ns)
{
    const struct unit *u;
    struct decimal n;
    uint64_t ns;

    if (!scan_number(at, &n))
        return false;
    u = scan_unit(at);
    if (!u || n.whole > LIMIT / u->ns)
        return false;
    ns = n.whole * u->ns + (uint64_t)((double)n.part * ((double)u->ns / n.scale));
    if (ns > LIMIT)
        return false;
    *ret_ns = ns;
    return true;
}

int bd_duration_parse_units(const char *text, int64_t *ret_ns)
{
    bool negative = *text == '-';
    const char *at = text + (*text == '+' || *text == '-');
    uint64_t sum = 0, ns;

    if (strcmp(at, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    do {
        if (!scan_term(&at, &ns) || ns > LIMIT - sum)
            return -1;
        sum += ns;
    } while (*at);

    if (sum == LIMIT && !negative)
        return -1;
    if (sum == LIMIT)
        *ret_ns = INT64_MIN;
    else
        *ret_ns = negative ? -(int64_t)sum : (int64_t)sum;
    return 0;
}

int bd_duration_parse(const char *text, int64_t *ret_ns)
{
    int64_t seconds;

    switch (number_parse(text, &seconds)) {
    case NUMBER_FINE:
        if (seconds < 0)
            return -1;
        if (seconds > INT64_MAX / BD_NS_PER_S)
            return -2;
        *ret_ns = seconds * BD_NS_PER_S;
        return 0;
    case NUMBER_RANGE:
        return -1;
    case NUMBER_MALFORMED:
        break;
    }
    return bd_duration_parse_units(text, ret_ns);
}

/* `value` / `one` as a decimal without zeros at its end. Returns its length; there must be room. */
static size_t print_decimal(char *to, uint64_t value, uint64_t one)
{
    size_t len = (size_t)snprintf(to, 21, "%" PRIu64, value / one);
    uint64_t rest = value % one;

    if (rest)
        to[len++] = '.';
    while (rest) {
        one /= 10;
        to[len++] = (char)('0' + rest / one);
        rest %= one;
    }
    return len;
}

/* Below a second: one unit, the largest that leaves a whole part. */
static size_t print_short(char *to, uint64_t ns)
{
    const uint64_t one = ns < 1000 ? 1 : ns < 1000000 ? 1000 : 1000000;
    const char *unit = one == 1 ? "ns" : one == 1000 ? "\xc2\xb5s" : "ms";
    size_t len = print_decimal(to, ns, one);

    memcpy(to + len, unit, strlen(unit));
    return len + strlen(unit);
}

static size_t print_long(char *to, uint64_t ns)
{
    const uint64_t minute = 60 * (uint64_t)BD_NS_PER_S;
    size_t len = 0;

    if (ns >= 60 * minute)
        len += (size_t)snprintf(to, 9, "%" PRIu64 "h", ns / (60 * minute));
    if (ns >= minute)
        len += (size_t)snprintf(to + len, 4, "%" PRIu64 "m", ns / minute % 60);
    len += print_decimal(to + len, ns % minute, (uint64_t)BD_NS_PER_S);
    to[len] = 's';
    return len + 1;
}

char *bd_duration_print(char buf[BD_DURATION_BYTES], int64_t ns)
{
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    char *to = buf;

    if (ns < 0)
        *to++ = '-';
    if (size == 0 || size >= (uint64_t)BD_NS_PER_S)
        to += print_long(to, size);
    else
        to += print_short(to, size);
    *to = '\0';
    return buf;
}

char *bd_seconds_print(char buf[BD_DURATION_BYTES], int64_t ns, int decimals)
{
    uint64_t unit = 1, n;
    char *p = buf + BD_DURATION_BYTES;
    int digits = 0;

    for (int i = decimals; i < 9; i++)
        unit *= 10;
    n = ((ns < 0 ? -(uint64_t)ns : (uint64_t)ns) + unit / 2) / unit;
    *--p = '\0';
    do {
        if (digits++ == decimals)
            *--p = '.';
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0 || digits <= decimals);
    if (ns < 0)
        *--p = '-';
    return memmove(buf, p, (size_t)(buf + BD_DURATION_BYTES - p));
}
