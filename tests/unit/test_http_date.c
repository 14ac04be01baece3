/* http_date.c: what is a date of HTTP, which second it is, how it is printed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "../../watchdog/http/http_date.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define DAY_S INT64_C(86400)
#define YEAR_0_S INT64_C(-62167219200)
#define YEAR_9999_END_S INT64_C(253402300799)
#define SAMPLE_S INT64_C(784111777) /* the moment that RFC 9110 takes as its example */
#define NOW_S INT64_C(1717200000)   /* 2024-06-01T00:00:00Z */

/* The C library's opinion, in the three formats. */
struct forms {
    char imf[96], rfc850[96], ansi[96];
};

static struct forms forms_of(int64_t unix_s)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    time_t s = (time_t)unix_s;
    char time[16], month[8];
    struct forms f;
    struct tm tm;
    int year;

    assert_non_null(gmtime_r(&s, &tm));
    year = tm.tm_year + 1900;
    assert_true(strftime(time, sizeof(time), "%H:%M:%S", &tm) == 8);
    assert_true(strftime(month, sizeof(month), "%b", &tm) == 3);
    snprintf(f.imf, sizeof(f.imf), "%.3s, %02d %s %04d %s GMT", days[tm.tm_wday], tm.tm_mday, month,
             year, time);
    snprintf(f.rfc850, sizeof(f.rfc850), "%s, %02d-%s-%02d %s GMT", days[tm.tm_wday], tm.tm_mday,
             month, year % 100, time);
    snprintf(f.ansi, sizeof(f.ansi), "%.3s %s %2d %s %04d", days[tm.tm_wday], month, tm.tm_mday,
             time, year);
    return f;
}

static void check_parsed(const char *text, int64_t now_s, int64_t expected)
{
    int64_t got = 42;

    if (!bd_http_date_parse(bd_slice_of(text), now_s, &got) || got != expected)
        fail_msg("\"%s\" gave %" PRId64 ", not %" PRId64, text, got, expected);
}

static void check_printed(int64_t unix_s, const char *expected)
{
    char buf[BD_HTTP_DATE_BYTES + 1];
    struct bd_slice s;

    memset(buf, '#', sizeof(buf));
    s = bd_http_date_print(buf, unix_s);
    assert_ptr_equal(s.p, buf);
    if (s.len != strlen(expected) || memcmp(buf, expected, s.len) != 0)
        fail_msg("%" PRId64 " gave \"%.*s\", not \"%s\"", unix_s, (int)s.len, s.p, expected);
    assert_int_equal(buf[BD_HTTP_DATE_BYTES], '#');
}

/* There and back in all forms; the two-digit year is read in the same century. */
static void check_moment(int64_t unix_s)
{
    struct forms f = forms_of(unix_s);

    check_printed(unix_s, f.imf);
    check_parsed(f.imf, NOW_S, unix_s);
    check_parsed(f.ansi, NOW_S, unix_s);
    check_parsed(f.rfc850, unix_s, unix_s);
}

