/*
 * cgi_head.c - see cgi_head.h
 */
#include "cgi_head.h"

#include "bandog/fields.h"
#include "bandog/log.h"

#define SHOWN_BYTES 120 /* of a bad line */

static enum cgi_head_result refuse(struct cgi_head *h, const char *why, struct bd_slice line)
{
    h->error = why;
    h->line = line;
    return CGI_HEAD_BAD;
}

/* token characters of RFC 9110, 5.6.2 */
static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Lines */

/* Without its end. False when it is not complete. */
static bool take_line(const char *buf, size_t len, size_t *at, struct bd_slice *ret_line)
{
    const char *begin = buf + *at;
    const char *end = *at < len ? memchr(begin, '\n', len - *at) : NULL;

    if (!end)
        return false;
    *at = (size_t)(end - buf) + 1;
    *ret_line = (struct bd_slice){begin, (size_t)(end - begin)};
    if (ret_line->len > 0 && ret_line->p[ret_line->len - 1] == '\r')
        ret_line->len--;
    return true;
}

/* NULL, or what is wrong with it. */
static const char *split(struct bd_slice line, struct bd_field *ret)
{
    size_t n = 0;

    while (n < line.len && is_token_byte(line.p[n]))
        n++;
    if (n == 0 && line.len > 0 && bd_is_blank(line.p[0]))
        return "a line begins with a blank";
    if (n == 0 || n == line.len || line.p[n] != ':')
        return "a line is no field";
    ret->name = (struct bd_slice){line.p, n};
    ret->value = bd_slice_trim((struct bd_slice){line.p + n + 1, line.len - n - 1});
    for (size_t i = 0; i < ret->value.len; i++) {
        unsigned char c = (unsigned char)ret->value.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return "a value holds a control character";
    }
    return NULL;
}

/*
 * Looks for the empty line, from `*scanned` on, and counts the fields. A line that is no field ends
 * it at once: perhaps the program prints no head at all, and much else.
 */
static enum cgi_head_result find_end(struct cgi_head *h, const char *buf, size_t len,
                                     size_t *scanned)
{
    bool is_long = len > CGI_HEAD_BYTES_MAX;
    struct bd_field field;
    struct bd_slice line;
    const char *wrong;

    if (is_long)
        len = CGI_HEAD_BYTES_MAX;
    while (take_line(buf, len, scanned, &line)) {
        if (line.len == 0) {
            h->bytes = *scanned;
            return CGI_HEAD_COMPLETE;
        }
        wrong = split(line, &field);
        if (wrong)
            return refuse(h, wrong, line);
    }
    if (len == CGI_HEAD_BYTES_MAX)
        return refuse(h, "it is longer than 64 KiB", (struct bd_slice){buf, len});
    return CGI_HEAD_MORE;
}

/* Fields */

/* "404" or "404 Not Found" (RFC 3875, 6.3.3) */
static bool read_status(struct cgi_head *h, struct bd_slice value)
{
    if (value.len < 3 || (value.len > 3 && value.p[3] != ' '))
        return false;
    h->status = 0;
    for (int i = 0; i < 3; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return false;
        h->status = h->status * 10 + value.p[i] - '0';
    }
    h->has_status = true;
    h->reason = (struct bd_slice){NULL, 0};
    if (value.len > 3)
        h->reason = bd_slice_trim((struct bd_slice){value.p + 3, value.len - 3});
    return h->status >= 200 && h->status <= 599;
}

/* What is there only once, and decides. */
struct known {
    struct bd_slice status, type, location, length; /* `p` NULL: not printed */
};

/* NULL, or what is wrong. */
static const char *note(struct known *k, const struct bd_field *f)
{
    struct bd_slice *to;

    if (bd_slice_ieq(f->name, BD_SLICE("status")))
        to = &k->status;
    else if (bd_slice_ieq(f->name, BD_SLICE("content-type")))
        to = &k->type;
    else if (bd_slice_ieq(f->name, BD_SLICE("location")))
        to = &k->location;
    else if (bd_slice_ieq(f->name, BD_SLICE("content-length")))
        to = &k->length;
    else
        return NULL;
    if (to->p)
        return "a field is there twice";
    if (f->value.len == 0)
        return "a field has no value";
    *to = f->value;
    return NULL;
}

