/*
 * classic.c - mode=classic: a process for each request, the way classic-watchdog does it
 *
 * The answer waits for the exit status. The body does not wait for anything: it streams to the
 * process while it comes, but the clock of exec_timeout only runs while the process, not the
 * client, is the one to be waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "bandog/log.h"
#include "bandog/sniff.h"
#include "debug.h"
#include "fork.h"
#include "marshal.h"
#include "modes_list.h"

#define STDERR_BYTES BD_BLOCK_BYTES /* logged together, with combine_output off */

struct classic_conf {
    struct fork_conf fork;
    bool cgi_headers;
    bool combine_output;
    bool marshal_request;
    bool write_debug;
    bool debug_headers;
};

struct classic_call {
    struct call call; /* first */
    struct answer answer;
    char *stderr_text; /* a block; NULL while there is none */
    size_t stderr_len;
    int64_t output_bytes;
};

/* clang-format off */
static const struct bd_option classic_options[] = {
    {.name = "fprocess", .also = "function_process", .prefer_name = true, .type = BD_TEXT,
     .family = BD_CLASSIC, .offset = FORK_OPTION(struct classic_conf, fprocess), .unit = "command",
     .help = "the program to run for each request and its arguments"},
    {.name = "exec_timeout", .type = BD_DURATION, .family = BD_CLASSIC,
     .offset = FORK_OPTION(struct classic_conf, exec_timeout_ns), .initial = "0",
     .help = "a call is ended after this time, 0: never"},
    {.name = "content_type", .type = BD_TEXT, .family = BD_CLASSIC,
     .offset = FORK_OPTION(struct classic_conf, content_type),
     .help = "Content-Type of answers; unset: the request's, else found from the first bytes"},
    {.name = "cgi_headers", .type = BD_BOOL, .family = BD_CLASSIC, .initial = "true",
     .offset = offsetof(struct classic_conf, cgi_headers),
     .help = "give the function the request as Http_ environment variables"},
    {.name = "combine_output", .type = BD_BOOL, .family = BD_CLASSIC, .initial = "true",
     .offset = offsetof(struct classic_conf, combine_output),
     .help = "stderr belongs to the answer; false: to the log"},
    {.name = "marshal_request", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct classic_conf, marshal_request),
     .help = "give the function header and body as JSON on stdin"},
    {.name = "write_debug", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct classic_conf, write_debug),
     .help = "log more about each call and copy its output to stdout"},
    {.name = "debug_headers", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct classic_conf, debug_headers),
     .help = "print the fields of requests and answers on stdout"},
    {FORK_OPTION_CGI_RESPONSE(struct classic_conf)},
    {FORK_OPTION_EXIT_STATUS_MAP(struct classic_conf)},
    {FORK_OPTION_KILL_GRACE(struct classic_conf)},
    {FORK_OPTION_OUTPUT_GRACE(struct classic_conf)},
    {.name = NULL},
};
/* clang-format on */

static int classic_init(void *conf, struct bd_error *err)
{
    struct classic_conf *c = conf;

    return fork_init(&c->fork, c->cgi_headers ? ENVIRON_REQUEST | ENVIRON_CLASSIC : 0, err);
}

static int classic_check(const void *conf, struct bd_error *err)
{
    return fork_check(&((const struct classic_conf *)conf)->fork, err);
}

static struct classic_call *of(struct call *call)
{
    return (struct classic_call *)(void *)call;
}

static const struct classic_conf *conf_of(const struct call *call)
{
    return call->x->conf;
}

/* Answering */

/* The first bytes of the answer's body. */
static size_t begin_of_body(struct call *call, char buf[BD_SNIFF_BYTES])
{
    const struct answer *a = &of(call)->answer;
    size_t len = a->front.len < BD_SNIFF_BYTES ? a->front.len : BD_SNIFF_BYTES;

    bd_slice_put(buf, (struct bd_slice){a->front.p, len});
    return len + held_peek(&a->held, buf + len, BD_SNIFF_BYTES - len);
}

