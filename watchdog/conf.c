/*
 * conf.c - see conf.h
 */
#include "conf.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/log.h"
#include "bandog/modes.h"
#include "contradictions.h"

#define ROWS_MAX 128

static const char *const format_words[] = {"text", "json", NULL};
static const char *const level_words[] = {"error", "warning", "info", NULL};
static const char *mode_words[16]; /* names of bd_modes; filled by name_modes() */

/* clang-format off */
static const struct bd_option rows[] = {
    {.name = "mode", .type = BD_WORD, .flags = BD_OWN, .offset = offsetof(struct conf, mode_index),
     .initial = "classic", .words = mode_words,
     .help = "how a request becomes work for the function"},
    {.name = "port", .type = BD_INT, .family = BD_CLASSIC, .offset = offsetof(struct conf, port),
     .initial = "8080", .min = 0, .max = INT64_MAX,
     .help = "TCP port to listen on, all addresses; 0: any free one"},
    {.name = "port", .type = BD_INT, .family = BD_OTHERS, .offset = offsetof(struct conf, port),
     .initial = "8080", .fallback = "0",
     .help = "TCP port to listen on, all addresses; 0: any free one"},
    {.name = "read_timeout", .type = BD_DURATION, .offset = offsetof(struct conf, read_timeout_ns),
     .initial = "30s", .help = "for a whole request to arrive, and idle between two; 0: none"},
    {.name = "write_timeout", .type = BD_DURATION,
     .offset = offsetof(struct conf, write_timeout_ns), .initial = "30s",
     .help = "from the end of a request's head to the end of its answer, and for draining at the "
             "end; 0: none"},
    {.name = "healthcheck_interval", .type = BD_DURATION,
     .offset = offsetof(struct conf, healthcheck_interval_ns), .like = "write_timeout",
     .help = "after SIGTERM, unhealthy but serving for this long; 0: no wait"},
    {.name = "shutdown_timeout", .type = BD_DURATION, .flags = BD_OWN,
     .offset = offsetof(struct conf, shutdown_timeout_ns), .like = "write_timeout",
     .help = "after that, wait for calls under way for this long; 0: cut them"},
    {.name = "max_inflight", .type = BD_INT, .family = BD_CLASSIC, .min = 0, .max = INT64_MAX,
     .offset = offsetof(struct conf, max_inflight), .initial = "0", .unit = "calls",
     .help = "calls at a time, further ones are answered with 429; 0: no limit"},
    {.name = "max_inflight", .type = BD_INT, .family = BD_OTHERS,
     .offset = offsetof(struct conf, max_inflight), .initial = "0", .unit = "calls",
     .help = "calls at a time, further ones are answered with 429; 0: no limit"},
    {.name = "max_queue", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, max_queue), .initial = "0", .unit = "calls",
     .help = "calls over max_inflight that wait for a place; 0: none, they get 429"},
    {.name = "queue_timeout", .type = BD_DURATION, .flags = BD_OWN,
     .offset = offsetof(struct conf, queue_timeout_ns), .initial = "10s",
     .help = "a call that has waited so long gets 429; 0: no limit"},
    {.name = "max_body", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, max_body), .initial = "0", .unit = "bytes",
     .help = "larger request bodies are refused with 413; 0: no limit"},
    {.name = "max_connections", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, max_connections), .initial = "0", .unit = "connections",
     .help = "further ones wait until one has closed; 0: no limit"},
    {.name = "suppress_lock", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct conf, suppress_lock), .initial = "false",
     .help = "write no lock file for health checks"},
    {.name = "suppress_lock", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct conf, suppress_lock), .initial = "false",
     .help = "write no lock file for health checks"},
    {.name = "jwt_auth", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct conf, jwt_auth), .initial = "false",
     .help = "not supported yet: true is refused at start"},
    {.name = "jwt_auth", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct conf, jwt_auth), .initial = "false",
     .help = "not supported yet: true is refused at start"},
    {.name = "jwt_auth_debug", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct conf, jwt_auth_debug), .initial = "false",
     .help = "for jwt_auth, without effect until that is supported"},
    {.name = "jwt_auth_debug", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct conf, jwt_auth_debug), .initial = "false",
     .help = "for jwt_auth, without effect until that is supported"},
    {.name = "jwt_auth_local", .type = BD_BOOL, .family = BD_CLASSIC,
     .offset = offsetof(struct conf, jwt_auth_local), .initial = "false",
     .help = "for jwt_auth, without effect until that is supported"},
    {.name = "jwt_auth_local", .type = BD_BOOL_ONE, .family = BD_OTHERS,
     .offset = offsetof(struct conf, jwt_auth_local), .initial = "false",
     .help = "for jwt_auth, without effect until that is supported"},
    {.name = "ready_path", .type = BD_TEXT, .family = BD_OTHERS,
     .offset = offsetof(struct conf, ready_path), .unit = "path",
     .help = "GET /_/ready is answered by the function, as GET of this path"},
    {.name = "TMPDIR", .type = BD_TEXT, .flags = BD_OWN, .offset = offsetof(struct conf, tmpdir),
     .initial = "/tmp", .unit = "path",
     .help = "folder of the lock file .lock and of output too large to hold in memory"},
    {.name = "workers", .type = BD_INT, .flags = BD_OWN, .min = 0, .max = 256,
     .offset = offsetof(struct conf, workers), .initial = "0", .unit = "threads",
     .help = "threads that serve; 0: one for each CPU the container may use"},
    {.name = "metrics_port", .type = BD_INT, .flags = BD_OWN, .min = 0, .max = 65535,
     .offset = offsetof(struct conf, metrics_port), .initial = "8081",
     .help = "TCP port of GET /metrics; 0: off"},
    {.name = "log_format", .type = BD_WORD, .flags = BD_OWN,
     .offset = offsetof(struct conf, log_format), .initial = "text", .words = format_words,
     .help = "lines as the originals write them, or a JSON object each"},
    {.name = "log_level", .type = BD_WORD, .flags = BD_OWN,
     .offset = offsetof(struct conf, log_level), .initial = "info", .words = level_words,
     .help = "less important lines of the watchdog are not written"},
    {.name = "log_wrap", .type = BD_BOOL, .flags = BD_OWN,
     .offset = offsetof(struct conf, log.wraps), .initial = "true",
     .help = "with log_format=json: lines of the function become JSON, too"},
    {.name = "log_callid", .also = "log_call_id", .type = BD_BOOL_WORD,
     .offset = offsetof(struct conf, log.call_ids), .initial = "false",
     .help = "X-Call-Id behind each request line of the log"},
    {.name = "user", .type = BD_TEXT, .flags = BD_OWN,
     .offset = offsetof(struct conf, confine.user), .unit = "name",
     .help = "whom the function runs as, name or number; only root can choose"},
    {.name = "group", .type = BD_TEXT, .flags = BD_OWN,
     .offset = offsetof(struct conf, confine.group), .unit = "name",
     .help = "its group, name or number; unset: the user's"},
    {.name = "limit_memory", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, confine.memory_bytes), .initial = "0", .unit = "bytes",
     .help = "address space of each process of the function (RLIMIT_AS); 0: no limit"},
    {.name = "limit_cpu", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, confine.cpu_s), .initial = "0", .unit = "seconds",
     .help = "processor time of each process of the function (RLIMIT_CPU); 0: no limit"},
    {.name = "limit_files", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, confine.files), .initial = "0", .unit = "descriptors",
     .help = "open files of each process of the function (RLIMIT_NOFILE); 0: as we have"},
    {.name = "limit_processes", .type = BD_INT, .flags = BD_OWN, .max = INT64_MAX,
     .offset = offsetof(struct conf, confine.processes), .initial = "0", .unit = "processes",
     .help = "processes of the function's user (RLIMIT_NPROC); 0: no limit"},
    {.name = "strict_config", .type = BD_BOOL, .flags = BD_OWN,
     .offset = offsetof(struct conf, strict_config), .initial = "false",
     .help = "a value that is not understood stops the start instead of being warned about"},
    {.name = NULL},
};
/* clang-format on */

