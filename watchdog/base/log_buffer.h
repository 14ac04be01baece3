/*
 * log_buffer.h - lines on their way to a stream: bounded, never waiting
 *
 * A buffer belongs to one thread, its stream to all of them. Up to PIPE_BUF bytes leave in one
 * write(2), cut at the end of a line, so that the lines of several threads do not mix; only longer
 * lines may be torn. Zeroed memory with a stream is a valid, empty buffer.
 */
#ifndef WATCHDOG_BASE_LOG_BUFFER_H
#define WATCHDOG_BASE_LOG_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "log_stream.h"

/* With so much waiting no line is taken. One more, of any length, is: a long line must pass. */
#define LOG_BUFFER_BYTES (256 * 1024)

struct log_buffer {
    struct log_stream *stream;
    char *bytes;       /* NULL when capacity is 0 */
    size_t start, end; /* what waits */
    size_t capacity;
    bool refused;  /* the stream took nothing last time: try again at the next flush only */
    bool mid_line; /* what has left ends within a line */
};

/*
 * Room for `bytes` behind what waits, all of a line or none: NULL when the line has to be dropped,
 * which is counted. Nothing is in the buffer before log_buffer_commit().
 */
char *log_buffer_room(struct log_buffer *b, size_t bytes);
void log_buffer_commit(struct log_buffer *b, size_t bytes);

/* True when nothing waits any more, be it written or, on a dead stream, dropped. */
bool log_buffer_flush(struct log_buffer *b);

/* More than half full, even after trying to write. */
bool log_buffer_is_behind(struct log_buffer *b);

/* What waits is dropped and counted. The buffer can be used again. */
void log_buffer_release(struct log_buffer *b);

#endif
