/* request.c: paths, fields, and the line in the log */
#include "request_of.h"

#include "bandog/log.h"

static char logged[1024];

static void test_log(const struct bd_slice *piece, size_t pieces)
{
    size_t at = 0;

    assert_string_equal(logged, ""); /* one line */
    for (size_t i = 0; i < pieces; i++)
        at += (size_t)snprintf(logged + at, sizeof(logged) - at, "%.*s", BD_ARG(piece[i]));
}

#define bd_log_pieces test_log
#include "../../watchdog/http/request.c"

static void check_path(const char *target, const char *path, size_t len)
{
    char text[256];
    struct bd_slice got;

    snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", target);
    got = bd_request_path(exchange_with(text));
    if (got.len != len || memcmp(got.p, path, len) != 0)
        fail_msg("%s gives %.*s", target, (int)got.len, got.p);
}

static void test_path(void **state)
{
    check_path("/", "/", 1);
    check_path("/a/b", "/a/b", 4);
    check_path("/%41%6a?q=%42", "/Aj", 3);
    check_path("/%e9%C3%a9", "/\xe9\xc3\xa9", 4);
    check_path("/%00%0a%2f%25", "/\0\n/%", 5);
    check_path("/%2541", "/%41", 4);
    check_path("/a+b", "/a+b", 4);
    check_path("//../%2e", "//../.", 6);
    check_path("http://h", "/", 1);
    check_path("http://h/%20?x", "/ ", 2);
    check_path("/%20", "/ ", 2);
}

static void test_field(void **state)
{
    struct bd_exchange *x = exchange_with_fields("B: 1\r\nb: 2\r\nEmpty:\r\n");

    assert_memory_equal(bd_request_field(&x->req, BD_SLICE("b"))->value.p, "1", 1);
    assert_int_equal(bd_request_field(&x->req, BD_SLICE("EMPTY"))->value.len, 0);
    assert_null(bd_request_field(&x->req, BD_SLICE("c")));
    assert_null(bd_request_field(&x->req, BD_SLICE("Hos")));
}

/* The line, up to the time, which no test knows. */
static void assert_logged(struct bd_exchange *x, const char *text)
{
    size_t n = strlen(text);
    unsigned whole, part;
    char end[8] = "";

    logged[0] = '\0';
    bd_log_request(x);
    if (strncmp(logged, text, n) != 0)
        fail_msg("\"%s\" instead of \"%s\"", logged, text);
    assert_int_equal(sscanf(logged + n, "(%u.%4u%7s", &whole, &part, end), 3);
    assert_string_equal(end, "s)");
}

static void check_size(int64_t bytes, const char *size)
{
    struct bd_exchange *x = exchange_with("GET / HTTP/1.0\r\n\r\n");
    char text[64];

    x->status = 200;
    x->sent_bytes = bytes;
    snprintf(text, sizeof(text), "GET / - 200 - ContentLength: %s ", size);
    assert_logged(x, text);
}

static void test_size(void **state)
{
    check_size(0, "0B");
    check_size(1, "1B");
    check_size(999, "999B");
    check_size(1000, "1kB");
    check_size(1001, "1.001kB");
    check_size(12345, "12.35kB");
    check_size(12346, "12.35kB");
    check_size(262144, "262.1kB");
    check_size(999899, "999.9kB");
    check_size(999949, "999.9kB");
    check_size(999950, "1000kB");
    check_size(999999, "1000kB");
    check_size(1000000, "1MB");
    check_size(1048576, "1.049MB");
    check_size(INT64_C(1000000000), "1GB");
    check_size(INT64_C(5000000000000), "5TB");
    check_size(INT64_C(7000000000000000), "7PB");
    check_size(INT64_MAX, "9.223EB");
    check_size(-1, "-1B");
}

static void test_line(void **state)
{
    struct bd_exchange *x = exchange_with("m-search //a/../%20?q=\xc3\xa9\\ HTTP/1.1\r\nHost: h\r\n"
                                          "User-Agent: mykube-probe\r\n\r\n");

    x->status = 499;
    x->sent_bytes = 7;
    assert_logged(x, "m-search //a/../%20?q=\\xc3\\xa9\\ - 499 - ContentLength: 7B ");
    x = exchange_with("GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n");
    x->status = 200;
    assert_logged(x, "GET http://h/x - 200 - ContentLength: 0B ");
}

static void test_time(void **state)
{
    struct bd_exchange *x = exchange_with("GET / HTTP/1.0\r\n\r\n");

    x->began_ns = bd_now_ns() - INT64_C(1500000000);
    assert_true(bd_elapsed_s(x) >= 1.5);
    logged[0] = '\0';
    bd_log_request(x);
    assert_non_null(strstr(logged, " (1.5"));
}

static void test_kube_probe(void **state)
{
    logged[0] = '\0';
    bd_log_request(exchange_with_fields("user-agent: kube-probe/1.27\r\n"));
    bd_log_request(exchange_with_fields("User-Agent: kube-probe\r\n"));
    assert_string_equal(logged, "");
}

static int tear_down(void **state)
{
    forget_exchange();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path), cmocka_unit_test(test_field),
        cmocka_unit_test(test_size), cmocka_unit_test(test_line),
        cmocka_unit_test(test_time), cmocka_unit_test(test_kube_probe),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
