/*
 * body.c: a request's body, in one piece, in two cut at every byte, and byte by byte. The bytes lie
 * in memory of their own for each call, as large as what is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../watchdog/http/body.c"
#include "http/head.h"

static struct {
    struct bd_arena arena;
    struct bd_request req;
    struct head head;
    struct body body;
    enum body_result result;
    char bytes[100000]; /* of the body, as far as it was given */
    size_t len;
    size_t used; /* of the input */
} got;

/* As if its head had just been read. */
static void begin(const char *framing)
{
    char head[128];
    size_t len =
        (size_t)snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", framing);

    bd_arena_release(&got.arena);
    bd_arena_init(&got.arena);
    head_init(&got.head, &got.arena, &got.req);
    assert_int_equal(head_feed(&got.head, head, len), HEAD_COMPLETE);
    body_init(&got.body, &got.head.msg, got.req.content_length);
    got.len = got.used = 0;
    got.result = BODY_MORE;
}

static void feed(const char *bytes, size_t len)
{
    char *buf = malloc(len);
    struct bd_slice piece;
    size_t used;

    assert_non_null(buf);
    memcpy(buf, bytes, len);
    got.result = body_feed(&got.body, buf, len, &piece, &used);
    assert_true(used <= len);
    got.used += used;
    assert_true(piece.len == 0 || (piece.p == buf && piece.len <= used));
    if (piece.len > 0)
        memcpy(got.bytes + got.len, piece.p, piece.len);
    got.len += piece.len;
    assert_int_equal(body_complete(&got.body), got.result == BODY_COMPLETE);
    if (got.result == BODY_MORE)
        assert_int_equal(used, len);
    free(buf);
}

/* `cut`: bytes in the first piece; 0: each byte is a piece. */
static void feed_cut(const char *framing, const char *text, size_t len, size_t cut)
{
    begin(framing);
    for (size_t at = 0; at < len && got.result == BODY_MORE;) {
        size_t n = cut == 0 ? 1 : at == 0 && cut < len ? cut : len - at;

        feed(text + at, n);
        at += n;
    }
}

static void check_bytes(const char *framing, const char *text, size_t len, const char *body,
                        size_t behind)
{
    for (size_t cut = 0; cut <= len; cut++) {
        feed_cut(framing, text, len, cut);
        if (got.result != BODY_COMPLETE)
            fail_msg("result %d (%s), cut at %zu: %s", (int)got.result,
                     got.body.error ? got.body.error : "", cut, text);
        assert_int_equal(got.len, strlen(body));
        assert_memory_equal(got.bytes, body, got.len);
        assert_true(got.used == len - behind || (cut != len && got.used <= len));
        if (cut == len)
            assert_int_equal(got.used, len - behind);
    }
}

static void check(const char *framing, const char *text, const char *body)
{
    check_bytes(framing, text, strlen(text), body, 0);
}

#define CHUNKED "Transfer-Encoding: chunked"

/* Good bytes before the bad one are given. */
static void check_malformed(const char *text, const char *body)
{
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        feed_cut(CHUNKED, text, strlen(text), cut);
        if (got.result != BODY_BAD || !got.body.error)
            fail_msg("result %d, cut at %zu: %s", (int)got.result, cut, text);
        assert_int_equal(got.len, strlen(body));
        assert_memory_equal(got.bytes, body, got.len);
    }
}

static void test_content_length(void **state)
{
    check("Content-Length: 5", "hello", "hello");
    check("Content-Length: 1", "h", "h");
    check_bytes("Content-Length: 5", "helloGET / HTTP", 15, "hello", 10);
    feed_cut("Content-Length: 5", "hell", 4, 4);
    assert_int_equal(got.result, BODY_MORE);
    assert_int_equal(got.len, 4);
}

static void test_no_body(void **state)
{
    begin("X: y");
    assert_true(body_complete(&got.body));
    begin("Content-Length: 0");
    assert_true(body_complete(&got.body));
}

/* Counting goes beyond what a size_t of any kind could go wrong with. */
static void test_huge_length(void **state)
{
    begin("Content-Length: 9223372036854775807");
    feed("hello", 5);
    assert_int_equal(got.result, BODY_MORE);
    assert_true(got.body.left == INT64_MAX - 5);
}

static void test_chunks(void **state)
{
    check(CHUNKED, "0\r\n\r\n", "");
    check(CHUNKED, "5\r\nhello\r\n0\r\n\r\n", "hello");
    check(CHUNKED, "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n", "hello");
    check(CHUNKED, "a\r\n0123456789\r\nB\r\nabcdefghijk\r\n000\r\n\r\n", "0123456789abcdefghijk");
    check(CHUNKED, "00000000000000005\r\nhello\r\n0\r\n\r\n", "hello");
    check(CHUNKED, "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n");
}

static void test_extensions(void **state)
{
    check(CHUNKED, "5;a\r\nhello\r\n0\r\n\r\n", "hello");
    check(CHUNKED, "5;a=b\r\nhello\r\n0;x\r\n\r\n", "hello");
    check(CHUNKED, "5;a=\"q \\\" ;\";b=c\r\nhello\r\n0\r\n\r\n", "hello");
}

static void test_trailers(void **state)
{
    check(CHUNKED, "5\r\nhello\r\n0\r\nA: b\r\n\r\n", "hello");
    check(CHUNKED, "5\r\nhello\r\n0\r\nA: b\r\nB:\r\nHost: x\r\nConnection: close\r\n\r\n",
          "hello");
    check_malformed("0\r\nContent-Length: 7\r\n\r\n", ""); /* RFC 9110, 6.5.1 */
    begin(CHUNKED);
    feed("2\r\nab\r\n0\r\nA: b\r\nC: d\r\n\r\n", 24);
    assert_int_equal(got.result, BODY_COMPLETE);
    assert_int_equal(got.req.fields, 2); /* those of the head */
    assert_true(got.req.chunked);
}

