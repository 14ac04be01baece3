/*
 * conditions.h - conditional requests (RFC 9110, section 13)
 */
#ifndef BANDOG_CONDITIONS_H
#define BANDOG_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"

#define BD_MODIFIED_UNKNOWN INT64_MIN

/* The selected representation's (RFC 9110, 8.8), as they are sent. */
struct bd_validators {
    struct bd_slice etag; /* with its quotes, strong */
    int64_t modified_s;   /* Unix time, or BD_MODIFIED_UNKNOWN: dates are not looked at */
};

enum bd_condition {
    BD_CONDITION_TRUE,         /* go on */
    BD_CONDITION_NOT_MODIFIED, /* 304 */
    BD_CONDITION_FAILED,       /* 412 */
};

/*
 * Looks at If-Match, else If-Unmodified-Since, then If-None-Match, else If-Modified-Since (13.2.2),
 * of a GET or HEAD. Dates that are none are ignored.
 */
enum bd_condition bd_conditions_check(const struct bd_request *r, const struct bd_validators *v,
                                      int64_t now_s);

/* May Range be looked at? True without an If-Range (13.1.5). */
bool bd_if_range_holds(const struct bd_request *r, const struct bd_validators *v, int64_t now_s);

/*
 * The weight that Accept-Encoding gives to a content coding, in thousandths; 0: it is not
 * acceptable (RFC 9110, 12.5.3). What is not listed weighs 0; `identity` then weighs 1, so that
 * whatever else is acceptable wins.
 */
int bd_coding_weight(const struct bd_request *r, struct bd_slice coding);

/* The same of Accept for a media type that it names in full (12.5.1). */
int bd_media_weight(const struct bd_request *r, struct bd_slice type);

#endif
