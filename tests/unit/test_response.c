/*
 * response.c and message.c: the head of an answer. Everything is fed whole, cut in two at every
 * byte, byte by byte, and byte by byte in a buffer that moves each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../watchdog/http/response.c"

enum feeding { WHOLE, BY_BYTE, MOVED };

static struct {
    struct bd_arena arena;
    struct response r;
    char *buf; /* exactly as large as what is in it */
    enum response_result result;
} got;

static void forget(void)
{
    free(got.buf);
    got.buf = NULL;
    bd_arena_release(&got.arena);
}

/* The first `n` bytes in memory of their own, so that a slice of the old one is seen. */
static void put(const char *bytes, size_t n, size_t before)
{
    char *to = malloc(n + (n == 0));

    assert_non_null(to);
    memcpy(to, bytes, n);
    if (got.buf)
        message_moved(&got.r.msg, got.buf, before, to);
    free(got.buf);
    got.buf = to;
}

static void begin(bool to_head, size_t at)
{
    forget();
    bd_arena_init(&got.arena);
    response_init(&got.r, &got.arena, to_head, at);
    got.result = RESPONSE_MORE;
}

static enum response_result feed(const char *bytes, size_t len, enum feeding how, bool to_head)
{
    begin(to_head, 0);
    if (how != MOVED)
        put(bytes, len, 0);
    for (size_t n = how == WHOLE ? len : 1; n <= len && got.result == RESPONSE_MORE; n++) {
        if (how == MOVED)
            put(bytes, n, n - 1);
        got.result = response_feed(&got.r, got.buf, n);
    }
    return got.result;
}

/* In two pieces, in a buffer that moves between them. */
static enum response_result feed_cut(const char *bytes, size_t len, size_t cut)
{
    begin(false, 0);
    put(bytes, cut, 0);
    got.result = response_feed(&got.r, got.buf, cut);
    if (got.result == RESPONSE_MORE) {
        put(bytes, len, cut);
        got.result = response_feed(&got.r, got.buf, len);
    }
    return got.result;
}

static void assert_slice(struct bd_slice s, const char *text)
{
    if (!bd_slice_eq(s, bd_slice_of(text)))
        fail_msg("\"%.*s\" instead of \"%s\"", (int)s.len, s.p, text);
}

static void assert_field(size_t i, const char *name, const char *value)
{
    assert_true(i < got.r.pub.fields);
    assert_slice(got.r.pub.field[i].name, name);
    assert_slice(got.r.pub.field[i].value, value);
}

/* Good ones */

