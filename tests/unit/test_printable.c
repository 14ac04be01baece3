/* printable.c: bytes of strangers in a log line */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../watchdog/base/printable.c"

static void test_clean_is_returned_itself(void **state)
{
    struct bd_arena a;
    struct bd_slice s = BD_SLICE(" ~/path?a=\"b\"\\"), none = {NULL, 0};

    bd_arena_init(&a);
    assert_ptr_equal(bd_printable(&a, s).p, s.p);
    assert_int_equal(bd_printable(&a, s).len, s.len);
    assert_int_equal(bd_printable(&a, none).len, 0);
    assert_null(a.chunk);
    bd_arena_release(&a);
}

static void test_every_other_byte_is_escaped(void **state)
{
    struct bd_arena a;
    char expected[5];

    bd_arena_init(&a);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        struct bd_slice s = bd_printable(&a, (struct bd_slice){&byte, 1});

        snprintf(expected, sizeof(expected), c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
        assert_int_equal(s.len, strlen(expected));
        assert_memory_equal(s.p, expected, s.len);
    }
    bd_arena_release(&a);
}

static void test_forged_line(void **state)
{
    struct bd_arena a;
    struct bd_slice s;

    bd_arena_init(&a);
    s = bd_printable(&a, BD_SLICE("/a\nFAKE\x1b[31m\xc3\xa9\0"));
    assert_string_equal(bd_arena_copy(&a, s), "/a\\x0aFAKE\\x1b[31m\\xc3\\xa9\\x00");
    bd_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_is_returned_itself),
        cmocka_unit_test(test_every_other_byte_is_escaped),
        cmocka_unit_test(test_forged_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
