/*
 * fork.h - what the modes share that start a process for each request
 *
 * A call is the mode's state of one exchange: the process, its input and its clock. It lives in the
 * exchange's arena; when the exchange is aborted first, fork_abort() sends the process away on its
 * own and nothing of the call is touched again.
 */
#ifndef MODES_FORK_H
#define MODES_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/child.h"
#include "bandog/duration.h"
#include "bandog/mode.h"
#include "environ.h"
#include "exit_status.h"

struct marshal;

/* Settings of all forking modes. */
struct fork_conf {
    const char *fprocess;
    const char *content_type;
    int64_t exec_timeout_ns;
    int64_t kill_grace_ns;
    int64_t output_grace_ns;
    bool cgi_response;
    const char *exit_status_map;

    /* Made from them by fork_init(): */
    uint16_t status_of[EXIT_STATUSES]; /* HTTP status for an exit status; 0: none */
    struct bd_command command;
    struct environ_base environ;
    char exec_timeout[BD_DURATION_BYTES];
};

/* For their rows: where conf_.fork.member lies. */
#define FORK_OPTION(conf_, member) offsetof(conf_, fork.member)
#define FORK_OPTION_KILL_GRACE(conf_)                                                              \
    .name = "kill_grace", .type = BD_DURATION, .flags = BD_OWN,                                    \
    .offset = FORK_OPTION(conf_, kill_grace_ns), .initial = "1s",                                  \
    .help = "time from SIGTERM to SIGKILL for the processes of a call that must end"
#define FORK_OPTION_OUTPUT_GRACE(conf_)                                                            \
    .name = "output_grace", .type = BD_DURATION, .flags = BD_OWN,                                  \
    .offset = FORK_OPTION(conf_, output_grace_ns), .initial = "250ms",                             \
    .help = "wait for output after the process has exited while a descendant holds it open"
#define FORK_OPTION_CGI_RESPONSE(conf_)                                                            \
    .name = "cgi_response", .type = BD_BOOL, .flags = BD_OWN,                                      \
    .offset = FORK_OPTION(conf_, cgi_response), .initial = "false",                                \
    .help = "the output begins with a head, as of a CGI program: Status, Content-Type and others"
#define FORK_OPTION_EXIT_STATUS_MAP(conf_)                                                         \
    .name = "exit_status_map", .type = BD_TEXT, .flags = BD_OWN,                                   \
    .offset = FORK_OPTION(conf_, exit_status_map), .unit = "pairs",                                \
    .help = "HTTP statuses for exit statuses, such as 3=404 22=422"

struct call;

/* What differs between the modes. */
struct call_ops {
    enum bd_flow (*output)(struct call *call, const char *buf, size_t len);
    void (*errput)(struct call *call, const char *buf, size_t len); /* BD_STDERR_GIVE only */
    /* The process is over: `error` is NULL after exit status 0, else what went wrong. */
    void (*ended)(struct call *call, const char *error);
    /* It could not be started. Last statement, as ended(). */
    void (*not_started)(struct call *call, const char *error);
};

struct call {
    struct bd_exchange *x;
    const struct fork_conf *conf;
    const struct call_ops *ops;
    struct bd_child *child;    /* NULL before it is started and after it has ended */
    bool start_at_once;        /* do not wait for a first piece of body */
    bool clock_waits_for_body; /* the deadline is for the process alone, not for the upload */
    bool started;
    bool input_over;        /* the whole body has been handed on */
    bool without_input;     /* fork_again(): what comes of the body is dropped */
    int exit_status;        /* of the process, once it has ended; -1 after a signal */
    bool body_lent;         /* the engine waits for fork_release_body() */
    unsigned environ_flags; /* enum environ_flag */
    enum bd_stderr err;
    size_t line_bytes;
    bool prefix_lines;
    char **envp;             /* fork_prepare()'s; NULL: the path has a NUL and cannot be passed */
    struct marshal *marshal; /* NULL: the body goes to stdin as it is */
    struct bd_slice body;    /* lent by the engine, not yet encoded by `marshal` */
};

/* `environ_flags` as in the calls to come. */
int fork_init(struct fork_conf *conf, unsigned environ_flags, struct bd_error *err);

/* Is the program there? For bd_mode.check. */
int fork_check(const struct fork_conf *conf, struct bd_error *err);

/*
 * After the mode has filled in the members above: makes the environment. False when the request
 * does not fit one, and then it has been refused and the exchange is over.
 */
bool fork_prepare(struct call *call);

/*
 * Starts the process as soon as there is something for it, a first piece of body or the end of it.
 * May end the exchange: last statement.
 */
void fork_begin(struct call *call);

/*
 * The process has ended, and another one, without input, is to answer: starts it with the
 * environment that fork_prepare() has made meanwhile. The clock goes on. Last statement.
 */
void fork_again(struct call *call);

/* The status that exit_status_map gives to the process that has ended; 0: none. */
int fork_mapped_status(const struct call *call);

/* The mode's callbacks of these names. */
enum bd_flow fork_body(struct bd_exchange *x, const char *buf, size_t len);
void fork_body_end(struct bd_exchange *x);

/*
 * The process has ended and its answer is on its way: what is left of the body may come and go.
 * Only when the exchange is still open. Last statement.
 */
void fork_release_body(struct call *call);

/* Sends the process away; for abort() and deadline(). */
void fork_abort(struct call *call);

#endif
