/*
 * dockerfile.c - see dockerfile.h
 */
#include "dockerfile.h"

#include <stdbool.h>
#include <string.h>

#include "grow.h"

#define DEPTH_MAX 32
#define VALUE_BYTES_MAX                                                                            \
    (1 << 20) /* twice itself, and that twice: 40 lines would make 2^40 bytes                      \
               */

struct stage {
    const char *name; /* of FROM x AS name; NULL: none */
    struct pairs env, args;
};

struct reading {
    struct bd_arena *arena;
    struct pairs global; /* ARGs before the first FROM */
    struct stage *stage;
    size_t stages, room;
    struct texts *args;
    unsigned depth; /* of braces in braces */
};

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *look_up(const struct reading *r, const char *name)
{
    const struct stage *s = r->stages ? &r->stage[r->stages - 1] : NULL;
    const char *value = s ? pairs_get(&s->env, name) : NULL;

    if (!value)
        value = s ? pairs_get(&s->args, name) : pairs_get(&r->global, name);
    return value ? value : "";
}

/* A text that grows. */
struct text {
    struct bd_arena *arena;
    char *p;
    size_t len, room;
};

static void text_put(struct text *t, struct bd_slice s)
{
    if (t->len + s.len > VALUE_BYTES_MAX)
        s.len = VALUE_BYTES_MAX - t->len;
    if (t->len + s.len >= t->room) {
        char *more;

        t->room = 2 * (t->len + s.len) + 32;
        more = bd_arena_alloc(t->arena, t->room);
        if (t->len > 0)
            memcpy(more, t->p, t->len);
        t->p = more;
    }
    t->len += bd_slice_put(t->p + t->len, s) - (t->p + t->len);
    t->p[t->len] = '\0';
}

static bool is_space(char c)
{
    return bd_is_blank(c);
}

static const char *skip_space(const char *p)
{
    while (is_space(*p))
        p++;
    return p;
}

enum until { UNTIL_BLANK, UNTIL_BRACE, UNTIL_END };

static bool ends(const char *p, enum until until)
{
    return *p == '\0' || (until == UNTIL_BLANK && is_space(*p)) ||
           (until == UNTIL_BRACE && *p == '}');
}

static const char *word(struct reading *r, const char **line, enum until until);

/* `*text` is behind a dollar, and then behind the variable. */
static const char *variable(struct reading *r, const char **text)
{
    const char *p = *text, *value, *other;
    bool braces = *p == '{', is_other;
    size_t len = 0;

    p += braces;
    while (is_name(p[len]))
        len++;
    if (len == 0)
        return "$";
    value = look_up(r, bd_arena_copy(r->arena, (struct bd_slice){p, len}));
    p += len;
    if (braces && *p) {
        is_other = p[0] == ':' && (p[1] == '-' || p[1] == '+') && (p[1] == '+') == (*value != '\0');
        p += p[0] == ':' && p[1] ? 2 : 0;
        r->depth++;
        other = word(r, &p, UNTIL_BRACE);
        r->depth--;
        value = is_other ? other : value;
        p += *p == '}';
    }
    *text = p;
    return value;
}

/* In double quotes a backslash only stands before what means something there. */
static bool is_escape(const char *p, char quote)
{
    return *p == '\\' && p[1] && quote != '\'' && (quote != '"' || strchr("\"$\\", p[1]));
}

/* A text with its quotes taken off and its variables replaced. */
static const char *word(struct reading *r, const char **line, enum until until)
{
    struct text t = {.arena = r->arena};
    const char *p = *line;
    char quote = 0;

    text_put(&t, BD_SLICE(""));
    while (*p && (quote || !ends(p, until))) {
        if (quote ? *p == quote : *p == '\'' || *p == '"') {
            quote = quote ? 0 : *p;
            p++;
        } else if (is_escape(p, quote)) {
            text_put(&t, (struct bd_slice){p + 1, 1});
            p += 2;
        } else if (*p == '$' && quote != '\'' && r->depth < DEPTH_MAX) {
            p++;
            text_put(&t, bd_slice_of(variable(r, &p)));
        } else {
            text_put(&t, (struct bd_slice){p++, 1});
        }
    }
    *line = p;
    return t.p;
}

static struct pairs *here(struct reading *r, bool env)
{
    struct stage *s = r->stages ? &r->stage[r->stages - 1] : NULL;

    return !s ? &r->global : env ? &s->env : &s->args;
}

