/*
 * stream.c - see stream.h
 */
#include "stream.h"

#include "bandog/log.h"

static struct stream *of(struct call *call)
{
    return (struct stream *)(void *)call;
}

static void forget_head(struct stream *s)
{
    bd_block_give(s->call.x->worker, s->head);
    s->head = NULL;
}

/* Answering */

static void respond(struct call *call, int64_t length)
{
    struct bd_field field = {BD_SLICE("Content-Type"), bd_slice_of(call->conf->content_type)};

    bd_respond(call->x, 200, &field, 1, length);
}

static void respond_as_told(struct stream *s, const struct cgi_head *h)
{
    struct bd_exchange *x = s->call.x;
    struct bd_field *field;
    size_t n = cgi_head_fields(&field, x, h, bd_slice_of(s->call.conf->content_type));
    int64_t length = h->length;

    s->left = length;
    s->drops = bd_is_head(x) || h->status == 204 || h->status == 304;
    if (s->drops && (length < 0 || !bd_is_head(x)))
        length = BD_LENGTH_NONE;
    cgi_head_respond(x, h, field, n, length);
}

static enum bd_flow send_body(struct stream *s, const char *buf, size_t len)
{
    if (s->drops)
        return BD_GO;
    if (s->left >= 0) {
        if ((int64_t)len > s->left)
            len = (size_t)s->left;
        s->left -= (int64_t)len;
    }
    return bd_send(s->call.x, buf, len);
}

/* The head */

static enum bd_flow refuse_head(struct stream *s, const struct cgi_head *h)
{
    struct bd_exchange *x = s->call.x;
    struct cgi_head bad = *h;

    fork_abort(&s->call);
    bad.line.p = bd_arena_copy(&x->arena, h->line); /* it may be in the block */
    forget_head(s);
    cgi_head_refuse(x, &bad);
    return BD_GO;
}

/* Appends as much as a head may have; `*ret_before` is what there was. */
static void gather(struct stream *s, const char *buf, size_t len, size_t *ret_before)
{
    size_t room = CGI_HEAD_BYTES_MAX - s->head_len;

    if (!s->head)
        s->head = bd_block_take(s->call.x->worker);
    *ret_before = s->head_len;
    if (len > room)
        len = room;
    memcpy(s->head + s->head_len, buf, len);
    s->head_len += len;
}

/* Reads on in the head; what follows it in the piece goes the body's way. */
static enum bd_flow read_head(struct stream *s, const char *buf, size_t len)
{
    struct bd_arena *arena = &s->call.x->arena;
    enum cgi_head_result result = CGI_HEAD_MORE;
    struct cgi_head h;
    size_t before = 0;

    if (!s->head)
        result = cgi_head_read(&h, arena, buf, len, &s->scanned, false);
    if (result == CGI_HEAD_MORE) {
        gather(s, buf, len, &before);
        result = cgi_head_read(&h, arena, s->head, s->head_len, &s->scanned, false);
    }
    if (result == CGI_HEAD_MORE)
        return BD_GO;
    if (result == CGI_HEAD_BAD)
        return refuse_head(s, &h);
    s->head_over = true;
    if (h.local.len > 0 && s->redirect) {
        s->local = bd_slice_of(bd_arena_copy(arena, h.local));
        s->drops = true;
        forget_head(s);
        return BD_GO;
    }
    respond_as_told(s, &h);
    forget_head(s);
    return send_body(s, buf + (h.bytes - before), len - (h.bytes - before));
}

/* The process */

static enum bd_flow output(struct call *call, const char *buf, size_t len)
{
    struct stream *s = of(call);

    if (s->headed && !s->head_over)
        return read_head(s, buf, len);
    if (!s->headed && call->x->status == 0)
        respond(call, BD_LENGTH_UNKNOWN);
    return send_body(s, buf, len);
}

/* Nothing has been sent, so the status is still free. */
static void fail(struct call *call, const char *error)
{
    int status = fork_mapped_status(call);
    const char *text = bd_arena_printf(&call->x->arena, "%s\n", error);

    forget_head(of(call));
    if (!status)
        call->x->reason = error;
    bd_reply_text(call->x, status ? status : 500, text);
}

static void end_headed(struct stream *s)
{
    struct bd_exchange *x = s->call.x;
    struct cgi_head h;

    if (s->local.len > 0) {
        s->redirect(s);
    } else if (!s->head_over) {
        cgi_head_read(&h, &x->arena, s->head, s->head_len, &s->scanned, true);
        refuse_head(s, &h);
    } else if (s->left > 0 && !s->drops) {
        bd_cut(x, "the function has printed less than its Content-Length");
    } else {
        bd_end(x);
    }
}

static void ended(struct call *call, const char *error)
{
    struct bd_exchange *x = call->x;

    if (error && x->status >= 400 && call->exit_status > 0) {
        x->reason = error; /* the client has been told, by a page that is complete */
        end_headed(of(call));
    } else if (error && x->status != 0) {
        bd_cut(x, error);
    } else if (error) {
        fail(call, error);
    } else if (of(call)->headed) {
        end_headed(of(call));
    } else {
        if (x->status == 0)
            respond(call, 0);
        bd_end(x);
    }
}

static const struct call_ops stream_ops = {
    .output = output,
    .ended = ended,
    .not_started = fail,
};

/* The mode */

void stream_reset(struct stream *s)
{
    s->head_over = s->drops = false;
    s->head_len = s->scanned = 0;
    s->left = -1;
    s->local = (struct bd_slice){NULL, 0};
}

struct stream *stream_new(struct bd_exchange *x, unsigned environ_flags)
{
    const struct stream_conf *conf = x->conf;
    struct stream *s = bd_arena_alloc(&x->arena, sizeof(*s));

    *s = (struct stream){
        .call =
            {
                .x = x,
                .conf = &conf->fork,
                .ops = &stream_ops,
                .start_at_once = true,
                .environ_flags = environ_flags,
                .err = BD_STDERR_LINES,
                .line_bytes = lines_bytes(&conf->lines),
                .prefix_lines = conf->lines.prefix_logs,
            },
    };
    stream_reset(s);
    x->state = s;
    return s;
}

void stream_begin(struct stream *s)
{
    if (fork_prepare(&s->call))
        fork_begin(&s->call);
}

int stream_check(const void *conf, struct bd_error *err)
{
    return fork_check(&((const struct stream_conf *)conf)->fork, err);
}

void stream_drain(struct bd_exchange *x)
{
    struct stream *s = x->state;

    if (s->call.child)
        bd_child_resume(s->call.child);
}

void stream_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct stream *s = x->state;

    (void)why;
    fork_abort(&s->call);
    forget_head(s);
}

void stream_finish(struct bd_exchange *x)
{
    if (x->reason)
        bd_log_at(BD_LEVEL_ERROR, "%s", x->reason);
    bd_log_request(x);
}
