/* forward.c: a request as the function gets it, row by row */
#include "request_of.h"

#include <malloc.h>

/* There is no connection. */
static void test_peer_address(const struct bd_exchange *x, struct bd_address *ret)
{
    *ret = (struct bd_address){.text = "192.0.2.7"};
}

#define bd_peer_address test_peer_address
#include "../../modes/forward.c"

static const struct bd_upstream plain = {.authority = {"up:1", 4}};
static const struct bd_upstream full = {
    .authority = {"up:1", 4}, .base = {"/base", 5}, .authorization = {"Basic eA==", 10}};

static const char *head_at(const struct bd_upstream *u, struct bd_exchange *x, int64_t length,
                           bool expect)
{
    struct bd_slice head;
    struct forward f;

    forward_read(&f, &x->req);
    head = forward_head(x, &f, u, length, expect);
    return bd_arena_copy(&x->arena, head);
}

/* As it is usually sent: with the length that the request has. */
static void check_at(const struct bd_upstream *u, const char *request, const char *expected)
{
    struct bd_exchange *x = exchange_with(request);

    assert_string_equal(head_at(u, x, x->req.content_length, true), expected);
}

static void check(const char *request, const char *expected)
{
    check_at(&plain, request, expected);
}

/* Fields of a GET with Host; `expected` stands behind Host. */
static void check_fields(const char *fields, const char *expected)
{
    struct bd_exchange *x = exchange_with_fields(fields);
    const char *head = head_at(&plain, x, x->req.content_length, true);
    static const char begin[] = "GET / HTTP/1.1\r\nHost: h\r\n";

    assert_true(strncmp(head, begin, sizeof(begin) - 1) == 0);
    head += sizeof(begin) - 1;
    assert_true(strlen(head) == strlen(expected) + 2);
    assert_memory_equal(head, expected, strlen(expected));
    assert_string_equal(head + strlen(expected), "\r\n");
}

static void test_request_line(void **state)
{
    check("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    check("pUt /a%20b//../%41?x=%zz#y HTTP/1.1\r\nHost: h:8\r\n\r\n",
          "pUt /a%20b//../%41?x=%zz#y HTTP/1.1\r\nHost: h:8\r\n\r\n");
    check("GET /? HTTP/1.0\r\n\r\n", "GET /? HTTP/1.1\r\nHost: up:1\r\n\r\n");
    check("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: up:1\r\n\r\n");
    check("GET /\xc3\xa9 HTTP/1.1\r\nA: 1\r\nhOST: H\r\nB: 2\r\n\r\n",
          "GET /\xc3\xa9 HTTP/1.1\r\nHost: H\r\nA: 1\r\nB: 2\r\n\r\n");
}