static void test_bytes_behind(void **state)
{
    check_bytes(CHUNKED, "5\r\nhello\r\n0\r\n\r\nGET /", 20, "hello", 5);
    check_bytes(CHUNKED, "0\r\n\r\n\r\n0\r\n\r\n", 12, "", 7);
}

static void test_binary(void **state)
{
    static const char text[] = "6\r\n\0\r\n\xff\x80\0\r\n2\r\n\0\0\r\n0\r\n\r\n";

    for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
        feed_cut(CHUNKED, text, sizeof(text) - 1, cut);
        assert_int_equal(got.result, BODY_COMPLETE);
        assert_int_equal(got.len, 8);
        assert_memory_equal(got.bytes, "\0\r\n\xff\x80\0\0\0", 8);
    }
}

/* Many chunks of many sizes, in pieces of many sizes. */
static void test_much(void **state)
{
    static char text[200000], body[100000];
    size_t len = 0, n = 0;

    for (size_t size = 1; n + size < 60000; size = size * 5 / 3 % 4099 + 1) {
        len += (size_t)snprintf(text + len, 32, size % 2 ? "%zx\r\n" : "%zX;e\r\n", size);
        for (size_t i = 0; i < size; i++)
            text[len++] = body[n + i] = (char)((n + i) * 7 + n / 251);
        n += size;
        memcpy(text + len, "\r\n", 2);
        len += 2;
    }
    memcpy(text + len, "0\r\n\r\n", 5);
    len += 5;
    for (size_t piece = 1; piece < 70000; piece = piece * 3 / 2 + 1) {
        begin(CHUNKED);
        for (size_t at = 0; at < len; at += piece)
            feed(text + at, piece < len - at ? piece : len - at);
        assert_int_equal(got.result, BODY_COMPLETE);
        assert_int_equal(got.len, n);
        assert_memory_equal(got.bytes, body, n);
    }
}

/* The text is for the client. */
static void check_bad(const char *text, const char *error, const char *body)
{
    size_t len = strlen(text);

    for (size_t cut = 0; cut <= len; cut++) {
        feed_cut(CHUNKED, text, len, cut);
        if (got.result != BODY_BAD || strcmp(got.body.error, error) != 0)
            fail_msg("result %d (%s) instead of %s, cut at %zu: %s", (int)got.result,
                     got.body.error ? got.body.error : "", error, cut, text);
        assert_int_equal(got.len, strlen(body));
        assert_memory_equal(got.bytes, body, got.len);
    }
}

static void test_bad_size(void **state)
{
    static const char error[] = "invalid byte in chunk length";

    check_bad("z\r\n", error, "");
    check_bad("\r\n", error, "");
    check_bad("-1\r\n", error, "");
    check_bad("+1\r\n", error, "");
    check_bad(" 1\r\n", error, "");
    check_bad("0x1\r\n", error, "");
    check_bad("1g\r\n", error, "");
    check_bad(";a\r\n", error, "");
    check_bad("2\r\nab\r\n!", error, "ab");
}

static void test_too_large_size(void **state)
{
    static const char error[] = "http chunk length too large";

    check_bad("10000000000000000\r\n", error, "");
    check_bad("fffffffffffffffff\r\n", error, "");
}

/* Line ends that some parsers take for others. */
static void test_bare_line_ends(void **state)
{
    check_bad("1\nh", "chunked line ends with bare LF", "");
    check_bad("1\r\nh\n", "chunked line ends with bare LF", "h");
    check_bad("1;a\nh", "chunked line ends with bare LF", "");
    check_bad("1\rh", "malformed chunked encoding", "");
    check_bad("1\r\r\nh", "malformed chunked encoding", "");
}

static void test_malformed(void **state)
{
    check_malformed("1\r\nhe", "h");
    check_malformed("2\r\nhello\r\n", "he");
    check_malformed("1;\x01\r\n", "");
    check_malformed("0\r\nA b\r\n\r\n", "");
    check_malformed("0\r\n: b\r\n\r\n", "");
    check_malformed("0\r\nA: \x01\r\n\r\n", "");
    check_malformed("0\r\nA: b\r\n folded\r\n\r\n", "");
    check_malformed("0\r\nA: b\n\r\n", "");
    check_malformed("0\r\n\n", "");
}

/* A length that a signed 64-bit number does not hold would be negative where it is counted. */
static void test_enormous_chunk(void **state)
{
    begin(CHUNKED);
    feed("7fffffffffffffff\r\nab", 20);
    assert_int_equal(got.result, BODY_MORE);
    assert_int_equal(got.len, 2);
}

static void test_short(void **state)
{
    static const char text[] = "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n";

    for (size_t len = 1; len < sizeof(text) - 1; len++) {
        feed_cut(CHUNKED, text, len, len / 2);
        assert_int_equal(got.result, BODY_MORE);
    }
}

static int tear_down(void **state)
{
    bd_arena_release(&got.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_length), cmocka_unit_test(test_no_body),
        cmocka_unit_test(test_huge_length),    cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_extensions),     cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_bytes_behind),   cmocka_unit_test(test_binary),
        cmocka_unit_test(test_much),           cmocka_unit_test(test_bad_size),
        cmocka_unit_test(test_too_large_size), cmocka_unit_test(test_bare_line_ends),
        cmocka_unit_test(test_malformed),      cmocka_unit_test(test_enormous_chunk),
        cmocka_unit_test(test_short),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
