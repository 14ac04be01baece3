/*
 * outcome.c - how a process ended or why it did not start, in the words of Go's os/exec
 *
 * libc's strerror(3) and strsignal(3) differ between libraries and follow the locale; users and
 * their tests have seen these texts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "bandog/child.h"

static const char *const signal_name[] = {
    [SIGHUP] = "hangup",
    [SIGINT] = "interrupt",
    [SIGQUIT] = "quit",
    [SIGILL] = "illegal instruction",
    [SIGTRAP] = "trace/breakpoint trap",
    [SIGABRT] = "aborted",
    [SIGBUS] = "bus error",
    [SIGFPE] = "floating point exception",
    [SIGKILL] = "killed",
    [SIGUSR1] = "user defined signal 1",
    [SIGSEGV] = "segmentation fault",
    [SIGUSR2] = "user defined signal 2",
    [SIGPIPE] = "broken pipe",
    [SIGALRM] = "alarm clock",
    [SIGTERM] = "terminated",
#ifdef SIGSTKFLT
    [SIGSTKFLT] = "stack fault",
#endif
    [SIGCHLD] = "child exited",
    [SIGCONT] = "continued",
    [SIGSTOP] = "stopped (signal)",
    [SIGTSTP] = "stopped",
    [SIGTTIN] = "stopped (tty input)",
    [SIGTTOU] = "stopped (tty output)",
    [SIGURG] = "urgent I/O condition",
    [SIGXCPU] = "CPU time limit exceeded",
    [SIGXFSZ] = "file size limit exceeded",
    [SIGVTALRM] = "virtual timer expired",
    [SIGPROF] = "profiling timer expired",
    [SIGWINCH] = "window changed",
    [SIGIO] = "I/O possible",
    [SIGPWR] = "power failure",
    [SIGSYS] = "bad system call",
};

/* What pipe2(2), clone(2) and execve(2) may say. */
static const char *const error_name[] = {
    [EPERM] = "operation not permitted",
    [ENOENT] = "no such file or directory",
    [EIO] = "input/output error",
    [E2BIG] = "argument list too long",
    [ENOEXEC] = "exec format error",
    [EAGAIN] = "resource temporarily unavailable",
    [ENOMEM] = "cannot allocate memory",
    [EACCES] = "permission denied",
    [EFAULT] = "bad address",
    [ENOTDIR] = "not a directory",
    [EISDIR] = "is a directory",
    [EINVAL] = "invalid argument",
    [ENFILE] = "too many open files in system",
    [EMFILE] = "too many open files",
    [ETXTBSY] = "text file busy",
    [ENOSPC] = "no space left on device",
    [ENAMETOOLONG] = "file name too long",
    [ELOOP] = "too many levels of symbolic links",
    [ELIBBAD] = "accessing a corrupted shared library",
};

#define NAME_OF(table, n) ((size_t)(n) < sizeof(table) / sizeof(*(table)) ? (table)[n] : NULL)

char *bd_exit_text(char buf[64], const struct bd_exit *e)
{
    const char *name = NAME_OF(signal_name, e->signal);
    const char *core = e->core_dumped ? " (core dumped)" : "";

    if (e->signal == 0)
        snprintf(buf, 64, "exit status %d", e->status);
    else if (name)
        snprintf(buf, 64, "signal: %s%s", name, core);
    else
        snprintf(buf, 64, "signal: signal %d%s", e->signal, core);
    return buf;
}

void bd_child_error(struct bd_error *ret_error, const char *path, int err)
{
    const char *name = NAME_OF(error_name, -err);

    if (name)
        bd_fail(ret_error, "fork/exec %s: %s", path, name);
    else
        bd_fail(ret_error, "fork/exec %s: errno %d", path, -err);
}
