/*
 * environ.c - see environ.h
 *
 * A field becomes Http_Name, Name in Go's canonical form with '_' for '-'. `Proxy` never does:
 * Http_Proxy configures the HTTP clients of several languages (https://httpoxy.org).
 */
#include "environ.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bandog/hash.h"
#include "environ_rows.h"
#include "meta.h"

#define EXEC_BYTES_MAX ((size_t)6 * 1024 * 1024) /* three quarters of _STK_LIM */
#define EXEC_BYTES_MIN ((size_t)128 * 1024)
#define EXEC_BYTES_KEPT ((size_t)64 * 1024) /* for argv and what the kernel adds */

static bool is_http(const char *row)
{
    return strncmp(row, "Http_", 5) == 0;
}

void environ_init(struct environ_base *base, char *const *rows, unsigned flags)
{
    size_t n = 0;

    while (rows[n])
        n++;
    *base = (struct environ_base){0};
    base->plain = calloc(n + 1, sizeof(char *));
    base->http = calloc(n + 1, sizeof(char *));
    if (!base->plain || !base->http)
        abort();
    for (size_t i = 0; i < n; i++) {
        if ((flags & ENVIRON_CGI) && meta_owns(rows[i]))
            continue;
        if (is_http(rows[i]))
            base->http[base->https++] = rows[i];
        else
            base->plain[base->plains++] = rows[i];
        base->bytes += strlen(rows[i]) + 1 + sizeof(char *);
    }
}

/* What execve(2) takes of arguments and environment together. */
static size_t exec_bytes(void)
{
    struct rlimit stack;
    size_t bytes = EXEC_BYTES_MAX;

    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur / 4 < bytes)
        bytes = stack.rlim_cur / 4;
    return (bytes < EXEC_BYTES_MIN ? EXEC_BYTES_MIN : bytes) - EXEC_BYTES_KEPT;
}

static bool fits(size_t bytes)
{
    return bytes <= EXEC_BYTES_MIN - EXEC_BYTES_KEPT || bytes <= exec_bytes();
}

/* Names and rows */

static size_t name_length(const char *row)
{
    const char *equals = strchr(row, '=');

    return equals ? (size_t)(equals - row) : strlen(row);
}

/* The slot of that name: taken by a row with the same name, or free. */
static const char **find(const struct rows *r, const char *name, size_t len)
{
    size_t i = bd_hash((struct bd_slice){name, len}) & r->mask;

    while (r->slot[i] && (name_length(r->slot[i]) != len || memcmp(r->slot[i], name, len) != 0))
        i = (i + 1) & r->mask;
    return &r->slot[i];
}

char *rows_add(struct rows *r, struct bd_slice prefix, struct bd_slice name, size_t value_bytes)
{
    size_t name_len = prefix.len + name.len, len = name_len + 1 + value_bytes;
    const char **slot;
    char *row;

    if (len + 1 > ROW_BYTES_MAX) {
        r->too_long = true;
        return NULL;
    }
    row = bd_arena_alloc(r->arena, len + 1);
    bd_slice_put(row, prefix);
    for (size_t i = 0; i < name.len; i++)
        row[prefix.len + i] = name.p[i] == '-' ? '_' : name.p[i];
    slot = find(r, row, name_len);
    if (*slot)
        return NULL;
    row[name_len] = '=';
    row[len] = '\0';
    *slot = row;
    r->row[r->n++] = row;
    r->bytes += len + 1 + sizeof(char *);
    return row + name_len + 1;
}

static void add(struct rows *r, struct bd_slice name, struct bd_slice value)
{
    char *to = rows_add(r, BD_SLICE("Http_"), name, value.len);

    if (to)
        bd_slice_put(to, value);
}

static void add_number(struct rows *r, struct bd_slice name, int64_t n)
{
    add(r, name, bd_slice_of(bd_arena_printf(r->arena, "%" PRId64, n)));
}

struct bd_slice environ_canonical(struct bd_arena *arena, struct bd_slice name)
{
    char *out = bd_arena_alloc(arena, name.len ? name.len : 1);
    bool upper = true;

