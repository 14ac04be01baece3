/*
 * metrics_process.h - the process_ families, as Prometheus' own clients have them
 */
#ifndef WATCHDOG_BASE_METRICS_PROCESS_H
#define WATCHDOG_BASE_METRICS_PROCESS_H

#include <stdbool.h>
#include <stdio.h>

/* Of this process, now. What /proc does not tell is left out. */
void metrics_process_print(FILE *to, bool open);

#endif
