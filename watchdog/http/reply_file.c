/*
 * reply_file.c - a file as part of an answer: bd_send_file()
 *
 * Small ones are read and leave in one packet with the head; of others sendfile(2) moves some for
 * each turn of the loop, so that many clients share a worker. libuv tells when a stream can take
 * more only to those who write: when the socket is full, a piece is read and queued, and the file
 * goes on when that has left.
 */
#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "conn.h"
#include "exchange.h"

#define READ_BYTES ((int64_t)16 * 1024) /* up to here a copy costs less than sendfile(2) */
#define TURN_BYTES ((int64_t)2 * 1024 * 1024)
#define PIECE_BYTES ((int64_t)4 * 1024)

static void on_failed(struct bd_turn *t)
{
    struct reply_file *f = BD_CONTAINER(t, struct reply_file, failed);
    struct reply *r = BD_CONTAINER(f, struct reply, file);
    struct exchange *x = BD_CONTAINER(r, struct exchange, reply);

    exchange_abort(x, BD_ABORT_SOURCE,
                   bd_arena_printf(&x->pub.arena,
                                   "the file ended or could not be read at byte %lld",
                                   (long long)f->at));
}

/* Whoever sends may be a mode in the middle of its work: it is told at the end of the turn. */
static enum bd_flow fail(struct exchange *x)
{
    bd_turn_add(x->host->worker, &x->reply.file.failed, on_failed);
    return BD_WAIT;
}

/* All of `len` bytes, or false. */
static bool read_all(int fd, char *to, int64_t len, int64_t at)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, (size_t)len, at);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0) {
            to += n;
            at += n;
            len -= n;
        }
    }
    return true;
}

static void took(struct exchange *x, int64_t bytes)
{
    struct reply_file *f = &x->reply.file;

    f->at += bytes;
    f->left -= bytes;
    x->pub.sent_bytes += bytes;
}

/* The answer's last bytes are about to go. */
static void leave_with(struct exchange *x, int64_t bytes)
{
    if (x->pub.sent_bytes + bytes == x->reply.length)
        exchange_leave(x);
}

static enum bd_flow send_piece(struct exchange *x)
{
    struct reply_file *f = &x->reply.file;
    int64_t len = f->left < PIECE_BYTES ? f->left : PIECE_BYTES;
    uv_buf_t buf;

    if (!f->piece)
        f->piece = bd_arena_alloc(&x->pub.arena, PIECE_BYTES);
    if (!read_all(f->fd, f->piece, len, f->at))
        return fail(x);
    leave_with(x, len);
    took(x, len);
    buf = uv_buf_init(f->piece, (unsigned)len);
    return conn_write(x->conn, &buf, 1);
}

static void on_pause_over(struct bd_deadline *d)
{
    struct reply_file *f = BD_CONTAINER(d, struct reply_file, pause);

    exchange_written(BD_CONTAINER(BD_CONTAINER(f, struct reply, file), struct exchange, reply));
}

/* As much as the socket takes and is fair. BD_GO: all of it. */
static enum bd_flow send_on(struct exchange *x)
{
    struct reply_file *f = &x->reply.file;
    int64_t budget = TURN_BYTES;

    while (f->left > 0 && budget > 0) {
        int64_t len = f->left < budget ? f->left : budget;
        ssize_t n = UV_EAGAIN;

        if (!f->is_read) {
            leave_with(x, len);
            n = conn_send_file(x->conn, f->fd, f->at, (size_t)len);
        }
        if (n == 0)
            return fail(x);
        if (n == UV_ECANCELED)
            return BD_WAIT;
        if (n > 0) {
            took(x, n);
            budget -= n;
        } else if (n != UV_EAGAIN) {
            f->is_read = true; /* read(2) and write(2) will say whose fault it is */
        }
        if (n == len)
            continue;
        budget -= PIECE_BYTES;
        if (send_piece(x) == BD_WAIT)
            return BD_WAIT;
    }
    if (f->left == 0)
        return BD_GO;
    bd_deadline_start(x->host->worker, &f->pause, 0, on_pause_over);
    return BD_WAIT;
}

/* In one packet with the head. */
static enum bd_flow send_small(struct exchange *x, int fd, int64_t at, int64_t len)
{
    struct reply_file *f = &x->reply.file;

    f->block = bd_block_take(x->host->worker);
    f->at = at;
    if (!read_all(fd, f->block, len, at)) {
        x->reply.lent = true;
        return fail(x);
    }
    if (bd_send(&x->pub, f->block, (size_t)len) == BD_WAIT)
        return BD_WAIT;
    bd_block_give(x->host->worker, f->block);
    f->block = NULL;
    return BD_GO;
}

enum bd_flow bd_send_file(struct bd_exchange *pub, int fd, int64_t at, int64_t len)
{
    struct exchange *x = exchange_of(pub);
    struct reply *r = &x->reply;

    assert(x->state == EXCHANGE_OPEN && r->begun && !r->lent);
    assert(r->length >= 0 && pub->sent_bytes + len <= r->length);
    if (len == 0 || reply_has_no_body(x)) {
        pub->sent_bytes += len;
        return BD_GO;
    }
    if (len <= READ_BYTES)
        return send_small(x, fd, at, len);
    r->file.fd = fd;
    r->file.at = at;
    r->file.left = len;
    r->lent = x->conn->out.under_way > 0 || (!r->out_sealed && reply_send_head(x) == BD_WAIT) ||
              send_on(x) == BD_WAIT;
    return r->lent ? BD_WAIT : BD_GO;
}

enum bd_flow reply_file_written(struct exchange *x)
{
    struct reply_file *f = &x->reply.file;

    bd_block_give(x->host->worker, f->block);
    f->block = NULL;
    return f->left > 0 ? send_on(x) : BD_GO;
}

void reply_file_stop(struct exchange *x)
{
    struct reply_file *f = &x->reply.file;

    bd_deadline_stop(&f->pause);
    bd_turn_cancel(&f->failed);
    bd_block_give(x->host->worker, f->block);
    f->block = NULL;
}
