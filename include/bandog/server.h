/*
 * server.h - workers behind one listening socket
 *
 * The caller's thread runs the loop given to bd_server_open(): it accepts and hands each connection
 * to the worker with the fewest. Everything else happens on the workers.
 */
#ifndef BANDOG_SERVER_H
#define BANDOG_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "error.h"
#include "mode.h"

struct bd_server;

/* A path the server answers itself, before limits and counters: exact match after decoding. */
struct bd_route {
    const char *path;
    const struct bd_mode *mode;
    const void *conf;
};

struct bd_server_conf {
    int port;                 /* 0: any free one; all addresses, IPv6 and IPv4 */
    int listener;             /* a socket that listens, taken over, instead of `port`; 0: none */
    unsigned workers;         /* at least 1 */
    int64_t read_timeout_ns;  /* a whole request, and idle between two; <= 0: none */
    int64_t write_timeout_ns; /* end of a head to end of its answer; <= 0: none */
    const char *read_timeout; /* the two as text, for answers that name them */
    const char *write_timeout;
    int64_t max_inflight;     /* calls at a time, above: they wait, or 429; <= 0: no limit */
    int64_t max_queue;        /* calls that wait, above: 429; <= 0: none does */
    int64_t queue_timeout_ns; /* as long, then: 429; <= 0: no limit */
    const char *queue_timeout;
    int64_t max_body;        /* bytes of a request's body, above: 413; <= 0: no limit */
    int64_t max_connections; /* above: they are not accepted yet; <= 0: no limit */
    const struct bd_mode *mode;
    const void *mode_conf;
    const struct bd_route *route; /* `path` NULL ends it; NULL: none */
};

/*
 * Binds and listens, starts the workers and waits until each has started its mode. Nothing is
 * accepted before `loop` runs. 0, or -1 with a sentence and nothing left behind.
 */
int bd_server_open(struct bd_server **ret_server, uv_loop_t *loop,
                   const struct bd_server_conf *conf, struct bd_error *err);

int bd_server_port(const struct bd_server *s);

/* Calls under way (routes do not count). Any thread. */
int64_t bd_server_in_flight(const struct bd_server *s);

/* Calls that wait for a place. Any thread. */
int64_t bd_server_queue_depth(const struct bd_server *s);

/* True when one more call would be refused with 429. Any thread. */
bool bd_server_is_full(const struct bd_server *s);

/*
 * No new connections; idle ones are closed; answers carry "Connection: close". `done` comes on the
 * loop's thread when the last connection has closed, at once if there is none.
 */
void bd_server_drain(struct bd_server *s, void (*done)(void *arg), void *arg);

/* What is still running is aborted (BD_ABORT_SHUTDOWN) and its processes are killed. After drain.
 */
void bd_server_kill(struct bd_server *s);

/* Stops the workers, waits until their loops are empty, frees. After drain has said done. */
void bd_server_close(struct bd_server *s);

/* The workers' metrics, for a scrape: `ret_n` of them, valid until close. */
struct bd_metrics *const *bd_server_metrics(const struct bd_server *s, size_t *ret_n);

#endif
