/*
 * builtin.c - see builtin.h
 */
#include "builtin.h"

#include <stdio.h>
#include <stdlib.h>

#include "bandog/metrics.h"
#include "lock.h"

static void answer(struct bd_exchange *x, int status)
{
    bd_reply(x, status, NULL, 0, NULL, 0);
}

static bool is_healthy(const struct builtin *b)
{
    return atomic_load(&b->accepting) && (!b->lock_counts || lock_exists());
}

/* GET only, and HEAD is none, as in the Go programs. */
static bool is_get(struct bd_exchange *x)
{
    return bd_slice_eq(x->req.method, BD_SLICE("GET"));
}

static void health_start(struct bd_exchange *x)
{
    if (!is_get(x))
        answer(x, 405);
    else if (!is_healthy(x->conf))
        answer(x, 503);
    else
        bd_reply_text(x, 200, "OK");
}

static bool is_up(const struct builtin *b)
{
    return !b->function || bd_function_presence(b->function) == BD_FUNCTION_UP;
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

    if (!is_get(x))
        answer(x, 405);
    else if (!is_healthy(b) || !is_up(b))
        answer(x, 503);
    else if (bd_server_is_full(atomic_load(&b->server)))
        answer(x, 429);
    else if (!b->ready_path)
        answer(x, 200);
    else if (x->req.content_length != 0)
        answer(x, 400); /* it would be the body of another request */
    else
        ask_function(x, b);
}

/* The whole exposition, in the arena. */
static struct bd_slice print_metrics(struct bd_exchange *x, struct bd_server *server)
{
    struct bd_metrics *const *all;
    struct bd_slice copy;
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &copy.len);

    if (!to)
        abort();
    all = bd_server_metrics(server, &n);
    bd_metrics_print(to, all, n);
    fclose(to);
    if (!text)
        abort();
    copy.p = bd_arena_copy(&x->arena, (struct bd_slice){text, copy.len});
    free(text);
    return copy;
}

static void metrics_start(struct bd_exchange *x)
{
    static const struct bd_field type = {BD_SLICE("Content-Type"),
                                         BD_SLICE("text/plain; version=0.0.4; charset=utf-8")};
    const struct builtin *b = x->conf;
    struct bd_slice text;

    if (!bd_slice_eq(bd_request_path(x), BD_SLICE("/metrics"))) {
        bd_reply_text(x, 404, "404 page not found\n");
        return;
    }
    text = print_metrics(x, atomic_load(&b->server));
    bd_reply(x, 200, &type, 1, text.p, text.len);
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
