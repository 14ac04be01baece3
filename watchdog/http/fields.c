/*
 * fields.c - see bandog/fields.h
 */
#include "bandog/fields.h"

#define NAME_IS(name, literal)                                                                     \
    ((name).len == sizeof(literal) - 1 && bd_slice_ieq(name, BD_SLICE(literal)))

/* The length decides nearly always. */
static bool is_hop_by_hop(struct bd_slice name)
{
    switch (name.len) {
    case 2:
        return NAME_IS(name, "te");
    case 7:
        return NAME_IS(name, "upgrade");
    case 10:
        return NAME_IS(name, "connection") || NAME_IS(name, "keep-alive");
    case 14:
        return NAME_IS(name, "content-length");
    case 16:
        return NAME_IS(name, "proxy-connection");
    case 17:
        return NAME_IS(name, "transfer-encoding");
    case 18:
        return NAME_IS(name, "proxy-authenticate");
    case 19:
        return NAME_IS(name, "proxy-authorization");
    default:
        return false;
    }
}

static bool is_for_every_hop(struct bd_slice name)
{
    return NAME_IS(name, "host") || NAME_IS(name, "content-length") || NAME_IS(name, "expect") ||
           NAME_IS(name, "x-call-id");
}

/* Takes the next member off the list; false at its end. Empty members are passed over. */
static bool next_member(struct bd_slice *list, struct bd_slice *ret_member)
{
    const char *p = list->p, *end = list->p + list->len, *begin;

    while (p < end && (*p == ',' || bd_is_blank(*p)))
        p++;
    begin = p;
    while (p < end && *p != ',')
        p++;
    *list = (struct bd_slice){p, (size_t)(end - p)};
    while (p > begin && bd_is_blank(p[-1]))
        p--;
    *ret_member = (struct bd_slice){begin, (size_t)(p - begin)};
    return ret_member->len > 0;
}

bool bd_list_has(struct bd_slice list, struct bd_slice word)
{
    struct bd_slice member;

    while (next_member(&list, &member))
        if (bd_slice_ieq(member, word))
            return true;
    return false;
}

bool bd_fields_list_has(const struct bd_field *field, size_t n, struct bd_slice name,
                        struct bd_slice word)
{
    for (size_t i = 0; i < n; i++)
        if (bd_slice_ieq(field[i].name, name) && bd_list_has(field[i].value, word))
            return true;
    return false;
}

/* What Connection names beyond what is left out anyway. */
struct named {
    struct bd_slice name[BD_CONNECTION_NAMES_MAX];
    size_t n;
};

/* False when there is no room for all. */
static bool collect(struct named *to, const struct bd_field *field, size_t n)
{
    struct bd_slice member;

    to->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct bd_slice list = field[i].value;

        if (field[i].name.len != 10 || !NAME_IS(field[i].name, "connection"))
            continue;
        while (next_member(&list, &member)) {
            if (NAME_IS(member, "close") || is_hop_by_hop(member) || is_for_every_hop(member))
                continue;
            if (to->n == BD_CONNECTION_NAMES_MAX)
                return false;
            to->name[to->n++] = member;
        }
    }
    return true;
}

static bool is_named(const struct named *named, struct bd_slice name)
{
    for (size_t i = 0; i < named->n; i++)
        if (bd_slice_ieq(named->name[i], name))
            return true;
    return false;
}

bool bd_connection_is_usable(const struct bd_field *field, size_t n)
{
    struct named named;

    return collect(&named, field, n);
}

size_t bd_fields_end_to_end(struct bd_field *to, const struct bd_field *from, size_t n)
{
    struct named named;
    size_t kept = 0;

    (void)collect(&named, from, n);
    for (size_t i = 0; i < n; i++)
        if (!is_hop_by_hop(from[i].name) && !is_named(&named, from[i].name))
            to[kept++] = from[i];
    return kept;
}
