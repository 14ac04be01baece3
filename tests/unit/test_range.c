/* range.c: which bytes a Range asks for */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "../../watchdog/http/range.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_range range[BD_RANGES_MAX + 1]; /* the last one is nobody's */

static enum bd_range_result parse(struct bd_slice value, int64_t size, size_t *ret_n)
{
    static const struct bd_range untouched = {-77, -77};
    enum bd_range_result result;

    range[BD_RANGES_MAX] = untouched;
    *ret_n = 0;
    result = bd_ranges_parse(range, ret_n, value, size);
    assert_memory_equal(&range[BD_RANGES_MAX], &untouched, sizeof(untouched));
    return result;
}

/* The answer in words: "0+10 20+10" (first and length), or why there are none. */
static const char *words(struct bd_slice value, int64_t size)
{
    static char text[BD_RANGES_MAX * 44];
    size_t n, len = 0;

    switch (parse(value, size, &n)) {
    case BD_RANGE_WHOLE:
        return "whole";
    case BD_RANGE_UNSATISFIABLE:
        return "outside";
    case BD_RANGE_INVALID:
        return "invalid";
    case BD_RANGE_PARTIAL:
        break;
    }
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%" PRId64 "+%" PRId64,
                                i ? " " : "", range[i].first, range[i].len);
    return text;
}

struct row {
    const char *value, *expected;
};

static void check(int64_t size, const struct row *row, size_t rows)
{
    for (; rows-- > 0; row++) {
        const char *got = words(bd_slice_of(row->value), size);

        if (strcmp(got, row->expected) != 0)
            fail_msg("\"%s\" of %" PRId64 " gave %s, not %s", row->value, size, got, row->expected);
    }
}

static void test_one_range(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-9", "0+10"},
        {"bytes=0-0", "0+1"},
        {"bytes=99-99", "99+1"},
        {"bytes=90-", "90+10"},
        {"bytes=0-", "0+100"},
        {"bytes=99-", "99+1"},
        {"bytes=-5", "95+5"},
        {"bytes=-1", "99+1"},
        {"bytes=-100", "0+100"},
        {"bytes=-200", "0+100"},
        {"bytes=0-99", "0+100"},
        {"bytes=0-100", "0+100"},
        {"bytes=95-200", "95+5"},
        {"bytes=000-0009", "0+10"},
        {"bytes=-0005", "95+5"},
        {"bytes=00000000000000000000000001-2", "1+2"},
        {"bytes=1-9223372036854775807", "1+99"},
        {"bytes=-9223372036854775807", "0+100"},
        {"Bytes=0-1", "0+2"},
        {"BYTES=0-1", "0+2"},
        {"bytes= 0-1 ", "0+2"},
        {"bytes=\t0-1\t", "0+2"},
        {"bytes=0-1,", "0+2"},
        {"bytes=, ,\t,0-1,,", "0+2"},
    };

    check(100, rows, LENGTH(rows));
}

static void test_several_ranges(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-9,20-29", "0+10 20+10"},
        {"bytes=0-9, 20-29", "0+10 20+10"},
        {"bytes=0-9 ,\t20-29", "0+10 20+10"},
        {"bytes=20-29,0-9", "20+10 0+10"}, /* as asked, not sorted */
        {"bytes=0-9,0-9", "0+10 0+10"},
        {"bytes=0-9,5-14", "0+10 5+10"},
        {"bytes=0-0,-1,50-", "0+1 99+1 50+50"},
        {"bytes=0-49,50-", "0+50 50+50"},
        {"bytes=0-,0-0", "whole"},
        {"bytes=0-50,50-99", "whole"}, /* one byte more than there are */
        {"bytes=0-49,50-99", "0+50 50+50"},
        {"bytes=-100,-1", "whole"},
        {"bytes=0-9223372036854775807,0-9223372036854775807", "whole"},
    };

    check(100, rows, LENGTH(rows));
}

