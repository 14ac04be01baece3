/*
 * process.h - a process with pipes: its start, signals to it, its end
 *
 * Knows no loop; who waits how is child.c's. A process keeps its number until process_reap() has
 * seen its end, so that signals reach it or nobody.
 */
#ifndef WATCHDOG_PROC_PROCESS_H
#define WATCHDOG_PROC_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "bandog/child.h"

struct process {
    pid_t pid;    /* also its group */
    int stdio[3]; /* our ends of its pipes, non-blocking; stdio[2] is -1 when it is merged */
};

/* The descriptors become the caller's. 0, or a UV_E code with nothing left behind. */
int process_start(struct process *ret_process, const struct bd_child_spec *spec)
    __attribute__((warn_unused_result));

/* Readable once the process has exited; the caller's. -1: this kernel has none (before 5.3). */
int process_open_pidfd(pid_t pid);

/* To the whole group. */
void process_signal(pid_t pid, int sig);

/* Asks only. */
bool process_has_exited(pid_t pid);

/* Forgets the process and tells how it ended; false when it still runs. */
bool process_reap(pid_t pid, struct bd_exit *ret_exit);

#endif
