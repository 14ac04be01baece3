/*
 * outgoing.h - bytes on their way into a stream: try, then queue
 *
 * What the socket does not take at once libuv keeps writing, from the caller's memory. Embedded in
 * whatever owns the stream, and gone with it.
 */
#ifndef WATCHDOG_HTTP_OUTGOING_H
#define WATCHDOG_HTTP_OUTGOING_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define OUTGOING_MAX 4 /* writes under way at a time; who writes keeps to it */

struct outgoing;

/* Something was written to its end, or failed (a UV_E code; UV_ECANCELED after uv_close). */
typedef void outgoing_done(struct outgoing *o, int status);

struct outgoing {
    uv_write_t req[OUTGOING_MAX];
    uv_stream_t *stream;
    outgoing_done *done;
    unsigned under_way;
    int fd; /* the stream's; -1: nothing was written yet */
};

/* Zeroed memory becomes a valid one. */
void outgoing_init(struct outgoing *o, uv_stream_t *stream, outgoing_done *done);

/*
 * 0: all taken. 1: the rest is queued, the memory is lent until done() with nothing under way any
 * more. Or a UV_E code. `bufs` is changed. With `more` the last packet may wait for what follows,
 * which must follow at once.
 */
int outgoing_write(struct outgoing *o, uv_buf_t *bufs, unsigned n, bool more)
    __attribute__((warn_unused_result));

/*
 * One try of sendfile(2), while nothing is under way: how many bytes from `at` on were taken, 0
 * when the file has none there. UV_EAGAIN: the stream is full. Or another UV_E code, of either of
 * them.
 */
ssize_t outgoing_send_file(struct outgoing *o, int fd, int64_t at, size_t len);

#endif
