/* Lines cut from a stream, whatever the pieces it comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/log.h"

static void test_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf,
                          size_t len);

#define bd_log_line test_log_line
#include "watchdog/proc/lines.c"

/* What was logged: each line in angle brackets. */
static char logged[65536 * 4];
static size_t logged_len;

static void test_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf,
                          size_t len)
{
    assert_int_equal(to, BD_LOG_STDERR);
    assert_true(stamp);
    assert_string_equal(label, "stderr");
    assert_true(logged_len + len + 2 < sizeof(logged));
    logged[logged_len++] = '<';
    if (len > 0)
        memcpy(logged + logged_len, buf, len);
    logged_len += len;
    logged[logged_len++] = '>';
}

/* Feeds `len` bytes of `text` in pieces of `step` and compares what is logged. */
static void check_step(size_t max_bytes, size_t step, const char *text, size_t len,
                       const char *expected, size_t expected_len)
{
    struct lines l;

    logged_len = 0;
    lines_init(&l, BD_LOG_STDERR, true, "stderr", max_bytes);
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;
        char *copy = malloc(n); /* so that a sanitizer sees a byte kept too long */

        assert_non_null(copy);
        memcpy(copy, text + at, n);
        lines_feed(&l, copy, n);
        free(copy);
        assert_true(l.capacity <= max_bytes);
    }
    lines_finish(&l);
    assert_null(l.part);
    assert_int_equal(logged_len, expected_len);
    assert_memory_equal(logged, expected, expected_len);
}

static void check_bytes(size_t max_bytes, const char *text, size_t len, const char *expected,
                        size_t expected_len)
{
    for (size_t step = 1; step <= len; step++)
        check_step(max_bytes, step, text, len, expected, expected_len);
}

static void check(size_t max_bytes, const char *text, const char *expected)
{
    check_bytes(max_bytes, text, strlen(text), expected, strlen(expected));
}

static void test_lines(void **state)
{
    check(100, "a\n", "<a>");
    check(100, "one\ntwo\nthree\n", "<one><two><three>");
    check(100, "\n\na\n\n", "<><><a><>");
}

static void test_last_line_without_newline(void **state)
{
    check(100, "a\nrest", "<a><rest>");
    check(100, "rest", "<rest>");
    check(4, "rest", "<rest>");
}

static void test_carriage_return(void **state)
{
    check(100, "a\r\nb\r\n", "<a><b>");
    check(100, "a\rb\n", "<a\rb>");
    check(100, "\r\n", "<>");
    check(100, "a\r\r\n", "<a\r>");
    check(100, "end\r", "<end>");
}

static void test_long_line_is_cut(void **state)
{
    check(4, "abcdefghij\nk\n", "<abcd><efgh><ij><k>");
    check(4, "abcdefghij", "<abcd><efgh><ij>");
    check(1, "abc\n\nd\n", "<a><b><c><><d>");
}

static void test_line_of_exactly_the_limit(void **state)
{
    check(4, "abcd\nefgh\n", "<abcd><efgh>");
    check(4, "abcdefgh\n\n", "<abcd><efgh><>");
    check(4, "abcdefgh", "<abcd><efgh>");
}

static void test_carriage_return_at_a_cut(void **state)
{
    check(4, "abc\r\nd\n", "<abc><d>");
    check(4, "abcd\r\ne\n", "<abcd><e>");
    check(4, "abc\rd\n", "<abc\r><d>");
}

static void test_any_byte_passes(void **state)
{
    static const char text[] = "a\0b\n\xff\xfe\x1b[0m\n\0\n",
                      expected[] = "<a\0b><\xff\xfe\x1b[0m><\0>";

    check_bytes(100, text, sizeof(text) - 1, expected, sizeof(expected) - 1);
}

static void test_default_size(void **state)
{
    static char text[65536 + 3], expected[65536 + 6];

    memset(text, 'x', 65537);
    text[65537] = '\n';
    expected[0] = '<';
    memset(expected + 1, 'x', 65536);
    memcpy(expected + 65537, "><x>", 4);
    check_step(65536, 1000, text, 65538, expected, 65541);
    check_step(65536, 65538, text, 65538, expected, 65541);
}

static void test_can_be_fed_again(void **state)
{
    struct lines l;

    logged_len = 0;
    lines_init(&l, BD_LOG_STDERR, true, "stderr", 4);
    lines_feed(&l, "abcdef", 6);
    lines_finish(&l);
    lines_feed(&l, "\n", 1);
    lines_finish(&l);
    assert_int_equal(logged_len, 12);
    assert_memory_equal(logged, "<abcd><ef><>", 12);
}

/* In JSON half a character would be lost. */
static void test_characters_stay_whole(void **state)
{
    const struct bd_log_conf json = {.json = true, .wraps = true, .least = BD_LEVEL_INFO},
                             text = {.least = BD_LEVEL_INFO};
    static const char line[] = "aaaaaa\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x90\x95xx\xc3\xa9\n";
    static const char whole[] = "<aaaaaa><\xe2\x82\xac\xe2\x82\xac><\xf0\x9f\x90\x95xx\xc3\xa9>";

    bd_log_configure(&json);
    for (size_t step = 1; step < sizeof(line); step++)
        check_step(8, step, line, sizeof(line) - 1, whole, sizeof(whole) - 1);
    bd_log_configure(&text);
    check_step(8, 3, line, sizeof(line) - 1,
               "<aaaaaa\xe2\x82><\xac\xe2\x82\xac\xf0\x9f\x90\x95><xx\xc3\xa9>", 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_stay_whole),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_last_line_without_newline),
        cmocka_unit_test(test_carriage_return),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_line_of_exactly_the_limit),
        cmocka_unit_test(test_carriage_return_at_a_cut),
        cmocka_unit_test(test_any_byte_passes),
        cmocka_unit_test(test_default_size),
        cmocka_unit_test(test_can_be_fed_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
