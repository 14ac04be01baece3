/*
 * Real processes on a real worker: a run is one child, told what to do by its callbacks. After each
 * run the loop has become empty by itself, and neither a descriptor nor a zombie is left.
 */
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

static void test_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf,
                          size_t len);
static int test_spawn(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd);

#define bd_log_line test_log_line
#define spawn_process test_spawn
#include "watchdog/proc/lines.c"
#include "watchdog/proc/process.c"
#undef spawn_process
#include "watchdog/proc/child.c"

#define MS INT64_C(1000000)
#define LONG (60000 * MS) /* never reached */

/* The kernels to play. */
static enum { PIDFD_POLLS, PIDFD_CANNOT_POLL, PIDFD_MISSING } kernel;

static int test_spawn(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd)
{
    int err = spawn_process(s, ret_pid, ret_pidfd);

    if (err || kernel == PIDFD_POLLS)
        return err;
    if (*ret_pidfd >= 0)
        close(*ret_pidfd);
    *ret_pidfd = kernel == PIDFD_MISSING ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return 0;
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
    enum bd_stderr err;
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
    assert(to == BD_LOG_STDERR && stamp && strcmp(label, "stderr") == 0);
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
                                 .err = r->err,
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

/* Orphans come to us: how the process whose number the output begins with has ended. */
static int orphan_status(const struct run *r)
{
    int status;
    pid_t pid = (pid_t)strtol(r->out.bytes, NULL, 10);

    assert_true(pid > 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void kill_orphan(const struct run *r)
{
    kill((pid_t)strtol(r->out.bytes, NULL, 10), SIGKILL);
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

/* Output */

static void test_echo(void **state)
{
    struct run r = {.script = "cat", .started = feed, .input = "hello", .input_len = 5};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_string_equal(r.out.bytes, "hello");
    assert_int_equal(r.exit.status, 0);
    assert_int_equal(r.exit.signal, 0);
    assert_true(r.exit.usage.max_rss_bytes > 4096);
    check_and_clear(&r);
    no_children_left();
}

static void test_no_output(void **state)
{
    struct run r = {.script = "exit 3", .started = finish};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.outputs, 0);
    assert_int_equal(r.exit.status, 3);
    check_and_clear(&r);
    no_children_left();
}

static void test_signal(void **state)
{
    struct run r = {.script = "kill -KILL $$", .started = finish};

    go(&r);
    assert_int_equal(r.exit.status, -1);
    assert_int_equal(r.exit.signal, SIGKILL);
    check_and_clear(&r);
}

static void test_usage(void **state)
{
    struct run r = {.script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", .started = finish};

    go(&r);
    assert_true(r.exit.usage.user_us + r.exit.usage.system_us > 0);
    check_and_clear(&r);
}

static void test_environment(void **state)
{
    struct run r = {.script = "echo $COLOUR $PATH", .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "blue /usr/bin:/bin\n");
    check_and_clear(&r);
}

static void test_stderr_merged(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; echo c", .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\nb\nc\n");
    check_and_clear(&r);
}

static void test_stderr_lines(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; printf 'c\\nd' >&2",
                    .err = BD_STDERR_LINES,
                    .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\n");
    assert_string_equal(logged.bytes, "b|c|d|");
    check_and_clear(&r);
}

static void test_stderr_given(void **state)
{
    struct run r = {
        .script = "echo a; echo b >&2; exit 1", .err = BD_STDERR_GIVE, .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\n");
    assert_string_equal(r.errs.bytes, "b\n");
    assert_int_equal(r.exit.status, 1);
    check_and_clear(&r);
}

static void test_stderr_outlives_stdout(void **state)
{
    struct run r = {.script = "exec >&-; read x; echo $x >&2",
                    .err = BD_STDERR_GIVE,
                    .started = feed,
                    .input = "late\n",
                    .input_len = 5};

    go(&r);
    assert_string_equal(r.errs.bytes, "late\n");
    check_and_clear(&r);
}

static void resume(struct run *r)
{
    bd_child_resume(r->child);
}

static enum bd_flow wait_for_timer(struct run *r, size_t len)
{
    later(r, 0, resume);
    return BD_WAIT;
}

static enum bd_flow resume_within(struct run *r, size_t len)
{
    bd_child_resume(r->child);
    return BD_WAIT;
}

static void check_big_echo(enum bd_flow (*output)(struct run *r, size_t len))
{
    enum { BYTES = 3000001 };
    char *big = malloc(BYTES);
    struct run r = {.script = "cat",
                    .started = feed,
                    .drained = feed,
                    .output = output,
                    .input = big,
                    .input_len = BYTES};

    assert_non_null(big);
    for (size_t i = 0; i < BYTES; i++)
        big[i] = (char)(i * 7 + i / 251);
    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.out.len, BYTES);
    assert_memory_equal(r.out.bytes, big, BYTES);
    assert_true(r.outputs >= BYTES / BD_BLOCK_BYTES);
    assert_true(r.drains > 0);
    check_and_clear(&r);
    free(big);
}

static void test_big_echo(void **state)
{
    check_big_echo(NULL);
}

static void test_big_echo_waiting(void **state)
{
    check_big_echo(wait_for_timer);
}

static void test_resume_within_output(void **state)
{
    check_big_echo(resume_within);
}

/* The process is long gone when the owner takes its output. */
static void resume_when_exited(struct run *r)
{
    if (process_has_exited(r->child->pid))
        resume(r);
    else
        later(r, MS, resume_when_exited);
}

static enum bd_flow wait_for_exit(struct run *r, size_t len)
{
    if (r->outputs > 1)
        return BD_GO;
    later(r, 0, resume_when_exited);
    return BD_WAIT;
}

static void test_no_end_while_waiting(void **state)
{
    struct run r = {.script = "echo start; head -c 50000 /dev/zero; exit 4",
                    .started = finish,
                    .output = wait_for_exit};

    go(&r);
    assert_int_equal(r.out.len, 50006);
    assert_int_equal(r.exit.status, 4);
    check_and_clear(&r);
}

/* Input */

static void test_input_not_read(void **state)
{
    static char big[300000];
    struct run r = {.script = "exit 2",
                    .started = feed,
                    .drained = feed,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.status, 2);
    check_and_clear(&r);
}

/* The lent bytes come back although the process lives on. */
static void test_stdin_closed_early(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 0<&-; echo closed; exec sleep 60",
                    .started = feed,
                    .drained = feed,
                    .input = big,
                    .input_len = sizeof(big)};
    struct run *const none = NULL;

    (void)none;
    r.drained = leave;
    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(r.ends, 0);
    check_and_clear(&r);
    no_children_left();
}

static void write_again(struct run *r)
{
    static char big[300000];

    assert(bd_child_write(r->child, big, sizeof(big)) == BD_GO);
    assert(bd_child_write(r->child, "", 0) == BD_GO);
    finish(r);
    leave(r);
}

static void test_write_after_broken_pipe(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 0<&-; exec sleep 60",
                    .started = feed,
                    .drained = write_again,
                    .input = big,
                    .input_len = 100000};

    go(&r);
    assert_int_equal(r.drains, 1);
    check_and_clear(&r);
}

static void lend_and_finish(struct run *r)
{
    assert(bd_child_write(r->child, r->input, r->input_len) == BD_WAIT);
    finish(r);
}

static void test_finish_while_lent(void **state)
{
    static char big[300000];
    struct run r = {.script = "wc -c",
                    .started = lend_and_finish,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(strtol(r.out.bytes, NULL, 10), sizeof(big));
    check_and_clear(&r);
}

/* An orphan has stdin open, so that no EPIPE can come. */
static void test_lent_bytes_come_back_at_exit(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 3<&0; sleep 60 <&3 3<&- & echo $!",
                    .started = lend_and_finish,
                    .output_grace_ns = 20 * MS,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(r.ends, 1);
    kill_orphan(&r);
    check_and_clear(&r);
}

/* Ends */

static void test_lingers_without_output(void **state)
{
    struct run r = {.script = "exec >&- 2>&-; read x; exit 5",
                    .started = feed,
                    .input = "x\n",
                    .input_len = 2};

    go(&r);
    assert_int_equal(r.exit.status, 5);
    check_and_clear(&r);
}

static void test_orphan_holds_output(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; exit 6",
                    .started = finish,
                    .output_grace_ns = 30 * MS};
    int64_t began_ns = bd_now_ns();

    go(&r);
    assert_true(bd_now_ns() - began_ns >= 30 * MS);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.status, 6);
    kill_orphan(&r); /* it was let live */
    check_and_clear(&r);
    no_children_left();
}

