/*
 * jobs.c - see jobs.h
 *
 * A slot is a worker: it runs one job after the other. One loop, one thread.
 */
#include "jobs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "output.h"
#include "say.h"
#include "tame.h"
#include "task.h"

#define SIGNALS 3

extern char **environ;

struct slot {
    struct jobs *jobs;
    size_t number;
    struct job *job;
    struct task *task; /* NULL: nothing runs */
    uint64_t began;
    char last[512]; /* the last line of its stderr */
};

struct jobs {
    struct bd_arena *arena;
    const struct jobs_options *options;
    struct job *next, *end;
    uv_loop_t loop;
    uv_signal_t interrupts[SIGNALS];
    struct slot *slot;
    size_t running, failed;
    int signal;
    int width; /* of the longest name */
};

static void slot_go_on(struct slot *s);

static void progress(const struct slot *s, const char *arrow, const char *title, const char *end)
{
    say_in(YELLOW, "[%zu] %s %s%s", s->number, arrow, title, end);
}

static void fail(struct slot *s, const char *reason)
{
    s->job->failure = reason;
    s->jobs->failed++;
}

static void on_ended(struct task *t, const char *reason)
{
    struct slot *s = task_data(t);
    struct bd_arena *a = s->jobs->arena;
    double seconds = (double)(uv_hrtime() - s->began) / 1e9;

    if (!reason)
        progress(s, "<", s->job->title,
                 s->jobs->options->timed ? bd_arena_printf(a, " done in %.2fs.", seconds)
                                         : " done.");
    else
        fail(s, bd_arena_printf(a, "%s failed: %s%s%s", s->jobs->options->verb, reason,
                                *s->last ? ": " : "", s->last));
    s->task = NULL;
    s->jobs->running--;
    slot_go_on(s);
}

static void on_line(struct task *t, bool is_error, struct bd_slice line)
{
    struct slot *s = task_data(t);

    if (is_error && bd_slice_trim(line).len > 0)
        snprintf(s->last, sizeof(s->last), "%.*s", (int)line.len, line.p);
    if (!s->jobs->options->quiet)
        output_print(s->job->name, s->jobs->width, colour_of(s->number), line);
}

/* "NAME=VALUE" rows: ours, less those that the job sets, and those. */
static char **environment(struct bd_arena *a, const struct pairs *own)
{
    size_t count = 0, kept = 0;
    char **rows;

    while (environ[count])
        count++;
    rows = bd_arena_alloc(a, (count + own->count + 1) * sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        const char *name =
            bd_arena_copy(a, (struct bd_slice){environ[i], strcspn(environ[i], "=")});

        if (!pairs_get(own, name))
            rows[kept++] = environ[i];
    }
    for (size_t i = 0; i < own->count; i++)
        rows[kept++] = bd_arena_printf(a, "%s=%s", own->row[i].name, own->row[i].value);
    rows[kept] = NULL;
    return rows;
}

static void start(struct slot *s)
{
    struct task_plan plan = {
        .file = s->job->argv.text[0],
        .argv = (char **)(void *)s->job->argv.text,
        .environment = environment(s->jobs->arena, &s->job->environment),
        .folder = s->job->folder,
        .own_session = true, /* the terminal's Ctrl-C is for us, who say it on */
        .on_line = on_line,
        .on_ended = on_ended,
        .data = s,
    };

    s->last[0] = '\0';
    s->began = uv_hrtime();
    s->jobs->running++;
    progress(s, ">", s->job->title, ".");
    s->task = task_start(&s->jobs->loop, &plan);
}

static void jobs_end(struct jobs *j)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (!uv_is_closing((uv_handle_t *)&j->interrupts[i]))
            uv_close((uv_handle_t *)&j->interrupts[i], NULL);
}

static void slot_go_on(struct slot *s)
{
    struct jobs *j = s->jobs;

    if (j->next == j->end || j->signal) {
        if (j->running == 0)
            jobs_end(j);
        return;
    }
    s->job = j->next++;
    start(s);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct jobs *j = handle->data;

    j->signal = number;
    for (size_t i = 0; i < j->options->parallel; i++)
        if (j->slot[i].task)
            task_kill(j->slot[i].task, number);
}

static void watch_signals(struct jobs *j)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&j->loop, &j->interrupts[i]);
        j->interrupts[i].data = j;
        uv_signal_start(&j->interrupts[i], on_signal, numbers[i]);
    }
}

static void report(const struct job *job, size_t count, const char *verb)
{
    fprintf(stderr, "Errors received during %s:\n", verb);
    for (size_t i = 0; i < count; i++)
        if (job[i].failure) {
            fprintf(stderr, "- [%s] ", job[i].name);
            tame_put(stderr, bd_slice_of(job[i].failure), TAME_ALL);
            putc('\n', stderr);
        }
}

size_t jobs_run(struct bd_arena *a, struct job *job, size_t count, const struct jobs_options *o,
                int *ret_signal)
{
    struct jobs j = {.arena = a, .options = o, .next = job, .end = job + count};

    for (size_t i = 0; i < count; i++)
        if ((int)strlen(job[i].name) > j.width)
            j.width = (int)strlen(job[i].name);
    if (uv_loop_init(&j.loop))
        abort();
    watch_signals(&j);
    j.slot = bd_arena_alloc(a, o->parallel * sizeof(*j.slot));
    memset(j.slot, 0, o->parallel * sizeof(*j.slot));
    for (size_t i = 0; i < o->parallel; i++) {
        j.slot[i].jobs = &j;
        j.slot[i].number = i;
        slot_go_on(&j.slot[i]);
    }
    uv_run(&j.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&j.loop))
        abort(); /* a handle was left open */
    *ret_signal = j.signal;
    if (j.failed)
        report(job, count, o->verb);
    return j.failed;
}
