/*
 * instance.c - see instance.h
 *
 * fwatchdog's own lines of its start and its end are not shown, but when the start fails: there is
 * one of each with every save of a file. What the function prints, and the calls, are.
 */
#include "instance.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "task.h"
#include "bandog/queue.h"
#include "watchdog.h"

#define PROBE_MS 5
#define HURRY_MS 50
#define HELD_LINES 16 /* of the start, shown when it fails */
#define HELD_BYTES 512

/* A question whether it is ready; each its own allocation, freed when closed. */
struct probe {
    uv_tcp_t tcp;       /* first */
    struct instance *i; /* NULL: nobody waits for the answer */
    uv_connect_t connect;
    uv_write_t write;
    char question[128], answer[64];
    size_t len;
};

struct instance {
    struct instance_plan plan;
    uv_loop_t *loop;
    struct task *task; /* NULL: it has ended */
    uv_timer_t again;  /* until the next probe, or the next signal */
    struct probe *probe;
    bool ready;
    int stops;                         /* how often it has been told to end */
    char held[HELD_LINES][HELD_BYTES]; /* a ring */
    size_t holds;
};

static void ask(struct instance *i);

/* --- its output ---------------------------------------------------------------------------------
 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Without "2026/11/27 03:00:12 ". */
static struct bd_slice without_stamp(struct bd_slice line)
{
    static const char shape[] = "dddd/dd/dd dd:dd:dd ";
    size_t len = sizeof(shape) - 1;

    if (line.len < len)
        return line;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'd' ? !is_digit(line.p[i]) : line.p[i] != shape[i])
            return line;
    return (struct bd_slice){line.p + len, line.len - len};
}

/* A line of the watchdog about its own start or end. */
static bool is_routine(struct bd_slice line)
{
    static const char *const beginnings[] = {"Version: ",
                                             "Forking: ",
                                             "Started logging",
                                             "Watchdog mode: ",
                                             "Timeouts: ",
                                             "Listening on port: ",
                                             "Writing lock-file to: ",
                                             "Removing lock-file : ",
                                             "SIGTERM: no new",
                                             "No new connections allowed",
                                             "Exiting. ",
                                             "Metrics listening",
                                             "Forked function has terminated: signal: terminated"};

    line = without_stamp(line);
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (bd_slice_starts(line, bd_slice_of(beginnings[i])))
            return true;
    return false;
}

static void print(struct instance *i, struct bd_slice line)
{
    output_print(i->plan.name, i->plan.width, i->plan.colour, line);
}

static void on_line(struct task *t, bool is_error, struct bd_slice line)
{
    struct instance *i = task_data(t);

    (void)is_error;
    if (!is_routine(line))
        print(i, line);
    else if (!i->ready)
        snprintf(i->held[i->holds++ % HELD_LINES], HELD_BYTES, "%.*s", (int)line.len, line.p);
}

static void show_held(struct instance *i)
{
    size_t first = i->holds > HELD_LINES ? i->holds - HELD_LINES : 0;

    for (size_t n = first; n < i->holds; n++)
        print(i, bd_slice_of(i->held[n % HELD_LINES]));
}

/* --- its end ------------------------------------------------------------------------------------
 */

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_ended(struct task *t, const char *reason)
{
    struct instance *i = task_data(t);

    if (!i->ready && !i->stops)
        show_held(i);
    i->task = NULL;
    if (i->probe)
        i->probe->i = NULL;
    i->plan.on_ended(i, reason ? reason : "exit status 0", i->plan.data);
    uv_close((uv_handle_t *)&i->again, on_timer_closed);
}

static void on_hurry(uv_timer_t *timer)
{
    struct instance *i = timer->data;

    if (i->task)
        task_kill(i->task, SIGTERM);
}

/*
 * Each further signal has fwatchdog skip a stage of its end, and it still takes its function with
 * it, which a SIGKILL would leave behind. Signals that are not read yet melt into one, so they are
 * repeated.
 */
