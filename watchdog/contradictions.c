/*
 * contradictions.c - see contradictions.h
 */
#include "contradictions.h"

#include <stdarg.h>
#include <string.h>

#include "bandog/modes.h"

struct finding {
    const struct conf *c;
    char *const *environ_rows;
    void (*warn)(void *self, const char *text);
    void *self;
};

__attribute__((format(printf, 2, 3))) static void warn(struct finding *f, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    f->warn(f->self, text);
}

static bool is_set(const struct finding *f, const char *name)
{
    const char *value = name ? bd_environ_get(f->environ_rows, name) : NULL;

    return value && *value;
}

/* Does the table have a row of that name for the mode that was chosen? */
static bool has_row(const struct finding *f, const struct bd_option *rows, const char *name)
{
    for (const struct bd_option *o = rows; o && o->name; o++) {
        bool fits = !o->family || (o->family & f->c->mode->family);

        if (fits && (strcmp(o->name, name) == 0 || (o->also && strcmp(o->also, name) == 0)))
            return true;
    }
    return false;
}

static void find_unread(struct finding *f, const struct bd_option *own, const char *name)
{
    if (is_set(f, name) && !has_row(f, own, name) && !has_row(f, f->c->mode->option, name))
        warn(f, "%s is set, but mode=%s does not read it", name, f->c->mode->name);
}

/* Is it in an earlier table, and so looked at already? */
static bool was_seen(const struct bd_option *own, size_t modes, const struct bd_option *from,
                     const struct bd_option *row)
{
    for (const struct bd_option *o = own; o->name; o++)
        if (o != row && strcmp(o->name, row->name) == 0 && (from != own || o < row))
            return true;
    for (size_t i = 0; i < modes; i++)
        for (const struct bd_option *o = bd_modes[i]->option; o && o->name; o++)
            if (strcmp(o->name, row->name) == 0)
                return true;
    return false;
}

static void find_unread_in(struct finding *f, const struct bd_option *own, size_t modes,
                           const struct bd_option *from)
{
    for (const struct bd_option *o = from; o && o->name; o++) {
        if (was_seen(own, modes, from, o))
            continue;
        find_unread(f, own, o->name);
        if (o->also)
            find_unread(f, own, o->also);
    }
}

static void find_times(struct finding *f)
{
    int64_t exec_ns = conf_exec_timeout_ns(f->c);
    char exec[BD_DURATION_BYTES], write[BD_DURATION_BYTES];

    if (exec_ns > f->c->write_timeout_ns && f->c->write_timeout_ns > 0)
        warn(f, "exec_timeout %s is longer than write_timeout %s, which ends a call first",
             bd_duration_print(exec, exec_ns), bd_duration_print(write, f->c->write_timeout_ns));
}

/* Without a process there is nothing to confine. */
static void find_useless(struct finding *f)
{
    static const char *const name[] = {"limit_memory",    "limit_cpu", "limit_files",
                                       "limit_processes", "user",      "group"};

    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
        if (is_set(f, name[i]))
            warn(f, "%s is set, but mode=%s does not read it", name[i], f->c->mode->name);
}

void contradictions_find(const struct conf *c, const struct bd_option *rows,
                         char *const *environ_rows, void (*warn_)(void *self, const char *text),
                         void *self)
{
    struct finding f = {c, environ_rows, warn_, self};

    find_times(&f);
    if (!has_row(&f, c->mode->option, "fprocess"))
        find_useless(&f);
    if (c->max_queue > 0 && c->max_inflight <= 0)
        warn(&f, "max_queue is set, but without max_inflight no call has to wait");
    else if (is_set(&f, "queue_timeout") && (c->max_queue <= 0 || c->max_inflight <= 0))
        warn(&f, "queue_timeout is set, but without max_queue and max_inflight no call waits");
    if (is_set(&f, "log_wrap") && c->log_format == 0)
        warn(&f, "log_wrap is set, but with log_format=text no line is wrapped");
    find_unread_in(&f, rows, 0, rows);
    for (size_t i = 0; bd_modes[i]; i++)
        find_unread_in(&f, rows, i, bd_modes[i]->option);
}
