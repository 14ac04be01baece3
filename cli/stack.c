/*
 * stack.c - see stack.h
 */
#include "stack.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "files.h"
#include "match.h"
#include "substitute.h"
#include "template.h"

static const char *const top_keys[] = {"version", "provider", "functions", "configuration", NULL};
static const char *const provider_keys[] = {"name", "gateway", "network", NULL};
static const char *const configuration_keys[] = {"templates", "copy", NULL};
static const char *const template_keys[] = {"name", "source", NULL};
static const char *const resource_keys[] = {"cpu", "memory", NULL};
enum kind { TEXT, SWITCH, TEXTS, PAIRS, RESOURCES };

/* What may stand under a function's name, and where it goes. */
static const struct member {
    const char *key;
    enum kind kind;
    size_t offset;
} members[] = {
#define MEMBER(key, kind, name)                                                                    \
    {                                                                                              \
        key, kind, offsetof(struct function, name)                                                 \
    }
    MEMBER("lang", TEXT, lang),
    MEMBER("handler", TEXT, handler),
    MEMBER("image", TEXT, image),
    MEMBER("fprocess", TEXT, fprocess),
    MEMBER("namespace", TEXT, namespace),
    MEMBER("platforms", TEXT, platforms),
    MEMBER("skip_build", SWITCH, skip_build),
    MEMBER("readonly_root_filesystem", SWITCH, readonly_root_filesystem),
    MEMBER("environment", PAIRS, environment),
    MEMBER("environment_file", TEXTS, environment_files),
    MEMBER("secrets", TEXTS, secrets),
    MEMBER("constraints", TEXTS, constraints),
    MEMBER("build_options", TEXTS, build_options),
    MEMBER("labels", PAIRS, labels),
    MEMBER("annotations", PAIRS, annotations),
    MEMBER("build_args", PAIRS, build_args),
    MEMBER("build_secrets", PAIRS, build_secrets),
    MEMBER("limits", RESOURCES, limits),
    MEMBER("requests", RESOURCES, requests),
#undef MEMBER
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

const char *stack_default_path(void)
{
    static const char *const names[] = {"stack.yaml", "stack.yml"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (path_exists(names[i]))
            return names[i];
    return NULL;
}

static void read_resources(struct reader *r, const struct node *n, const char *what,
                           struct resources *ret)
{
    if (!node_is_map(r, n, what))
        return;
    node_check_keys(r, n, resource_keys, UNKNOWN_WARNS);
    node_text(r, node_get(n, "cpu"), "cpu", &ret->cpu);
    node_text(r, node_get(n, "memory"), "memory", &ret->memory);
}

static void read_member(struct reader *r, const struct node *n, const struct member *m,
                        struct function *f)
{
    void *to = (char *)f + m->offset;

    switch (m->kind) {
    case TEXT:
        node_text(r, n, m->key, to);
        break;
    case SWITCH:
        node_bool(r, n, m->key, to);
        break;
    case TEXTS:
        node_texts(r, n, m->key, to);
        break;
    case PAIRS:
        node_pairs(r, n, m->key, to);
        break;
    case RESOURCES:
        read_resources(r, n, m->key, to);
        break;
    }
}

static void read_function(struct reader *r, const struct entry *e, struct function *f)
{
    const struct node *n = e->value;
    const char *keys[MEMBERS + 1] = {NULL};

    *f = (struct function){.name = e->key->text, .line = e->key->line};
    if (!name_is_valid(f->name))
        node_error(
            r, e->key,
            "function name \"%s\": it must consist of a-z, 0-9 and dashes inside, at most 63",
            f->name);
    if (!node_is_map(r, n, f->name))
        return;
    for (size_t i = 0; i < MEMBERS; i++)
        keys[i] = members[i].key;
    node_check_keys(r, n, keys, UNKNOWN_WARNS);
    for (size_t i = 0; i < MEMBERS; i++)
        read_member(r, node_get(n, members[i].key), &members[i], f);
}

static void read_functions(struct reader *r, const struct node *n, struct stack *s)
{
    if (!node_is_map(r, n, "functions"))
        return;
    s->function = bd_arena_alloc(r->arena, (n->count + 1) * sizeof(*s->function));
    for (size_t i = 0; i < n->count; i++)
        read_function(r, &n->entry[i], &s->function[s->functions++]);
}

static void read_templates(struct reader *r, const struct node *n, struct stack *s)
{
    if (!n || n->null)
        return;
    if (n->kind != NODE_LIST) {
        node_error(r, n, "templates must be a list of maps with name and source");
        return;
    }
    s->template = bd_arena_alloc(r->arena, (n->count + 1) * sizeof(*s->template));
    for (size_t i = 0; i < n->count; i++) {
        struct template_source *t = &s->template[s->templates];

        *t = (struct template_source){0};
        if (!node_is_map(r, n->item[i], "each of templates"))
            continue;
        node_check_keys(r, n->item[i], template_keys, UNKNOWN_WARNS);
        node_text(r, node_get(n->item[i], "name"), "name", &t->name);
        node_text(r, node_get(n->item[i], "source"), "source", &t->source);
        if (!t->name)
            node_error(r, n->item[i], "a template needs a name");
        else if (!template_name_is_safe(t->name))
            node_error(r, n->item[i], "\"%s\" cannot be a template's name", t->name);
        else
            s->templates++;
    }
}

static void read_configuration(struct reader *r, const struct node *n, struct stack *s)
{
    if (!node_is_map(r, n, "configuration"))
        return;
    node_check_keys(r, n, configuration_keys, UNKNOWN_WARNS);
    read_templates(r, node_get(n, "templates"), s);
    node_texts(r, node_get(n, "copy"), "copy", &s->copy);
}

static void check_version(struct reader *r, const struct node *n)
{
    const char *version = "1.0";

    node_text(r, n, "version", &version);
    if (strcmp(version, "1.0") != 0)
        node_error(r, n, "[1.0] are the only valid versions for the stack file - found: %s",
                   version);
}

static void read_provider(struct reader *r, const struct node *root, struct stack *s)
{
    const struct node *provider = node_get(root, "provider"), *at = node_get(provider, "name");
    const char *name = "";

    if (node_is_map(r, provider, "provider")) {
        node_check_keys(r, provider, provider_keys, UNKNOWN_WARNS);
        node_text(r, at, "provider.name", &name);
        node_text(r, node_get(provider, "gateway"), "provider.gateway", &s->gateway);
    }
    if (strcmp(name, "openfaas") != 0)
        node_error(r,
                   at         ? at
                   : provider ? provider
                              : root,
                   "['openfaas'] is the only valid \"provider.name\", but you gave: %s", name);
}

static const char *variable(void *self, struct bd_slice name)
{
    struct bd_arena *a = self;

    return getenv(bd_arena_copy(a, name));
}

/* "stack.yml:3:14: " of a byte. */
static const char *place(struct bd_arena *a, const char *path, struct bd_slice text, size_t at)
{
    size_t line = 1, start = 0;

    for (size_t i = 0; i < at && i < text.len; i++)
        if (text.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    return bd_arena_printf(a, "%s:%zu:%zu", path, line, at - start + 1);
}

static int substitute_variables(struct bd_arena *a, const char *path, struct bd_slice *text,
                                struct bd_error *err)
{
    struct bd_error reason;
    size_t at = 0;

    if (substitute(a, *text, variable, a, text, &at, &reason) == 0)
        return 0;
    return bd_fail(err, "%s: %s", place(a, path, *text, at), reason.text);
}

int stack_read(struct bd_arena *a, const char *path, bool substitute, struct stack *ret,
               struct bd_error *err)
{
    struct reader r = {a, path, 0};
    struct stack s = {.path = path};
    struct node *root;
    struct bd_slice text;

    if (file_read(a, path, DOCUMENT_BYTES_MAX, &text, err) ||
        (substitute && substitute_variables(a, path, &text, err)) ||
        document_read(a, path, text, &root, err))
        return -1;
    if (node_is_map(&r, root, "a stack file"))
        node_check_keys(&r, root, top_keys, UNKNOWN_WARNS);
    read_provider(&r, root, &s);
    check_version(&r, node_get(root, "version"));
    read_functions(&r, node_get(root, "functions"), &s);
    read_configuration(&r, node_get(root, "configuration"), &s);
    if (r.errors > 0)
        return bd_fail(err, "%s cannot be used as it is", path);
    *ret = s;
    return 0;
}

struct function *stack_find(const struct stack *s, const char *name)
{
    for (size_t i = 0; i < s->functions; i++)
        if (strcmp(s->function[i].name, name) == 0)
            return &s->function[i];
    return NULL;
}

static bool text_is_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool resources_are_equal(const struct resources *a, const struct resources *b)
{
    return text_is_equal(a->cpu, b->cpu) && text_is_equal(a->memory, b->memory);
}

static bool member_is_equal(const struct member *m, const struct function *f,
                            const struct function *g)
{
    const void *a = (const char *)f + m->offset, *b = (const char *)g + m->offset;

    switch (m->kind) {
    case TEXT:
        return text_is_equal(*(const char *const *)a, *(const char *const *)b);
    case SWITCH:
        return *(const bool *)a == *(const bool *)b;
    case TEXTS:
        return texts_are_equal(a, b);
    case PAIRS:
        return pairs_are_equal(a, b);
    case RESOURCES:
        return resources_are_equal(a, b);
    }
    __builtin_unreachable();
}

bool function_is_equal(const struct function *a, const struct function *b)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (!member_is_equal(&members[i], a, b))
            return false;
    return strcmp(a->name, b->name) == 0;
}

static int read_environment_file(struct bd_arena *a, const char *path, struct pairs *ret,
                                 struct bd_error *err)
{
    static const char *const known[] = {"environment", NULL};
    struct reader r = {a, path, 0};
    struct node *root;
    struct bd_slice text;

    if (file_read(a, path, DOCUMENT_BYTES_MAX, &text, err) ||
        document_read(a, path, text, &root, err))
        return -1;
    if (node_is_map(&r, root, "an environment file")) {
        node_check_keys(&r, root, known, UNKNOWN_WARNS);
        node_pairs(&r, node_get(root, "environment"), "environment", ret);
    }
    return r.errors == 0 ? 0 : bd_fail(err, "%s cannot be used as it is", path);
}

int function_environment(struct bd_arena *a, const struct function *f, struct pairs *ret,
                         struct bd_error *err)
{
    pairs_set_all(a, ret, &f->environment);
    for (size_t i = 0; i < f->environment_files.count; i++) {
        struct pairs more = {0};

        if (read_environment_file(a, f->environment_files.text[i], &more, err))
            return -1;
        pairs_set_all(a, ret, &more);
    }
    return 0;
}

const char *image_name(struct bd_arena *a, const char *image)
{
    const char *last = strrchr(image, '/');

    return strchr(last ? last : image, ':') ? image : bd_arena_printf(a, "%s:latest", image);
}
