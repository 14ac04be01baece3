/*
 * number.c - see number.h
 */
#include "number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum number_fault number_parse(const char *text, int64_t *ret_value)
{
    const char *digits = text + (*text == '+' || *text == '-');
    size_t len = strspn(digits, "0123456789");
    long long value;

    if (len == 0 || digits[len] != '\0')
        return NUMBER_MALFORMED;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno == ERANGE)
        return NUMBER_RANGE;
    *ret_value = value;
    return NUMBER_FINE;
}
