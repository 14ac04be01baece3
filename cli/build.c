/*
 * build.c - bandog build: puts the functions together and has the engine make images of them
 */
#include "build.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "assembly.h"
#include "command.h"
#include "dockerfile.h"
#include "engine.h"
#include "files.h"
#include "images.h"
#include "jobs.h"
#include "slots.h"
#include "template_pull.h"

struct build_options {
    struct images images; /* first */
    bool shrinkwrap, no_cache, pull, squash;
    struct pairs args, labels;
    struct texts options, copy;
};

#define OPTION(member) offsetof(struct build_options, member)

static const struct flag flags[] = {
    IMAGES_FLAGS,
    {.name = "shrinkwrap",
     .type = FLAG_SWITCH,
     .offset = OPTION(shrinkwrap),
     .help = "only put the folders build/NAME together"},
    {.name = "build-arg",
     .letter = 'b',
     .type = FLAG_PAIRS,
     .offset = OPTION(args),
     .value = "KEY=VALUE",
     .help = "for the engine, wins over build_args of the stack file"},
    {.name = "build-option",
     .letter = 'o',
     .type = FLAG_LIST,
     .offset = OPTION(options),
     .value = "NAME",
     .help = "a build option of the template: packages to add"},
    {.name = "build-label",
     .type = FLAG_PAIRS,
     .offset = OPTION(labels),
     .value = "KEY=VALUE",
     .help = "a label of the image"},
    {.name = "copy-extra",
     .type = FLAG_LIST,
     .offer = OFFER_FILES,
     .offset = OPTION(copy),
     .value = "PATH",
     .help = "a file or folder to copy into each handler's folder"},
    {.name = "no-cache",
     .type = FLAG_SWITCH,
     .offset = OPTION(no_cache),
     .help = "have the engine do every step again"},
    {.name = "pull",
     .type = FLAG_SWITCH,
     .offset = OPTION(pull),
     .help = "have the engine look for newer base images"},
    {.name = "squash",
     .type = FLAG_SWITCH,
     .offset = OPTION(squash),
     .help = "have the engine make one layer of the new ones"},
    {.name = NULL},
};

/* --- putting together ----------------------------------------------------------------------------
 */

int build_template(struct bd_arena *a, const struct stack *s, const struct function *f,
                   struct template *space, struct template **ret, struct bd_error *err)
{
    if (!f->lang || !*f->lang)
        return bd_fail(err, "function %s has no lang: please provide a valid language for it",
                       f->name);
    *ret = template_is_dockerfile(f->lang) ? NULL : space;
    if (!*ret)
        return 0;
    if (s && template_pull_missing(a, s, f->lang, err))
        return -1;
    return template_find(a, f->lang, space, err);
}

/* "build/NAME" */
static const char *build_folder(struct bd_arena *a, const struct function *f)
{
    return bd_arena_printf(a, BUILD_FOLDER "/%s", f->name);
}

/* Puts it together there, anew: the handler over the template, then the extra paths, those of the
 * stack too. */
static int assemble(struct bd_arena *a, const struct stack *s, const struct function *f,
                    const struct template *t, const struct texts *extra, struct bd_error *err)
{
    const char *folder = build_folder(a, f);
    struct texts all = {0};
    struct assembly plan;

    if (slots_are_used(f->name))
        return bd_fail(err, "%s is run by bandog dev, which uses %s: end it first", f->name,
                       folder);
    texts_add_all(a, &all, extra); /* a copy: of `extra` itself nothing may be added to */
    for (size_t i = 0; i < s->copy.count; i++)
        if (!texts_have(&all, s->copy.text[i]))
            texts_add(a, &all, s->copy.text[i]);
    assembly_init(&plan, a);
    if (assembly_plan(&plan, f, t, &all, err) || folder_remove(folder, err))
        return -1;
    return assembly_create(&plan, folder, err);
}

/* --- the engine's arguments ----------------------------------------------------------------------
 */

static const char additional[] = "ADDITIONAL_PACKAGE";

static void add_words(struct bd_arena *a, struct texts *words, const struct pairs *args)
{
    for (size_t i = 0; i < args->count; i++) {
        const char *p = args->row[i].value;

        while (strcmp(args->row[i].name, additional) == 0 && *p) {
            size_t len = strcspn(p, " \t\r\n");

            if (len > 0)
                texts_add(a, words, bd_arena_copy(a, (struct bd_slice){p, len}));
            p += len + (p[len] != '\0');
        }
    }
}

