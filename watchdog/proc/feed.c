/*
 * feed.c - see feed.h
 *
 * The watch is armed when the pipe is found full and stays so until it reports room that nobody
 * needs: a writer that always has more costs no epoll_ctl(2) for each piece.
 */
#include "feed.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

void feed_init(struct feed *f, struct watches *set, int fd,
               void (*ready)(struct watch *w, uint32_t events))
{
    *f = (struct feed){.lent = NULL};
    watch_init(&f->watch, set, fd, EPOLLOUT, ready);
}

/* How much the pipe took. Closes it when nobody reads, then all counts as taken. */
static size_t push(struct feed *f, const char *buf, size_t len)
{
    ssize_t n = write(f->watch.fd, buf, len);

    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    watch_close(&f->watch);
    return len;
}

enum bd_flow feed_write(struct feed *f, const char *buf, size_t len)
{
    size_t n;

    assert(!f->lent && !f->finish);
    if (!watch_is_open(&f->watch) || len == 0)
        return BD_GO;
    n = push(f, buf, len);
    if (n == len)
        return BD_GO;
    f->lent = buf + n;
    f->len = len - n;
    watch_arm(&f->watch);
    return BD_WAIT;
}

bool feed_ready(struct feed *f)
{
    size_t n;

    if (!f->lent) {
        watch_disarm(&f->watch);
        return false;
    }
    n = push(f, f->lent, f->len);
    f->lent += n;
    f->len -= n;
    if (f->len > 0)
        return false;
    f->lent = NULL;
    if (f->finish)
        watch_close(&f->watch);
    return true;
}

void feed_finish(struct feed *f)
{
    if (f->lent)
        f->finish = true;
    else
        watch_close(&f->watch);
}

bool feed_forget(struct feed *f)
{
    bool lent = f->lent;

    f->lent = NULL;
    f->len = 0;
    watch_disarm(&f->watch);
    return lent;
}

bool feed_close(struct feed *f)
{
    bool lent = feed_forget(f);

    watch_close(&f->watch);
    return lent;
}
