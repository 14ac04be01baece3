/*
 * archive.h - tar archives (POSIX.1, pax: "ustar interchange format"): those inside this program,
 * and small new ones
 */
#ifndef BANDOG_CLI_ARCHIVE_H
#define BANDOG_CLI_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bandog/arena.h"
#include "bandog/slice.h"

struct archive_file {
    const char *path;
    mode_t mode;
    struct bd_slice content; /* in the archive */
};

/*
 * The next file at `*at` (0 at first); false at the end. Only files are given, in the archive's
 * order. For archives that we made ourselves: one that is broken ends where it is.
 */
bool archive_next(struct bd_arena *a, struct bd_slice archive, size_t *at,
                  struct archive_file *ret);

/* An archive with this one file in it; the name has at most 99 bytes. */
struct bd_slice archive_of(struct bd_arena *a, const char *name, mode_t mode,
                           struct bd_slice content);

#endif
