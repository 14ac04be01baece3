/*
 * answer.c - see answer.h
 */
#include "answer.h"

#include "bandog/log.h"
#include "bandog/temp.h"

void answer_init(struct answer *a, struct call *call,
                 void (*respond)(struct call *call, int status, int64_t length))
{
    *a = (struct answer){.call = call, .respond = respond, .left = -1};
    held_init(&a->held, call->x->worker);
}

void answer_release(struct answer *a)
{
    bd_deadline_stop(&a->pause);
    held_release(&a->held);
}

/* The head */

/* Takes it off what is held. False: it is malformed, and nothing was taken. */
static bool read_head(struct answer *a)
{
    struct bd_slice begin = held_begin(&a->held);
    size_t scanned = 0;

    if (cgi_head_read(&a->head, &a->call->x->arena, begin.p, begin.len, &scanned, true) ==
        CGI_HEAD_BAD)
        return false;
    held_skip(&a->held, a->head.bytes);
    a->has_head = true;
    return true;
}

/* Last statement. */
static void refuse_head(struct answer *a)
{
    struct bd_exchange *x = a->call->x;
    struct cgi_head bad = a->head;

    bad.line.p = bd_arena_copy(&x->arena, a->head.line); /* it was in what is held */
    fork_abort(a->call);
    answer_release(a);
    cgi_head_refuse(x, &bad);
}

/* What was printed must be as long as the head says. */
static bool keeps_length(struct answer *a)
{
    struct cgi_head *h = &a->head;

    if (h->length < 0 || bd_is_head(a->call->x) || h->status == 204 || h->status == 304)
        return true;
    if ((uint64_t)h->length > held_left(&a->held)) {
        h->error = "its Content-Length is more than was printed";
        h->line = (struct bd_slice){NULL, 0};
        return false;
    }
    held_cut(&a->held, (size_t)h->length);
    return true;
}

const struct bd_field *answer_respond_as_told(struct answer *a, struct bd_slice type,
                                              struct bd_field more, int64_t length, size_t *ret_n)
{
    const struct cgi_head *h = &a->head;
    struct bd_exchange *x = a->call->x;
    struct bd_field *field;
    size_t n = cgi_head_fields(&field, x, h, type);

    field[n++] = more;
    if (bd_is_head(a->call->x) && h->length >= 0)
        length = h->length;
    cgi_head_respond(x, h, field, n, length);
    *ret_n = n;
    return field;
}

/* Sending */

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

    if (held_left(&a->held) > 0)
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
        bd_log_at(BD_LEVEL_WARNING,
                  "cannot hold the output in %s: %s, answering before the function has ended",
                  bd_temp_dir(), uv_strerror(-err));
        if (a->call->conf->cgi_response && !read_head(a)) {
            refuse_head(a);
            return BD_GO;
        }
        a->streaming = true;
        if (a->has_head && a->head.length >= 0) {
            held_cut(&a->held, (size_t)a->head.length);
            a->left = a->head.length - (int64_t)held_left(&a->held);
        }
        a->respond(a->call, 200, a->has_head ? a->head.length : BD_LENGTH_UNKNOWN);
    }
    if (a->left >= 0) {
        if ((int64_t)len > a->left)
            len = (size_t)a->left;
        a->left -= (int64_t)len;
    }
    a->piece = (struct bd_slice){buf, len};
    return stream_on(a) == LATER ? BD_WAIT : BD_GO;
}

void answer_send(struct answer *a, int status, struct bd_slice front)
{
    struct call *call = a->call;

    a->ending = true;
    if (a->left > 0 && !bd_is_head(a->call->x)) {
        struct bd_exchange *x = call->x;

        answer_release(a);
        bd_cut(x, "the function has printed less than its Content-Length");
        return;
    }
    if (!a->streaming) {
        a->front = front;
        a->respond(call, status, (int64_t)(front.len + held_left(&a->held)));
    }
    if (send_rest(a) == LATER)
        fork_release_body(call);
}

void answer_finish(struct answer *a, int status)
{
    bool is_fine = status == 200;

    if (a->call->conf->cgi_response && !a->streaming) {
        if (!read_head(a) ? is_fine : !keeps_length(a)) {
            refuse_head(a);
            return;
        }
        if (a->has_head && !a->head.has_status && !is_fine)
            a->head.status = status;
    }
    answer_send(a, status, (struct bd_slice){NULL, 0});
}
