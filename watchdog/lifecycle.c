/*
 * lifecycle.c - see lifecycle.h
 *
 *     RUN --signal--> LAME --healthcheck_interval--> DRAIN --shutdown_timeout--> KILL -> STOP ->
 * GONE
 *
 * LAME still serves, so that a load balancer has time to see the health check fail. DRAIN ends as
 * soon as the last call has. STOP is for a mode's long-lived function, which hears of all this only
 * now. When it ends by itself, DRAIN begins at once and is short. A further signal skips to the
 * next state. SIGINT is treated like SIGTERM. Signals are read from a descriptor: there are no
 * handlers that a new process could run by accident.
 */
#include "lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bandog/log.h"
#include "bandog/server.h"
#include "builtin.h"
#include "children.h"
#include "function.h"
#include "lock.h"
#include "quote.h"
#include "worker.h"

#define ORPHANED_NS BD_NS_PER_S              /* for the answers to calls whose function has ended */
#define METRICS_TIMEOUT_NS (BD_NS_PER_S / 2) /* a scrape is short, and so is its connection */

/* What is being waited for. */
enum stage {
    RUN,   /* a signal */
    LAME,  /* the end of healthcheck_interval */
    DRAIN, /* the last call, at most shutdown_timeout */
    KILL,  /* the connections to close, now that nothing is waited for */
    STOP,  /* the function to end */
    GONE,  /* the handles */
};

struct life {
    const struct conf *conf;
    int listener; /* that somebody has opened for us; 0: none */
    enum stage stage;
    struct bd_worker *worker; /* this thread */
    uv_poll_t signals;
    int signal_fd;
    uv_timer_t timer;
    struct bd_server *server;
    struct bd_server *metrics; /* NULL: off */
    struct builtin builtin;
    struct bd_route route[3];
    struct function *function; /* NULL: the mode has none, or it is over */
    int status;                /* the program's, in the end */
};

static uv_loop_t *loop_of(const struct life *l)
{
    return bd_worker_loop(l->worker);
}

static void enter_drain(struct life *l, int64_t limit_ns);
static void enter_kill(struct life *l);

/* Stages */

static uint64_t ms(int64_t ns)
{
    return (uint64_t)((ns + BD_NS_PER_MS - 1) / BD_NS_PER_MS);
}

static void on_interval_over(uv_timer_t *timer)
{
    struct life *l = timer->data;

    enter_drain(l, l->conf->shutdown_timeout_ns);
}

static void give_up_waiting(struct life *l)
{
    char limit[BD_DURATION_BYTES];

    if (bd_server_in_flight(l->server) > 0) {
        bd_log_at(BD_LEVEL_WARNING, "shutdown_timeout %s reached",
                  bd_duration_print(limit, l->conf->shutdown_timeout_ns));
        bd_log_at(BD_LEVEL_ERROR, "Error in Shutdown: context deadline exceeded");
    }
    enter_kill(l);
}

static void on_drain_over(uv_timer_t *timer)
{
    give_up_waiting(timer->data);
}

static void remove_lock(const struct life *l)
{
    int err;

    if (l->conf->suppress_lock)
        return;
    bd_log("Removing lock-file : %s", lock_path());
    err = lock_remove();
    if (err)
        bd_log_at(BD_LEVEL_WARNING, "Unable to mark server as unhealthy: remove %s: %s",
                  lock_path(), uv_strerror(-err));
}

static void enter_lame(struct life *l, int signal_number)
{
    int64_t wait_ns = l->conf->healthcheck_interval_ns;
    char wait[BD_DURATION_BYTES];

    l->stage = LAME;
    bd_log("%s: no new connections in %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM",
           bd_duration_print(wait, wait_ns));
    atomic_store(&l->builtin.accepting, false);
    remove_lock(l);
    if (wait_ns > 0)
        uv_timer_start(&l->timer, on_interval_over, ms(wait_ns), 0);
    else
        enter_drain(l, l->conf->shutdown_timeout_ns);
}

static void close_handles(struct life *l)
{
    uv_close((uv_handle_t *)&l->timer, NULL);
    if (l->signal_fd >= 0)
        uv_close((uv_handle_t *)&l->signals, NULL);
    worker_close_mail(l->worker);
}

static void close_all(struct life *l)
{
    long long active = bd_server_in_flight(l->server);

    l->stage = GONE;
    bd_server_close(l->server);
    if (l->metrics)
        bd_server_close(l->metrics);
    bd_log("Exiting. Active connections: %lld", active); /* behind the workers' last lines */
    close_handles(l);
}

static void on_metrics_drained(void *arg)
{
    struct life *l = arg;

    close_all(l);
}

