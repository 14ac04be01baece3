/*
 * tag.h - names of images by what they were made of: build and push --tag
 */
#ifndef BANDOG_CLI_TAG_H
#define BANDOG_CLI_TAG_H

#include "bandog/arena.h"
#include "bandog/error.h"
#include "stack.h"

/* What --tag takes, NULL-terminated: latest sha branch describe digest. */
extern const char *const tag_words[];

/*
 * The image's whole name. TAG is the one in the stack file, "latest" where it has none:
 *
 *   latest     IMAGE:TAG
 *   sha        IMAGE:TAG-COMMIT, abbreviated
 *   branch     IMAGE:TAG-BRANCH-COMMIT
 *   describe   IMAGE:TAG-DESCRIPTION, as `git describe --tags --always` gives it
 *   digest     IMAGE:MD5, of the MD5 sums of the handler's files
 *
 * Fails where Git knows nothing, or when what comes out is no tag.
 */
int tag_image(struct bd_arena *a, const struct function *f, const char *how, const char **ret,
              struct bd_error *err);

#endif