    for (size_t i = 0; i < name.len; i++) {
        out[i] = upper ? bd_ascii_upper(name.p[i]) : bd_ascii_lower(name.p[i]);
        upper = name.p[i] == '-';
    }
    return (struct bd_slice){out, name.len};
}

/* Fields */

static bool is_hidden(const struct bd_exchange *x, struct bd_slice name)
{
    return bd_slice_ieq(name, BD_SLICE("host")) || bd_slice_ieq(name, BD_SLICE("proxy")) ||
           bd_slice_ieq(name, BD_SLICE("transfer-encoding")) ||
           (x->req.chunked && bd_slice_ieq(name, BD_SLICE("trailer")));
}

static void add_fields(struct rows *r, struct bd_exchange *x)
{
    const struct bd_request *req = &x->req;
    const struct bd_field *pragma = bd_request_field(req, BD_SLICE("pragma"));

    for (size_t i = 0; i < req->fields; i++)
        if (!is_hidden(x, req->field[i].name))
            add(r, environ_canonical(r->arena, req->field[i].name), req->field[i].value);
    if (req->chunked)
        add(r, BD_SLICE("Transfer-Encoding"), BD_SLICE("chunked"));
    if (pragma && bd_slice_eq(pragma->value, BD_SLICE("no-cache")))
        add(r, BD_SLICE("Cache-Control"), BD_SLICE("no-cache")); /* RFC 7234, 5.4 */
}

/* Before the fields: of equal names the first row stays. */
static enum environ_result add_request_line(struct rows *r, struct bd_exchange *x, unsigned flags)
{
    const struct bd_request *req = &x->req;
    struct bd_slice path = bd_request_path(x);

    if (memchr(path.p, '\0', path.len))
        return ENVIRON_NUL;
    add(r, BD_SLICE("Method"), req->method);
    add(r, BD_SLICE("Path"), path);
    if (req->query.len > 0)
        add(r, BD_SLICE("Query"), req->query);
    if (flags & ENVIRON_CGI)
        meta_add_target(r, x);
    if (r->too_long)
        return ENVIRON_TARGET_TOO_LONG;
    if (!(flags & ENVIRON_CLASSIC))
        return ENVIRON_OK;
    if (req->host.len > 0)
        add(r, BD_SLICE("Host"), req->host);
    add_number(r, BD_SLICE("ContentLength"), req->content_length);
    add_number(r, BD_SLICE("Content-Length"), req->content_length);
    return ENVIRON_OK;
}

static void rows_init(struct rows *r, const struct environ_base *base, struct bd_exchange *x,
                      unsigned flags)
{
    size_t most = x->req.fields + 8, slots = 16;

    if (flags & ENVIRON_CGI)
        most += x->req.fields + META_ROWS_MAX;
    while (slots < most * 2)
        slots *= 2;
    *r = (struct rows){.arena = &x->arena, .mask = slots - 1};
    r->slot = bd_arena_alloc(r->arena, slots * sizeof(char *));
    memset(r->slot, 0, slots * sizeof(char *));
    r->row = bd_arena_alloc(r->arena, (most + base->plains + base->https + 1) * sizeof(char *));
}

static void add_base(struct rows *r, const struct environ_base *base, unsigned flags)
{
    for (size_t i = 0; i < base->https; i++)
        if (!(flags & ENVIRON_REQUEST) || !*find(r, base->http[i], name_length(base->http[i])))
            r->row[r->n++] = base->http[i];
    memcpy(r->row + r->n, base->plain, base->plains * sizeof(char *));
    r->n += base->plains;
    r->row[r->n] = NULL;
}

enum environ_result environ_build(char ***ret_envp, const struct environ_base *base,
                                  struct bd_exchange *x, unsigned flags)
{
    struct rows r;

    rows_init(&r, base, x, flags);
    if (flags & ENVIRON_REQUEST) {
        enum environ_result result = add_request_line(&r, x, flags);

        if (result != ENVIRON_OK)
            return result;
        add_fields(&r, x);
        if (flags & ENVIRON_CGI)
            meta_add(&r, x);
        if (r.too_long || !fits(r.bytes + base->bytes))
            return ENVIRON_FIELDS_TOO_LONG;
    }
    add_base(&r, base, flags);
    *ret_envp = r.row;
    return ENVIRON_OK;
}
