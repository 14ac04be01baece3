/* quantity.c: amounts of memory and processor time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/quantity.c"

#include <inttypes.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define KI INT64_C(1024)

struct row {
    const char *text;
    int64_t n;
};

typedef int read_call(const char *text, int64_t *ret_n, struct bd_error *err);

static void expect_rows(read_call *read, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct bd_error err;
        int64_t got = 42;

        if (read(rows[i].text, &got, &err) < 0)
            fail_msg("\"%s\": %s", rows[i].text, err.text);
        if (got != rows[i].n)
            fail_msg("\"%s\" gave %" PRId64, rows[i].text, got);
    }
}

static void test_bytes(void **state)
{
    static const struct row rows[] = {
        {"0", 0},
        {"1", 1},
        {"64000000", 64000000},
        {"+5", 5},
        {"007", 7},
        {"128Mi", 128 * KI * KI},
        {"1Ki", KI},
        {"1Gi", KI * KI * KI},
        {"1Ti", KI * KI * KI * KI},
        {"1Pi", KI * KI * KI * KI * KI},
        {"1Ei", KI * KI * KI * KI * KI * KI},
        {"7k", 7000},
        {"7M", 7000000},
        {"7G", INT64_C(7000000000)},
        {"7T", INT64_C(7000000000000)},
        {"7P", INT64_C(7000000000000000)},
        {"7E", INT64_C(7000000000000000000)},
        {"0Ei", 0},
        {"0.0E", 0},
    };

    expect_rows(quantity_bytes, rows, LENGTH(rows));
}

static void test_fractions(void **state)
{
    static const struct row rows[] = {
        {"0.5Gi", KI * KI * KI / 2},
        {"1.5k", 1500},
        {".5Ki", 512},
        {"5.Ki", 5 * KI},
        {"5.", 5},
        {"1.0", 1},
        {"0.125Ki", 128},
        {"1.000000000000000000000000000000000000000000000000", 1},
        {"0.000000000000000000867361737988403547205962240695953369140625Ei", 1},
        {"3.14159265358979323846264338327950288419716939937510Ei", INT64_C(3622009729038561422)},
    };

    expect_rows(quantity_bytes, rows, LENGTH(rows));
}

static void test_rest_is_rounded_up(void **state)
{
    static const struct row rows[] = {
        {"0.5", 1},
        {"0.000000000000000000000000000000000000000000000000000000000001", 1},
        {"1.1", 2},
        {"0.1Ki", 103}, /* 102.4 */
        {"0.3Ki", 308}, /* 307.2 */
        {"1.0001k", 1001},
        {"1.0010k", 1001},
        {"999.9999", 1000},
        {"400m", 1},
        {"1000m", 1},
        {"1001m", 2},
        {"1u", 1},
        {"1n", 1},
        {"2000000001n", 3},
        {"3000000u", 3},
        /* one more than exactly a byte */
        {"0.000000000000000000867361737988403547205962240695953369140626Ei", 2},
    };

    expect_rows(quantity_bytes, rows, LENGTH(rows));
}

static void test_exponents(void **state)
{
    static const struct row rows[] = {
        {"1e3", 1000},
        {"1E3", 1000},
        {"1e+3", 1000},
        {"1.5e3", 1500},
        {"1500e-3", 2},
        {"1500E-2", 15},
        {"1e0", 1},
        {"1e-0", 1},
        {"1e00003", 1000},
        {"1e18", INT64_C(1000000000000000000)},
        {"0.00000000000000000000000000000000000000000000000000001e53", 1},
        {"100000000000000000000000000000000000000000000000000000e-53", 1},
        {"1e-99", 1},
        {"0e99", 0},
        {"2E", INT64_C(2000000000000000000)}, /* exa */
    };

    expect_rows(quantity_bytes, rows, LENGTH(rows));
}

static void test_millicpu(void **state)
{
    static const struct row rows[] = {
        {"500m", 500},
        {"0.5", 500},
        {"2", 2000},
        {"0", 0},
        {"1.25", 1250},
        {".1", 100},
        {"1e1", 10000},
        {"1k", 1000000},
        {"1Ki", 1024000},
        {"1500m", 1500},
        {"0.5m", 1},
        {"0.0001", 1},
        {"100u", 1},
        {"1000001n", 2},
        {"1e-3", 1},
        {"9223372036854775.807", INT64_MAX},
        {"9223372036854775807m", INT64_MAX},
    };

    expect_rows(quantity_millicpu, rows, LENGTH(rows));
}

static void test_ends_of_the_range(void **state)
{
    static const struct row rows[] = {
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775806.5", INT64_MAX},
        {"9.223372036854775807E", INT64_MAX},
        {"0009223372036854775807", INT64_MAX},
        {"9223372036854775807000m", INT64_MAX},
        {"9223372036854775807000000000n", INT64_MAX},
        {"7.999999999999999999132638262011596452794037759304046630859375Ei", INT64_MAX},
    };

    expect_rows(quantity_bytes, rows, LENGTH(rows));
}

static void expect_failure(read_call *read, const char *text, const char *reason)
{
    char expected[600];
    struct bd_error err = {"nothing"};
    int64_t got = 42;

    if (read(text, &got, &err) == 0)
        fail_msg("\"%s\" gave %" PRId64, text, got);
    snprintf(expected, sizeof(expected), "'%s' is %s", text, reason);
    assert_string_equal(err.text, expected);
    assert_int_equal(got, 42);
}

static void test_out_of_range(void **state)
{
    static const char *const bytes[] = {
        "9223372036854775808",
        "9223372036854775807.5",
        "9223372036854775807.000000000000000000000000000000000000001",
        "9.223372036854775808E",
        "9223372036854775807001m",
        "10E",
        "8Ei",
        "7.999999999999999999132638262011596452794037759304046630859376Ei",
        "99999999999999999999999999999999999999999999999",
        "1e19",
        "1e99",
        "1e100",
        "1e99999999999999999999999999",
        "1e-99999999999999999999999999",
    };
    static const char *const millicpu[] = {"9223372036854775.8071", "9223372036854776", "8Ei",
                                           "10P"};

    for (size_t i = 0; i < LENGTH(bytes); i++)
        expect_failure(quantity_bytes, bytes[i], "out of range");
    for (size_t i = 0; i < LENGTH(millicpu); i++)
        expect_failure(quantity_millicpu, millicpu[i], "out of range");
}

static void test_malformed(void **state)
{
    static const char *const rows[] = {
        "",      ".",    "+",   "-",      "Mi",    ".Mi",   "-1",           "-0",        "+-1",
        "++1",   "1 Mi", " 1",  "1 ",     "1\n",   "1mi",   "1MI",          "1MB",       "1Mib",
        "1K",    "1g",   "1i",  "1ki",    "1mm",   "1Mi5",  "1..5",         "1.5.5",     "1,5",
        "1_000", "0x10", "1e",  "1e+",    "1e1.5", "1e3Mi", "1e3e3",        "1E-",       "1e 3",
        "1e++3", "NaN",  "inf", "128Mi ", "1ei",   "1e3 ",  "\xef\xbc\x95", "1\xc2\xb5",
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        expect_failure(quantity_bytes, rows[i],
                       "not an amount of memory such as 128Mi, 1.5G or 64000000");
        expect_failure(quantity_millicpu, rows[i],
                       "not an amount of processor time such as 500m, 0.5 or 2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_rest_is_rounded_up),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_millicpu),
        cmocka_unit_test(test_ends_of_the_range),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
