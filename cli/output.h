/*
 * output.h - the lines that a program prints, under its name
 *
 * "NAME | line", tamed but for tabs and colours: what a program prints may come from its users.
 */
#ifndef BANDOG_CLI_OUTPUT_H
#define BANDOG_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "bandog/queue.h"
#include "bandog/slice.h"
#include "say.h"

#define OUTPUT_LINE_MAX 8192 /* longer ones are cut in pieces */

struct output;

/* One line without its end. */
typedef void output_line(struct output *o, struct bd_slice line);

/* Owned by whoever embeds it, until on_closed. */
struct output {
    uv_pipe_t pipe; /* first */
    output_line *on_line;
    void (*on_closed)(struct output *o); /* no line comes any more, and it can be freed */
    void *data;                          /* the owner's */
    struct bd_queue of_all;
    bool is_cut; /* the beginning of the line has been given */
    size_t len;
    char line[OUTPUT_LINE_MAX];
};

/* Before the program is started: `ret_stdio` is for uv_spawn(), for its stdout or stderr. */
int output_init(struct output *o, uv_loop_t *loop, uv_stdio_container_t *ret_stdio);

/* When it has been started. Closes by itself when the last writer has. */
void output_start(struct output *o);

/* Now; on_closed is still called. */
void output_close(struct output *o);

/* While it is on no pipe is read. */
void output_hold(bool on);
bool output_is_held(void);

/* Prints "NAME | line" on stdout, the name `width` wide and in colour. */
void output_print(const char *name, int width, enum colour c, struct bd_slice line);

#endif
