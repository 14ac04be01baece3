/*
 * exit_status.c - see exit_status.h
 */
#include "exit_status.h"

#include <stdbool.h>
#include <string.h>

/* Up to three digits, off the front. */
static bool take_number(const char **s, int min, int max, int *ret)
{
    size_t digits = strspn(*s, "0123456789");

    *ret = 0;
    if (digits == 0 || digits > 3)
        return false;
    for (size_t i = 0; i < digits; i++)
        *ret = *ret * 10 + (*s)[i] - '0';
    *s += digits;
    return *ret >= min && *ret <= max;
}

int exit_status_parse(uint16_t ret_status_of[EXIT_STATUSES], const char *text, struct bd_error *err)
{
    static const char between[] = " \t,";
    const char *s = text + strspn(text, between);

    memset(ret_status_of, 0, EXIT_STATUSES * sizeof(*ret_status_of));
    while (*s) {
        int from, to;

        if (!take_number(&s, 1, 255, &from) || *s++ != '=' || !take_number(&s, 200, 599, &to) ||
            (*s && !strchr(between, *s)))
            return bd_fail(err, "allowed: pairs of an exit status from 1 to 255 and an HTTP status "
                                "from 200 to 599, for example \"3=404 22=422\"");
        if (ret_status_of[from])
            return bd_fail(err, "exit status %d is there twice, allowed: once", from);
        ret_status_of[from] = (uint16_t)to;
        s += strspn(s, between);
    }
    return 0;
}
