/*
 * status.h - reason phrases
 */
#ifndef WATCHDOG_HTTP_STATUS_H
#define WATCHDOG_HTTP_STATUS_H

/* Of RFC 9110 and the IANA registry; NULL for a code that has none. */
const char *status_reason(int status);

#endif