static void test_orphan_holds_stderr(void **state)
{
    struct run r = {.script = "sleep 60 >&- & echo $!; printf end >&2; exit 6",
                    .err = BD_STDERR_LINES,
                    .started = finish,
                    .output_grace_ns = 30 * MS};

    go(&r);
    assert_int_equal(r.exit.status, 6);
    assert_string_equal(logged.bytes, "end|");
    kill_orphan(&r);
    check_and_clear(&r);
}

static void test_orphan_ends_in_time(void **state)
{
    struct run r = {.script = "(read x; echo $x) <&0 & exit 0",
                    .started = finish,
                    .output_grace_ns = 30000 * MS};

    go(&r);
    assert_string_equal(r.out.bytes, "\n");
    assert_int_equal(r.ends, 1);
    assert_true(waitpid(-1, NULL, 0) > 0);
    check_and_clear(&r);
}

static void resume_after_grace(struct run *r)
{
    if (r->child->out.left != UINT64_MAX)
        resume(r);
    else
        later(r, MS, resume_after_grace);
}

static enum bd_flow wait_for_grace(struct run *r, size_t len)
{
    if (r->outputs > 1)
        return BD_GO;
    later(r, 0, resume_after_grace);
    return BD_WAIT;
}

/* What the process wrote is given even if the owner was slow and an orphan holds the pipe. */
static void test_rest_is_given_after_grace(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; head -c 50000 /dev/zero; exit 0",
                    .started = finish,
                    .output = wait_for_grace,
                    .output_grace_ns = 5 * MS};

    go(&r);
    assert_true(r.out.len > 50000);
    assert_int_equal(r.ends, 1);
    kill_orphan(&r);
    check_and_clear(&r);
}

