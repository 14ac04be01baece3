/*
 * host.c - see host.h
 */
#include "host.h"

#include <time.h>

struct bd_slice host_date(struct host *h)
{
    time_t now = time(NULL);

    if (now != h->date_s || h->date.len == 0) {
        h->date_s = now;
        h->date = bd_http_date_print(h->date_text, now);
    }
    return h->date;
}
