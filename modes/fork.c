/*
 * fork.c - see fork.h
 */
#include "fork.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "bandog/log.h"
#include "marshal.h"

/* A sentence about fprocess, whose text may hold anything. */
static int complain(const struct fork_conf *conf, struct bd_error *err, const char *what,
                    const char *why)
{
    char shown[204];

    return bd_fail(err, "fprocess=\"%s\" %s: %s",
                   bd_printable_text(shown, sizeof(shown), conf->fprocess), what, why);
}

static int read_map(struct fork_conf *conf, struct bd_error *err)
{
    struct bd_error why;
    char shown[204];

    if (!conf->exit_status_map || !exit_status_parse(conf->status_of, conf->exit_status_map, &why))
        return 0;
    return bd_fail(err, "exit_status_map=\"%s\": %s",
                   bd_printable_text(shown, sizeof(shown), conf->exit_status_map), why.text);
}

int fork_init(struct fork_conf *conf, unsigned environ_flags, struct bd_error *err)
{
    struct bd_error why;

    if (!conf->fprocess || !*conf->fprocess)
        return bd_fail(err, "fprocess (or function_process) is not set; it is the command to run "
                            "for each request, for example fprocess=cat");
    if (bd_command_parse(&conf->command, conf->fprocess, getenv("PATH"), &why))
        return complain(conf, err, "is no command", why.text);
    if (read_map(conf, err))
        return -1;
    environ_init(&conf->environ, environ, environ_flags);
    bd_duration_print(conf->exec_timeout, conf->exec_timeout_ns);
    return 0;
}

int fork_check(const struct fork_conf *conf, struct bd_error *err)
{
    if (conf->command.path)
        return 0;
    return complain(conf, err, "cannot be started", conf->command.error.text);
}

/* The clock */

static void clock_start(struct call *call)
{
    bd_set_deadline(call->x, call->conf->exec_timeout_ns, "exec_timeout", call->conf->exec_timeout);
}

static void clock_stop(struct call *call)
{
    bd_set_deadline(call->x, 0, NULL, NULL);
}

/* Input */

/* Encodes and writes until the process makes us wait or all lent bytes are through. */
static enum bd_flow write_marshalled(struct call *call)
{
    do {
        struct bd_slice text = marshal_take(call->marshal, &call->body);

        if (text.len > 0 && bd_child_write(call->child, text.p, text.len) == BD_WAIT)
            return BD_WAIT;
    } while (call->body.len > 0);
    return BD_GO;
}

static enum bd_flow write_body(struct call *call, const char *buf, size_t len)
{
    enum bd_flow flow;

    if (!call->child)
        return BD_GO; /* it has ended: nobody reads */
    if (call->marshal) {
        call->body = (struct bd_slice){buf, len};
        flow = write_marshalled(call);
    } else {
        flow = bd_child_write(call->child, buf, len);
    }
    /* From here on it is the process that takes its time, not the client. */
    if (flow == BD_WAIT && call->clock_waits_for_body)
        clock_start(call);
    call->body_lent = flow == BD_WAIT;
    return flow;
}

static void finish_input(struct call *call)
{
    call->input_over = true;
    if (call->clock_waits_for_body)
        clock_start(call);
    if (!call->child)
        return;
    if (call->marshal) {
        struct bd_slice end = marshal_end(call->marshal);

        (void)bd_child_write(call->child, end.p, end.len); /* stays where it is until taken */
    }
    bd_child_finish_input(call->child);
}

void fork_release_body(struct call *call)
{
    if (!call->body_lent)
        return;
    call->body_lent = false;
    bd_body_resume(call->x);
}

static void on_drained(void *owner)
{
    struct call *call = owner;

    if (call->input_over)
        return;
    if (call->marshal && call->body.len > 0 && write_marshalled(call) == BD_WAIT)
        return;
    if (call->clock_waits_for_body)
        clock_stop(call);
    fork_release_body(call);
}

/* Output and end */

static enum bd_flow on_output(void *owner, const char *buf, size_t len)
{
    struct call *call = owner;

    return call->ops->output(call, buf, len);
}

static void on_errput(void *owner, const char *buf, size_t len)
{
    struct call *call = owner;

    call->ops->errput(call, buf, len);
}