static void test_absolute_form(void **state)
{
    check("GET http://a:1/b?c HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET /b?c HTTP/1.1\r\nHost: a:1\r\n\r\n");
    check("GET http://a HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    check("GET http://a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /?b HTTP/1.1\r\nHost: a\r\n\r\n");
    check("GET http://u:p@a/b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    check("GET ws://a// HTTP/1.0\r\n\r\n", "GET // HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void check_target(const char *request, const char *expected)
{
    struct bd_exchange *x = exchange_with(request);

    assert_string_equal(bd_arena_copy(&x->arena, forward_target(x)), expected);
}

static void test_target(void **state)
{
    check_target("GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "/a?b");
    check_target("GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "/a?b");
    check_target("GET http://h?b/c HTTP/1.1\r\nHost: h\r\n\r\n", "/?b/c");
    check_target("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "/");
    check_target("GET //x/y HTTP/1.1\r\nHost: h\r\n\r\n", "//x/y");
}

static void test_upstream_with_all(void **state)
{
    check_at(&full, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET /base/a HTTP/1.1\r\nHost: h\r\nAuthorization: Basic eA==\r\n\r\n");
    check_at(&full, "GET http://a HTTP/1.1\r\nHost: h\r\nauthorization: mine\r\n\r\n",
             "GET /base/ HTTP/1.1\r\nHost: a\r\nauthorization: mine\r\n\r\n");
}

static void test_end_to_end_fields(void **state)
{
    check_fields("A: 1\r\nb:2\r\nA:  3 \r\nEmpty:\r\n", "A: 1\r\nb: 2\r\nA: 3\r\nEmpty: \r\n");
    check_fields("Connection: close, x\r\nX: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nY: 2\r\n",
                 "Y: 2\r\n");
    check_fields("Proxy-Authorization: a\r\nProxy-Authenticate: b\r\nUpgrade: h2c\r\n", "");
    check_fields("User-Agent: u\r\nX-Call-Id: i\r\nAccept: */*\r\nX-Timeout: 1s\r\nCookie: c\r\n",
                 "User-Agent: u\r\nX-Call-Id: i\r\nAccept: */*\r\nX-Timeout: 1s\r\nCookie: c\r\n");
    check_fields("X-Forwarded-For: a\r\nx-forwarded-for: b\r\n",
                 "X-Forwarded-For: a\r\nx-forwarded-for: b\r\n");
}

static void test_framing(void **state)
{
    static const struct {
        const char *method, *fields;
        int64_t length;
        const char *expected;
    } rows[] = {
        {"GET", "", 0, ""},
        {"DELETE", "", 0, ""},
        {"POST", "", 0, "Content-Length: 0\r\n"},
        {"PUT", "", 0, "Content-Length: 0\r\n"},
        {"PATCH", "", 0, "Content-Length: 0\r\n"},
        {"post", "", 0, ""},
        {"GET", "Content-Length: 00\r\n", 0, "Content-Length: 0\r\n"},
        {"GET", "Content-Length: 5\r\n", 5, "Content-Length: 5\r\n"},
        {"POST", "Content-Length: 007\r\n", 7, "Content-Length: 7\r\n"},
        {"POST", "Content-Length: 9223372036854775807\r\n", INT64_MAX,
         "Content-Length: 9223372036854775807\r\n"},
        {"POST", "Transfer-Encoding: Chunked\r\n", -1, "Transfer-Encoding: chunked\r\n"},
        {"GET", "Transfer-Encoding: chunked\r\n", -1, "Transfer-Encoding: chunked\r\n"},
        {"POST", "Transfer-Encoding: chunked\r\n", 12, "Content-Length: 12\r\n"}, /* held */
        {"GET", "Transfer-Encoding: chunked\r\n", 0, ""},
    };
    char request[256], expected[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: h\r\n%s\r\n", rows[i].method,
                 rows[i].fields);
        snprintf(expected, sizeof(expected), "%s / HTTP/1.1\r\nHost: h\r\n%s\r\n", rows[i].method,
                 rows[i].expected);
        assert_string_equal(head_at(&plain, exchange_with(request), rows[i].length, true),
                            expected);
    }
}

static void test_expect(void **state)
{
    static const char request[] = "PUT / HTTP/1.1\r\nHost: h\r\nConnection: expect\r\nExpect: "
                                  "100-Continue\r\nContent-Length: 1\r\n\r\n";

    assert_string_equal(
        head_at(&plain, exchange_with(request), 1, true),
        "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
    assert_string_equal(head_at(&plain, exchange_with(request), 1, false),
                        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
}

static void test_te(void **state)
{
    check_fields("TE: trailers\r\n", "TE: trailers\r\nConnection: TE\r\n");
    check_fields("te: gzip;q=1, Trailers\r\nConnection: TE\r\n",
                 "TE: trailers\r\nConnection: TE\r\n");
    check_fields("TE: gzip\r\n", "");
    check_fields("TE: gzip\r\nTE: trailers\r\n", "TE: trailers\r\nConnection: TE\r\n");
}

#define VIA "X-Forwarded-For: 192.0.2.7\r\n"

static void test_upgrade(void **state)
{
    check_fields("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n",
                 "Sec-WebSocket-Key: k\r\n" VIA "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    check_fields("Connection: keep-alive\r\nconnection: x, upgrade\r\nupgrade: a, b\r\nX: 1\r\n",
                 VIA "Connection: Upgrade\r\nUpgrade: a, b\r\n");
    check_fields("TE: trailers\r\nConnection: TE, Upgrade\r\nUpgrade: a\r\n",
                 VIA "TE: trailers\r\nConnection: Upgrade, TE\r\nUpgrade: a\r\n");
    check_fields("Upgrade: a\r\n", ""); /* the client must say it twice */
    check_fields("Connection: Upgrade\r\n", "");
    check("GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); /* RFC 9110, 7.8 */
}

static void test_streams(void **state)
{
    static const struct {
        const char *fields;
        bool streams;
    } rows[] = {
        {"Accept: text/event-stream\r\n", true},
        {"accept: Application/X-NDJSON\r\n", true},
        {"Accept: a/b, text/event-stream;q=0.5\r\n", true},
        {"Accept: text/event-strea\r\n", false},
        {"Accept: */*\r\n", false},
        {"Accept:\r\n", false},
        {"Accept: a/b\r\nAccept: text/event-stream\r\n", false}, /* only the first */
        {"X-Accept: text/event-stream\r\n", false},
        {"", false},
        {"Connection: Upgrade\r\nUpgrade: a\r\n", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct forward f;

        forward_read(&f, &exchange_with_fields(rows[i].fields)->req);
        if (f.streams != rows[i].streams)
            fail_msg("%s", rows[i].fields);
    }
    check_fields("Accept: text/event-stream\r\nA: 1\r\n",
                 "Accept: text/event-stream\r\nA: 1\r\n" VIA);
    check_fields("X-Forwarded-For: a, b\r\nAccept: text/event-stream\r\nX-FORWARDED-for: c\r\n",
                 "Accept: text/event-stream\r\nX-Forwarded-For: a, b, c, 192.0.2.7\r\n");
}

static void test_fields_that_matter(void **state)
{
    struct bd_exchange *x = exchange_with_fields(
        "USER-AGENT: u\r\nUser-Agent: v\r\nX-Call-Id: i\r\nx-timeout: 1s\r\nContent-Length: 0\r\n"
        "Authorization:\r\nx-forwarded-for: f\r\n");
    struct forward f;

    forward_read(&f, &x->req);
    assert_true(bd_slice_eq(f.agent->value, BD_SLICE("u")));
    assert_true(bd_slice_eq(f.timeout->value, BD_SLICE("1s")));
    assert_true(f.has_authorization && f.has_length && !f.te_trailers && !f.upgrades);
    assert_null(f.accept);
    assert_null(f.upgrade);
    forward_read(&f, &exchange_with_fields("")->req);
    assert_null(f.agent);
    assert_false(f.has_authorization || f.has_length);
}

/* What a client can make large costs as much memory as it has sent, not its square. */
static void test_many_forwarded_for(void **state)
{
    enum { MANY = 4000 };
    size_t room = MANY * 32, len = 0;
    char *text = malloc(room);
    struct bd_exchange *x;
    struct mallinfo2 before;
    const char *head;

    assert_non_null(text);
    len = (size_t)snprintf(text, room, "GET / HTTP/1.0\r\nAccept: text/event-stream\r\n");
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(text + len, room - len, "X-Forwarded-For: 10.0.0.1\r\n");
    len += (size_t)snprintf(text + len, room - len, "\r\n");
    x = exchange_of_bytes(text, len);
    before = mallinfo2();
    head = head_at(&plain, x, 0, true);
    assert_non_null(strstr(head, "X-Forwarded-For: 10.0.0.1, 10.0.0.1, "));
    assert_non_null(strstr(head, ", 10.0.0.1, 192.0.2.7\r\n\r\n"));
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before.uordblks - before.hblkhd <
                20 * len);
    free(text);
}

static int tear_down(void **state)
{
    forget_exchange();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_absolute_form),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_upstream_with_all),
        cmocka_unit_test(test_end_to_end_fields),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_te),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_fields_that_matter),
        cmocka_unit_test(test_many_forwarded_for),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
