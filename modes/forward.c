/*
 * forward.c - see forward.h
 *
 * What the client sent comes first and in its order; what this hop has to say about framing and the
 * connection comes last.
 */
#include "forward.h"

#include <assert.h>

#include "bandog/fields.h"

#define NAME_IS(name, literal) bd_slice_ieq(name, BD_SLICE(literal))
#define ADDED_BYTES 256 /* room for what is added, without values */

static void note(struct forward *f, const struct bd_field *field)
{
    switch (field->name.len) {
    case 2:
        if (NAME_IS(field->name, "te") && bd_list_has(field->value, BD_SLICE("trailers")))
            f->te_trailers = true;
        break;
    case 6:
        if (!f->accept && NAME_IS(field->name, "accept"))
            f->accept = field;
        break;
    case 7:
        if (!f->upgrade && NAME_IS(field->name, "upgrade"))
            f->upgrade = field;
        break;
    case 9:
        if (!f->timeout && NAME_IS(field->name, "x-timeout"))
            f->timeout = field;
        break;
    case 10:
        if (!f->agent && NAME_IS(field->name, "user-agent"))
            f->agent = field;
        break;
    case 13:
        if (NAME_IS(field->name, "authorization"))
            f->has_authorization = true;
        break;
    case 14:
        if (NAME_IS(field->name, "content-length"))
            f->has_length = true;
        break;
    default:
        break;
    }
}

static bool contains(struct bd_slice s, struct bd_slice part)
{
    for (size_t i = 0; i + part.len <= s.len; i++)
        if (bd_slice_ieq((struct bd_slice){s.p + i, part.len}, part))
            return true;
    return false;
}

void forward_read(struct forward *f, const struct bd_request *r)
{
    *f = (struct forward){0};
    for (size_t i = 0; i < r->fields; i++)
        note(f, &r->field[i]);
    f->upgrades =
        f->upgrade && r->minor > 0 &&
        bd_fields_list_has(r->field, r->fields, BD_SLICE("connection"), BD_SLICE("upgrade"));
    f->streams = f->upgrades ||
                 (f->accept && (contains(f->accept->value, BD_SLICE("text/event-stream")) ||
                                contains(f->accept->value, BD_SLICE("application/x-ndjson"))));
}

struct bd_slice forward_target(struct bd_exchange *x)
{
    struct bd_slice target = x->req.target, rest;

    if (target.len > 0 && *target.p == '/')
        return target;
    /* The absolute form: what follows the authority, which is part of the target. */
    rest.p = x->req.host.p + x->req.host.len;
    assert(rest.p >= target.p && rest.p <= target.p + target.len);
    rest.len = (size_t)(target.p + target.len - rest.p);
    if (rest.len > 0 && *rest.p == '/')
        return rest;
    return bd_slice_of(bd_arena_printf(&x->arena, "/%.*s", (int)rest.len, rest.p));
}

static struct bd_slice host_of(const struct bd_request *r, const struct bd_upstream *u)
{
    const char *at = r->host.len > 0 ? memchr(r->host.p, '@', r->host.len) : NULL;

    if (r->host.len == 0)
        return u->authority;
    if (at) /* an absolute form's userinfo is nobody's business */
        return (struct bd_slice){at + 1, (size_t)(r->host.p + r->host.len - at - 1)};
    return r->host;
}

static bool has_own_body(struct bd_slice method)
{
    return bd_slice_eq(method, BD_SLICE("POST")) || bd_slice_eq(method, BD_SLICE("PUT")) ||
           bd_slice_eq(method, BD_SLICE("PATCH"));
}

static char *put_framing(char *to, const struct bd_request *r, const struct forward *f,
                         int64_t length)
{
    char room[20];

    if (length < 0)
        return bd_field_put(to, BD_SLICE("Transfer-Encoding"), BD_SLICE("chunked"));
    if (length == 0 && !f->has_length && !has_own_body(r->method))
        return to;
    return bd_field_put(to, BD_SLICE("Content-Length"),
                        bd_slice_digits(room + sizeof(room), (uint64_t)length));
}