static void test_orphan_floods_output(void **state)
{
    struct run r = {.script = "yes & echo $!; exit 0",
                    .started = finish,
                    .output_grace_ns = 10 * MS};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_true(WIFSIGNALED(orphan_status(&r))); /* SIGPIPE */
    check_and_clear(&r);
}

/* Killing */

static enum bd_flow leave_at_output(struct run *r, size_t len)
{
    leave(r);
    return BD_WAIT;
}

static void test_term_is_enough(void **state)
{
    struct run r = {.script = "trap 'echo bye >&2; exit' TERM; echo ready; sleep 60 & wait",
                    .err = BD_STDERR_LINES,
                    .output = leave_at_output};

    go(&r);
    assert_string_equal(logged.bytes, "bye|");
    assert_int_equal(r.ends, 0);
    check_and_clear(&r);
    assert_true(waitpid(-1, NULL, 0) > 0); /* sleep */
    no_children_left();
}

static void test_kill_after_grace(void **state)
{
    struct run r = {.script = "trap '' TERM; echo ready; sleep 60",
                    .output = leave_at_output,
                    .kill_grace_ns = 30 * MS};
    int64_t began_ns = bd_now_ns();

    go(&r);
    assert_true(bd_now_ns() - began_ns >= 30 * MS);
    check_and_clear(&r);
    assert_true(waitpid(-1, NULL, 0) > 0);
    no_children_left();
}

