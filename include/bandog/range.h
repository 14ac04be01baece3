/*
 * range.h - the Range field (RFC 9110, section 14)
 */
#ifndef BANDOG_RANGE_H
#define BANDOG_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define BD_RANGES_MAX 200 /* a request for more is answered with the whole */

struct bd_range {
    int64_t first;
    int64_t len; /* at least 1 */
};

enum bd_range_result {
    BD_RANGE_WHOLE,         /* 200: not in bytes, or more work than the whole */
    BD_RANGE_PARTIAL,       /* 206: those given */
    BD_RANGE_UNSATISFIABLE, /* 416: none of them lies in the representation */
    BD_RANGE_INVALID,       /* 416: it is malformed */
};

/*
 * Reads the value of Range for a representation of `size` bytes. Ranges that lie outside are left
 * out, those that reach out are cut; order is kept. More than BD_RANGES_MAX, or more bytes in all
 * than there are, is the whole, as is any range of an empty representation.
 */
enum bd_range_result bd_ranges_parse(struct bd_range ret_range[BD_RANGES_MAX], size_t *ret_n,
                                     struct bd_slice value, int64_t size);

#endif