struct good {
    const char *text;
    int status;
    const char *reason;
    int64_t declared, body;
    bool keep_alive;
    bool to_head;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define OLD "HTTP/1.0 200 OK\r\n"
#define CHUNKS "Transfer-Encoding: chunked\r\n"
#define CLOSE BD_BODY_UNTIL_CLOSE
#define CHUNKED BD_BODY_CHUNKED

static const struct good good[] = {
    {OK "Content-Length: 5\r\n\r\n", 200, "OK", 5, 5, true, false},
    {OK "Content-Length: 0\r\n\r\n", 200, "OK", 0, 0, true, false},
    {OK "content-LENGTH:007\r\n\r\n", 200, "OK", 7, 7, true, false},
    {OK "Content-Length: 9223372036854775807\r\n\r\n", 200, "OK", INT64_MAX, INT64_MAX, true,
     false},
    {OK CHUNKS "\r\n", 200, "OK", -1, CHUNKED, true, false},
    {OK "transfer-encoding: CHUNKED \r\n\r\n", 200, "OK", -1, CHUNKED, true, false},
    {OK "\r\n", 200, "OK", -1, CLOSE, false, false},
    {OK "Connection: keep-alive\r\n\r\n", 200, "OK", -1, CLOSE, false, false},
    {OK "Connection: close\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, 5, false, false},
    {OK "Connection: x, Close\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, 5, false, false},
    {OK "Connection: x\r\nConnection: close\r\n" CHUNKS "\r\n", 200, "OK", -1, CHUNKED, false,
     false},
    {OK "Connection: keep-alive, close\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, 5, false,
     false},
    {OLD "Content-Length: 5\r\n\r\n", 200, "OK", 5, 5, false, false},
    {OLD "Connection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, 5, true, false},
    {OLD "Connection: Keep-Alive\r\n\r\n", 200, "OK", -1, CLOSE, false, false},
    {OLD "\r\n", 200, "OK", -1, CLOSE, false, false},

    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", 200, "", 1, 1, true, false},
    {"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", 200, "", 1, 1, true, false},
    {"HTTP/1.1 404 Not  Found!\xc3\xa9\t\r\n\r\n", 404, "Not  Found!\xc3\xa9\t", -1, CLOSE, false,
     false},
    {"HTTP/1.1 999 What\r\nContent-Length: 1\r\n\r\n", 999, "What", 1, 1, true, false},
    {"HTTP/1.1 600 \r\nContent-Length: 1\r\n\r\n", 600, "", 1, 1, true, false},

    {"HTTP/1.1 100 Continue\r\n\r\n", 100, "Continue", -1, 0, true, false},
    {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 101,
     "Switching Protocols", -1, 0, true, false},
    {"HTTP/1.1 103 \r\nLink: x\r\n\r\n", 103, "", -1, 0, true, false},
    {"HTTP/1.1 199 \r\nContent-Length: 5\r\n\r\n", 199, "", 5, 0, true, false},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, "No Content", -1, 0, true, false},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "No Content", 5, 0, true, false},
    {"HTTP/1.1 204 \r\n" CHUNKS "\r\n", 204, "", -1, 0, true, false},
    {"HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", 304, "", 5, 0, true, false},
    {"HTTP/1.1 304 \r\nConnection: close\r\n\r\n", 304, "", -1, 0, false, false},
    {"HTTP/1.1 205 \r\nContent-Length: 0\r\n\r\n", 205, "", 0, 0, true, false},
    {OK "Content-Length: 5\r\n\r\n", 200, "OK", 5, 0, true, true},
    {OK CHUNKS "\r\n", 200, "OK", -1, 0, true, true},
    {OK "\r\n", 200, "OK", -1, 0, true, true},
    {OLD "\r\n", 200, "OK", -1, 0, false, true},
};

static void check_good(const struct good *g)
{
    const struct bd_response *pub = &got.r.pub;

    if (got.result != RESPONSE_COMPLETE)
        fail_msg("%d (%s) for %s", (int)got.result, got.r.error ? got.r.error : "", g->text);
    assert_int_equal(got.r.at, strlen(g->text));
    assert_int_equal(pub->status, g->status);
    assert_slice(pub->reason, g->reason);
    if (pub->declared != g->declared || pub->body != g->body || got.r.keep_alive != g->keep_alive)
        fail_msg("declared %lld, body %lld, keep alive %d: %s", (long long)pub->declared,
                 (long long)pub->body, got.r.keep_alive, g->text);
}

static void test_good(void **state)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        size_t len = strlen(good[i].text);

        for (enum feeding how = WHOLE; how <= MOVED; how++) {
            feed(good[i].text, len, how, good[i].to_head);
            check_good(&good[i]);
        }
        for (size_t cut = 1; cut < len && !good[i].to_head; cut++) {
            feed_cut(good[i].text, len, cut);
            check_good(&good[i]);
        }
    }
}

static void test_fields(void **state)
{
    static const char text[] = OK "Set-Cookie: a=b; c\r\nSet-Cookie:d\r\nX:\r\nY: \t \r\n"
                                  "Z: \t a  b\t \r\nX-~!#$%&'*+.^_`|0: \xff\"\r\n\r\n";

    for (enum feeding how = WHOLE; how <= MOVED; how++) {
        assert_int_equal(feed(text, sizeof(text) - 1, how, false), RESPONSE_COMPLETE);
        assert_int_equal(got.r.pub.fields, 6);
        assert_field(0, "Set-Cookie", "a=b; c");
        assert_field(1, "Set-Cookie", "d");
        assert_field(2, "X", "");
        assert_field(3, "Y", "");
        assert_field(4, "Z", "a  b");
        assert_field(5, "X-~!#$%&'*+.^_`|0", "\xff\"");
    }
}

/* Bad ones */

