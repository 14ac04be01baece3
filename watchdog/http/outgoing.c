/*
 * outgoing.c - see outgoing.h
 */
#include "outgoing.h"

#include <assert.h>

void outgoing_init(struct outgoing *o, uv_stream_t *stream, outgoing_done *done)
{
    o->stream = stream;
    o->done = done;
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

int outgoing_write(struct outgoing *o, uv_buf_t *bufs, unsigned n)
{
    uv_write_t *req = o->req;
    unsigned first;
    int done = 0;

    if (o->under_way == 0)
        done = uv_try_write(o->stream, bufs, n);
    if (done == UV_EAGAIN)
        done = 0;
    if (done < 0)
        return done;
    first = skip_written(bufs, n, (size_t)done);
    if (first == n)
        return 0;
    while (req->data)
        req++;
    assert(req < o->req + OUTGOING_MAX);
    req->data = o;
    o->under_way++;
    done = uv_write(req, o->stream, bufs + first, n - first, on_written);
    if (done == 0)
        return 1;
    req->data = NULL;
    o->under_way--;
    return done;
}
