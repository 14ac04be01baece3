/*
 * Any text as a date: what is taken is one of the three formats of the second that it was read as,
 * whatever day it names. And any second: it is read back from all three.
 *
 * The input is 8 bytes, the clock, then the text.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bandog/http_date.h"

#define FORMS 4                       /* the last one has its day in two ways */
#define FIRST_S INT64_C(-62167219200) /* year 0 */
#define LAST_S INT64_C(253402300799)  /* year 9999 */
#define YEAR_S INT64_C(31556952)      /* on average */

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

/* The formats, by the C library, as if it were that day of the week. */
static void print_forms(char form[FORMS][96], int64_t unix_s, int day, int *ret_day)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t s = (time_t)unix_s;
    struct tm tm;

    assert(gmtime_r(&s, &tm));
    *ret_day = tm.tm_wday;
    if (day < 0)
        day = tm.tm_wday;
    snprintf(form[0], 96, "%.3s, %02d %s %04d %02d:%02d:%02d GMT", days[day], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    snprintf(form[1], 96, "%s, %02d-%s-%02d %02d:%02d:%02d GMT", days[day], tm.tm_mday,
             months[tm.tm_mon], (tm.tm_year + 1900) % 100, tm.tm_hour, tm.tm_min, tm.tm_sec);
    snprintf(form[2], 96, "%.3s %s %2d %02d:%02d:%02d %04d", days[day], months[tm.tm_mon],
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
    snprintf(form[3], 96, "%.3s %s %02d %02d:%02d:%02d %04d", days[day], months[tm.tm_mon],
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

/* The index of the form that `text` is, of that second; -1: it is none. */
static int which_form(struct bd_slice text, int64_t unix_s)
{
    char form[FORMS][96];
    int ignored;

    for (int day = 0; day < 7; day++) {
        print_forms(form, unix_s, day, &ignored);
        for (int i = 0; i < FORMS; i++)
            if (bd_slice_eq(text, bd_slice_of(form[i])))
                return i;
    }
    return -1;
}

static void check_read(struct bd_slice text, int64_t now_s)
{
    int64_t s = 42;
    char *other;
    int form;

    if (!bd_http_date_parse(text, now_s, &s)) {
        assert(s == 42);
        return;
    }
    form = which_form(text, s);
    if (form < 0) { /* second 60 is the next one's 0 */
        other = malloc(text.len);
        assert(other);
        memcpy(other, text.p, text.len);
        for (size_t i = 0; i + 2 < text.len; i++)
            if (memcmp(other + i, ":60", 3) == 0)
                memcpy(other + i, ":59", 3);
        form = which_form((struct bd_slice){other, text.len}, s - 1);
        free(other);
    }
    assert(form >= 0);
    if (form == 1)
        assert(s - now_s <= 51 * YEAR_S && now_s - s <= 51 * YEAR_S);
}

static void check_second(int64_t s)
{
    char buf[BD_HTTP_DATE_BYTES], form[FORMS][96];
    int day;
    int64_t back;
    struct bd_slice printed = bd_http_date_print(buf, s);

    assert(printed.p == buf && printed.len == 29);
    if (s < FIRST_S)
        s = FIRST_S;
    if (s > LAST_S)
        s = LAST_S;
    print_forms(form, s, -1, &day);
    assert(bd_slice_eq(printed, bd_slice_of(form[0])));
    for (int i = 0; i < FORMS; i++) {
        back = 42;
        assert(bd_http_date_parse(bd_slice_of(form[i]), s, &back) && back == s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t s;
    char *exact;

    if (size < sizeof(s))
        return 0;
    memcpy(&s, data, sizeof(s));
    check_second(s);
    check_second(s % LAST_S);
    size -= sizeof(s);
    exact = malloc(size ? size : 1); /* ends where AddressSanitizer sees it */
    assert(exact);
    if (size > 0)
        memcpy(exact, data + sizeof(s), size);
    /* A clock between the years 1970 and 9899. */
    check_read((struct bd_slice){exact, size}, (int64_t)((uint64_t)s % (7929 * (uint64_t)YEAR_S)));
    free(exact);
    return 0;
}
