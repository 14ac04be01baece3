/*
 * reader.c - see reader.h
 *
 * A read that does not fill the block has emptied the pipe, so it is the last one of an event,
 * unless the event said that all writers are gone: then the end of file is next and is taken at
 * once. While bytes are kept the watch is disarmed only when it reports more: a taker that is quick
 * to resume costs no epoll_ctl(2).
 */
#include "reader.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bandog/worker.h"

#define READS_PER_EVENT 4

void reader_init(struct reader *r, struct bd_worker *worker, struct watches *set, int fd,
                 reader_take *take, void (*ready)(struct watch *w, uint32_t events))
{
    *r =
        (struct reader){.worker = worker, .take = take, .most = BD_BLOCK_BYTES, .left = UINT64_MAX};
    watch_init(&r->watch, set, fd, EPOLLIN, ready);
    if (watch_is_open(&r->watch))
        watch_arm(&r->watch);
}

/* Hands the bytes over; BD_WAIT when they are kept. */
static enum bd_flow hand_over(struct reader *r, const char *block, size_t len)
{
    enum bd_flow flow;

    r->taking = true;
    r->resumed = false;
    flow = r->take(r, block, len);
    r->taking = false;
    return r->resumed ? BD_GO : flow;
}

/* One read. True when another one may be worth it; `hung_up`: all writers are gone. */
static bool read_once(struct reader *r, char *block, bool hung_up)
{
    size_t room = r->left < r->most ? (size_t)r->left : r->most;
    ssize_t n = read(r->watch.fd, block, room);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n > 0)
        r->left -= (uint64_t)n;
    if (n <= 0 || r->left == 0)
        watch_close(&r->watch);
    if (n <= 0)
        return false;
    if (hand_over(r, block, (size_t)n) == BD_WAIT) {
        r->held = block;
        return false;
    }
    return watch_is_open(&r->watch) && (hung_up || (size_t)n == room);
}

/* Gives the block back unless it is kept. */
static void read_some(struct reader *r, char *block, bool hung_up)
{
    for (int i = 0; i < READS_PER_EVENT; i++)
        if (!read_once(r, block, hung_up))
            break;
    if (!r->held)
        bd_block_give(r->worker, block);
}

void reader_ready(struct reader *r, uint32_t events)
{
    if (r->held)
        watch_disarm(&r->watch);
    else
        read_some(r, bd_block_take(r->worker), events & EPOLLHUP);
}

void reader_resume(struct reader *r)
{
    char *block = r->held;

    assert(block || r->taking);
    r->resumed = true;
    r->held = NULL;
    if (!block)
        return;
    if (watch_is_open(&r->watch))
        read_some(r, block, false);
    else
        bd_block_give(r->worker, block);
    if (watch_is_open(&r->watch) && !r->held)
        watch_arm(&r->watch);
}

static enum bd_flow drop(struct reader *r, const char *buf, size_t len)
{
    (void)r;
    (void)buf;
    (void)len;
    return BD_GO;
}

static void let_go(struct reader *r)
{
    r->resumed = true;
    bd_block_give(r->worker, r->held);
    r->held = NULL;
}

void reader_discard(struct reader *r)
{
    r->take = drop;
    let_go(r);
    if (watch_is_open(&r->watch))
        watch_arm(&r->watch);
}

void reader_limit(struct reader *r)
{
    int bytes = 0;

    if (!watch_is_open(&r->watch))
        return;
    ioctl(r->watch.fd, FIONREAD, &bytes);
    if (bytes == 0)
        watch_close(&r->watch);
    else
        r->left = (uint64_t)bytes;
}

void reader_close(struct reader *r)
{
    let_go(r);
    watch_close(&r->watch);
}
