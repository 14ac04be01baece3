/*
 * version.h - which bandog this is
 */
#ifndef BANDOG_VERSION_H
#define BANDOG_VERSION_H

extern const char bd_version[]; /* "1.2.3", or "dev" */
extern const char bd_sha[];     /* the commit, abbreviated, or "unknown" */

#endif
