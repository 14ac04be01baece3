/*
 * process.h - programs that are run and waited for
 */
#ifndef BANDOG_CLI_PROCESS_H
#define BANDOG_CLI_PROCESS_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "texts.h"

#define PROCESS_OUTPUT_MAX (1 << 20) /* what comes after that is dropped */

struct process {
    const char *const *argv; /* NULL-terminated; the program is looked up in PATH */
    const char *folder;      /* to run in; NULL: ours */
    struct bd_slice input;   /* its stdin */
    bool pass_errors;        /* its stderr is ours; else it is collected */
};

/* What it printed. A NUL stands behind each, blanks at its end are cut off. */
struct process_output {
    struct bd_slice out, err; /* err: empty with pass_errors */
};

/*
 * Runs it to its end. Returns its exit status, 128 plus the signal that ended it, or -1 with `err`
 * when it could not be started. `ret_output` may be NULL.
 */
int process_run(struct bd_arena *a, const struct process *p, struct process_output *ret_output,
                struct bd_error *err);

/* The absolute path of a program as a shell would find it: in PATH, or where it is when it has a
 * slash. NULL: not there. */
const char *process_find(struct bd_arena *a, const char *program);

#endif
