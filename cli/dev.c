/*
 * dev.c - bandog dev: runs the functions of a stack without a container, and again with each save
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bandog/temp.h"
#include "choice.h"
#include "command.h"
#include "console.h"
#include "files.h"
#include "grow.h"
#include "live.h"
#include "watcher.h"

#define PORT 8080
#define SIGNALS 3
#define TEMP_DIR_MAX 60

struct dev_options {
    struct choice choice; /* first */
    int64_t port;
};

static const struct flag flags[] = {
    CHOICE_FLAGS,
    {.name = "port",
     .letter = 'p',
     .type = FLAG_NUMBER,
     .offset = offsetof(struct dev_options, port),
     .value = "PORT",
     .min = 1,
     .max = 65535,
     .help = "of the first function, then one more (default: 8080, free ones)"},
    {.name = NULL},
};

struct dev {
    struct bd_arena *arena;
    const struct dev_options *options;
    const struct texts *names;
    const struct stack *stack; /* what the file says now */
    uv_loop_t loop;
    uv_signal_t signal[SIGNALS];
    struct watcher watch; /* of the stack file */
    struct live_place place;
    struct live **live;
    size_t count, room;
    size_t open;    /* those that are not closed yet */
    unsigned wheel; /* of colours */
    bool closing;
};

static void finish(struct dev *d)
{
    for (size_t i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&d->signal[i], NULL);
    console_close();
}

static void end(struct dev *d)
{
    if (!d->closing)
        watcher_close(&d->watch);
    d->closing = true;
    if (d->open == 0)
        finish(d);
    for (size_t i = d->count; i > 0; i--)
        live_close(d->live[i - 1]);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    end(handle->data);
}

static bool is_ours(const struct dev *d, int port)
{
    for (size_t i = 0; i < d->count; i++)
        if (live_port(d->live[i]) == port)
            return true;
    return false;
}

/* Takes the first port that none of ours has; without --port those in use elsewhere are passed
 * over. */
static int open_next(struct dev *d, const struct stack *s, const struct function *f,
                     struct live **ret, struct bd_error *err)
{
    enum colour c = colour_of(d->wheel++);

    for (int port = d->options->port ? (int)d->options->port : PORT; port <= 65535; port++) {
        int failed =
            is_ours(d, port) ? UV_EADDRINUSE : live_open(&d->place, s, f, port, c, ret, err);

        if (failed == 0)
            return 0;
        if (failed == UV_EBUSY)
            return -1;
        if (failed != UV_EADDRINUSE || (d->options->port && !is_ours(d, port)))
            return bd_fail(err, "port %d for %s: %s; choose another with --port", port, f->name,
                           uv_strerror(failed));
    }
    return bd_fail(err, "no port is left for %s", f->name);
}

static int add(struct dev *d, const struct stack *s, const struct function *f, struct bd_error *err)
{
    struct live *l;

    if ((int)strlen(f->name) > d->place.width)
        d->place.width = (int)strlen(f->name);
    if (open_next(d, s, f, &l, err))
        return -1;
    d->live = grow(d->arena, d->live, d->count, &d->room, sizeof(struct live *));
    d->live[d->count++] = l;
    d->open++;
    return 0;
}

/* Those that are not built are not run. */
static int leave_out(struct stack *s, struct bd_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->functions; i++) {
        const struct function *f = &s->function[i];

        if (f->skip_build && !f->lang)
            say("Skipping %s: it has an image and no lang.", f->name);
        else
            s->function[kept++] = *f;
    }
    s->functions = kept;
    return kept ? 0 : bd_fail(err, "%s has no function that can be run", s->path);
}

static int read_stack(struct dev *d, struct stack *ret, struct bd_error *err)
{
    if (choice_read(d->arena, &d->options->choice, d->names, ret, err))
        return -1;
    return leave_out(ret, err);
}

/* --- the stack file ------------------------------------------------------------------------------
 */

static struct live *find(struct dev *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(live_name(d->live[i]), name) == 0)
            return d->live[i];
    return NULL;
}

static void start_new(struct dev *d, const struct stack *s, const struct function *f)
{
    struct bd_error err;

    if (add(d, s, f, &err))
        complain("%s", err.text);
    else
        live_start(d->live[d->count - 1]);
}

