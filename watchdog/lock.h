/*
 * lock.h - the lock file: "a watchdog is up", for health checks that look at files
 */
#ifndef WATCHDOG_LOCK_H
#define WATCHDOG_LOCK_H

#include <stdbool.h>

/* $TMPDIR/.lock, or /tmp/.lock. The same text for the life of the process. */
const char *lock_path(void);

/* 0 or an errno. The folder is made if it is missing; an existing file is emptied and kept. */
int lock_write(void);
int lock_remove(void);
bool lock_exists(void);

#endif
