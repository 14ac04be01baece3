/*
 * http_date.c - see bandog/http_date.h
 */
#include "bandog/http_date.h"

#include <time.h>

#define FIRST_S INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_S INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */

static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static char *put_digits(char *to, int n, int digits)
{
    for (int i = digits - 1; i >= 0; i--, n /= 10)
        to[i] = (char)('0' + n % 10);
    return to + digits;
}

static char *put_time(char *to, const struct tm *tm)
{
    to = put_digits(to, tm->tm_hour, 2);
    *to++ = ':';
    to = put_digits(to, tm->tm_min, 2);
    *to++ = ':';
    return put_digits(to, tm->tm_sec, 2);
}

struct bd_slice bd_http_date_print(char buf[BD_HTTP_DATE_BYTES], int64_t unix_s)
{
    time_t s = (time_t)(unix_s < FIRST_S ? FIRST_S : unix_s > LAST_S ? LAST_S : unix_s);
    struct tm tm = {0};
    char *to = buf;

    gmtime_r(&s, &tm);
    to = bd_slice_put(to, (struct bd_slice){day_names[tm.tm_wday], 3});
    to = bd_slice_put(to, BD_SLICE(", "));
    to = put_digits(to, tm.tm_mday, 2);
    *to++ = ' ';
    to = bd_slice_put(to, (struct bd_slice){month_names[tm.tm_mon], 3});
    *to++ = ' ';
    to = put_digits(to, tm.tm_year + 1900, 4);
    *to++ = ' ';
    to = put_time(to, &tm);
    to = bd_slice_put(to, BD_SLICE(" GMT"));
    return (struct bd_slice){buf, (size_t)(to - buf)};
}

/* Reading: each step takes its part off the front of `s`, or fails. */

static bool take(struct bd_slice *s, struct bd_slice what)
{
    if (!bd_slice_starts(*s, what))
        return false;
    s->p += what.len;
    s->len -= what.len;
    return true;
}

static bool take_digits(struct bd_slice *s, int digits, int *ret)
{
    *ret = 0;
    if (s->len < (size_t)digits)
        return false;
    for (int i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        *ret = *ret * 10 + s->p[i] - '0';
    }
    s->p += digits;
    s->len -= (size_t)digits;
    return true;
}

/* The first `letters` of a day's name; 0: all of them. */
static bool take_day_name(struct bd_slice *s, size_t letters)
{
    for (int i = 0; i < 7; i++)
        if (take(s, (struct bd_slice){day_names[i], letters ? letters : strlen(day_names[i])}))
            return true;
    return false;
}

static bool take_month(struct bd_slice *s, struct tm *tm)
{
    for (tm->tm_mon = 0; tm->tm_mon < 12; tm->tm_mon++)
        if (take(s, (struct bd_slice){month_names[tm->tm_mon], 3}))
            return true;
    return false;
}

static bool take_time(struct bd_slice *s, struct tm *tm)
{
    return take_digits(s, 2, &tm->tm_hour) && take(s, BD_SLICE(":")) &&
           take_digits(s, 2, &tm->tm_min) && take(s, BD_SLICE(":")) &&
           take_digits(s, 2, &tm->tm_sec);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_imf_fixdate(struct bd_slice s, struct tm *tm)
{
    return take_day_name(&s, 3) && take(&s, BD_SLICE(", ")) && take_digits(&s, 2, &tm->tm_mday) &&
           take(&s, BD_SLICE(" ")) && take_month(&s, tm) && take(&s, BD_SLICE(" ")) &&
           take_digits(&s, 4, &tm->tm_year) && take(&s, BD_SLICE(" ")) && take_time(&s, tm) &&
           bd_slice_eq(s, BD_SLICE(" GMT"));
}

/* Is it more than so many years after `than`? Both with their whole years. */
static bool is_after(const struct tm *tm, const struct tm *than, int years)
{
    const int a[] = {tm->tm_year - years, tm->tm_mon, tm->tm_mday,
                     tm->tm_hour,         tm->tm_min, tm->tm_sec};
    const int b[] = {than->tm_year, than->tm_mon, than->tm_mday,
                     than->tm_hour, than->tm_min, than->tm_sec};

    for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
        if (a[i] != b[i])
            return a[i] > b[i];
    return false;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool read_rfc850(struct bd_slice s, struct tm *tm, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm today = {0};

    if (!(take_day_name(&s, 0) && take(&s, BD_SLICE(", ")) && take_digits(&s, 2, &tm->tm_mday) &&
          take(&s, BD_SLICE("-")) && take_month(&s, tm) && take(&s, BD_SLICE("-")) &&
          take_digits(&s, 2, &tm->tm_year) && take(&s, BD_SLICE(" ")) && take_time(&s, tm) &&
          bd_slice_eq(s, BD_SLICE(" GMT"))))
        return false;
    gmtime_r(&now, &today);
    today.tm_year += 1900;
    tm->tm_year += today.tm_year / 100 * 100;
    if (is_after(tm, &today, 50))
        tm->tm_year -= 100;
    else if (tm->tm_year <= today.tm_year - 50)
        tm->tm_year += 100;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool read_asctime(struct bd_slice s, struct tm *tm)
{
    return take_day_name(&s, 3) && take(&s, BD_SLICE(" ")) && take_month(&s, tm) &&
           take(&s, BD_SLICE(" ")) &&
           (take(&s, BD_SLICE(" ")) ? take_digits(&s, 1, &tm->tm_mday)
                                    : take_digits(&s, 2, &tm->tm_mday)) &&
           take(&s, BD_SLICE(" ")) && take_time(&s, tm) && take(&s, BD_SLICE(" ")) &&
           take_digits(&s, 4, &tm->tm_year) && s.len == 0;
}

static bool is_leap_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Second 60 is a leap second's, which Unix time does not know: it is the next one. */
static bool is_real(const struct tm *tm)
{
    static const char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int last = days[tm->tm_mon] + (tm->tm_mon == 1 && is_leap_year(tm->tm_year));

    return tm->tm_mday >= 1 && tm->tm_mday <= last && tm->tm_hour <= 23 && tm->tm_min <= 59 &&
           tm->tm_sec <= 60;
}

bool bd_http_date_parse(struct bd_slice text, int64_t now_s, int64_t *ret_unix_s)
{
    struct tm tm = {0};

    if (!read_imf_fixdate(text, &tm) && !read_rfc850(text, &tm, now_s) && !read_asctime(text, &tm))
        return false;
    if (!is_real(&tm))
        return false;
    tm.tm_year -= 1900;
    *ret_unix_s = timegm(&tm);
    return true;
}
