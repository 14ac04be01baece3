/*
 * host.h - one worker's part of a server
 *
 * Lives from the worker's start to the end of its loop; touched by that thread only, but for
 * `load`.
 */
#ifndef WATCHDOG_HTTP_HOST_H
#define WATCHDOG_HTTP_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bandog/http_date.h"
#include "bandog/queue.h"
#include "bandog/server.h"
#include "bandog/slice.h"
#include "bandog/worker.h"
#include "places.h"

struct host {
    struct bd_worker *worker;
    struct bd_server *server;
    const struct bd_server_conf *conf;
    struct bd_queue conns;
    struct bd_queue spare; /* exchanges to use again */
    int spares;
    uint64_t call_ids; /* made so far */
    bool draining;     /* no request follows the one under way */
    char date_text[BD_HTTP_DATE_BYTES];
    struct bd_slice date; /* in `date_text`, of second `date_s` */
    int64_t date_s;
    atomic_uint load; /* connections given to this worker and not closed; the acceptor adds */
    struct bd_mail drain, kill, stop;
    struct places *places; /* the server's */
    struct granted granted;
};

/* The current value of Date. */
struct bd_slice host_date(struct host *h);

/* A connection is gone: tells the server when it waits for the last one. */
void host_conn_closed(struct host *h);

#endif
