/*
 * engine.h - the container engine: docker, or podman, which takes the same arguments
 */
#ifndef BANDOG_CLI_ENGINE_H
#define BANDOG_CLI_ENGINE_H

#include "bandog/arena.h"
#include "bandog/error.h"

/* BANDOG_ENGINE, a name or a path; else docker, else podman, whichever is in PATH. */
int engine_find(struct bd_arena *a, const char **ret, struct bd_error *err);

/*
 * The image that templates copy fwatchdog from (ARG WATCHDOG_IMAGE): made of the one inside this
 * program where the engine does not have it yet. Its tag is made of its content.
 */
int engine_watchdog_image(struct bd_arena *a, const char *engine, const char **ret_image,
                          struct bd_error *err);

#endif
