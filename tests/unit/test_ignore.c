/* ignore.c: which paths a .dockerignore leaves out */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/ignore.c"

static const struct {
    const char *file, *path;
    bool ignored;
} rows[] = {
    {"", "a", false},
    {"a", "a", true},
    {"a", "a/b/c", true},
    {"a", "b/a", false},
    {"a", "ab", false},
    {"/a/", "a/b", true},
    {"./a", "a", true},
    {"a/../b", "b", true},
    {"*.txt", "x.txt", true},
    {"*.txt", "d/x.txt", false},
    {"*/*.txt", "d/x.txt", true},
    {"a?c", "abc", true},
    {"[a-c]x", "bx", true},
    {"**/node_modules", "node_modules", true},
    {"**/node_modules", "function/node_modules/x/y.js", true},
    {"**/node_modules", "function/node_modules_not", false},
    {"a/**", "a/b", true},
    {"a/**/z", "a/z", true},
    {"a/**/z", "a/b/c/z", true},
    {"a/**/z", "b/z", false},
    {"**", "anything", true},
    {"# a", "# a", false},
    {"  a  \r\n", "a", true},
    {"a\n!a/keep", "a/keep", false},
    {"a\n!a/keep", "a/other", true},
    {"!a\na", "a", true},
    {"*\n!b", "b", false},
    {"*\n! b", "b", false},
    {".", "a", false},
    {"/", "a", false},
    {"!", "a", false},
    {"\n\n", "a", false},
    {"a\nb", "b", true},
    {"**/**/**/**/**/**/**/**/x", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/y", false},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bd_arena a;
        struct ignore ignore;

        bd_arena_init(&a);
        ignore_read(&a, bd_slice_of(rows[i].file), &ignore);
        if (ignore_has(&ignore, rows[i].path) != rows[i].ignored)
            fail_msg("%s in \"%s\"", rows[i].path, rows[i].file);
        bd_arena_release(&a);
    }
}

static void test_takes_back(void **state)
{
    struct bd_arena a;
    struct ignore ignore;

    bd_arena_init(&a);
    ignore_read(&a, BD_SLICE("a\nb\n"), &ignore);
    assert_int_equal(ignore.count, 2);
    assert_false(ignore.takes_back);
    ignore_read(&a, BD_SLICE("a\n!a/b\n"), &ignore);
    assert_true(ignore.takes_back);
    bd_arena_release(&a);
}

static void test_too_long(void **state)
{
    struct bd_arena a;
    struct ignore ignore;
    char path[PATH_MAX + 10], deep[2 * STEPS_MAX + 20];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = i % 2 ? '/' : 'd';
    deep[sizeof(deep) - 1] = '\0';
    bd_arena_init(&a);
    ignore_read(&a, bd_slice_of(path), &ignore);
    assert_false(ignore_has(&ignore, path));
    assert_false(ignore_has(&ignore, deep));
    ignore_read(&a, BD_SLICE("d"), &ignore);
    assert_true(ignore_has(&ignore, deep));
    bd_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_takes_back),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
