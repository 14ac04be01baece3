/*
 * flags.h - the command line, in the style of Go's flag package
 */
#ifndef WATCHDOG_FLAGS_H
#define WATCHDOG_FLAGS_H

#include <stdbool.h>

struct flags {
    bool version;
    bool run_healthcheck;
    bool check;
    bool help;
};

/* 0, or the exit status after an error was printed on stderr. */
int flags_parse(struct flags *ret_flags, int argc, char **argv);

/* Usage, flags and all settings, on stdout. */
void flags_help(const char *program);

#endif
