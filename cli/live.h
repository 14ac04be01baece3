/*
 * live.h - one function of `bandog dev`: put together, started, watched, started again
 *
 * Its front stays as long as it lives; behind it instances come and go. A new one takes over when
 * it is ready, so that a version that does not start leaves the one before it in service.
 */
#ifndef BANDOG_CLI_LIVE_H
#define BANDOG_CLI_LIVE_H

#include <stdbool.h>
#include <uv.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "say.h"
#include "stack.h"

struct live;

/* What all functions share. */
struct live_place {
    uv_loop_t *loop;
    struct bd_arena *arena; /* lives as long as they do */
    const char *folder;     /* for sockets and lock files, removed at the end */
    int width;              /* of the longest name */
    void (*on_closed)(struct live *l, void *data);
    void *data;
};

/*
 * Takes the port; 0: any. `s` and `f` live as long as the arena. Nothing is started before
 * live_start(). Fails with UV_EADDRINUSE and others; with UV_EBUSY `err` says why.
 */
int live_open(const struct live_place *p, const struct stack *s, const struct function *f, int port,
              enum colour c, struct live **ret, struct bd_error *err);

/* The template and the programs it needs must be there: for a sentence before anything is started.
 */
int live_check(const struct live *l, struct bd_error *err);

void live_start(struct live *l);

/* The stack file has changed: this is what it says now. Without effect when that is the same. */
void live_update(struct live *l, const struct stack *s, const struct function *f,
                 const char *changed);

const char *live_name(const struct live *l);
int live_port(const struct live *l);
bool live_is_closing(const struct live *l);

/* Ends its calls, then itself; on_closed comes last, perhaps from inside this call. Told again it
 * hurries. */
void live_close(struct live *l);

#endif
