/*
 * console.c - see console.h
 */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "say.h"

#define STREAM_BYTES (256 * 1024)
#define FULL_BYTES                                                                                 \
    (STREAM_BYTES / 4) /* from here on no lines are read; the rest is for our own                  \
                        */
#define LAST_WORDS_MS 1000
#define RETRY_MS 20

struct stream {
    int fd;
    bool is_own;      /* fd is another way to the stream that does not block */
    uv_poll_t poll;   /* until it can be written to; for those only */
    uv_timer_t timer; /* for the others: until it is tried again */
    bool broken;      /* nobody will ever read it */
    FILE *file;
    size_t len;
    char buf[STREAM_BYTES];
};

static struct stream streams[2];
static bool holding;

static void hold_when_full(void)
{
    bool full = streams[0].len > FULL_BYTES || streams[1].len > FULL_BYTES;

    if (full != holding)
        output_hold(full);
    holding = full;
}

/* As much as can be written now. */
static void flush(struct stream *s)
{
    size_t done = 0;

    while (done < s->len && !s->broken) {
        struct pollfd can = {.fd = s->fd, .events = POLLOUT};
        ssize_t n;

        if (poll(&can, 1, 0) == 0)
            break;
        n = send(s->fd, s->buf + done, s->len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK) /* PIPE_BUF: so much a pipe takes when it takes anything */
            n = write(s->fd, s->buf + done, s->len - done < PIPE_BUF ? s->len - done : PIPE_BUF);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            s->broken = true;
        done += n > 0 ? (size_t)n : 0;
    }
    if (s->broken)
        done = s->len;
    memmove(s->buf, s->buf + done, s->len - done);
    s->len -= done;
}

static void wait_for_room(struct stream *s);

static void on_room(uv_poll_t *poll, int status, int events)
{
    struct stream *s = poll->data;

    (void)status;
    (void)events;
    flush(s);
    if (s->len == 0)
        uv_poll_stop(poll);
    hold_when_full();
}

static void on_time(uv_timer_t *timer)
{
    struct stream *s = timer->data;

    flush(s);
    wait_for_room(s);
    hold_when_full();
}

static void wait_for_room(struct stream *s)
{
    if (s->len > 0 && s->is_own)
        uv_poll_start(&s->poll, UV_WRITABLE, on_room);
    else if (s->len > 0)
        uv_timer_start(&s->timer, on_time, RETRY_MS, 0);
}

/* What does not fit is lost: only our own lines can get here, and there are few. */
static ssize_t on_write(void *cookie, const char *buf, size_t len)
{
    struct stream *s = cookie;

    if (len <= sizeof(s->buf) - s->len) {
        memcpy(s->buf + s->len, buf, len);
        s->len += len;
    }
    flush(s);
    wait_for_room(s);
    hold_when_full();
    return (ssize_t)len;
}

/* Opened anew, so that O_NONBLOCK is not set for others who write there, too. */
static int open_again(int fd)
{
    struct stat st;
    char path[32];

    if (fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || isatty(fd)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void stream_open(struct stream *s, uv_loop_t *loop, int fd)
{
    static const cookie_io_functions_t calls = {.write = on_write};
    int own = open_again(fd);

    s->is_own = own >= 0;
    s->fd = own >= 0 ? own : fd;
    s->len = 0;
    s->broken = false;
    uv_timer_init(loop, &s->timer);
    if (s->is_own && uv_poll_init(loop, &s->poll, s->fd))
        abort(); /* pipes and terminals can be polled */
    s->poll.data = s->timer.data = s;
    s->file = fopencookie(s, "w", calls);
    if (!s->file)
        abort();
    setvbuf(s->file, NULL, _IOLBF, BUFSIZ);
}

void console_open(uv_loop_t *loop)
{
    stream_open(&streams[0], loop, STDOUT_FILENO);
    stream_open(&streams[1], loop, STDERR_FILENO);
    say_through(streams[0].file, streams[1].file);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;

    close(s->fd);
}

static void stream_close(struct stream *s)
{
    struct pollfd can = {.fd = s->fd, .events = POLLOUT};

    fclose(s->file);
    while (s->len > 0 && poll(&can, 1, LAST_WORDS_MS) > 0)
        flush(s);
    uv_close((uv_handle_t *)&s->timer, NULL);
    if (s->is_own)
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

void console_close(void)
{
    say_through(stdout, stderr);
    for (int i = 0; i < 2; i++)
        stream_close(&streams[i]);
}
