/*
 * instance.h - one fwatchdog with its function, while it runs
 *
 * It frees itself when its process has ended and its output has been read, after on_ended.
 */
#ifndef BANDOG_CLI_INSTANCE_H
#define BANDOG_CLI_INSTANCE_H

#include <stdbool.h>
#include <uv.h>

#include "say.h"

struct instance;

struct instance_plan {
    const char *name; /* of the function, before its lines */
    int width;        /* of the longest name */
    enum colour colour;
    const char *folder; /* to run in */
    unsigned slot;      /* the owner's number for that folder */
    char **environment; /* "NAME=VALUE" */
    int listener;       /* a socket that listens on 127.0.0.1; taken over */
    int port;           /* its port */
    const char *probe;  /* the path that is answered with 200 once it is ready */
    void (*on_ready)(struct instance *i, void *data);
    /* `reason`: how it ended, "exit status 1". */
    void (*on_ended)(struct instance *i, const char *reason, void *data);
    void *data;
};

/*
 * Never NULL; neither callback comes from inside this call. The name and the probe must live until
 * on_ended, the rest of the plan until it returns.
 */
struct instance *instance_start(uv_loop_t *loop, const struct instance_plan *plan);

int instance_port(const struct instance *i);
unsigned instance_slot(const struct instance *i);

/* It ends its calls and then itself; told again, it hurries. */
void instance_stop(struct instance *i);

#endif
