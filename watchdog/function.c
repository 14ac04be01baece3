/*
 * function.c - see function.h
 *
 * A fetch that only waits for a link finds out when the function listens: the pool tries until it
 * does, and then the fetch is over before it has sent anything.
 */
#include "function.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "bandog/child.h"
#include "bandog/duration.h"
#include "bandog/log.h"

#define OUTPUT_GRACE_NS (250 * BD_NS_PER_MS)
#define BACKOFF_FIRST_NS (100 * BD_NS_PER_MS)
#define BACKOFF_LONGEST_NS (10 * BD_NS_PER_S)
#define GOOD_RUN_NS (10 * BD_NS_PER_S) /* after that the next back-off is the first one again */

struct function {
    struct bd_worker *worker;
    struct bd_function *what;
    void (*over)(void *arg, int status);
    void *arg;
    struct bd_child *child; /* NULL: it does not run */
    int64_t began_ns;
    int64_t backoff_ns;
    struct bd_deadline restart;
    bool stopping;
    int64_t stopped_ns; /* when it was told to stop; 0: it was not, or had ended by itself */
    bool killed;        /* SIGKILL was sent */

    struct bd_pool *pool; /* NULL: nobody looks whether it listens */
    struct bd_fetch probe;
    struct bd_arena arena;
};

static void set_presence(struct function *f, enum bd_presence presence)
{
    __atomic_store_n(&f->what->presence, (int)presence, __ATOMIC_RELEASE);
}

/* Does it listen? */

static void stop_looking(struct function *f)
{
    if (!f->pool)
        return;
    bd_fetch_cancel(&f->probe);
    bd_pool_close(f->pool);
    f->pool = NULL;
}

static void on_listening(void *owner)
{
    struct function *f = owner;

    set_presence(f, BD_FUNCTION_UP);
    stop_looking(f);
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

static void look(struct function *f)
{
    static const struct bd_fetch_ops ops = {.linked = on_listening};
    const struct bd_pool_conf conf = {.upstream = f->what->upstream, .starting = always};

    set_presence(f, BD_FUNCTION_STARTING);
    f->pool = bd_pool_open(f->worker, &conf);
    f->probe = (struct bd_fetch){.ops = &ops, .owner = f, .arena = &f->arena};
    bd_fetch_start(&f->probe, f->pool);
}

/* Life */

static void on_ended(void *owner, const struct bd_exit *e);

static int start(struct function *f, struct bd_error *err)
{
    static const struct bd_child_ops ops = {.ended = on_ended};
    const struct bd_function *what = f->what;
    const struct bd_child_spec spec = {
        .path = what->command.path,
        .argv = what->command.argv,
        .envp = environ,
        .out = BD_STDOUT_LINES,
        .err = BD_STDERR_LINES,
        .output_grace_ns = OUTPUT_GRACE_NS,
        .kill_grace_ns = what->kill_grace_ns,
        .line_bytes = what->line_bytes,
        .prefix_lines = what->prefix_lines,
        .ends_group = true,
    };
    int failed;

    f->began_ns = bd_now_ns();
    if (!spec.path)
        return bd_fail(err, "%s", what->command.error.text);
    failed = bd_child_start(&f->child, f->worker, &spec, &ops, f);
    if (failed) {
        bd_child_error(err, spec.path, failed);
        return -1;
    }
    look(f);
    return 0;
}

static void restart_later(struct function *f);

static void on_restart(struct bd_deadline *d)
{
    struct function *f = BD_CONTAINER(d, struct function, restart);
    struct bd_error err;

    __atomic_fetch_add(&f->what->restarts, 1, __ATOMIC_RELAXED);
    if (start(f, &err) == 0)
        return;
    bd_log_at(BD_LEVEL_ERROR, "Forked function cannot be started: %s", err.text);
    restart_later(f);
}

static void restart_later(struct function *f)
{
    char text[BD_DURATION_BYTES];

    if (f->backoff_ns == 0 || bd_now_ns() - f->began_ns >= GOOD_RUN_NS)
        f->backoff_ns = BACKOFF_FIRST_NS;
    bd_log("Starting the function again in %s", bd_duration_print(text, f->backoff_ns));
    bd_deadline_start(f->worker, &f->restart, f->backoff_ns, on_restart);
    f->backoff_ns *= 2;
    if (f->backoff_ns > BACKOFF_LONGEST_NS)
        f->backoff_ns = BACKOFF_LONGEST_NS;
}

static bool restarts(const struct function *f, int status)
{
    switch (f->what->restart) {
    case BD_RESTART_NEVER:
        return false;
    case BD_RESTART_ON_FAILURE:
        return status != 0;
    case BD_RESTART_ALWAYS:
        return true;
    }
    return false;
}

/*
 * Has it ended because it was told to? How it does that is its own business; but a signal that we
 * have not sent tells that somebody else was faster.
 */
static bool was_stopped(const struct function *f, const struct bd_exit *e)
{
    if (f->stopped_ns == 0)
        return false;
    if (e->signal == 0 || e->signal == SIGTERM || f->killed)
        return true;
    return e->signal == SIGKILL && bd_now_ns() - f->stopped_ns >= f->what->kill_grace_ns;
}

static void on_ended(void *owner, const struct bd_exit *e)
{
    struct function *f = owner;
    bool stopped = was_stopped(f, e);
    int status = e->status >= 0 ? e->status : 128 + e->signal;
    char text[64];

    f->child = NULL;
    stop_looking(f);
    if (!stopped || (e->status != 0 && e->signal != SIGTERM))
        bd_log_at(f->stopping || status == 0 ? BD_LEVEL_INFO : BD_LEVEL_ERROR,
                  "Forked function has terminated: %s", bd_exit_text(text, e));
    if (!f->stopping && restarts(f, status)) {
        set_presence(f, BD_FUNCTION_STARTING);
        restart_later(f);
        return;
    }
    set_presence(f, BD_FUNCTION_OVER);
    f->over(f->arg, stopped ? 0 : status);
}

static void log_command(const struct bd_command *c)
{
    char line[1024], name[256], shown[1024];
    size_t at = 0;

    *line = '\0';
    for (char *const *arg = c->argv; *arg && at < sizeof(line); arg++)
        if (arg > c->argv)
            at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", at > 0 ? " " : "", *arg);
    bd_log("Forking: %s, arguments: [%s]",
           bd_printable_text(name, sizeof(name), *c->argv ? *c->argv : ""),
           bd_printable_text(shown, sizeof(shown), line));
}

int function_open(struct function **ret_function, struct bd_worker *w, struct bd_function *what,
                  void (*over)(void *arg, int status), void *arg, struct bd_error *err)
{
    struct function *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->worker = w;
    f->what = what;
    f->over = over;
    f->arg = arg;
    bd_arena_init(&f->arena);
    log_command(&what->command);
    if (start(f, err)) {
        function_free(f);
        return -1;
    }
    bd_log("Started logging: stderr from function.");
    bd_log("Started logging: stdout from function.");
    *ret_function = f;
    return 0;
}

void function_stop(struct function *f)
{
    if (f->stopping && f->child) {
        f->killed = true;
        bd_child_kill_all(f->worker);
        return;
    }
    f->stopping = true;
    bd_deadline_stop(&f->restart);
    if (f->child) {
        f->stopped_ns = bd_child_has_exited(f->child) ? 0 : bd_now_ns();
        bd_child_end(f->child);
        return;
    }
    set_presence(f, BD_FUNCTION_OVER);
    f->over(f->arg, 0);
}

void function_free(struct function *f)
{
    if (!f)
        return;
    bd_arena_release(&f->arena);
    free(f);
}
