/*
 * http_date.h - the dates of HTTP (RFC 9110, 5.6.7)
 */
#ifndef BANDOG_HTTP_DATE_H
#define BANDOG_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define BD_HTTP_DATE_BYTES 32 /* 29 are used */

/* "Sun, 06 Nov 1994 08:49:37 GMT". Years outside 0 to 9999 become the nearest of them. */
struct bd_slice bd_http_date_print(char buf[BD_HTTP_DATE_BYTES], int64_t unix_s);

/*
 * Reads IMF-fixdate and the two obsolete formats. The day's name must be one, but is not compared;
 * a year of two digits is the nearest that is not over 50 years ahead of `now_s`. False for
 * anything else, also for dates that no calendar has.
 */
bool bd_http_date_parse(struct bd_slice text, int64_t now_s, int64_t *ret_unix_s);

#endif
