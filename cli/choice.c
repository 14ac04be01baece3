/*
 * choice.c - see choice.h
 */
#include "choice.h"

#include <regex.h>
#include <stddef.h>

#include "match.h"

struct matcher {
    const char *filter; /* NULL: the regex decides */
    regex_t regex;
};

static bool matches(const struct matcher *m, const char *name)
{
    return m->filter ? match_filter(m->filter, name) : regexec(&m->regex, name, 0, NULL, 0) == 0;
}

static void keep_matching(const struct matcher *m, struct stack *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->functions; i++)
        if (matches(m, s->function[i].name))
            s->function[kept++] = s->function[i];
    s->functions = kept;
}

static int select_matching(const struct choice *c, struct stack *s, struct bd_error *err)
{
    struct matcher m = {.filter = c->filter && *c->filter ? c->filter : NULL};
    bool by_regex = c->regex && *c->regex;

    if (m.filter && by_regex)
        return bd_fail(err, "pass in a regex or a filter, not both");
    if (!m.filter && !by_regex)
        return 0;
    if (by_regex) {
        int failed = regcomp(&m.regex, c->regex, REG_EXTENDED | REG_NOSUB);
        char reason[128];

        if (failed) {
            regerror(failed, &m.regex, reason, sizeof(reason));
            return bd_fail(err, "error parsing regexp: '%s': %s", c->regex, reason);
        }
    }
    keep_matching(&m, s);
    if (by_regex)
        regfree(&m.regex);
    if (s->functions == 0)
        return bd_fail(err, "no functions matching --filter/--regex were found in the YAML file");
    return 0;
}

static int select_named(struct bd_arena *a, const struct texts *names, struct stack *s,
                        struct bd_error *err)
{
    struct texts known = {0};
    size_t kept = 0;

    for (size_t i = 0; i < s->functions; i++)
        texts_add(a, &known, s->function[i].name);
    for (size_t i = 0; i < names->count; i++)
        if (!texts_have(&known, names->text[i]))
            return bd_fail(err, "%s has no function '%s', only: %s", s->path, names->text[i],
                           texts_join(a, &known, ", "));
    for (size_t i = 0; i < s->functions; i++)
        if (texts_have(names, s->function[i].name))
            s->function[kept++] = s->function[i];
    s->functions = kept;
    return 0;
}

int choice_read(struct bd_arena *a, const struct choice *c, const struct texts *names,
                struct stack *ret, struct bd_error *err)
{
    const char *path = c->file && *c->file ? c->file : stack_default_path();

    if (!path)
        return bd_fail(err, "there is no stack.yaml or stack.yml in this folder: make one with "
                            "'bandog new NAME --lang TEMPLATE', or name one with -f");
    if (stack_read(a, path, c->substitute, ret, err))
        return -1;
    if (ret->functions == 0)
        return bd_fail(err, "%s has no functions: add one with 'bandog new NAME --lang TEMPLATE'",
                       path);
    if (select_matching(c, ret, err))
        return -1;
    return names && names->count > 0 ? select_named(a, names, ret, err) : 0;
}
