/*
 * pool.c - see pool.h
 */
#include "pool.h"

#include <assert.h>
#include <stdlib.h>

#include "fetch.h"
#include "link.h"

#define RETRY_FIRST_NS (5 * INT64_C(1000000))
#define RETRY_LONGEST_NS (100 * INT64_C(1000000))
#define LOOKUP_GOOD_NS (5 * INT64_C(1000000000)) /* DNS may say something else by then */

static void match(struct bd_pool *p);

/* Waiting */

void pool_want(struct bd_pool *p, struct bd_fetch *f)
{
    if (p->idles > 0 && !fetch_wants_fresh(f)) {
        struct bd_link *l = BD_CONTAINER(p->idle.prev, struct bd_link, link);

        bd_queue_remove(&l->link);
        bd_queue_push(&p->busy, &l->link);
        p->idles--;
        link_serve(l, f);
        return;
    }
    bd_queue_push(&p->waiting, &f->waiting);
    p->waitings++;
    match(p);
}

void pool_forget(struct bd_pool *p, struct bd_fetch *f)
{
    if (bd_queue_empty(&f->waiting)) /* not in the list */
        return;
    bd_queue_remove(&f->waiting);
    p->waitings--;
}

static struct bd_fetch *first_waiting(const struct bd_pool *p)
{
    return bd_queue_empty(&p->waiting) ? NULL
                                       : BD_CONTAINER(p->waiting.next, struct bd_fetch, waiting);
}

static void fail_first(struct bd_pool *p, const char *why)
{
    struct bd_fetch *f = first_waiting(p);

    if (!f)
        return;
    pool_forget(p, f);
    fetch_failed(f, why);
}

static void serve(struct bd_pool *p, struct bd_link *l, struct bd_fetch *f)
{
    pool_forget(p, f);
    link_serve(l, f);
    if (l->f == f && f->ops->linked) /* else it has left, and may be gone */
        f->ops->linked(f->owner);
}

static void make_idle(struct bd_pool *p, struct bd_link *l)
{
    if (p->idles > 0 && p->idles >= p->conf.idle_max)
        link_close(BD_CONTAINER(p->idle.next, struct bd_link, link)); /* the oldest */
    bd_queue_remove(&l->link);
    bd_queue_push(&p->idle, &l->link);
    p->idles++;
    link_rest(l);
}

void pool_put(struct bd_pool *p, struct bd_link *l)
{
    struct bd_fetch *f = first_waiting(p);

    l->used = true;
    if (f && !fetch_wants_fresh(f))
        serve(p, l, f);
    else
        make_idle(p, l);
}

/* Names */

static void on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct bd_pool *p = BD_CONTAINER(req, struct bd_pool, lookup);

    p->looking_up = false;
    if (p->closing) {
        uv_freeaddrinfo(found);
        pool_link_gone(p); /* it was counted as one */
        return;
    }
    p->links--;
    p->addresses = 0;
    for (struct addrinfo *a = found; a && p->addresses < PLACE_ADDRESSES_MAX; a = a->ai_next)
        if (a->ai_addrlen <= sizeof(*p->address))
            memcpy(&p->address[p->addresses++], a->ai_addr, a->ai_addrlen);
    uv_freeaddrinfo(found);
    p->looked_up_ns = bd_now_ns();
    if (status || p->addresses == 0)
        pool_dialed(p, NULL, status ? status : UV_EAI_NODATA, 0);
    else
        match(p);
}

/* True when the addresses are known; else they will be, or the dial has failed. */
static bool has_addresses(struct bd_pool *p, int *ret_err)
{
    const struct bd_upstream_place *place = p->conf.upstream->place;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    *ret_err = 0;
    if (place->socket_path)
        return true;
    if (place->addresses > 0) {
        memcpy(p->address, place->address, sizeof(p->address));
        p->addresses = place->addresses;
        return true;
    }
    if (p->addresses > 0 && bd_now_ns() - p->looked_up_ns < LOOKUP_GOOD_NS)
        return true;
    if (p->looking_up)
        return false;
    *ret_err = uv_getaddrinfo(bd_worker_loop(p->worker), &p->lookup, on_looked_up, place->host,
                              place->port, &hints);
    p->looking_up = *ret_err == 0;
    p->links += p->looking_up; /* so that the pool's memory stays */
    return false;
}

