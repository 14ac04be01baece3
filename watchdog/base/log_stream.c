/*
 * log_stream.c - see log_stream.h
 */
#include "log_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A description of our own for the same pipe or terminal; -1 when that is not allowed (the pipe is
 * another user's) or impossible (a terminal of another mount namespace).
 */
static int open_again(int fd)
{
    char path[32];
    int again, above;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0 || again > STDERR_FILENO)
        return again;
    /* The number of a standard stream that was closed: children must not take it for theirs. */
    above = fcntl(again, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(again);
    return above;
}

void log_stream_open(struct log_stream *s)
{
    struct stat st;
    int again;

    if (fstat(s->fd, &st)) {
        s->way = LOG_WAY_NONE;
    } else if (S_ISSOCK(st.st_mode)) {
        s->way = LOG_WAY_SEND;
    } else if (S_ISREG(st.st_mode)) {
        /* Not opened again: the position is shared with the programs that write beside us. */
        s->way = LOG_WAY_WRITE;
    } else if ((again = open_again(s->fd)) >= 0) {
        s->way = LOG_WAY_WRITE;
        s->fd = again;
    } else {
        s->way = LOG_WAY_POLL;
    }
}

static ssize_t write_polled(struct log_stream *s, const char *buf, size_t len)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    ssize_t n = 0;

    pthread_mutex_lock(&s->lock);
    if (poll(&p, 1, 0) > 0)
        n = write(s->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
    pthread_mutex_unlock(&s->lock);
    return n;
}

static ssize_t write_once(struct log_stream *s, const char *buf, size_t len)
{
    switch (s->way) {
    case LOG_WAY_WRITE:
        return write(s->fd, buf, len);
    case LOG_WAY_SEND:
        return send(s->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case LOG_WAY_POLL:
        return write_polled(s, buf, len);
    case LOG_WAY_NONE:
        break;
    }
    errno = EBADF;
    return -1;
}

ssize_t log_stream_write(struct log_stream *s, const char *buf, size_t len)
{
    ssize_t n;

    do
        n = write_once(s, buf, len);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n;
}

bool log_stream_claim(struct log_stream *s, const void *owner)
{
    const void *nobody = NULL;

    return atomic_compare_exchange_strong(&s->owner, &nobody, owner) || nobody == owner;
}

void log_stream_release(struct log_stream *s, const void *owner)
{
    const void *expected = owner;

    atomic_compare_exchange_strong(&s->owner, &expected, NULL);
}

bool log_stream_is_free(struct log_stream *s, const void *owner)
{
    const void *now = atomic_load(&s->owner);

    return !now || now == owner;
}

bool log_stream_wait(struct log_stream *s, int timeout_ms)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};

    return timeout_ms >= 0 && poll(&p, 1, timeout_ms) > 0;
}
