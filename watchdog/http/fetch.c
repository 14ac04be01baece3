/*
 * fetch.c - see fetch.h and bandog/upstream.h
 *
 * On a link that was used before, body bytes are copied as they are sent, until the first byte of
 * the answer: a server may close an idle connection at the very moment it is used again (RFC 9112,
 * 9.3.1), and what it has not answered is sent once more, on a fresh link.
 */
#include "fetch.h"

#include <assert.h>

#include "link.h"
#include "pool.h"

#define TRY_AGAIN_NS (1000 * INT64_C(1000000)) /* at once, as seen by a busy machine */

static void on_flush(struct bd_turn *t)
{
    struct bd_fetch *f = BD_CONTAINER(t, struct bd_fetch, flush);

    if (f->link && !f->head_sent)
        link_write(f->link, NULL, 0);
}

void bd_fetch_start(struct bd_fetch *f, struct bd_pool *p)
{
    f->pool = p;
    f->link = NULL;
    f->linked_ns = 0;
    f->flush = (struct bd_turn){0};
    f->lent = (struct bd_slice){NULL, 0};
    f->kept = NULL;
    f->kept_len = 0;
    f->owner_waits = f->kept_lost = f->finished = f->answered = f->retried = false;
    f->head_sent = f->end_sent = false;
    f->trailer = NULL;
    f->trailers = 0;
    bd_queue_init(&f->waiting);
    pool_want(p, f);
}

/* What was sent on a link that may be dead. */
static void keep(struct bd_fetch *f, const char *buf, size_t len)
{
    if (!f->link->used || f->answered || f->kept_lost)
        return;
    if (len > BD_BLOCK_BYTES - f->kept_len) {
        f->kept_lost = true;
        return;
    }
    if (!f->kept)
        f->kept = bd_block_take(f->pool->worker);
    memcpy(f->kept + f->kept_len, buf, len);
    f->kept_len += len;
}

static enum bd_flow write_piece(struct bd_fetch *f, const char *buf, size_t len)
{
    keep(f, buf, len);
    return link_write(f->link, buf, len);
}

/* One thing at a time: a head or a second try that the socket has not taken comes first. */
static bool can_write(const struct bd_fetch *f)
{
    return f->link && f->link->out.under_way == 0;
}

enum bd_flow bd_fetch_write(struct bd_fetch *f, const char *buf, size_t len)
{
    assert(!f->owner_waits);
    if (!can_write(f))
        f->lent = (struct bd_slice){buf, len};
    else if (write_piece(f, buf, len) == BD_GO)
        return BD_GO;
    f->owner_waits = true;
    return BD_WAIT;
}

static void end_if_due(struct bd_fetch *f)
{
    if (!f->link || !f->finished || f->end_sent || f->lent.len > 0)
        return;
    f->end_sent = true;
    link_write_end(f->link);
}

void bd_fetch_finish(struct bd_fetch *f, const struct bd_field *trailer, size_t trailers)
{
    f->finished = true;
    f->trailer = trailer;
    f->trailers = trailers;
    if (f->link && f->link->tunnel)
        f->end_sent = false; /* that was the request's end */
    end_if_due(f);
}

void fetch_drained(struct bd_fetch *f)
{
    struct bd_slice piece = f->lent;

    if (!can_write(f))
        return;
    f->lent = (struct bd_slice){NULL, 0};
    if (piece.len > 0 && write_piece(f, piece.p, piece.len) == BD_WAIT)
        return;
    end_if_due(f);
    if (f->owner_waits) {
        f->owner_waits = false;
        f->ops->drained(f->owner);
    }
}

/*
 * For the first time, or for another try: then `kept` is all that was sent before, with the bytes
 * that the owner waits for unless they are still `lent`.
 */
void fetch_linked(struct bd_fetch *f, struct bd_link *l)
{
    f->link = l;
    f->linked_ns = l->used ? bd_now_ns() : 0;
    f->head_sent = f->end_sent = false;
    if (f->kept_len > 0)
        (void)link_write(l, f->kept, f->kept_len);
    end_if_due(f);
    if (!f->head_sent && f->lent.len == 0)
        bd_turn_add(f->pool->worker, &f->flush, on_flush);
    fetch_drained(f);
}

static void give_up_kept(struct bd_fetch *f)
{
    bd_block_give(f->pool->worker, f->kept);
    f->kept = NULL;
    f->kept_len = 0;
}

void fetch_answered(struct bd_fetch *f)
{
    f->answered = true;
    if (f->kept && f->link->out.under_way == 0) /* else the link may be writing it */
        give_up_kept(f);
}

void fetch_release(struct bd_fetch *f)
{
    bd_turn_cancel(&f->flush);
    give_up_kept(f);
}

/*
 * A server that closes idle links does so at once. One that has worked on the request for a while
 * has ended, or wants to be rid of it, and so has one that does not listen any more.
 */
static bool can_try_again(const struct bd_fetch *f)
{
    return f->linked_ns > 0 && bd_now_ns() - f->linked_ns < TRY_AGAIN_NS && !f->answered &&
           !f->retried && !f->kept_lost && !f->pool->scouting;
}

void fetch_failed(struct bd_fetch *f, const char *why)
{
    f->link = NULL;
    if (can_try_again(f)) {
        f->retried = true;
        pool_want(f->pool, f);
        return;
    }
    fetch_release(f);
    f->ops->failed(f->owner, why);
}

void bd_fetch_resume(struct bd_fetch *f)
{
    if (f->link)
        link_resume(f->link);
}

void bd_fetch_cancel(struct bd_fetch *f)
{
    struct bd_link *l = f->link;

    if (l) {
        f->link = NULL;
        l->f = NULL;
        link_close(l);
    } else {
        pool_forget(f->pool, f);
    }
    fetch_release(f);
}
