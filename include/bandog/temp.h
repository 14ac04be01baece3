/*
 * temp.h - where files go that are only needed for a while
 */
#ifndef BANDOG_TEMP_H
#define BANDOG_TEMP_H

/* TMPDIR, or /tmp where that is unset or empty. */
const char *bd_temp_dir(void);

#endif
