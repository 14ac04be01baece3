/*
 * sniff.h - a media type from the first bytes of a body
 *
 * For answers of functions that declare none: the same types that the Go programs send (which
 * follow the WHATWG MIME Sniffing standard), because clients may have come to depend on them.
 */
#ifndef BANDOG_SNIFF_H
#define BANDOG_SNIFF_H

#include <stddef.h>

#define BD_SNIFF_BYTES 512 /* no later byte matters */

/* Static storage; never NULL: "application/octet-stream" when nothing matches. */
const char *bd_sniff(const char *buf, size_t len);

#endif
