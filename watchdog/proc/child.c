/*
 * child.c - see bandog/child.h
 *
 * A child is a process, three pipes and perhaps a pidfd, in one allocation that its worker
 * recycles. The state says what it waits for; child_step() alone moves it on, after each event and
 * each call of the owner. Callbacks may call back: child_enter() and child_leave() see to it that
 * the steps are taken by the outermost of them and that the child does not vanish below the others.
 *
 * The process is not reaped before its end has been told or its group been killed: while it is a
 * zombie no other group can get its number.
 */
#include "bandog/child.h"
#include "bandog/metrics.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bandog/log.h"
#include "children.h"
#include "feed.h"
#include "lines.h"
#include "process.h"
#include "reader.h"
#include "worker.h"

#define SPARE_CHILDREN 128

/* So long functions wait when their log lines are not taken at all; then they may be lost. */
#define LOG_PATIENCE_NS (1 * INT64_C(1000000000))
#define LOG_RETRY_NS (2 * INT64_C(1000000))

/* Most processes are gone before it would pay to watch them: the pidfd is opened so late. */
#define WATCH_NS (20 * INT64_C(1000000))

/* Read at a time of what becomes log lines: 4096 empty ones with their prefixes fit the log. */
#define LINES_BYTES 4096

/* Without a pidfd the end of the process is asked for so often. */
#define POLL_NS (10 * INT64_C(1000000))

enum child_state {
    CHILD_RUNS,   /* the process has not exited, or its output has not ended */
    CHILD_GRACE,  /* it has exited: for the end of its output, which `timer` limits */
    CHILD_TERM,   /* SIGTERM was sent: for the process and the output, at most until `timer` */
    CHILD_KILLED, /* SIGKILL was sent: for the process */
    CHILD_GONE,   /* nothing: it is reaped */
};

struct bd_child {
    struct bd_queue link; /* of the worker's children, or of the spare ones */
    struct bd_worker *worker;
    const struct bd_child_ops *ops; /* NULL: the owner has left */
    void *owner;

    enum child_state state;
    unsigned busy; /* calls of child_enter() not yet left */
    pid_t pid;     /* also its group */
    bool exited;   /* seen, but not reaped yet */
    bool asked;    /* whether it has exited, when its output ended */
    bool no_pidfd; /* it is asked for with `poll` */

    struct feed in;
    struct reader out, err;
    struct watch exit; /* the pidfd; closed until `poll` has run for WATCH_NS or output has ended */
    struct lines out_lines, err_lines;
    bool ends_group;

    int64_t output_grace_ns, kill_grace_ns;
    struct bd_deadline timer, poll;

    struct bd_deadline log_wait; /* runs while a stream of lines waits for the log */
};

/* Memory */

static struct bd_child *child_new(struct bd_worker *w)
{
    struct bd_queue *spare = bd_queue_shift(&w->spare_children);
    struct bd_child *c = spare ? BD_CONTAINER(spare, struct bd_child, link) : malloc(sizeof(*c));

    if (!c)
        abort();
    if (spare)
        w->spare_child_count--;
    memset(c, 0, sizeof(*c));
    bd_queue_init(&c->link);
    c->worker = w;
    return c;
}

static void child_give_back(struct bd_child *c)
{
    struct bd_worker *w = c->worker;

    bd_queue_remove(&c->link);
    if (bd_queue_empty(&w->children))
        watches_hold_loop(w->watches, false);
    if (w->spare_child_count == SPARE_CHILDREN) {
        free(c);
        return;
    }
    bd_queue_push(&w->spare_children, &c->link);
    w->spare_child_count++;
}

/* All that needs the loop or a descriptor; lent bytes are their owners' again. */
static void close_all(struct bd_child *c)
{
    feed_close(&c->in);
    reader_close(&c->out);
    reader_close(&c->err);
    watch_close(&c->exit);
    lines_finish(&c->out_lines);
    lines_finish(&c->err_lines);
    bd_deadline_stop(&c->timer);
    bd_deadline_stop(&c->poll);
    bd_deadline_stop(&c->log_wait);
}

