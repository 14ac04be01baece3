/*
 * log_buffer.c - see log_buffer.h
 *
 * The bytes lie in one piece, so that a line can be printed in place. They are moved to the front
 * only when a stream has taken a part of them and the rest of the memory is used up.
 */
#include "log_buffer.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/log.h"
#include "log_stamp.h"

#define FIRST_BYTES 4096

static size_t waiting(const struct log_buffer *b)
{
    return b->end - b->start;
}

static unsigned long count_lines(const char *at, const char *end)
{
    unsigned long lines = 0;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        at = newline ? newline + 1 : end;
        lines++;
    }
    return lines;
}

static void drop_waiting(struct log_buffer *b)
{
    unsigned long lines = count_lines(b->bytes + b->start, b->bytes + b->end);

    atomic_fetch_add_explicit(&b->stream->lost, lines, memory_order_relaxed);
    b->start = b->end = 0;
    b->mid_line = false;
    log_stream_release(b->stream, b);
}

static bool reserve(struct log_buffer *b, size_t bytes)
{
    size_t capacity = b->capacity ? b->capacity : FIRST_BYTES;
    char *grown;

    if (b->capacity - b->end >= bytes)
        return true;
    if (b->start) {
        memmove(b->bytes, b->bytes + b->start, waiting(b));
        b->end = waiting(b);
        b->start = 0;
    }
    if (b->capacity - b->end >= bytes)
        return true;
    while (capacity - b->end < bytes)
        capacity *= 2;
    grown = realloc(b->bytes, capacity);
    if (!grown)
        return false;
    b->bytes = grown;
    b->capacity = capacity;
    return true;
}

char *log_buffer_room(struct log_buffer *b, size_t bytes)
{
    if (waiting(b) >= LOG_BUFFER_BYTES && !b->refused)
        log_buffer_flush(b);
    if (waiting(b) >= LOG_BUFFER_BYTES || !reserve(b, bytes)) {
        atomic_fetch_add_explicit(&b->stream->lost, 1, memory_order_relaxed);
        return NULL;
    }
    return b->bytes + b->end;
}

void log_buffer_commit(struct log_buffer *b, size_t bytes)
{
    assert(bytes <= b->capacity - b->end);
    b->end += bytes;
}

/*
 * How much to write at once: whole lines of PIPE_BUF bytes together, which a pipe takes in one
 * piece; or one longer line, up to its end.
 */
static size_t batch(const struct log_buffer *b)
{
    const char *from = b->bytes + b->start, *newline;

    if (waiting(b) <= PIPE_BUF)
        return waiting(b);
    newline = memrchr(from, '\n', PIPE_BUF);
    if (!newline)
        newline = memchr(from + PIPE_BUF, '\n', waiting(b) - PIPE_BUF);
    return newline ? (size_t)(newline - from) + 1 : waiting(b);
}

/* Returns as log_stream_write(); 0 as well while another buffer is in the middle of a line. */
static ssize_t write_batch(struct log_buffer *b)
{
    size_t bytes = batch(b);
    bool may_tear = bytes > PIPE_BUF;
    ssize_t n;

    if (may_tear ? !log_stream_claim(b->stream, b) : !log_stream_is_free(b->stream, b))
        return 0;
    n = log_stream_write(b->stream, b->bytes + b->start, bytes);
    if (n > 0) {
        b->start += (size_t)n;
        b->mid_line = b->bytes[b->start - 1] != '\n';
    }
    if (!b->mid_line)
        log_stream_release(b->stream, b);
    return n;
}

/*
 * Tells the reader how many lines it has missed, once it takes lines again: a full pipe has room
 * for this short one long before, and would be filled up with reports. Returns as
 * log_stream_write(), 1 when there is nothing to tell.
 */
static ssize_t report_lost(struct log_buffer *b)
{
    struct log_stream *s = b->stream;
    unsigned long lost;
    char text[128], line[192];
    ssize_t n;
    int len;

    if (b->mid_line || !atomic_load_explicit(&s->lost, memory_order_relaxed))
        return 1;
    lost = atomic_exchange_explicit(&s->lost, 0, memory_order_relaxed);
    if (!lost)
        return 1; /* another thread was faster */
    snprintf(text, sizeof(text), "%lu log line%s lost: %s is not taking them", lost,
             lost == 1 ? "" : "s", s->name);
    if (bd_log_conf()->json)
        len = snprintf(line, sizeof(line),
                       "{\"time\":\"%s\",\"level\":\"warning\",\"message\":\"%s\"}\n",
                       log_stamp_utc(), text);
    else
        len = snprintf(line, sizeof(line), "%s%s\n", log_stamp(), text);
    n = log_stream_write(s, line, (size_t)len);
    if (n <= 0)
        atomic_fetch_add_explicit(&s->lost, lost, memory_order_relaxed);
    return n;
}

/* Nothing waits: begin at the front again, and give back what a burst has needed. */
static void rewind_buffer(struct log_buffer *b)
{
    b->start = b->end = 0;
    if (b->capacity > LOG_BUFFER_BYTES) {
        free(b->bytes);
        b->bytes = NULL;
        b->capacity = 0;
    }
}

bool log_buffer_flush(struct log_buffer *b)
{
    ssize_t n;

    b->refused = false;
    if (!waiting(b))
        return true;
    do {
        n = write_batch(b);
        if (n > 0)
            n = report_lost(b);
    } while (n > 0 && waiting(b));
    if (n < 0)
        drop_waiting(b);
    b->refused = waiting(b) > 0;
    if (b->refused)
        return false;
    rewind_buffer(b);
    return true;
}

bool log_buffer_is_behind(struct log_buffer *b)
{
    return waiting(b) > LOG_BUFFER_BYTES / 2 && !log_buffer_flush(b) &&
           waiting(b) > LOG_BUFFER_BYTES / 2;
}

void log_buffer_release(struct log_buffer *b)
{
    if (waiting(b))
        drop_waiting(b);
    free(b->bytes);
    b->bytes = NULL;
    b->capacity = 0;
    b->refused = false;
}
