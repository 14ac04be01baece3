/* match.c: which names are chosen, which are valid, which was meant */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/match.c"

#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static void test_filter(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "a", true},
        {"**", "a", true},
        {"a*", "a", true},
        {"a*", "abc", true},
        {"a*", "ba", false},
        {"*a", "a", true},
        {"*a", "cba", true},
        {"*a", "ab", false},
        {"a*a", "a", false}, /* an `a` cannot be both ends */
        {"a*a", "aa", true},
        {"ab*bc", "abc", false},
        {"ab*bc", "abbc", true},
        {"*b*", "abc", true},
        {"*d*", "abc", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "a--b--c", true},
        {"a*b*c", "acb", false},
        {"a*bc*c", "abcbc", true},
        {"*ab*ab*", "ab-ab", true},
        {"*ab*ab*", "abab", true},
        {"*ab*ba*", "aba", false},
        {"*aab", "aaab", true},
        {"fn-*-v?", "fn-a-v1", false}, /* only `*` is special */
        {"fn-*-v?", "fn-a-v?", true},
        {"[a]", "a", false},
        {"[a]*", "[a]b", true},
        {"a.c", "abc", false},
        {"\\*", "*", false},
        {"A*", "abc", false},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        if (match_filter(rows[i].pattern, rows[i].name) != rows[i].matches)
            fail_msg("\"%s\" and \"%s\"", rows[i].pattern, rows[i].name);
}

/* With backtracking this would not end in a lifetime. */
static void test_filter_does_not_backtrack(void **state)
{
    const size_t len = 100000;
    char *pattern = malloc(2 * len + 2), *name = malloc(len + 1);

    assert_non_null(pattern);
    assert_non_null(name);
    memset(name, 'a', len);
    name[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        pattern[2 * i] = '*';
        pattern[2 * i + 1] = 'a';
    }
    pattern[2 * len] = '\0';
    assert_true(match_filter(pattern, name));
    memcpy(pattern + 2 * len, "b", 2);
    assert_false(match_filter(pattern, name));
    free(pattern);
    free(name);
}

static void test_valid_names(void **state)
{
    static const char *const valid[] = {
        "a",
        "0",
        "a-b",
        "fn1",
        "1fn",
        "a--b",
        "0-0",
        "thumb-nail-2",
        "a23456789012345678901234567890123456789012345678901234567890123",
    };
    static const char *const invalid[] = {
        "",    "-",  "-a",       "a-",
        "A",   "aB", "a_b",      "a.b",
        "a b", " a", "a ",       "a\n",
        "a/b", "..", "\xc3\xa4", "a234567890123456789012345678901234567890123456789012345678901234",
    };

    for (size_t i = 0; i < LENGTH(valid); i++)
        if (!name_is_valid(valid[i]))
            fail_msg("\"%s\" is refused", valid[i]);
    for (size_t i = 0; i < LENGTH(invalid); i++)
        if (name_is_valid(invalid[i]))
            fail_msg("\"%s\" is accepted", invalid[i]);
}

static void test_edit_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},
        {"abc", "abc", 0},
        {"", "abc", 3},
        {"abc", "abcd", 1},
        {"abc", "xabc", 1},
        {"abc", "axc", 1},
        {"abc", "acb", 1},
        {"abc", "bac", 1},
        {"abc", "cba", 2},
        {"ab", "bca", 3}, /* nothing goes between swapped neighbours */
        {"kitten", "sitting", 3},
        {"environment", "enviroment", 1},
        {"environment", "enviornment", 1},
        {"deploy", "DEPLOY", 6},
        {"abc", "xyz", 3},
        {"abcd", "badc", 2},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        size_t there = edit_distance(rows[i].a, rows[i].b);
        size_t back = edit_distance(rows[i].b, rows[i].a);

        if (there != rows[i].distance || back != there)
            fail_msg("\"%s\" and \"%s\": %zu, %zu", rows[i].a, rows[i].b, there, back);
    }
}

static void test_edit_distance_of_long_texts(void **state)
{
    char a[66], b[66];

    memset(a, 'a', 64);
    memset(b, 'a', 64);
    a[64] = b[64] = '\0';
    b[63] = 'b';
    assert_int_equal(edit_distance(a, b), 1);
    memset(b, 'b', 64);
    assert_int_equal(edit_distance(a, b), 64);

    memcpy(a + 64, "a", 2);
    assert_int_equal(edit_distance(a, a), 0);
    assert_int_equal(edit_distance(a, b), 65);
    assert_int_equal(edit_distance("a", a), 65);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"build", "push", "deploy", "new",
                                        "up",    "list", "lost",   NULL};
    static const struct {
        const char *word, *meant;
    } rows[] = {
        {"build", "build"},   {"biuld", "build"},  {"bild", "build"},
        {"deplyo", "deploy"}, {"dploi", "deploy"}, {"depl", "deploy"},
        {"dep", NULL}, /* 3 away */
        {"pu", NULL},  /* half of it is wrong */
        {"ups", "up"},        {"nw", "new"},       {"wen", NULL},
        {"lst", "list"}, /* the first of two */
        {"lust", "list"},     {"losst", "lost"},   {"", NULL},
        {"x", NULL},          {"publish", NULL},
    };
    static const char *const none[] = {NULL};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *found = nearest(rows[i].word, words);

        if (!found != !rows[i].meant || (found && strcmp(found, rows[i].meant) != 0))
            fail_msg("\"%s\" gave %s", rows[i].word, found ? found : "nothing");
    }
    assert_null(nearest("build", none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_filter_does_not_backtrack),
        cmocka_unit_test(test_valid_names),
        cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_edit_distance_of_long_texts),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
