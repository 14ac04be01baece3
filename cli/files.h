/*
 * files.h - whole files and folders
 */
#ifndef BANDOG_CLI_FILES_H
#define BANDOG_CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "bandog/slice.h"

/* "folder/name"; `folder` may be "" or ".", and then it is left out. */
const char *path_join(struct bd_arena *a, const char *folder, const char *name);

/* The path without "." and empty steps; ".." takes the step before it away. Text only, no link is
 * followed. */
const char *path_clean(struct bd_arena *a, const char *path);

/* Of a clean path: is it inside of the folder that it is relative to, and not that itself? */
bool path_is_below(const char *path);

bool path_exists(const char *path);
bool path_is_folder(const char *path);

/*
 * The path of a file in the same folder that is to take its place: hidden, ours alone, and no
 * longer than that of a file with a short name.
 */
const char *path_beside(struct bd_arena *a, const char *path);

/* Its text, at most `max` bytes. A NUL stands behind it, which is not counted. */
int file_read(struct bd_arena *a, const char *path, size_t max, struct bd_slice *ret,
              struct bd_error *err);

/*
 * Writes it as a whole or not at all: a file beside it that then takes its place. Permissions
 * `mode` less the umask; those of a file that is there already stay.
 */
int file_write(const char *path, struct bd_slice text, mode_t mode, struct bd_error *err);

/* The same for a file that must not be there yet: it is never overwritten, also not in a race. */
int file_create(const char *path, struct bd_slice text, mode_t mode, struct bd_error *err);

/* The folder and those above it, as far as they are missing. */
int folder_make(const char *path, mode_t mode, struct bd_error *err);

/* The folder with all that is in it, no link followed; fine when it is not there. */
int folder_remove(const char *path, struct bd_error *err);

#define WALK_PRUNE 1

/*
 * Calls `found` for everything below `root`, sorted by bytes, folders before what is in them.
 * `path` is relative to root; `is_folder` and `mode` are those of what a symbolic link points to. A
 * broken link is an error, but for those that Emacs leaves beside a file it edits, ".#FILE". Stops
 * with the first value that is not 0 and returns it.
 * WALK_PRUNE is none of those: of a folder it means not to go into it.
 */
int folder_walk(const char *root,
                int (*found)(void *self, const char *path, bool is_folder, mode_t mode,
                             struct bd_error *err),
                void *self, struct bd_error *err);

#endif
