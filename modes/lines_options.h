/*
 * lines_options.h - settings of the of-watchdog modes: those about the function's log lines, and
 * the common ones of the modes that fork
 */
#ifndef MODES_LINES_OPTIONS_H
#define MODES_LINES_OPTIONS_H

#include "fork.h"

#define LINES_BYTES_DEFAULT 65536
#define LINES_BYTES_MAX ((size_t)1024 * 1024)

struct lines_conf {
    bool prefix_logs;
    int64_t log_buffer_size;
};

/* Where a line is cut. The Go programs read negative as "no limit" and stop reading at 0. */
static inline size_t lines_bytes(const struct lines_conf *conf)
{
    if (conf->log_buffer_size == 0)
        return LINES_BYTES_DEFAULT;
    if (conf->log_buffer_size < 0 || conf->log_buffer_size > (int64_t)LINES_BYTES_MAX)
        return LINES_BYTES_MAX;
    return (size_t)conf->log_buffer_size;
}

/* clang-format off */
#define LINES_OPTIONS(conf_)                                                                       \
    {.name = "prefix_logs", .type = BD_BOOL_WORD, .family = BD_OTHERS,                             \
     .offset = offsetof(conf_, lines.prefix_logs), .initial = "true",                              \
     .help = "date and stream before each log line of the function"},                              \
    {.name = "log_buffer_size", .type = BD_INT, .family = BD_OTHERS, .flags = BD_FATAL,            \
     .offset = offsetof(conf_, lines.log_buffer_size), .initial = "65536", .unit = "bytes",        \
     .help = "longer log lines of the function are cut in pieces of this size"}

#define OF_WATCHDOG_FORK_OPTIONS(conf_)                                                            \
    {.name = "fprocess", .also = "function_process", .type = BD_TEXT, .family = BD_OTHERS,         \
     .offset = FORK_OPTION(conf_, fprocess), .unit = "command",                                    \
     .help = "the program to run for each request and its arguments"},                             \
    {.name = "exec_timeout", .type = BD_DURATION, .family = BD_OTHERS,                             \
     .offset = FORK_OPTION(conf_, exec_timeout_ns), .initial = "30s",                              \
     .help = "a call is ended after this time, 0: never"},                                         \
    {.name = "content_type", .type = BD_TEXT, .family = BD_OTHERS,                                 \
     .offset = FORK_OPTION(conf_, content_type), .initial = "application/octet-stream",            \
     .help = "Content-Type of answers"},                                                           \
    LINES_OPTIONS(conf_),                                                                          \
    {FORK_OPTION_EXIT_STATUS_MAP(conf_)},                                                          \
    {FORK_OPTION_KILL_GRACE(conf_)},                                                               \
    {FORK_OPTION_OUTPUT_GRACE(conf_)}
/* clang-format on */

#endif
