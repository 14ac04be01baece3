/*
 * spawn.h - a new process, as cheap as the kernel makes it
 *
 * The process shares our memory until execve(2) and the calling thread sleeps meanwhile, so nothing
 * is copied and the error of a failed execve(2) is at hand at once. Any thread.
 *
 * All signals are expected to be blocked in every thread: the new process could not run a handler.
 */
#ifndef WATCHDOG_PROC_SPAWN_H
#define WATCHDOG_PROC_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn {
    const char *path;
    char *const *argv;
    char *const *envp;
    int stdio[3]; /* become 0, 1 and 2; none of them is 0, 1 or 2 itself; still the caller's */
};

#define SPAWN_LIMITS_MAX 4
#define SPAWN_GROUPS_MAX 64

/* What every process is confined to, besides that it cannot gain privileges by execve(2). */
struct spawn_confinement {
    struct {
        int resource; /* RLIMIT_* */
        uint64_t most;
    } limit[SPAWN_LIMITS_MAX];
    size_t limits;
    bool changes_user; /* to these: */
    uid_t uid;
    gid_t gid;
    gid_t group[SPAWN_GROUPS_MAX]; /* supplementary ones */
    size_t groups;
};

/* Once, before the threads. */
void spawn_confine(const struct spawn_confinement *c);

/*
 * Once, first thing in main(): remembers the signal mask and the limit of open files, which every
 * process gets back whatever we do to ours.
 */
void spawn_init(void);

/*
 * The process leads a group of its own and inherits no other descriptor that is close-on-exec.
 * 0, or a negative UV_E code of clone(2) or execve(2), with nothing left behind.
 */
int spawn_process(const struct spawn *s, pid_t *ret_pid) __attribute__((warn_unused_result));

#endif
