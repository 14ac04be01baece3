/* marshal.c: a request as JSON, compared byte for byte */
#include "request_of.h"

#include "../../modes/marshal.c"

static char out[400000];
static size_t out_len;

static void add(struct bd_slice s)
{
    assert_true(out_len + s.len < sizeof(out));
    memcpy(out + out_len, s.p, s.len);
    out_len += s.len;
    out[out_len] = '\0';
}

/* `piece`: bytes of the body at a time, each piece in memory of its own. */
static const char *marshal(struct bd_exchange *x, const char *body, size_t len, size_t piece)
{
    struct marshal *m = marshal_new(x);

    out_len = 0;
    for (size_t at = 0; at < len; at += piece) {
        size_t n = piece < len - at ? piece : len - at;
        char *copy = malloc(n);
        struct bd_slice left = {copy, n};

        assert_non_null(copy);
        memcpy(copy, body + at, n);
        while (left.len > 0)
            add(marshal_take(m, &left));
        free(copy);
    }
    add(marshal_end(m));
    return out;
}

static const char *header_of(const char *fields)
{
    static const char end[] = "},\"body\":{\"raw\":\"\"}}";

    marshal(exchange_with_fields(fields), "", 0, 1);
    assert_true(strncmp(out, "{\"header\":{", 11) == 0);
    assert_true(out_len > sizeof(end) && strcmp(out + out_len - (sizeof(end) - 1), end) == 0);
    out[out_len - (sizeof(end) - 1)] = '\0';
    return out + 11;
}

static void test_header(void **state)
{
    assert_string_equal(header_of(""), "");
    assert_string_equal(header_of("a: b\r\n"), "\"A\":[\"b\"]");
    assert_string_equal(header_of("x-b: 1\r\nX-A: 2\r\nx-B: 3\r\nX-b:\r\naccept: */*\r\n"),
                        "\"Accept\":[\"*/*\"],\"X-A\":[\"2\"],\"X-B\":[\"1\",\"3\",\"\"]");
    assert_string_equal(header_of("Host2: a\r\nTE: x\r\nx_y: 1\r\nX-Y: 2\r\nX: 0\r\n"),
                        "\"Host2\":[\"a\"],\"Te\":[\"x\"],\"X\":[\"0\"],\"X-Y\":[\"2\"],"
                        "\"X_y\":[\"1\"]");
    assert_string_equal(header_of("Proxy: p\r\nTransfer-Encoding: chunked\r\n"),
                        "\"Proxy\":[\"p\"]");
    assert_string_equal(header_of("Content-Length: 0\r\n"), "\"Content-Length\":[\"0\"]");
    assert_string_equal(header_of("!#$%&'*+-.^_`|~: x\r\n"), "\"!#$%\\u0026'*+-.^_`|~\":[\"x\"]");
}

static void test_strings(void **state)
{
    assert_string_equal(header_of("A: \"\\/\tb\r\n"), "\"A\":[\"\\\"\\\\/\\tb\"]");
    assert_string_equal(header_of("A: <>&'\r\n"), "\"A\":[\"\\u003c\\u003e\\u0026'\"]");
    assert_string_equal(header_of("A: \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd\r\n"),
                        "\"A\":[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd\"]");
    assert_string_equal(header_of("A: \xe2\x80\xa7 \xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\r\n"),
                        "\"A\":[\"\xe2\x80\xa7 \\u2028\\u2029\xe2\x80\xaa\"]");
}

/* Each byte that begins no valid sequence (RFC 3629) by itself. */
static void test_invalid_utf8(void **state)
{
    static const struct {
        const char *bytes, *json;
    } row[] = {
        {"\x80", "\\ufffd"},
        {"\xff\xfe", "\\ufffd\\ufffd"},
        {"\xc3", "\\ufffd"},
        {"\xc3(", "\\ufffd("},
        {"\xc3\xa9\xc3", "\xc3\xa9\\ufffd"},
        {"\xc0\xaf", "\\ufffd\\ufffd"},
        {"\xc1\xbf", "\\ufffd\\ufffd"},
        {"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
        {"\xe0\xa0\x80", "\xe0\xa0\x80"},
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xe2\x82", "\\ufffd\\ufffd"},
        {"\xe2\x82x", "\\ufffd\\ufffdx"},
        {"\xe2\x80\xa8\xe2\x80", "\\u2028\\ufffd\\ufffd"},
        {"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd"},
    };
    char fields[64], json[128];

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        snprintf(fields, sizeof(fields), "A: %s\r\n", row[i].bytes);
        snprintf(json, sizeof(json), "\"A\":[\"%s\"]", row[i].json);
        assert_string_equal(header_of(fields), json);
    }
}

static void test_base64(void **state)
{
    static const char *const row[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    char json[64];

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            snprintf(json, sizeof(json), "{\"header\":{},\"body\":{\"raw\":\"%s\"}}", row[i][1]);
            assert_string_equal(
                marshal(exchange_with_fields(""), row[i][0], strlen(row[i][0]), piece), json);
        }
    }
}

/* Decoded again by other means. */
static size_t decode(const char *text, size_t len, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;

    assert_int_equal(len % 4, 0);
    for (size_t i = 0; i < len && text[i] != '='; i++) {
        const char *at = strchr(digits, text[i]);

        assert_true(at && *at);
        bits = bits << 6 | (uint32_t)(at - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[n++] = (char)(bits >> have);
        }
    }
    return n;
}

static void test_large_body(void **state)
{
    static const size_t pieces[] = {
        1, 2, 3, 100, ENCODE_BYTES - 1, ENCODE_BYTES, ENCODE_BYTES + 1, 65536, 99999, 200000};
    static char body[200000], back[300000];
    static const char begin[] = "{\"header\":{\"A\":[\"b\"]},\"body\":{\"raw\":\"";

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t len = sizeof(body) - i % 3, head = sizeof(begin) - 1, n;

        marshal(exchange_with_fields("a: b\r\n"), body, len, pieces[i]);
        assert_memory_equal(out, begin, head);
        assert_string_equal(out + out_len - 3, "\"}}");
        n = decode(out + head, out_len - head - 3, back);
        assert_int_equal(n, len);
        assert_memory_equal(back, body, n);
    }
}

/* More than the head's first room. */
static void test_many_fields(void **state)
{
    static char text[100000], json[100000];
    size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.0\r\n");
    size_t n = (size_t)snprintf(json, sizeof(json), "{\"header\":{");

    for (int i = 999; i >= 0; i--)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "f%03d: <%d>\r\n", i, i);
    snprintf(text + len, sizeof(text) - len, "\r\n");
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, "%s\"F%03d\":[\"\\u003c%d\\u003e\"]",
                              i ? "," : "", i, i);
    snprintf(json + n, sizeof(json) - n, "},\"body\":{\"raw\":\"\"}}");
    assert_string_equal(marshal(exchange_with(text), "", 0, 1), json);
}

static int tear_down(void **state)
{
    forget_exchange();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),       cmocka_unit_test(test_strings),
        cmocka_unit_test(test_invalid_utf8), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_large_body),   cmocka_unit_test(test_many_fields),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