static void on_closed(struct live *l, void *data)
{
    struct dev *d = data;
    const struct function *f = d->closing ? NULL : stack_find(d->stack, live_name(l));

    for (size_t i = 0; i < d->count; i++)
        if (d->live[i] == l)
            d->live[i] = d->live[--d->count];
    if (--d->open == 0 && d->closing)
        finish(d);
    else if (f)
        start_new(d, d->stack, f); /* it was taken out of the file, and put back */
}

static void on_stack_changed(struct watcher *w, const char *name)
{
    struct dev *d = w->data;
    struct stack *s = bd_arena_alloc(d->arena, sizeof(*s));
    struct bd_error err;

    if (read_stack(d, s, &err)) {
        complain("%s: what it said before still counts", err.text);
        return;
    }
    d->stack = s;
    for (size_t i = d->count; i > 0; i--) {
        struct live *l = d->live[i - 1];

        if (!stack_find(s, live_name(l)) && !live_is_closing(l)) {
            say("%s is not in %s any more: ending it", live_name(l), s->path);
            live_close(l);
        }
    }
    for (size_t i = 0; i < s->functions; i++) {
        struct live *l = find(d, s->function[i].name);

        if (l && !live_is_closing(l))
            live_update(l, s, &s->function[i], name);
        else if (!l)
            start_new(d, s, &s->function[i]);
    }
}

static void watch_stack(struct dev *d, const struct stack *s)
{
    const struct texts none = {0};
    struct texts files = {0};

    texts_add(d->arena, &files, path_clean(d->arena, s->path));
    watcher_open(&d->watch, &d->loop, on_stack_changed, d);
    watcher_set(&d->watch, &none, &files, &none);
}

/* --- the command ---------------------------------------------------------------------------------
 */

static int open_all(struct dev *d, const struct stack *s, struct bd_error *err)
{
    for (size_t i = 0; i < s->functions; i++)
        if (add(d, s, &s->function[i], err) || live_check(d->live[d->count - 1], err))
            return -1;
    return 0;
}

static void watch_signals(struct dev *d)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&d->loop, &d->signal[i]);
        d->signal[i].data = d;
        uv_signal_start(&d->signal[i], on_signal, numbers[i]);
    }
}

/* Runs until a signal. */
static int serve(struct dev *d, const struct stack *s, struct bd_error *err)
{
    int failed;

    watch_signals(d);
    watch_stack(d, s);
    failed = open_all(d, s, err);
    if (failed) {
        end(d);
    } else {
        for (size_t i = 0; i < d->count; i++)
            live_start(d->live[i]);
    }
    uv_run(&d->loop, UV_RUN_DEFAULT);
    return failed;
}

/* A socket's path has at most 107 bytes (unix(7)), and the functions' are below this folder. */
static const char *temp_dir(void)
{
    const char *folder = bd_temp_dir();

    return *folder == '/' && strlen(folder) <= TEMP_DIR_MAX ? folder : "/tmp";
}

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct dev_options *o = options;
    struct dev d = {.arena = a, .options = o, .names = operands};
    char *folder = bd_arena_printf(a, "%s/bandog-dev-XXXXXX", temp_dir());
    struct bd_error err, ignored;
    struct stack s;
    int failed;

    if (read_stack(&d, &s, &err)) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    if (!mkdtemp(folder)) {
        complain("cannot make a folder in %s: %s", temp_dir(), strerror(errno));
        return EXIT_FAILED;
    }
    if (uv_loop_init(&d.loop))
        abort();
    d.place = (struct live_place){
        .loop = &d.loop, .arena = a, .folder = folder, .on_closed = on_closed, .data = &d};
    console_open(&d.loop);
    d.stack = &s;
    failed = serve(&d, &s, &err);
    if (failed)
        complain("%s", err.text);
    if (uv_loop_close(&d.loop))
        abort(); /* a handle was left open */
    folder_remove(folder, &ignored);
    return failed ? EXIT_FAILED : EXIT_OK;
}

const struct command command_dev = {
    .name = "dev",
    .operands = "[NAME...]",
    .max = SIZE_MAX,
    .offer = OPERANDS_FUNCTIONS,
    .summary = "Run functions without a container, and again with each save",
    .details = "Puts each together in build/NAME and runs it behind fwatchdog, with the "
               "environment of its\n"
               "Dockerfile and of the stack file. A new version takes over when it is ready; one "
               "that does\n"
               "not start leaves the last one in service.\n",
    .flags = flags,
    .bytes = sizeof(struct dev_options),
    .run = run,
};
