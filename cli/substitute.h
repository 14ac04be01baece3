/*
 * substitute.h - ${variables} in the text of a stack file
 *
 * Runs over the whole text, comments included, before it is read as YAML. A value with line breaks
 * in it moves the lines below: their numbers are those of the result, not those of the file.
 *
 *   ${A}                            the value, nothing when A is not set
 *   ${A:-x} ${A:=x} ${A=x}          x when A is not set or empty; A keeps its value in each
 *   ${A:+x}                         x when A is set and not empty
 *   ${A:?x}                         an error that says x when A is not set or empty
 *   ${#A}                           its length
 *   ${A:from} ${A:from:count}       a part; a negative number counts from the end
 *   ${A^} ${A^^} ${A,} ${A,,}       the first letter or all in upper or lower case, if ASCII
 *   ${A#p} ${A##p} ${A%p} ${A%%p}   without the least or most that p, see glob.h, matches
 *                                   at the beginning or the end
 *   ${A/x/y} ${A//x/y}              with y for the first x or every x, which are no patterns
 *   ${A/#x/y} ${A/%x/y}             the same for an x at the beginning or the end
 *   $$                              one $
 *
 * Names are letters, digits and underscores. What stands for x, y, p, from and count may hold
 * substitutions again. Lengths are in characters of UTF-8. A part that is not given in numbers is
 * the whole value. A dollar before anything else, and every backslash, stays as it is.
 */
#ifndef BANDOG_CLI_SUBSTITUTE_H
#define BANDOG_CLI_SUBSTITUTE_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"

/* Of the result, and of all that is at hand for it at a time. */
#define SUBSTITUTE_BYTES_MAX (1 << 20)
#define SUBSTITUTE_DEPTH_MAX 64

/*
 * The value of a variable, or NULL when it is not set. It must stay as it is until substitute()
 * has returned. Not asked for what is not used, such as the N of ${A:-${N}} when A is set.
 */
typedef const char *substitute_look_up(void *self, struct bd_slice name);

/*
 * 0, with the result in memory of the arena; or -1, with a sentence and the offset in `text` of
 * the substitution at fault, its "${".
 */
int substitute(struct bd_arena *arena, struct bd_slice text, substitute_look_up *look_up,
               void *self, struct bd_slice *ret_text, size_t *ret_at, struct bd_error *err)
    __attribute__((warn_unused_result));

#endif
