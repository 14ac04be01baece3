/*
 * guard.c - see guard.h
 */
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "parent.h"

#define TERM_S 2 /* from SIGTERM to SIGKILL */

bool guard_is_meant(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[0], GUARD_ARGV0) == 0;
}

static void run(const char *command, const sigset_t *mask)
{
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    fprintf(stderr, "cannot run /bin/sh: %s\n", strerror(errno));
    _exit(127);
}

/* Waits for the command's end. What it leaves running stays, unless it was told to end. */
static int watch(pid_t pid, const sigset_t *set)
{
    struct timespec patience = {.tv_sec = TERM_S};
    bool ending = false;
    int status;

    while (waitpid(pid, &status, WNOHANG) != pid) {
        int number = ending ? sigtimedwait(set, NULL, &patience) : sigwaitinfo(set, NULL);

        if (number == SIGCHLD || (number < 0 && errno == EINTR)) /* stopped, and continued */
            continue;
        if (number > 0 || errno == EAGAIN)
            kill(-pid, ending ? SIGKILL : SIGTERM);
        ending = true;
    }
    if (ending)
        kill(-pid, SIGKILL); /* what it has left running */
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int guard_become(char **argv)
{
    sigset_t set, before;
    pid_t pid;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &before);
    if (parent_is_gone(argv[2]))
        return 1;
    pid = fork();
    if (pid < 0) {
        fprintf(stderr, "cannot fork: %s\n", strerror(errno));
        return 127;
    }
    if (pid == 0)
        run(argv[1], &before);
    setpgid(pid, pid); /* whoever of the two is first */
    return watch(pid, &set);
}