void instance_stop(struct instance *i)
{
    if (!i->task)
        return;
    task_kill(i->task, SIGTERM);
    if (i->stops++ > 0)
        uv_timer_start(&i->again, on_hurry, HURRY_MS, HURRY_MS);
}

/* --- its start ----------------------------------------------------------------------------------
 */

static void on_probe_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_again(uv_timer_t *timer)
{
    ask(timer->data);
}

/* With an answer or without. */
static void probe_ended(struct probe *p, bool ready)
{
    struct instance *i = p->i;

    uv_close((uv_handle_t *)&p->tcp, on_probe_closed);
    if (!i)
        return;
    i->probe = NULL;
    if (!i->task || i->stops)
        return;
    i->ready = ready;
    if (ready)
        i->plan.on_ready(i, i->plan.data);
    else
        uv_timer_start(&i->again, on_again, PROBE_MS, 0);
}

static void on_probe_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe *p = (struct probe *)handle;

    (void)suggested;
    *buf = uv_buf_init(p->answer + p->len, (unsigned)(sizeof(p->answer) - p->len));
}

static void on_probe_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    static const char good[] = "HTTP/1.1 200 ";
    struct probe *p = (struct probe *)stream;

    (void)buf;
    if (n == 0)
        return;
    p->len += n > 0 ? (size_t)n : 0;
    if (p->len >= sizeof(good) - 1 || n < 0)
        probe_ended(p,
                    p->len >= sizeof(good) - 1 && memcmp(p->answer, good, sizeof(good) - 1) == 0);
}

static void on_probe_written(uv_write_t *write, int err)
{
    (void)write;
    (void)err; /* reading says it, too */
}

static void on_probe_connected(uv_connect_t *connect, int err)
{
    struct probe *p = BD_CONTAINER(connect, struct probe, connect);
    uv_buf_t buf;

    if (err || !p->i) {
        probe_ended(p, false);
        return;
    }
    snprintf(p->question, sizeof(p->question),
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", p->i->plan.probe);
    buf = uv_buf_init(p->question, (unsigned)strlen(p->question));
    if (uv_write(&p->write, (uv_stream_t *)&p->tcp, &buf, 1, on_probe_written) ||
        uv_read_start((uv_stream_t *)&p->tcp, on_probe_alloc, on_probe_read))
        probe_ended(p, false);
}

static void ask(struct instance *i)
{
    struct probe *p = calloc(1, sizeof(*p));
    struct sockaddr_in address;

    if (!p || uv_tcp_init(i->loop, &p->tcp))
        abort();
    p->i = i;
    i->probe = p;
    uv_ip4_addr("127.0.0.1", i->plan.port, &address);
    if (uv_tcp_connect(&p->connect, &p->tcp, (const struct sockaddr *)&address, on_probe_connected))
        probe_ended(p, false);
}

struct instance *instance_start(uv_loop_t *loop, const struct instance_plan *plan)
{
    struct instance *i = calloc(1, sizeof(*i));
    char parent[16], *argv[] = {WATCHDOG_ARGV0, parent, NULL};
    struct task_plan watchdog = {
        .file = "/proc/self/exe",
        .argv = argv,
        .environment = plan->environment,
        .folder = plan->folder,
        .own_session = true,
        .descriptor = plan->listener,
        .on_line = on_line,
        .on_ended = on_ended,
        .data = i,
    };

    if (!i)
        abort();
    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    i->plan = *plan;
    i->plan.environment = NULL;
    i->loop = loop;
    i->again.data = i;
    uv_timer_init(loop, &i->again);
    i->task = task_start(loop, &watchdog);
    close(plan->listener);
    ask(i);
    return i;
}

int instance_port(const struct instance *i)
{
    return i->plan.port;
}

unsigned instance_slot(const struct instance *i)
{
    return i->plan.slot;
}
