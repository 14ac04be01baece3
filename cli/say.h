/*
 * say.h - what the user reads
 *
 * Results go to stdout, problems to stderr as "bandog: ...". Both are tamed (tame.h), so that no
 * text of a file or an argument can play with a terminal. Colour only where the stream is a
 * terminal and NO_COLOR is unset or empty (https://no-color.org).
 */
#ifndef BANDOG_CLI_SAY_H
#define BANDOG_CLI_SAY_H

#include <stdbool.h>
#include <stdio.h>

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* it could not be done */
    EXIT_USAGE = 2,  /* it was not said right */
};

enum colour { PLAIN, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, COLOURS };

/* One for each of several, again and again. */
enum colour colour_of(size_t number);

/* Decides about colour. First. */
void say_open(void);

/* Other ways to where stdout and stderr lead. */
void say_through(FILE *out, FILE *err);

/* Where results go at the moment. */
FILE *say_out(void);

/* What begins and ends a colour there; "" where it has none. */
const char *colour_on(enum colour c);
const char *colour_off(void);

/* A line on stdout. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_in(enum colour c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr: "bandog: ..." and "bandog: warning: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line on stderr as it is. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout: EXIT_FAILED with a complaint when something could not be written, else `status`.
 */
int say_close(int status);

#endif
