/*
 * Any fields and any body as JSON. What comes out must be JSON in UTF-8 with the body's bytes, for
 * each way to cut the body. The input: 1 byte size of the pieces, 2 bytes length of the fields, the
 * fields (name, ':', value, newline), the body.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../modes/marshal.c"

#define FIELDS_MAX 64

static struct {
    char *p;
    size_t len, room;
} out;

static void add(struct bd_slice s)
{
    if (out.room - out.len < s.len) {
        out.room = (out.room + s.len) * 2;
        out.p = realloc(out.p, out.room);
        assert(out.p);
    }
    if (s.len)
        memcpy(out.p + out.len, s.p, s.len);
    out.len += s.len;
}

/* Cuts the text into fields as a head has them: names of tokens, values without control bytes. */
static size_t split(char *text, size_t len, struct bd_field *field)
{
    size_t n = 0, at = 0;

    while (at < len && n < FIELDS_MAX) {
        char *line = text + at, *end = memchr(line, '\n', len - at), *colon;
        size_t line_len = end ? (size_t)(end - line) : len - at;

        at += line_len + 1;
        colon = memchr(line, ':', line_len);
        if (!colon || colon == line)
            continue;
        for (char *c = line; c < line + line_len; c++)
            if ((unsigned char)*c < 0x20 && *c != '\t')
                *c = 'c';
        for (char *c = line; c < colon; c++)
            if ((unsigned char)*c >= 0x7f || strchr("\"\\ \t", *c))
                *c = 'n';
        field[n].name = (struct bd_slice){line, (size_t)(colon - line)};
        field[n].value = (struct bd_slice){colon + 1, line_len - (size_t)(colon + 1 - line)};
        n++;
    }
    return n;
}

/* Reading it again */

static const char *at, *end_of_text;

static void skip(const char *text)
{
    size_t n = strlen(text);

    assert((size_t)(end_of_text - at) >= n && memcmp(at, text, n) == 0);
    at += n;
}

static bool is_next(char c)
{
    return at < end_of_text && *at == c;
}

static void skip_string(void)
{
    skip("\"");
    while (!is_next('"')) {
        size_t n = bd_utf8_length((const unsigned char *)at, (size_t)(end_of_text - at));

        assert(at < end_of_text && n > 0 && (unsigned char)*at >= 0x20);
        assert(!strchr("<>&", *at));
        if (*at == '\\') {
            assert(end_of_text - at > 6 && strchr("\"\\tu", at[1]));
            if (at[1] == 'u')
                assert(strspn(at + 2, "0123456789abcdef") >= 4);
            at += at[1] == 'u' ? 6 : 2;
        } else {
            at += n;
        }
    }
    skip("\"");
}

static size_t skip_header(void)
{
    size_t values = 0;

    skip("{\"header\":{");
    while (!is_next('}')) {
        skip_string();
        skip(":[");
        do {
            skip_string();
            values++;
        } while (is_next(',') && at++);
        skip("]");
        if (is_next(','))
            at++;
        else
            assert(is_next('}'));
    }
    skip("},\"body\":{\"raw\":\"");
    return values;
}

static void check_raw(const uint8_t *body, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0;
    int have = 0;

    assert((size_t)(end_of_text - at) == (len + 2) / 3 * 4 + 3);
    for (; *at != '"' && *at != '='; at++) {
        const char *found = memchr(digit, *at, 64);

        assert(found);
        bits = bits << 6 | (uint32_t)(found - digit);
        have += 6;
        if (have >= 8) {
            have -= 8;
            assert(n < len && body[n++] == (uint8_t)(bits >> have));
        }
    }
    assert(n == len);
    while (is_next('='))
        at++;
    skip("\"}}");
    assert(at == end_of_text);
}

static void marshal(struct bd_exchange *x, const uint8_t *body, size_t len, size_t piece)
{
    struct marshal *m = marshal_new(x);

    out.len = 0;
    for (size_t from = 0; from < len; from += piece) {
        size_t n = piece < len - from ? piece : len - from;
        char *copy = malloc(n);
        struct bd_slice left = {copy, n};

        assert(copy);
        memcpy(copy, body + from, n);
        while (left.len > 0)
            add(marshal_take(m, &left));
        free(copy);
    }
    add(marshal_end(m));
    add(BD_SLICE("\0")); /* for strspn() */
    at = out.p;
    end_of_text = out.p + out.len - 1;
}

static size_t shown(const struct bd_field *field, size_t fields)
{
    size_t n = 0;

    for (size_t i = 0; i < fields; i++)
        n += !bd_slice_ieq(field[i].name, BD_SLICE("host")) &&
             !bd_slice_ieq(field[i].name, BD_SLICE("transfer-encoding"));
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bd_field field[FIELDS_MAX];
    struct bd_exchange x = {.req.field = field};
    size_t len, piece;
    char *text;

    if (size < 3)
        return 0;
    piece = data[0] ? data[0] : 1;
    len = (size_t)data[1] << 8 | data[2];
    data += 3;
    size -= 3;
    len = len < size ? len : size;
    text = malloc(len + 1);
    assert(text);
    memcpy(text, data, len);
    bd_arena_init(&x.arena);
    x.req.fields = split(text, len, field);
    marshal(&x, data + len, size - len, piece);
    assert(skip_header() == shown(field, x.req.fields));
    check_raw(data + len, size - len);
    bd_arena_release(&x.arena);
    free(text);
    return 0;
}
