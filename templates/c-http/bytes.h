/*
 * bytes.h - an array of bytes that grows
 */
#ifndef BYTES_H
#define BYTES_H

#include "function.h"

/* Makes room for `more` bytes behind those that are there. False: there is no memory, nothing has
 * changed. */
bool bytes_reserve(struct bytes *b, size_t more);

bool bytes_add(struct bytes *b, const void *data, size_t size);

void bytes_release(struct bytes *b);

#endif
