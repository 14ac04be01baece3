/*
 * conditions.c - see bandog/conditions.h
 */
#include "bandog/conditions.h"

#include "bandog/http_date.h"

static void skip(struct bd_slice *s, size_t n)
{
    s->p += n;
    s->len -= n;
}

static void skip_blanks(struct bd_slice *s)
{
    while (s->len > 0 && bd_is_blank(s->p[0]))
        skip(s, 1);
}

/* Entity tags (RFC 9110, 8.8.3) */

/* etagc: no quote, blank or control character. */
static bool is_tag_byte(char c)
{
    unsigned char u = (unsigned char)c;

    return u > 0x20 && u != '"' && u != 0x7f;
}

/* Takes one off the front, quotes included. False when there is none. */
static bool take_tag(struct bd_slice *s, struct bd_slice *ret_tag, bool *ret_weak)
{
    struct bd_slice rest = *s;
    size_t len = 1;

    *ret_weak = bd_slice_starts(rest, BD_SLICE("W/"));
    if (*ret_weak)
        skip(&rest, 2);
    if (rest.len == 0 || rest.p[0] != '"')
        return false;
    while (len < rest.len && is_tag_byte(rest.p[len]))
        len++;
    if (len == rest.len || rest.p[len] != '"')
        return false;
    *ret_tag = (struct bd_slice){rest.p, len + 1};
    skip(&rest, len + 1);
    *s = rest;
    return true;
}

/* Is `etag` in the list? With `strong` only those that are not weak count (8.8.3.2). */
static bool list_has_tag(struct bd_slice list, struct bd_slice etag, bool strong)
{
    for (;;) {
        struct bd_slice tag;
        bool weak;

        while (list.len > 0 && (bd_is_blank(list.p[0]) || list.p[0] == ','))
            skip(&list, 1);
        if (!take_tag(&list, &tag, &weak))
            return false;
        if (bd_slice_eq(tag, etag) && !(strong && weak))
            return true;
        skip_blanks(&list);
        if (list.len > 0 && list.p[0] != ',')
            return false;
    }
}

/* The same for all fields of that name; "*" is any representation there is. */
static bool fields_have_tag(const struct bd_request *r, struct bd_slice name, struct bd_slice etag,
                            bool strong)
{
    for (size_t i = 0; i < r->fields; i++)
        if (bd_slice_ieq(r->field[i].name, name) &&
            (bd_slice_eq(r->field[i].value, BD_SLICE("*")) ||
             list_has_tag(r->field[i].value, etag, strong)))
            return true;
    return false;
}

/* Conditions */

static bool read_date(const struct bd_request *r, const struct bd_validators *v,
                      struct bd_slice name, int64_t now_s, int64_t *ret_s)
{
    const struct bd_field *f = bd_request_field(r, name);

    if (!f || v->modified_s == BD_MODIFIED_UNKNOWN)
        return false;
    for (const struct bd_field *other = f + 1; other < r->field + r->fields; other++)
        if (bd_slice_ieq(other->name, name))
            return false; /* a list is no date (13.1.3) */
    return bd_http_date_parse(f->value, now_s, ret_s);
}

/* Steps 1 and 2 of 13.2.2. */
static bool fails(const struct bd_request *r, const struct bd_validators *v, int64_t now_s)
{
    int64_t at_s;

    if (bd_request_field(r, BD_SLICE("if-match")))
        return !fields_have_tag(r, BD_SLICE("if-match"), v->etag, true);
    return read_date(r, v, BD_SLICE("if-unmodified-since"), now_s, &at_s) && v->modified_s > at_s;
}

/* Steps 3 and 4. */
static bool is_known(const struct bd_request *r, const struct bd_validators *v, int64_t now_s)
{
    int64_t at_s;

    if (bd_request_field(r, BD_SLICE("if-none-match")))
        return fields_have_tag(r, BD_SLICE("if-none-match"), v->etag, false);
    return read_date(r, v, BD_SLICE("if-modified-since"), now_s, &at_s) && v->modified_s <= at_s;
}

