/*
 * template.h - what functions of a language are made of
 *
 * A template is a folder with template.yml, a Dockerfile, the entry program, and in its handler
 * folder what a new function starts with. ./template/NAME is looked for first, then what this
 * program carries inside.
 */
#ifndef BANDOG_CLI_TEMPLATE_H
#define BANDOG_CLI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "assembly.h"
#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "texts.h"

#define TEMPLATE_FOLDER "template"
#define DOCKERFILE_BYTES_MAX (1 << 20)

struct build_option {
    const char *name;
    struct texts packages;
};

/* How functions run without a container: the section `dev` of template.yml. */
struct dev_section {
    struct pairs requires;      /* program in PATH = the package that has it */
    struct texts install_files; /* below build/NAME */
    const char *install; /* for `sh -c`, when one of these files has changed; NULL: nothing to do */
    const char *build;   /* for `sh -c`, before each start; NULL: nothing to do */
    struct texts keep;   /* what these two make below build/NAME */
    struct pairs environment; /* over the Dockerfile's */
};

struct template
{
    const char *name;                   /* as `lang` says it: "php8", "php8@v1" */
    const char *folder;                 /* "template/NAME"; NULL: it is inside this program */
    const char *language, *description; /* "" when they are not there */
    const char *fprocess;               /* NULL: none */
    const char *welcome;                /* NULL: none */
    const char *handler_folder;
    bool mount_ssh;
    struct build_option *option;
    size_t options;
    struct dev_section dev;
    bool has_dev; /* template.yml has the section: its entry program reads upstream_url */
    bool has_dockerfile;
    struct bd_slice dockerfile;   /* its text */
    struct bd_slice dockerignore; /* the same, empty where there is none */
};

/* The template that needs no files: the function's folder has a Dockerfile of its own. */
bool template_is_dockerfile(const char *lang);

/* One step of a path that is not hidden: what may stand for a folder below ./template. */
bool template_name_is_safe(const char *name);

int template_find(struct bd_arena *a, const char *name, struct template *ret, struct bd_error *err);

/* All of them, sorted by name. One that cannot be read is complained about and left out. */
void template_list(struct bd_arena *a, struct template **ret, size_t *ret_count);

/* Adds its files below `below` ("" for all) to an assembly, under `as`. */
int template_add(const struct template *t, const char *below, const char *as, struct assembly *to,
                 struct bd_error *err);

/* "classic", "http", ...: what the Dockerfile sets, else the watchdog's default. */
const char *template_mode(struct bd_arena *a, const struct template *t);

#endif
