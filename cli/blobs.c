/*
 * blobs.c - see blobs.h
 *
 * .incbin of the assembler, since a C array of half a million numbers takes seconds to compile.
 */
#include "blobs.h"

#define BLOB(name, file)                                                                           \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            "blob_" #name "_start:\n"                                                              \
            ".incbin \"" file "\"\n"                                                               \
            "blob_" #name "_end:\n"                                                                \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char blob_##name##_start[] __attribute__((visibility("hidden")));                 \
    extern const char blob_##name##_end[] __attribute__((visibility("hidden")))

BLOB(templates, BD_TEMPLATES);
BLOB(fwatchdog, BD_FWATCHDOG);

struct bd_slice blob_templates(void)
{
    return (struct bd_slice){blob_templates_start,
                             (size_t)(blob_templates_end - blob_templates_start)};
}

struct bd_slice blob_fwatchdog(void)
{
    return (struct bd_slice){blob_fwatchdog_start,
                             (size_t)(blob_fwatchdog_end - blob_fwatchdog_start)};
}