/* Words of the chosen options' packages and of every ADDITIONAL_PACKAGE given, each once. */
static int packages(struct bd_arena *a, const struct build_options *o, const struct function *f,
                    const struct template *t, const char **ret, struct bd_error *err)
{
    struct texts wanted = {0}, words = {0};

    texts_add_all(a, &wanted, &f->build_options);
    texts_add_all(a, &wanted, &o->options);
    for (size_t i = 0; i < wanted.count; i++) {
        const struct build_option *option = NULL;

        for (size_t k = 0; t && k < t->options; k++)
            if (strcmp(t->option[k].name, wanted.text[i]) == 0)
                option = &t->option[k];
        if (!option)
            return bd_fail(err,
                           "'%s' is no build option of template %s: see build_options in its "
                           "template.yml",
                           wanted.text[i], f->lang);
        texts_add_all(a, &words, &option->packages);
    }
    add_words(a, &words, &f->build_args);
    add_words(a, &words, &o->args);
    texts_sort(&words);
    *ret = texts_join(a, &words, " ");
    return 0;
}

static int build_args(struct bd_arena *a, const struct build_options *o, const struct function *f,
                      const struct template *t, const char *watchdog, struct pairs *ret,
                      struct bd_error *err)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy"};
    const char *more = "";
    struct pairs last = {0};

    for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
        const char *proxy = getenv(proxies[i]);

        if (proxy && *proxy)
            pairs_set(a, ret, proxies[i], proxy);
    }
    pairs_set_all(a, &last, &f->build_args);
    pairs_set_all(a, &last, &o->args);
    if (packages(a, o, f, t, &more, err))
        return -1;
    for (size_t i = 0; i < last.count; i++)
        if (strcmp(last.row[i].name, additional) != 0)
            pairs_set(a, ret, last.row[i].name, last.row[i].value);
    pairs_set(a, ret, additional, more);
    if (watchdog && !pairs_get(ret, "WATCHDOG_IMAGE"))
        pairs_set(a, ret, "WATCHDOG_IMAGE", watchdog);
    return 0;
}

static void add_pairs(struct bd_arena *a, struct texts *argv, const char *option,
                      const struct pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        texts_add(a, argv, option);
        texts_add(a, argv, bd_arena_printf(a, "%s=%s", p->row[i].name, p->row[i].value));
    }
}

static int add_secrets(struct bd_arena *a, struct texts *argv, const struct function *f,
                       struct bd_error *err)
{
    for (size_t i = 0; i < f->build_secrets.count; i++) {
        const struct pair *secret = &f->build_secrets.row[i];
        char *path = realpath(secret->value, NULL);
        const char *field;

        if (!path)
            return bd_fail(err, "the build secret %s: no file %s", secret->name, secret->value);
        field = bd_arena_printf(a, "id=%s,src=%s", secret->name, path);
        free(path);
        if (strchr(field, '"') || strchr(strchr(field, ',') + 1, ',')) /* the engine reads CSV */
            return bd_fail(err, "the build secret %s: a comma or a quote in its name or path",
                           secret->name);
        texts_add(a, argv, "--secret");
        texts_add(a, argv, field);
    }
    return 0;
}

static int plan_job(struct bd_arena *a, const struct build_options *o, const struct function *f,
                    const struct template *t, const char *engine, const char *watchdog,
                    struct job *ret, struct bd_error *err)
{
    struct pairs args = {0}, labels = {0};
    const char *image;

    *ret = (struct job){.name = f->name,
                        .title = bd_arena_printf(a, "Building %s", f->name),
                        .folder = build_folder(a, f)};
    if (tag_image(a, f, o->images.tag, &image, err) || build_args(a, o, f, t, watchdog, &args, err))
        return -1;
    texts_add(a, &ret->argv, engine);
    texts_add(a, &ret->argv, "build");
    if (o->no_cache)
        texts_add(a, &ret->argv, "--no-cache");
    if (o->squash)
        texts_add(a, &ret->argv, "--squash");
    add_pairs(a, &ret->argv, "--build-arg", &args);
    pairs_set_all(a, &labels, &o->labels);
    add_pairs(a, &ret->argv, "--label", &labels);
    if (o->pull)
        texts_add(a, &ret->argv, "--pull");
    if (add_secrets(a, &ret->argv, f, err))
        return -1;
    if (f->build_secrets.count > 0 || (t && t->mount_ssh))
        pairs_set(a, &ret->environment, "DOCKER_BUILDKIT", "1");
    texts_add(a, &ret->argv, "--tag");
    texts_add(a, &ret->argv, image);
    texts_add(a, &ret->argv, ".");
    return 0;
}