struct loading {
    FILE *show;
    bool strict;
    struct conf_problems problems;
};

static void name_modes(void)
{
    for (size_t i = 0; bd_modes[i]; i++)
        mode_words[i] = bd_modes[i]->name;
}

static void on_problem(void *self, enum bd_severity severity, const char *text)
{
    struct loading *l = self;

    bd_log_at(severity == BD_ERROR ? BD_LEVEL_ERROR : BD_LEVEL_WARNING, "%s: %s",
              severity == BD_ERROR ? "Error" : "Warning", text);
    if (severity == BD_ERROR)
        l->problems.errors++;
    else
        l->problems.warnings++;
}

static void on_setting(void *self, const struct bd_option *o, const char *value,
                       enum bd_source source)
{
    static const char *const from[] = {
        [BD_FROM_DEFAULT] = "default",
        [BD_FROM_ENVIRONMENT] = "environment",
        [BD_FROM_FALLBACK] = "fallback",
    };
    struct loading *l = self;

    if (l->show)
        fprintf(l->show, "%s=%s (%s)\n", o->name, value, from[source]);
}

__attribute__((format(printf, 2, 3))) static void error(struct loading *l, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    on_problem(l, BD_ERROR, text);
}

/* What a strict operator does not want to start with. */
static void complain(struct loading *l, const char *text)
{
    on_problem(l, l->strict ? BD_ERROR : BD_WARNING, text);
}

static void on_contradiction(void *self, const char *text)
{
    on_problem(self, BD_WARNING, text);
}

static void load_rows(struct loading *l, const struct bd_option *from, void *to,
                      enum bd_family family, char *const *environ_rows)
{
    const struct bd_report report = {.problem = on_problem, .setting = on_setting, .self = l};

    bd_options_load(from, to, family, l->strict, environ_rows, &report);
}

