/*
 * places.c - see places.h
 */
#include "places.h"

#include "exchange.h"
#include "host.h"

void places_init(struct places *p, int64_t most, int64_t most_waits)
{
    p->most = most;
    p->most_waits = most_waits;
    pthread_mutex_init(&p->lock, NULL);
    bd_queue_init(&p->line);
}

static bool try_take(struct places *p)
{
    long now = atomic_load(&p->taken);

    while (now < p->most)
        if (atomic_compare_exchange_weak(&p->taken, &now, now + 1))
            return true;
    return false;
}

/* The first in the line has a place. */
static void grant(struct places *p)
{
    struct exchange *x = BD_CONTAINER(bd_queue_shift(&p->line), struct exchange, link);
    struct granted *g = &x->host->granted;

    atomic_fetch_sub(&p->waiting, 1);
    x->granted = true;
    bd_queue_push(&g->list, &x->link);
    if (!g->posted)
        g->posted = bd_worker_post(x->host->worker, &g->mail);
}

/*
 * Gives free places to those who wait. Whoever frees a place looks for somebody who waits, and
 * whoever joins looks for a free place, so that one of the two sees the other.
 */
static void serve(struct places *p)
{
    pthread_mutex_lock(&p->lock);
    while (!bd_queue_empty(&p->line) && !atomic_load(&p->closed) && try_take(p))
        grant(p);
    pthread_mutex_unlock(&p->lock);
}

void places_close(struct places *p)
{
    atomic_store(&p->closed, true);
}

bool place_take(struct host *h)
{
    struct places *p = h->places;

    if (p->most <= 0)
        return true;
    if (p->most_waits > 0 && atomic_load(&p->waiting) > 0)
        return false;
    return try_take(p);
}

void place_give(struct host *h)
{
    struct places *p = h->places;

    if (p->most <= 0)
        return;
    atomic_fetch_sub(&p->taken, 1);
    if (atomic_load(&p->waiting) > 0)
        serve(p);
}

/* The line */

bool line_join(struct exchange *x)
{
    struct places *p = x->host->places;

    if (p->most_waits <= 0)
        return false;
    pthread_mutex_lock(&p->lock);
    if (atomic_load(&p->waiting) < p->most_waits) {
        atomic_fetch_add(&p->waiting, 1);
        bd_queue_push(&p->line, &x->link);
        x->waits = true;
    }
    pthread_mutex_unlock(&p->lock);
    if (x->waits)
        serve(p);
    return x->waits;
}

void line_leave(struct exchange *x)
{
    struct places *p = x->host->places;
    bool granted;

    if (!x->waits)
        return;
    x->waits = false;
    pthread_mutex_lock(&p->lock);
    bd_queue_remove(&x->link);
    granted = x->granted;
    if (!granted)
        atomic_fetch_sub(&p->waiting, 1);
    pthread_mutex_unlock(&p->lock);
    if (granted)
        place_give(x->host);
}

static struct exchange *take_granted(struct host *h)
{
    struct bd_queue *q;

    pthread_mutex_lock(&h->places->lock);
    q = bd_queue_shift(&h->granted.list);
    if (!q)
        h->granted.posted = false;
    pthread_mutex_unlock(&h->places->lock);
    return q ? BD_CONTAINER(q, struct exchange, link) : NULL;
}

static void on_granted(struct bd_worker *w, struct bd_mail *m)
{
    struct granted *g = BD_CONTAINER(m, struct granted, mail);
    struct host *h = BD_CONTAINER(g, struct host, granted);
    struct exchange *x;

    (void)w;
    while ((x = take_granted(h))) {
        x->waits = x->granted = false;
        exchange_granted(x);
    }
}

void granted_init(struct granted *g)
{
    bd_queue_init(&g->list);
    g->posted = false;
    g->mail.run = on_granted;
}