static struct bd_slice content_type(struct call *call, bool failed)
{
    const struct bd_field *field = bd_request_field(&call->x->req, BD_SLICE("content-type"));
    char buf[BD_SNIFF_BYTES];
    size_t len;

    if (!failed && call->conf->content_type)
        return bd_slice_of(call->conf->content_type);
    if (!failed && field && field->value.len > 0)
        return field->value;
    len = begin_of_body(call, buf);
    if (len == 0)
        return (struct bd_slice){NULL, 0};
    return bd_slice_of(bd_sniff(buf, len));
}

static void respond(struct call *call, int status, int64_t length)
{
    bool failed = of(call)->answer.front.len > 0; /* the error is the answer's begin */
    struct bd_slice type = content_type(call, failed);
    struct bd_field own[2];
    const struct bd_field *field = own;
    size_t n = 0;

    if (of(call)->answer.has_head) {
        struct bd_field duration = bd_duration_field(call->x, bd_now_ns());

        field = answer_respond_as_told(&of(call)->answer, type, duration, length, &n);
    } else {
        if (type.len > 0)
            own[n++] = (struct bd_field){BD_SLICE("Content-Type"), type};
        if (!failed)
            own[n++] = bd_duration_field(call->x, bd_now_ns());
        bd_respond(call->x, status, own, n, length);
    }
    if (!failed && conf_of(call)->debug_headers)
        debug_headers(call->x, "out", field, n);
}

static void flush_stderr(struct classic_call *c)
{
    const char *text = c->stderr_text;
    size_t len = c->stderr_len;

    c->stderr_len = 0;
    if (len > 0 && text[len - 1] == '\n')
        len--;
    else if (len == 0)
        return;
    /* An object for each line; else the whole is one, as in classic-watchdog. */
    while (bd_log_conf()->json) {
        const char *newline = memchr(text, '\n', len);
        size_t n;

        if (!newline)
            break;
        n = (size_t)(newline - text);
        bd_log_line(BD_LOG_STDERR, true, "stderr", text, n);
        text += n + 1;
        len -= n + 1;
    }
    bd_log_line(BD_LOG_STDERR, true, "stderr", text, len);
}

static void release_stderr(struct classic_call *c)
{
    flush_stderr(c);
    bd_block_give(c->call.x->worker, c->stderr_text);
    c->stderr_text = NULL;
}

static void log_success(struct call *call)
{
    struct bd_exchange *x = call->x;
    double seconds = bd_elapsed_s(x);
    const char *id = "";

    if (bd_log_conf()->call_ids) {
        struct bd_slice text = bd_printable(&x->arena, x->call_id);

        id = bd_arena_printf(&x->arena, " [%.*s]", BD_ARG(text));
    }
    if (conf_of(call)->write_debug)
        bd_log("Duration: %fs%s", seconds, id);
    else
        bd_log("Wrote %lld Bytes - Duration: %fs%s", (long long)of(call)->output_bytes, seconds,
               id);
}

static void fail(struct call *call, const char *error)
{
    struct classic_call *c = of(call);
    const char *text = bd_arena_printf(&call->x->arena, "%s\n", error);

    if (conf_of(call)->write_debug)
        debug_failure(call->x, error, held_begin(&c->answer.held));
    if (c->answer.streaming) {
        struct bd_exchange *x = call->x;

        answer_release(&c->answer);
        bd_cut(x, error);
        return;
    }
    answer_send(&c->answer, 500, bd_slice_of(text));
}

static void ended(struct call *call, const char *error)
{
    struct classic_call *c = of(call);
    int status = error ? fork_mapped_status(call) : 200;

    release_stderr(c);
    if (!status || (error && c->answer.streaming)) {
        fail(call, error);
        return;
    }
    log_success(call);
    answer_finish(&c->answer, status);
}

/* Output */

