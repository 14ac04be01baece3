/*
 * hash.h - a hash of bytes that somebody else chooses
 *
 * SipHash-2-4 with a key that is drawn at random when the program starts: nobody outside can find
 * names that meet in one slot of a table.
 */
#ifndef BANDOG_HASH_H
#define BANDOG_HASH_H

#include <stdint.h>

#include "slice.h"

/* Draws the key. Once, before the threads; without it the key is 0. */
void bd_hash_init(void);

uint64_t bd_hash(struct bd_slice s);

/* Of the bytes in lower case (ASCII): equal for names that bd_slice_ieq() finds equal. */
uint64_t bd_ihash(struct bd_slice s);

#endif
