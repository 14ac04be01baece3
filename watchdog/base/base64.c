/*
 * base64.c - see bandog/base64.h
 */
#include "bandog/base64.h"

char *bd_base64_put(char *to, const unsigned char *group, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned second = n > 1 ? group[1] : 0, third = n > 2 ? group[2] : 0;

    to[0] = digit[group[0] >> 2];
    to[1] = digit[(group[0] & 3) << 4 | second >> 4];
    to[2] = n > 1 ? digit[(second & 15) << 2 | third >> 6] : '=';
    to[3] = n > 2 ? digit[third & 63] : '=';
    return to + 4;
}
