/*
 * parent.h - processes of ours that must not stay when we are gone
 */
#ifndef BANDOG_CLI_PARENT_H
#define BANDOG_CLI_PARENT_H

#include <stdbool.h>

/*
 * From now on a SIGTERM comes when the parent ends, which must be the process `pid` (a number as
 * text). True when it has ended already, or when the kernel refuses.
 */
bool parent_is_gone(const char *pid);

#endif