static void close_servers(struct life *l)
{
    if (!l->metrics) {
        close_all(l);
        return;
    }
    bd_server_drain(l->metrics, on_metrics_drained, l);
    bd_server_kill(l->metrics);
}

static void on_drained(void *arg)
{
    struct life *l = arg;

    uv_timer_stop(&l->timer);
    l->stage = STOP;
    if (l->function)
        function_stop(l->function); /* on_function_over() goes on */
    else
        close_servers(l);
}

static void enter_drain(struct life *l, int64_t limit_ns)
{
    l->stage = DRAIN;
    bd_log("No new connections allowed, draining: %lld requests",
           (long long)bd_server_in_flight(l->server));
    if (limit_ns > 0)
        uv_timer_start(&l->timer, on_drain_over, ms(limit_ns), 0);
    bd_server_drain(l->server, on_drained, l);
    if (limit_ns <= 0)
        give_up_waiting(l);
}

static void enter_kill(struct life *l)
{
    l->stage = KILL;
    uv_timer_stop(&l->timer);
    bd_server_kill(l->server);
}

static void told_to_stop(struct life *l, int signal_number)
{
    switch (l->stage) {
    case RUN:
        enter_lame(l, signal_number);
        break;
    case LAME:
        uv_timer_stop(&l->timer);
        enter_drain(l, l->conf->shutdown_timeout_ns);
        break;
    case DRAIN:
        give_up_waiting(l);
        break;
    case STOP:
        if (l->function)
            function_stop(l->function);
        break;
    case KILL:
    case GONE:
        break;
    }
}

static void read_signals(struct life *l)
{
    struct signalfd_siginfo info;

    while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        told_to_stop(l, (int)info.ssi_signo);
}

static void on_signals(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    read_signals(handle->data);
}

/* The function */

/* Whoever ends everybody, such as systemd, has told it too. */
static bool was_told(int status)
{
    return status == 128 + SIGTERM || status == 128 + SIGINT;
}

static void on_function_over(void *arg, int status)
{
    struct life *l = arg;

    function_free(l->function);
    l->function = NULL;
    read_signals(l); /* whoever has told us to stop has perhaps told the function, too */
    switch (l->stage) {
    case RUN:
        l->status = status;
        atomic_store(&l->builtin.accepting, false);
        remove_lock(l);
        enter_drain(l, ORPHANED_NS);
        break;
    case LAME:
        l->status = was_told(status) ? 0 : status;
        uv_timer_stop(&l->timer);
        enter_drain(l, ORPHANED_NS);
        break;
    case DRAIN:
        l->status = was_told(status) ? 0 : status;
        uv_timer_start(&l->timer, on_drain_over, ms(ORPHANED_NS), 0);
        break;
    case STOP:
        l->status = was_told(status) ? 0 : status;
        close_servers(l);
        break;
    case GONE: /* the start has failed */
        close_handles(l);
        break;
    case KILL:
        break;
    }
}

static int start_function(struct life *l, struct bd_error *err)
{
    const struct bd_mode *mode = l->conf->mode;
    struct bd_function *what = mode->function ? mode->function(l->conf->mode_conf) : NULL;
    struct bd_error why;

    l->builtin.function = what;
    if (!what || function_open(&l->function, l->worker, what, on_function_over, l, &why) == 0)
        return 0;
    return bd_fail(err, "the function cannot be started: %s", why.text);
}

/* Signals */

static int watch_signals(struct life *l, struct bd_error *err)
{
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    l->signal_fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (l->signal_fd < 0)
        return bd_fail(err, "cannot watch for signals: %s", strerror(errno));
    uv_poll_init(loop_of(l), &l->signals, l->signal_fd);
    l->signals.data = l;
    uv_poll_start(&l->signals, UV_READABLE, on_signals);
    return 0;
}

/* Start */

static void log_settings(const struct conf *c)
{
    char text[4][BD_DURATION_BYTES], process[1024];
    bool classic = c->mode->family == BD_CLASSIC;

    if (!classic)
        bd_log("Watchdog mode: %s\tfprocess: %s", c->mode->name,
               quote_go(process, sizeof(process), conf_process(c)));
    bd_log("Timeouts: read: %s write: %s hard: %s health: %s%s",
           bd_duration_print(text[0], c->read_timeout_ns),
           bd_duration_print(text[1], c->write_timeout_ns),
           bd_duration_print(text[2], conf_exec_timeout_ns(c)),
           bd_duration_print(text[3], c->healthcheck_interval_ns), classic ? "." : "");
}

