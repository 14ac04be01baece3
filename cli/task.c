/*
 * task.c - see task.h
 *
 * A task is over when it has exited and its output has ended. What it leaves running in the
 * background may hold the output open for ever, so that is waited for only a moment.
 */
#include "task.h"

#include <stdio.h>
#include <stdlib.h>

#include "output.h"

#define OUTPUT_GRACE_MS 250

struct task {
    struct task_plan plan;
    uv_process_t process;
    struct output out, err;
    uv_timer_t grace;
    int outputs;                  /* open */
    int open;                     /* handles that are not closed yet */
    bool is_exited;               /* or was never started */
    char reason[TASK_REASON_MAX]; /* "": well */
};

static void handle_closed(struct task *t)
{
    if (--t->open > 0)
        return;
    t->plan.on_ended(t, *t->reason ? t->reason : NULL);
    free(t);
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void stop_waiting(struct task *t)
{
    if (!uv_is_closing((uv_handle_t *)&t->grace))
        uv_close((uv_handle_t *)&t->grace, on_handle_closed);
    output_close(&t->out);
    output_close(&t->err);
}

static void on_output_closed(struct output *o)
{
    struct task *t = o->data;

    if (--t->outputs == 0 && t->is_exited)
        stop_waiting(t);
    handle_closed(t);
}

static void on_grace(uv_timer_t *timer)
{
    if (output_is_held()) /* the moment is for reading */
        uv_timer_start(timer, on_grace, OUTPUT_GRACE_MS, 0);
    else
        stop_waiting(timer->data);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal_number)
{
    struct task *t = process->data;

    if (signal_number)
        snprintf(t->reason, sizeof(t->reason), "signal %d", signal_number);
    else if (status)
        snprintf(t->reason, sizeof(t->reason), "exit status %d", (int)status);
    t->is_exited = true;
    uv_close((uv_handle_t *)process, on_handle_closed);
    if (t->outputs == 0)
        stop_waiting(t);
    else
        uv_timer_start(&t->grace, on_grace, OUTPUT_GRACE_MS, 0);
}

static void on_line(struct output *o, struct bd_slice line)
{
    struct task *t = o->data;

    t->plan.on_line(t, o == &t->err, line);
}

static int spawn(struct task *t, uv_loop_t *loop)
{
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE}, [3] = {.flags = UV_INHERIT_FD, .data.fd = t->plan.descriptor}};
    uv_process_options_t options = {
        .exit_cb = on_exit_status,
        .file = t->plan.file,
        .args = t->plan.argv,
        .env = t->plan.environment,
        .cwd = t->plan.folder,
        .flags = t->plan.own_session ? UV_PROCESS_DETACHED : 0,
        .stdio_count = t->plan.descriptor ? 4 : 3,
        .stdio = stdio,
    };

    t->out = (struct output){.on_line = on_line, .on_closed = on_output_closed, .data = t};
    t->err = t->out;
    if (output_init(&t->out, loop, &stdio[1]) || output_init(&t->err, loop, &stdio[2]))
        abort(); /* it only fills in a structure */
    return uv_spawn(loop, &t->process, &options);
}

struct task *task_start(uv_loop_t *loop, const struct task_plan *plan)
{
    struct task *t = calloc(1, sizeof(*t));
    int err;

    if (!t)
        abort();
    t->plan = *plan;
    t->outputs = 2;
    t->open = 4;
    t->process.data = t->grace.data = t;
    uv_timer_init(loop, &t->grace);
    err = spawn(t, loop);
    if (err) { /* the handles are there all the same, and have to be closed */
        snprintf(t->reason, sizeof(t->reason), "cannot run %s: %s", plan->file, uv_strerror(err));
        t->is_exited = true;
        uv_close((uv_handle_t *)&t->process, on_handle_closed);
        stop_waiting(t);
    } else {
        output_start(&t->out);
        output_start(&t->err);
    }
    t->plan.environment = NULL;
    return t;
}

void *task_data(const struct task *t)
{
    return t->plan.data;
}

void task_kill(struct task *t, int number)
{
    if (!t->is_exited)
        uv_process_kill(&t->process, number);
}
