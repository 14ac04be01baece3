/*
 * stack.h - stack.yml: the functions of a project
 *
 * The file is the one that faas-cli reads. Variables (${NAME}, see substitute.h) are replaced
 * first, then the YAML is read; unknown keys are warned about, and everything wrong is said at
 * once, each with its line and column.
 */
#ifndef BANDOG_CLI_STACK_H
#define BANDOG_CLI_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "texts.h"

struct resources {
    const char *cpu, *memory; /* as written: "100m", "64Mi"; NULL: not there */
};

struct function {
    const char *name;
    size_t line; /* of its name in the file */
    /* NULL where the file has none. */
    const char *lang;    /* the template, may carry @ref; "dockerfile": no template */
    const char *handler; /* a folder, relative to the working folder */
    const char *image;   /* as written; see image_name() */
    const char *fprocess;
    const char *namespace;
    const char *platforms;
    bool skip_build, readonly_root_filesystem;
    struct pairs environment; /* what stands in the stack file itself; see function_environment() */
    struct texts environment_files; /* paths */
    struct texts secrets, constraints, build_options;
    struct pairs labels, annotations, build_args;
    struct pairs build_secrets; /* id = path */
    struct resources limits, requests;
};

struct template_source {
    const char *name;
    const char *source; /* a Git URL or a folder, may end in #ref; NULL: none */
};

struct stack {
    const char *path;
    const char *gateway; /* NULL: none */
    struct function *function;
    size_t functions; /* in the order of the file */
    struct template_source *template;
    size_t templates;
    struct texts copy; /* configuration.copy */
};

/* stack.yaml where that is there, else stack.yml where that is; NULL: neither. */
const char *stack_default_path(void);

/*
 * Reads it. What is wrong has been printed when -1 is returned, and `err` says in one sentence that
 * it was. Without `substitute` variables stay as they are.
 */
int stack_read(struct bd_arena *a, const char *path, bool substitute, struct stack *ret,
               struct bd_error *err);

/* NULL when there is none of that name. */
struct function *stack_find(const struct stack *s, const char *name);

/* Do both say the same? Where they stand in the file does not matter. */
bool function_is_equal(const struct function *a, const struct function *b);

/*
 * The function's environment as a deployment gets it: the stack file's own, then each environment
 * file over it.
 */
int function_environment(struct bd_arena *a, const struct function *f, struct pairs *ret,
                         struct bd_error *err);

/* The image's name, ":latest" added where it has no tag (a colon behind the last slash). */
const char *image_name(struct bd_arena *a, const char *image);

#endif
