/*
 * say.c - see say.h
 */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tame.h"

#define LINE_BYTES 4096

static FILE *out, *err;
static bool coloured[2]; /* out, err */

static const char *const codes[COLOURS] = {
    [PLAIN] = "",        [RED] = "\033[31m",     [GREEN] = "\033[32m", [YELLOW] = "\033[33m",
    [BLUE] = "\033[34m", [MAGENTA] = "\033[35m", [CYAN] = "\033[36m",
};

enum colour colour_of(size_t number)
{
    static const enum colour wheel[] = {CYAN, MAGENTA, BLUE, YELLOW, GREEN};

    return wheel[number % (sizeof(wheel) / sizeof(wheel[0]))];
}

void say_open(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    bool wanted = !(no && *no) && !(term && strcmp(term, "dumb") == 0);

    say_through(stdout, stderr);
    coloured[0] = wanted && isatty(STDOUT_FILENO);
    coloured[1] = wanted && isatty(STDERR_FILENO);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

void say_through(FILE *to, FILE *problems_to)
{
    out = to;
    err = problems_to;
}

FILE *say_out(void)
{
    return out;
}

const char *colour_on(enum colour c)
{
    return coloured[0] ? codes[c] : "";
}

const char *colour_off(void)
{
    return coloured[0] ? "\033[0m" : "";
}

static void line(enum colour c, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void problem(enum colour c, const char *what, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void line(enum colour c, const char *format, va_list args)
{
    char text[LINE_BYTES];
    bool plain = c == PLAIN;

    vsnprintf(text, sizeof(text), format, args);
    fputs(colour_on(c), out);
    tame_put(out, bd_slice_of(text), TAME_ALL);
    fprintf(out, "%s\n", plain ? "" : colour_off());
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line(PLAIN, format, args);
    va_end(args);
}

void say_in(enum colour c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line(c, format, args);
    va_end(args);
}

static void problem(enum colour c, const char *what, const char *format, va_list args)
{
    char text[LINE_BYTES];

    vsnprintf(text, sizeof(text), format, args);
    fflush(out);
    fprintf(err, "%sbandog:%s %s", coloured[1] ? codes[c] : "", coloured[1] ? "\033[0m" : "", what);
    tame_put(err, bd_slice_of(text), TAME_ALL);
    putc('\n', err);
}

void complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    problem(RED, "", format, args);
    va_end(args);
}

void warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    problem(YELLOW, "warning: ", format, args);
    va_end(args);
}

void note(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fflush(out);
    tame_put(err, bd_slice_of(text), TAME_ALL);
    putc('\n', err);
}

int say_close(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    /* The write that failed may be long ago; what it was that failed is told by another one. */
    clearerr(stdout);
    setvbuf(stdout, NULL, _IONBF, 0);
    if (putchar('\n') == EOF && errno != EPIPE)
        complain("cannot write to stdout: %s", strerror(errno));
    return status ? status : EXIT_FAILED;
}
