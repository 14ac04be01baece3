/*
 * init.c - see init.h
 *
 * All signals stay blocked and are taken one by one. The kernel drops signals to process 1 that it
 * would not survive, but not while they are blocked.
 */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_code(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

/* Everyone who has ended. One SIGCHLD may stand for many. */
static void reap_all(pid_t program)
{
    siginfo_t info = {.si_pid = 0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
        if (info.si_pid == program)
            _exit(exit_code(&info));
        info.si_pid = 0;
    }
}

/* What comes from a terminal goes to its whole foreground group: the program has it already. */
static bool from_terminal(const siginfo_t *info)
{
    return info->si_code == SI_KERNEL;
}

static _Noreturn void serve(pid_t program)
{
    sigset_t all;
    siginfo_t info;

    sigfillset(&all);
    for (;;) {
        if (sigwaitinfo(&all, &info) < 0)
            continue; /* EINTR: stopped and continued */
        if (info.si_signo == SIGCHLD)
            reap_all(program);
        else if (!from_terminal(&info))
            kill(program, info.si_signo);
    }
}

int init_fork(void)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid > 0)
        serve(pid);
    return 0;
}
