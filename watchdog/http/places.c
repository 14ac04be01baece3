/*
 * places.c - see places.h
 */
#include "places.h"

#include "exchange.h"
#include "host.h"

static bool try_take(struct places *p)
{
    long now = atomic_load(&p->taken);

    while (now < p->most)
        if (atomic_compare_exchange_weak(&p->taken, &now, now + 1))
            return true;
    return false;
}

/* Of the worker with the oldest ticket; NULL: nobody waits, or he is only just joining. */
static struct host *find_oldest(const struct places *p)
{
    unsigned long long least = LINE_EMPTY;
    struct host *found = NULL;

    for (unsigned i = 0; i < p->hosts; i++) {
        unsigned long long ticket = atomic_load(&p->host[i]->line.oldest);

        if (ticket < least) {
            least = ticket;
            found = p->host[i];
        }
    }
    return found;
}

/*
 * Grants free places to those who wait. Whoever frees a place looks for somebody who waits, and
 * whoever joins looks for a free place, so that one of the two sees the other.
 */
static void serve(struct places *p)
{
    while (atomic_load(&p->waiting) > 0 && try_take(p)) {
        struct host *h = find_oldest(p);

        if (!h) {
            atomic_fetch_sub(&p->taken, 1); /* he looks for it when he has joined */
            return;
        }
        if (atomic_fetch_add(&h->line.grants, 1) == 0)
            bd_worker_post(h->worker, &h->line.grant);
    }
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
    if (p->most_waits > 0)
        serve(p);
}

/* The line */

static struct exchange *first(struct line *l)
{
    return bd_queue_empty(&l->waiting) ? NULL
                                       : BD_CONTAINER(l->waiting.next, struct exchange, link);
}

static void show_oldest(struct line *l)
{
    struct exchange *x = first(l);

    atomic_store(&l->oldest, x ? x->ticket : LINE_EMPTY);
}

bool line_join(struct exchange *x)
{
    struct places *p = x->host->places;
    struct line *l = &x->host->line;

    if (atomic_fetch_add(&p->waiting, 1) >= p->most_waits) {
        atomic_fetch_sub(&p->waiting, 1);
        return false;
    }
    x->waits = true;
    x->ticket = atomic_fetch_add(&p->next_ticket, 1);
    bd_queue_push(&l->waiting, &x->link);
    show_oldest(l);
    serve(p);
    return true;
}

void line_leave(struct exchange *x)
{
    if (!x->waits)
        return;
    x->waits = false;
    bd_queue_remove(&x->link);
    show_oldest(&x->host->line);
    atomic_fetch_sub(&x->host->places->waiting, 1);
}

static void on_grant(struct bd_worker *w, struct bd_mail *m)
{
    struct line *l = BD_CONTAINER(m, struct line, grant);
    struct host *h = BD_CONTAINER(l, struct host, line);

    (void)w;
    for (unsigned n = atomic_exchange(&l->grants, 0); n > 0; n--) {
        struct exchange *x = first(l);

        if (!x) {
            place_give(h); /* he has left */
            continue;
        }
        line_leave(x);
        exchange_granted(x);
    }
}

void line_init(struct line *l)
{
    bd_queue_init(&l->waiting);
    atomic_init(&l->oldest, LINE_EMPTY);
    atomic_init(&l->grants, 0);
    l->grant.run = on_grant;
}
