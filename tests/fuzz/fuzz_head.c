/*
 * Heads and bodies cut anywhere. The first bytes of the input say where; a cut stream must give
 * what the whole one gives: the same requests, fields, bodies, refusals, one behind the other.
 *
 * The input is 1 byte: how many cuts follow, then the sizes of the pieces, then the stream.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/arena.h"
#include "body.h"
#include "head.h"

#define REQUESTS_MAX 8

/* What is left of a stream, all of it hashed as it is told. */
struct story {
    uint64_t hash;
    unsigned requests;
    int status;        /* of a refused head */
    const char *error; /* of a bad body */
    bool stopped;      /* in a head or body that is not complete, or refused */
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

/* The bytes that have come and are not done with: memory of its own, of just that size. */
struct window {
    char *buf;
    size_t len;
    const uint8_t *next; /* of the stream */
    size_t left;
    const uint8_t *cuts;
    size_t cut, n_cuts;
};

/* `n` bytes more at the end, `drop` fewer in front. */
static void slide(struct window *w, size_t drop, size_t n, struct head *moved)
{
    size_t size = w->len - drop + n;
    char *to = malloc(size ? size : 1); /* just as much, so that a sanitizer sees the end */

    assert(to && n <= w->left);
    if (w->len > drop)
        memcpy(to, w->buf + drop, w->len - drop);
    if (n > 0)
        memcpy(to + w->len - drop, w->next, n);
    if (moved)
        head_moved(moved, w->buf, w->len, to);
    free(w->buf);
    w->buf = to;
    w->len = size;
    w->next += n;
    w->left -= n;
}

static bool more(struct window *w, size_t drop, struct head *moved)
{
    size_t n = w->left;

    if (w->left == 0)
        return false;
    if (w->n_cuts > 0) {
        n = w->cuts[w->cut++ % w->n_cuts];
        n = n == 0 ? 1 : n < w->left ? n : w->left;
    }
    slide(w, drop, n, moved);
    return true;
}

static bool inside(const struct window *w, struct bd_slice s)
{
    return s.len == 0 || (s.p >= w->buf && s.p + s.len <= w->buf + w->len);
}

static void tell_head(struct story *s, const struct head *h, const struct window *w)
{
    const struct bd_request *r = h->req;

    assert(inside(w, r->method) && r->method.len > 0 && inside(w, r->target));
    assert(inside(w, r->query) && inside(w, r->host) && r->path.len > 0);
    tell_slice(s, r->method);
    tell_slice(s, r->target);
    tell_slice(s, r->path);
    tell_slice(s, r->query);
    tell_slice(s, r->host);
    tell(s, &r->minor, sizeof(r->minor));
    tell(s, &r->content_length, sizeof(r->content_length));
    tell(s, &h->client_keep_alive, 1);
    tell(s, &h->expect_continue, 1);
    assert(r->minor == 0 || r->minor == 1);
    assert(r->content_length >= -1 && r->chunked == (r->content_length == -1));
    for (size_t i = 0; i < r->fields; i++) {
        assert(inside(w, r->field[i].name) && inside(w, r->field[i].value));
        assert(r->field[i].name.len > 0);
        assert(!memchr(r->field[i].name.p, ':', r->field[i].name.len));
        if (r->field[i].value.len > 0)
            assert(!memchr(r->field[i].value.p, '\n', r->field[i].value.len));
        tell_slice(s, r->field[i].name);
        tell_slice(s, r->field[i].value);
    }
}

static bool read_head(struct story *s, struct head *h, struct window *w)
{
    enum head_result result = HEAD_MORE;

    if (w->len > 0)
        result = head_feed(h, w->buf, w->len);
    while (result == HEAD_MORE && more(w, 0, h))
        result = head_feed(h, w->buf, w->len);
    if (result == HEAD_BAD) {
        s->status = h->refusal.status;
        assert(s->status >= 400 && s->status < 600);
    }
    if (result != HEAD_COMPLETE)
        return false;
    tell_head(s, h, w);
    return true;
}

static bool read_body(struct story *s, struct head *h, struct window *w)
{
    size_t at = h->at, bytes = 0;
    struct body b;

    body_init(&b, &h->msg, h->req->content_length);
    while (!body_complete(&b)) {
        enum body_result result;
        struct bd_slice piece;
        size_t used;

        if (at == w->len) {
            if (!more(w, w->len, NULL))
                break;
            at = 0;
        }
        result = body_feed(&b, w->buf + at, w->len - at, &piece, &used);
        assert(piece.len <= used && used <= w->len - at && (!piece.len || piece.p == w->buf + at));
        tell(s, piece.p, piece.len);
        bytes += piece.len;
        at += used;
        if (result == BODY_BAD) {
            s->error = b.error;
            assert(b.error);
            break;
        }
        assert((result == BODY_COMPLETE) == body_complete(&b));
    }
    tell(s, &bytes, sizeof(bytes));
    if (!body_complete(&b))
        return false;
    slide(w, at, 0, NULL);
    return true;
}

static struct story read_stream(const uint8_t *stream, size_t len, const uint8_t *cuts,
                                size_t n_cuts)
{
    struct story s = {.hash = UINT64_C(14695981039346656037)};
    struct window w = {.next = stream, .left = len, .cuts = cuts, .n_cuts = n_cuts};
    struct bd_arena arena;

    bd_arena_init(&arena);
    while (!s.stopped && s.requests < REQUESTS_MAX) {
        struct bd_request req;
        struct head h;

        head_init(&h, &arena, &req);
        s.stopped = !read_head(&s, &h, &w) || !read_body(&s, &h, &w);
        s.requests++;
    }
    bd_arena_release(&arena);
    free(w.buf);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_cuts = size ? data[0] % 16 : 0;
    struct story whole, cut;

    if (size < n_cuts + 1)
        return 0;
    data += 1;
    size -= n_cuts + 1;
    whole = read_stream(data + n_cuts, size, NULL, 0);
    cut = read_stream(data + n_cuts, size, data, n_cuts);
    assert(whole.hash == cut.hash && whole.requests == cut.requests);
    assert(whole.status == cut.status && whole.stopped == cut.stopped);
    assert(whole.error ? cut.error && strcmp(whole.error, cut.error) == 0 : !cut.error);
    return 0;
}
