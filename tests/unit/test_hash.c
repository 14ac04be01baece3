/* hash.c: the published vectors of SipHash-2-4, upper and lower case, and the key */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../watchdog/base/hash.c"

/* The key and the messages of the paper: 00 01 02 ... */
static void use_key(void)
{
    key[0] = UINT64_C(0x0706050403020100);
    key[1] = UINT64_C(0x0f0e0d0c0b0a0908);
}

static void test_vectors(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } row[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, /* the one in the paper's appendix */
    };
    char message[16];

    use_key();
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        assert_true(bd_hash((struct bd_slice){message, row[i].len}) == row[i].hash);
}

static void test_case(void **state)
{
    use_key();
    assert_true(bd_ihash(BD_SLICE("Content-Type")) == bd_ihash(BD_SLICE("content-tYPE")));
    assert_true(bd_ihash(BD_SLICE("content-type")) == bd_hash(BD_SLICE("content-type")));
    assert_true(bd_hash(BD_SLICE("Content-Type")) != bd_hash(BD_SLICE("content-type")));
    assert_true(bd_ihash(BD_SLICE("[")) != bd_ihash(BD_SLICE("{"))); /* no letters */
}

static void test_key_is_drawn(void **state)
{
    uint64_t before;

    use_key();
    before = bd_hash(BD_SLICE("x"));
    bd_hash_init();
    assert_true(key[0] != UINT64_C(0x0706050403020100) || key[1] != UINT64_C(0x0f0e0d0c0b0a0908));
    assert_true(bd_hash(BD_SLICE("x")) != before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_key_is_drawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
