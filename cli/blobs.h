/*
 * blobs.h - what this program carries inside: made by the Makefile, so the versions always fit
 */
#ifndef BANDOG_CLI_BLOBS_H
#define BANDOG_CLI_BLOBS_H

#include "bandog/slice.h"

/* templates/ as a tar archive, the names without "templates/". */
struct bd_slice blob_templates(void);

/* The fwatchdog of the same build, an ELF file. */
struct bd_slice blob_fwatchdog(void);

#endif