static void test_outside(void **state)
{
    static const struct row rows[] = {
        {"bytes=100-", "outside"},
        {"bytes=100-100", "outside"},
        {"bytes=200-300,400-", "outside"},
        {"bytes=-0", "outside"},
        {"bytes=-000", "outside"},
        {"bytes=-0,100-", "outside"},
        {"bytes=9223372036854775807-", "outside"},
        {"bytes=9223372036854775807-9223372036854775807", "outside"},
        {"bytes=0-1,200-300", "0+2"},
        {"bytes=200-300,0-1", "0+2"},
        {"bytes=0-1,-0", "0+2"},
        {"bytes=0-1,200-,5-6,100-,-1", "0+2 5+2 99+1"},
        {"bytes=0-99,100-", "0+100"},
    };

    check(100, rows, LENGTH(rows));
}

static void test_malformed(void **state)
{
    static const char *const rows[] = {
        "50-40",
        "1-0",
        "101-100",
        "a-b",
        "0-b",
        "a-1",
        "--5",
        "-5-",
        "0--1",
        "0-1-2",
        "-",
        "--",
        "1",
        "0 - 1",
        "0- 1",
        "0 -1",
        "- 5",
        "+0-1",
        "0-+1",
        "-+5",
        "0x0-1",
        "0-1;2-3",
        "0-1 2-3",
        "0-1.",
        "1e1-",
        "\"0-1\"",
        "*",
        "0-*",
        "=0-1",
        "bytes=0-1",
        "\xd9\xa0-1", /* an Arabic 0 */
        "9223372036854775808-",
        "0-9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616-",
        "0-18446744073709551615",
        "-18446744073709551617",
        "0-99999999999999999999999999999999999999999",
    };
    static const char *const among[][2] = {
        {"", ""}, {"0-1,", ""}, {"", ",0-1"}, {"100-,", ""}, {"0-,0-,", ""}};
    char value[96];
    size_t n;

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (size_t k = 0; k < LENGTH(among); k++) {
            snprintf(value, sizeof(value), "bytes=%s%s%s", among[k][0], rows[i], among[k][1]);
            if (parse(bd_slice_of(value), 100, &n) != BD_RANGE_INVALID)
                fail_msg("\"%s\" was taken", value);
        }
    assert_string_equal(words(BD_SLICE("bytes=0-\0001"), 100), "invalid");
    assert_string_equal(words(BD_SLICE("bytes=0-1\0"), 100), "invalid");
}

/* Other units and no ranges at all are nothing to answer. */
static void test_whole(void **state)
{
    static const struct row rows[] = {
        {"bytes=", "whole"},         {"bytes= ", "whole"},      {"bytes=,", "whole"},
        {"bytes=, ,", "whole"},      {"lines=0-1", "whole"},    {"lines=50-40", "whole"},
        {"lines=", "whole"},         {"byte=0-1", "whole"},     {"bytess=0-1", "whole"},
        {"none=bytes=0-1", "whole"}, {"x=,a-b,\"c\"", "whole"}, {"kibibytes=0-1", "whole"},
    };

    check(100, rows, LENGTH(rows));
}

static void test_empty_representation(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-", "whole"}, {"bytes=0-0", "whole"}, {"bytes=-1", "whole"},
        {"bytes=-0", "whole"}, {"bytes=5-9", "whole"}, {"bytes=0-,5-9,-3", "whole"},
        {"bytes=", "whole"},   {"lines=0-1", "whole"},
    };

    check(0, rows, LENGTH(rows));
}

