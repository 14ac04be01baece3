/*
 * version.c - see bandog/version.h; the build says both
 */
#include "bandog/version.h"

#ifndef BD_VERSION
#define BD_VERSION "dev"
#define BD_SHA "unknown"
#endif

const char bd_version[] = BD_VERSION;
const char bd_sha[] = BD_SHA;