void children_release(struct bd_worker *w)
{
    struct bd_queue *q;

    assert(bd_queue_empty(&w->children));
    while ((q = bd_queue_shift(&w->spare_children)))
        free(BD_CONTAINER(q, struct bd_child, link));
    w->spare_child_count = 0;
    watches_close(w->watches);
    w->watches = NULL;
}

/* States */

static void on_timer(struct bd_deadline *d);
static void on_exit_ready(struct watch *w, uint32_t events);
static void on_poll(struct bd_deadline *d);

static bool output_is_done(const struct bd_child *c)
{
    return reader_is_done(&c->out) && reader_is_done(&c->err);
}

/*
 * A process often exits a moment after its output has ended: asked right then, a short answer is
 * complete without another turn of the loop.
 */
static bool worth_asking(struct bd_child *c)
{
    bool first = !c->asked;

    c->asked = true;
    return c->exited || first;
}

static void enter_gone(struct bd_child *c, const struct bd_exit *e)
{
    c->state = CHILD_GONE;
    close_all(c);
    if (c->ops)
        c->ops->ended(c->owner, e);
}

/* The process has left others behind that hold its pipes; nobody is meant to read the input now. */
static void enter_grace(struct bd_child *c)
{
    c->state = CHILD_GRACE;
    if (c->ends_group)
        process_signal(c->pid, SIGKILL);
    bd_deadline_start(c->worker, &c->timer, c->output_grace_ns, on_timer);
    if (feed_close(&c->in))
        c->ops->drained(c->owner);
}

static void enter_term(struct bd_child *c)
{
    c->state = CHILD_TERM;
    process_signal(c->pid, SIGTERM);
    bd_deadline_start(c->worker, &c->timer, c->kill_grace_ns, on_timer);
}

static void enter_killed(struct bd_child *c)
{
    c->state = CHILD_KILLED;
    process_signal(c->pid, SIGKILL);
    bd_deadline_stop(&c->timer);
}

static void watch_exit(struct bd_child *c)
{
    if (c->exited || c->no_pidfd || watch_is_open(&c->exit))
        return;
    watch_init(&c->exit, c->worker->watches, process_open_pidfd(c->pid), EPOLLIN, on_exit_ready);
    if (watch_is_open(&c->exit) && watch_try_arm(&c->exit) == 0) {
        bd_deadline_stop(&c->poll);
        return;
    }
    watch_close(&c->exit); /* Linux 5.2 has pidfds that cannot be polled */
    c->no_pidfd = true;
    bd_deadline_start(c->worker, &c->poll, POLL_NS, on_poll);
}

static bool reap(struct bd_child *c, struct bd_exit *ret_exit)
{
    if (!process_reap(c->pid, ret_exit))
        return false;
    bd_metrics_child(bd_worker_metrics(c->worker),
                     ret_exit->usage.user_us + ret_exit->usage.system_us,
                     ret_exit->usage.max_rss_bytes);
    return true;
}

/* It has exited: reaps it, and before that, while nobody else can have its number, ends its group.
 */
static bool has_ended(struct bd_child *c, struct bd_exit *ret_exit)
{
    if (c->ends_group && process_has_exited(c->pid))
        process_signal(c->pid, SIGKILL);
    return reap(c, ret_exit);
}

/* True when there is another step to take. */
static bool child_step(struct bd_child *c)
{
    struct bd_exit e;

    switch (c->state) {
    case CHILD_RUNS:
    case CHILD_GRACE:
        if (output_is_done(c)) {
            if (worth_asking(c) && has_ended(c, &e))
                enter_gone(c, &e);
            else
                watch_exit(c);
            return false;
        }
        if (!c->exited || c->state == CHILD_GRACE)
            return false;
        enter_grace(c);
        return true;
    case CHILD_TERM:
        if (!c->exited || !output_is_done(c))
            return false;
        enter_killed(c);
        return true;
    case CHILD_KILLED:
        if (c->exited && reap(c, &e))
            enter_gone(c, &e);
        return false;
    case CHILD_GONE:
        return false;
    }
    abort();
}

static void child_enter(struct bd_child *c)
{
    c->busy++;
}

