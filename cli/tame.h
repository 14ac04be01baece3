/*
 * tame.h - texts of others on the user's terminal
 *
 * Control characters (C0, DEL, and C1, which terminals heed, too) and bytes that are no UTF-8 are
 * written as "\x1b".
 */
#ifndef BANDOG_CLI_TAME_H
#define BANDOG_CLI_TAME_H

#include <stdio.h>

#include "bandog/slice.h"

enum tame {
    TAME_ALL = 0,
    TAME_TABS = 1,    /* stay */
    TAME_LINES = 2,   /* ends of lines stay */
    TAME_COLOURS = 4, /* "ESC [ 1;31 m" stays */
};

void tame_put(FILE *to, struct bd_slice s, unsigned allowed);

#endif
