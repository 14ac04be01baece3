/*
 * child.h - a process that serves one call
 *
 * A child is an object of its own: it outlives the exchange that started it when it has to be
 * killed. It belongs to one worker and its callbacks come on that thread. Each child leads a
 * process group of its own, so that whatever it starts can be ended with it.
 */
#ifndef BANDOG_CHILD_H
#define BANDOG_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "flow.h"

struct bd_child;
struct bd_worker;

/* A command line, split and looked up in PATH. Made at start, then shared by all threads. */
struct bd_command {
    const char *line; /* as given */
    char *const *argv;
    const char *path;      /* what execve(2) gets; NULL when the program was not found */
    struct bd_error error; /* why not, in the words for a client: `exec: "x": executable ...` */
};

/*
 * Splits `line`: a JSON array of strings when it starts with '['; POSIX shell words (quotes and
 * backslashes, no expansion) when it holds ' or "; else at every single space, which gives empty
 * words for runs of them. 0, or -1 with a sentence when the line itself is bad (JSON, open quote).
 * A program that is not there is no failure: `path` is NULL and `error` says so. The result is
 * never freed.
 */
int bd_command_parse(struct bd_command *ret_command, const char *line, const char *search_path,
                     struct bd_error *err);

/* Looks for the program again, now. False when it is still missing; then `ret_path` is empty. */
bool bd_command_find(const struct bd_command *c, const char *search_path, char *ret_path,
                     size_t path_bytes, struct bd_error *err);

/* How a process ended. */
struct bd_exit {
    int status; /* exit status, or -1 when a signal ended it */
    int signal; /* 0 when it exited */
    bool core_dumped;
    struct {
        int64_t user_us, system_us; /* CPU time of the process and what it waited for */
        int64_t max_rss_bytes;
    } usage;
};

/* "exit status 3", "signal: killed", "signal: aborted (core dumped)"; returns `buf`. */
char *bd_exit_text(char buf[64], const struct bd_exit *e);

enum bd_stdout {
    BD_STDOUT_GIVE,  /* to the owner's output() */
    BD_STDOUT_LINES, /* log lines "stdout: ..." on our stdout */
};

enum bd_stderr {
    BD_STDERR_MERGE, /* the same pipe as stdout, so both interleave as written */
    BD_STDERR_LINES, /* log lines "stderr: ..." */
    BD_STDERR_GIVE,  /* to the owner's errput() */
};

struct bd_child_ops {
    /* What the process wrote. BD_WAIT: the bytes are kept until bd_child_resume(). */
    enum bd_flow (*output)(void *owner, const char *buf, size_t len);
    /* BD_STDERR_GIVE: must be done with the bytes on return. */
    void (*errput)(void *owner, const char *buf, size_t len);
    /*
     * After a bd_child_write() that said BD_WAIT: the bytes are yours again, write more. Comes as
     * well when they were dropped, and after bd_child_finish_input(); not when ended() comes first.
     */
    void (*drained)(void *owner);
    /*
     * The process has exited, and its output has ended or `output_grace_ns` is over (a descendant
     * may hold the pipe for ever; what is in the pipe by then is still given). The last call: the
     * child is gone when it returns, bytes it was lent are yours again. Never comes while output()
     * has said BD_WAIT and was not resumed.
     */
    void (*ended)(void *owner, const struct bd_exit *e);
};

struct bd_child_spec {
    const char *path;
    char *const *argv;
    char *const *envp; /* read during bd_child_start() only */
    enum bd_stdout out;
    enum bd_stderr err;
    int64_t output_grace_ns; /* see ended() */
    int64_t kill_grace_ns;   /* from SIGTERM to SIGKILL */
    size_t line_bytes;       /* BD_*_LINES: longer lines are cut in pieces of this size */
    bool prefix_lines;       /* BD_*_LINES: with date and label */
    bool ends_group;         /* whoever is left of its group when it has exited gets SIGKILL */
};

/*
 * Starts it. 0, or a negative UV_E code of pipe2(2), clone(2) or execve(2), nothing left behind.
 * No callback comes before it returns.
 */
int bd_child_start(struct bd_child **ret_child, struct bd_worker *w,
                   const struct bd_child_spec *spec, const struct bd_child_ops *ops, void *owner)
    __attribute__((warn_unused_result));

/* What a client is told of that error: "fork/exec PATH: argument list too long". */
void bd_child_error(struct bd_error *ret_error, const char *path, int err);

/*
 * Bytes for its stdin. BD_GO: taken. BD_WAIT: lent until drained(). A process that does not read or
 * is gone is no error: the bytes are dropped.
 */
enum bd_flow bd_child_write(struct bd_child *c, const char *buf, size_t len);

/* No more input: end of file on its stdin, once what was written has been taken. */
void bd_child_finish_input(struct bd_child *c);

/*
 * The owner is done with the bytes that output() kept. May call output() and ended() before it
 * returns. Called by output() itself it takes back the BD_WAIT that follows.
 */
void bd_child_resume(struct bd_child *c);

/*
 * The owner leaves: no callback comes any more, all lent bytes are the owner's again at once. The
 * group gets SIGTERM now and SIGKILL after kill_grace_ns; stdin is held open meanwhile, so that a
 * half-sent body never looks like a whole one. The child frees itself. Any callback of the child
 * may call it; in ended() it does nothing.
 */
void bd_child_kill(struct bd_child *c);

/* Asks the kernel: ended() may be on its way. */
bool bd_child_has_exited(const struct bd_child *c);

/*
 * It must end, and the owner stays to see that: the group gets SIGTERM now and SIGKILL after
 * kill_grace_ns, and ended() comes whatever output() keeps.
 */
void bd_child_end(struct bd_child *c);

/*
 * SIGKILL to every group this worker has started and not yet seen the end of. Owners that have not
 * left see it by ended().
 */
void bd_child_kill_all(struct bd_worker *w);

#endif
