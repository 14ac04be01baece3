/*
 * modes.h - the modes built into the program
 */
#ifndef BANDOG_MODES_H
#define BANDOG_MODES_H

#include "mode.h"

extern const struct bd_mode *const bd_modes[]; /* NULL-terminated; the first is the default */

const struct bd_mode *bd_mode_named(const char *name); /* NULL: there is none */

#endif