static void test_samples(void **state)
{
    check_parsed("Sun, 06 Nov 1994 08:49:37 GMT", NOW_S, SAMPLE_S);
    check_parsed("Sunday, 06-Nov-94 08:49:37 GMT", NOW_S, SAMPLE_S);
    check_parsed("Sun Nov  6 08:49:37 1994", NOW_S, SAMPLE_S);
    check_parsed("Sun Nov 06 08:49:37 1994", NOW_S, SAMPLE_S); /* the grammar allows it */
    check_parsed("Wed Nov 16 08:49:37 1994", NOW_S, SAMPLE_S + 10 * DAY_S);
    check_printed(SAMPLE_S, "Sun, 06 Nov 1994 08:49:37 GMT");
    check_printed(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_printed(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    check_printed(INT64_C(1) << 31, "Tue, 19 Jan 2038 03:14:08 GMT");
}

/* Each year's first and last second, and the seconds around the end of February. */
static void test_every_year(void **state)
{
    int64_t first_s = YEAR_0_S;

    for (int year = 0; year <= 9999; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        int64_t march_s = first_s + (leap ? 60 : 59) * DAY_S;

        check_moment(first_s);
        check_moment(march_s - 1);
        check_moment(march_s);
        first_s += (leap ? 366 : 365) * DAY_S;
        check_moment(first_s - 1);
    }
    assert_true(first_s == YEAR_9999_END_S + 1);
}

/* Every day of some years, and steps that meet every hour, minute and second. */
static void test_many_moments(void **state)
{
    static const int64_t years_s[] = {YEAR_0_S, INT64_C(-2208988800) /* 1900 */,
                                      INT64_C(946684800) /* 2000 */, INT64_C(1704067200) /* 2024 */,
                                      INT64_C(4102444800) /* 2100 */};

    for (size_t i = 0; i < LENGTH(years_s); i++)
        for (int day = 0; day < 366; day++)
            check_moment(years_s[i] + day * DAY_S + day * 61);
    for (int64_t s = NOW_S; s < NOW_S + 2 * DAY_S; s += 7)
        check_moment(s);
    for (int64_t s = YEAR_0_S; s <= YEAR_9999_END_S; s += INT64_C(25000019))
        check_moment(s);
}

static void test_printed_outside_of_the_calendar(void **state)
{
    static const char first[] = "Sat, 01 Jan 0000 00:00:00 GMT";
    static const char last[] = "Fri, 31 Dec 9999 23:59:59 GMT";

    check_printed(YEAR_0_S, first);
    check_printed(YEAR_0_S - 1, first);
    check_printed(INT64_MIN, first);
    check_printed(YEAR_9999_END_S, last);
    check_printed(YEAR_9999_END_S + 1, last);
    check_printed(INT64_MAX, last);
}

static void test_dates_of_the_calendar(void **state)
{
    static const struct {
        const char *text;
        bool real;
    } rows[] = {
        {"Thu, 29 Feb 2024 00:00:00 GMT", true},      {"Wed, 29 Feb 2023 00:00:00 GMT", false},
        {"Thu, 30 Feb 2024 00:00:00 GMT", false},     {"Tue, 29 Feb 2000 00:00:00 GMT", true},
        {"Thu, 29 Feb 1900 00:00:00 GMT", false},     {"Tue, 29 Feb 0000 00:00:00 GMT", true},
        {"Mon, 29 Feb 2100 00:00:00 GMT", false},     {"Thu Feb 29 00:00:00 2024", true},
        {"Wed Feb 29 00:00:00 2023", false},          {"Thursday, 29-Feb-24 00:00:00 GMT", true},
        {"Wednesday, 29-Feb-23 00:00:00 GMT", false}, {"Wed, 00 Jan 2024 00:00:00 GMT", false},
        {"Wed, 31 Jan 2024 00:00:00 GMT", true},      {"Wed, 32 Jan 2024 00:00:00 GMT", false},
        {"Sun, 31 Mar 2024 00:00:00 GMT", true},      {"Wed, 31 Apr 2024 00:00:00 GMT", false},
        {"Fri, 31 May 2024 00:00:00 GMT", true},      {"Mon, 31 Jun 2024 00:00:00 GMT", false},
        {"Wed, 31 Jul 2024 00:00:00 GMT", true},      {"Sat, 31 Aug 2024 00:00:00 GMT", true},
        {"Tue, 31 Sep 2024 00:00:00 GMT", false},     {"Thu, 31 Oct 2024 00:00:00 GMT", true},
        {"Sun, 31 Nov 2024 00:00:00 GMT", false},     {"Tue, 31 Dec 2024 00:00:00 GMT", true},
        {"Sat, 99 Dec 2024 00:00:00 GMT", false},     {"Tue, 31 Dec 2024 23:59:59 GMT", true},
        {"Tue, 31 Dec 2024 24:00:00 GMT", false},     {"Tue, 31 Dec 2024 23:60:00 GMT", false},
        {"Tue, 31 Dec 2024 23:59:61 GMT", false},     {"Tue, 31 Dec 2024 99:99:99 GMT", false},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        int64_t got = 42;

        if (bd_http_date_parse(bd_slice_of(rows[i].text), NOW_S, &got) != rows[i].real)
            fail_msg("\"%s\" gave %" PRId64, rows[i].text, got);
        assert_true(rows[i].real || got == 42);
    }
}

/* The grammar has second 60 (RFC 9110, 5.6.7); Unix time has not. */
static void test_leap_second(void **state)
{
    check_parsed("Sat, 31 Dec 2016 23:59:60 GMT", NOW_S, INT64_C(1483228800));
    check_parsed("Saturday, 31-Dec-16 23:59:60 GMT", NOW_S, INT64_C(1483228800));
    check_parsed("Sat Dec 31 23:59:60 2016", NOW_S, INT64_C(1483228800));
}

/* The name of any day will do: what matters is the date. */
static void test_names_of_days(void **state)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    char text[48];

    for (size_t i = 0; i < LENGTH(days); i++) {
        snprintf(text, sizeof(text), "%.3s, 06 Nov 1994 08:49:37 GMT", days[i]);
        check_parsed(text, NOW_S, SAMPLE_S);
        snprintf(text, sizeof(text), "%s, 06-Nov-94 08:49:37 GMT", days[i]);
        check_parsed(text, NOW_S, SAMPLE_S);
        snprintf(text, sizeof(text), "%.3s Nov  6 08:49:37 1994", days[i]);
        check_parsed(text, NOW_S, SAMPLE_S);
    }
}

static int64_t noon_of_year(int year)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mday = 1, .tm_hour = 12};

    return timegm(&tm);
}

