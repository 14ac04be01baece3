/*
 * number.h - whole numbers as users write them
 */
#ifndef WATCHDOG_BASE_NUMBER_H
#define WATCHDOG_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum number_fault {
    NUMBER_FINE,
    NUMBER_MALFORMED,
    NUMBER_RANGE, /* a whole number, but none that int64_t holds */
};

/* [+-]? digits, base 10, nothing before or behind. `ret_value` is written only when it is fine. */
enum number_fault number_parse(const char *text, int64_t *ret_value)
    __attribute__((warn_unused_result));

#endif
