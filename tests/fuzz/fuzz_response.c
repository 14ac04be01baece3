/*
 * Answers cut anywhere, heads and bodies. A cut stream must give what the whole one gives: the same
 * heads, bodies, trailers and errors, one answer behind the other.
 *
 * The input is 1 byte: how many cuts follow (its low half) and whether the first answer is one to
 * HEAD (its highest bit), then the sizes of the pieces, then the stream.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/arena.h"
#include "body.h"
#include "response.h"

#define ANSWERS_MAX 8

/* What is left of a stream, all of it hashed as it is told. */
struct story {
    uint64_t hash;
    unsigned answers;
    char error[128]; /* of a bad head or body */
    bool stopped;    /* in a head or body that is not complete, or refused */
};

static void tell(struct story *s, const void *p, size_t len)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ bytes[i]) * UINT64_C(1099511628211);
}

static void tell_slice(struct story *s, struct bd_slice x)
{
    tell(s, &x.len, sizeof(x.len));
    tell(s, x.p, x.len);
}

static void tell_fields(struct story *s, const struct bd_field *field, size_t fields)
{
    for (size_t i = 0; i < fields; i++) {
        const struct bd_field *f = &field[i];

        assert(f->name.len > 0 && !memchr(f->name.p, ':', f->name.len));
        for (size_t j = 0; j < f->value.len; j++)
            assert(!strchr("\r\n", f->value.p[j])); /* nor NUL */
        tell_slice(s, f->name);
        tell_slice(s, f->value);
    }
    tell(s, &fields, sizeof(fields));
}

/* The bytes that have come: memory of its own, of just that size, that moves each time. */
struct window {
    char *buf;
    size_t len;
    const uint8_t *next; /* of the stream */
    size_t left;
    const uint8_t *cuts;
    size_t cut, n_cuts;
};

static bool more(struct window *w, struct message *moved)
{
    size_t n = w->left;
    char *to;

    if (w->left == 0)
        return false;
    if (w->n_cuts > 0) {
        n = w->cuts[w->cut++ % w->n_cuts];
        n = n == 0 ? 1 : n < w->left ? n : w->left;
    }
    to = malloc(w->len + n);
    assert(to);
    if (w->len > 0)
        memcpy(to, w->buf, w->len);
    memcpy(to + w->len, w->next, n);
    if (moved && w->buf)
        message_moved(moved, w->buf, w->len, to);
    free(w->buf);
    w->buf = to;
    w->len += n;
    w->next += n;
    w->left -= n;
    return true;
}

static void fail(struct story *s, const char *why)
{
    assert(why && strlen(why) > 0 && strlen(why) < sizeof(s->error));
    memcpy(s->error, why, strlen(why) + 1);
}

static bool inside(const struct window *w, struct bd_slice s)
{
    return s.len == 0 || (s.p >= w->buf && s.p + s.len <= w->buf + w->len);
}

static void tell_head(struct story *s, const struct response *r, const struct window *w)
{
    const struct bd_response *pub = &r->pub;

    assert(pub->status >= 100 && pub->status <= 999 && inside(w, pub->reason));
    assert(pub->declared >= -1 && pub->body >= BD_BODY_UNTIL_CLOSE);
    assert(pub->body <= 0 || pub->body == pub->declared);
    assert(!r->to_head || pub->body == 0);
    assert(!r->keep_alive || pub->body != BD_BODY_UNTIL_CLOSE);
    for (size_t i = 0; i < pub->fields; i++)
        assert(inside(w, pub->field[i].name) && inside(w, pub->field[i].value));
    tell(s, &pub->status, sizeof(pub->status));
    tell(s, &pub->declared, sizeof(pub->declared));
    tell(s, &pub->body, sizeof(pub->body));
    tell(s, &r->keep_alive, 1);
    tell_slice(s, pub->reason);
    tell_fields(s, pub->field, pub->fields);
}

static bool read_head(struct story *s, struct response *r, struct window *w)
{
    enum response_result result = RESPONSE_MORE;

    if (r->at < w->len)
        result = response_feed(r, w->buf, w->len);
    while (result == RESPONSE_MORE && more(w, &r->msg))
        result = response_feed(r, w->buf, w->len);
    assert(r->at <= w->len);
    if (result == RESPONSE_BAD)
        fail(s, r->error);
    if (result != RESPONSE_COMPLETE)
        return false;
    tell_head(s, r, w);
    return true;
}

/* The head may not move any more, it has been told. */
static bool read_body(struct story *s, struct response *r, struct window *w, size_t *at)
{
    struct body b;

    body_init(&b, &r->msg, r->pub.body);
    while (!body_complete(&b)) {
        enum body_result result;
        struct bd_slice piece;
        size_t used;

        if (*at == w->len && !more(w, NULL))
            break;
        result = body_feed(&b, w->buf + *at, w->len - *at, &piece, &used);
        assert(piece.len <= used && used <= w->len - *at);
        assert(piece.len == 0 || piece.p == w->buf + *at);
        tell(s, piece.p, piece.len);
        *at += used;
        if (result == BODY_BAD) {
            fail(s, b.error);
            return false;
        }
        assert((result == BODY_COMPLETE) == body_complete(&b));
    }
    if (body_complete(&b))
        tell_fields(s, r->msg.trailer, r->msg.trailers);
    return body_complete(&b);
}

static struct story read_stream(const uint8_t *stream, size_t len, bool to_head,
                                const uint8_t *cuts, size_t n_cuts)
{
    struct story s = {.hash = UINT64_C(14695981039346656037)};
    struct window w = {.next = stream, .left = len, .cuts = cuts, .n_cuts = n_cuts};
    struct bd_arena arena;
    size_t at = 0;

    bd_arena_init(&arena);
    while (!s.stopped && s.answers < ANSWERS_MAX) {
        struct response r;

        response_init(&r, &arena, to_head && s.answers == 0, at);
        s.stopped = !read_head(&s, &r, &w);
        at = r.at;
        s.stopped = s.stopped || !read_body(&s, &r, &w, &at);
        s.answers++;
    }
    bd_arena_release(&arena);
    free(w.buf);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_cuts = size ? data[0] % 16 : 0;
    bool to_head = size && data[0] & 0x80;
    static const uint8_t one = 1;
    struct story whole, cut, bytewise;

    if (size < n_cuts + 1)
        return 0;
    data += 1;
    size -= n_cuts + 1;
    whole = read_stream(data + n_cuts, size, to_head, NULL, 0);
    cut = read_stream(data + n_cuts, size, to_head, data, n_cuts);
    bytewise = read_stream(data + n_cuts, size, to_head, &one, 1);
    assert(whole.hash == cut.hash && whole.hash == bytewise.hash);
    assert(whole.answers == cut.answers && whole.answers == bytewise.answers);
    assert(whole.stopped == cut.stopped && whole.stopped == bytewise.stopped);
    assert(strcmp(whole.error, cut.error) == 0 && strcmp(whole.error, bytewise.error) == 0);
    return 0;
}
