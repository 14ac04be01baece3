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

/* Bytes of one line, without its newline: logs the full pieces that are followed by more. */
static void take(struct lines *l, const char **buf, size_t *len)
{
    while (l->len + *len > l->max_bytes) {
        size_t n = l->max_bytes - l->len;

        if (l->len == 0) {
            emit_piece(l, *buf, n);
        } else {
            keep(l, *buf, n);
            emit_piece(l, l->part, l->len);
            l->len = 0;
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
