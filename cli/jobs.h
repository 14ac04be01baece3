/*
 * jobs.h - commands of a container engine for several functions, some at a time
 */
#ifndef BANDOG_CLI_JOBS_H
#define BANDOG_CLI_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "texts.h"

struct job {
    const char *name;  /* of the function */
    const char *title; /* "Building hello", "Pushing hello [me/hello:latest]" */
    struct texts argv;
    const char *folder;       /* to run in; NULL: ours */
    struct pairs environment; /* over ours */
    const char *failure;      /* afterwards: what went wrong; NULL: nothing did */
};

struct jobs_options {
    size_t parallel;  /* at least 1 */
    bool quiet;       /* the lines of the commands are not printed */
    bool timed;       /* how long each took is */
    const char *verb; /* "build": for the messages */
};

/*
 * Runs them all, also after one has failed. Returns how many failed. After SIGINT, SIGTERM or
 * SIGHUP those that run get the same and no more are started: `*ret_signal` is its number, else 0.
 */
size_t jobs_run(struct bd_arena *a, struct job *job, size_t count, const struct jobs_options *o,
                int *ret_signal);

#endif
