/*
 * match.h - names: which are chosen, which are valid, which was meant
 */
#ifndef BANDOG_CLI_MATCH_H
#define BANDOG_CLI_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_LENGTH_MAX 63 /* a label of the DNS, RFC 1035, 2.3.4 */

/* `*` in a pattern is any run of bytes, all other bytes are themselves. */
bool match_filter(const char *pattern, const char *name);

/* Lower-case letters, digits and, except at its ends, dashes; one to NAME_LENGTH_MAX of them. */
bool name_is_valid(const char *name);

/*
 * The fewest bytes to insert, to remove, to change, or neighbours to swap that make `a` of `b`.
 * Texts of more than 64 bytes are not looked at: equal ones are 0 apart, others as far as they are
 * long.
 */
size_t edit_distance(const char *a, const char *b);

/*
 * The word of a NULL-terminated list that was probably meant: at most 2 edits away, and fewer than
 * half of the longer one's length. The first of several as near; NULL when there is none.
 */
const char *nearest(const char *word, const char *const *words);

#endif