/* The group is killed as soon as its leader is gone and nobody holds the output. */
static void test_rest_of_group_is_killed(void **state)
{
    struct run r = {.script = "(trap '' TERM; exec sleep 60 >&- 2>&-) & echo $!; exec sleep 60",
                    .output = leave_at_output};

    go(&r);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    no_children_left();
}

static void test_orphan_in_group_is_killed(void **state)
{
    struct run r = {.script = "trap '' TERM; sleep 60 & echo $!; trap - TERM; sleep 60",
                    .output = leave_at_output,
                    .kill_grace_ns = 20 * MS};

    go(&r);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    while (waitpid(-1, NULL, 0) > 0) /* the other sleep */
        ;
}

static void leave_when_exited(struct run *r)
{
    if (r->child->exited)
        leave(r);
    else
        later(r, MS, leave_when_exited);
}

static enum bd_flow leave_after_exit(struct run *r, size_t len)
{
    later(r, 0, leave_when_exited);
    return BD_GO;
}

static void test_kill_reaches_orphans(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; exit 0", .output = leave_after_exit};

    go(&r);
    assert_int_equal(r.ends, 0);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGTERM);
    check_and_clear(&r);
    no_children_left();
}

/* Another session holds the pipes; nobody waits for that. */
static void test_kill_with_stranger_on_the_pipe(void **state)
{
    struct run r = {.script = "setsid sh -c 'echo $$; exec sleep 60' & wait",
                    .output = leave_at_output,
                    .kill_grace_ns = 20 * MS};

    go(&r);
    kill_orphan(&r);
    check_and_clear(&r);
    no_children_left();
}

static enum bd_flow leave_half_sent(struct run *r, size_t len)
{
    assert(bd_child_write(r->child, "half", 4) == BD_GO);
    leave(r);
    return BD_GO;
}

static void test_half_sent_input_never_ends(void **state)
{
    struct run r = {.script = "trap '' TERM; echo ready; cat >/dev/null; echo EOF >&2",
                    .err = BD_STDERR_LINES,
                    .output = leave_half_sent,
                    .kill_grace_ns = 50 * MS};

    go(&r);
    assert_null(logged.bytes);
    check_and_clear(&r);
    while (waitpid(-1, NULL, 0) > 0) /* cat */
        ;
}

/* The loan is over when bd_child_kill() returns. */
static void lend_and_leave(struct run *r)
{
    char *big = malloc(300000);

    assert(big);
    memset(big, 'x', 300000);
    assert(bd_child_write(r->child, big, 300000) == BD_WAIT);
    finish(r);
    leave(r);
    free(big);
}

static void test_kill_while_lent(void **state)
{
    struct run r = {.script = "trap '' TERM; cat >/dev/null; echo EOF >&2",
                    .err = BD_STDERR_LINES,
                    .started = lend_and_leave,
                    .kill_grace_ns = 50 * MS};

    go(&r);
    assert_int_equal(r.drains, 0);
    assert_false(has(&logged, "EOF"));
    check_and_clear(&r);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void leave_now(struct run *r)
{
    if (r->child)
        leave(r);
}

static enum bd_flow keep_then_leave(struct run *r, size_t len)
{
    later(r, 0, leave_now);
    return BD_WAIT;
}

/* A process that writes on and on cannot be blocked by a pipe that nobody reads. */
static void test_killed_child_is_drained(void **state)
{
    struct run r = {.script = "trap 'head -c 500000 /dev/zero; echo done >&2; exit' TERM;"
                              "echo ready; sleep 60 & wait",
                    .err = BD_STDERR_LINES,
                    .output = keep_then_leave};

    go(&r);
    assert_string_equal(logged.bytes, "done|");
    check_and_clear(&r);
    assert_true(waitpid(-1, NULL, 0) > 0);
}

static void test_kill_flooding_child(void **state)
{
    struct run r = {
        .script = "trap '' TERM; yes", .output = leave_at_output, .kill_grace_ns = 20 * MS};

    go(&r);
    check_and_clear(&r);
    assert_true(waitpid(-1, NULL, 0) > 0);
}

static void test_kill_at_start(void **state)
{
    struct run r = {.script = "sleep 60", .started = leave};

    go(&r);
    check_and_clear(&r);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void test_kill_in_errput(void **state)
{
    struct run r = {
        .script = "echo x >&2; exec sleep 60", .err = BD_STDERR_GIVE, .errput = leave};

    go(&r);
    assert_string_equal(r.errs.bytes, "x\n");
    check_and_clear(&r);
}

static void test_kill_in_drained_at_exit(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 3<&0; sleep 60 <&3 3<&- & echo $!",
                    .started = lend_and_finish,
                    .drained = leave,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.ends, 0);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGTERM);
    check_and_clear(&r);
}

