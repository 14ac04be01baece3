/*
 * commands.c - the list of commands
 */
#include "command.h"

#define ALL(X)                                                                                     \
    X(new)                                                                                         \
    X(build)                                                                                       \
    X(push)                                                                                        \
    X(dev)                                                                                         \
    X(template_list)                                                                               \
    X(template_pull_stack)                                                                         \
    X(template_pull)                                                                               \
    X(generate)                                                                                    \
    X(completion)

#define DECLARE(name) extern const struct command command_##name;
#define POINT(name) &command_##name,

ALL(DECLARE)

const struct command *const commands[] = {ALL(POINT) NULL};
