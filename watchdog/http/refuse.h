/*
 * refuse.h - the answer to a head that cannot be read
 */
#ifndef WATCHDOG_HTTP_REFUSE_H
#define WATCHDOG_HTTP_REFUSE_H

struct conn;

/* Writes the whole answer; the caller closes. `detail` may be NULL. */
void refuse_head(struct conn *c, int status, const char *detail);

#endif
