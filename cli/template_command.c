/*
 * template_command.c - bandog template list, template pull, template pull stack
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "command.h"
#include "template_pull.h"
#include "template_table.h"

struct list_options {
    const char *output;
};

struct pull_options {
    const char *file;
    bool overwrite, substitute;
};

static const char *const outputs[] = {"text", "json", NULL};

static const struct flag list_flags[] = {
    {.name = "output",
     .letter = 'o',
     .type = FLAG_WORD,
     .offset = offsetof(struct list_options, output),
     .value = "FORMAT",
     .initial = "text",
     .words = outputs,
     .help = "how to print it"},
    {.name = NULL},
};

static const struct flag pull_flags[] = {
    {.name = "overwrite",
     .type = FLAG_SWITCH,
     .offset = offsetof(struct pull_options, overwrite),
     .initial = "true",
     .help = "replace templates of the same name"},
    {.name = NULL},
};

static const struct flag pull_stack_flags[] = {
    {.name = "overwrite",
     .type = FLAG_SWITCH,
     .offset = offsetof(struct pull_options, overwrite),
     .initial = "true",
     .help = "replace templates of the same name"},
    {.name = "yaml",
     .letter = 'f',
     .type = FLAG_TEXT,
     .offer = OFFER_FILES,
     .offset = offsetof(struct pull_options, file),
     .value = "FILE",
     .help = "the stack file instead of stack.yaml or stack.yml"},
    {.name = "envsubst",
     .type = FLAG_SWITCH,
     .offset = offsetof(struct pull_options, substitute),
     .initial = "true",
     .help = "replace ${VARIABLES} in the stack file"},
    {.name = NULL},
};

static int run_list(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct list_options *o = options;

    (void)operands;
    return template_table(a, strcmp(o->output, "json") == 0);
}

static int report(struct bd_arena *a, int failed, const struct texts *names,
                  const struct bd_error *err)
{
    if (failed) {
        complain("%s", err->text);
        return EXIT_FAILED;
    }
    say("Wrote %zu template(s) : [%s]", names->count, texts_join(a, names, " "));
    return EXIT_OK;
}

static int run_pull(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct pull_options *o = options;
    const char *source = operands->count ? operands->text[0] : getenv("OPENFAAS_TEMPLATE_URL");
    struct pull p = {.source = source, .overwrite = o->overwrite};
    struct texts names = {0};
    struct bd_error err;
    int failed;

    if (!source || !*source) {
        complain("template pull: SOURCE is missing, and OPENFAAS_TEMPLATE_URL is not set");
        fprintf(stderr, "See 'bandog template pull --help'.\n");
        return EXIT_USAGE;
    }
    failed = template_pull(a, &p, &names, &err);
    return report(a, failed, &names, &err);
}

static int pull_configured(struct bd_arena *a, const struct pull_options *o, struct texts *names,
                           struct bd_error *err)
{
    const char *path = o->file && *o->file ? o->file : stack_default_path();
    struct stack s;

    if (!path)
        return bd_fail(err, "there is no stack.yaml or stack.yml in this folder: name one with -f");
    if (stack_read(a, path, o->substitute, &s, err))
        return -1;
    if (s.templates == 0)
        return bd_fail(err, "can't read configuration: no template repos currently configured");
    for (size_t i = 0; i < s.templates; i++) {
        const struct template_source *t = &s.template[i];
        const char *only = bd_arena_copy(a, (struct bd_slice){t->name, strcspn(t->name, "@")});
        struct pull p = {
            .source = t->source, .only = only, .as = t->name, .overwrite = o->overwrite};

        if (!t->source)
            return bd_fail(err, "template %s has no source in %s", t->name, path);
        say("Pulling template: %s from %s", t->name, t->source);
        if (template_pull(a, &p, names, err))
            return -1;
    }
    return 0;
}

static int run_pull_stack(const void *options, const struct texts *operands, struct bd_arena *a)
{
    struct texts names = {0};
    struct bd_error err;
    int failed = pull_configured(a, options, &names, &err);

    (void)operands;
    return report(a, failed, &names, &err);
}

const struct command command_template_list = {
    .name = "template list",
    .summary = "List the templates",
    .details = "Those in ./template and those inside bandog; of equal names the first counts.\n",
    .flags = list_flags,
    .bytes = sizeof(struct list_options),
    .run = run_list,
};

const struct command command_template_pull = {
    .name = "template pull",
    .operands = "[SOURCE]",
    .max = 1,
    .summary = "Fetch templates into ./template",
    .details = "SOURCE is a folder with template/ in it or what git can clone, and may end in "
               "#BRANCH, #TAG or #sha-COMMIT;\n"
               "without it OPENFAAS_TEMPLATE_URL counts.\n",
    .flags = pull_flags,
    .bytes = sizeof(struct pull_options),
    .run = run_pull,
};

const struct command command_template_pull_stack = {
    .name = "template pull stack",
    .summary = "Fetch the templates that the stack file names",
    .flags = pull_stack_flags,
    .bytes = sizeof(struct pull_options),
    .run = run_pull_stack,
};
