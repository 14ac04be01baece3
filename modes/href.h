/*
 * href.h - paths as parts of a URI (RFC 3986)
 */
#ifndef MODES_HREF_H
#define MODES_HREF_H

#include "bandog/arena.h"
#include "bandog/slice.h"

/* A name as a relative reference, percent-encoded, which takes HREF_BYTES(name); the end. */
#define HREF_BYTES(name) ((name).len * 3 + 2)
char *href_put(char *to, struct bd_slice name);

/* The same in the arena. */
struct bd_slice href_name(struct bd_arena *a, struct bd_slice name);

/* A path, percent-encoded, in the arena. */
struct bd_slice href_path(struct bd_arena *a, struct bd_slice path);

/* One that is percent-encoded already: only what may not stand in a URI is. */
struct bd_slice href_again(struct bd_arena *a, struct bd_slice path);

#endif