static void on_ended(void *owner, const struct bd_exit *e)
{
    struct call *call = owner;
    char text[64];
    const char *error = NULL;

    call->child = NULL;
    clock_stop(call);
    call->exit_status = e->status;
    if (e->status != 0)
        error = bd_arena_printf(&call->x->arena, "%s", bd_exit_text(text, e));
    call->ops->ended(call, error);
}

static const struct bd_child_ops child_ops = {
    .output = on_output,
    .errput = on_errput,
    .drained = on_drained,
    .ended = on_ended,
};

/* Start */

static void refuse(struct bd_exchange *x, int status)
{
    const char *text = status == 414 ? "URI too long for the environment of a process\n"
                                     : "header fields too large for the environment of a process\n";

    bd_reply_text(x, status, text);
}

/* The program's path: found at start, or, when it was missing then, perhaps here by now. */
static const char *find_program(struct call *call, struct bd_error *err)
{
    const struct bd_command *c = &call->conf->command;
    char *path;

    if (c->path)
        return c->path;
    path = bd_arena_alloc(&call->x->arena, PATH_MAX);
    return bd_command_find(c, getenv("PATH"), path, PATH_MAX, err) ? path : NULL;
}

static int start_process(struct call *call, struct bd_error *err)
{
    const struct fork_conf *conf = call->conf;
    const char *path = find_program(call, err);
    struct bd_child_spec spec = {
        .path = path,
        .argv = conf->command.argv,
        .envp = call->envp,
        .err = call->err,
        .output_grace_ns = conf->output_grace_ns,
        .kill_grace_ns = conf->kill_grace_ns,
        .line_bytes = call->line_bytes,
        .prefix_lines = call->prefix_lines,
    };
    int failed;

    if (!path)
        return -1;
    failed = bd_child_start(&call->child, call->x->worker, &spec, &child_ops, call);
    if (failed)
        bd_child_error(err, path, failed);
    return failed;
}

bool fork_prepare(struct call *call)
{
    switch (environ_build(&call->envp, &call->conf->environ, call->x, call->environ_flags)) {
    case ENVIRON_OK:
        return true;
    case ENVIRON_NUL:
        call->envp = NULL;
        return true;
    case ENVIRON_TARGET_TOO_LONG:
        refuse(call->x, 414);
        return false;
    case ENVIRON_FIELDS_TOO_LONG:
        refuse(call->x, 431);
        return false;
    }
    return false;
}

/* Returns false when there is no process, and then the exchange has been answered. */
static bool start(struct call *call)
{
    struct bd_error err;

    call->started = true;
    if (!call->envp)
        bd_fail(&err, "exec: environment variable contains NUL");
    else if (start_process(call, &err) == 0)
        return true;
    call->ops->not_started(call, bd_arena_printf(&call->x->arena, "%s", err.text));
    return false;
}

void fork_begin(struct call *call)
{
    bool whole = bd_body_complete(call->x);

    if (!call->clock_waits_for_body)
        clock_start(call);
    if (!whole && !call->start_at_once)
        return;
    if (start(call) && whole)
        finish_input(call);
}

enum bd_flow fork_body(struct bd_exchange *x, const char *buf, size_t len)
{
    struct call *call = x->state;

    if (call->without_input)
        return BD_GO;
    if (!call->started && !start(call))
        return BD_GO;
    return write_body(call, buf, len);
}

void fork_body_end(struct bd_exchange *x)
{
    struct call *call = x->state;

    if (call->without_input)
        return;
    /* A chunked body may turn out to be empty. */
    if (!call->started && !start(call))
        return;
    finish_input(call);
}

void fork_again(struct call *call)
{
    int64_t ns = call->conf->exec_timeout_ns;

    if (ns > 0) {
        int64_t left = ns - (bd_now_ns() - call->x->began_ns);

        bd_set_deadline(call->x, left > 0 ? left : 1, "exec_timeout", call->conf->exec_timeout);
    }
    call->without_input = call->input_over = true;
    if (!start(call))
        return;
    bd_child_finish_input(call->child);
    fork_release_body(call);
}

int fork_mapped_status(const struct call *call)
{
    return call->exit_status > 0 ? call->conf->status_of[call->exit_status] : 0;
}

void fork_abort(struct call *call)
{
    if (call->child)
        bd_child_kill(call->child);
    call->child = NULL;
}
