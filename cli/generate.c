/*
 * generate.c - bandog generate: a stack's functions as documents for a cluster
 *
 * All functions are looked at before anything is written: what is wrong is said about all of them,
 * and then stdout stays empty.
 */
#include "dockerfile.h"
#include "files.h"
#include "generate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "command.h"
#include "say.h"
#include "template.h"

#define LEAST_REPLICAS "com.openfaas.scale.min"

struct options {
    struct choice choice;
    const char *api, *namespace;
};

/* What is written for an API. */
struct api {
    const char *name;
    const char *namespace;             /* where none is given; NULL: none */
    void (*check)(struct workload *w); /* what only this API wants; or NULL */
    void (*write)(struct emit *e, const struct workload *w);
};

static void check_knative(struct workload *w)
{
    settings_read(w);
    if (w->function->constraints.count > 0)
        warn("%s:%zu: function %s: constraints are left out, since Knative takes no node selector "
             "unless that is turned on",
             w->file, w->function->line, w->name);
}

static void check_deployment(struct workload *w)
{
    const char *least = pairs_get(&w->labels, LEAST_REPLICAS);

    settings_read(w);
    workload_check_constraints(w);
    if (least && (!bd_slice_number(bd_slice_of(least), &w->replicas) || w->replicas < 1 ||
                  w->replicas > INT32_MAX))
        workload_error(w, "labels \"%s\": \"%s\" is no number of replicas", LEAST_REPLICAS, least);
}

static const char *const api_names[] = {"openfaas.com/v1", "serving.knative.dev/v1", "apps/v1",
                                        NULL};
static const struct api apis[] = {
    {"openfaas.com/v1", "openfaas-fn", NULL, write_function},
    {"serving.knative.dev/v1", "openfaas-fn", check_knative, write_knative},
    {"apps/v1", NULL, check_deployment, write_deployment},
};

static const struct api *api_named(const char *name)
{
    size_t i = 0;

    while (strcmp(apis[i].name, name) != 0)
        i++;
    return &apis[i];
}

static const char *choose_namespace(const struct options *o, const struct function *f,
                                    const struct api *api)
{
    if (o->namespace)
        return *o->namespace ? o->namespace : NULL;
    return f->namespace && *f->namespace ? f->namespace : api->namespace;
}

/* Nothing is built here, so a Dockerfile that is not at hand is no mistake. */
static void read_image(struct workload *w)
{
    const struct function *f = w->function;
    struct dockerfile d;
    struct template t;
    struct bd_slice text;
    struct bd_error ignored;

    if (!f->lang || !*f->lang || f->skip_build)
        return;
    if (!template_is_dockerfile(f->lang)) {
        if (template_find(w->arena, f->lang, &t, &ignored))
            return;
        text = t.dockerfile;
    } else if (!f->handler || file_read(w->arena, path_join(w->arena, f->handler, "Dockerfile"),
                                        DOCKERFILE_BYTES_MAX, &text, &ignored)) {
        return;
    }
    dockerfile_read(w->arena, text, &d);
    w->image_environment = d.environment;
}

/* Returns how many things are wrong. */
static int gather(struct bd_arena *a, const struct options *o, const char *file,
                  const struct function *f, struct workload *w)
{
    const struct api *api = api_named(o->api);
    struct bd_error err;

    *w = (struct workload){.arena = a, .file = file, .function = f, .name = f->name};
    w->namespace = choose_namespace(o, f, api);
    if (function_environment(a, f, &w->environment, &err))
        workload_error(w, "%s", err.text);
    if (f->fprocess && *f->fprocess)
        pairs_set(a, &w->environment, "fprocess", f->fprocess);
    pairs_set_all(a, &w->labels, &f->labels);
    pairs_set_all(a, &w->annotations, &f->annotations);
    texts_add_all(a, &w->secrets, &f->secrets);
    pairs_sort(&w->environment);
    pairs_sort(&w->labels);
    pairs_sort(&w->annotations);
    texts_sort(&w->secrets);
    read_image(w);
    workload_check(w);
    if (api->check)
        api->check(w);
    if (w->errors == 0)
        w->image = image_name(a, f->image);
    return w->errors;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct function *)a)->name, ((const struct function *)b)->name);
}

static int write_all(struct bd_arena *a, const struct workload *w, size_t count,
                     const struct api *api)
{
    struct emit *e = emit_open(a, stdout);
    struct bd_error err;

    for (size_t i = 0; i < count; i++)
        api->write(e, &w[i]);
    if (emit_close(e, &err)) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct options *o = options;
    struct stack s;
    struct bd_error err;
    struct workload *w;
    int errors = 0;

    if (choice_read(a, &o->choice, operands, &s, &err)) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    w = bd_arena_alloc(a, s.functions * sizeof(*w));
    qsort(s.function, s.functions, sizeof(*s.function), by_name);
    for (size_t i = 0; i < s.functions; i++)
        errors += gather(a, o, s.path, &s.function[i], &w[i]);
    return errors > 0 ? EXIT_FAILED : write_all(a, w, s.functions, api_named(o->api));
}

static const struct flag flags[] = {
    CHOICE_FLAGS,
    {.name = "api",
     .type = FLAG_WORD,
     .offset = offsetof(struct options, api),
     .value = "API",
     .initial = "openfaas.com/v1",
     .words = api_names,
     .help = "what for"},
    {.name = "namespace",
     .letter = 'n',
     .type = FLAG_TEXT,
     .offset = offsetof(struct options, namespace),
     .value = "NAME",
     .help = "instead of the functions' own; empty: none"},
    {.name = NULL},
};

const struct command command_generate = {
    .name = "generate",
    .operands = "[NAME...]",
    .max = SIZE_MAX,
    .offer = OPERANDS_FUNCTIONS,
    .summary = "Write Kubernetes manifests of functions to stdout",
    .details = "openfaas.com/v1 is for OpenFaaS's operator, serving.knative.dev/v1 for Knative;\n"
               "apps/v1 are a Deployment and a Service for Kubernetes without either.\n",
    .flags = flags,
    .bytes = sizeof(struct options),
    .run = run,
};
