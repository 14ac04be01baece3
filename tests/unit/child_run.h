/*
 * child_run.h - real processes on a real worker, for the tests of children
 *
 * A run is one child, told what to do by its callbacks. After each run the loop has become empty by
 * itself and no descriptor is left. Orphans come to the test, which can see how they end.
 */
#ifndef TESTS_CHILD_RUN_H
#define TESTS_CHILD_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bandog/log.h"
#include "watchdog/proc/spawn.h"

/* child.c and what it logs and starts by are compiled in, so that a test can look inside. */
static void test_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf,
                          size_t len);
static int test_pidfd(pid_t pid);

#define bd_log_line test_log_line
#include "watchdog/proc/lines.c"
#include "watchdog/proc/process.c"
#define process_open_pidfd test_pidfd
#include "watchdog/proc/child.c"
#undef process_open_pidfd

#define MS INT64_C(1000000)
#define LONG (60000 * MS) /* never reached */

/* The kernels to play. */
static enum { PIDFD_POLLS, PIDFD_CANNOT_POLL, PIDFD_MISSING } kernel;

static int test_pidfd(pid_t pid)
{
    switch (kernel) {
    case PIDFD_POLLS:
        return process_open_pidfd(pid);
    case PIDFD_CANNOT_POLL:
        return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    case PIDFD_MISSING:
        break;
    }
    return -1;
}

struct text {
    char *bytes;
    size_t len;
};

static void add(struct text *t, const char *buf, size_t len)
{
    t->bytes = realloc(t->bytes, t->len + len + 1);
    assert(t->bytes);
    memcpy(t->bytes + t->len, buf, len);
    t->len += len;
    t->bytes[t->len] = '\0';
}

static bool has(const struct text *t, const char *part)
{
    return t->bytes && strstr(t->bytes, part);
}

struct run {
    /* What to do; absent members do nothing, `output` says BD_GO. */
    const char *script;
    enum bd_stdout out_as;
    enum bd_stderr err;
    bool ends_group;
    int64_t output_grace_ns, kill_grace_ns; /* 0: LONG */
    void (*started)(struct run *r);
    enum bd_flow (*output)(struct run *r, size_t len);
    void (*errput)(struct run *r);
    void (*drained)(struct run *r);
    void (*ended)(struct run *r);
    void (*expired)(struct run *r);

    struct bd_worker *worker;
    struct bd_child *child; /* NULL: not there, or left */
    struct bd_deadline timer;
    const char *input; /* for feed(): what is not written yet */
    size_t input_len;

    /* What has happened. */
    int error;
    struct text out, errs;
    unsigned outputs, drains, ends;
    struct bd_exit exit;
};

/* Lines of the one run under way. */
static struct text logged;

static void test_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf,
                          size_t len)
{
    assert(stamp && strcmp(label, to == BD_LOG_STDERR ? "stderr" : "stdout") == 0);
    if (to == BD_LOG_STDOUT)
        add(&logged, "stdout: ", 8);
    add(&logged, buf, len);
    add(&logged, "|", 1);
}

static enum bd_flow on_output(void *owner, const char *buf, size_t len)
{
    struct run *r = owner;

    assert(r->ends == 0 && r->child);
    r->outputs++;
    add(&r->out, buf, len);
    return r->output ? r->output(r, len) : BD_GO;
}

static void on_errput(void *owner, const char *buf, size_t len)
{
    struct run *r = owner;

    assert(r->ends == 0 && r->child);
    add(&r->errs, buf, len);
    if (r->errput)
        r->errput(r);
}

static void on_drained(void *owner)
{
    struct run *r = owner;

    assert(r->ends == 0 && r->child);
    r->drains++;
    if (r->drained)
        r->drained(r);
}

static void on_ended(void *owner, const struct bd_exit *e)
{
    struct run *r = owner;

    assert(r->ends == 0 && r->child);
    r->ends++;
    r->exit = *e;
    bd_deadline_stop(&r->timer);
    if (r->ended)
        r->ended(r);
    r->child = NULL;
}

static const struct bd_child_ops ops = {
    .output = on_output, .errput = on_errput, .drained = on_drained, .ended = on_ended};

static void on_expired(struct bd_deadline *d)
{
    struct run *r = BD_CONTAINER(d, struct run, timer);

    r->expired(r);
}

static void later(struct run *r, int64_t ns, void (*expired)(struct run *r))
{
    r->expired = expired;
    bd_deadline_start(r->worker, &r->timer, ns, on_expired);
}

static void leave(struct run *r)
{
    struct bd_child *c = r->child;

    r->child = NULL;
    bd_deadline_stop(&r->timer);
    bd_child_kill(c);
}

