/*
 * function.h - runs the long-lived process that a mode asks for (bandog/function.h)
 */
#ifndef WATCHDOG_FUNCTION_H
#define WATCHDOG_FUNCTION_H

#include "bandog/error.h"
#include "bandog/function.h"
#include "bandog/worker.h"

struct function;

/*
 * Starts it on `w`. 0, or -1 with a sentence when it cannot be started. `over` comes once, when it
 * has ended for good: `status` is that of a shell, its own or 128 and the signal's number; or
 * function_stop() has ended it: 0.
 */
int function_open(struct function **ret_function, struct bd_worker *w, struct bd_function *what,
                  void (*over)(void *arg, int status), void *arg, struct bd_error *err);

/* SIGTERM, and SIGKILL after kill_grace; over() comes, perhaps at once. Again: SIGKILL. */
void function_stop(struct function *f);

/* After over(). NULL is fine. */
void function_free(struct function *f);

#endif