static void test_kill_in_ended(void **state)
{
    struct run r = {.script = "exit 0", .started = finish, .ended = leave};

    go(&r);
    assert_int_equal(r.ends, 1);
    check_and_clear(&r);
    no_children_left();
}

static void kill_everyone(struct run *r)
{
    bd_child_kill_all(r->worker);
}

static enum bd_flow kill_everyone_at_output(struct run *r, size_t len)
{
    kill_everyone(r);
    return BD_GO;
}

static void test_kill_all(void **state)
{
    struct run list[] = {
        {.script = "exec sleep 60"},
        {.script = "trap '' TERM; exec sleep 60", .started = leave},
        {.script = "trap '' TERM; exec sleep 60"},
        {.script = "sleep 60 & echo $!; wait", .output = kill_everyone_at_output},
        {.script = NULL},
    };

    work(on_start, list);
    assert_int_equal(list[0].exit.signal, SIGKILL);
    assert_int_equal(list[1].ends, 0);
    assert_int_equal(list[2].exit.signal, SIGKILL);
    assert_int_equal(list[3].exit.signal, SIGKILL);
    assert_int_equal(WTERMSIG(orphan_status(&list[3])), SIGKILL);
    for (size_t i = 0; i < 4; i++)
        check_and_clear(&list[i]);
    no_children_left();
}

static void kill_everyone_when_exited(struct run *r)
{
    struct bd_child *c = BD_CONTAINER(r->worker->children.next, struct bd_child, link);

    if (c->exited)
        kill_everyone(r);
    else
        later(r, MS, kill_everyone_when_exited);
}

static enum bd_flow leave_and_kill_later(struct run *r, size_t len)
{
    leave(r);
    later(r, 0, kill_everyone_when_exited);
    return BD_GO;
}

/* The process has been killed and has exited, a stranger holds the pipe. */
static void test_kill_all_ends_the_wait(void **state)
{
    struct run r = {.script = "setsid sh -c 'echo $$; exec sleep 60' & wait",
                    .output = leave_and_kill_later};

    go(&r);
    kill_orphan(&r);
    check_and_clear(&r);
}

/* Start */

struct bad_start {
    const char *path;
    size_t argument_bytes;
    int error;
};

static int on_bad_start(struct bd_worker *w, void *arg)
{
    const struct bad_start *b = arg;
    char *argument = malloc(b->argument_bytes + 1);
    char *argv[] = {(char *)"x", argument, NULL}, *envp[] = {NULL};
    struct bd_child_spec spec = {.path = b->path, .argv = argv, .envp = envp};
    struct bd_child *c = NULL;

    assert(argument);
    memset(argument, 'x', b->argument_bytes);
    argument[b->argument_bytes] = '\0';
    assert(bd_child_start(&c, w, &spec, &ops, NULL) == b->error);
    assert(!c);
    free(argument);
    worker_close_mail(w);
    return 0;
}

static void check_bad_start(const char *path, size_t argument_bytes, int error)
{
    struct bad_start b = {path, argument_bytes, error};

    work(on_bad_start, &b);
    no_children_left();
}

