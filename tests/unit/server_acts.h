/* What the modes of several server tests do. */
#ifndef TESTS_SERVER_ACTS_H
#define TESTS_SERVER_ACTS_H

#include "server_run.h"

static void nothing(struct call *c)
{
}

static enum bd_flow take(struct call *c, const char *buf, size_t len)
{
    return BD_GO;
}

static enum bd_flow keep_for_ever(struct call *c, const char *buf, size_t len)
{
    return keep(c, buf, len);
}

static const struct plan quiet = {.start = nothing, .body = take};

static char noise[100000];

static void pour(struct call *c)
{
    while (send_copy(c, noise, c->left) == BD_GO)
        ;
}

static void pour_large(struct call *c)
{
    c->left = sizeof(noise);
    respond(c, 200, -1);
    pour(c);
}

/* The mode has ended, its last bytes are on the way. */
static void reply_much(struct call *c)
{
    size_t n = 20000000;
    char *much = bd_arena_alloc(&c->x->arena, n);

    memset(much, 'm', n);
    bd_reply(leave(c), 200, NULL, 0, much, n);
}

#endif
