/*
 * held.c - see held.h
 */
#include "held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bandog/temp.h"

#define PIECES_PER_TURN 16 /* then the other connections of this worker have their turn */

void held_init(struct held *h, struct bd_worker *w)
{
    *h = (struct held){.worker = w, .fd = -1};
}

void held_release(struct held *h)
{
    for (int i = 0; i < HELD_BLOCKS; i++)
        bd_block_give(h->worker, h->block[i]);
    bd_block_give(h->worker, h->page);
    if (h->fd >= 0)
        close(h->fd);
    held_init(h, h->worker);
}

/* A file that nobody else can open and that is gone with the descriptor. */
static int open_unnamed(void)
{
    const char *dir = bd_temp_dir();
    char path[4096];
    int fd;

    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    /* Not every file system has O_TMPFILE. */
    if ((size_t)snprintf(path, sizeof(path), "%s/bandog-XXXXXX", dir) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int write_all(int fd, const char *buf, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, at);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            buf += n;
            len -= (size_t)n;
            at += n;
        }
    }
    return 0;
}

static int add_to_file(struct held *h, const char *buf, size_t len)
{
    int err;

    if (h->fd < 0) {
        h->fd = open_unnamed();
        if (h->fd < 0)
            return errno;
    }
    err = write_all(h->fd, buf, len, (off_t)(h->len - HELD_MEMORY_BYTES));
    if (!err)
        h->len += len;
    return err;
}

static void add_to_memory(struct held *h, const char *buf, size_t len)
{
    while (len > 0) {
        size_t i = h->len / BD_BLOCK_BYTES, at = h->len % BD_BLOCK_BYTES;
        size_t n = BD_BLOCK_BYTES - at < len ? BD_BLOCK_BYTES - at : len;

        if (!h->block[i])
            h->block[i] = bd_block_take(h->worker);
        memcpy(h->block[i] + at, buf, n);
        h->len += n;
        buf += n;
        len -= n;
    }
}

int held_add(struct held *h, const char *buf, size_t len)
{
    size_t room = h->len < HELD_MEMORY_BYTES ? HELD_MEMORY_BYTES - h->len : 0;
    size_t before = h->len;
    int err;

    if (len <= room) {
        add_to_memory(h, buf, len);
        return 0;
    }
    add_to_memory(h, buf, room);
    err = add_to_file(h, buf + room, len - room);
    if (err)
        h->len = before;
    return err;
}

struct bd_slice held_begin(const struct held *h)
{
    size_t end = h->len < BD_BLOCK_BYTES ? h->len : BD_BLOCK_BYTES;

    if (end == 0)
        return (struct bd_slice){NULL, 0};
    return (struct bd_slice){h->block[0] + h->sent, end - h->sent};
}

size_t held_peek(const struct held *h, char *buf, size_t len)
{
    size_t end = h->len < HELD_MEMORY_BYTES ? h->len : HELD_MEMORY_BYTES, at = h->sent, n = 0;

    while (at < end && n < len) {
        buf[n++] = h->block[at / BD_BLOCK_BYTES][at % BD_BLOCK_BYTES];
        at++;
    }
    return n;
}

void held_skip(struct held *h, size_t len)
{
    h->sent += len;
}

void held_cut(struct held *h, size_t len)
{
    if (held_left(h) > len)
        h->len = h->sent + len;
}

size_t held_left(const struct held *h)
{
    return h->len - h->sent;
}

/* Sending */

static ssize_t read_page(struct held *h)
{
    ssize_t n;

    if (!h->page)
        h->page = bd_block_take(h->worker);
    do {
        n = pread(h->fd, h->page, BD_BLOCK_BYTES, (off_t)(h->sent - HELD_MEMORY_BYTES));
    } while (n < 0 && errno == EINTR);
    return n;
}

/* The next bytes; empty when the file has lost them. */
static struct bd_slice next_piece(struct held *h)
{
    size_t left = h->len - h->sent;
    ssize_t n;

    if (h->sent < HELD_MEMORY_BYTES) {
        size_t at = h->sent % BD_BLOCK_BYTES;
        size_t room = BD_BLOCK_BYTES - at;

        return (struct bd_slice){h->block[h->sent / BD_BLOCK_BYTES] + at,
                                 left < room ? left : room};
    }
    n = read_page(h);
    if (n > 0 && (size_t)n > left) /* held_cut() */
        n = (ssize_t)left;
    return (struct bd_slice){h->page, n > 0 ? (size_t)n : 0};
}

enum held_result held_give(struct held *h, held_take *take, void *to)
{
    for (int i = 0; h->sent < h->len; i++) {
        struct bd_slice piece;

        if (i == PIECES_PER_TURN)
            return HELD_PAUSE;
        piece = next_piece(h);
        if (piece.len == 0)
            return HELD_LOST;
        h->sent += piece.len;
        if (take(to, piece.p, piece.len) == BD_WAIT)
            return HELD_WAIT;
    }
    return HELD_SENT;
}

static enum bd_flow take_for_client(void *to, const char *buf, size_t len)
{
    return bd_send(to, buf, len);
}

enum held_result held_send(struct held *h, struct bd_exchange *x)
{
    return held_give(h, take_for_client, x);
}
