/*
 * generate_settings.c - what the watchdog's settings mean for those who run it
 *
 * The stack file, and the Dockerfile of the template or the function where that is at hand. The
 * image may be another one, so where nothing stands the answer is one that is right for all of
 * them, as far as there is one.
 */
#include "generate.h"

#include <string.h>

#include "bandog/duration.h"
#include "bandog/slice.h"

/* An empty value counts as none. */
static const char *setting(const struct workload *w, const char *name)
{
    const char *value = pairs_get(&w->environment, name);

    if (!value)
        value = pairs_get(&w->image_environment, name);
    return value && *value ? value : NULL;
}

static int64_t read_port(struct workload *w, const char *name, int64_t initial, int64_t least)
{
    const char *value = setting(w, name);
    int64_t port = initial;

    if (value && (!bd_slice_number(bd_slice_of(value), &port) || port < least || port > 65535)) {
        workload_error(w, "environment %s=\"%s\" is no port; allowed: %lld to 65535", name, value,
                       (long long)least);
        return initial;
    }
    return port;
}

/* In whole seconds, rounded up. */
static int64_t read_seconds(struct workload *w, const char *name, int64_t initial_s)
{
    const char *value = setting(w, name);
    int64_t ns;

    if (!value)
        return initial_s;
    if (bd_duration_parse(value, &ns) || ns < 0) {
        workload_error(w, "environment %s=\"%s\" is no duration; allowed: 30, 1m30s, 500ms, 0",
                       name, value);
        return initial_s;
    }
    return ns / BD_NS_PER_S + (ns % BD_NS_PER_S > 0);
}

/* docs/operations.md, Life cycle. stop_grace is mode=http's: counted always, since the image may
 * choose the mode. */
static int64_t read_stop(struct workload *w)
{
    int64_t write_s = read_seconds(w, "write_timeout", 30);

    return read_seconds(w, "healthcheck_interval", write_s) +
           read_seconds(w, "shutdown_timeout", write_s) + read_seconds(w, "stop_grace", 5);
}

/* Classic functions are asked for /_/ready themselves; /_/health is there in every mode. */
static const char *ready_path(const struct workload *w)
{
    const char *mode = setting(w, "mode");

    return mode && strcmp(mode, "classic") != 0 ? "/_/ready" : "/_/health";
}

static const char *read_tmpdir(struct workload *w)
{
    const char *path = setting(w, "TMPDIR");

    if (path && (*path != '/' || strchr(path, ':'))) {
        workload_error(w, "environment TMPDIR=\"%s\" must begin with / and have no : in it", path);
        path = NULL;
    }
    return path ? path : "/tmp";
}

void settings_read(struct workload *w)
{
    w->settings = (struct settings){
        .port = read_port(w, "port", 8080, 1),
        .metrics_port = read_port(w, "metrics_port", 8081, 0),
        .stop_s = read_stop(w),
        .ready = ready_path(w),
        .tmpdir = read_tmpdir(w),
        .chooses_user = setting(w, "user") || setting(w, "group"),
    };
    if (w->settings.port == w->settings.metrics_port)
        workload_error(w, "environment port and metrics_port are the same, %lld",
                       (long long)w->settings.port);
}
