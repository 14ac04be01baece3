/* tame.c: what of a text reaches a terminal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/tame.c"

#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static void expect_slice(struct bd_slice text, unsigned allowed, const char *tamed)
{
    char *got = NULL;
    size_t len;
    FILE *to = open_memstream(&got, &len);

    assert_non_null(to);
    tame_put(to, text, allowed);
    fclose(to);
    assert_string_equal(got, tamed);
    free(got);
}

static void expect(const char *text, unsigned allowed, const char *tamed)
{
    expect_slice(bd_slice_of(text), allowed, tamed);
}

static const unsigned every[] = {TAME_ALL, TAME_TABS, TAME_LINES, TAME_COLOURS,
                                 TAME_TABS | TAME_LINES | TAME_COLOURS};

static void test_harmless_texts(void **state)
{
    static const char *const rows[] = {
        "",
        "a b",
        " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
        "\xc2\xa0",         /* the first behind C1 */
        "\xed\x9f\xbf",     /* the last before surrogates */
        "\xf4\x8f\xbf\xbf", /* the last of all */
        "\\x1b",
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (size_t k = 0; k < LENGTH(every); k++)
            expect(rows[i], every[k], rows[i]);
}

static void test_control_characters(void **state)
{
    for (unsigned c = 0; c < ' '; c++) {
        char text[3] = {'a', (char)c, 'b'}, tamed[8];

        snprintf(tamed, sizeof(tamed), "a\\x%02xb", c);
        expect_slice((struct bd_slice){text, 3}, TAME_ALL, tamed);
        if (c != '\t' && c != '\n')
            expect_slice((struct bd_slice){text, 3}, TAME_TABS | TAME_LINES | TAME_COLOURS, tamed);
    }
    expect("a\x7f", TAME_ALL, "a\\x7f");
    expect("a\x7f", TAME_TABS | TAME_LINES | TAME_COLOURS, "a\\x7f");
}

static void test_c1(void **state)
{
    for (unsigned c = 0x80; c < 0xa0; c++) {
        char text[3] = {'\xc2', (char)c, '\0'}, tamed[16];

        snprintf(tamed, sizeof(tamed), "\\xc2\\x%02x", c);
        for (size_t k = 0; k < LENGTH(every); k++)
            expect(text, every[k], tamed);
    }
}

static void test_bytes_that_are_no_utf8(void **state)
{
    static const struct {
        const char *text, *tamed;
    } rows[] = {
        {"\x80", "\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"a\xc3", "a\\xc3"},
        {"\xc3z", "\\xc3z"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xe2\x82z", "\\xe2\\x82z"},
        {"\xc0\x8a", "\\xc0\\x8a"},
        {"\xc1\x9b", "\\xc1\\x9b"},
        {"\xe0\x80\x9b", "\\xe0\\x80\\x9b"},
        {"\xe0\x82\x9b", "\\xe0\\x82\\x9b"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
        {"\xc3\xc3\xbc", "\\xc3\xc3\xbc"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (size_t k = 0; k < LENGTH(every); k++)
            expect(rows[i].text, every[k], rows[i].tamed);
}

static void test_tabs_and_lines(void **state)
{
    expect("a\tb\nc", TAME_ALL, "a\\x09b\\x0ac");
    expect("a\tb\nc", TAME_TABS, "a\tb\\x0ac");
    expect("a\tb\nc", TAME_LINES, "a\\x09b\nc");
    expect("a\tb\nc", TAME_TABS | TAME_LINES, "a\tb\nc");
    expect("a\tb\nc", TAME_COLOURS, "a\\x09b\\x0ac");
    expect("a\r\n", TAME_LINES, "a\\x0d\n");
}

static void test_colours(void **state)
{
    static const char *const rows[] = {
        "\033[m",         "\033[0m",     "\033[1;31m", "a\033[38;2;1;2;3mb\033[0mc",
        "\033[;;m\033[m", "\033[00000m",
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect(rows[i], TAME_COLOURS, rows[i]);
    expect("\033[31m", TAME_ALL, "\\x1b[31m");
    expect("\033[31m", TAME_TABS | TAME_LINES, "\\x1b[31m");
}

static void test_sequences_that_are_no_colours(void **state)
{
    static const struct {
        const char *text, *tamed;
    } rows[] = {
        {"\033", "\\x1b"},
        {"\033[", "\\x1b["},
        {"\033[1", "\\x1b[1"},
        {"\033[1;", "\\x1b[1;"},
        {"\033[2J", "\\x1b[2J"},
        {"\033[1A", "\\x1b[1A"},
        {"\033[?25l", "\\x1b[?25l"},
        {"\033[>4m", "\\x1b[>4m"},
        {"\033[1 m", "\\x1b[1 m"},
        {"\033[1\nm", "\\x1b[1\\x0am"},
        {"\033]0;title\a", "\\x1b]0;title\\x07"},
        {"\033c", "\\x1bc"},
        {"\033\033[1m", "\\x1b\033[1m"},
        {"\033[\033[1m", "\\x1b[\033[1m"},
        {"\xc2\x9b"
         "1m",
         "\\xc2\\x9b1m"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect(rows[i].text, TAME_COLOURS, rows[i].tamed);
}

/* A slice has its end, and not a NUL behind it. */
static void test_end_of_the_slice(void **state)
{
    expect_slice((struct bd_slice){"\033[1m", 3}, TAME_COLOURS, "\\x1b[1");
    expect_slice((struct bd_slice){"\xe2\x82\xac", 2}, TAME_ALL, "\\xe2\\x82");
    expect_slice((struct bd_slice){NULL, 0}, TAME_ALL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_harmless_texts),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_c1),
        cmocka_unit_test(test_bytes_that_are_no_utf8),
        cmocka_unit_test(test_tabs_and_lines),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_sequences_that_are_no_colours),
        cmocka_unit_test(test_end_of_the_slice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
