/*
 * Any text of a stack file against a slower way to the same result: the last substitution that
 * begins has none in it, so it can be read by itself; what it gives takes its place, and so on
 * until there is none left. A failed demand is a byte of its own, which spoils whatever uses it.
 */
#include <assert.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "substitute.h"

#define TOKENS_MAX (1 << 14)
#define NONE SIZE_MAX

#define NAME_BYTES "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

/* What a substitution gives begins with DONE and has QUOTED added to its bytes: they mean nothing.
 */
enum { OPEN = 256, SPOILT, DONE, QUOTED = 512 };

struct tokens {
    int of[TOKENS_MAX];
    size_t n;
};

/* Fixed room is enough: longer ones are not compared. */
struct word {
    char text[TOKENS_MAX + 1];
    size_t len;
};

static struct tokens tokens;
static bool is_beyond; /* what cannot be compared */

static const char *value_of(struct bd_slice name)
{
    if (name.len != 1)
        return NULL;
    switch (name.p[0]) {
    case 'A':
        return "hello";
    case 'E':
        return "";
    case 'P':
        return "aba/b/aca";
    case 'U':
        return "\xc3\xa4x\xe2\x82\xac";
    case 'M':
        return "${A}$$";
    case '1':
        return "-1";
    default:
        return NULL;
    }
}

static const char *look_up(void *self, struct bd_slice name)
{
    ++*(size_t *)self;
    return value_of(name);
}

/* --- the slower way --------------------------------------------------------------------------- */

/* False when one is nested too deep. */
static bool split(struct bd_slice text)
{
    size_t depth = 0, deepest = 0;

    tokens.n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.p[i], next = i + 1 < text.len ? text.p[i + 1] : 0;

        if (c == '$' && next == '$')
            tokens.of[tokens.n++] = '$' + QUOTED;
        else if (c == '$' && next == '{')
            tokens.of[tokens.n++] = OPEN;
        else
            tokens.of[tokens.n++] = c;
        i += c == '$' && (next == '$' || next == '{');
        depth += tokens.of[tokens.n - 1] == OPEN;
        deepest = depth > deepest ? depth : deepest;
        depth -= c == '}' && depth > 0;
    }
    return deepest <= SUBSTITUTE_DEPTH_MAX;
}

static void add(struct word *to, const char *p, size_t len)
{
    is_beyond = is_beyond || len > TOKENS_MAX - to->len;
    if (is_beyond)
        return;
    memcpy(to->text + to->len, p, len);
    to->len += len;
    to->text[to->len] = '\0';
}

static bool is_one_of(int token, const char *set)
{
    return token > 0 && token < OPEN && strchr(set, token);
}

/* The bytes up to the first of those tokens; returns where it is. */
static const int *take_word(struct word *w, const int *at, const int *end, const char *stops)
{
    w->len = 0;
    w->text[0] = '\0';
    for (; at < end && !is_one_of(*at, stops); at++)
        add(w, &(char){(char)*at}, *at != DONE);
    return at;
}

static bool number(const struct word *w, long long *ret_n)
{
    const char *p = w->text + strspn(w->text, " \t");
    size_t sign = *p == '-' || *p == '+', digits = strspn(p + sign, "0123456789");
    const char *rest = p + sign + digits;
    unsigned long long n = strtoull(p + sign, NULL, 10);

    if (digits == 0 || n > INT64_MAX || rest + strspn(rest, " \t") != w->text + w->len)
        return false;
    *ret_n = *p == '-' ? -(long long)n : (long long)n;
    return true;
}

static void cut(struct word *to, const char *value, long long from, const long long *count)
{
    size_t starts[32];
    long long n = 0, end;

    for (size_t i = 0; value[i]; i++)
        if ((value[i] & 0xc0) != 0x80)
            starts[n++] = i;
    starts[n] = strlen(value);
    if (from < 0)
        from = from < -n ? 0 : from + n;
    if (from >= n)
        return;
    end = !count || *count > n - from ? n : *count >= 0 ? from + *count : n + *count;
    if (end > from)
        add(to, value + starts[from], starts[end] - starts[from]);
}

