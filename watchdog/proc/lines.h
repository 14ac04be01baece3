/*
 * lines.h - a stream of bytes becomes log lines
 *
 * A line that comes whole is logged from where it lies; of one that does not, at most `max_bytes`
 * are gathered. Bytes are logged as they are, but for the CR of a CRLF.
 */
#ifndef WATCHDOG_PROC_LINES_H
#define WATCHDOG_PROC_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/log.h"

struct lines {
    enum bd_log_stream to;
    bool stamp; /* with date and label */
    const char *label;
    size_t max_bytes; /* of a line; a longer one is cut into pieces of this size */

    char *part; /* the line under way; NULL: nothing of it */
    size_t len, capacity;
    bool cut; /* pieces of the line under way have been logged */
};

void lines_init(struct lines *l, enum bd_log_stream to, bool stamp, const char *label,
                size_t max_bytes);

void lines_feed(struct lines *l, const char *buf, size_t len);

/* The stream has ended: logs a last line without newline and frees. May be fed again. */
void lines_finish(struct lines *l);

#endif
