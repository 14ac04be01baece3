/*
 * match.c - see match.h
 */
#include "match.h"

#include <string.h>

#define EDIT_LENGTH_MAX 64
#define NEAR 2

/* --- filters ---------------------------------------------------------------------------------- */

/*
 * What stands between two `*` is best found as early as possible, which leaves most to the others;
 * memmem(3) takes linear time. What stands before the first and behind the last has its place.
 */
bool match_filter(const char *pattern, const char *name)
{
    const char *run = strchr(pattern, '*');
    const char *end = name + strlen(name);
    size_t len;

    if (!run)
        return strcmp(pattern, name) == 0;
    len = (size_t)(run - pattern);
    if (strncmp(pattern, name, len) != 0)
        return false;
    name += len;
    for (pattern = run + 1; (run = strchr(pattern, '*')); pattern = run + 1) {
        len = (size_t)(run - pattern);
        name = memmem(name, (size_t)(end - name), pattern, len);
        if (!name)
            return false;
        name += len;
    }
    len = strlen(pattern);
    return (size_t)(end - name) >= len && memcmp(end - len, pattern, len) == 0;
}

/* --- valid names ------------------------------------------------------------------------------ */

bool name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_LENGTH_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[0] != '-' &&
           name[len - 1] != '-';
}

/* --- similar words ---------------------------------------------------------------------------- */

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t longer(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);

    return a_len > b_len ? a_len : b_len;
}

/* Optimal string alignment: `row` has the distances between the first i of `a` and first j of `b`.
 */
size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][EDIT_LENGTH_MAX + 1];
    size_t *row = rows[0], *last = rows[1], *last_but_one = rows[2];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (longer(a, b) > EDIT_LENGTH_MAX)
        return strcmp(a, b) == 0 ? 0 : longer(a, b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *oldest = last_but_one;

        last_but_one = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = lesser(row[j], lesser(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = lesser(row[j], last_but_one[j - 2] + 1);
        }
    }
    return row[b_len];
}

const char *nearest(const char *word, const char *const *words)
{
    const char *found = NULL;
    size_t least = NEAR + 1;

    for (; *words; words++) {
        size_t distance = edit_distance(word, *words);

        if (distance < least && 2 * distance < longer(word, *words)) {
            least = distance;
            found = *words;
        }
    }
    return found;
}
