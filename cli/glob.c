/*
 * glob.c - see glob.h
 *
 * All ways through the pattern are followed at once, a byte of the text at a time, so that no
 * pattern takes longer than its length times that of the text. From the end, both are read
 * backwards.
 */
#include "glob.h"

#include <stdlib.h>

struct glob {
    enum glob_side side;
    struct bd_slice *piece; /* what matches a byte, in the order of reading; or "*" */
    bool *reached;          /* [i]: the pieces before i match the text so far; has n + 1 */
    size_t n;
};

static bool is_negation(char c)
{
    return c == '!' || c == '^';
}

/* The length of the first piece: of a set with its brackets, otherwise 1, also for a bracket alone.
 */
static size_t piece_len(struct bd_slice pattern)
{
    const char *end;
    size_t first;

    if (pattern.p[0] != '[' || pattern.len < 3)
        return 1;
    first = is_negation(pattern.p[1]) ? 2 : 1;
    /* A bracket that comes first belongs to the set. */
    end = memchr(pattern.p + first + 1, ']', pattern.len - first - 1);
    return end ? (size_t)(end - pattern.p) + 1 : 1;
}

static bool in_set(struct bd_slice set, unsigned char c)
{
    const unsigned char *p = (const unsigned char *)set.p + 1, *end = p + set.len - 2;
    bool negated = is_negation((char)*p), found = false;

    for (p += negated; p < end; p++) {
        const unsigned char *last = end - p > 2 && p[1] == '-' ? p + 2 : p;

        found = found || (*p <= c && c <= *last);
        p = last;
    }
    return found != negated;
}

static bool is_run(struct bd_slice piece)
{
    return piece.p[0] == '*';
}

static bool fits(struct bd_slice piece, char c)
{
    if (piece.len > 1)
        return in_set(piece, (unsigned char)c);
    return piece.p[0] == '?' || piece.p[0] == c;
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void glob_init(struct glob *g, struct bd_slice pattern, enum glob_side side)
{
    *g = (struct glob){.side = side};
    g->piece = must(calloc(pattern.len + 1, sizeof(*g->piece)));
    g->reached = must(calloc(pattern.len + 1, sizeof(*g->reached)));
    while (pattern.len > 0) {
        size_t len = piece_len(pattern);

        g->piece[g->n++] = (struct bd_slice){pattern.p, len};
        pattern.p += len;
        pattern.len -= len;
    }
    for (size_t i = 0; side == GLOB_END && i < g->n / 2; i++) {
        struct bd_slice early = g->piece[i];

        g->piece[i] = g->piece[g->n - 1 - i];
        g->piece[g->n - 1 - i] = early;
    }
}

static void glob_release(struct glob *g)
{
    free(g->piece);
    free(g->reached);
}

/* A run may match nothing. */
static void pass_runs(struct glob *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->reached[i] && is_run(g->piece[i]))
            g->reached[i + 1] = true;
}

static void step(struct glob *g, char c)
{
    for (size_t i = g->n + 1; i-- > 0;) {
        bool stays = i < g->n && is_run(g->piece[i]) && g->reached[i];
        bool comes = i > 0 && !is_run(g->piece[i - 1]) && g->reached[i - 1];

        g->reached[i] = stays || (comes && fits(g->piece[i - 1], c));
    }
    pass_runs(g);
}

/* How many bytes match. */
static size_t measure(struct glob *g, struct bd_slice text, bool most)
{
    size_t len = 0;

    g->reached[0] = true;
    pass_runs(g);
    if (g->reached[g->n] && !most)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        step(g, text.p[g->side == GLOB_END ? text.len - 1 - i : i]);
        if (!g->reached[g->n])
            continue;
        len = i + 1;
        if (!most)
            break;
    }
    return len;
}

struct bd_slice glob_trim(struct bd_slice text, struct bd_slice pattern, enum glob_side side,
                          bool most)
{
    struct glob g;
    size_t len;

    glob_init(&g, pattern, side);
    len = measure(&g, text, most);
    glob_release(&g);
    text.len -= len;
    if (side == GLOB_BEGINNING)
        text.p += len;
    return text;
}
