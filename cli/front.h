/*
 * front.h - a function's public port, which stays while what is behind it is exchanged
 *
 * Connections are passed on byte by byte. When the target changes those that are between two
 * requests move to the new one at once, the others stay with the old one until it ends them.
 * Without a target they wait, or are refused with 503 and an excuse.
 */
#ifndef BANDOG_CLI_FRONT_H
#define BANDOG_CLI_FRONT_H

#include <stdbool.h>
#include <uv.h>

#include "bandog/queue.h"

#define FRONT_EXCUSE_MAX 1024

struct front {
    uv_tcp_t listener;
    uv_loop_t *loop;
    int port;                      /* it listens on, 127.0.0.1 */
    int target;                    /* port on 127.0.0.1; 0: none */
    char excuse[FRONT_EXCUSE_MAX]; /* why there is none and none is on its way; "": one is */
    struct bd_queue tunnels;
    bool closing;
};

/* `port` 0: any. Fails with UV_EADDRINUSE when somebody has it. `f` must stay until the loop has
 * ended. */
int front_open(struct front *f, uv_loop_t *loop, int port);

/* Those who wait go there, too. 0: who comes, and who is between two requests, waits. */
void front_set_target(struct front *f, int port);

/* No target: who waits and who comes gets 503. NULL or "": they wait. Without effect while there is
 * a target. */
void front_set_excuse(struct front *f, const char *text);

/* Takes the target away when it is this one, because it has ended. */
void front_drop_target(struct front *f, int port);

/* No new connections. */
void front_stop_listening(struct front *f);

/* Ends every connection, too. */
void front_close(struct front *f);

#endif