static enum bd_flow output(struct call *call, const char *buf, size_t len)
{
    of(call)->output_bytes += (int64_t)len;
    if (conf_of(call)->write_debug)
        bd_log_raw(BD_LOG_STDOUT, buf, len);
    return answer_output(&of(call)->answer, buf, len);
}

static void errput(struct call *call, const char *buf, size_t len)
{
    struct classic_call *c = of(call);

    if (!c->stderr_text)
        c->stderr_text = bd_block_take(call->x->worker);
    while (len > 0) {
        size_t room = STDERR_BYTES - c->stderr_len;
        size_t n = len < room ? len : room;

        memcpy(c->stderr_text + c->stderr_len, buf, n);
        c->stderr_len += n;
        buf += n;
        len -= n;
        if (c->stderr_len == STDERR_BYTES)
            flush_stderr(c);
    }
}

static const struct call_ops classic_ops = {
    .output = output,
    .errput = errput,
    .ended = ended,
    .not_started = fail,
};

/* The mode */

static bool is_allowed(struct bd_slice method)
{
    static const char *const allowed[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (bd_slice_eq(method, bd_slice_of(allowed[i])))
            return true;
    return false;
}

static struct classic_call *new_call(struct bd_exchange *x)
{
    const struct classic_conf *conf = x->conf;
    struct classic_call *c = bd_arena_alloc(&x->arena, sizeof(*c));

    *c = (struct classic_call){
        .call =
            {
                .x = x,
                .conf = &conf->fork,
                .ops = &classic_ops,
                .clock_waits_for_body = true,
                .environ_flags = conf->cgi_headers ? ENVIRON_REQUEST | ENVIRON_CLASSIC : 0,
                .err = conf->combine_output ? BD_STDERR_MERGE : BD_STDERR_GIVE,
                .marshal = conf->marshal_request ? marshal_new(x) : NULL,
            },
    };
    answer_init(&c->answer, &c->call, respond);
    return c;
}

static void classic_start(struct bd_exchange *x)
{
    const struct classic_conf *conf = x->conf;
    struct classic_call *c;

    if (!is_allowed(x->req.method)) {
        bd_reply(x, 405, NULL, 0, NULL, 0);
        return;
    }
    x->state = c = new_call(x);
    if (!fork_prepare(&c->call))
        return;
    bd_log("Forking fprocess.");
    if (conf->debug_headers)
        debug_headers(x, "in", x->req.field, x->req.fields);
    if (conf->write_debug)
        debug_target(x);
    fork_begin(&c->call);
}

static void classic_drain(struct bd_exchange *x)
{
    answer_drain(&((struct classic_call *)x->state)->answer);
}

static void classic_deadline(struct bd_exchange *x)
{
    struct classic_call *c = x->state;

    bd_log_at(BD_LEVEL_WARNING, "Killing process: %s", c->call.conf->fprocess);
    bd_log_at(BD_LEVEL_WARNING, "%s", x->reason);
    fork_abort(&c->call);
    answer_release(&c->answer);
    bd_reply_text(x, 408, "Killed process.\n");
}

static void classic_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct classic_call *c = x->state;
    const struct classic_conf *conf = x->conf;

    if (conf->write_debug && why == BD_ABORT_BODY)
        bd_log("Error=%s, ReadLen=%lld", x->reason, (long long)x->body_bytes);
    fork_abort(&c->call);
    answer_release(&c->answer);
}

static void classic_finish(struct bd_exchange *x)
{
    struct classic_call *c = x->state;

    if (c)
        release_stderr(c);
}

const struct bd_mode mode_classic = {
    .name = "classic",
    .summary = "a process for each request, its exit status decides about the answer",
    .family = BD_CLASSIC,
    .option = classic_options,
    .conf_bytes = sizeof(struct classic_conf),
    .init = classic_init,
    .check = classic_check,
    .start = classic_start,
    .body = fork_body,
    .body_end = fork_body_end,
    .drain = classic_drain,
    .deadline = classic_deadline,
    .abort = classic_abort,
    .finish = classic_finish,
};