static void trim(struct word *to, const char *value, const struct word *pattern, int sign,
                 bool most)
{
    size_t len = strlen(value), best = NONE;
    char part[32];

    /* fnmatch(3) knows classes, too, and no NUL. */
    is_beyond = is_beyond || strlen(pattern->text) != pattern->len || strstr(pattern->text, "[:") ||
                strstr(pattern->text, "[.") || strstr(pattern->text, "[=");
    if (is_beyond)
        return;
    for (size_t n = 0; n <= len; n++) {
        memcpy(part, sign == '#' ? value : value + len - n, n);
        part[n] = '\0';
        if (fnmatch(pattern->text, part, FNM_NOESCAPE) == 0 && (most || best == NONE))
            best = n;
    }
    if (best == NONE)
        best = 0;
    add(to, sign == '#' ? value + best : value, len - best);
}

/* `where` is one of "/#%", or 0 for the first. */
static void replace(struct word *to, const char *value, const struct word *x, const struct word *y,
                    int where)
{
    size_t len = strlen(value);
    bool done = false;

    for (size_t i = 0; i <= len;) {
        bool here = where == '#' ? i == 0 : where == '%' ? i + x->len == len : x->len > 0;

        if (here && (where == '/' || !done) && strncmp(value + i, x->text, x->len) == 0 &&
            strlen(x->text) == x->len) {
            add(to, y->text, y->len);
            done = true;
            i += x->len;
            if (x->len > 0)
                continue;
        }
        add(to, value + i, i < len);
        i++;
    }
}

