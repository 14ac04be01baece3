/*
 * base64.h - base64 with padding (RFC 4648, section 4)
 */
#ifndef BANDOG_BASE64_H
#define BANDOG_BASE64_H

#include <stddef.h>

/* The four characters for a group of `n` bytes, 1 to 3; returns the end. */
char *bd_base64_put(char *to, const unsigned char *group, size_t n);

#endif
