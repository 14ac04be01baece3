/*
 * guard.h - a shell's command that ends with us
 *
 * A process between: it runs the command in a process group of its own, ends that group when it is
 * told to end or when the program that started it is gone, and exits as the command did.
 */
#ifndef BANDOG_CLI_GUARD_H
#define BANDOG_CLI_GUARD_H

#include <stdbool.h>

/* What argv[0] must be; argv[1] is for `sh -c`, argv[2] the process that starts it. */
#define GUARD_ARGV0 "bandog:sh"

bool guard_is_meant(int argc, char **argv);

/* Returns the exit status. */
int guard_become(char **argv);

#endif
