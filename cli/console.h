/*
 * console.h - stdout and stderr of a program that must go on when nobody reads them
 *
 * Ctrl-S, `| less`: a write would wait, and the loop with it. What is printed is kept, as far as
 * there is room, until it can be written, and meanwhile no program's lines are read (output.h), so
 * that it is they who have to wait.
 */
#ifndef BANDOG_CLI_CONSOLE_H
#define BANDOG_CLI_CONSOLE_H

#include <uv.h>

/* From now on say.h's streams go this way. Once. */
void console_open(uv_loop_t *loop);

/* Writes what is left, as far as it is taken within a second, and has say.h print directly again.
 * The loop has to run on. */
void console_close(void);

#endif
