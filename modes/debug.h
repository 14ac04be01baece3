/*
 * debug.h - what write_debug and debug_headers print
 */
#ifndef MODES_DEBUG_H
#define MODES_DEBUG_H

#include "bandog/exchange.h"

/* "[in] Name=[v1 v2]" on stdout for each name; `direction` is "in" or "out". */
void debug_headers(struct bd_exchange *x, const char *direction, const struct bd_field *field,
                   size_t fields);

/* "Query  RAWQUERY" and "Path  DECODEDPATH" in the log, escaped. */
void debug_target(struct bd_exchange *x);

/* "Success=false, Error=..." and "Out=...": of the output as much as is at hand. */
void debug_failure(struct bd_exchange *x, const char *error, struct bd_slice output);

#endif
