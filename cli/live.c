/*
 * live.c - see live.h
 */
#include "live.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build.h"
#include "dev_environment.h"
#include "dev_install.h"
#include "files.h"
#include "front.h"
#include "guard.h"
#include "instance.h"
#include "output.h"
#include "slots.h"
#include "sources.h"
#include "task.h"
#include "watcher.h"

#define LIVED_MS 1000 /* who has served so long is started again when it ends by itself */

enum phase {
    RESTING,    /* for a change */
    CROWDED,    /* for the end of some older version: there is no slot for one more */
    INSTALLING, /* for `dev.install` */
    BUILDING,   /* for `dev.build` */
    STOPPING,   /* for the end of the instance whose address the next one needs */
    STARTING,   /* for the next instance to be ready */
};

struct live {
    const struct live_place *place;
    const struct stack *stack;
    const struct function *function;
    enum colour colour;
    enum phase phase;
    bool again; /* something has changed since this round began */
    bool closing;
    char changed[256]; /* the file of this round; "": the first one */
    char next_change[256];

    struct bd_arena arena;            /* of this round */
    struct template space, *template; /* NULL: a Dockerfile of its own */
    struct dev_environment environment;
    unsigned slot;      /* of this round */
    const char *folder; /* the slot's */
    const char *install_key;

    struct front front;
    struct watcher watch;
    struct bd_arena watched; /* its texts */
    struct task *task;       /* of INSTALLING and BUILDING */
    struct instance *current, *next;
    uint64_t ready_at; /* of current */
    struct slots slots;
    struct instance *running[SLOTS]; /* those that have not ended, by their slot */
    unsigned instances;              /* how many */
    bool was_ready;
    bool front_closed;
};

static void begin(struct live *l);
static void start(struct live *l);

/* --- rounds -------------------------------------------------------------------------------------
 */

static void close_when_over(struct live *l);

static void rest(struct live *l)
{
    l->phase = RESTING;
    if (l->closing)
        close_when_over(l);
    else if (l->again)
        begin(l);
}

/* This round has come to nothing. */
static void fail(struct live *l, const char *why)
{
    const char *name = l->function->name;

    if (l->closing || l->again) {
        rest(l); /* what was wrong may be gone already */
        return;
    }
    if (l->current) {
        complain("%s: does not start (%s): the last version keeps serving", name, why);
    } else {
        complain("%s: does not start (%s): correct it and save", name, why);
        front_set_excuse(&l->front, bd_arena_printf(&l->arena, "%s does not start: %s", name, why));
    }
    rest(l);
}

static void go(struct live *l, const char *changed)
{
    struct instance *next = l->next;

    if (l->closing)
        return;
    snprintf(l->next_change, sizeof(l->next_change), "%s", changed);
    l->again = true;
    if (l->phase == RESTING) {
        rest(l);
    } else if (l->phase == STARTING) { /* it may never be ready */
        l->next = NULL;
        instance_stop(next);
        rest(l);
    } else if (l->phase == BUILDING) {
        task_kill(l->task, SIGTERM); /* nobody wants what it makes */
    }
}

/* --- putting it together ------------------------------------------------------------------------
 */

int live_check(const struct live *l, struct bd_error *err)
{
    struct bd_arena a;
    struct template space, *t;
    int failed;

    bd_arena_init(&a);
    failed = build_template(&a, l->stack, l->function, &space, &t, err) ||
             sources_check(&a, l->function, t, err);
    bd_arena_release(&a);
    return failed ? -1 : 0;
}

static int assemble(struct live *l, struct bd_error *err)
{
    struct bd_arena *a = &l->arena;

    /* What would have to be fetched is not: that takes its time, in which nobody is served. */
    if (build_template(a, NULL, l->function, &l->space, &l->template, err) ||
        sources_check(a, l->function, l->template, err))
        return -1;
    l->folder = slots_folder(a, &l->slots, l->slot);
    if (sources_assemble(a, l->stack, l->function, l->template, l->folder, err))
        return -1;
    if (!l->current)
        return slots_show(a, &l->slots, l->slot, err);
    if (l->template)
        dev_install_borrow(a, slots_folder(a, &l->slots, instance_slot(l->current)), l->folder,
                           &l->template->dev);
    return 0;
}

static void watch(struct live *l)
{
    struct bd_arena before = l->watched;

    bd_arena_init(&l->watched);
    sources_watch(&l->watched, l->stack, l->function, &l->watch);
    bd_arena_release(&before);
}

static void on_change(struct watcher *w, const char *name)
{
    go(w->data, name);
}

/* --- commands of the template -------------------------------------------------------------------
 */

static void on_task_line(struct task *t, bool is_error, struct bd_slice line)
{
    struct live *l = task_data(t);

    (void)is_error;
    output_print(l->function->name, l->place->width, l->colour, line);
}

static void build(struct live *l);

