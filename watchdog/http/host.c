/*
 * host.c - see host.h
 */
#include "host.h"

#include <stdio.h>
#include <time.h>

struct bd_slice host_date(struct host *h)
{
    static const char day[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;

    if (now != h->date_s && gmtime_r(&now, &tm)) {
        h->date_s = now;
        snprintf(h->date, sizeof(h->date), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                 day[tm.tm_wday % 7], tm.tm_mday % 100, month[tm.tm_mon % 12],
                 (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
    }
    return (struct bd_slice){h->date, strlen(h->date)};
}