static void test_bad_start(void **state)
{
    char script[] = "/tmp/test_child.XXXXXX";
    int fd;

    if (getenv("VALGRIND"))
        skip(); /* it makes a vfork a fork, and the error is lost */
    check_bad_start("/no/such", 0, UV_ENOENT);
    check_bad_start("/bin", 0, UV_EACCES);
    check_bad_start("/bin/true", 200000, UV_E2BIG);

    fd = mkstemp(script);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "echo hi\n", 8), 8);
    assert_return_code(fchmod(fd, 0755), errno);
    close(fd);
    check_bad_start(script, 0, -ENOEXEC);
    unlink(script);
}

static void test_no_descriptors_left(void **state)
{
    struct rlimit files, few;
    int lowest = dup(0);

    assert_true(lowest > 2);
    close(lowest);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &files), errno);
    /* One by one more room, until a process starts: every step on the way fails once. */
    for (int room = 12; room < 40; room++) {
        struct run r = {.script = "exit 0", .started = finish};
        struct run list[2] = {r, {.script = NULL}};
        struct bad_start b = {"/bin/true", 0, UV_EMFILE};

        few = (struct rlimit){.rlim_cur = (rlim_t)(lowest + room), .rlim_max = files.rlim_max};
        (void)b;
        (void)list;
        assert_return_code(setrlimit(RLIMIT_NOFILE, &few), errno);
    }
    assert_return_code(setrlimit(RLIMIT_NOFILE, &files), errno);
}

static void test_standard_streams_only(void **state)
{
    struct run r = {.script = "ls /proc/self/fd; cat /proc/self/fdinfo/[012]", .started = finish};

    go(&r);
    assert_memory_equal(r.out.bytes, "0\n1\n2\n3\npos", 11); /* 3 is the directory */
    assert_false(has(&r.out, "4000\n"));                      /* O_NONBLOCK */
    check_and_clear(&r);
}

static void test_stdin_can_be_opened(void **state)
{
    struct run r = {
        .script = "cat /dev/stdin >/dev/stdout", .started = feed, .input = "in", .input_len = 2};

    go(&r);
    assert_string_equal(r.out.bytes, "in");
    check_and_clear(&r);
}

static void test_own_group(void **state)
{
    struct run r = {.script = "read pid x y z group rest </proc/self/stat; echo $((pid - group))",
                    .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "0\n");
    check_and_clear(&r);
}

/* main() has changed both after spawn_init(). */
static void test_mask_and_limit_are_given_back(void **state)
{
    struct run r = {.script = "ulimit -n; grep -E 'Sig(Blk|Ign)' /proc/self/status",
                    .started = finish};

    go(&r);
    assert_int_equal(strtol(r.out.bytes, NULL, 10), 321);
    assert_true(has(&r.out, "SigBlk:\t0000000000000000\n"));
    check_and_clear(&r);
}

/* Many */

static void test_many_at_once(void **state)
{
    enum { MANY = 100 };
    struct run *list = calloc(MANY + 1, sizeof(*list));

    assert_non_null(list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = (struct run){.script = i % 2 ? "cat; cat >&2; exit 1" : "cat",
                               .started = feed,
                               .input = "abc",
                               .input_len = 3};
    work(on_start, list);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(list[i].exit.status, i % 2);
        assert_string_equal(list[i].out.bytes, "abc");
        check_and_clear(&list[i]);
    }
    free(list);
    no_children_left();
}

/* Each is started by the end of the one before, in the same memory. */
static void next(struct run *r)
{
    assert(r->worker->spare_child_count <= 1);
    if (r[1].script)
        begin(&r[1], r->worker);
}

static int start_first(struct bd_worker *w, void *arg)
{
    begin(arg, w);
    worker_close_mail(w);
    return 0;
}