static int open_server(struct life *l, struct bd_error *err)
{
    const struct conf *c = l->conf;
    struct bd_server *server;
    struct bd_server_conf conf = {
        .port = (int)c->port,
        .listener = l->listener,
        .workers = c->workers > 0 ? (unsigned)c->workers : uv_available_parallelism(),
        .read_timeout_ns = c->read_timeout_ns,
        .write_timeout_ns = c->write_timeout_ns,
        .read_timeout = c->read_timeout,
        .write_timeout = c->write_timeout,
        .max_inflight = c->max_inflight,
        .max_queue = c->max_queue,
        .queue_timeout_ns = c->queue_timeout_ns,
        .queue_timeout = c->queue_timeout,
        .max_body = c->max_body,
        .max_connections = c->max_connections,
        .mode = c->mode,
        .mode_conf = c->mode_conf,
        .route = l->route,
    };

    l->builtin.ready_path = c->ready_path && *c->ready_path ? c->ready_path : NULL;
    l->builtin.max_inflight = c->max_inflight;
    l->builtin.mode = c->mode;
    l->builtin.mode_conf = c->mode_conf;
    l->route[0] = (struct bd_route){"/_/health", &builtin_health, &l->builtin};
    if (c->mode->family == BD_OTHERS) /* classic-watchdog has no such path */
        l->route[1] = (struct bd_route){"/_/ready", &builtin_ready, &l->builtin};
    if (bd_server_open(&server, loop_of(l), &conf, err))
        return -1;
    l->server = server;
    atomic_store(&l->builtin.server, server);
    return 0;
}

/* Not being able to serve metrics is no reason not to serve. */
static void open_metrics(struct life *l)
{
    struct bd_error err;
    struct bd_server_conf conf = {
        .port = (int)l->conf->metrics_port,
        .workers = 1,
        .read_timeout_ns = METRICS_TIMEOUT_NS,
        .write_timeout_ns = METRICS_TIMEOUT_NS,
        .read_timeout = "500ms",
        .write_timeout = "500ms",
        .mode = &builtin_metrics,
        .mode_conf = &l->builtin,
    };

    if (l->conf->metrics_port == 0)
        return;
    if (bd_server_open(&l->metrics, loop_of(l), &conf, &err)) {
        l->metrics = NULL;
        bd_log_at(BD_LEVEL_WARNING,
                  "Warning: no metrics: %s; metrics_port chooses another port, 0 none", err.text);
        return;
    }
    bd_log("Metrics listening on port: %d", bd_server_port(l->metrics));
}

static int write_lock(struct life *l, struct bd_error *err)
{
    int failed;

    if (l->conf->suppress_lock) {
        bd_log_at(
            BD_LEVEL_WARNING,
            "Warning: \"suppress_lock\" is enabled. No automated health-checks will be in place "
            "for your function.");
        return 0;
    }
    bd_log("Writing lock-file to: %s", lock_path());
    failed = lock_write();
    if (failed)
        return bd_fail(
            err, "Cannot write %s. To disable lock-file set env suppress_lock=true. Error: %s",
            lock_path(), uv_strerror(-failed));
    l->builtin.lock_counts = true;
    return 0;
}

static void close_server(void *arg)
{
    bd_server_close(arg);
}

/* The start has failed half-way. */
static void give_up(struct life *l, const struct bd_error *err)
{
    bd_log_at(BD_LEVEL_ERROR, "Error: %s", err->text);
    l->status = 1;
    l->stage = GONE;
    if (l->server)
        bd_server_drain(l->server, close_server, l->server);
    if (l->function)
        function_stop(l->function); /* on_function_over() goes on */
    else
        close_handles(l);
}

static int start(struct life *l, struct bd_error *err)
{
    if (watch_signals(l, err) || start_function(l, err))
        return -1;
    if (l->conf->mode->announce)
        l->conf->mode->announce(l->conf->mode_conf);
    log_settings(l->conf);
    if (open_server(l, err))
        return -1;
    bd_log("Listening on port: %d", bd_server_port(l->server));
    return write_lock(l, err);
}

int lifecycle_run(const struct conf *conf, int listener)
{
    struct life life = {.conf = conf, .listener = listener, .signal_fd = -1}, *l = &life;
    struct bd_error err;
    int failed = worker_open_here(&l->worker);

    if (failed) {
        bd_log_at(BD_LEVEL_ERROR, "Error: cannot make an event loop: %s", uv_strerror(failed));
        return 1;
    }
    uv_timer_init(loop_of(l), &l->timer);
    l->timer.data = l;
    if (start(l, &err)) {
        give_up(l, &err);
    } else {
        open_metrics(l);
        atomic_store(&l->builtin.accepting, true);
    }
    worker_run_here(l->worker, children_release);
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    return l->status;
}
