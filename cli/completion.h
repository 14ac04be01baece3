/*
 * completion.h - what a shell offers behind "bandog"
 *
 * The scripts that `bandog completion` prints ask the program itself, so they are never out of
 * date:
 *
 *   bandog __complete WORD...
 *
 * with the words behind "bandog", the last one as far as it is typed. It prints one candidate a
 * line; ":files" and ":folders" stand for what the shell knows better.
 */
#ifndef BANDOG_CLI_COMPLETION_H
#define BANDOG_CLI_COMPLETION_H

#include "bandog/arena.h"

#define COMPLETION_WORD "__complete"

/* Prints the candidates. Returns an enum exit_status. */
int completion_print(int words, char **word, struct bd_arena *a);

#endif