static void on_task_ended(struct task *t, const char *reason)
{
    struct live *l = task_data(t);
    bool installed = l->phase == INSTALLING;

    l->task = NULL;
    if (installed && !reason)
        dev_install_done(&l->arena, l->folder, l->install_key);
    if (reason)
        fail(l,
             bd_arena_printf(&l->arena, "%s: %s", installed ? "dev.install" : "dev.build", reason));
    else if (l->closing || l->again)
        rest(l);
    else if (installed)
        build(l);
    else
        start(l);
}

static void run(struct live *l, enum phase phase, const char *command)
{
    char *parent = bd_arena_printf(&l->arena, "%d", (int)getpid());
    char *argv[] = {GUARD_ARGV0, bd_arena_copy(&l->arena, bd_slice_of(command)), parent, NULL};
    struct task_plan plan = {
        .file = "/proc/self/exe",
        .argv = argv,
        .own_session = true,
        .folder = l->folder,
        .on_line = on_task_line,
        .on_ended = on_task_ended,
        .data = l,
    };

    l->phase = phase;
    l->task = task_start(l->place->loop, &plan);
}

static void build(struct live *l)
{
    if (l->template && l->template->dev.build)
        run(l, BUILDING, l->template->dev.build);
    else
        start(l);
}

static void install(struct live *l)
{
    const struct dev_section *dev = l->template ? &l->template->dev : NULL;

    if (dev && dev_install_is_due(&l->arena, l->folder, dev, &l->install_key))
        run(l, INSTALLING, dev->install);
    else
        build(l);
}

/* A round: from the sources to the next instance. */
static void begin(struct live *l)
{
    struct bd_error err;

    l->again = false;
    memcpy(l->changed, l->next_change, sizeof(l->changed));
    bd_arena_clear(&l->arena);
    if (!l->current)
        front_set_excuse(&l->front, NULL); /* who calls now is answered by what comes */
    watch(l);
    if (slots_choose(&l->slots, &l->slot))
        l->phase = CROWDED;
    else if (assemble(l, &err))
        fail(l, err.text);
    else
        install(l);
}

/* --- instances ----------------------------------------------------------------------------------
 */

static int dockerfile(struct live *l, struct bd_slice *ret, struct bd_error *err)
{
    if (!l->template)
        return file_read(&l->arena, path_join(&l->arena, l->folder, "Dockerfile"),
                         DOCKERFILE_BYTES_MAX, ret, err);
    *ret = l->template->dockerfile;
    return 0;
}