static void change_case(struct word *to, const char *value, int sign, bool all)
{
    for (size_t i = 0; value[i]; i++) {
        char c = value[i];

        if ((all || i == 0) && sign == '^' && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if ((all || i == 0) && sign == ',' && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        add(to, &c, 1);
    }
}

enum outcome { GOOD, WRONG, DEMANDED };

static bool is_spoilt(const int *at, const int *end)
{
    while (at < end && *at != SPOILT)
        at++;
    return at < end;
}

static enum outcome choose(struct word *to, const char *value, int sign, const int *at,
                           const int *end)
{
    bool wanted = (sign == '+') == (*value != '\0');

    if (wanted && (sign == '?' || is_spoilt(at, end)))
        return DEMANDED;
    if (wanted)
        take_word(to, at, end, "");
    else if (sign != '+')
        add(to, value, strlen(value));
    return GOOD;
}

/* What needs one word or two. */
static enum outcome use_words(struct word *to, const char *value, int sign, const int *at,
                              const int *end)
{
    static struct word x, y;
    bool twice = at < end && sign != ':' && *at == sign;
    int where = 0;
    long long from, count;

    if (is_spoilt(at, end))
        return DEMANDED;
    if (sign == '/' && at < end && is_one_of(*at, "/#%"))
        where = *at++;
    else
        at += twice;
    at = take_word(&x, at, end, sign == ':' ? ":" : sign == '/' ? "/" : "");
    take_word(&y, at + (at < end), end, "");
    if (sign == '/')
        replace(to, value, &x, &y, where);
    else if (sign != ':')
        trim(to, value, &x, sign, twice);
    else if (number(&x, &from) && (at == end || number(&y, &count)))
        cut(to, value, from, at < end ? &count : NULL);
    else
        add(to, value, strlen(value));
    return GOOD;
}

/* What stands between the braces, without any others in it. */
static enum outcome evaluate(struct word *to, const int *at, const int *end)
{
    bool length = at < end && *at == '#';
    struct word name;
    const char *value;
    int sign;

    to->len = 0;
    at += length;
    for (name.len = 0; at < end && is_one_of(*at, NAME_BYTES); at++)
        add(&name, &(char){(char)*at}, 1);
    if (name.len == 0)
        return WRONG;
    value = value_of((struct bd_slice){name.text, name.len});
    value = value ? value : "";
    if (length) {
        size_t n = 0;

        for (const char *p = value; *p; p++)
            n += (*p & 0xc0) != 0x80;
        add(to, &"0123456789"[n], 1);
        return at == end ? GOOD : WRONG;
    }
    if (at == end) {
        add(to, value, strlen(value));
        return GOOD;
    }
    sign = *at++;
    if (sign == '=')
        return choose(to, value, sign, at, end);
    if (sign == ':' && at < end && is_one_of(*at, "-=?+"))
        return choose(to, value, *at, at + 1, end);
    if (is_one_of(sign, ":/#%"))
        return use_words(to, value, sign, at, end);
    if (sign != '^' && sign != ',')
        return WRONG;
    change_case(to, value, sign, at < end && *at == sign);
    return end - at <= 1 && (at == end || *at == sign) ? GOOD : WRONG;
}

/* Puts what a substitution gives in place of the tokens before `end`. */
static void splice(size_t first, size_t end, const struct word *w, bool spoilt)
{
    size_t n = spoilt ? 0 : w->len, behind = tokens.n - end;
    int *to = tokens.of + first;

    is_beyond = is_beyond || first + 1 + n + behind > TOKENS_MAX;
    if (is_beyond)
        return;
    memmove(to + 1 + n, tokens.of + end, behind * sizeof(*to));
    *to++ = spoilt ? SPOILT : DONE;
    for (size_t i = 0; i < n; i++)
        *to++ = (unsigned char)w->text[i] + QUOTED;
    tokens.n = first + 1 + n + behind;
}

static enum outcome expand_simply(struct word *to)
{
    for (size_t first = tokens.n; first-- > 0 && !is_beyond;) {
        size_t last = first;
        enum outcome outcome;

        if (tokens.of[first] != OPEN)
            continue;
        while (last < tokens.n && tokens.of[last] != '}')
            last++;
        if (last == tokens.n)
            return WRONG;
        outcome = evaluate(to, tokens.of + first + 1, tokens.of + last);
        if (outcome == WRONG)
            return WRONG;
        splice(first, last + 1, to, outcome == DEMANDED);
    }
    if (is_spoilt(tokens.of, tokens.of + tokens.n))
        return DEMANDED;
    take_word(to, tokens.of, tokens.of + tokens.n, "");
    return GOOD;
}

/* --- checks ----------------------------------------------------------------------------------- */

static void check(struct bd_slice text)
{
    static struct word expected;
    struct bd_arena arena;
    struct bd_slice got = {NULL, 0};
    struct bd_error err = {""};
    size_t at = NONE, looked_up = 0;
    int result;
    enum outcome outcome;

    bd_arena_init(&arena);
    result = substitute(&arena, text, look_up, &looked_up, &got, &at, &err);
    is_beyond = !split(text);
    outcome = expand_simply(&expected);
    if (result < 0) {
        assert(err.text[0] && text.len - at >= 2 && memcmp(text.p + at, "${", 2) == 0);
        assert(is_beyond || outcome != GOOD);
    } else {
        assert(looked_up <= text.len / strlen("${A}"));
        assert(is_beyond || outcome == GOOD);
        assert(is_beyond || bd_slice_eq(got, (struct bd_slice){expected.text, expected.len}));
    }
    bd_arena_release(&arena);
}

/* With each dollar doubled any text gives itself. */
static void check_quoted(struct bd_slice text)
{
    struct bd_slice doubled = {malloc(2 * text.len + 1), 0}, got;
    struct bd_arena arena;
    struct bd_error err;
    size_t at, looked_up = 0;
    char *to = (char *)doubled.p;

    assert(to);
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '$')
            to[doubled.len++] = '$';
        to[doubled.len++] = text.p[i];
    }
    bd_arena_init(&arena);
    assert(substitute(&arena, doubled, look_up, &looked_up, &got, &at, &err) == 0);
    assert(bd_slice_eq(got, text) && looked_up == 0);
    bd_arena_release(&arena);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_slice text = {NULL, size};

    if (size > TOKENS_MAX)
        return 0;
    text.p = malloc(size ? size : 1);
    assert(text.p); /* ends where AddressSanitizer sees it */
    if (size > 0)
        memcpy((char *)text.p, data, size);
    check(text);
    check_quoted(text);
    free((char *)text.p);
    return 0;
}
