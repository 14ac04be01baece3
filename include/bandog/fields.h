/*
 * fields.h - which fields a relay passes on
 */
#ifndef BANDOG_FIELDS_H
#define BANDOG_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

#define BD_CONNECTION_NAMES_MAX 32 /* fields that Connection may name */

/* False when Connection names more: a head that is made to keep us busy. */
bool bd_connection_is_usable(const struct bd_field *field, size_t n);

/*
 * Copies the fields that are meant for the other end, in order, to `to`, which has room for `n`.
 * Left out (RFC 9110, 7.6.1): Connection and every field it names (but for those that are never
 * about one hop: Host, Content-Length, Expect, X-Call-Id), Keep-Alive, Proxy-Connection,
 * Proxy-Authenticate, Proxy-Authorization, TE, Transfer-Encoding, Upgrade; and Content-Length,
 * which belongs to whoever frames the message anew. Returns how many were copied. The head must be
 * usable.
 */
size_t bd_fields_end_to_end(struct bd_field *to, const struct bd_field *from, size_t n);

/* "NAME: VALUE\r\n", as both are; takes BD_FIELD_BYTES more than they have. Returns the end. */
#define BD_FIELD_BYTES 4
static inline char *bd_field_put(char *to, struct bd_slice name, struct bd_slice value)
{
    to = bd_slice_put(to, name);
    to = bd_slice_put(to, BD_SLICE(": "));
    to = bd_slice_put(to, value);
    return bd_slice_put(to, BD_SLICE("\r\n"));
}

/* Is `word` in the comma-separated list, in any case? */
bool bd_list_has(struct bd_slice list, struct bd_slice word);

/* The same for all fields of that name together. */
bool bd_fields_list_has(const struct bd_field *field, size_t n, struct bd_slice name,
                        struct bd_slice word);

#endif
