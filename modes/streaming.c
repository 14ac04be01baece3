/*
 * streaming.c - mode=streaming: what the process prints is the answer, as it prints it
 *
 * The status is sent with the first byte. A process that fails before it has printed anything is a
 * 500; afterwards only cutting the connection can still tell the client.
 */
#include "bandog/log.h"
#include "fork.h"
#include "lines_options.h"
#include "modes_list.h"

struct streaming_conf {
    struct fork_conf fork;
    struct lines_conf lines;
};

static const struct bd_option streaming_options[] = {
    OF_WATCHDOG_FORK_OPTIONS(struct streaming_conf),
    {.name = NULL},
};

static int streaming_init(void *conf, struct bd_error *err)
{
    return fork_init(&((struct streaming_conf *)conf)->fork, err);
}

static int streaming_check(const void *conf, struct bd_error *err)
{
    return fork_check(&((const struct streaming_conf *)conf)->fork, err);
}

static void respond(struct call *call, int64_t length)
{
    struct bd_field field = {BD_SLICE("Content-Type"), bd_slice_of(call->conf->content_type)};

    bd_respond(call->x, 200, &field, 1, length);
}

static enum bd_flow output(struct call *call, const char *buf, size_t len)
{
    if (call->x->status == 0)
        respond(call, -1);
    return bd_send(call->x, buf, len);
}

/* Nothing has been printed, so the status is still free. */
static void fail(struct call *call, const char *error)
{
    call->x->reason = error;
    bd_reply_text(call->x, 500, bd_arena_printf(&call->x->arena, "%s\n", error));
}

static void ended(struct call *call, const char *error)
{
    struct bd_exchange *x = call->x;

    if (error && x->status != 0) {
        bd_cut(x, error);
    } else if (error) {
        fail(call, error);
    } else {
        if (x->status == 0)
            respond(call, 0);
        bd_end(x);
    }
}

static const struct call_ops streaming_ops = {
    .output = output,
    .ended = ended,
    .not_started = fail,
};

static void streaming_start(struct bd_exchange *x)
{
    const struct streaming_conf *conf = x->conf;
    struct call *call = bd_arena_alloc(&x->arena, sizeof(*call));

    *call = (struct call){
        .x = x,
        .conf = &conf->fork,
        .ops = &streaming_ops,
        .start_at_once = true,
        .environ_flags = ENVIRON_REQUEST,
        .err = BD_STDERR_LINES,
        .line_bytes = lines_bytes(&conf->lines),
        .prefix_lines = conf->lines.prefix_logs,
    };
    x->state = call;
    if (fork_prepare(call))
        fork_begin(call);
}

static void streaming_drain(struct bd_exchange *x)
{
    struct call *call = x->state;

    if (call->child)
        bd_child_resume(call->child);
}

static void streaming_abort(struct bd_exchange *x, enum bd_abort why)
{
    (void)why;
    fork_abort(x->state);
}

static void streaming_finish(struct bd_exchange *x)
{
    if (x->reason)
        bd_log("%s", x->reason);
    bd_log_request(x);
}

const struct bd_mode mode_streaming = {
    .name = "streaming",
    .summary = "a process for each request, its output streamed as it comes",
    .family = BD_OTHERS,
    .option = streaming_options,
    .conf_bytes = sizeof(struct streaming_conf),
    .init = streaming_init,
    .check = streaming_check,
    .start = streaming_start,
    .body = fork_body,
    .body_end = fork_body_end,
    .drain = streaming_drain,
    .abort = streaming_abort,
    .finish = streaming_finish,
};
