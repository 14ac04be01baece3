/*
 * push.c - bandog push: has the engine send the images to their registry
 */
#include <stddef.h>
#include <string.h>

#include "command.h"
#include "engine.h"
#include "images.h"
#include "jobs.h"

static const struct flag flags[] = {
    IMAGES_FLAGS,
    {.name = NULL},
};

/* An image without a registry or a user in its name would be pushed to where nobody may. */
static bool have_prefixes(const struct stack *s)
{
    bool said = false;

    for (size_t i = 0; i < s->functions; i++) {
        const struct function *f = &s->function[i];

        if (f->skip_build || (f->image && strchr(f->image, '/')))
            continue;
        if (!said)
            complain("Unable to push one or more of your functions to Docker Hub: their images "
                     "need a prefix, "
                     "such as USER/IMAGE or HOST:PORT/IMAGE:");
        said = true;
        fprintf(stderr, "- %s\n", f->name);
    }
    return !said;
}

static int plan(struct bd_arena *a, const struct images *o, const char *engine,
                const struct function *f, struct job *ret, struct bd_error *err)
{
    const char *image;

    *ret = (struct job){.name = f->name};
    if (tag_image(a, f, o->tag, &image, err))
        return -1;
    ret->title = bd_arena_printf(a, "Pushing %s [%s]", f->name, image);
    texts_add(a, &ret->argv, engine);
    texts_add(a, &ret->argv, "push");
    texts_add(a, &ret->argv, image);
    return 0;
}

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct images *o = options;
    struct jobs_options how = {(size_t)o->parallel, o->quiet, false, "push"};
    struct stack s;
    struct job *job;
    const char *engine;
    struct bd_error err;
    size_t jobs = 0, failed;
    int interrupted;

    if (choice_read(a, &o->choice, operands, &s, &err) || engine_find(a, &engine, &err)) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    if (!have_prefixes(&s))
        return EXIT_FAILED;
    job = bd_arena_alloc(a, s.functions * sizeof(*job));
    for (size_t i = 0; i < s.functions; i++) {
        if (s.function[i].skip_build) {
            say("Skipping %s", s.function[i].name);
        } else if (plan(a, o, engine, &s.function[i], &job[jobs++], &err)) {
            complain("%s", err.text);
            return EXIT_FAILED;
        }
    }
    failed = jobs_run(a, job, jobs, &how, &interrupted);
    return interrupted ? 128 + interrupted : failed ? EXIT_FAILED : EXIT_OK;
}

const struct command command_push = {
    .name = "push",
    .operands = "[NAME...]",
    .max = SIZE_MAX,
    .offer = OPERANDS_FUNCTIONS,
    .summary = "Send the images to their registry",
    .flags = flags,
    .bytes = sizeof(struct images),
    .run = run,
};
