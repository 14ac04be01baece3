/*
 * lifecycle.h - from the first connection to the exit
 */
#ifndef WATCHDOG_LIFECYCLE_H
#define WATCHDOG_LIFECYCLE_H

#include "conf.h"

/* Serves until it is told to stop. Returns the exit status. All signals must be blocked. */
int lifecycle_run(const struct conf *conf);

#endif