/* Dialing */

static void on_retry(struct bd_deadline *d)
{
    match(BD_CONTAINER(d, struct bd_pool, retry));
}

static bool is_starting(const struct bd_pool *p)
{
    return p->conf.starting && p->conf.starting(p->conf.arg);
}

static void retry_later(struct bd_pool *p)
{
    p->scouting = true;
    p->retry_ns = p->retry_ns == 0 ? RETRY_FIRST_NS : p->retry_ns * 2;
    if (p->retry_ns > RETRY_LONGEST_NS)
        p->retry_ns = RETRY_LONGEST_NS;
    bd_deadline_start(p->worker, &p->retry, p->retry_ns, on_retry);
}

static void on_late_error(struct bd_deadline *d)
{
    struct bd_pool *p = BD_CONTAINER(d, struct bd_pool, retry);

    pool_dialed(p, NULL, p->late_err, 0);
}

/* As many links under way as there are fetches waiting. Calls nobody back before it returns. */
static void match(struct bd_pool *p)
{
    int err = 0;

    while (!p->closing && p->dialing < p->waitings && !bd_deadline_runs(&p->retry)) {
        if (p->scouting && p->dialing > 0)
            return;
        if (has_addresses(p, &err)) {
            p->dialing++;
            err = link_dial(p, 0);
        } else if (err) {
            p->dialing++;
        } else {
            return; /* once the name is known */
        }
        if (err) {
            p->late_err = err;
            bd_deadline_start(p->worker, &p->retry, 0, on_late_error);
        }
    }
}

/*
 * A second try does not wait for a server to come back: what it was sent for may be what has ended
 * the server.
 */
static void fail_second_tries(struct bd_pool *p, const char *why)
{
    struct bd_queue *q, *next;

    for (q = p->waiting.next; q != &p->waiting; q = next) {
        struct bd_fetch *f = BD_CONTAINER(q, struct bd_fetch, waiting);

        next = q->next;
        if (!f->retried)
            continue;
        pool_forget(p, f);
        fetch_failed(f, why);
        next = p->waiting.next; /* whoever was told may have done anything */
    }
}

static bool try_next_address(struct bd_pool *p, unsigned next)
{
    if (next == 0 || next >= p->addresses || p->conf.upstream->place->socket_path)
        return false;
    return link_dial(p, next) == 0;
}

void pool_dialed(struct bd_pool *p, struct bd_link *l, int err, unsigned next_address)
{
    struct bd_fetch *f = first_waiting(p);

    if (err && try_next_address(p, next_address))
        return;
    if (p->dialing > 0)
        p->dialing--;
    if (p->closing)
        return;
    if (err) {
        p->addresses = 0; /* ask again */
        if (err != UV_EAGAIN)
            fail_second_tries(p, uv_strerror(err));
        if (err == UV_EAGAIN || is_starting(p)) /* EAGAIN: a unix socket's backlog is full */
            retry_later(p);
        else
            fail_first(p, uv_strerror(err));
        match(p);
        return;
    }
    p->scouting = false;
    p->retry_ns = 0;
    if (f)
        serve(p, l, f);
    else
        make_idle(p, l);
    match(p);
}

/* Life */

struct bd_pool *bd_pool_open(struct bd_worker *w, const struct bd_pool_conf *conf)
{
    struct bd_pool *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->worker = w;
    p->conf = *conf;
    bd_queue_init(&p->idle);
    bd_queue_init(&p->busy);
    bd_queue_init(&p->waiting);
    return p;
}

void pool_link_gone(struct bd_pool *p)
{
    assert(p->links > 0);
    if (--p->links == 0 && p->closing)
        free(p);
}

static void close_all(struct bd_queue *links)
{
    struct bd_queue *q, *next;

    for (q = links->next; q != links; q = next) {
        next = q->next;
        link_close(BD_CONTAINER(q, struct bd_link, link));
    }
}

void bd_pool_close(struct bd_pool *p)
{
    assert(p->waitings == 0);
    p->closing = true;
    bd_deadline_stop(&p->retry);
    close_all(&p->idle);
    close_all(&p->busy);
    if (p->looking_up)
        uv_cancel((uv_req_t *)&p->lookup);
    if (p->links == 0)
        free(p);
}