enum bd_condition bd_conditions_check(const struct bd_request *r, const struct bd_validators *v,
                                      int64_t now_s)
{
    if (fails(r, v, now_s))
        return BD_CONDITION_FAILED;
    return is_known(r, v, now_s) ? BD_CONDITION_NOT_MODIFIED : BD_CONDITION_TRUE;
}

bool bd_if_range_holds(const struct bd_request *r, const struct bd_validators *v, int64_t now_s)
{
    const struct bd_field *f = bd_request_field(r, BD_SLICE("if-range"));
    struct bd_slice value, tag;
    int64_t at_s;
    bool weak;

    if (!f)
        return true;
    value = f->value;
    if (take_tag(&value, &tag, &weak))
        return value.len == 0 && !weak && bd_slice_eq(tag, v->etag);
    return v->modified_s != BD_MODIFIED_UNKNOWN && bd_http_date_parse(value, now_s, &at_s) &&
           at_s == v->modified_s;
}

/* Content codings */

/* "q=" qvalue (12.4.2) in thousandths; one that is malformed is 0. */
static int read_weight(struct bd_slice s)
{
    int weight = 0, unit = 100;

    if (s.len < 2 || s.p[1] != '=')
        return 0;
    skip(&s, 2);
    if (s.len == 0 || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.len > 1 && s.p[1] != '.'))
        return 0;
    for (size_t i = 2; i < s.len; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        weight += (s.p[i] - '0') * unit;
    }
    weight += (s.p[0] - '0') * 1000;
    return weight > 1000 ? 0 : weight;
}

/* Up to the next `separator` that is not in a quoted string (RFC 9110, 5.6.4). */
static size_t find(struct bd_slice s, char separator)
{
    bool quoted = false;
    size_t i = 0;

    for (; i < s.len && (quoted || s.p[i] != separator); i++) {
        if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '\\' && quoted)
            i++;
    }
    return i < s.len ? i : s.len;
}

/* Takes what is before the next `separator` off the front, blanks around it removed. */
static struct bd_slice take_until(struct bd_slice *s, char separator)
{
    struct bd_slice front = {s->p, find(*s, separator)};

    skip(s, front.len < s->len ? front.len + 1 : front.len);
    return bd_slice_trim(front);
}

/* One member, "br;q=0.8", cut in its name and its weight; other parameters do not matter. */
static struct bd_slice read_member(struct bd_slice member, int *ret_weight)
{
    struct bd_slice name = take_until(&member, ';');

    *ret_weight = 1000;
    while (member.len > 0) {
        struct bd_slice parameter = take_until(&member, ';');

        if (parameter.len > 0 && bd_ascii_lower(parameter.p[0]) == 'q')
            *ret_weight = read_weight(parameter);
    }
    return name;
}

/* Looks through one list; what is found replaces `*exact` or `*any`. */
static void find_weights(struct bd_slice list, struct bd_slice name, int *exact, int *any)
{
    while (list.len > 0) {
        struct bd_slice member = take_until(&list, ',');
        int weight;

        if (member.len == 0)
            continue;
        member = read_member(member, &weight);
        if (bd_slice_ieq(member, name))
            *exact = weight > *exact ? weight : *exact;
        else if (bd_slice_eq(member, BD_SLICE("*")))
            *any = weight;
    }
}

int bd_coding_weight(const struct bd_request *r, struct bd_slice coding)
{
    int exact = -1, any = -1;

    for (size_t i = 0; i < r->fields; i++)
        if (bd_slice_ieq(r->field[i].name, BD_SLICE("accept-encoding")))
            find_weights(r->field[i].value, coding, &exact, &any);
    if (exact < 0)
        exact = any;
    if (exact < 0)
        return bd_slice_eq(coding, BD_SLICE("identity")) ? 1 : 0;
    return exact;
}

int bd_media_weight(const struct bd_request *r, struct bd_slice type)
{
    int exact = 0, any = 0;

    for (size_t i = 0; i < r->fields; i++)
        if (bd_slice_ieq(r->field[i].name, BD_SLICE("accept")))
            find_weights(r->field[i].value, type, &exact, &any);
    return exact;
}
