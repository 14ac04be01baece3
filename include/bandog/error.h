/*
 * error.h - a sentence for the operator, for calls that run at start
 */
#ifndef BANDOG_ERROR_H
#define BANDOG_ERROR_H

struct bd_error {
    char text[512];
};

/* Writes the sentence, cut to fit, and returns -1, so that a caller can `return bd_fail(err, ...)`.
 */
int bd_fail(struct bd_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
