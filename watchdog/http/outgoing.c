/*
 * outgoing.c - see outgoing.h
 */
#include "outgoing.h"

#include <assert.h>
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

void outgoing_init(struct outgoing *o, uv_stream_t *stream, outgoing_done *done)
{
    o->stream = stream;
    o->done = done;
    o->fd = -1;
}

static bool has_fd(struct outgoing *o)
{
    return o->fd >= 0 || uv_fileno((uv_handle_t *)o->stream, &o->fd) == 0;
}

/*
 * One try, while libuv has nothing queued. It is a system call of the socket's own: write(2), which
 * libuv would make, comes the long way round through the file system's layer. Bytes, 0 when the
 * socket is full, or a UV_E code.
 */
static ssize_t try_send(struct outgoing *o, uv_buf_t *bufs, unsigned n, bool more)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)bufs, .msg_iovlen = n};
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t sent;

    if (!has_fd(o))
        return UV_EBADF;
    do {
        sent = n == 1 ? send(o->fd, bufs->base, bufs->len, flags) : sendmsg(o->fd, &msg, flags);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
}

static void on_written(uv_write_t *req, int status)
{
    struct outgoing *o = req->data;

    req->data = NULL;
    o->under_way--;
    o->done(o, status);
}

/* Takes `done` bytes off the front of the buffers. */
static unsigned skip_written(uv_buf_t *bufs, unsigned n, size_t done)
{
    unsigned first = 0;

    while (first < n && done >= bufs[first].len)
        done -= bufs[first++].len;
    if (first < n) {
        bufs[first].base += done;
        bufs[first].len -= done;
    }
    return first;
}

int outgoing_write(struct outgoing *o, uv_buf_t *bufs, unsigned n, bool more)
{
    uv_write_t *req = o->req;
    unsigned first;
    ssize_t done = 0;
    int err;

    if (o->under_way == 0)
        done = try_send(o, bufs, n, more);
    if (done < 0)
        return (int)done;
    first = skip_written(bufs, n, (size_t)done);
    if (first == n)
        return 0;
    while (req->data)
        req++;
    assert(req < o->req + OUTGOING_MAX);
    req->data = o;
    o->under_way++;
    err = uv_write(req, o->stream, bufs + first, n - first, on_written);
    if (err == 0)
        return 1;
    req->data = NULL;
    o->under_way--;
    return err;
}

ssize_t outgoing_send_file(struct outgoing *o, int fd, int64_t at, size_t len)
{
    off_t offset = at;
    ssize_t sent;

    assert(o->under_way == 0);
    if (!has_fd(o))
        return UV_EBADF;
    do {
        sent = sendfile(o->fd, fd, &offset, len);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}
