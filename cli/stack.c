/*
 * stack.c - see stack.h
 */
#include "stack.h"

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
static const char *const function_keys[] = {
    "lang",        "handler",       "image",         "skip_build",       "fprocess",
    "environment", "secrets",       "labels",        "environment_file", "annotations",
    "limits",      "requests",      "constraints",   "namespace",        "readonly_root_filesystem",
    "build_args",  "build_options", "build_secrets", "platforms",        NULL};

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

static void read_function(struct reader *r, const struct entry *e, struct function *f)
{
    const struct node *n = e->value;

    *f = (struct function){.name = e->key->text, .line = e->key->line};
    if (!name_is_valid(f->name))
        node_error(
            r, e->key,
            "function name \"%s\": it must consist of a-z, 0-9 and dashes inside, at most 63",
            f->name);
    if (!node_is_map(r, n, f->name))
        return;
    node_check_keys(r, n, function_keys, UNKNOWN_WARNS);
    node_text(r, node_get(n, "lang"), "lang", &f->lang);
    node_text(r, node_get(n, "handler"), "handler", &f->handler);
    node_text(r, node_get(n, "image"), "image", &f->image);
    node_text(r, node_get(n, "fprocess"), "fprocess", &f->fprocess);
    node_text(r, node_get(n, "namespace"), "namespace", &f->namespace);
    node_text(r, node_get(n, "platforms"), "platforms", &f->platforms);
    node_bool(r, node_get(n, "skip_build"), "skip_build", &f->skip_build);
    node_bool(r, node_get(n, "readonly_root_filesystem"), "readonly_root_filesystem",
              &f->readonly_root_filesystem);
    node_pairs(r, node_get(n, "environment"), "environment", &f->environment);
    node_texts(r, node_get(n, "environment_file"), "environment_file", &f->environment_files);
    node_texts(r, node_get(n, "secrets"), "secrets", &f->secrets);
    node_texts(r, node_get(n, "constraints"), "constraints", &f->constraints);
    node_texts(r, node_get(n, "build_options"), "build_options", &f->build_options);
    node_pairs(r, node_get(n, "labels"), "labels", &f->labels);
    node_pairs(r, node_get(n, "annotations"), "annotations", &f->annotations);
    node_pairs(r, node_get(n, "build_args"), "build_args", &f->build_args);
    node_pairs(r, node_get(n, "build_secrets"), "build_secrets", &f->build_secrets);
    read_resources(r, node_get(n, "limits"), "limits", &f->limits);
    read_resources(r, node_get(n, "requests"), "requests", &f->requests);
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

bool function_is_equal(const struct function *a, const struct function *b)
{
    return text_is_equal(a->name, b->name) && text_is_equal(a->lang, b->lang) &&
           text_is_equal(a->handler, b->handler) && text_is_equal(a->image, b->image) &&
           text_is_equal(a->fprocess, b->fprocess) && text_is_equal(a->namespace, b->namespace) &&
           text_is_equal(a->platforms, b->platforms) && a->skip_build == b->skip_build &&
           a->readonly_root_filesystem == b->readonly_root_filesystem &&
           pairs_are_equal(&a->environment, &b->environment) &&
           texts_are_equal(&a->environment_files, &b->environment_files) &&
           texts_are_equal(&a->secrets, &b->secrets) &&
           texts_are_equal(&a->constraints, &b->constraints) &&
           texts_are_equal(&a->build_options, &b->build_options) &&
           pairs_are_equal(&a->labels, &b->labels) &&
           pairs_are_equal(&a->annotations, &b->annotations) &&
           pairs_are_equal(&a->build_args, &b->build_args) &&
           pairs_are_equal(&a->build_secrets, &b->build_secrets) &&
           resources_are_equal(&a->limits, &b->limits) &&
           resources_are_equal(&a->requests, &b->requests);
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
