/*
 * lifecycle.h - from the first connection to the exit
 */
#ifndef WATCHDOG_LIFECYCLE_H
#define WATCHDOG_LIFECYCLE_H

#include "conf.h"

/*
 * Serves until it is told to stop. Returns the exit status. All signals must be blocked. `listener`
 * is a socket that listens, or 0: it opens its own.
 */
int lifecycle_run(const struct conf *conf, int listener);

#endif
