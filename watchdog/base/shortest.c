/*
 * shortest.c - see shortest.h
 *
 * Digits are added until reading the text gives the number back; 17 always do.
 */
#include "shortest.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *shortest_print(char buf[SHORTEST_BYTES], double v)
{
    int decimals = -1, exponent;

    assert(isfinite(v));
    do
        snprintf(buf, SHORTEST_BYTES, "%.*e", ++decimals, v);
    while (strtod(buf, NULL) != v);

    exponent = (int)strtol(strchr(buf, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 6) {
        decimals -= exponent;
        snprintf(buf, SHORTEST_BYTES, "%.*f", decimals > 0 ? decimals : 0, v);
    }
    return buf;
}
