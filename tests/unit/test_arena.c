/* arena.c and error.c: memory by bumping a pointer; sentences */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../watchdog/base/arena.c"
#include "../../watchdog/base/error.c"

static size_t chunks(const struct bd_arena *a)
{
    size_t n = 0;

    for (const struct bd_arena_chunk *c = a->chunk; c; c = c->next)
        n++;
    return n;
}

static void test_unused_holds_nothing(void **state)
{
    struct bd_arena a;

    bd_arena_init(&a);
    assert_null(a.chunk);
    bd_arena_clear(&a);
    assert_null(a.chunk);
    bd_arena_release(&a);
}

static void test_aligned_and_apart(void **state)
{
    struct bd_arena a;
    char *p[200];

    bd_arena_init(&a);
    for (size_t i = 0; i < 200; i++) {
        p[i] = bd_arena_alloc(&a, i);
        assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal((unsigned char)p[i][k], i);
    assert_true(chunks(&a) > 1);
    bd_arena_release(&a);
    assert_null(a.chunk);
}

static void test_clear_keeps_one_usual_chunk(void **state)
{
    struct bd_arena a;
    void *first;

    bd_arena_init(&a);
    first = bd_arena_alloc(&a, 100);
    for (int i = 0; i < 100; i++)
        bd_arena_alloc(&a, 1000);
    bd_arena_alloc(&a, 1 << 20);
    bd_arena_clear(&a);
    assert_int_equal(chunks(&a), 1);
    assert_int_equal(a.chunk->bytes, USUAL_BYTES);

    first = bd_arena_alloc(&a, 100);
    bd_arena_clear(&a);
    assert_ptr_equal(bd_arena_alloc(&a, 100), first);
    bd_arena_release(&a);
}

static void test_big_request_leaves_the_rest_of_the_chunk_in_use(void **state)
{
    struct bd_arena a;
    char *before, *at;

    bd_arena_init(&a);
    before = bd_arena_alloc(&a, 1);
    at = a.at;
    memset(bd_arena_alloc(&a, 1 << 20), 'x', 1 << 20);
    assert_ptr_equal(bd_arena_alloc(&a, 1), at);
    assert_true(at > before);
    assert_int_equal(chunks(&a), 2);
    bd_arena_release(&a);
}

static void test_big_request_may_come_first(void **state)
{
    struct bd_arena a;

    bd_arena_init(&a);
    memset(bd_arena_alloc(&a, 100000), 'x', 100000);
    memset(bd_arena_alloc(&a, 10), 'x', 10);
    assert_int_equal(chunks(&a), 2);
    bd_arena_clear(&a);
    assert_int_equal(chunks(&a), 1);
    bd_arena_release(&a);

    bd_arena_alloc(&a, 100000);
    bd_arena_clear(&a);
    assert_null(a.chunk);
}

static void test_copy(void **state)
{
    struct bd_arena a;
    struct bd_slice s = BD_SLICE("a\0b");
    char *copy;

    bd_arena_init(&a);
    copy = bd_arena_copy(&a, s);
    assert_memory_equal(copy, "a\0b", 4);
    assert_true(copy != s.p);
    assert_string_equal(bd_arena_copy(&a, (struct bd_slice){NULL, 0}), "");
    bd_arena_release(&a);
}

static void test_printf(void **state)
{
    struct bd_arena a;
    char *text;

    bd_arena_init(&a);
    assert_string_equal(bd_arena_printf(&a, "%d-%s", 42, "x"), "42-x");
    assert_string_equal(bd_arena_printf(&a, "%s", ""), "");
    text = bd_arena_printf(&a, "%*d", 10000, 7);
    assert_int_equal(strlen(text), 10000);
    assert_int_equal(text[9999], '7');
    bd_arena_release(&a);
}

#if GAP_BYTES
static void test_free_bytes_are_poisoned(void **state)
{
    struct bd_arena a;
    char *p;

    bd_arena_init(&a);
    p = bd_arena_alloc(&a, 5);
    assert_false(__asan_address_is_poisoned(p + 4));
    assert_true(__asan_address_is_poisoned(p + 5));
    assert_true(__asan_address_is_poisoned(a.at));
    bd_arena_clear(&a);
    assert_true(__asan_address_is_poisoned(p));
    bd_arena_release(&a);
}
#endif

static void test_fail(void **state)
{
    struct bd_error err;
    char big[1000];

    assert_int_equal(bd_fail(&err, "cannot open %s: %d", "x", 3), -1);
    assert_string_equal(err.text, "cannot open x: 3");

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(bd_fail(&err, "%s", big), -1);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unused_holds_nothing),
        cmocka_unit_test(test_aligned_and_apart),
        cmocka_unit_test(test_clear_keeps_one_usual_chunk),
        cmocka_unit_test(test_big_request_leaves_the_rest_of_the_chunk_in_use),
        cmocka_unit_test(test_big_request_may_come_first),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_printf),
#if GAP_BYTES
        cmocka_unit_test(test_free_bytes_are_poisoned),
#endif
        cmocka_unit_test(test_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
