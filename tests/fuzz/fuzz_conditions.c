/*
 * Any conditions, a field in each line: name, colon, value. The answer must be that of a slower and
 * simpler reading of RFC 9110, 13. What is malformed, a list or a weight, may only fail.
 *
 * The first byte chooses the validators.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/conditions.h"
#include "bandog/http_date.h"

#define FIELDS_MAX 32
#define NOW_S INT64_C(1717200000) /* 2024-06-01T00:00:00Z */

static const struct bd_validators all[] = {
    {{"\"abc\"", 5}, 784111777},           {{"\"a,b\"", 5}, 784111777}, {{"\"\"", 2}, 784111777},
    {{"\"W/\"", 4}, 1717199999},           {{"\"*\"", 3}, -1},          {{NULL, 0}, 784111777},
    {{"\"abc\"", 5}, BD_MODIFIED_UNKNOWN},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct bd_slice trimmed(struct bd_slice s)
{
    while (s.len > 0 && is_blank(*s.p))
        s = (struct bd_slice){s.p + 1, s.len - 1};
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Takes the next member off a list, cut at commas outside of quotes. False at the end. */
static bool next_member(struct bd_slice *list, struct bd_slice *ret_member)
{
    bool quoted = false;
    size_t n = 0;

    if (list->len == 0)
        return false;
    for (; n < list->len && (quoted || list->p[n] != ','); n++)
        if (list->p[n] == '"')
            quoted = !quoted;
    *ret_member = trimmed((struct bd_slice){list->p, n});
    n += n < list->len;
    *list = (struct bd_slice){list->p + n, list->len - n};
    return true;
}

static bool is_tag(struct bd_slice s, bool *ret_weak)
{
    *ret_weak = bd_slice_starts(s, BD_SLICE("W/"));
    if (*ret_weak)
        s = (struct bd_slice){s.p + 2, s.len - 2};
    if (s.len < 2 || s.p[0] != '"' || s.p[s.len - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == 0x7f)
            return false;
    return true;
}

enum verdict { NO, YES, MALFORMED };

/* Is the tag in those fields? What stands before the first malformed member counts. */
static enum verdict has_tag(const struct bd_request *r, struct bd_slice name, struct bd_slice etag,
                            bool strong)
{
    enum verdict verdict = NO;

    for (size_t i = 0; i < r->fields; i++) {
        struct bd_slice list = r->field[i].value, member;
        bool weak;

        if (!bd_slice_ieq(r->field[i].name, name))
            continue;
        if (bd_slice_eq(list, BD_SLICE("*")))
            return YES;
        while (next_member(&list, &member)) {
            if (member.len == 0)
                continue;
            if (!is_tag(member, &weak)) {
                verdict = MALFORMED;
                break;
            }
            if (weak)
                member = (struct bd_slice){member.p + 2, member.len - 2};
            if (bd_slice_eq(member, etag) && !(strong && weak))
                return YES;
        }
    }
    return verdict;
}

static const struct bd_field *first(const struct bd_request *r, struct bd_slice name)
{
    for (size_t i = 0; i < r->fields; i++)
        if (bd_slice_ieq(r->field[i].name, name))
            return &r->field[i];
    return NULL;
}

static bool dated(const struct bd_request *r, const struct bd_validators *v, struct bd_slice name,
                  int64_t *ret_s)
{
    const struct bd_field *f = first(r, name);

    return f && v->modified_s != BD_MODIFIED_UNKNOWN && bd_http_date_parse(f->value, NOW_S, ret_s);
}

/* -1: a list is malformed, so it depends. */
static int condition(const struct bd_request *r, const struct bd_validators *v)
{
    struct bd_slice name = BD_SLICE("if-match");
    int64_t s;

    if (first(r, name)) {
        enum verdict has = has_tag(r, name, v->etag, true);

        if (has == MALFORMED)
            return -1;
        if (has == NO)
            return BD_CONDITION_FAILED;
    } else if (dated(r, v, BD_SLICE("if-unmodified-since"), &s) && v->modified_s > s) {
        return BD_CONDITION_FAILED;
    }
    name = BD_SLICE("if-none-match");
    if (first(r, name)) {
        enum verdict has = has_tag(r, name, v->etag, false);

        return has == MALFORMED ? -1 : has == YES ? BD_CONDITION_NOT_MODIFIED : BD_CONDITION_TRUE;
    }
    return dated(r, v, BD_SLICE("if-modified-since"), &s) && v->modified_s <= s
               ? BD_CONDITION_NOT_MODIFIED
               : BD_CONDITION_TRUE;
}

static bool if_range(const struct bd_request *r, const struct bd_validators *v)
{
    const struct bd_field *f = first(r, BD_SLICE("if-range"));
    int64_t s;
    bool weak;

    if (!f)
        return true;
    if (is_tag(f->value, &weak))
        return !weak && bd_slice_eq(f->value, v->etag);
    return dated(r, v, BD_SLICE("if-range"), &s) && s == v->modified_s;
}

/* The weight that a coding is given; -1: none, -2: something is malformed or said twice. */
static int weight_of(const struct bd_request *r, struct bd_slice coding)
{
    int found = -1;

    for (size_t i = 0; i < r->fields; i++) {
        struct bd_slice list = r->field[i].value, member;

        if (!bd_slice_ieq(r->field[i].name, BD_SLICE("accept-encoding")))
            continue;
        while (next_member(&list, &member)) {
            const char *semicolon = member.len > 0 ? memchr(member.p, ';', member.len) : NULL;
            struct bd_slice name = member, q;
            int weight = 1000;

            if (member.len > 0 && memchr(member.p, '"', member.len))
                return -2;
            if (semicolon) {
                char digits[6] = "";
                int unit = 100;

                name = trimmed((struct bd_slice){member.p, (size_t)(semicolon - member.p)});
                q = trimmed((struct bd_slice){semicolon + 1,
                                              (size_t)(member.p + member.len - semicolon - 1)});
                if (q.len < 3 || q.len > 7 || bd_ascii_lower(q.p[0]) != 'q' || q.p[1] != '=')
                    return -2;
                memcpy(digits, q.p + 2, q.len - 2);
                if (strspn(digits, "01") == 0 || (digits[1] && digits[1] != '.') ||
                    (digits[1] && strspn(digits + 2, "0123456789") != strlen(digits + 2)) ||
                    strlen(digits) != q.len - 2)
                    return -2;
                weight = (digits[0] - '0') * 1000;
                for (const char *d = digits + (digits[1] ? 2 : 1); *d; d++, unit /= 10)
                    weight += (*d - '0') * unit;
                if (weight > 1000)
                    return -2;
            }
            if (!bd_slice_ieq(name, coding))
                continue;
            if (found >= 0)
                return -2;
            found = weight;
        }
    }
    return found;
}

static void check_weight(const struct bd_request *r, struct bd_slice coding)
{
    int got = bd_coding_weight(r, coding), exact = weight_of(r, coding),
        any = weight_of(r, BD_SLICE("*"));

    assert(got >= 0 && got <= 1000);
    if (exact == -2 || any == -2)
        return;
    if (exact < 0)
        exact = any;
    if (exact < 0)
        exact = bd_slice_eq(coding, BD_SLICE("identity"));
    assert(got == exact);
}

/* Lines that a head could hold: no control characters in values, blanks trimmed. */
static size_t split(struct bd_field *to, const char *p, size_t len)
{
    size_t n = 0;

    while (len > 0 && n < FIELDS_MAX) {
        const char *end = memchr(p, '\n', len), *colon;
        size_t line = end ? (size_t)(end - p) : len;
        bool clean = true;

        for (size_t i = 0; i < line; i++)
            clean &= ((unsigned char)p[i] >= ' ' && p[i] != 0x7f) || p[i] == '\t';
        colon = clean && line > 0 ? memchr(p, ':', line) : NULL;
        if (colon && colon > p) {
            to[n].name = (struct bd_slice){p, (size_t)(colon - p)};
            to[n].value = trimmed((struct bd_slice){colon + 1, line - (size_t)(colon - p) - 1});
            n++;
        }
        line += end != NULL;
        p += line;
        len -= line;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_field field[FIELDS_MAX];
    struct bd_request r = {.field = field};
    const struct bd_validators *v;
    char *exact;
    int expected, got;

    if (size == 0)
        return 0;
    v = &all[*data % (sizeof(all) / sizeof(*all))];
    exact = malloc(size); /* ends where AddressSanitizer sees it */
    assert(exact);
    memcpy(exact, data, size);
    r.fields = split(field, exact + 1, size - 1);
    expected = condition(&r, v);
    got = (int)bd_conditions_check(&r, v, NOW_S);
    assert(got >= BD_CONDITION_TRUE && got <= BD_CONDITION_FAILED);
    assert(expected < 0 || got == expected);
    assert(bd_if_range_holds(&r, v, NOW_S) == if_range(&r, v));
    check_weight(&r, BD_SLICE("gzip"));
    check_weight(&r, BD_SLICE("br"));
    check_weight(&r, BD_SLICE("identity"));
    free(exact);
    return 0;
}
