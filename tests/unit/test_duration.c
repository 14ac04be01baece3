/* duration.c and number.c: what is a duration, what it is worth, how it is printed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../watchdog/base/duration.c"
#include "../../watchdog/base/number.c"

#define US BD_NS_PER_US
#define MS BD_NS_PER_MS
#define S BD_NS_PER_S
#define M (60 * S)
#define H (3600 * S)
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const struct {
    const char *text;
    int64_t ns;
} accepted[] = {
    {"1.5s", 1500 * MS},
    {".5s", 500 * MS},
    {"5.s", 5 * S},
    {"1h30m", H + 30 * M},
    {"2m1h", H + 2 * M},
    {"1s1s", 2 * S},
    {"100ms", 100 * MS},
    {"1us", US},
    {"1\xc2\xb5s", US},
    {"1\xce\xbcs", US},
    {"10ns", 10},
    {"+5s", 5 * S},
    {"-5s", -5 * S},
    {"0", 0},
    {"-0", 0},
    {"+0", 0},
    {"-0s", 0},
    {"0.0h", 0},
    {"00005s", 5 * S},
    {"1h2m3s4ms5us6ns", H + 2 * M + 3 * S + 4 * MS + 5 * US + 6},
    {"0.1ns", 0},
    {"1.9ns", 1},
    {"-1.9ns", -1},
    {"39h9m14.425s", 39 * H + 9 * M + 14425 * MS},
    {"52763797000ns", INT64_C(52763797000)},
    /* more digits than 63 bits hold */
    {"0.3333333333333333333h", 20 * M},
    {"0.100000000000000000000h", 6 * M},
    {"0.830103483285477580700h", 49 * M + 48 * S + 372539827},
    {"1.00000000000000000000000000000000000000000000000001s", S},
    /* the ends of the range */
    {"9223372036854775807ns", INT64_MAX},
    {"9223372036854775.807us", INT64_MAX},
    {"9223372036s854ms775us807ns", INT64_MAX},
    {"-9223372036854775807ns", -INT64_MAX},
    {"-9223372036854775808ns", INT64_MIN},
    {"2562047h47m16.854775807s", INT64_MAX},
};

static const char *const rejected[] = {
    "",
    "-5",
    "5d",
    "5S",
    "1e3s",
    "s",
    ".s",
    ".",
    "1h 30m",
    " 5",
    "5 ",
    "\t5",
    "1h-5m",
    "--5s",
    "+-5s",
    "5s5",
    "5s.",
    "5s.s",
    "1_000",
    "0x10",
    "inf",
    "NaN",
    "-",
    "+",
    "-.",
    "1..5s",
    "1.5.5s",
    "5sm",
    "5 s",
    "5s ",
    "5s\n",
    "5\xc2s",
    "5\xb5s",
    "9223372036854775808ns",
    "9223372036854775.808us",
    "2562048h",
    "9223372036854775807ns1ns",
    "9223372036854775808ns9223372036854775808ns",
    "-9223372036854775809ns",
    "99999999999999999999s",
    "\xef\xbc\x95", /* a full-width 5 */
    "\xef\xbc\x95s",
};

static void test_accepted(void **state)
{
    for (size_t i = 0; i < LENGTH(accepted); i++) {
        int64_t ns = 42;

        if (bd_duration_parse(accepted[i].text, &ns) || ns != accepted[i].ns)
            fail_msg("\"%s\" gave %" PRId64, accepted[i].text, ns);
        if (bd_duration_parse_units(accepted[i].text, &ns) || ns != accepted[i].ns)
            fail_msg("\"%s\" with units gave %" PRId64, accepted[i].text, ns);
    }
}

static void test_rejected(void **state)
{
    for (size_t i = 0; i < LENGTH(rejected); i++) {
        int64_t ns = 42;

        if (bd_duration_parse(rejected[i], &ns) != -1 ||
            bd_duration_parse_units(rejected[i], &ns) != -1 || ns != 42)
            fail_msg("\"%s\" was taken", rejected[i]);
    }
}

static void test_whole_numbers_are_seconds_in_settings(void **state)
{
    static const struct {
        const char *text;
        int result;
        int64_t ns;
    } rows[] = {
        {"5", 0, 5 * S},
        {"+5", 0, 5 * S},
        {"007", 0, 7 * S},
        {"0", 0, 0},
        {"-0", 0, 0},
        {"-00", 0, 0},
        {"9223372036", 0, INT64_C(9223372036) * S},
        {"9223372037", -2, 42},
        {"9223372036854775807", -2, 42},
        {"9223372036854775808", -1, 42}, /* strconv.Atoi says no, and there is no unit */
        {"-1", -1, 42},
        {"-9223372036854775809", -1, 42},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        int64_t ns = 42;
        int result = bd_duration_parse(rows[i].text, &ns);

        if (result != rows[i].result || ns != rows[i].ns)
            fail_msg("\"%s\" gave %d, %" PRId64, rows[i].text, result, ns);
    }
}