/* The child may be gone afterwards. */
static void child_leave(struct bd_child *c)
{
    while (c->busy == 1 && child_step(c))
        ;
    if (--c->busy == 0 && c->state == CHILD_GONE)
        child_give_back(c);
}

/* Events */

static void on_timer(struct bd_deadline *d)
{
    struct bd_child *c = BD_CONTAINER(d, struct bd_child, timer);

    child_enter(c);
    if (c->state == CHILD_TERM) {
        enter_killed(c);
    } else {
        assert(c->state == CHILD_GRACE);
        reader_limit(&c->out);
        reader_limit(&c->err);
    }
    child_leave(c);
}

static void on_input_ready(struct watch *w, uint32_t events)
{
    struct bd_child *c = BD_CONTAINER(w, struct bd_child, in.watch);

    (void)events;
    child_enter(c);
    if (feed_ready(&c->in) && c->ops)
        c->ops->drained(c->owner);
    child_leave(c);
}

static void on_output_ready(struct watch *w, uint32_t events)
{
    struct bd_child *c = BD_CONTAINER(w, struct bd_child, out.watch);

    child_enter(c);
    reader_ready(&c->out, events);
    child_leave(c);
}

static void on_errput_ready(struct watch *w, uint32_t events)
{
    struct bd_child *c = BD_CONTAINER(w, struct bd_child, err.watch);

    child_enter(c);
    reader_ready(&c->err, events);
    child_leave(c);
}

static void on_exit_ready(struct watch *w, uint32_t events)
{
    struct bd_child *c = BD_CONTAINER(w, struct bd_child, exit);

    (void)events;
    child_enter(c);
    watch_close(w);
    c->exited = true;
    child_leave(c);
}

static void on_poll(struct bd_deadline *d)
{
    struct bd_child *c = BD_CONTAINER(d, struct bd_child, poll);

    child_enter(c);
    if (!c->no_pidfd) {
        watch_exit(c);
    } else {
        c->exited = process_has_exited(c->pid);
        if (!c->exited)
            bd_deadline_start(c->worker, d, POLL_NS, on_poll);
    }
    child_leave(c);
}

/* Where the bytes go */

static enum bd_flow give_output(struct reader *r, const char *buf, size_t len)
{
    struct bd_child *c = BD_CONTAINER(r, struct bd_child, out);

    return c->ops->output(c->owner, buf, len);
}

/* A burst waits for the log's reader; a log nobody reads must not stop the functions for long. */
static bool must_wait_for_log(struct bd_worker *w)
{
    if (!bd_log_is_behind()) {
        w->log_waited_ns = 0;
        return false;
    }
    return w->log_waited_ns < LOG_PATIENCE_NS;
}

static enum bd_flow log_output(struct reader *r, const char *buf, size_t len);

static void on_log_wait(struct bd_deadline *d)
{
    struct bd_child *c = BD_CONTAINER(d, struct bd_child, log_wait);

    c->worker->log_waited_ns += LOG_RETRY_NS;
    if (must_wait_for_log(c->worker)) {
        bd_deadline_start(c->worker, d, LOG_RETRY_NS, on_log_wait);
        return;
    }
    child_enter(c);
    if (c->out.take == log_output && c->out.held)
        reader_resume(&c->out);
    if (c->err.held)
        reader_resume(&c->err);
    child_leave(c);
}

static enum bd_flow wait_for_log(struct bd_child *c)
{
    if (!must_wait_for_log(c->worker))
        return BD_GO;
    bd_deadline_start(c->worker, &c->log_wait, LOG_RETRY_NS, on_log_wait);
    return BD_WAIT;
}

static enum bd_flow give_errput(struct reader *r, const char *buf, size_t len)
{
    struct bd_child *c = BD_CONTAINER(r, struct bd_child, err);

    c->ops->errput(c->owner, buf, len);
    return wait_for_log(c);
}

static enum bd_flow log_errput(struct reader *r, const char *buf, size_t len)
{
    struct bd_child *c = BD_CONTAINER(r, struct bd_child, err);

    lines_feed(&c->err_lines, buf, len);
    return wait_for_log(c);
}

