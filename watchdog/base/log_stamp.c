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

const char *log_stamp_utc(void)
{
    static _Thread_local char text[LOG_STAMP_UTC_BYTES + 1];
    static _Thread_local time_t text_s = -1;
    struct timespec now;
    struct tm tm;
    long us;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != text_s) {
        gmtime_r(&now.tv_sec, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
        text_s = now.tv_sec;
    }
    us = now.tv_nsec / 1000;
    for (int i = LOG_STAMP_UTC_BYTES - 2; i > LOG_STAMP_UTC_BYTES - 8; i--, us /= 10)
        text[i] = (char)('0' + us % 10);
    return text;
}
