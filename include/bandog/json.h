/*
 * json.h - strings of JSON (RFC 8259, section 7)
 */
#ifndef BANDOG_JSON_H
#define BANDOG_JSON_H

#include <stddef.h>

#include "slice.h"

/* Bytes of the UTF-8 character at `p`, 1 to 4; 0: it is none (RFC 3629). `left` is at least 1. */
size_t bd_utf8_length(const unsigned char *p, size_t left);

/*
 * Any bytes as a string, with its quotes; what is no UTF-8 becomes U+FFFD. Takes as many bytes as
 * bd_json_bytes() says; returns the end.
 */
char *bd_json_put(char *to, struct bd_slice s);
size_t bd_json_bytes(struct bd_slice s);

#endif