static enum bd_flow log_output(struct reader *r, const char *buf, size_t len)
{
    struct bd_child *c = BD_CONTAINER(r, struct bd_child, out);

    lines_feed(&c->out_lines, buf, len);
    return wait_for_log(c);
}

/* Starting */

static void watch_pipes(struct bd_child *c, const struct bd_child_spec *spec, const int ours[3])
{
    struct watches *set = c->worker->watches;

    feed_init(&c->in, set, ours[0], on_input_ready);
    reader_init(&c->out, c->worker, set, ours[1],
                spec->out == BD_STDOUT_LINES ? log_output : give_output, on_output_ready);
    reader_init(&c->err, c->worker, set, ours[2],
                spec->err == BD_STDERR_LINES ? log_errput : give_errput, on_errput_ready);
    if (spec->err == BD_STDERR_LINES) {
        c->err.most = LINES_BYTES;
        lines_init(&c->err_lines, BD_LOG_STDERR, spec->prefix_lines, "stderr", spec->line_bytes);
    }
    if (spec->out == BD_STDOUT_LINES) {
        c->out.most = LINES_BYTES;
        lines_init(&c->out_lines, BD_LOG_STDOUT, spec->prefix_lines, "stdout", spec->line_bytes);
    }
}

int bd_child_start(struct bd_child **ret_child, struct bd_worker *w,
                   const struct bd_child_spec *spec, const struct bd_child_ops *ops, void *owner)
{
    struct process p;
    struct bd_child *c;
    int64_t began_ns;
    int err;

    err = w->watches ? 0 : watches_open(&w->watches, &w->loop);
    if (err)
        return err;
    began_ns = bd_now_ns();
    err = process_start(&p, spec);
    if (err)
        return err;
    bd_metrics_spawned(bd_worker_metrics(w), bd_now_ns() - began_ns);

    c = child_new(w);
    c->ops = ops;
    c->owner = owner;
    c->pid = p.pid;
    c->output_grace_ns = spec->output_grace_ns;
    c->kill_grace_ns = spec->kill_grace_ns;
    c->ends_group = spec->ends_group;
    watch_pipes(c, spec, p.stdio);
    watch_init(&c->exit, w->watches, -1, EPOLLIN, on_exit_ready);
    bd_deadline_start(w, &c->poll, WATCH_NS, on_poll);
    bd_queue_push(&w->children, &c->link);
    watches_hold_loop(w->watches, true);
    *ret_child = c;
    return 0;
}

/* What the owner does */

enum bd_flow bd_child_write(struct bd_child *c, const char *buf, size_t len)
{
    assert(c->ops);
    return feed_write(&c->in, buf, len);
}

void bd_child_finish_input(struct bd_child *c)
{
    assert(c->ops);
    feed_finish(&c->in);
}

void bd_child_resume(struct bd_child *c)
{
    assert(c->ops);
    child_enter(c);
    reader_resume(&c->out);
    child_leave(c);
}

void bd_child_kill(struct bd_child *c)
{
    if (c->state == CHILD_GONE)
        return; /* called by ended() */
    assert(c->ops);
    child_enter(c);
    c->ops = NULL;
    feed_forget(&c->in);
    reader_discard(&c->out);
    if (c->err.take == give_errput) {
        bd_deadline_stop(&c->log_wait);
        reader_discard(&c->err);
    }
    enter_term(c);
    child_leave(c);
}

bool bd_child_has_exited(const struct bd_child *c)
{
    return c->exited || process_has_exited(c->pid);
}

void bd_child_end(struct bd_child *c)
{
    assert(c->ops);
    child_enter(c);
    if (c->state == CHILD_RUNS || c->state == CHILD_GRACE)
        enter_term(c);
    child_leave(c);
}

void bd_child_kill_all(struct bd_worker *w)
{
    struct bd_queue *q, *next;

    for (q = w->children.next; q != &w->children; q = next) {
        struct bd_child *c = BD_CONTAINER(q, struct bd_child, link);

        next = q->next;
        child_enter(c);
        if (c->state == CHILD_TERM)
            enter_killed(c);
        else if (c->state != CHILD_GONE)
            process_signal(c->pid, SIGKILL);
        child_leave(c);
    }
}
