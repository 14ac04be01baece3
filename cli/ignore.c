/*
 * ignore.c - see ignore.h
 */
#include "ignore.h"

#include <fnmatch.h>
#include <limits.h>
#include <string.h>

#include "files.h"

#define STEPS_MAX 128

static struct bd_slice trimmed(struct bd_slice line)
{
    while (line.len > 0 && strchr(" \t\r", line.p[line.len - 1]))
        line.len--;
    return bd_slice_trim(line);
}

static void add(struct bd_arena *a, struct bd_slice line, struct ignore *to)
{
    struct ignore_rule rule = {.takes_back = line.p[0] == '!'};
    const char *pattern;

    line = trimmed((struct bd_slice){line.p + rule.takes_back, line.len - rule.takes_back});
    pattern = path_clean(a, bd_arena_copy(a, line));
    rule.pattern = pattern + (*pattern == '/');
    if (*rule.pattern == '\0' || strcmp(rule.pattern, ".") == 0)
        return;
    to->takes_back = to->takes_back || rule.takes_back;
    to->rule[to->count++] = rule;
}

void ignore_read(struct bd_arena *a, struct bd_slice text, struct ignore *ret)
{
    size_t lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.p[i] == '\n';
    *ret = (struct ignore){.rule = bd_arena_alloc(a, lines * sizeof(*ret->rule))};
    while (text.len > 0) {
        const char *end = memchr(text.p, '\n', text.len);
        size_t len = end ? (size_t)(end - text.p) : text.len;
        struct bd_slice line = trimmed((struct bd_slice){text.p, len});

        if (line.len > 0 && line.p[0] != '#')
            add(a, line, ret);
        text.p += len + (end != NULL);
        text.len -= len + (end != NULL);
    }
}

/* Cuts a path into its steps, in `buf`. */
static size_t steps(const char *path, char buf[PATH_MAX], const char *step[STEPS_MAX])
{
    size_t n = 0;
    char *at = buf;

    if (strlen(path) >= PATH_MAX)
        return 0;
    memcpy(buf, path, strlen(path) + 1);
    while (at && n < STEPS_MAX) {
        step[n++] = at;
        at = strchr(at, '/');
        if (at)
            *at++ = '\0';
    }
    return n;
}

/*
 * Does the pattern match the path or a folder above it? reached[k]: the steps of the pattern so far
 * match the first k of the path. So it takes no longer than steps times steps, whatever the "**".
 */
static bool matches(const char *pattern, const char *const *step, size_t count)
{
    char buf[PATH_MAX];
    const char *part[STEPS_MAX];
    bool reached[STEPS_MAX + 1] = {true};
    size_t parts = steps(pattern, buf, part);

    for (size_t i = 0; i < parts; i++) {
        bool any = strcmp(part[i], "**") == 0;

        for (size_t k = count; !any && k > 0; k--)
            reached[k] = reached[k - 1] && fnmatch(part[i], step[k - 1], 0) == 0;
        for (size_t k = 1; any && k <= count; k++)
            reached[k] = reached[k] || reached[k - 1];
        reached[0] = reached[0] && any;
    }
    for (size_t k = 1; k <= count; k++)
        if (parts > 0 && reached[k])
            return true;
    return false;
}

bool ignore_has(const struct ignore *i, const char *path)
{
    char buf[PATH_MAX];
    const char *step[STEPS_MAX];
    size_t count = steps(path, buf, step);
    bool ignored = false;

    for (size_t r = 0; r < i->count; r++)
        if (ignored == i->rule[r].takes_back && matches(i->rule[r].pattern, step, count))
            ignored = !ignored;
    return ignored;
}
