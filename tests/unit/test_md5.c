/* md5.c: the vectors of RFC 1321, and texts around the size of a block */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/md5.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static void expect(struct bd_slice text, size_t piece, const char *hex)
{
    struct md5 m;
    char got[33];

    md5_init(&m);
    for (size_t i = 0; i < text.len; i += piece)
        md5_add(&m, (struct bd_slice){text.p + i, text.len - i < piece ? text.len - i : piece});
    md5_hex(&m, got);
    assert_string_equal(got, hex);
}

/* RFC 1321, A.5. */
static void test_vectors(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (size_t piece = 1; piece <= 81; piece++)
            expect(bd_slice_of(rows[i].text), piece, rows[i].hex);
}

/* Where the length still fits into the last block, and where it needs one more. */
static void test_around_a_block(void **state)
{
    static const struct {
        size_t len;
        const char *hex;
    } rows[] = {
        {55, "ef1772b6dff9a122358552954ad0df65"},  {56, "3b0c8ac703f828b04c6c197006d17218"},
        {57, "652b906d60af96844ebd21b674f35e93"},  {63, "b06521f39153d618550606be297466d5"},
        {64, "014842d480b571495a4a0363793f7367"},  {65, "c743a45e0d2e6a95cb859adae0248435"},
        {119, "8a7bd0732ed6a28ce75f6dabc90e1613"}, {120, "5f61c0ccad4cac44c75ff505e1f1e537"},
        {128, "e510683b3f5ffe4093d021808bc6ff70"},
    };
    char text[128];

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect((struct bd_slice){text, rows[i].len}, 7, rows[i].hex);
}

static void test_bytes_of_every_value(void **state)
{
    char text[256];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    expect((struct bd_slice){text, sizeof(text)}, 256, "e2c865db4162bed963bfaa9ef6ac18f0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_around_a_block),
        cmocka_unit_test(test_bytes_of_every_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
