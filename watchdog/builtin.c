/*
 * builtin.c - see builtin.h
 */
#include "builtin.h"

#include <stdio.h>
#include <stdlib.h>

#include "bandog/conditions.h"
#include "bandog/metrics.h"
#include "lock.h"

static void answer(struct bd_exchange *x, int status)
{
    bd_reply(x, status, NULL, 0, NULL, 0);
}

/* NULL, or why not. */
static const char *sickness(struct bd_exchange *x)
{
    const struct builtin *b = x->conf;

    if (!atomic_load(&b->accepting))
        return "shutting down\n";
    if (b->lock_counts && !lock_exists())
        return bd_arena_printf(&x->arena, "the lock file %s is missing\n", lock_path());
    return NULL;
}

/* GET only, and HEAD is none, as in the Go programs. */
static bool is_get(struct bd_exchange *x)
{
    return bd_slice_eq(x->req.method, BD_SLICE("GET"));
}

static void health_start(struct bd_exchange *x)
{
    const char *why = sickness(x);

    if (!is_get(x))
        answer(x, 405);
    else if (why)
        bd_reply_text(x, 503, why);
    else
        bd_reply_text(x, 200, "OK");
}

/* NULL, or why the function cannot be called. */
static const char *absence(const struct builtin *b)
{
    if (!b->function)
        return NULL;
    switch (bd_function_presence(b->function)) {
    case BD_FUNCTION_STARTING:
        return "the function is starting\n";
    case BD_FUNCTION_OVER:
        return "the function has ended\n";
    case BD_FUNCTION_UP:
        break;
    }
    return NULL;
}

static void answer_full(struct bd_exchange *x, const struct builtin *b)
{
    static const struct bd_field field[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain; charset=utf-8")},
        {BD_SLICE("Retry-After"), BD_SLICE("1")},
    };
    const char *text =
        bd_arena_printf(&x->arena, "max_inflight %lld reached\n", (long long)b->max_inflight);

    bd_reply(x, 429, field, 2, text, strlen(text));
}

/* The probe becomes a call of the function: GET ready_path with the fields of the probe. */
static void ask_function(struct bd_exchange *x, const struct builtin *b)
{
    x->req.method = BD_SLICE("GET");
    bd_request_set_target(&x->req, bd_slice_of(b->ready_path)); /* checked at the start */
    x->mode = b->mode;
    x->conf = b->mode_conf;
    x->mode->start(x);
}

static void ready_start(struct bd_exchange *x)
{
    const struct builtin *b = x->conf;
    const char *why = sickness(x);

    if (!why)
        why = absence(b);
    if (!is_get(x))
        answer(x, 405);
    else if (why)
        bd_reply_text(x, 503, why);
    else if (bd_server_is_full(atomic_load(&b->server)))
        answer_full(x, b);
    else if (!b->ready_path)
        answer(x, 200);
    else if (x->req.content_length != 0)
        answer(x, 400); /* it would be the body of another request */
    else if (!bd_take_place(x))
        answer_full(x, b);
    else
        ask_function(x, b);
}

/* The whole exposition, in the arena. */
static struct bd_slice print_metrics(struct bd_exchange *x, const struct bd_scrape *s)
{
    struct bd_slice copy;
    char *text = NULL;
    FILE *to = open_memstream(&text, &copy.len);

    if (!to)
        abort();
    bd_metrics_print(to, s);
    fclose(to);
    if (!text)
        abort();
    copy.p = bd_arena_copy(&x->arena, (struct bd_slice){text, copy.len});
    free(text);
    return copy;
}

static bool wants_open_metrics(const struct bd_exchange *x)
{
    int open = bd_media_weight(&x->req, BD_SLICE("application/openmetrics-text"));

    return open > 0 && open >= bd_media_weight(&x->req, BD_SLICE("text/plain"));
}

static void metrics_start(struct bd_exchange *x)
{
    static const struct bd_field type[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain; version=0.0.4; charset=utf-8")},
        {BD_SLICE("Content-Type"),
         BD_SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8")},
    };
    const struct builtin *b = x->conf;
    struct bd_server *server = atomic_load(&b->server);
    struct bd_scrape s = {.restarts = -1, .open_metrics = wants_open_metrics(x)};
    struct bd_slice text;

    if (!bd_slice_eq(bd_request_path(x), BD_SLICE("/metrics"))) {
        bd_reply_text(x, 404, "404 page not found\n");
        return;
    }
    s.worker = bd_server_metrics(server, &s.workers);
    s.queue_depth = bd_server_queue_depth(server);
    if (b->function)
        s.restarts = bd_function_restarts(b->function);
    text = print_metrics(x, &s);
    bd_reply(x, 200, &type[s.open_metrics], 1, text.p, text.len);
}

const struct bd_mode builtin_health = {
    .name = "health",
    .summary = "GET /_/health",
    .start = health_start,
};

const struct bd_mode builtin_ready = {
    .name = "ready",
    .summary = "GET /_/ready",
    .start = ready_start,
};

const struct bd_mode builtin_metrics = {
    .name = "metrics",
    .summary = "GET /metrics",
    .start = metrics_start,
};
