/*
 * watchdog.h - the fwatchdog inside this program, as a process
 */
#ifndef BANDOG_CLI_WATCHDOG_H
#define BANDOG_CLI_WATCHDOG_H

#include <stdbool.h>

/*
 * What argv[0] must be for this program to become fwatchdog: so that it ends when the process that
 * started it does, and needs no file of its own.
 */
#define WATCHDOG_ARGV0 "bandog:fwatchdog"

/* Its descriptor 3 must be a listening socket. */
bool watchdog_is_meant(int argc, char **argv);

/* Does not return but when it fails, with an exit status. */
int watchdog_become(char **argv);

#endif