static int begin(struct run *r, struct bd_worker *w)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)r->script, NULL};
    char *envp[] = {(char *)"PATH=/usr/bin:/bin", (char *)"COLOUR=blue", NULL};
    struct bd_child_spec spec = {.path = "/bin/sh",
                                 .argv = argv,
                                 .envp = envp,
                                 .out = r->out_as,
                                 .err = r->err,
                                 .ends_group = r->ends_group,
                                 .output_grace_ns = r->output_grace_ns ? r->output_grace_ns : LONG,
                                 .kill_grace_ns = r->kill_grace_ns ? r->kill_grace_ns : LONG,
                                 .line_bytes = 100,
                                 .prefix_lines = true};

    r->worker = w;
    r->error = bd_child_start(&r->child, w, &spec, &ops, r);
    if (!r->error && r->started)
        r->started(r);
    return r->error;
}

/* Several runs at a time; `script` NULL ends the list. */
static int on_start(struct bd_worker *w, void *arg)
{
    for (struct run *r = arg; r->script; r++) {
        int err = begin(r, w);

        assert(err == 0);
    }
    worker_close_mail(w);
    return 0;
}

static void on_end(struct bd_worker *w, void *arg)
{
    children_release(w);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void work(int (*start)(struct bd_worker *w, void *arg), void *arg)
{
    int before = open_descriptors();
    struct worker_hooks hooks = {.start = start, .end = on_end, .arg = arg};
    struct bd_worker *w;

    free(logged.bytes);
    logged = (struct text){NULL, 0};
    assert_int_equal(worker_open(&w, &hooks), 0);
    worker_join(w); /* asserts that the loop is empty */
    assert_int_equal(open_descriptors(), before);
}

/* Whatever the killed have left to us. */
static void reap_orphans(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void no_children_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void check_and_clear(struct run *r)
{
    assert_int_equal(r->error, 0);
    assert_null(r->child);
    free(r->out.bytes);
    free(r->errs.bytes);
    r->out = r->errs = (struct text){NULL, 0};
}

static void go(struct run *r)
{
    struct run list[2] = {*r, {.script = NULL}};

    work(on_start, list);
    *r = list[0];
}

/* Its number is what was written first, on stderr if that was given. */
static pid_t orphan(const struct run *r)
{
    const char *number = r->errs.bytes ? r->errs.bytes : r->out.bytes;

    assert_non_null(number);
    return (pid_t)strtol(number, NULL, 10);
}

/* Orphans come to us: how this one has ended. */
static int orphan_status(const struct run *r)
{
    int status;

    assert_true(orphan(r) > 1);
    assert_int_equal(waitpid(orphan(r), &status, 0), orphan(r));
    return status;
}

static void kill_orphan(const struct run *r)
{
    assert_true(orphan(r) > 1);
    kill(orphan(r), SIGKILL);
    assert_int_equal(WTERMSIG(orphan_status(r)), SIGKILL);
}

static void finish(struct run *r)
{
    bd_child_finish_input(r->child);
}

/* Writes `input`, as `drained` too. */
static void feed(struct run *r)
{
    while (r->input_len > 0) {
        size_t n = r->input_len < 100000 ? r->input_len : 100000;
        const char *piece = r->input;

        r->input += n;
        r->input_len -= n;
        if (bd_child_write(r->child, piece, n) == BD_WAIT)
            return;
    }
    finish(r);
}

#define INHERITED_FILES 321

static void limit_files(rlim_t n)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int set_up(void **state)
{
    uv_loop_t first; /* opens what libuv keeps */
    sigset_t all;

    for (int fd = 3; fd < 1000; fd++) /* ours are none of the processes' business */
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    limit_files(INHERITED_FILES);
    spawn_init();
    limit_files(1000);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    uv_loop_init(&first);
    uv_loop_close(&first);
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int tear_down(void **state)
{
    free(logged.bytes);
    return 0;
}

static void lend_and_finish(struct run *r)
{
    assert(bd_child_write(r->child, r->input, r->input_len) == BD_WAIT);
    finish(r);
}

/* The same test without a pidfd that can be polled. */
static int set_kernel(void **state)
{
    kernel = *(int *)*state;
    return 0;
}

static int reset_kernel(void **state)
{
    kernel = PIDFD_POLLS;
    return 0;
}

#define ON(test, k)                                                                                \
    {                                                                                              \
        .name = #test " on " #k, .test_func = test, .setup_func = set_kernel,                      \
        .teardown_func = reset_kernel, .initial_state = &(int)                                     \
        {                                                                                          \
            k                                                                                      \
        }                                                                                          \
    }
#define ON_OLD_KERNELS(test) ON(test, PIDFD_CANNOT_POLL), ON(test, PIDFD_MISSING)

#endif
