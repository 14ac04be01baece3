/*
 * watch.c - see watch.h
 */
#include "watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

struct watches {
    uv_poll_t poll; /* of `fd`; unreferenced while no child lives */
    int fd;         /* of the epoll set */

    /* What is being handled: a watch that is disarmed meanwhile is taken out. */
    struct epoll_event batch[BATCH];
    int batch_len;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watches *set = poll->data;

    (void)status; /* an epoll descriptor has no errors to report */
    (void)events;
    set->batch_len = epoll_wait(set->fd, set->batch, BATCH, 0);
    for (int i = 0; i < set->batch_len; i++) {
        struct watch *w = set->batch[i].data.ptr;

        if (w)
            w->ready(w, set->batch[i].events);
    }
    set->batch_len = 0;
}

static void on_closed(uv_handle_t *poll)
{
    struct watches *set = poll->data;

    close(set->fd);
    free(set);
}

int watches_open(struct watches **ret_set, uv_loop_t *loop)
{
    struct watches *set = calloc(1, sizeof(*set));
    int err;

    if (!set)
        return UV_ENOMEM;
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    if (set->fd < 0) {
        err = -errno;
        goto fail_set;
    }
    err = uv_poll_init(loop, &set->poll, set->fd);
    if (err)
        goto fail_fd;
    set->poll.data = set;
    err = uv_poll_start(&set->poll, UV_READABLE, on_ready);
    assert(err == 0); /* it fails only on a closing handle */
    uv_unref((uv_handle_t *)&set->poll);
    *ret_set = set;
    return 0;

fail_fd:
    close(set->fd);
fail_set:
    free(set);
    return err;
}

void watches_close(struct watches *set)
{
    if (set)
        uv_close((uv_handle_t *)&set->poll, on_closed);
}

void watches_hold_loop(struct watches *set, bool hold)
{
    if (hold)
        uv_ref((uv_handle_t *)&set->poll);
    else
        uv_unref((uv_handle_t *)&set->poll);
}

void watch_init(struct watch *w, struct watches *set, int fd, uint32_t events,
                void (*ready)(struct watch *w, uint32_t events))
{
    *w = (struct watch){.set = set, .fd = fd, .events = events, .ready = ready};
}

int watch_try_arm(struct watch *w)
{
    struct epoll_event event = {.events = w->events, .data.ptr = w};

    assert(watch_is_open(w));
    if (w->armed)
        return 0;
    if (epoll_ctl(w->set->fd, EPOLL_CTL_ADD, w->fd, &event) < 0)
        return -errno;
    w->armed = true;
    return 0;
}

void watch_arm(struct watch *w)
{
    if (watch_try_arm(w))
        abort();
}

static void forget_reported(struct watches *set, const struct watch *w)
{
    for (int i = 0; i < set->batch_len; i++)
        if (set->batch[i].data.ptr == w)
            set->batch[i].data.ptr = NULL;
}

/*
 * Closing the descriptor alone would not do: another thread's new process has a copy of it until
 * its execve(2), and as long the kernel keeps the entry.
 */
void watch_disarm(struct watch *w)
{
    if (!w->armed)
        return;
    epoll_ctl(w->set->fd, EPOLL_CTL_DEL, w->fd, NULL);
    forget_reported(w->set, w);
    w->armed = false;
}

void watch_close(struct watch *w)
{
    if (!watch_is_open(w))
        return;
    watch_disarm(w);
    close(w->fd);
    w->fd = -1;
}