/* --- the command ---------------------------------------------------------------------------------
 */

/* A build while it is prepared. */
struct building {
    struct bd_arena *arena;
    const struct build_options *options;
    struct stack stack;
    const char *engine;   /* NULL with --shrinkwrap */
    const char *watchdog; /* its image, NULL: nobody has asked for it yet */
    struct job *job;
    size_t jobs;
};

static bool wants_watchdog(struct bd_arena *a, const struct build_options *o,
                           const struct function *f, const char *folder)
{
    struct dockerfile d;
    struct bd_slice text;
    struct bd_error ignored;

    if (pairs_get(&o->args, "WATCHDOG_IMAGE") || pairs_get(&f->build_args, "WATCHDOG_IMAGE"))
        return false;
    if (file_read(a, path_join(a, folder, "Dockerfile"), DOCKERFILE_BYTES_MAX, &text, &ignored))
        return false; /* the engine will say it better */
    dockerfile_read(a, text, &d);
    return texts_have(&d.args, "WATCHDOG_IMAGE");
}

static int prepare(struct building *b, const struct function *f, struct bd_error *err)
{
    struct bd_arena *a = b->arena;
    struct template space, *t;
    bool wanted;

    if (build_template(a, &b->stack, f, &space, &t, err) ||
        assemble(a, &b->stack, f, t, &b->options->copy, err))
        return -1;
    if (!b->engine) {
        say("%s shrink-wrapped to %s", f->name, build_folder(a, f));
        return 0;
    }
    wanted = wants_watchdog(a, b->options, f, build_folder(a, f));
    if (wanted && !b->watchdog && engine_watchdog_image(a, b->engine, &b->watchdog, err))
        return -1;
    if (plan_job(a, b->options, f, t, b->engine, wanted ? b->watchdog : NULL, &b->job[b->jobs],
                 err))
        return -1;
    b->jobs++;
    return 0;
}

/* What cannot even be tried is told at once, and the others are still built. */
static size_t prepare_all(struct building *b)
{
    size_t failed = 0;
    struct bd_error err;

    b->job = bd_arena_alloc(b->arena, b->stack.functions * sizeof(*b->job));
    for (size_t i = 0; i < b->stack.functions; i++) {
        const struct function *f = &b->stack.function[i];

        if (f->skip_build) {
            say("Skipping build of: %s.", f->name);
        } else if (prepare(b, f, &err)) {
            complain("%s", err.text);
            failed++;
        }
    }
    return failed;
}

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct build_options *o = options;
    struct building b = {.arena = a, .options = o};
    struct jobs_options how = {(size_t)o->images.parallel, o->images.quiet, true, "build"};
    uint64_t began = uv_hrtime();
    struct bd_error err;
    size_t failed;
    int interrupted = 0;

    if (choice_read(a, &o->images.choice, operands, &b.stack, &err) ||
        (!o->shrinkwrap && engine_find(a, &b.engine, &err))) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    failed = prepare_all(&b);
    if (o->shrinkwrap)
        return failed ? EXIT_FAILED : EXIT_OK;
    failed += jobs_run(a, b.job, b.jobs, &how, &interrupted);
    if (interrupted)
        return 128 + interrupted;
    say("%s", "");
    say("Total build time: %.2fs", (double)(uv_hrtime() - began) / 1e9);
    return failed ? EXIT_FAILED : EXIT_OK;
}

const struct command command_build = {
    .name = "build",
    .operands = "[NAME...]",
    .max = SIZE_MAX,
    .offer = OPERANDS_FUNCTIONS,
    .summary = "Make images of the functions",
    .details = "Puts each together in build/NAME and runs 'docker build' there, or podman; "
               "BANDOG_ENGINE names another.\n",
    .flags = flags,
    .bytes = sizeof(struct build_options),
    .run = run,
};
