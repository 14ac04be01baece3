/*
 * option_rows.h - for the tests of the options: a table like the real one, with every type
 */
#ifndef TESTS_UNIT_OPTION_ROWS_H
#define TESTS_UNIT_OPTION_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../watchdog/base/option.c"
#include "../../watchdog/base/option_help.c"
#include "../../watchdog/base/option_value.c"

struct conf {
    const char *process, *type;
    int64_t port, inflight, workers, buffer;
    int64_t write_timeout, health, exec_timeout, grace;
    int mode;
    bool debug, combine, lock, prefix;
};

static const char *const mode_words[] = {"classic", "streaming", "serializing", NULL};

#define AT(member) offsetof(struct conf, member)

static const struct bd_option rows[] = {
    {.name = "fprocess",
     .also = "function_process",
     .type = BD_TEXT,
     .family = BD_CLASSIC,
     .prefer_name = true,
     .offset = AT(process),
     .unit = "command",
     .help = "what to run for each call"},
    {.name = "fprocess",
     .also = "function_process",
     .type = BD_TEXT,
     .family = BD_OTHERS,
     .offset = AT(process),
     .unit = "command",
     .help = "what to run for each call"},
    {.name = "port",
     .type = BD_INT,
     .family = BD_CLASSIC,
     .offset = AT(port),
     .initial = "8080",
     .max = INT64_MAX,
     .help = "where to listen"},
    {.name = "port",
     .type = BD_INT,
     .family = BD_OTHERS,
     .offset = AT(port),
     .initial = "8080",
     .fallback = "0",
     .help = "where to listen"},
    {.name = "write_timeout",
     .type = BD_DURATION,
     .offset = AT(write_timeout),
     .initial = "30s",
     .help = "end of a request to the end of its answer"},
    {.name = "healthcheck_interval",
     .type = BD_DURATION,
     .offset = AT(health),
     .like = "write_timeout",
     .help = "how long to go on serving after SIGTERM"},
    {.name = "exec_timeout",
     .type = BD_DURATION,
     .family = BD_CLASSIC,
     .offset = AT(exec_timeout),
     .help = "how long a call may take"},
    {.name = "exec_timeout",
     .type = BD_DURATION,
     .family = BD_OTHERS,
     .offset = AT(exec_timeout),
     .initial = "30s",
     .help = "how long a call may take"},
    {.name = "content_type",
     .type = BD_TEXT,
     .family = BD_OTHERS,
     .offset = AT(type),
     .initial = "application/octet-stream",
     .help = "type of the answer"},
    {.name = "max_inflight", .type = BD_INT, .offset = AT(inflight), .help = "calls at a time"},
    {.name = "log_buffer_size",
     .type = BD_INT,
     .family = BD_OTHERS,
     .flags = BD_FATAL,
     .offset = AT(buffer),
     .initial = "65536",
     .unit = "bytes",
     .help = "longest log line"},
    {.name = "workers",
     .type = BD_INT,
     .flags = BD_OWN,
     .offset = AT(workers),
     .initial = "2",
     .min = 1,
     .max = 64,
     .unit = "threads",
     .help = "threads that serve"},
    {.name = "kill_grace",
     .type = BD_DURATION,
     .flags = BD_OWN,
     .offset = AT(grace),
     .initial = "1s",
     .help = "from SIGTERM to SIGKILL"},
    {.name = "mode",
     .type = BD_WORD,
     .flags = BD_OWN,
     .offset = AT(mode),
     .words = mode_words,
     .help = "how calls become work"},
    {.name = "write_debug",
     .type = BD_BOOL,
     .family = BD_CLASSIC,
     .offset = AT(debug),
     .help = "copy output to stdout"},
    {.name = "combine_output",
     .type = BD_BOOL,
     .family = BD_CLASSIC,
     .offset = AT(combine),
     .initial = "true",
     .help = "stderr goes into the answer"},
    {.name = "suppress_lock",
     .type = BD_BOOL,
     .family = BD_CLASSIC,
     .offset = AT(lock),
     .help = "write no lock file"},
    {.name = "suppress_lock",
     .type = BD_BOOL_ONE,
     .family = BD_OTHERS,
     .offset = AT(lock),
     .help = "write no lock file"},
    {.name = "prefix_logs",
     .type = BD_BOOL_WORD,
     .family = BD_OTHERS,
     .offset = AT(prefix),
     .initial = "true",
     .help = "date and time before each line"},
    {.name = NULL},
};

#endif
