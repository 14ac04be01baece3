/*
 * dockerfile.h - what a Dockerfile says about the environment that its program will have
 *
 * The instructions FROM, ARG and ENV are read, everything else is passed over: enough to run
 * without a container what was written for one. Variables in values are replaced as Docker does
 * ($A, ${A}, ${A:-x}, ${A:+x}).
 *
 * Here-documents, another escape character than the backslash, and ${A-x} are not known.
 */
#ifndef BANDOG_CLI_DOCKERFILE_H
#define BANDOG_CLI_DOCKERFILE_H

#include "bandog/arena.h"
#include "bandog/slice.h"
#include "texts.h"

struct dockerfile {
    struct pairs environment; /* ENV of the last stage and of the stages that it is FROM */
    struct texts args;        /* names of all ARGs, wherever they stand */
};

void dockerfile_read(struct bd_arena *a, struct bd_slice text, struct dockerfile *ret);

#endif
