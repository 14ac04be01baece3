/*
 * contradictions.h - settings that are fine one by one and make no sense together
 */
#ifndef WATCHDOG_CONTRADICTIONS_H
#define WATCHDOG_CONTRADICTIONS_H

#include "bandog/option.h"
#include "conf.h"

/* `warn` gets a sentence for each; `rows` are the program's. For --check. */
void contradictions_find(const struct conf *c, const struct bd_option *rows,
                         char *const *environ_rows, void (*warn)(void *self, const char *text),
                         void *self);

#endif
