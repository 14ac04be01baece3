/*
 * root.h - files below a folder, and none outside of it
 *
 * Nothing that a path holds, neither `..` nor a symbolic link, leads out; links that stay below the
 * folder are followed. openat2(2) with RESOLVE_BENEATH does it where the kernel has that and allows
 * it; a walk from component to component does otherwise, and for absolute links into the folder.
 */
#ifndef MODES_ROOT_H
#define MODES_ROOT_H

#include <stdbool.h>
#include <stdint.h>

struct root {
    const char *path;
    int fd; /* -1: it is not there, or no folder */
    int64_t opened_ns;
    bool walks; /* openat2(2) is of no use here */
};

void root_init(struct root *r, const char *path);
void root_close(struct root *r);

/*
 * Opens `path`, relative and without "..", for reading and without waiting (a FIFO has no end to
 * wait for); "" or "." is the folder itself. The descriptor, or a negative errno: -EXDEV when the
 * way leads out. The folder is looked for anew after a second, or when it has been removed.
 */
int root_open(struct root *r, const char *path, int64_t now_ns);

#endif
