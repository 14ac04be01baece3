/*
 * log_stream.h - stdout or stderr, written without ever waiting for the reader
 *
 * O_NONBLOCK belongs to the open file description, which the program that started us may share, so
 * it is never set on 1 and 2. What can make a writer wait is written in a way of its own instead.
 * Shared by all threads.
 */
#ifndef WATCHDOG_BASE_LOG_STREAM_H
#define WATCHDOG_BASE_LOG_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum log_way {
    LOG_WAY_WRITE, /* write(2) does not wait: a regular file, or opened again with O_NONBLOCK */
    LOG_WAY_SEND,  /* a socket: send(2) with MSG_DONTWAIT */
    LOG_WAY_POLL,  /* could not be opened again: at most PIPE_BUF bytes, and only after poll(2) */
    LOG_WAY_NONE,  /* was closed when we started; the number may be something else by now */
};

struct log_stream {
    int fd;
    enum log_way way;
    const char *name;
    atomic_ulong lost;           /* lines not yet reported as lost */
    _Atomic(const void *) owner; /* who is in the middle of a line; the others wait. NULL: nobody */
    pthread_mutex_t lock; /* LOG_WAY_POLL: between poll(2) and write(2) the room must not go */
};

/* Finds the way for the descriptor s->fd and sets both. Before any other thread uses it. */
void log_stream_open(struct log_stream *s);

/*
 * How many bytes were taken; 0 when none now; -1 when the stream will not take them at all (closed,
 * reader gone, disk full). SIGPIPE must be blocked. A pipe takes up to PIPE_BUF bytes whole or not
 * at all.
 */
ssize_t log_stream_write(struct log_stream *s, const char *buf, size_t len);

/*
 * A line longer than PIPE_BUF may leave in parts. Who writes one claims the stream before and
 * releases it behind the last part, so that no other line lands in its middle. False while another
 * holds it. Releasing what one does not hold is fine.
 */
bool log_stream_claim(struct log_stream *s, const void *owner);
void log_stream_release(struct log_stream *s, const void *owner);
bool log_stream_is_free(struct log_stream *s, const void *owner);

/* Waits until it may take bytes again. False when `timeout_ms` is over, or negative. */
bool log_stream_wait(struct log_stream *s, int timeout_ms);

#endif
