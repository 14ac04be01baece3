/*
 * mode.h - what a mode is: the way requests become work for the function
 *
 * A mode is one constant of this type, listed in modes/modes.c. The engine calls it, for each
 * exchange on one thread, in this order:
 *
 *     start, body*, body_end?      and then exactly one of:  bd_end, bd_cut, bd_reply by the mode
 *                                                            abort by the engine
 *
 * 1. body() may come before or after the mode has begun its answer; body_end() comes once, when the
 *    whole body was taken, and not at all for a request without one (bd_body_complete() says so in
 *    start()). A mode that has ended the exchange sees no more of either, and returns BD_GO.
 * 2. After BD_WAIT (from body() or bd_send()) the bytes are lent to whoever said it, and no more
 *    come, until bd_body_resume() or drain(). One buffer is under way per direction, so an exchange
 *    costs constant memory whatever its bodies' size.
 * 3. bd_end(), bd_cut(), bd_reply() and bd_body_resume() may run the mode again before they return:
 *    make them the last statement.
 * 4. abort() is the engine's last word: let go of x and of every byte of it at once. The client is
 *    told by the engine (400, 504, 503 or a cut connection), so all modes behave alike.
 * 5. What outlives the exchange (a child being killed) is an object of its own that has forgotten
 * x.
 *
 * Absent members are fine; each says what happens then.
 */
#ifndef BANDOG_MODE_H
#define BANDOG_MODE_H

#include "error.h"
#include "exchange.h"
#include "flow.h"
#include "option.h"

struct bd_function;

struct bd_mode {
    const char *name;
    const char *summary; /* one line for --help */

    enum bd_family family;          /* whose rules its settings follow */
    const struct bd_option *option; /* its settings; NULL: none */
    size_t conf_bytes;              /* size of the structure they are read into */

    /* Once, before the threads. `conf` may be completed here. 0, or bd_fail(err, ...). */
    int (*init)(void *conf, struct bd_error *err);

    /*
     * Once, after init: something is wrong, but may come right while the program runs (a function
     * that is not there yet). 0, or bd_fail(err, ...), which is a warning, or an error where the
     * operator wants to be strict.
     */
    int (*check)(const void *conf, struct bd_error *err);

    /* Once, when serving begins: its line in the log of the start. */
    void (*announce)(const void *conf);

    /*
     * After init: the process that the program is to run beside the server, part of `conf`. Absent
     * or NULL: there is none.
     */
    struct bd_function *(*function)(void *conf);

    /* Per worker, on its thread. stop() begins closing; the loop ends when it is empty. */
    int (*worker_start)(struct bd_worker *w, const void *conf);
    void (*worker_stop)(struct bd_worker *w);

    /* It calls bd_continue() itself; else the engine does, as soon as there is a body(). */
    bool expects;

    /*
     * Its work goes on after the last byte of an answer, until bd_end(): so long the call holds its
     * place under max_inflight. Else it is free before the client can know that it has all.
     */
    bool lingers;

    /* The head is complete. Required. */
    void (*start)(struct bd_exchange *x);

    /* A piece of the request's body, chunking removed. Absent: the body is read and dropped. */
    enum bd_flow (*body)(struct bd_exchange *x, const char *buf, size_t len);
    void (*body_end)(struct bd_exchange *x);

    /* The BD_WAIT of bd_send() is over. Required when the mode streams. */
    void (*drain)(struct bd_exchange *x);

    /*
     * The deadline has come and no byte of the answer is out: answer in the mode's own words and
     * end the exchange before returning. Absent, or when the answer has begun: abort().
     */
    void (*deadline)(struct bd_exchange *x);

    /* See 4. Absent: the mode holds nothing. */
    void (*abort)(struct bd_exchange *x, enum bd_abort why);

    /* All is over, the outcome stands in x: write the log line. The mode's state may be gone. */
    void (*finish)(struct bd_exchange *x);
};

#endif