/* The mode decides by whose rules the rest is read, so it is looked at first. */
static const struct bd_mode *choose_mode(char *const *environ_rows)
{
    const char *name = bd_environ_get(environ_rows, "mode");
    const struct bd_mode *mode = name && *name ? bd_mode_named(name) : bd_modes[0];

    return mode ? mode : bd_modes[0]; /* load_rows() complains */
}

static bool is_target(const char *s)
{
    struct bd_request scratch = {0};

    return bd_request_set_target(&scratch, bd_slice_of(s));
}

static void check_together(struct loading *l, const struct conf *c)
{
    if (c->port < 0 || c->port > 65535)
        error(l, "port=\"%lld\" is no TCP port; allowed: 0 to 65535", (long long)c->port);
    if (c->mode->family == BD_OTHERS && c->write_timeout_ns == 0)
        error(l, "write_timeout must be over 0s with mode=%s", c->mode->name);
    if (c->jwt_auth)
        error(l, "jwt_auth=true: this version cannot check tokens, and does not start without the "
                 "check; unset jwt_auth to serve unauthenticated");
    if (c->ready_path && *c->ready_path && !is_target(c->ready_path))
        error(l, "ready_path must begin with / and hold neither blanks, control characters, bad "
                 "escapes nor a fragment");
}

static void warn_bad_rows(char *const *environ_rows)
{
    for (; *environ_rows; environ_rows++) {
        struct bd_arena arena;
        struct bd_slice row;

        if (strchr(*environ_rows, '=') && **environ_rows != '=')
            continue;
        bd_arena_init(&arena);
        row = bd_printable(&arena, bd_slice_of(*environ_rows));
        bd_log_at(BD_LEVEL_WARNING, "Bad environment: %.*s", BD_ARG(row));
        bd_arena_release(&arena);
    }
}

static bool is_true(const char *text)
{
    return text && strcmp(text, "true") == 0;
}

void conf_log(char *const *environ_rows)
{
    static const struct bd_report quiet;
    struct conf c = {.mode = NULL};

    name_modes();
    bd_options_load(rows, &c, BD_OTHERS, false, environ_rows, &quiet);
    c.log.json = c.log_format == 1;
    c.log.least = (enum bd_level)c.log_level;
    bd_log_configure(&c.log);
}

struct conf_problems conf_load(struct conf *c, char *const *environ_rows, FILE *show)
{
    struct loading l = {.show = show};
    struct bd_error err;

    memset(c, 0, sizeof(*c));
    l.strict = is_true(bd_environ_get(environ_rows, "strict_config"));
    name_modes();
    warn_bad_rows(environ_rows);
    c->mode = choose_mode(environ_rows);
    load_rows(&l, rows, c, c->mode->family, environ_rows);
    c->mode_conf = calloc(1, c->mode->conf_bytes);
    if (!c->mode_conf)
        abort();
    load_rows(&l, c->mode->option, c->mode_conf, c->mode->family, environ_rows);
    check_together(&l, c);
    if (c->mode->init && c->mode->init(c->mode_conf, &err))
        error(&l, "%s", err.text);
    else if (c->mode->check && c->mode->check(c->mode_conf, &err))
        complain(&l, err.text);
    if (show && l.problems.errors == 0)
        contradictions_find(c, rows, environ_rows, on_contradiction, &l);
    if (confine_apply(&c->confine, &err))
        error(&l, "%s", err.text);
    bd_duration_print(c->queue_timeout, c->queue_timeout_ns);
    bd_duration_print(c->read_timeout, c->read_timeout_ns);
    bd_duration_print(c->write_timeout, c->write_timeout_ns);
    return l.problems;
}

/* Single settings of the mode, for the lines logged at start */

static const void *find_value(const struct conf *c, const char *name, enum bd_type type)
{
    for (const struct bd_option *o = c->mode->option; o && o->name; o++)
        if (strcmp(o->name, name) == 0 && o->type == type)
            return (const char *)c->mode_conf + o->offset;
    return NULL;
}

int64_t conf_exec_timeout_ns(const struct conf *c)
{
    const int64_t *ns = find_value(c, "exec_timeout", BD_DURATION);

    return ns ? *ns : 0;
}

const char *conf_process(const struct conf *c)
{
    const char *const *text = find_value(c, "fprocess", BD_TEXT);

    return text && *text ? *text : "";
}

/* Help */

static bool has_row(const struct bd_option *all, size_t n, const struct bd_option *o)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, o->name) == 0 && all[i].family == o->family)
            return true;
    return false;
}

void conf_help(FILE *to)
{
    struct bd_option all[ROWS_MAX + 1];
    size_t n = 0;

    name_modes();
    for (const struct bd_option *o = rows; o->name; o++)
        all[n++] = *o;
    for (const struct bd_mode *const *m = bd_modes; *m; m++)
        for (const struct bd_option *o = (*m)->option; o && o->name; o++)
            if (n < ROWS_MAX && !has_row(all, n, o))
                all[n++] = *o;
    all[n].name = NULL;
    bd_options_help(to, all);
}
