/*
 * meta.c - see meta.h
 *
 * The function is at the root of its server: SCRIPT_NAME is empty and PATH_INFO is the path. A
 * field becomes HTTP_NAME, several of one name are joined, as 4.1.18 wants it. Left out are Proxy
 * (https://httpoxy.org), what has a variable of its own, what concerns one hop, and names with
 * characters that could make them pass for another field, such as `X_Real` for `X-Real`.
 */
#include "meta.h"

#include <stdint.h>
#include <string.h>

#include "bandog/version.h"
#include "field_groups.h"

static void add(struct rows *r, const char *name, struct bd_slice value)
{
    char *to = rows_add(r, bd_slice_of(name), (struct bd_slice){NULL, 0}, value.len);

    if (to)
        bd_slice_put(to, value);
}

static void add_text(struct rows *r, const char *name, const char *value)
{
    add(r, name, bd_slice_of(value));
}

static void add_number(struct rows *r, const char *name, int64_t n)
{
    char room[20];

    add(r, name, bd_slice_digits(room + sizeof(room), (uint64_t)n));
}

/* Fields */

static bool is_plain_name(struct bd_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = bd_ascii_lower(name.p[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static bool is_hidden(struct bd_slice name)
{
    static const char *const hidden[] = {
        "host",    "proxy",      "content-length",   "content-type",        "connection",
        "te",      "keep-alive", "proxy-connection", "proxy-authorization", "transfer-encoding",
        "upgrade", "trailer",
    };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (bd_slice_ieq(name, bd_slice_of(hidden[i])))
            return true;
    return !is_plain_name(name);
}

static struct bd_slice joint(struct bd_slice name)
{
    return bd_slice_ieq(name, BD_SLICE("cookie")) ? BD_SLICE("; ") : BD_SLICE(", ");
}

static void add_group(struct rows *r, const struct field_groups *g, const struct field_group *group)
{
    struct bd_slice name = g->field[group->first].name;
    size_t bytes = group->bytes + (group->fields - 1) * joint(name).len;
    char *upper = bd_arena_alloc(r->arena, name.len + 1), *to;

    for (size_t i = 0; i < name.len; i++)
        upper[i] = bd_ascii_upper(name.p[i]);
    to = rows_add(r, BD_SLICE("HTTP_"), (struct bd_slice){upper, name.len}, bytes);
    if (to)
        field_group_put(to, g, group, joint(name));
}

static void add_fields(struct rows *r, const struct bd_request *req)
{
    struct field_groups g;

    /* The target's, if it names one (RFC 9112, 3.2.2). */
    if (req->host.len > 0 || bd_request_field(req, BD_SLICE("host")))
        add(r, "HTTP_HOST", req->host);
    field_groups_make(&g, r->arena, req->field, req->fields, is_hidden);
    for (size_t i = 0; i < g.groups; i++)
        add_group(r, &g, &g.group[i]);
}

/* The connection */

/* Of "host:port" and "[address]:port" (RFC 3875, 4.1.14). */
static struct bd_slice without_port(struct bd_slice host)
{
    const char *bracket = host.len > 0 ? memrchr(host.p, ']', host.len) : NULL;
    const char *colon = host.len > 0 ? memrchr(host.p, ':', host.len) : NULL;

    if (colon && (!bracket || colon > bracket))
        host.len = (size_t)(colon - host.p);
    return host;
}

static void add_ends(struct rows *r, struct bd_exchange *x)
{
    struct bd_slice name = without_port(x->req.host);
    struct bd_address here, there;

    bd_local_address(x, &here);
    bd_peer_address(x, &there);
    if (name.len == 0)
        name = bd_slice_of(
            bd_arena_printf(r->arena, strchr(here.text, ':') ? "[%s]" : "%s", here.text));
    add(r, "SERVER_NAME", name);
    add_number(r, "SERVER_PORT", here.port);
    add_text(r, "REMOTE_ADDR", there.text);
    add_text(r, "REMOTE_HOST", there.text);
    add_number(r, "REMOTE_PORT", there.port);
}

/* All of them */

static void add_body(struct rows *r, const struct bd_request *req)
{
    const struct bd_field *type = bd_request_field(req, BD_SLICE("content-type"));

    if (!req->chunked && bd_request_field(req, BD_SLICE("content-length")))
        add_number(r, "CONTENT_LENGTH", req->content_length);
    if (type)
        add(r, "CONTENT_TYPE", type->value);
}

void meta_add_target(struct rows *r, struct bd_exchange *x)
{
    add(r, "REQUEST_URI", x->req.target);
    add(r, "PATH_INFO", bd_request_path(x));
    add(r, "QUERY_STRING", x->req.query);
}

void meta_add(struct rows *r, struct bd_exchange *x)
{
    const struct bd_request *req = &x->req;

    add_text(r, "GATEWAY_INTERFACE", "CGI/1.1");
    add_text(r, "SERVER_PROTOCOL", req->minor > 0 ? "HTTP/1.1" : "HTTP/1.0");
    add_text(r, "SERVER_SOFTWARE", bd_arena_printf(r->arena, "bandog/%s", bd_version));
    add(r, "REQUEST_METHOD", req->method);
    add_text(r, "SCRIPT_NAME", "");
    add_ends(r, x);
    add_body(r, req);
    add_fields(r, req);
}

bool meta_owns(const char *row)
{
    static const char *const name[] = {
        "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "PATH_INFO",       "QUERY_STRING",
        "REMOTE_ADDR",    "REMOTE_HOST",  "REMOTE_PORT",       "REQUEST_METHOD",  "REQUEST_URI",
        "SCRIPT_NAME",    "SERVER_NAME",  "SERVER_PORT",       "SERVER_PROTOCOL", "SERVER_SOFTWARE",
    };
    size_t len = strcspn(row, "=");

    if (strncmp(row, "HTTP_", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
        if (strlen(name[i]) == len && strncmp(row, name[i], len) == 0)
            return true;
    return false;
}
