/*
 * lines.c - see lines.h
 *
 * A piece of full size is kept until one more byte of its line has come: if a newline comes instead
 * the piece was the end of the line, its CR goes, and no empty line follows.
 */
#include "lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHARACTER_BYTES_MAX 4 /* in UTF-8 */
#define FIRST_BYTES 256

void lines_init(struct lines *l, enum bd_log_stream to, bool stamp, const char *label,
                size_t max_bytes)
{
    assert(max_bytes > 0);
    *l = (struct lines){.to = to, .stamp = stamp, .label = label, .max_bytes = max_bytes};
}

static void forget(struct lines *l)
{
    free(l->part);
    l->part = NULL;
    l->len = l->capacity = 0;
}

static void keep(struct lines *l, const char *buf, size_t len)
{
    size_t need = l->len + len;

    if (len == 0)
        return;
    if (need > l->capacity) {
        size_t twice = l->capacity ? 2 * l->capacity : FIRST_BYTES;

        l->capacity = need > twice ? need : twice;
        if (l->capacity > l->max_bytes)
            l->capacity = l->max_bytes;
        l->part = realloc(l->part, l->capacity);
        if (!l->part)
            abort();
    }
    memcpy(l->part + l->len, buf, len);
    l->len = need;
}

static void emit_piece(struct lines *l, const char *buf, size_t len)
{
    bd_log_line(l->to, l->stamp, l->label, buf, len);
    l->cut = true;
}

static void emit_end(struct lines *l, const char *buf, size_t len)
{
    if (len > 0 && buf[len - 1] == '\r')
        len--;
    if (len > 0 || !l->cut)
        bd_log_line(l->to, l->stamp, l->label, buf, len);
    l->cut = false;
}

/*
 * Where to cut: in JSON a character of UTF-8 that is cut in two would be lost. Of a piece that ends
 * in a part of one that part is left for the next piece.
 */
static size_t cut_of(const struct lines *l, const char *p, size_t len)
{
    const struct bd_log_conf *conf = bd_log_conf();

    if (!conf->json || !conf->wraps || l->max_bytes < CHARACTER_BYTES_MAX * 2)
        return len;
    for (size_t n = 1; n < CHARACTER_BYTES_MAX && n < len; n++) {
        unsigned char c = (unsigned char)p[len - n];

        if (c >= 0xc0) /* its first byte */
            return n < (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u) ? len - n : len;
        if (c < 0x80)
            break;
    }
    return len;
}

/* Bytes of one line, without its newline: logs the full pieces that are followed by more. */
static void take(struct lines *l, const char **buf, size_t *len)
{
    while (l->len + *len > l->max_bytes) {
        size_t n = l->max_bytes - l->len;

        if (l->len == 0) {
            n = cut_of(l, *buf, n);
            emit_piece(l, *buf, n);
        } else {
            size_t cut;

            keep(l, *buf, n);
            cut = cut_of(l, l->part, l->len);
            emit_piece(l, l->part, cut);
            l->len -= cut;
            memmove(l->part, l->part + cut, l->len);
        }
        *buf += n;
        *len -= n;
    }
}

static void end_line(struct lines *l, const char *buf, size_t len)
{
    take(l, &buf, &len);
    if (l->len == 0) {
        emit_end(l, buf, len);
    } else {
        keep(l, buf, len);
        emit_end(l, l->part, l->len);
    }
    forget(l);
}

void lines_feed(struct lines *l, const char *buf, size_t len)
{
    const char *newline;

    while (len > 0 && (newline = memchr(buf, '\n', len))) {
        size_t n = (size_t)(newline - buf);

        end_line(l, buf, n);
        buf += n + 1;
        len -= n + 1;
    }
    take(l, &buf, &len);
    keep(l, buf, len);
}

void lines_finish(struct lines *l)
{
    if (l->len > 0)
        end_line(l, NULL, 0);
    forget(l);
    l->cut = false;
}