/* A path of this server, and nothing else said (6.2.2). "//host/x" is another server. */
static bool is_local(const struct cgi_head *h, const struct known *k, size_t lines)
{
    struct bd_request scratch = {0};

    return lines == 1 && !h->has_status && k->location.len > 0 &&
           !bd_slice_starts(k->location, BD_SLICE("//")) &&
           bd_request_set_target(&scratch, k->location);
}

static enum cgi_head_result read_known(struct cgi_head *h, const struct known *k, size_t lines)
{
    h->status = k->location.p ? 302 : 200;
    if (k->status.p && !read_status(h, k->status))
        return refuse(h, "Status is none from 200 to 599", k->status);
    if (k->length.p && !bd_slice_number(k->length, &h->length))
        return refuse(h, "Content-Length is no number", k->length);
    if (!k->status.p && !k->type.p && !k->location.p)
        return refuse(h, "it has neither Content-Type nor Status nor Location",
                      (struct bd_slice){NULL, 0});
    if (is_local(h, k, lines))
        h->local = k->location;
    return CGI_HEAD_COMPLETE;
}

static enum cgi_head_result read_fields(struct cgi_head *h, struct bd_arena *arena, const char *buf)
{
    struct bd_field *all = bd_arena_alloc(arena, (CGI_FIELDS_MAX + 1) * sizeof(*all));
    struct known known = {.status = {NULL, 0}};
    size_t at = 0, n = 0, lines = 0;
    struct bd_slice line;

    while (take_line(buf, h->bytes, &at, &line) && line.len > 0) {
        const char *wrong = split(line, &all[n]);

        if (!wrong)
            wrong = note(&known, &all[n]);
        if (!wrong && ++lines > CGI_FIELDS_MAX)
            wrong = "it has too many fields";
        if (wrong)
            return refuse(h, wrong, line);
        if (!bd_slice_ieq(all[n].name, BD_SLICE("status")))
            n++;
    }
    if (!bd_connection_is_usable(all, n))
        return refuse(h, "Connection names too many fields", (struct bd_slice){NULL, 0});
    h->field = bd_arena_alloc(arena, (n + 1) * sizeof(*h->field));
    h->fields = bd_fields_end_to_end(h->field, all, n);
    return read_known(h, &known, lines);
}

enum cgi_head_result cgi_head_read(struct cgi_head *ret_head, struct bd_arena *arena,
                                   const char *buf, size_t len, size_t *scanned, bool over)
{
    enum cgi_head_result result;

    *ret_head = (struct cgi_head){.length = -1};
    result = find_end(ret_head, buf, len, scanned);
    if (result == CGI_HEAD_COMPLETE)
        return read_fields(ret_head, arena, buf);
    if (result == CGI_HEAD_MORE && over)
        return refuse(ret_head, "the output ended before the empty line behind it",
                      (struct bd_slice){buf, len});
    return result;
}

size_t cgi_head_fields(struct bd_field **ret_field, struct bd_exchange *x, const struct cgi_head *h,
                       struct bd_slice type)
{
    struct bd_field *field = bd_arena_alloc(&x->arena, (h->fields + 3) * sizeof(*field));
    bool has_type = h->status == 204 || (h->status >= 300 && h->status < 400);

    for (size_t i = 0; i < h->fields; i++) {
        field[i] = h->field[i];
        has_type = has_type || bd_slice_ieq(field[i].name, BD_SLICE("content-type"));
    }
    field[h->fields] = (struct bd_field){BD_SLICE("Content-Type"), type};
    *ret_field = field;
    return h->fields + !(has_type || type.len == 0);
}

void cgi_head_respond(struct bd_exchange *x, const struct cgi_head *h, const struct bd_field *field,
                      size_t fields, int64_t length)
{
    if (h->reason.p)
        bd_respond_with(x, h->status, h->reason, field, fields, length);
    else
        bd_respond(x, h->status, field, fields, length);
}

void cgi_head_refuse(struct bd_exchange *x, const struct cgi_head *h)
{
    struct bd_slice line = h->line, shown;

    if (line.len > SHOWN_BYTES)
        line.len = SHOWN_BYTES;
    shown = bd_printable(&x->arena, line);
    if (line.len > 0)
        bd_log_at(BD_LEVEL_ERROR, "malformed head from the function: %s: \"%.*s\"%s", h->error,
                  BD_ARG(shown), h->line.len > SHOWN_BYTES ? "..." : "");
    else
        bd_log_at(BD_LEVEL_ERROR, "malformed head from the function: %s", h->error);
    bd_reply_text(x, 502,
                  bd_arena_printf(&x->arena, "malformed head from the function: %s\n", h->error));
}
