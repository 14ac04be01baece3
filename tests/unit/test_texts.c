/* texts.c: lists of texts, and names with values */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/texts.c"

#define MANY 1000

static struct bd_arena arena;

static int set_up(void **state)
{
    bd_arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    bd_arena_release(&arena);
    return 0;
}

static struct texts texts_of(const char *const *text)
{
    struct texts t = {0};

    for (; *text; text++)
        texts_add(&arena, &t, *text);
    return t;
}

#define TEXTS(...) texts_of((const char *const[]){__VA_ARGS__, NULL})

static void expect_texts(const struct texts *t, const char *joined)
{
    assert_string_equal(texts_join(&arena, t, ","), joined);
    if (t->text)
        assert_null(t->text[t->count]);
}

/* Across every place where the room doubles; other allocations in between overwrite what is too
 * short. */
static void test_many_texts(void **state)
{
    struct texts t = {0};

    for (size_t i = 0; i < MANY; i++) {
        texts_add(&arena, &t, bd_arena_printf(&arena, "%zu", i));
        memset(bd_arena_alloc(&arena, 16), 0xff, 16);
        assert_int_equal(t.count, i + 1);
        assert_null(t.text[i + 1]);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(t.text[i], bd_arena_printf(&arena, "%zu", i));
}

static void test_texts_are_not_copied(void **state)
{
    char text[] = "a";
    struct texts t = {0};

    texts_add(&arena, &t, text);
    assert_ptr_equal(t.text[0], text);
}

static void test_add_all(void **state)
{
    struct texts t = TEXTS("a", "b"), more = TEXTS("b", "c"), none = {0};

    texts_add_all(&arena, &t, &more);
    texts_add_all(&arena, &t, &none);
    expect_texts(&t, "a,b,b,c");
    texts_add_all(&arena, &none, &more);
    expect_texts(&none, "b,c");
    expect_texts(&more, "b,c");
}

static void test_have(void **state)
{
    struct texts t = TEXTS("a", "bc"), none = {0};

    assert_true(texts_have(&t, "a"));
    assert_true(texts_have(&t, "bc"));
    assert_false(texts_have(&t, "b"));
    assert_false(texts_have(&t, ""));
    assert_false(texts_have(&none, ""));
}

static void test_equal_texts(void **state)
{
    struct texts ab = TEXTS("a", "b"), same = TEXTS("a", "b"), ba = TEXTS("b", "a"), a = TEXTS("a"),
                 none = {0};

    assert_true(texts_are_equal(&ab, &same));
    assert_true(texts_are_equal(&none, &none));
    assert_false(texts_are_equal(&ab, &ba));
    assert_false(texts_are_equal(&ab, &a));
    assert_false(texts_are_equal(&a, &ab));
    assert_false(texts_are_equal(&none, &a));
}

static void test_sort(void **state)
{
    struct texts t = TEXTS("b", "a", "\xc3\xbc", "", "B", "a", "ab", "b", "a"), one = TEXTS("a"),
                 same = TEXTS("a", "a", "a"), none = {0};

    texts_sort(&t);
    expect_texts(&t, ",B,a,ab,b,\xc3\xbc");
    texts_sort(&one);
    expect_texts(&one, "a");
    texts_sort(&same);
    expect_texts(&same, "a");
    texts_sort(&none);
    expect_texts(&none, "");
}

/* Sorting may leave fewer than there is room for. */
static void test_add_after_sort(void **state)
{
    struct texts t = {0};

    for (size_t i = 0; i < MANY; i++)
        texts_add(&arena, &t, i % 2 ? "a" : "b");
    texts_sort(&t);
    for (size_t i = 0; i < 40; i++) {
        texts_add(&arena, &t, "c");
        memset(bd_arena_alloc(&arena, 16), 0xff, 16);
    }
    assert_int_equal(t.count, 42);
    texts_sort(&t);
    expect_texts(&t, "a,b,c");
}

static void test_join(void **state)
{
    struct texts t = TEXTS("a", "", "b"), none = {0};

    assert_string_equal(texts_join(&arena, &t, ", "), "a, , b");
    assert_string_equal(texts_join(&arena, &t, ""), "ab");
    assert_string_equal(texts_join(&arena, &none, ", "), "");
}

static void expect_pairs(const struct pairs *p, const char *rows)
{
    struct texts t = {0};

    for (size_t i = 0; i < p->count; i++)
        texts_add(&arena, &t, bd_arena_printf(&arena, "%s=%s", p->row[i].name, p->row[i].value));
    expect_texts(&t, rows);
}

static void test_set(void **state)
{
    struct pairs p = {0};

    assert_null(pairs_get(&p, "a"));
    pairs_set(&arena, &p, "b", "1");
    pairs_set(&arena, &p, "a", "2");
    pairs_set(&arena, &p, "b", "3");
    pairs_set(&arena, &p, "", "");
    expect_pairs(&p, "b=3,a=2,=");
    assert_string_equal(pairs_get(&p, "b"), "3");
    assert_string_equal(pairs_get(&p, ""), "");
    assert_null(pairs_get(&p, "B"));
}

static void test_add_keeps_all(void **state)
{
    struct pairs p = {0};

    pairs_add(&arena, &p, "a", "1");
    pairs_add(&arena, &p, "b", "2");
    pairs_add(&arena, &p, "a", "3");
    expect_pairs(&p, "a=1,b=2,a=3");
    assert_string_equal(pairs_get(&p, "a"), "1");
    pairs_set(&arena, &p, "a", "4");
    expect_pairs(&p, "a=4,b=2,a=3");
}

static void test_many_pairs(void **state)
{
    struct pairs p = {0};

    for (size_t i = 0; i < MANY; i++) {
        const char *text = bd_arena_printf(&arena, "%zu", i);

        pairs_set(&arena, &p, text, text);
        memset(bd_arena_alloc(&arena, 16), 0xff, 16);
    }
    assert_int_equal(p.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(pairs_get(&p, p.row[i].name), p.row[i].value);
}

static void test_set_all(void **state)
{
    struct pairs p = {0}, more = {0}, none = {0};

    pairs_set(&arena, &p, "a", "1");
    pairs_set(&arena, &p, "b", "2");
    pairs_set(&arena, &more, "c", "3");
    pairs_set(&arena, &more, "a", "4");
    pairs_set_all(&arena, &p, &more);
    pairs_set_all(&arena, &p, &none);
    expect_pairs(&p, "a=4,b=2,c=3");
    expect_pairs(&more, "c=3,a=4");
}

static void test_equal_pairs(void **state)
{
    struct pairs p = {0}, q = {0};

    assert_true(pairs_are_equal(&p, &q));
    pairs_set(&arena, &p, "a", "1");
    assert_false(pairs_are_equal(&p, &q));
    assert_false(pairs_are_equal(&q, &p));
    pairs_set(&arena, &q, "a", "2");
    assert_false(pairs_are_equal(&p, &q));
    pairs_set(&arena, &q, "a", "1");
    assert_true(pairs_are_equal(&p, &q));
    pairs_set(&arena, &p, "b", "2");
    pairs_set(&arena, &q, "c", "2");
    assert_false(pairs_are_equal(&p, &q));
}

static void test_sort_pairs(void **state)
{
    struct pairs p = {0}, none = {0};

    pairs_set(&arena, &p, "b", "1");
    pairs_set(&arena, &p, "B", "3");
    pairs_set(&arena, &p, "a", "2");
    pairs_sort(&p);
    expect_pairs(&p, "B=3,a=2,b=1");
    pairs_sort(&none);
    expect_pairs(&none, "");
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_many_texts), IN_ARENA(test_texts_are_not_copied), IN_ARENA(test_add_all),
        IN_ARENA(test_have),       IN_ARENA(test_equal_texts),          IN_ARENA(test_equal_pairs),
        IN_ARENA(test_sort),       IN_ARENA(test_add_after_sort),       IN_ARENA(test_join),
        IN_ARENA(test_set),        IN_ARENA(test_add_keeps_all),        IN_ARENA(test_many_pairs),
        IN_ARENA(test_set_all),    IN_ARENA(test_sort_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