/* A socket for the next instance, that only this machine can reach. */
static int listen_on_loopback(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, SOMAXCONN) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        *ret_port = ntohs(address.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Of an instance: for its socket and its lock file. */
static void own_folder(const struct live *l, unsigned slot, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/%d.%u", l->place->folder, l->front.port, slot);
}

static int prepare(struct live *l, struct bd_error *err)
{
    char *own = bd_arena_alloc(&l->arena, PATH_MAX);
    struct bd_slice text;

    own_folder(l, l->slot, own);
    if (folder_make(own, 0700, err) || dockerfile(l, &text, err))
        return -1;
    return dev_environment(&l->arena, l->function, l->template, text, own, &l->environment, err);
}

static void tell_ready(struct live *l)
{
    bool is_page =
        strcmp(l->environment.mode, "static") == 0 || strcmp(l->environment.mode, "cgi") == 0;

    if (!l->was_ready)
        say_in(GREEN, "%s is ready: curl %shttp://127.0.0.1:%d/", l->function->name,
               is_page ? "" : "-d 'hello' ", l->front.port);
    else
        say_in(GREEN, "%s is ready again after %s changed", l->function->name, l->changed);
    l->was_ready = true;
}

static void on_ready(struct instance *i, void *data)
{
    struct live *l = data;
    struct instance *old = l->current;
    struct bd_error err;

    if (i != l->next)
        return;
    if (slots_show(&l->arena, &l->slots, instance_slot(i), &err))
        warn("%s", err.text);
    l->current = i;
    l->next = NULL;
    l->ready_at = uv_now(l->place->loop);
    front_set_target(&l->front, instance_port(i));
    tell_ready(l);
    if (old)
        instance_stop(old);
    rest(l);
}

/* What serves has ended by itself. */
static void current_ended(struct live *l, const char *reason)
{
    bool lived = uv_now(l->place->loop) - l->ready_at >= LIVED_MS;

    l->current = NULL;
    if (l->closing || l->phase != RESTING)
        return;
    complain("%s: has ended (%s)%s", l->function->name, reason,
             lived ? ": starting it again" : ": correct it and save");
    if (lived)
        go(l, "nothing");
    else
        front_set_excuse(&l->front,
                         bd_arena_printf(&l->arena, "%s has ended: %s", l->function->name, reason));
}

/* A place has become free. */
static void go_on(struct live *l)
{
    if (l->closing)
        close_when_over(l);
    else if (l->phase == CROWDED || (l->phase == STOPPING && l->again))
        begin(l);
    else if (l->phase == STOPPING && l->instances == 0)
        start(l);
}

static void on_ended(struct instance *i, const char *reason, void *data)
{
    struct live *l = data;
    unsigned slot = instance_slot(i);
    struct bd_error ignored;
    char own[PATH_MAX];

    l->instances--;
    l->slots.used[slot] = false;
    l->running[slot] = NULL;
    front_drop_target(&l->front, instance_port(i));
    own_folder(l, slot, own);
    folder_remove(own, &ignored);
    if (i == l->current) {
        current_ended(l, reason);
    } else if (i == l->next) {
        l->next = NULL;
        fail(l, reason);
        return;
    }
    go_on(l);
}

static void start(struct live *l)
{
    struct instance_plan plan = {
        .name = l->function->name,
        .width = l->place->width,
        .colour = l->colour,
        .folder = l->folder,
        .slot = l->slot,
        .on_ready = on_ready,
        .on_ended = on_ended,
        .data = l,
    };
    struct bd_error err;

    if (prepare(l, &err)) {
        fail(l, err.text);
        return;
    }
    if (l->instances > 0 && !l->environment.is_movable) { /* two cannot have the same address */
        front_set_target(&l->front, 0);                   /* who comes waits */
        if (l->current && l->phase != STOPPING)
            instance_stop(l->current);
        l->phase = STOPPING;
        return;
    }
    plan.listener = listen_on_loopback(&plan.port);
    if (plan.listener < 0) {
        fail(l, bd_arena_printf(&l->arena, "no socket: %s", strerror(errno)));
        return;
    }
    /* classic-watchdog has no /_/ready, and that path is the function's */
    plan.probe = strcmp(l->environment.mode, "classic") == 0 ? "/_/health" : "/_/ready";
    plan.environment = dev_environment_rows(&l->arena, &l->environment.rows);
    l->phase = STARTING;
    l->instances++;
    l->slots.used[l->slot] = true;
    l->next = l->running[l->slot] = instance_start(l->place->loop, &plan);
}

/* --- life ---------------------------------------------------------------------------------------
 */

int live_open(const struct live_place *p, const struct stack *s, const struct function *f, int port,
              enum colour c, struct live **ret, struct bd_error *err)
{
    struct live *l = bd_arena_alloc(p->arena, sizeof(*l));
    int failed;

    memset(l, 0, sizeof(*l));
    l->place = p;
    l->stack = s;
    l->function = f;
    l->colour = c;
    bd_arena_init(&l->arena);
    bd_arena_init(&l->watched);
    if (slots_open(&l->slots, f->name, err))
        return UV_EBUSY;
    failed = front_open(&l->front, p->loop, port);
    if (failed) {
        slots_close(&l->slots);
        return failed;
    }
    watcher_open(&l->watch, p->loop, on_change, l);
    *ret = l;
    return 0;
}

void live_start(struct live *l)
{
    for (size_t i = 0; i < l->function->secrets.count; i++) {
        const char *path =
            bd_arena_printf(l->place->arena, ".secrets/%s", l->function->secrets.text[i]);

        if (!path_exists(path))
            warn("%s: its secret is missing: write it to the file %s", l->function->name, path);
    }
    begin(l);
}

void live_update(struct live *l, const struct stack *s, const struct function *f,
                 const char *changed)
{
    bool same = function_is_equal(l->function, f) && texts_are_equal(&l->stack->copy, &s->copy);

    l->stack = s;
    l->function = f;
    if (!same || !l->current) /* what it lacked may be there now */
        go(l, changed);
}

const char *live_name(const struct live *l)
{
    return l->function->name;
}

int live_port(const struct live *l)
{
    return l->front.port;
}

bool live_is_closing(const struct live *l)
{
    return l->closing;
}

static void close_when_over(struct live *l)
{
    if (l->front_closed || l->instances > 0 || l->task)
        return;
    l->front_closed = true;
    front_close(&l->front);
    slots_close(&l->slots);
    bd_arena_release(&l->arena);
    bd_arena_release(&l->watched);
    l->place->on_closed(l, l->place->data);
}

/* Those that have been told to end are hurried. */
static void hurry(struct live *l)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (l->running[slot])
            instance_stop(l->running[slot]);
}

static void close_gently(struct live *l)
{
    l->closing = true;
    watcher_close(&l->watch);
    front_stop_listening(&l->front);
    if (l->next)
        instance_stop(l->next);
    if (l->current)
        instance_stop(l->current);
}

void live_close(struct live *l)
{
    if (l->closing)
        hurry(l);
    else
        close_gently(l);
    if (l->task)
        task_kill(l->task, SIGTERM);
    close_when_over(l);
}
