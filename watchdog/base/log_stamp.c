/*
 * log_stamp.c - see log_stamp.h
 *
 * The text is made once a second and thread: localtime_r(3) takes a lock and is slow beside the
 * copying of a line.
 */
#include "log_stamp.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

const char *log_stamp(void)
{
    static _Thread_local char text[LOG_STAMP_BYTES + 1];
    static _Thread_local time_t text_s = -1;
    time_t now_s = time(NULL);
    struct tm tm;
    size_t len;

    if (now_s != text_s) {
        localtime_r(&now_s, &tm);
        len = strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S ", &tm);
        assert(len == LOG_STAMP_BYTES);
        (void)len;
        text_s = now_s;
    }
    return text;
}
