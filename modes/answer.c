/*
 * answer.c - see answer.h
 */
#include "answer.h"

#include "bandog/log.h"
#include "bandog/temp.h"

void answer_init(struct answer *a, struct call *call,
                 void (*respond)(struct call *call, int status, int64_t length))
{
    *a = (struct answer){.call = call, .respond = respond};
    held_init(&a->held, call->x->worker);
}

void answer_release(struct answer *a)
{
    bd_deadline_stop(&a->pause);
    held_release(&a->held);
}

static void on_pause_over(struct bd_deadline *d)
{
    answer_drain(BD_CONTAINER(d, struct answer, pause));
}

enum progress {
    SENT,  /* all there is */
    LATER, /* answer_drain() goes on */
    OVER,  /* the exchange had to be cut: neither it nor the answer is there any more */
};

static enum progress flush(struct answer *a)
{
    struct bd_exchange *x = a->call->x;

    switch (held_send(&a->held, x)) {
    case HELD_SENT:
        held_release(&a->held);
        return SENT;
    case HELD_WAIT:
        return LATER;
    case HELD_PAUSE:
        bd_deadline_start(x->worker, &a->pause, 0, on_pause_over);
        return LATER;
    case HELD_LOST:
        break;
    }
    fork_abort(a->call);
    answer_release(a);
    bd_cut(x, "output held on disk cannot be read");
    return OVER;
}

/* The rest of an answer whose process has ended, and then its end. */
static enum progress send_rest(struct answer *a)
{
    struct bd_exchange *x = a->call->x;
    struct bd_slice front = a->front;
    enum progress progress;

    a->front = (struct bd_slice){NULL, 0};
    if (front.len > 0 && bd_send(x, front.p, front.len) == BD_WAIT)
        return LATER;
    progress = flush(a);
    if (progress != SENT)
        return progress;
    bd_end(x);
    return OVER;
}

/* The rest of what is held, then the piece that could not be. */
static enum progress stream_on(struct answer *a)
{
    struct bd_slice piece = a->piece;
    enum progress progress = SENT;

    if (a->held.len > 0)
        progress = flush(a);
    if (progress != SENT)
        return progress;
    a->piece = (struct bd_slice){NULL, 0};
    return bd_send(a->call->x, piece.p, piece.len) == BD_WAIT ? LATER : SENT;
}

void answer_drain(struct answer *a)
{
    struct bd_child *child = a->call->child;

    if (a->ending)
        send_rest(a);
    else if (stream_on(a) == SENT && child)
        bd_child_resume(child);
}

enum bd_flow answer_output(struct answer *a, const char *buf, size_t len)
{
    int err;

    if (!a->streaming) {
        err = held_add(&a->held, buf, len);
        if (!err)
            return BD_GO;
        bd_log("cannot hold the output in %s: %s, answering 200 before the function has ended",
               bd_temp_dir(), uv_strerror(-err));
        a->streaming = true;
        a->respond(a->call, 200, -1);
    }
    a->piece = (struct bd_slice){buf, len};
    return stream_on(a) == LATER ? BD_WAIT : BD_GO;
}

void answer_send(struct answer *a, int status, struct bd_slice front)
{
    struct call *call = a->call;

    a->ending = true;
    if (!a->streaming) {
        a->front = front;
        a->respond(call, status, (int64_t)(front.len + a->held.len));
    }
    if (send_rest(a) == LATER)
        fork_release_body(call);
}
