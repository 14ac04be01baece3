/*
 * spawn.c - see spawn.h
 *
 * clone(2) with CLONE_VM and CLONE_VFORK is what posix_spawn(3) does; it is called here because
 * that one waits for a lock shared by all threads, opens a pipe more, and cannot give back the
 * limit of open files.
 */
#include "spawn.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES 16384 /* also enough for a dynamic linker that binds lazily */

#if defined(__clang__)
#define UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define UNINSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))
#endif

/*
 * ThreadSanitizer's clone() takes every new process for a copy of the memory and releases its own
 * locks in it, which are ours. It does not know glibc's other name of the call.
 */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
int __clone(int (*run)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/* What processes get back. */
static struct {
    bool known;
    sigset_t signals;
    uint64_t files[2]; /* soft and hard limit, as prlimit64(2) has them */
} original;

static struct spawn_confinement confinement;

/* The two sides share one; the new process writes `error` only. */
struct birth {
    const struct spawn *spawn;
    volatile int error; /* errno of what failed before or in execve(2) */
};

void spawn_init(void)
{
    sigprocmask(SIG_SETMASK, NULL, &original.signals);
    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, original.files);
    original.known = true;
}

void spawn_confine(const struct spawn_confinement *c)
{
    confinement = *c;
}

/* In the new process, like run(). Limits first: a user may not be allowed to raise them. */
UNINSTRUMENTED static bool confine(const struct spawn_confinement *c)
{
    for (size_t i = 0; i < c->limits; i++) {
        uint64_t both[2] = {c->limit[i].most, c->limit[i].most};

        if (syscall(SYS_prlimit64, 0, c->limit[i].resource, both, NULL) < 0)
            return false;
    }
    if (c->changes_user && (syscall(SYS_setgroups, c->groups, c->group) < 0 ||
                            syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0 ||
                            syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0))
        return false;
    return syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/*
 * Runs in the new process, on our memory. Plain system calls: a sanitizer's wrappers, and code it
 * has instrumented, would note in our memory what happens to another process.
 */
UNINSTRUMENTED static int run(void *arg)
{
    struct birth *b = arg;
    const struct spawn *s = b->spawn;

    if (syscall(SYS_setpgid, 0, 0) < 0)
        goto fail;
    for (int fd = 0; fd < 3; fd++)
        if (syscall(SYS_dup3, s->stdio[fd], fd, 0) < 0)
            goto fail;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, original.files, NULL) < 0)
        goto fail;
    if (!confine(&confinement))
        goto fail;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &original.signals, NULL, _NSIG / 8) < 0)
        goto fail;
    syscall(SYS_execve, s->path, s->argv, s->envp);
fail:
    b->error = errno;
    syscall(SYS_exit_group, 127);
    __builtin_unreachable();
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int spawn_process(const struct spawn *s, pid_t *ret_pid)
{
    struct birth birth = {.spawn = s};
    char stack[STACK_BYTES] __attribute__((aligned(16)));
    pid_t pid;

    assert(original.known);
    /* So that it can open /dev/stdin and its like. */
    for (int fd = 0; fd < 3 && confinement.changes_user; fd++)
        if (fchown(s->stdio[fd], confinement.uid, confinement.gid) < 0)
            return -errno;
    for (int fd = 0; fd < 3; fd++)
        assert(s->stdio[fd] > 2);
    pid = clone(run, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
    if (pid < 0)
        return -errno;
    if (birth.error) {
        reap(pid);
        return -birth.error;
    }
    *ret_pid = pid;
    return 0;
}
