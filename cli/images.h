/*
 * images.h - which images, and how the engine is kept busy with them: what build and push have in
 * common
 */
#ifndef BANDOG_CLI_IMAGES_H
#define BANDOG_CLI_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "choice.h"
#include "tag.h"

/* The first member of their structures of options. */
struct images {
    struct choice choice; /* first */
    const char *tag;      /* a word of tag_words */
    int64_t parallel;
    bool quiet;
};

/* The rows for it. */
#define IMAGES_FLAGS                                                                               \
    CHOICE_FLAGS,                                                                                  \
        {.name = "tag",                                                                            \
         .type = FLAG_WORD,                                                                        \
         .offset = offsetof(struct images, tag),                                                   \
         .value = "HOW",                                                                           \
         .initial = "latest",                                                                      \
         .words = tag_words,                                                                       \
         .help = "what to add to the image's tag"},                                                \
        {.name = "parallel",                                                                       \
         .type = FLAG_NUMBER,                                                                      \
         .offset = offsetof(struct images, parallel),                                              \
         .value = "N",                                                                             \
         .initial = "1",                                                                           \
         .min = 1,                                                                                 \
         .max = 64,                                                                                \
         .help = "how many at a time"},                                                            \
    {                                                                                              \
        .name = "quiet", .letter = 'q', .type = FLAG_SWITCH,                                       \
        .offset = offsetof(struct images, quiet), .help = "do not print the engine's lines"        \
    }

#endif
