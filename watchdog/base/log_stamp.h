/*
 * log_stamp.h - the date and time in front of a log line
 */
#ifndef WATCHDOG_BASE_LOG_STAMP_H
#define WATCHDOG_BASE_LOG_STAMP_H

#define LOG_STAMP_BYTES 20 /* without the NUL */

#define LOG_STAMP_UTC_BYTES 27 /* likewise */

/* "2006/01/02 15:04:05 ", local time; the calling thread's own, valid until its next call. */
const char *log_stamp(void);

/* "2006-01-02T15:04:05.000000Z" (RFC 3339), likewise. */
const char *log_stamp_utc(void);

#endif
