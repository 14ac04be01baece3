/*
 * relay.h - one exchange of mode=http: what the client sends goes to the function, and back
 */
#ifndef MODES_RELAY_H
#define MODES_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "bandog/duration.h"
#include "bandog/function.h"
#include "bandog/mode.h"
#include "forward.h"
#include "held.h"
#include "lines_options.h"

/* For a function to listen, without an exec_timeout. */
#define START_NS (30 * BD_NS_PER_S)
#define START_TEXT "30s"

/* The mode's settings. */
struct http_conf {
    const char *fprocess, *url;
    int64_t exec_timeout_ns, stop_grace_ns;
    bool buffer_http, http_buffer_req_body;
    int restart; /* enum bd_restart */
    struct lines_conf lines;

    /* Made from them by http_init(): */
    struct bd_upstream upstream;
    struct bd_function function;
    struct bd_pool_shared *shared;
    char exec_timeout[BD_DURATION_BYTES];
};

/* The mode's state of one exchange; in its arena. */
struct relay {
    struct bd_exchange *x;
    const struct http_conf *conf;
    struct forward forward;
    struct bd_fetch fetch;
    bool fetching; /* the fetch is under way */

    int64_t limit_ns;          /* for the call, <= 0: none */
    const char *timer, *value; /* what that is called in answers and logs */
    bool streams;              /* the limit is for each piece of the answer */
    struct bd_deadline expect; /* the function's 100 */

    struct held *held; /* the request's body, when it goes on as a whole; NULL: it does not */
    struct bd_deadline pause;
    bool sending_held;

    struct bd_response *pending; /* the answer's head waits for a byte to tell its type by */
    int64_t head_ns;             /* when it came; 0: not yet */
    int64_t declared;            /* its Content-Length, -1: none */
    struct bd_slice reason;
    bool timed_out;    /* the limit ended it before there was one */
    const char *error; /* why there is no answer */
    const char *broke; /* why there is only a part of it */
};

/* The mode's callbacks of these names. */
void relay_start(struct bd_exchange *x);
enum bd_flow relay_body(struct bd_exchange *x, const char *buf, size_t len);
void relay_body_end(struct bd_exchange *x);
void relay_drain(struct bd_exchange *x);
void relay_deadline(struct bd_exchange *x);
void relay_abort(struct bd_exchange *x, enum bd_abort why);

#endif
