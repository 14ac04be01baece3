/*
 * task.h - a program that runs while the loop goes on: its lines, and how it ended
 */
#ifndef BANDOG_CLI_TASK_H
#define BANDOG_CLI_TASK_H

#include <stdbool.h>
#include <uv.h>

#include "bandog/slice.h"

#define TASK_REASON_MAX 128

struct task;

struct task_plan {
    const char *file; /* looked up in PATH when it has no slash */
    char **argv;
    char **environment; /* NULL: ours */
    const char *folder; /* NULL: ours */
    bool own_session;   /* the terminal's Ctrl-C does not reach it */
    int descriptor;     /* of ours, its 3; 0: none */
    void (*on_line)(struct task *t, bool is_error, struct bd_slice line);
    /* The last word; `reason` says how it ended, "exit status 1", and is NULL when that was 0. */
    void (*on_ended)(struct task *t, const char *reason);
    void *data; /* of the owner */
};

/*
 * Never NULL, and on_ended always comes, never from inside this call: also when it could not be
 * started. What the plan points to is used in this call only.
 */
struct task *task_start(uv_loop_t *loop, const struct task_plan *plan);

void *task_data(const struct task *t);

/* Harmless when it has already ended. */
void task_kill(struct task *t, int number);

#endif
