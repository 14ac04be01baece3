/*
 * deadline.c - see deadline.h; the public calls are documented in bandog/worker.h
 *
 * The one uv_timer is armed for the earliest deadline known. It is never moved back when that one
 * is stopped: it fires for nothing at most once a period, and starting and stopping stay free of
 * timer calls.
 */
#include "deadline.h"

#include <assert.h>

#include "worker.h"

static void on_timer(uv_timer_t *timer);

static struct bd_deadline *first(struct bd_queue *list)
{
    return bd_queue_empty(list) ? NULL : BD_CONTAINER(list->next, struct bd_deadline, link);
}

static void arm(struct deadlines *ds, int64_t at_ns, int64_t now_ns)
{
    int64_t wait_ms = (at_ns - now_ns + 999999) / 1000000;
    int err;

    if (at_ns >= ds->armed_ns)
        return;
    ds->armed_ns = at_ns;
    uv_update_time(ds->timer.loop);
    err = uv_timer_start(&ds->timer, on_timer, wait_ms < 0 ? 0 : (uint64_t)wait_ms, 0);
    assert(err == 0);
    (void)err;
}

static void expire(struct bd_queue *list, int64_t now_ns)
{
    struct bd_deadline *d;

    while ((d = first(list)) && d->at_ns <= now_ns) {
        bd_queue_remove(&d->link);
        d->expired(d);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct deadlines *ds = timer->data;
    int64_t now_ns = bd_now_ns();
    struct bd_deadline *d;

    ds->armed_ns = INT64_MAX;
    for (int i = 0; i < DEADLINE_PERIODS; i++)
        expire(&ds->period[i].list, now_ns);
    expire(&ds->others, now_ns);

    for (int i = 0; i < DEADLINE_PERIODS; i++)
        if ((d = first(&ds->period[i].list)))
            arm(ds, d->at_ns, now_ns);
    if ((d = first(&ds->others)))
        arm(ds, d->at_ns, now_ns);
}

int deadlines_init(struct deadlines *ds, uv_loop_t *loop)
{
    int err = uv_timer_init(loop, &ds->timer);

    if (err)
        return err;
    uv_unref((uv_handle_t *)&ds->timer);
    ds->timer.data = ds;
    ds->armed_ns = INT64_MAX;
    for (int i = 0; i < DEADLINE_PERIODS; i++)
        bd_queue_init(&ds->period[i].list);
    bd_queue_init(&ds->others);
    return 0;
}

void deadlines_close(struct deadlines *ds)
{
    uv_close((uv_handle_t *)&ds->timer, NULL);
}

/* The list of that period; an empty one changes its period; NULL when none is free. */
static struct bd_queue *list_for(struct deadlines *ds, int64_t after_ns)
{
    int free_slot = -1;

    for (int i = 0; i < DEADLINE_PERIODS; i++) {
        if (ds->period[i].after_ns == after_ns)
            return &ds->period[i].list;
        if (free_slot < 0 && bd_queue_empty(&ds->period[i].list))
            free_slot = i;
    }
    if (free_slot < 0)
        return NULL;
    ds->period[free_slot].after_ns = after_ns;
    return &ds->period[free_slot].list;
}

static void insert_sorted(struct bd_queue *list, struct bd_deadline *d)
{
    struct bd_queue *after = list->prev;

    while (after != list && BD_CONTAINER(after, struct bd_deadline, link)->at_ns > d->at_ns)
        after = after->prev;
    bd_queue_push(after->next, &d->link);
}

void bd_deadline_start(struct bd_worker *w, struct bd_deadline *d, int64_t after_ns,
                       void (*expired)(struct bd_deadline *d))
{
    bd_deadline_start_at(w, d, bd_now_ns(), after_ns, expired);
}

void bd_deadline_start_at(struct bd_worker *w, struct bd_deadline *d, int64_t now_ns,
                          int64_t after_ns, void (*expired)(struct bd_deadline *d))
{
    struct deadlines *ds = &w->deadlines;
    struct bd_queue *list;

    assert(expired);
    bd_deadline_stop(d);
    if (after_ns < 0)
        after_ns = 0;
    d->at_ns = after_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + after_ns;
    d->expired = expired;
    list = list_for(ds, after_ns);
    if (list)
        bd_queue_push(list, &d->link);
    else
        insert_sorted(&ds->others, d);
    if (d->at_ns != INT64_MAX)
        arm(ds, d->at_ns, now_ns);
}

void bd_deadline_stop(struct bd_deadline *d)
{
    if (d->link.next)
        bd_queue_remove(&d->link);
    else
        bd_queue_init(&d->link);
}