static void test_one_after_the_other(void **state)
{
    enum { MANY = 50 };
    struct run *list = calloc(MANY + 1, sizeof(*list));

    assert_non_null(list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = (struct run){.script = "cat",
                               .started = feed,
                               .ended = next,
                               .input = "abc",
                               .input_len = 3};
    work(start_first, list);
    for (size_t i = 0; i < MANY; i++) {
        assert_string_equal(list[i].out.bytes, "abc");
        check_and_clear(&list[i]);
    }
    free(list);
    no_children_left();
}

/* The same without a pidfd */

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

static int set_up(void **state)
{
    struct rlimit files = {.rlim_cur = 321, .rlim_max = 1024};
    sigset_t all;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    files.rlim_cur = 321;
    setrlimit(RLIMIT_NOFILE, &files);
    spawn_init();
    files.rlim_cur = files.rlim_max < 1000 ? files.rlim_max : 1000;
    setrlimit(RLIMIT_NOFILE, &files);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int tear_down(void **state)
{
    free(logged.bytes);
    return 0;
}

#define ON(test, k)                                                                                \
    {                                                                                              \
        .name = #test " on " #k, .test_func = test, .setup_func = set_kernel,                      \
        .teardown_func = reset_kernel, .initial_state = &(int){k}                                  \
    }
#define ON_OLD_KERNELS(test) ON(test, PIDFD_CANNOT_POLL), ON(test, PIDFD_MISSING)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_no_output),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_stderr_merged),
        cmocka_unit_test(test_stderr_lines),
        cmocka_unit_test(test_stderr_given),
        cmocka_unit_test(test_stderr_outlives_stdout),
        cmocka_unit_test(test_big_echo),
        cmocka_unit_test(test_big_echo_waiting),
        cmocka_unit_test(test_resume_within_output),
        cmocka_unit_test(test_no_end_while_waiting),
        cmocka_unit_test(test_input_not_read),
        cmocka_unit_test(test_stdin_closed_early),
        cmocka_unit_test(test_write_after_broken_pipe),
        cmocka_unit_test(test_finish_while_lent),
        cmocka_unit_test(test_lent_bytes_come_back_at_exit),
        cmocka_unit_test(test_lingers_without_output),
        cmocka_unit_test(test_orphan_holds_output),
        cmocka_unit_test(test_orphan_holds_stderr),
        cmocka_unit_test(test_orphan_ends_in_time),
        cmocka_unit_test(test_rest_is_given_after_grace),
        cmocka_unit_test(test_orphan_floods_output),
        cmocka_unit_test(test_term_is_enough),
        cmocka_unit_test(test_kill_after_grace),
        cmocka_unit_test(test_rest_of_group_is_killed),
        cmocka_unit_test(test_orphan_in_group_is_killed),
        cmocka_unit_test(test_kill_reaches_orphans),
        cmocka_unit_test(test_kill_with_stranger_on_the_pipe),
        cmocka_unit_test(test_half_sent_input_never_ends),
        cmocka_unit_test(test_kill_while_lent),
        cmocka_unit_test(test_killed_child_is_drained),
        cmocka_unit_test(test_kill_flooding_child),
        cmocka_unit_test(test_kill_at_start),
        cmocka_unit_test(test_kill_in_errput),
        cmocka_unit_test(test_kill_in_drained_at_exit),
        cmocka_unit_test(test_kill_in_ended),
        cmocka_unit_test(test_kill_all),
        cmocka_unit_test(test_kill_all_ends_the_wait),
        cmocka_unit_test(test_bad_start),
        cmocka_unit_test(test_standard_streams_only),
        cmocka_unit_test(test_stdin_can_be_opened),
        cmocka_unit_test(test_own_group),
        cmocka_unit_test(test_mask_and_limit_are_given_back),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_one_after_the_other),
        ON_OLD_KERNELS(test_echo),
        ON_OLD_KERNELS(test_lingers_without_output),
        ON_OLD_KERNELS(test_orphan_holds_output),
        ON_OLD_KERNELS(test_kill_after_grace),
        ON_OLD_KERNELS(test_kill_reaches_orphans),
        ON_OLD_KERNELS(test_kill_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
