/*
 * Any output of a CGI program. Cut anywhere it is the same head; it is what a slower and simpler
 * reading finds; and printed again it is the same once more.
 *
 * The first byte says how it is cut.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/fields.h"
#include "cgi_head.h"

static void check_inside(struct bd_slice s, const char *buf, size_t len)
{
    assert(s.len == 0 || (s.p >= buf && s.p + s.len <= buf + len));
}

static void check_clean(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        assert(((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f) || s.p[i] == '\t');
}

static void check_head(const struct cgi_head *h, const char *buf, size_t len)
{
    assert(h->bytes <= len && h->bytes > 0 && buf[h->bytes - 1] == '\n');
    assert(h->status >= 200 && h->status <= 599 && h->length >= -1);
    assert(h->fields <= CGI_FIELDS_MAX);
    check_inside(h->reason, buf, h->bytes);
    check_inside(h->local, buf, h->bytes);
    check_clean(h->reason);
    check_clean(h->local);
    assert(h->local.len == 0 || (*h->local.p == '/' && !h->has_status && h->status == 302));
    for (size_t i = 0; i < h->fields; i++) {
        const struct bd_field *f = &h->field[i];

        assert(f->name.len > 0);
        check_inside(f->name, buf, h->bytes);
        check_inside(f->value, buf, h->bytes);
        check_clean(f->name);
        check_clean(f->value);
        assert(!memchr(f->name.p, ':', f->name.len) && !memchr(f->name.p, ' ', f->name.len));
        assert(!bd_slice_ieq(f->name, BD_SLICE("status")));
        assert(!bd_slice_ieq(f->name, BD_SLICE("content-length")));
        assert(!bd_slice_ieq(f->name, BD_SLICE("transfer-encoding")));
        assert(!bd_slice_ieq(f->name, BD_SLICE("connection")));
    }
}

static void check_same(const struct cgi_head *a, const struct cgi_head *b)
{
    assert(a->status == b->status && a->length == b->length && a->fields == b->fields);
    assert(bd_slice_eq(a->reason, b->reason) && bd_slice_eq(a->local, b->local));
    assert(!a->reason.p == !b->reason.p);
    for (size_t i = 0; i < a->fields; i++)
        assert(bd_slice_eq(a->field[i].name, b->field[i].name) &&
               bd_slice_eq(a->field[i].value, b->field[i].value));
}

/* In pieces, each time in memory of its own that has just that size. */
static void check_cut(const struct cgi_head *whole, enum cgi_head_result expected,
                      const char *whole_buf, size_t len, unsigned cuts)
{
    enum cgi_head_result result = CGI_HEAD_MORE;
    size_t scanned = 0;
    struct bd_arena arena;

    bd_arena_init(&arena);
    for (size_t n = 0; result == CGI_HEAD_MORE;) {
        char *exact = malloc(n ? n : 1);
        size_t before = scanned;
        struct cgi_head h;

        assert(exact);
        memcpy(exact, whole_buf, n);
        result = cgi_head_read(&h, &arena, exact, n, &scanned, n == len);
        assert(scanned >= before && scanned <= n);
        assert(result == expected || (result == CGI_HEAD_MORE && n < len));
        if (result == CGI_HEAD_COMPLETE) {
            check_head(&h, exact, n);
            check_same(whole, &h);
            assert(whole->bytes == h.bytes && whole->has_status == h.has_status);
        } else if (result == CGI_HEAD_BAD) {
            assert(strcmp(whole->error, h.error) == 0 && bd_slice_eq(whole->line, h.line));
            check_inside(h.line, exact, n);
        }
        free(exact);
        cuts = cuts * 1103515245 + 12345;
        n += len - n < 64 ? 1 : 1 + (cuts >> 16) % (len / 16);
        n = n < len ? n : len;
    }
    bd_arena_release(&arena);
}

/* What is left of a head when it is printed as plainly as can be. */
static void check_printed(const struct cgi_head *h)
{
    size_t room = h->bytes + h->fields * 4 + 128, len = 0, scanned = 0;
    char *text = malloc(room);
    struct bd_arena arena;
    struct cgi_head again;

    assert(text);
    bd_arena_init(&arena);
    if (h->local.len == 0)
        len = (size_t)snprintf(text, room, "Status: %d %.*s\r\n", h->status, (int)h->reason.len,
                               h->reason.len > 0 ? h->reason.p : "");
    if (h->length >= 0)
        len += (size_t)snprintf(text + len, room - len, "Content-Length: %" PRId64 "\n", h->length);
    for (size_t i = 0; i < h->fields; i++)
        len = (size_t)(bd_field_put(text + len, h->field[i].name, h->field[i].value) - text);
    text[len++] = '\n';
    assert(len <= room);
    if (h->fields + 2 <= CGI_FIELDS_MAX && len <= CGI_HEAD_BYTES_MAX) {
        assert(cgi_head_read(&again, &arena, text, len, &scanned, false) == CGI_HEAD_COMPLETE);
        assert(again.bytes == len);
        check_head(&again, text, len);
        check_same(h, &again);
    }
    bd_arena_release(&arena);
    free(text);
}

/* The simple reading */

struct simple {
    enum cgi_head_result result;
    size_t bytes;
    struct bd_slice status, type, location, length;
    struct bd_field field[CGI_FIELDS_MAX + 1];
    size_t fields;
};

static bool is_name(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.len > 0;
}