static const char *const bad[] = {
    " " OK "\r\n",
    "x" OK "\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1\t200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 -20 OK\r\n\r\n",
    "HTTP/1.1 000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 OK\r\n\r\n",
    "HTTP/1.2 200 OK\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/0.9 200 OK\r\n\r\n",
    "HTTP/1 200 OK\r\n\r\n",
    "HTTP/11.1 200 OK\r\n\r\n",
    "HTTP/1.10 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "HTTPS/1.1 200 OK\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    "RTSP/1.0 200 OK\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "<html>",
    "\x15\x03\x01",
    "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    OK "Content-Length: 0\n\r\n",
    OK "Content-Length: 0\r\n\n",
    "HTTP/1.1 200 O\rK\r\n\r\n",

    OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    OK "Content-Length: 5, 5\r\n\r\n",
    OK "Content-Length: -5\r\n\r\n",
    OK "Content-Length: +5\r\n\r\n",
    OK "Content-Length: 5x\r\n\r\n",
    OK "Content-Length: 0x5\r\n\r\n",
    OK "Content-Length: 5 5\r\n\r\n",
    OK "Content-Length:\r\n\r\n",
    OK "Content-Length: 9223372036854775808\r\n\r\n",
    OK "Content-Length: 18446744073709551616\r\n\r\n",
    OK "Content-Length: 5\r\n" CHUNKS "\r\n",
    OK CHUNKS "Content-Length: 5\r\n\r\n",
    OK CHUNKS CHUNKS "\r\n",
    OK "Transfer-Encoding: gzip\r\n\r\n",
    OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
    OK "Transfer-Encoding: chunked, gzip\r\n\r\n",
    OK "Transfer-Encoding: chunked, chunked\r\n\r\n",
    OK "Transfer-Encoding: identity\r\n\r\n",
    OK "Transfer-Encoding: xchunked\r\n\r\n",
    OK "Transfer-Encoding:\r\n\r\n",
    "HTTP/1.1 204 \r\nTransfer-Encoding: gzip\r\n\r\n",

    OK "X : y\r\n\r\n",
    OK "X y: z\r\n\r\n",
    OK " X: y\r\n\r\n",
    OK ": y\r\n\r\n",
    OK "X\r\n\r\n",
    OK "X: y\r\n folded\r\n\r\n",
    OK "X: y\r\n\tfolded\r\n\r\n",
    OK "X: a\x01z\r\n\r\n",
    OK "X: a\x7fz\r\n\r\n",
    OK "X: a\rb\r\n\r\n",
    OK "X\x80: y\r\n\r\n",
    OK "X(: y\r\n\r\n",
};

static void assert_bad(const char *text)
{
    if (got.result != RESPONSE_BAD)
        fail_msg("%d (%d) for %s", (int)got.result, got.r.pub.status, text);
    assert_true(strncmp(got.r.error, "malformed answer: ", 18) == 0 && strlen(got.r.error) > 18);
}

static void test_bad(void **state)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        size_t len = strlen(bad[i]);

        for (enum feeding how = WHOLE; how <= MOVED; how++) {
            feed(bad[i], len, how, false);
            assert_bad(bad[i]);
        }
        for (size_t cut = 1; cut < len; cut++) {
            feed_cut(bad[i], len, cut);
            assert_bad(bad[i]);
        }
    }
}

static void test_nul_bytes(void **state)
{
    static const char text[] = OK "X: a\0b\r\n\r\n";

    for (enum feeding how = WHOLE; how <= MOVED; how++) {
        feed(text, sizeof(text) - 1, how, false);
        assert_bad(text);
    }
}

/* RFC 9112, 6.1: HTTP/1.0 knows no chunks, so what is behind them cannot be trusted. */
static void test_chunks_of_old_server(void **state)
{
    static const char text[] = OLD "Connection: keep-alive\r\n" CHUNKS "\r\n";

    if (feed(text, sizeof(text) - 1, WHOLE, false) == RESPONSE_COMPLETE)
        assert_false(got.r.keep_alive);
}

/* Sizes */

