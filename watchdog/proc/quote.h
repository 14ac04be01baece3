/*
 * quote.h - text in double quotes as Go prints it (%q), which is how the original watchdogs name
 * programs in their answers and logs
 */
#ifndef WATCHDOG_PROC_QUOTE_H
#define WATCHDOG_PROC_QUOTE_H

#include <stddef.h>

/* Cut to fit, NUL-terminated; returns `buf`. */
char *quote_go(char *buf, size_t bytes, const char *text);

#endif
