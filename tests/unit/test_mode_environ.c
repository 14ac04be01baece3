/* environ.c: a request as environment, row by row */
#include "request_of.h"

#include "../../modes/environ.c"

static char *const plain_rows[] = {(char *)"PATH=/bin", (char *)"HOME=/", NULL};

static char **envp;

/* The rows, each with a newline behind it. */
static const char *rows_of(char *const *base, struct bd_exchange *x, unsigned flags)
{
    static char text[16384];
    struct environ_base b;
    size_t len = 0;

    environ_init(&b, base, ENVIRON_REQUEST);
    text[0] = '\0';
    assert_int_equal(environ_build(&envp, &b, x, flags), ENVIRON_OK);
    for (char **row = envp; *row; row++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", *row);
    assert_true(len < sizeof(text));
    free(b.plain);
    free(b.http);
    return text;
}

/* Those of the request with these fields, but for method and path. */
static const char *rows_with(const char *fields)
{
    static const char begin[] = "Http_Method=GET\nHttp_Path=/\n";
    const char *text =
        rows_of((char *const[]){NULL}, exchange_with_fields(fields), ENVIRON_REQUEST);

    assert_true(strncmp(text, begin, sizeof(begin) - 1) == 0);
    return text + sizeof(begin) - 1;
}

static void test_off(void **state)
{
    assert_string_equal(rows_of(plain_rows, exchange_with_fields("A: b\r\n"), 0),
                        "PATH=/bin\nHOME=/\n");
    assert_string_equal(rows_of((char *const[]){(char *)"Http_A=1", (char *)"B=2", NULL},
                                exchange_with_fields(""), 0),
                        "Http_A=1\nB=2\n");
}

static void test_request_line(void **state)
{
    assert_string_equal(
        rows_of(plain_rows, exchange_with("pUt /a%20b//%41?x=%20#y HTTP/1.1\r\nHost: h\r\n\r\n"),
                ENVIRON_REQUEST),
        "Http_Method=pUt\nHttp_Path=/a b//A\nHttp_Query=x=%20#y\n"
        "PATH=/bin\nHOME=/\n");
    assert_string_equal(
        rows_of(plain_rows, exchange_with("GET /? HTTP/1.0\r\n\r\n"), ENVIRON_REQUEST),
        "Http_Method=GET\nHttp_Path=/\nPATH=/bin\nHOME=/\n");
}

static void test_classic(void **state)
{
    unsigned flags = ENVIRON_REQUEST | ENVIRON_CLASSIC;

    assert_string_equal(
        rows_of(plain_rows, exchange_with("GET http://a:1/ HTTP/1.1\r\nHost: b\r\n\r\n"), flags),
        "Http_Method=GET\nHttp_Path=/\nHttp_Host=a:1\nHttp_ContentLength=0\n"
        "Http_Content_Length=0\nPATH=/bin\nHOME=/\n");
    assert_string_equal(
        rows_of(plain_rows, exchange_with("GET / HTTP/1.0\r\nContent-Length: 0012\r\n\r\n"), flags),
        "Http_Method=GET\nHttp_Path=/\nHttp_ContentLength=12\nHttp_Content_Length=12\n"
        "PATH=/bin\nHOME=/\n");
    assert_string_equal(
        rows_of(plain_rows, exchange_with_fields("Transfer-Encoding: Chunked\r\n"), flags),
        "Http_Method=GET\nHttp_Path=/\nHttp_Host=h\nHttp_ContentLength=-1\n"
        "Http_Content_Length=-1\nHttp_Transfer_Encoding=chunked\n"
        "PATH=/bin\nHOME=/\n");
}

static void test_fields(void **state)
{
    assert_string_equal(rows_with("x-foo: 1\r\nX_Bar: 2\r\nTE: 3\r\nX-Foo: 4\r\nX-Empty:\r\n"),
                        "Http_X_Foo=1\nHttp_X_bar=2\nHttp_Te=3\nHttp_X_Empty=\n");
    assert_string_equal(rows_with("X!#$%&'*+^`|~9.dot: \xff\xc3\xa9=\"\r\n"),
                        "Http_X!#$%&'*+^`|~9.dot=\xff\xc3\xa9=\"\n");
    assert_string_equal(rows_with("X-Under: 1\r\nX_Under: 2\r\n"),
                        "Http_X_Under=1\nHttp_X_under=2\n");
    assert_string_equal(rows_with("X-A: 1\r\nX_A: 2\r\n"), "Http_X_A=1\nHttp_X_a=2\n");
    assert_string_equal(rows_with("X--a: 1\r\n-: 2\r\n--b-: 3\r\n"),
                        "Http_X__A=1\nHttp__=2\nHttp___B_=3\n");
    assert_string_equal(
        rows_with("Connection: a\r\nContent-Length: 0\r\nUpgrade: u\r\nAuthorization: z\r\n"),
        "Http_Connection=a\nHttp_Content_Length=0\nHttp_Upgrade=u\nHttp_Authorization=z\n");
}

/* What a client may not set: what the request line says, and what configures HTTP clients. */
static void test_hidden(void **state)
{
    assert_string_equal(rows_with("Method: evil\r\nPath: /evil\r\nPROXY: evil\r\nproxy: evil\r\n"),
                        "");
    assert_string_equal(rows_with("Query: q\r\nHttp-Path: x\r\nContentLength: 7\r\n"),
                        "Http_Query=q\nHttp_Http_Path=x\nHttp_Contentlength=7\n");
    assert_string_equal(rows_with("Transfer-Encoding: chunked\r\nTrailer: x\r\n"),
                        "Http_Transfer_Encoding=chunked\n");
    assert_string_equal(rows_with("Trailer: x\r\n"), "Http_Trailer=x\n");
}

static void test_pragma(void **state)
{
    assert_string_equal(rows_with("Pragma: no-cache\r\n"),
                        "Http_Pragma=no-cache\nHttp_Cache_Control=no-cache\n");
    assert_string_equal(rows_with("Pragma: no-cache\r\nCache-Control: x\r\n"),
                        "Http_Pragma=no-cache\nHttp_Cache_Control=x\n");
    assert_string_equal(rows_with("Pragma: other\r\n"), "Http_Pragma=other\n");
}

/* A request's row replaces an inherited one, others stay. */
static void test_inherited(void **state)
{
    char *const base[] = {(char *)"Http_X_Foo=old",  (char *)"A=1",   (char *)"Http_Keep=2",
                          (char *)"Http_Method=old", (char *)"Http_", (char *)"http_x=3",
                          (char *)"noequals",        (char *)"=odd",  NULL};

    assert_string_equal(
        rows_of(base, exchange_with_fields("x-foo: new\r\n"), ENVIRON_REQUEST),
        "Http_Method=GET\nHttp_Path=/\nHttp_X_Foo=new\nHttp_Keep=2\nHttp_\nA=1\nhttp_x=3\n"
        "noequals\n=odd\n");
}

static void test_nul_in_path(void **state)
{
    struct environ_base b;

    environ_init(&b, plain_rows, ENVIRON_REQUEST);
    assert_int_equal(
        environ_build(&envp, &b, exchange_with("GET /%00 HTTP/1.0\r\n\r\n"), ENVIRON_REQUEST),
        ENVIRON_NUL);
    assert_int_equal(environ_build(&envp, &b, exchange_with("GET /%00 HTTP/1.0\r\n\r\n"), 0),
                     ENVIRON_OK);
    free(b.plain);
    free(b.http);
}

/* Rows that execve(2) would refuse: 128 KiB with name and NUL. */
static void check_length(const char *begin, const char *end, const char *name, size_t row_bytes,
                         enum environ_result expected)
{
    size_t value = row_bytes - strlen(name) - 2;
    size_t len = strlen(begin) + value + strlen(end);
    char *text = malloc(len);
    struct environ_base b;

    assert_non_null(text);
    memcpy(text, begin, strlen(begin));
    memset(text + strlen(begin), 'x', value);
    memcpy(text + strlen(begin) + value, end, strlen(end));
    environ_init(&b, plain_rows, ENVIRON_REQUEST);
    assert_int_equal(environ_build(&envp, &b, exchange_of_bytes(text, len), ENVIRON_REQUEST),
                     expected);
    free(b.plain);
    free(b.http);
    free(text);
}

static void test_too_long(void **state)
{
    static const char line[] = " HTTP/1.0\r\n\r\n";
    size_t most = 131072;

    check_length("GET /?", line, "Http_Query", most, ENVIRON_OK);
    check_length("GET /?", line, "Http_Query", most + 1, ENVIRON_TARGET_TOO_LONG);
    check_length("GET /", line, "Http_Path=", most, ENVIRON_OK); /* and its slash */
    check_length("GET /", line, "Http_Path=", most + 2, ENVIRON_TARGET_TOO_LONG);
    check_length("GET / HTTP/1.0\r\nLong: ", "\r\n\r\n", "Http_Long", most, ENVIRON_OK);
    check_length("GET / HTTP/1.0\r\nLong: ", "\r\n\r\n", "Http_Long", most + 1,
                 ENVIRON_FIELDS_TOO_LONG);
    check_length("", " / HTTP/1.0\r\n\r\n", "Http_Method", most + 1, ENVIRON_TARGET_TOO_LONG);
}

/* All of it together: what the stack limit leaves. */
static void test_too_many(void **state)
{
    struct rlimit before, small;
    size_t room = 600000, len = 0;
    char *text = malloc(room);
    struct environ_base b;

    assert_non_null(text);
    len = (size_t)snprintf(text, room, "GET / HTTP/1.0\r\n");
    for (int i = 0; i < 20000; i++)
        len += (size_t)snprintf(text + len, room - len, "field-%d: value\r\n", i);
    len += (size_t)snprintf(text + len, room - len, "\r\n");
    environ_init(&b, plain_rows, ENVIRON_REQUEST);
    assert_int_equal(getrlimit(RLIMIT_STACK, &before), 0);
    small = before;
    small.rlim_cur = 2 << 20;
    assert_int_equal(setrlimit(RLIMIT_STACK, &small), 0);
    assert_int_equal(environ_build(&envp, &b, exchange_of_bytes(text, len), ENVIRON_REQUEST),
                     ENVIRON_FIELDS_TOO_LONG);
    small.rlim_cur = 8 << 20;
    assert_int_equal(setrlimit(RLIMIT_STACK, &small), 0);
    assert_int_equal(environ_build(&envp, &b, exchange_of_bytes(text, len), ENVIRON_REQUEST),
                     ENVIRON_OK);
    assert_int_equal(setrlimit(RLIMIT_STACK, &before), 0);
    for (int i = 0; i < 20000; i++) {
        char row[64];

        snprintf(row, sizeof(row), "Http_Field_%d=value", i);
        assert_string_equal(envp[i + 2], row);
    }
    assert_string_equal(envp[20002], "PATH=/bin");
    assert_null(envp[20004]);
    free(b.plain);
    free(b.http);
    free(text);
}

static void test_canonical(void **state)
{
    static const char *const row[][2] = {
        {"a", "A"},         {"ACCEPT-ENCODING", "Accept-Encoding"},
        {"x--y", "X--Y"},   {"-a", "-A"},
        {"a_b-c", "A_b-C"}, {"1a-2B", "1a-2b"},
        {"~x-!Y", "~x-!y"}, {"a.B", "A.b"},
    };
    struct bd_exchange *x = exchange_with_fields("");

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        assert_string_equal(
            bd_arena_copy(&x->arena, environ_canonical(&x->arena, bd_slice_of(row[i][0]))),
            row[i][1]);
    assert_int_equal(environ_canonical(&x->arena, BD_SLICE("")).len, 0);
}

static int tear_down(void **state)
{
    forget_exchange();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),       cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_classic),   cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hidden),    cmocka_unit_test(test_pragma),
        cmocka_unit_test(test_inherited), cmocka_unit_test(test_nul_in_path),
        cmocka_unit_test(test_too_long),  cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_canonical),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
