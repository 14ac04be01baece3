/*
 * assembly.h - what build/NAME is put together from
 *
 * First a plan: which file comes from where, the later wins. Then it is written, into a new folder
 * or, for files that are in use, only where something differs.
 */
#ifndef BANDOG_CLI_ASSEMBLY_H
#define BANDOG_CLI_ASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"
#include "stack.h"
#include "texts.h"

#define BUILD_FOLDER "build"

/* Names at the top of a handler that are no part of it: what bandog itself makes in a project. */
extern const struct texts assembly_made;

struct ignore;
struct template;

struct item {
    const char *path; /* below the assembly's folder */
    mode_t mode;      /* of files, whatever the umask: an image's user must read them */
    bool is_folder;
    const char *from; /* the file on disk; NULL: its text is `content` */
    struct bd_slice content;
    size_t order; /* of equal paths the last one wins; assembly_add() sets it */
};

struct assembly {
    struct bd_arena *arena;
    struct item *item;
    size_t count, room;
    const struct ignore *ignore; /* what is not added from disk; NULL: all is */
};

void assembly_init(struct assembly *y, struct bd_arena *a);

/* The strings must live as long as the assembly. */
void assembly_add(struct assembly *y, struct item item);

/* All below the folder `from` on disk, under `as`; top-level names in `but` are left out. */
int assembly_add_folder(struct assembly *y, const char *from, const char *as,
                        const struct texts *but, struct bd_error *err);

/*
 * The plan for a function: the template (NULL: it is of its own, with a Dockerfile), the handler
 * over its handler folder, and there also the extra paths, which must be inside the working folder.
 * Of the author's files those are left out that the template's .dockerignore names.
 */
int assembly_plan(struct assembly *y, const struct function *f, const struct template *t,
                  const struct texts *extra, struct bd_error *err);

/* Writes into a new folder, which must not be there. */
int assembly_create(struct assembly *y, const char *folder, struct bd_error *err);

/*
 * Makes the folder what a new one would be: what differs is replaced as a whole, what is not in the
 * plan is removed, but for `keep` (paths below it). Counts what was changed.
 */
int assembly_update(struct assembly *y, const char *folder, const struct texts *keep,
                    size_t *ret_changed, struct bd_error *err);

#endif