/* NAME=VALUE NAME=VALUE ..., or with ENV the old NAME VALUE. */
static void read_rows(struct reading *r, const char *line, bool env)
{
    struct pairs rows = {0}; /* a variable has one value throughout an instruction */

    while (*(line = skip_space(line))) {
        const char *name = line, *value;
        size_t len = strcspn(line, "= \t");
        const char *text = bd_arena_copy(r->arena, (struct bd_slice){name, len});

        line += len;
        if (*line == '=') {
            line++;
            value = word(r, &line, UNTIL_BLANK);
        } else if (env) {
            line = skip_space(line);
            value = word(r, &line, UNTIL_END);
        } else { /* a stage sees a global ARG once it names it */
            value = pairs_get(&r->global, text);
        }
        if (!env && !texts_have(r->args, text))
            texts_add(r->arena, r->args, text);
        if (value)
            pairs_set(r->arena, &rows, text, value);
    }
    if (!env || r->stages)
        pairs_set_all(r->arena, here(r, env), &rows);
}

static struct stage *find_stage(struct reading *r, const char *name)
{
    for (size_t i = r->stages; i > 0; i--)
        if (r->stage[i - 1].name &&
            bd_slice_ieq(bd_slice_of(r->stage[i - 1].name), bd_slice_of(name)))
            return &r->stage[i - 1];
    return NULL;
}

static void read_from(struct reading *r, const char *line)
{
    struct stage s = {0}, *base;
    struct reading before = *r;
    const char *from;

    before.stages = 0; /* FROM sees the global ARGs only */
    line = skip_space(line);
    while (strncmp(line, "--", 2) == 0) {
        word(&before, &line, UNTIL_BLANK);
        line = skip_space(line);
    }
    from = word(&before, &line, UNTIL_BLANK);
    base = find_stage(r, from);
    if (base) {
        pairs_set_all(r->arena, &s.env, &base->env);
        pairs_set_all(r->arena, &s.args, &base->args);
    }
    line = skip_space(line);
    if (bd_slice_ieq((struct bd_slice){line, strcspn(line, " \t")}, BD_SLICE("as"))) {
        line = skip_space(line + 2);
        s.name = bd_arena_copy(r->arena, (struct bd_slice){line, strcspn(line, " \t")});
    }
    r->stage = grow(r->arena, r->stage, r->stages, &r->room, sizeof(*r->stage));
    r->stage[r->stages++] = s;
}

static void instruction(struct reading *r, const char *line)
{
    struct bd_slice name;

    line = skip_space(line);
    name = (struct bd_slice){line, strcspn(line, " \t")};
    line += name.len;
    if (bd_slice_ieq(name, BD_SLICE("from")))
        read_from(r, line);
    else if (bd_slice_ieq(name, BD_SLICE("arg")))
        read_rows(r, line, false);
    else if (bd_slice_ieq(name, BD_SLICE("env")))
        read_rows(r, line, true);
}

/* The next line of the text, without its end. */
static bool next_line(struct bd_slice *text, struct bd_slice *ret)
{
    const char *end;

    if (text->len == 0)
        return false;
    end = memchr(text->p, '\n', text->len);
    ret->p = text->p;
    ret->len = end ? (size_t)(end - text->p) : text->len;
    text->p += ret->len + (end != NULL);
    text->len -= ret->len + (end != NULL);
    while (ret->len > 0 && (ret->p[ret->len - 1] == '\r' || is_space(ret->p[ret->len - 1])))
        ret->len--;
    return true;
}

void dockerfile_read(struct bd_arena *a, struct bd_slice text, struct dockerfile *ret)
{
    struct reading r = {.arena = a, .args = &ret->args};
    struct text whole = {.arena = a};
    struct bd_slice line;

    *ret = (struct dockerfile){0};
    while (next_line(&text, &line)) {
        struct bd_slice trimmed = bd_slice_trim(line);
        bool goes_on = line.len > 0 && line.p[line.len - 1] == '\\';

        if (trimmed.len > 0 ? trimmed.p[0] == '#' : whole.len > 0)
            continue; /* also between lines that go on */
        line.len -= goes_on;
        text_put(&whole, line);
        if (goes_on)
            continue;
        instruction(&r, whole.p);
        whole.len = 0;
    }
    if (whole.len > 0)
        instruction(&r, whole.p);
    if (r.stages)
        ret->environment = r.stage[r.stages - 1].env;
}
