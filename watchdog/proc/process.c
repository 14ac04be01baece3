/*
 * process.c - see process.h
 */
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn.h"

static void close_three(const int fd[3])
{
    for (int i = 0; i < 3; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

/* O_NONBLOCK belongs to an end of a pipe, not to both: theirs stay as processes expect them. */
static int open_pipes(int ours[3], int theirs[3], int n)
{
    for (int i = 0; i < n; i++) {
        int end = i == 0 ? 1 : 0, fd[2];

        if (pipe2(fd, O_CLOEXEC) < 0)
            return -errno;
        fcntl(fd[end], F_SETFL, O_NONBLOCK);
        ours[i] = fd[end];
        theirs[i] = fd[!end];
    }
    return 0;
}

int process_start(struct process *ret_process, const struct bd_child_spec *spec)
{
    struct process p = {.stdio = {-1, -1, -1}};
    int theirs[3] = {-1, -1, -1}, pipes = spec->err == BD_STDERR_MERGE ? 2 : 3, err;

    err = open_pipes(p.stdio, theirs, pipes);
    if (!err)
        err = spawn_process(&(struct spawn){.path = spec->path,
                                            .argv = spec->argv,
                                            .envp = spec->envp,
                                            .stdio = {theirs[0], theirs[1], theirs[pipes - 1]}},
                            &p.pid);
    close_three(theirs);
    if (err)
        close_three(p.stdio);
    else
        *ret_process = p;
    return err;
}

int process_open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/*
 * SIGKILL goes to the process as well: it may have moved to another group, and it is the one that
 * must not survive.
 */
void process_signal(pid_t pid, int sig)
{
    if (kill(-pid, sig) == 0 && sig != SIGKILL)
        return;
    kill(pid, sig);
}

/* The system call, because libc's wrapper leaves out the resource usage. */
static bool wait_now(pid_t pid, int options, siginfo_t *ret_info, struct rusage *ret_usage)
{
    long err;

    ret_info->si_pid = 0;
    err = syscall(SYS_waitid, P_PID, pid, ret_info, WEXITED | WNOHANG | options, ret_usage);
    assert(err == 0); /* somebody else reaped it, or SIGCHLD is ignored */
    (void)err;
    return ret_info->si_pid == pid;
}

bool process_has_exited(pid_t pid)
{
    siginfo_t info;

    return wait_now(pid, WNOWAIT, &info, NULL);
}

static int64_t in_us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

bool process_reap(pid_t pid, struct bd_exit *ret_exit)
{
    struct rusage usage;
    siginfo_t info;
    bool exited;

    if (!wait_now(pid, 0, &info, &usage))
        return false;
    exited = info.si_code == CLD_EXITED;
    *ret_exit = (struct bd_exit){
        .status = exited ? info.si_status : -1,
        .signal = exited ? 0 : info.si_status,
        .core_dumped = info.si_code == CLD_DUMPED,
        .usage = {.user_us = in_us(usage.ru_utime),
                  .system_us = in_us(usage.ru_stime),
                  .max_rss_bytes = (int64_t)usage.ru_maxrss * 1024},
    };
    return true;
}
