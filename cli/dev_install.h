/*
 * dev_install.h - when a function's dependencies have to be installed again
 */
#ifndef BANDOG_CLI_DEV_INSTALL_H
#define BANDOG_CLI_DEV_INSTALL_H

#include <stdbool.h>

#include "bandog/arena.h"
#include "template.h"

/* In build/NAME: what was installed there. It goes when that folder is made anew. */
#define DEV_INSTALL_FILE ".bandog-installed"

/*
 * True when one of the files that name dependencies is there, and what they or the command say is
 * not what was installed in `folder`; `*ret_key` is then for dev_install_done().
 */
bool dev_install_is_due(struct bd_arena *a, const char *folder, const struct dev_section *dev,
                        const char **ret_key);

/*
 * Spares an installation that has been done in another folder, for the same dependencies: hard
 * links to what it made. Without effect when there is none.
 */
void dev_install_borrow(struct bd_arena *a, const char *from, const char *to,
                        const struct dev_section *dev);

void dev_install_done(struct bd_arena *a, const char *folder, const char *key);

#endif