static void test_many_fields(void **state)
{
    for (int many = MESSAGE_FIELDS_INLINE - 1; many < 200; many = many * 3 / 2) {
        char *text = malloc(32 + (size_t)many * 32), name[16], value[16];
        size_t len;

        assert_non_null(text);
        len = (size_t)snprintf(text, 32, OK);
        for (int i = 0; i < many; i++)
            len += (size_t)snprintf(text + len, 32, "x%d: %d\r\n", i, i * 7);
        len += (size_t)snprintf(text + len, 32, "\r\n");
        for (enum feeding how = WHOLE; how <= MOVED; how++) {
            assert_int_equal(feed(text, len, how, false), RESPONSE_COMPLETE);
            assert_int_equal(got.r.pub.fields, many);
            for (int i = 0; i < many; i++) {
                snprintf(name, sizeof(name), "x%d", i);
                snprintf(value, sizeof(value), "%d", i * 7);
                assert_field((size_t)i, name, value);
            }
        }
        free(text);
    }
}

static void check_size(const char *begins, const char *end, size_t bytes, size_t at, bool fits)
{
    char *text = malloc(bytes + at);
    size_t a = strlen(begins), b = strlen(end);

    assert_non_null(text);
    memset(text, 'x', bytes + at);
    memcpy(text + at, begins, a);
    memcpy(text + at + bytes - b, end, b);
    for (size_t step = 1; step <= bytes; step = step * 64 + bytes % 63) {
        begin(false, at);
        for (size_t n = at + step; got.result == RESPONSE_MORE; n += step) {
            n = n < bytes + at ? n : bytes + at;
            got.result = response_feed(&got.r, text, n);
            if (n == bytes + at)
                break;
        }
        assert_int_equal(got.result, fits ? RESPONSE_COMPLETE : RESPONSE_BAD);
        if (!fits)
            assert_string_equal(got.r.error, "malformed answer: head too large");
    }
    free(text);
}

static void test_size(void **state)
{
    size_t most = 1052672;

    assert_int_equal(MESSAGE_HEAD_BYTES_MAX, most);
    check_size(OK "X: ", "\r\n\r\n", most, 0, true);
    check_size(OK "X: ", "\r\n\r\n", most + 1, 0, false);
    check_size(OK "X: ", "\r\n\r\n", most, 1000, true); /* behind another one */
    check_size("HTTP/1.1 200 ", "\r\n\r\n", most, 0, true);
    check_size("HTTP/1.1 200 ", "\r\n\r\n", most + 1, 0, false);
    check_size(OK "X: ", "", most + 1, 0, false);
    check_size(OK, "", most + 1, 0, false);
}

/* Behind the head: nobody looks at it. And before it: that was another one. */
static void test_bytes_around(void **state)
{
    static const char text[] =
        "HTTP/1.1 103 \r\n\r\n" OK "Content-Length: 3\r\n\r\n\0\xff\r\n\r\nHTTP";
    size_t len = sizeof(text) - 1, at;

    assert_int_equal(feed(text, len, WHOLE, false), RESPONSE_COMPLETE);
    assert_int_equal(got.r.pub.status, 103);
    assert_int_equal(got.r.at, 17);
    at = got.r.at;
    response_init(&got.r, &got.arena, false, at);
    assert_int_equal(response_feed(&got.r, got.buf, len), RESPONSE_COMPLETE);
    assert_int_equal(got.r.pub.status, 200);
    assert_memory_equal(got.buf + got.r.at, "\0\xff\r\n\r\nHTTP", 10);
}

static void test_incomplete(void **state)
{
    static const char text[] = "HTTP/1.1 200 Fine\r\nX: y\r\nZ:\r\n\r\n";

    for (size_t n = 1; n < sizeof(text) - 1; n++)
        for (enum feeding how = WHOLE; how <= MOVED; how++)
            assert_int_equal(feed(text, n, how, false), RESPONSE_MORE);
}

/* Even a head that has been read may move. */
static void test_moved_when_complete(void **state)
{
    static const char text[] = "HTTP/1.1 200 Fine\r\nX: y\r\nEmpty:\r\n\r\n";

    feed(text, sizeof(text) - 1, WHOLE, false);
    put(text, sizeof(text) - 1, sizeof(text) - 1);
    assert_slice(got.r.msg.reason, "Fine");
    assert_field(0, "X", "y");
    assert_field(1, "Empty", "");
}

static int tear_down(void **state)
{
    forget();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_chunks_of_old_server),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_bytes_around),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_moved_when_complete),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
