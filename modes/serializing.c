/*
 * serializing.c - mode=serializing: the answer is what the process has printed when it has exited
 *
 * The body is not gathered first, as of-watchdog does, but streams to the process; only the output
 * has to wait, because the exit status decides about it.
 */
#include <string.h>

#include "answer.h"
#include "bandog/log.h"
#include "lines_options.h"
#include "modes_list.h"

struct serializing_conf {
    struct fork_conf fork;
    struct lines_conf lines;
};

struct serializing_call {
    struct call call; /* first */
    struct answer answer;
    const char *error; /* logged behind the request line */
};

static const struct bd_option serializing_options[] = {
    OF_WATCHDOG_FORK_OPTIONS(struct serializing_conf),
    {FORK_OPTION_CGI_RESPONSE(struct serializing_conf)},
    {.name = NULL},
};

static int serializing_init(void *conf, struct bd_error *err)
{
    return fork_init(&((struct serializing_conf *)conf)->fork, ENVIRON_REQUEST, err);
}

static int serializing_check(const void *conf, struct bd_error *err)
{
    return fork_check(&((const struct serializing_conf *)conf)->fork, err);
}

static struct serializing_call *of(struct call *call)
{
    return (struct serializing_call *)(void *)call;
}

static void respond(struct call *call, int status, int64_t length)
{
    struct bd_field field[2] = {
        {BD_SLICE("Content-Type"), bd_slice_of(call->conf->content_type)},
        bd_duration_field(call->x, bd_now_ns()),
    };
    size_t n;

    if (of(call)->answer.has_head)
        answer_respond_as_told(&of(call)->answer, field[0].value, field[1], length, &n);
    else
        bd_respond(call->x, status, field, 2, length);
}

static enum bd_flow output(struct call *call, const char *buf, size_t len)
{
    return answer_output(&of(call)->answer, buf, len);
}

/* The error is the whole answer: what was printed is dropped. */
static void fail(struct call *call, const char *error)
{
    struct bd_exchange *x = call->x;
    size_t len = strlen(error);

    of(call)->error = error;
    if (of(call)->answer.streaming) {
        answer_release(&of(call)->answer);
        bd_cut(x, error);
        return;
    }
    answer_release(&of(call)->answer);
    respond(call, 500, (int64_t)len);
    bd_send(x, error, len);
    bd_end(x);
}

static void ended(struct call *call, const char *error)
{
    int status = error ? fork_mapped_status(call) : 200;

    if (!status || (error && of(call)->answer.streaming))
        fail(call, error);
    else
        answer_finish(&of(call)->answer, status);
}

static const struct call_ops serializing_ops = {
    .output = output,
    .ended = ended,
    .not_started = fail,
};

static void serializing_start(struct bd_exchange *x)
{
    const struct serializing_conf *conf = x->conf;
    struct serializing_call *s = bd_arena_alloc(&x->arena, sizeof(*s));

    s->call = (struct call){
        .x = x,
        .conf = &conf->fork,
        .ops = &serializing_ops,
        .environ_flags = ENVIRON_REQUEST,
        .err = BD_STDERR_LINES,
        .line_bytes = lines_bytes(&conf->lines),
        .prefix_lines = conf->lines.prefix_logs,
    };
    s->error = NULL;
    answer_init(&s->answer, &s->call, respond);
    x->state = s;
    if (fork_prepare(&s->call))
        fork_begin(&s->call);
}

static void serializing_drain(struct bd_exchange *x)
{
    answer_drain(&((struct serializing_call *)x->state)->answer);
}

static void serializing_deadline(struct bd_exchange *x)
{
    struct serializing_call *s = x->state;

    bd_log_at(BD_LEVEL_WARNING, "%s", x->reason);
    fork_abort(&s->call);
    fail(&s->call, "signal: killed");
}

static void serializing_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct serializing_call *s = x->state;

    (void)why;
    s->error = x->reason;
    fork_abort(&s->call);
    answer_release(&s->answer);
}

static void serializing_finish(struct bd_exchange *x)
{
    struct serializing_call *s = x->state;

    bd_log_request(x);
    if (s->error)
        bd_log_at(BD_LEVEL_ERROR, "%s", s->error);
}

const struct bd_mode mode_serializing = {
    .name = "serializing",
    .summary = "a process for each request, answered when it has exited",
    .family = BD_OTHERS,
    .option = serializing_options,
    .conf_bytes = sizeof(struct serializing_conf),
    .init = serializing_init,
    .check = serializing_check,
    .start = serializing_start,
    .body = fork_body,
    .body_end = fork_body_end,
    .drain = serializing_drain,
    .deadline = serializing_deadline,
    .abort = serializing_abort,
    .finish = serializing_finish,
};
