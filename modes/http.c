/*
 * http.c - mode=http: the function is a long-lived process with an HTTP server of its own
 *
 * Its settings, what each worker has for it, and its lines in the log; relay.c is what happens to a
 * request.
 */
#include <stddef.h>
#include <stdlib.h>

#include "bandog/log.h"
#include "modes_list.h"
#include "relay.h"

#define IDLE_NS (30 * BD_NS_PER_S) /* an unused link is kept so long */
#define IDLE_MAX 256               /* links kept for each worker */

static const char *const restart_words[] = {"never", "on-failure", "always", NULL};

/* clang-format off */
static const struct bd_option http_options[] = {
    {.name = "fprocess", .also = "function_process", .type = BD_TEXT, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, fprocess), .unit = "command",
     .help = "the program to run for each request and its arguments"},
    {.name = "upstream_url", .also = "http_upstream_url", .type = BD_TEXT, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, url), .unit = "URL",
     .help = "http: where the function listens, http://127.0.0.1:5000 or http+unix:///run/fn.sock"},
    {.name = "exec_timeout", .type = BD_DURATION, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, exec_timeout_ns), .initial = "30s",
     .help = "a call is ended after this time, 0: never"},
    {.name = "buffer_http", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, buffer_http), .initial = "false",
     .help = "http: read a whole body first, then send it with its length"},
    {.name = "http_buffer_req_body", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, http_buffer_req_body), .initial = "false",
     .help = "the same as buffer_http"},
    {.name = "restart", .type = BD_WORD, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, restart), .initial = "never", .words = restart_words,
     .help = "http: whether a function that has ended is started again"},
    LINES_OPTIONS(struct http_conf),
    {.name = "stop_grace", .type = BD_DURATION, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct http_conf, stop_grace_ns), .initial = "5s",
     .help = "http: time from SIGTERM to SIGKILL for the function"},
    {.name = NULL},
};
/* clang-format on */

/* Settings */

static int read_command(struct http_conf *c, struct bd_error *err)
{
    struct bd_command *command = &c->function.command;
    struct bd_error why;
    char shown[204];

    if (!c->fprocess || !*c->fprocess)
        return bd_fail(err, "fprocess (or function_process) is not set; it is the command that "
                            "starts the function, for example fprocess=\"node index.js\"");
    bd_printable_text(shown, sizeof(shown), c->fprocess);
    if (bd_command_parse(command, c->fprocess, getenv("PATH"), &why))
        return bd_fail(err, "fprocess=\"%s\" is no command: %s", shown, why.text);
    if (!command->path)
        return bd_fail(err, "fprocess=\"%s\" cannot be started: %s", shown, command->error.text);
    return 0;
}

static int read_url(struct http_conf *c, struct bd_error *err)
{
    struct bd_error why;
    char shown[204];

    if (!c->url || !*c->url)
        return bd_fail(err, "http_upstream_url (or upstream_url) is not set; with mode=http it "
                            "says where the function listens, for example http://127.0.0.1:5000");
    if (bd_upstream_parse(&c->upstream, c->url, &why))
        return bd_fail(err, "http_upstream_url=\"%s\" %s",
                       bd_printable_text(shown, sizeof(shown), c->url), why.text);
    return 0;
}

static int http_init(void *conf, struct bd_error *err)
{
    struct http_conf *c = conf;

    if (read_command(c, err) || read_url(c, err))
        return -1;
    c->shared = calloc(1, sizeof(*c->shared));
    if (!c->shared)
        abort();
    c->function.upstream = &c->upstream;
    c->function.restart = (enum bd_restart)c->restart;
    c->function.prefix_lines = c->lines.prefix_logs;
    c->function.line_bytes = lines_bytes(&c->lines);
    c->function.kill_grace_ns = c->stop_grace_ns;
    bd_duration_print(c->exec_timeout, c->exec_timeout_ns);
    return 0;
}

static struct bd_function *http_function(void *conf)
{
    return &((struct http_conf *)conf)->function;
}

/* Workers */

/* Where it is started again, its end may be seen here before it is known. */
static bool is_starting(void *arg)
{
    const struct bd_function *f = arg;
    enum bd_presence presence = bd_function_presence(f);

    return presence == BD_FUNCTION_STARTING ||
           (presence == BD_FUNCTION_UP && f->restart != BD_RESTART_NEVER);
}

static int http_worker_start(struct bd_worker *w, const void *conf)
{
    const struct http_conf *c = conf;
    const struct bd_pool_conf pool = {
        .upstream = &c->upstream,
        .idle_ns = IDLE_NS,
        .idle_max = IDLE_MAX,
        .starting = is_starting,
        .arg = (void *)&c->function,
        .shared = c->shared,
    };

    bd_worker_set_data(w, bd_pool_open(w, &pool));
    return 0;
}

static void http_worker_stop(struct bd_worker *w)
{
    bd_pool_close(bd_worker_data(w));
}

/* Log */

static const char *capitalised(struct bd_exchange *x, struct bd_slice method)
{
    char *name = bd_arena_copy(&x->arena, method);

    for (size_t i = 0; i < method.len; i++)
        name[i] = i == 0 ? bd_ascii_upper(name[i]) : bd_ascii_lower(name[i]);
    return name;
}

static void log_problem(struct relay *r)
{
    struct bd_exchange *x = r->x;
    struct bd_slice target;

    if (r->broke)
        bd_log_at(BD_LEVEL_ERROR, "Error copying response body: %s", r->broke);
    if (!r->error)
        return;
    target = bd_printable(&x->arena, forward_target(x));
    bd_log_at(BD_LEVEL_ERROR, "Upstream HTTP request error: %s \"%s%.*s\": %s",
              capitalised(x, x->req.method), r->conf->upstream.url, BD_ARG(target), r->error);
    if (r->timed_out)
        bd_log_at(BD_LEVEL_ERROR, "Upstream HTTP killed due to exec_timeout: %s", r->value);
}

static void http_finish(struct bd_exchange *x)
{
    struct relay *r = x->state;
    struct bd_log_call call = {
        .agent = r->forward.agent,
        .what = r->forward.streams ? "Bytes" : "ContentLength",
        .bytes = x->sent_bytes,
    };
    int64_t at_ns = 0;

    log_problem(r);
    if (!r->forward.streams) {
        call.with_reason = x->status != 499;
        if (r->head_ns && !r->error && x->status != 499) {
            call.reason = r->reason;
            call.bytes = r->declared;
            at_ns = r->head_ns;
        }
    }
    call.ns = (at_ns ? at_ns : bd_now_ns()) - x->began_ns;
    bd_log_call(x, &call);
}

const struct bd_mode mode_http = {
    .name = "http",
    .summary = "a long-lived process with an HTTP server of its own, requests are passed on to it",
    .family = BD_OTHERS,
    .option = http_options,
    .conf_bytes = sizeof(struct http_conf),
    .init = http_init,
    .function = http_function,
    .worker_start = http_worker_start,
    .worker_stop = http_worker_stop,
    .expects = true,
    .start = relay_start,
    .body = relay_body,
    .body_end = relay_body_end,
    .drain = relay_drain,
    .deadline = relay_deadline,
    .abort = relay_abort,
    .finish = http_finish,
};