static bool is_value(struct bd_slice *s)
{
    while (s->len > 0 && (*s->p == ' ' || *s->p == '\t'))
        *s = (struct bd_slice){s->p + 1, s->len - 1};
    while (s->len > 0 && (s->p[s->len - 1] == ' ' || s->p[s->len - 1] == '\t'))
        s->len--;
    for (size_t i = 0; i < s->len; i++)
        if (((unsigned char)s->p[i] < ' ' && s->p[i] != '\t') || s->p[i] == 0x7f)
            return false;
    return true;
}

/* Those that must not be there twice, and not empty. */
static bool note(struct simple *s, struct bd_field f)
{
    struct bd_slice *to = bd_slice_ieq(f.name, BD_SLICE("Status"))           ? &s->status
                          : bd_slice_ieq(f.name, BD_SLICE("Content-Type"))   ? &s->type
                          : bd_slice_ieq(f.name, BD_SLICE("Location"))       ? &s->location
                          : bd_slice_ieq(f.name, BD_SLICE("Content-Length")) ? &s->length
                                                                             : NULL;

    if (!to)
        return true;
    if (to->len > 0 || f.value.len == 0)
        return false;
    *to = f.value;
    return true;
}

static bool is_status(struct bd_slice s)
{
    return s.len >= 3 && s.p[0] >= '2' && s.p[0] <= '5' && s.p[1] >= '0' && s.p[1] <= '9' &&
           s.p[2] >= '0' && s.p[2] <= '9' && (s.len == 3 || s.p[3] == ' ');
}

static bool is_length(struct bd_slice s)
{
    unsigned __int128 n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(s.p[i] - '0');
        if (n > INT64_MAX)
            return false;
    }
    return s.len > 0;
}

/* Reads lines up to the empty one. False when there is none, or something wrong before it. */
static bool read_lines(struct simple *s, const char *buf, size_t len)
{
    size_t at = 0;

    for (;;) {
        const char *end = at < len ? memchr(buf + at, '\n', len - at) : NULL, *colon;
        struct bd_slice line;
        struct bd_field f;

        if (!end || (size_t)(end - buf) >= CGI_HEAD_BYTES_MAX)
            return false;
        line = (struct bd_slice){buf + at, (size_t)(end - buf) - at};
        at += line.len + 1;
        if (line.len > 0 && line.p[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0) {
            s->bytes = at;
            return true;
        }
        colon = memchr(line.p, ':', line.len);
        if (!colon || s->fields == CGI_FIELDS_MAX)
            return false;
        f.name = (struct bd_slice){line.p, (size_t)(colon - line.p)};
        f.value = (struct bd_slice){colon + 1, line.len - f.name.len - 1};
        if (!is_name(f.name) || !is_value(&f.value) || !note(s, f))
            return false;
        s->field[s->fields++] = f;
    }
}

static void check_simply(const struct cgi_head *h, enum cgi_head_result result, const char *buf,
                         size_t len)
{
    static struct simple s;
    static struct bd_field kept[CGI_FIELDS_MAX + 1];
    size_t n, at = 0;
    bool good;

    memset(&s, 0, sizeof(s));
    good = read_lines(&s, buf, len) && bd_connection_is_usable(s.field, s.fields) &&
           (s.status.len > 0 || s.type.len > 0 || s.location.len > 0) &&
           (s.status.len == 0 || is_status(s.status)) && (s.length.len == 0 || is_length(s.length));
    assert(good == (result == CGI_HEAD_COMPLETE));
    if (!good)
        return;
    assert(h->bytes == s.bytes && h->has_status == (s.status.len > 0));
    assert((h->length >= 0) == (s.length.len > 0));
    if (h->has_status)
        assert(h->status == strtol(s.status.p, NULL, 10));
    else
        assert(h->status == (s.location.len > 0 ? 302 : 200));
    if (h->local.len > 0)
        assert(s.fields == 1 && h->local.p == s.location.p && h->local.len == s.location.len &&
               (h->local.len == 1 || h->local.p[1] != '/'));
    n = bd_fields_end_to_end(kept, s.field, s.fields);
    for (size_t i = 0; i < n; i++)
        if (!bd_slice_ieq(kept[i].name, BD_SLICE("status"))) {
            assert(at < h->fields && h->field[at].name.p == kept[i].name.p);
            assert(h->field[at].value.p == kept[i].value.p || kept[i].value.len == 0);
            assert(h->field[at].value.len == kept[i].value.len);
            at++;
        }
    assert(at == h->fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum cgi_head_result result;
    struct bd_arena arena;
    struct cgi_head h;
    size_t scanned = 0;
    char *buf;

    if (size == 0)
        return 0;
    size--;
    buf = malloc(size ? size : 1); /* ends where AddressSanitizer sees it */
    assert(buf);
    memcpy(buf, data + 1, size);
    bd_arena_init(&arena);
    result = cgi_head_read(&h, &arena, buf, size, &scanned, true);
    assert(result != CGI_HEAD_MORE);
    if (result == CGI_HEAD_COMPLETE) {
        check_head(&h, buf, size);
        check_printed(&h);
    } else {
        assert(h.error && *h.error);
        check_inside(h.line, buf, size);
    }
    check_simply(&h, result, buf, size);
    check_cut(&h, result, buf, size, *data);
    bd_arena_release(&arena);
    free(buf);
    return 0;
}