static void check_year(int digits, int now, int expected)
{
    char text[48];

    snprintf(text, sizeof(text), "Friday, 01-Jan-%02d 12:00:00 GMT", digits);
    check_parsed(text, noon_of_year(now), noon_of_year(expected));
}

static void test_year_of_two_digits(void **state)
{
    static const int nows[] = {1970, 1999, 2000, 2001, 2024, 2049, 2050, 2051, 2099, 2100, 9900};

    for (size_t i = 0; i < LENGTH(nows); i++)
        for (int year = nows[i] - 49; year <= nows[i] + 50; year++)
            check_year(year % 100, nows[i], year);
}

/*
 * A "timestamp [...] that appears to be more than 50 years in the future" is in the past: the
 * moment counts, not the number of its year alone (RFC 9110, 5.6.7).
 */
static void test_fifty_years_ahead(void **state)
{
    check_parsed("Thursday, 31-May-74 00:00:00 GMT", NOW_S, INT64_C(3294950400)); /* 2074 */
    check_parsed("Tuesday, 02-Jul-74 00:00:00 GMT", NOW_S, INT64_C(141955200));   /* 1974 */
    check_parsed("Tuesday, 31-Dec-74 23:59:59 GMT", NOW_S, INT64_C(157766399));
    check_parsed("Wednesday, 29-Feb-68 00:00:00 GMT", NOW_S, INT64_C(3097699200)); /* 2068 */
    check_parsed("Sunday, 29-Feb-76 00:00:00 GMT", NOW_S, INT64_C(194400000));     /* 1976 */
}

static void test_junk(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "0",
        "Sun",
        "Sun,",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 ",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 994 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 084937 GMT",
        "Sun, 06 Nov 1994 08:49:37.0 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun, 06 Nob 1994 08:49:37 GMT",
        "Sun, 06 11 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        ", 06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:-7 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-9 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "sunday, 06-Nov-94 08:49:37 GMT",
        "Sund, 06-Nov-94 08:49:37 GMT",
        "Sundays, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun Nov  06 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994\n",
        "Sun Nov  6 08:49:37  1994",
        "Sun, Nov  6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov  \xd9\xa6 08:49:37 1994", /* an Arabic 6 */
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "\"Sun, 06 Nov 1994 08:49:37 GMT\"",
    };
    int64_t got = 42;

    for (size_t i = 0; i < LENGTH(rows); i++)
        if (bd_http_date_parse(bd_slice_of(rows[i]), NOW_S, &got) || got != 42)
            fail_msg("\"%s\" was taken", rows[i]);
    assert_false(bd_http_date_parse((struct bd_slice){NULL, 0}, NOW_S, &got));
    assert_false(bd_http_date_parse(BD_SLICE("Sun, 06 Nov 1994 08:49:37 GMT\0"), NOW_S, &got));
    assert_false(bd_http_date_parse(BD_SLICE("Sun, 06\0Nov 1994 08:49:37 GMT"), NOW_S, &got));
}

/* Nothing shorter than a date is one, and nothing behind its end is read. */
static void test_cut_anywhere(void **state)
{
    struct forms f = forms_of(SAMPLE_S);
    const char *const texts[] = {f.imf, f.rfc850, f.ansi};
    int64_t got = 42;

    for (size_t i = 0; i < LENGTH(texts); i++)
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            char *exact = malloc(len + !len); /* ends where AddressSanitizer sees it */

            assert_non_null(exact);
            memcpy(exact, texts[i], len);
            assert_false(bd_http_date_parse((struct bd_slice){exact, len}, NOW_S, &got));
            free(exact);
        }
    assert_int_equal(got, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_every_year),
        cmocka_unit_test(test_many_moments),
        cmocka_unit_test(test_printed_outside_of_the_calendar),
        cmocka_unit_test(test_dates_of_the_calendar),
        cmocka_unit_test(test_leap_second),
        cmocka_unit_test(test_names_of_days),
        cmocka_unit_test(test_year_of_two_digits),
        cmocka_unit_test(test_fifty_years_ahead),
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