static void test_whole_numbers_need_a_unit_elsewhere(void **state)
{
    static const char *const rows[] = {"5", "+5", "007", "-00", "00", "9223372037"};
    int64_t ns = 42;

    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_int_equal(bd_duration_parse_units(rows[i], &ns), -1);
    assert_int_equal(ns, 42);
}

static void test_printed(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {999, "999ns"},
        {US, "1\xc2\xb5s"},
        {1100, "1.1\xc2\xb5s"},
        {MS - 1, "999.999\xc2\xb5s"},
        {1500 * US, "1.5ms"},
        {MS, "1ms"},
        {500 * MS, "500ms"},
        {S - 1, "999.999999ms"},
        {S, "1s"},
        {S + 1, "1.000000001s"},
        {1500 * MS, "1.5s"},
        {30 * S, "30s"},
        {M, "1m0s"},
        {M + 500 * MS, "1m0.5s"},
        {90 * S, "1m30s"},
        {H, "1h0m0s"},
        {H + S, "1h0m1s"},
        {36 * H, "36h0m0s"},
        {-5 * S, "-5s"},
        {-1, "-1ns"},
        {-1500 * MS, "-1.5s"},
        {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    char buf[BD_DURATION_BYTES];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_ptr_equal(bd_duration_print(buf, rows[i].ns), buf);
        assert_string_equal(buf, rows[i].text);
    }
}

static void test_printed_form_is_read_back(void **state)
{
    char buf[BD_DURATION_BYTES];
    int64_t back;

    for (int64_t ns = 1; ns < INT64_MAX / 3; ns = ns * 3 + 1) {
        assert_int_equal(bd_duration_parse(bd_duration_print(buf, ns), &back), 0);
        assert_int_equal(back, ns);
        assert_int_equal(bd_duration_parse(bd_duration_print(buf, -ns), &back), 0);
        assert_int_equal(back, -ns);
    }
}

static void test_seconds_printed(void **state)
{
    static const struct {
        int64_t ns;
        int decimals;
        const char *text;
    } rows[] = {
        {0, 4, "0.0000"},
        {0, 1, "0.0"},
        {1, 9, "0.000000001"},
        {1, 4, "0.0000"},
        {2100 * US, 4, "0.0021"},
        {49999, 4, "0.0000"},
        {50000, 4, "0.0001"}, /* rounded */
        {149999, 4, "0.0001"},
        {150000, 4, "0.0002"},
        {999949999, 4, "0.9999"},
        {999950000, 4, "1.0000"},
        {S, 6, "1.000000"},
        {1500 * MS, 1, "1.5"},
        {9950 * MS, 1, "10.0"},
        {H + 1, 9, "3600.000000001"},
        {INT64_MAX, 9, "9223372036.854775807"},
        {INT64_MAX, 1, "9223372036.9"},
        {-1500 * MS, 3, "-1.500"},
        {-INT64_MAX, 9, "-9223372036.854775807"},
    };
    char buf[BD_DURATION_BYTES];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_ptr_equal(bd_seconds_print(buf, rows[i].ns, rows[i].decimals), buf);
        assert_string_equal(buf, rows[i].text);
    }
}

static void test_number(void **state)
{
    static const struct {
        const char *text;
        enum number_fault fault;
        int64_t value;
    } rows[] = {
        {"0", NUMBER_FINE, 0},
        {"+7", NUMBER_FINE, 7},
        {"-7", NUMBER_FINE, -7},
        {"-0", NUMBER_FINE, 0},
        {"007", NUMBER_FINE, 7},
        {"9223372036854775807", NUMBER_FINE, INT64_MAX},
        {"-9223372036854775808", NUMBER_FINE, INT64_MIN},
        {"9223372036854775808", NUMBER_RANGE, 42},
        {"-9223372036854775809", NUMBER_RANGE, 42},
        {"99999999999999999999999999", NUMBER_RANGE, 42},
        {"", NUMBER_MALFORMED, 42},
        {"+", NUMBER_MALFORMED, 42},
        {"-", NUMBER_MALFORMED, 42},
        {"--1", NUMBER_MALFORMED, 42},
        {" 1", NUMBER_MALFORMED, 42},
        {"1 ", NUMBER_MALFORMED, 42},
        {"1\n", NUMBER_MALFORMED, 42},
        {"1_000", NUMBER_MALFORMED, 42},
        {"0x10", NUMBER_MALFORMED, 42},
        {"1.0", NUMBER_MALFORMED, 42},
        {"1e3", NUMBER_MALFORMED, 42},
        {"x", NUMBER_MALFORMED, 42},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        int64_t value = 42;
        enum number_fault fault = number_parse(rows[i].text, &value);

        if (fault != rows[i].fault || value != rows[i].value)
            fail_msg("\"%s\" gave %d, %" PRId64, rows[i].text, fault, value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_whole_numbers_are_seconds_in_settings),
        cmocka_unit_test(test_whole_numbers_need_a_unit_elsewhere),
        cmocka_unit_test(test_printed),
        cmocka_unit_test(test_printed_form_is_read_back),
        cmocka_unit_test(test_seconds_printed),
        cmocka_unit_test(test_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