static bool is_forwarded_for(const struct bd_field *field)
{
    return field->name.len == 15 && NAME_IS(field->name, "x-forwarded-for");
}

/* All values of X-Forwarded-For in one, and the client behind them. */
static struct bd_slice forwarded_for(struct bd_exchange *x)
{
    struct bd_address address;
    size_t bytes = sizeof(address.text);
    char *list, *to;

    for (size_t i = 0; i < x->req.fields; i++)
        if (is_forwarded_for(&x->req.field[i]))
            bytes += x->req.field[i].value.len + 2;
    list = to = bd_arena_alloc(&x->arena, bytes);
    for (size_t i = 0; i < x->req.fields; i++)
        if (is_forwarded_for(&x->req.field[i])) {
            to = bd_slice_put(to, x->req.field[i].value);
            to = bd_slice_put(to, BD_SLICE(", "));
        }
    bd_peer_address(x, &address);
    to = bd_slice_put(to, bd_slice_of(address.text));
    return (struct bd_slice){list, (size_t)(to - list)};
}

struct bd_slice forward_head(struct bd_exchange *x, const struct forward *f,
                             const struct bd_upstream *u, int64_t length, bool expect)
{
    const struct bd_request *r = &x->req;
    struct bd_field *field = bd_arena_alloc(&x->arena, (r->fields + 1) * sizeof(*field));
    size_t fields = bd_fields_end_to_end(field, r->field, r->fields);
    struct bd_slice target = forward_target(x), host = host_of(r, u), via = {NULL, 0};
    size_t bytes =
        r->method.len + u->base.len + target.len + host.len + u->authorization.len + ADDED_BYTES;
    char *head, *to;

    if (f->streams) {
        via = forwarded_for(x);
        bytes += via.len + (f->upgrade ? f->upgrade->value.len : 0);
    }
    for (size_t i = 0; i < fields; i++)
        bytes += field[i].name.len + field[i].value.len + BD_FIELD_BYTES;
    head = to = bd_arena_alloc(&x->arena, bytes);

    to = bd_slice_put(to, r->method);
    to = bd_slice_put(to, BD_SLICE(" "));
    to = bd_slice_put(to, u->base);
    to = bd_slice_put(to, target);
    to = bd_slice_put(to, BD_SLICE(" HTTP/1.1\r\n"));
    to = bd_field_put(to, BD_SLICE("Host"), host);
    for (size_t i = 0; i < fields; i++) {
        struct bd_slice name = field[i].name;

        if ((name.len == 4 && NAME_IS(name, "host")) ||
            (name.len == 6 && !expect && NAME_IS(name, "expect")) ||
            (f->streams && is_forwarded_for(&field[i])))
            continue;
        to = bd_field_put(to, name, field[i].value);
    }
    if (u->authorization.len > 0 && !f->has_authorization)
        to = bd_field_put(to, BD_SLICE("Authorization"), u->authorization);
    if (f->streams)
        to = bd_field_put(to, BD_SLICE("X-Forwarded-For"), via);
    if (f->te_trailers) {
        to = bd_field_put(to, BD_SLICE("TE"), BD_SLICE("trailers"));
        if (!f->upgrades)
            to = bd_field_put(to, BD_SLICE("Connection"), BD_SLICE("TE"));
    }
    if (f->upgrades) {
        to = bd_field_put(to, BD_SLICE("Connection"),
                          f->te_trailers ? BD_SLICE("Upgrade, TE") : BD_SLICE("Upgrade"));
        to = bd_field_put(to, BD_SLICE("Upgrade"), f->upgrade->value);
    }
    to = put_framing(to, r, f, length);
    to = bd_slice_put(to, BD_SLICE("\r\n"));
    assert((size_t)(to - head) <= bytes);
    return (struct bd_slice){head, (size_t)(to - head)};
}