static void test_sizes(void **state)
{
    static const struct row of_1[] = {
        {"bytes=0-", "0+1"},      {"bytes=0-0", "0+1"},    {"bytes=-1", "0+1"},
        {"bytes=-9", "0+1"},      {"bytes=1-", "outside"}, {"bytes=-0", "outside"},
        {"bytes=0-,0-", "whole"},
    };
    static const struct row of_5_gib[] = {
        {"bytes=0-5368709119", "0+5368709120"},
        {"bytes=4294967296-4294967299", "4294967296+4"},
        {"bytes=-4294967297", "1073741823+4294967297"},
        {"bytes=5368709119-", "5368709119+1"},
        {"bytes=5368709120-", "outside"},
    };
    static const struct row of_all[] = {
        {"bytes=0-", "0+9223372036854775807"},
        {"bytes=0-9223372036854775807", "0+9223372036854775807"},
        {"bytes=-9223372036854775807", "0+9223372036854775807"},
        {"bytes=9223372036854775806-", "9223372036854775806+1"},
        {"bytes=9223372036854775806-9223372036854775807", "9223372036854775806+1"},
        {"bytes=9223372036854775807-", "outside"},
        {"bytes=0-,0-0", "whole"}, /* the sum has more than 63 bits */
        {"bytes=0-,0-,0-,0-", "whole"},
        {"bytes=0-4611686018427387903,4611686018427387904-",
         "0+4611686018427387904 4611686018427387904+4611686018427387903"},
    };

    check(1, of_1, LENGTH(of_1));
    check(INT64_C(5) << 30, of_5_gib, LENGTH(of_5_gib));
    check(INT64_MAX, of_all, LENGTH(of_all));
}

/* `n` times `spec` and once `last`, each with a comma. */
static struct bd_slice repeated(const char *spec, size_t n, const char *last)
{
    static char text[16384];
    size_t len = (size_t)snprintf(text, sizeof(text), "bytes=");

    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,", spec);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", last);
    assert_true(len < sizeof(text));
    return (struct bd_slice){text, len};
}

static void test_many(void **state)
{
    size_t n;

    assert_int_equal(parse(repeated("7-7", BD_RANGES_MAX - 1, "9-9"), 1000, &n), BD_RANGE_PARTIAL);
    assert_int_equal(n, BD_RANGES_MAX);
    for (size_t i = 0; i < n; i++)
        assert_true(range[i].first == (i + 1 < n ? 7 : 9) && range[i].len == 1);
    assert_string_equal(words(repeated("7-7", BD_RANGES_MAX, "9-9"), 1000), "whole");
    assert_string_equal(words(repeated("7-7", 20 * BD_RANGES_MAX, ""), INT64_MAX), "whole");
    assert_string_equal(words(repeated("7-7", 2 * BD_RANGES_MAX, "x"), 1000), "invalid");
    assert_string_equal(words(repeated("", 10000, "9-9"), 1000), "9+1");
    assert_string_equal(words(repeated("1000-", 1000, ""), 1000), "outside");
    assert_string_equal(words(repeated("0-99", 10, "0-0"), 1000), "whole");
    assert_int_equal(parse(repeated("0-99", 9, "0-99"), 1000, &n), BD_RANGE_PARTIAL);
    assert_int_equal(n, 10);
}

/* Nothing behind the end is read. */
static void test_cut_anywhere(void **state)
{
    static const char value[] = "bytes=10-19 , 30-,-5,0-0";
    static const struct {
        size_t len;
        const char *expected;
    } rows[] = {
        {6, "whole"},
        {7, "invalid"},
        {8, "invalid"},
        {9, "10+90"},
        {10, "invalid"},
        {11, "10+10"},
        {12, "10+10"},
        {13, "10+10"},
        {15, "invalid"},
        {17, "10+10 30+70"},
        {19, "invalid"},
        {20, "10+10 30+70 95+5"},
        {24, "10+10 30+70 95+5 0+1"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *exact = malloc(rows[i].len); /* ends where AddressSanitizer sees it */
        const char *got;

        assert_non_null(exact);
        memcpy(exact, value, rows[i].len);
        got = words((struct bd_slice){exact, rows[i].len}, 100);
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%zu bytes gave %s, not %s", rows[i].len, got, rows[i].expected);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_range),    cmocka_unit_test(test_several_ranges),
        cmocka_unit_test(test_outside),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_empty_representation),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_many),
        cmocka_unit_test(test_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
