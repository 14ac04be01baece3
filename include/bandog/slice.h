/*
 * slice.h - a run of bytes that somebody else owns
 *
 * Not NUL-terminated, may hold NUL. Whoever hands one out says how long the bytes live.
 */
#ifndef BANDOG_SLICE_H
#define BANDOG_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bd_slice {
    const char *p; /* may be NULL when len is 0 */
    size_t len;
};

/* One header or trailer field (RFC 9110, section 5). */
struct bd_field {
    struct bd_slice name;
    struct bd_slice value;
};

#define BD_SLICE(literal) ((struct bd_slice){"" literal, sizeof(literal) - 1})

static inline struct bd_slice bd_slice_of(const char *text)
{
    return (struct bd_slice){text, strlen(text)};
}

static inline bool bd_slice_eq(struct bd_slice a, struct bd_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool bd_slice_starts(struct bd_slice a, struct bd_slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.p, prefix.p, prefix.len) == 0);
}

static inline char bd_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char bd_ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static inline bool bd_is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* A blank of fields' values (OWS, RFC 9110, 5.6.3). */
static inline bool bd_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the blanks around it. */
static inline struct bd_slice bd_slice_trim(struct bd_slice s)
{
    while (s.len > 0 && bd_is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && bd_is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Reads 1*DIGIT of at most 63 bits; false when it is anything else. */
static inline bool bd_slice_number(struct bd_slice s, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, s.p[i] - '0', ret))
            return false;
    return s.len > 0;
}

/* A whole number, base 10, in the bytes before `end`; 20 are enough for any. */
static inline struct bd_slice bd_slice_digits(char *end, uint64_t n)
{
    char *p = end;

    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (struct bd_slice){p, (size_t)(end - p)};
}

/* The byte that two hexadecimal digits stand for; they must be digits. */
static inline unsigned bd_hex_byte(const char *digits)
{
    unsigned n = 0;

    for (int i = 0; i < 2; i++) {
        char c = bd_ascii_lower(digits[i]);

        n = n << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return n;
}

/*
 * Copies the bytes and returns the end. Most names and values are short, and then this is quicker
 * than a call of memcpy(3), which musl makes with `rep movs`.
 */
static inline char *bd_slice_put(char *to, struct bd_slice s)
{
    size_t n = s.len;

    if (n > 32) {
        memcpy(to, s.p, n);
    } else if (n >= 16) {
        memcpy(to, s.p, 16);
        memcpy(to + n - 16, s.p + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, s.p, 8);
        memcpy(to + n - 8, s.p + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, s.p, 4);
        memcpy(to + n - 4, s.p + n - 4, 4);
    } else if (n > 0) {
        to[0] = s.p[0];
        to[n / 2] = s.p[n / 2];
        to[n - 1] = s.p[n - 1];
    }
    return to + n;
}

/* Equal but for the case of ASCII letters: field names, methods of comparison in RFC 9110. */
static inline bool bd_slice_ieq(struct bd_slice a, struct bd_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (bd_ascii_lower(a.p[i]) != bd_ascii_lower(b.p[i]))
            return false;
    return true;
}

#endif
