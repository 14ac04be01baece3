/*
 * quantity.h - amounts of memory and processor time as Kubernetes writes them
 *
 * Digits with or without a point, then one of n u m k M G T P E (powers of 1000), Ki Mi Gi Ti Pi Ei
 * (powers of 1024), an exponent (e3, E-2) or nothing. A rest is rounded up, as Kubernetes does it:
 * "0.5" bytes are 1. Negative amounts are refused, and such as int64_t does not hold.
 */
#ifndef BANDOG_CLI_QUANTITY_H
#define BANDOG_CLI_QUANTITY_H

#include <stdint.h>

#include "bandog/error.h"

/* Both return 0, or -1 with a sentence. */

/* "128Mi", "0.5Gi", "1e9". */
int quantity_bytes(const char *text, int64_t *ret_bytes, struct bd_error *err)
    __attribute__((warn_unused_result));

/* Thousandths of a processor: "500m", "0.5", "2". */
int quantity_millicpu(const char *text, int64_t *ret_millicpu, struct bd_error *err)
    __attribute__((warn_unused_result));

#endif
