/* cgi_head.c: what a CGI program printed, read as a head, in one piece and in many */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "../../modes/cgi_head.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_arena arena;
static char words[4096];
static size_t words_len;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    words_len += (size_t)vsnprintf(words + words_len, sizeof(words) - words_len, format, args);
    va_end(args);
    assert_true(words_len < sizeof(words));
}

static bool is_inside(struct bd_slice s, const char *buf, size_t len)
{
    return s.len == 0 || (s.p >= buf && s.p + s.len <= buf + len);
}

/*
 * "404 (Not Found) length 5; Name: value; Name: value", or "bad: LINE", or "more". An asterisk: no
 * Status was printed.
 */
static const char *told(const struct cgi_head *h, enum cgi_head_result result, const char *buf,
                        size_t len)
{
    words_len = 0;
    words[0] = '\0';
    if (result == CGI_HEAD_MORE)
        return "more";
    if (result == CGI_HEAD_BAD) {
        assert_true(h->error && *h->error && is_inside(h->line, buf, len));
        tell("bad: %.*s", (int)(h->line.len < 200 ? h->line.len : 200), h->line.p ? h->line.p : "");
        return words;
    }
    assert_true(h->bytes > 0 && h->bytes <= len && buf[h->bytes - 1] == '\n');
    assert_true(is_inside(h->reason, buf, h->bytes) && is_inside(h->local, buf, h->bytes));
    assert_true(h->length >= -1);
    tell("%d%s", h->status, h->has_status ? "" : "*");
    if (h->reason.p)
        tell(" (%.*s)", (int)h->reason.len, h->reason.p);
    if (h->length >= 0)
        tell(" length %" PRId64, h->length);
    if (h->local.len > 0)
        tell(" local %.*s", (int)h->local.len, h->local.p);
    for (size_t i = 0; i < h->fields; i++) {
        const struct bd_field *f = &h->field[i];

        assert_true(is_inside(f->name, buf, h->bytes) && is_inside(f->value, buf, h->bytes));
        tell("; %.*s: %.*s", (int)f->name.len, f->name.p, (int)f->value.len, f->value.p);
    }
    return words;
}

/* In memory that ends where AddressSanitizer sees it. */
static char *exact_copy(const char *text, size_t len)
{
    char *exact = malloc(len ? len : 1);

    assert_non_null(exact);
    memcpy(exact, text, len);
    return exact;
}

/* In pieces of that many bytes, in memory that moves each time; the body is what is left. */
static void check_in_pieces(const char *text, size_t piece, const char *expected, const char *body)
{
    enum cgi_head_result result = CGI_HEAD_MORE;
    size_t len = strlen(text), scanned = 0;

    for (size_t n = 0; result == CGI_HEAD_MORE; n = len - n < piece ? len : n + piece) {
        size_t before = scanned;
        char *exact = exact_copy(text, n);
        struct cgi_head h;

        result = cgi_head_read(&h, &arena, exact, n, &scanned, n == len);
        assert_true(scanned >= before && scanned <= n);
        if ((result != CGI_HEAD_MORE && strcmp(told(&h, result, exact, n), expected) != 0) ||
            (result == CGI_HEAD_COMPLETE && strcmp(text + h.bytes, body) != 0) ||
            (result == CGI_HEAD_MORE && n == len))
            fail_msg("\"%s\" in pieces of %zu gave %s, not %s", text, piece,
                     told(&h, result, exact, n), expected);
        free(exact);
    }
    bd_arena_clear(&arena);
}

static void check_body(const char *text, const char *expected, const char *body)
{
    for (size_t piece = 1; piece <= 4; piece++)
        check_in_pieces(text, piece, expected, body);
    check_in_pieces(text, strlen(text) + 1, expected, body);
}

static void check(const char *text, const char *expected)
{
    check_body(text, expected, "");
}

/* It is refused; where exactly does not matter. */
static void check_bad_bytes(const char *text, size_t len)
{
    for (int over = 0; over < 2; over++) {
        char *exact = exact_copy(text, len);
        size_t scanned = 0;
        struct cgi_head h;
        enum cgi_head_result result = cgi_head_read(&h, &arena, exact, len, &scanned, over);

        if (result == CGI_HEAD_COMPLETE || (over && result == CGI_HEAD_MORE))
            fail_msg("\"%s\" was taken", text);
        told(&h, result, exact, len);
        free(exact);
    }
    bd_arena_clear(&arena);
}

static void check_bad(const char *text)
{
    check_bad_bytes(text, strlen(text));
}

static void test_plain(void **state)
{
    check_body("Content-Type: text/plain\n\nbody", "200*; Content-Type: text/plain", "body");
    check_body("Content-Type: text/plain\r\n\r\nbody", "200*; Content-Type: text/plain", "body");
    check("content-TYPE:a/b\n\n", "200*; content-TYPE: a/b");
    check_body("Content-Type: a/b\n\n\n\nbody", "200*; Content-Type: a/b", "\n\nbody");
    check_body("Content-Type: a/b\n\r\n\nbody", "200*; Content-Type: a/b", "\nbody");
    check_body("Content-Type: a/b\r\n\n\r\nbody", "200*; Content-Type: a/b", "\r\nbody");
    check_body("Content-Type: a/b\n\nnot: a field\n c\n\n", "200*; Content-Type: a/b",
               "not: a field\n c\n\n");
    check("X: 1\nContent-Type: a/b\nX: 2\nx:3\nSet-Cookie: a\nSet-Cookie: b\n\n",
          "200*; X: 1; Content-Type: a/b; X: 2; x: 3; Set-Cookie: a; Set-Cookie: b");
}

static void test_values(void **state)
{
    check("Content-Type: \t a/b \t\n\n", "200*; Content-Type: a/b");
    check("Content-Type: a/b\nE:\nF: \t \nG: a  b\t c\n\n",
          "200*; Content-Type: a/b; E: ; F: ; G: a  b\t c");
    check("Content-Type: a/b\nX: \xc3\xa9\xff\nY: a:b: c, \"d\"\n\n",
          "200*; Content-Type: a/b; X: \xc3\xa9\xff; Y: a:b: c, \"d\"");
    check("Content-Type: a/b\n!#$%&'*+-.^_`|~09azAZ: x\n\n",
          "200*; Content-Type: a/b; !#$%&'*+-.^_`|~09azAZ: x");
}

static void test_status(void **state)
{
    static const char *const bad[] = {
        "",        " ",      "199",   "100",    "101",
        "99",      "600",    "999",   "000",    "0",
        "20",      "2",      "2000",  "200200", "+200",
        "-200",    " 2 00",  "0x200", "200.0",  "200OK",
        "200,",    "200-OK", "OK",    "OK 200", "HTTP/1.1 200 OK",
        "\"200\"",
    };
    char text[64];

    check("Status: 404 Not Found\n\n", "404 (Not Found)");
    check_body("status:404\n\nbody", "404", "body");
    check("STATUS: \t404  It is   not here \t\r\n\r\n", "404 (It is   not here)");
    check("Status: 200\n\n", "200");
    check("Status: 599 x\n\n", "599 (x)");
    check("Status: 204\n\n", "204");
    check("Status: 299 \xc3\xa9: 1\n\n", "299 (\xc3\xa9: 1)");
    check("Status: 500 \n\n", "500");
    check("Content-Type: a/b\nStatus: 403 No\nX: 1\n\n", "403 (No); Content-Type: a/b; X: 1");
    check("Status: 301\nLocation: http://h/\n\n", "301; Location: http://h/");
    check("Location: http://h/\nStatus: 201 Made\n\n", "201 (Made); Location: http://h/");
    for (size_t i = 0; i < LENGTH(bad); i++) {
        snprintf(text, sizeof(text), "Content-Type: a/b\nStatus: %s\n\n", bad[i]);
        check_bad(text);
    }
    check_bad_bytes("Status: 200\0\n\n", 14);
}

static void test_redirects_of_the_client(void **state)
{
    static const char *const targets[] = {
        "http://h/x", "https://h", "//h/x", "//",    "///x",       "x",    "x/y", "./x",
        "../x",       "?q",        "#f",    "*",     "mailto:a@b", "/x#f", /* no place for it in a
                                                                              request */
        "/a b", /* none of these is a path that a request could have */
        "/a%",        "/a%4",      "/a%zz", "/%4/x",
    };
    char text[96], expected[96];

    for (size_t i = 0; i < LENGTH(targets); i++) {
        snprintf(text, sizeof(text), "Location: %s\n\nbody", targets[i]);
        snprintf(expected, sizeof(expected), "302*; Location: %s", targets[i]);
        check_body(text, expected, "body");
    }
}

/* A path alone; with anything beside it, it is the client's business. */
static void test_redirects_of_the_server(void **state)
{
    static const char *const paths[] = {"/",         "/x",         "/x?q=1&r=%zz",
                                        "/?",        "/x/../y//z", "/a%20b%00",
                                        "/x?a//b?c", "/http://h/", "/\xc3\xa9"};
    static const char *const beside[] = {
        "Content-Type: a/b", "Status: 302",
        "Status: 302 Found", "X: 1",
        "Content-Length: 0", "Connection: x",
        "Keep-Alive: 5",     "Upgrade: h2c",
        "Set-Cookie: a=b",   "X:",
    };
    char text[96];

    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct cgi_head h;
        size_t scanned = 0,
               len = (size_t)snprintf(text, sizeof(text), "lOCATION: %s \r\n\r\nbody", paths[i]);

        assert_int_equal(cgi_head_read(&h, &arena, text, len, &scanned, false), CGI_HEAD_COMPLETE);
        assert_true(bd_slice_eq(h.local, bd_slice_of(paths[i])));
        assert_string_equal(text + h.bytes, "body");
        assert_false(h.has_status);
    }
    for (size_t i = 0; i < LENGTH(beside); i++)
        for (int first = 0; first < 2; first++) {
            struct cgi_head h;
            size_t scanned = 0, len;

            len = (size_t)snprintf(text, sizeof(text), "%s\n%s\n\n",
                                   first ? beside[i] : "Location: /x?q",
                                   first ? "Location: /x?q" : beside[i]);
            assert_int_equal(cgi_head_read(&h, &arena, text, len, &scanned, true),
                             CGI_HEAD_COMPLETE);
            if (h.local.len > 0 || h.status != 302)
                fail_msg("%d beside %s", h.status, beside[i]);
        }
    bd_arena_clear(&arena);
}

static void test_fields_of_one_hop(void **state)
{
    check("Connection: close, X-A\nX-A: 1\nX-B: 2\nContent-Type: a/b\nKeep-Alive: 5\n"
          "Transfer-Encoding: chunked\nTE: x\nUpgrade: h2c\nProxy-Connection: x\n"
          "Proxy-Authenticate: y\nDate: d\nServer: s\nTrailer: t\n\n",
          "200*; X-B: 2; Content-Type: a/b; Date: d; Server: s; Trailer: t");
    check_body("Status: 200\nConnection: Status, Content-Length, X\nContent-Length: 3\nX: 1\n\nabc",
               "200 length 3", "abc");
}

static void test_length(void **state)
{
    static const char *const bad[] = {
        "",
        "-1",
        "+1",
        "1 2",
        "1,1",
        "1, 1",
        "0x1",
        "1.0",
        "1e3",
        "a",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "1;",
        "\"1\"",
        "chunked",
    };
    char text[96];

    check_body("Content-Type: a/b\nContent-Length: 4\n\nbody", "200* length 4; Content-Type: a/b",
               "body");
    check("content-length:0\nStatus: 200\n\n", "200 length 0");
    check("Status: 200\nContent-Length: \t007 \n\n", "200 length 7");
    check("Status: 200\nContent-Length: 9223372036854775807\n\n", "200 length 9223372036854775807");
    for (size_t i = 0; i < LENGTH(bad); i++) {
        snprintf(text, sizeof(text), "Content-Type: a/b\nContent-Length: %s\n\n", bad[i]);
        check_bad(text);
    }
}

static void test_not_twice(void **state)
{
    check_bad("Content-Type: a/b\nContent-Type: a/b\n\n");
    check_bad("Content-Type: a/b\nX: 1\ncontent-type: c/d\n\n");
    check_bad("Status: 200\nStatus: 200\n\n");
    check_bad("Status: 200\nContent-Type: a/b\nSTATUS: 404\n\n");
    check_bad("Location: /x\nLocation: /x\n\n");
    check_bad("Location: http://h/\nStatus: 301\nlocation: http://i/\n\n");
    check_bad("Status: 200\nContent-Length: 5\nContent-Length: 5\n\nhello");
    check_bad("Status: 200\nContent-Length: 5\ncontent-length: 6\n\nhello");
}

static void test_none_of_the_three(void **state)
{
    check_bad("");
    check_bad("\n");
    check_bad("\r\n");
    check_bad("\n\nbody");
    check_bad("\nContent-Type: a/b\n\n");
    check_bad("X: 1\n\n");
    check_bad("Content-Length: 0\n\n");
    check_bad("Content-Types: a/b\nContentType: a/b\nContent_Type: a/b\nX-Status: 200\n\n");
    check_bad("Date: x\nSet-Cookie: a=b\n\nContent-Type: a/b\n\n");
}

static void test_malformed_lines(void **state)
{
    static const char *const lines[] = {
        "no field",
        "HTTP/1.1 200 OK",
        "<!doctype html>",
        "{\"a\": 1}",
        "Traceback (most recent call last):",
        ":",
        ": x",
        ":x",
        "A",
        "A x",
        " folded",
        "\tfolded",
        " A: x",
        "A : x",
        "A\t: x",
        "A B: x",
        "A\x01: x",
        "A\x7f: x",
        "\xc3\xa9: x",
        "\xef\xbb\xbf"
        "A: x",
        "A(: x",
        "A/B: x",
        "A@: x",
        "\"A\": x",
        "[A]: x",
        "A=b: x",
        "A,B: x",
        "A: x\x01",
        "A: \x1b[31mx",
        "A: x\x7f",
        "A: x\x0b",
        "A: x\x0cy",
        "A: x\x08",
        "A: x\ry",
        "A: \rx",
        "A: x\r",
        "\rA: x",
    };
    static const char *const ends[] = {"\n", "\r\n"};
    char text[128], expected[96];

    for (size_t i = 0; i < LENGTH(lines); i++)
        for (size_t end = 0; end < LENGTH(ends); end++) {
            if (!end && lines[i][strlen(lines[i]) - 1] == '\r')
                continue; /* with LF that is an end of line */
            snprintf(expected, sizeof(expected), "bad: %s", lines[i]);
            for (int first = 0; first < 2; first++) {
                snprintf(text, sizeof(text), "%s%s%s%s%s", first ? "" : "Content-Type: a/b",
                         first ? "" : ends[end], lines[i], ends[end], ends[end]);
                check(text, expected);
            }
        }
    check_bad_bytes("Content-Type: a/b\nA: \0x\n\n", 25);
    check_bad_bytes("Content-Type: a/b\nA\0: x\n\n", 25);
    check_bad_bytes("Content-Type: a/b\n\0\n\n", 21);
    check_bad_bytes("Content-Type: a/b\0\n\n", 20);
    check_bad_bytes("\0Content-Type: a/b\n\n", 20);
}

/* A program that prints something else is found out at its first line. */
static void test_refused_early(void **state)
{
    static const char text[] = "<html>\n<body>";
    size_t scanned = 0;
    struct cgi_head h;

    assert_int_equal(cgi_head_read(&h, &arena, text, sizeof(text) - 1, &scanned, false),
                     CGI_HEAD_BAD);
    assert_true(bd_slice_eq(h.line, BD_SLICE("<html>")));
}

static void test_over(void **state)
{
    static const char *const heads[] = {"Content-Type: a/b",
                                        "Content-Type: a/b\r",
                                        "Content-Type: a/b\n",
                                        "Content-Type: a/b\r\n",
                                        "Content-Type: a/b\r\n\r",
                                        "Content-Type",
                                        "C"};

    for (size_t i = 0; i < LENGTH(heads); i++) {
        struct cgi_head h;
        size_t scanned = 0, len = strlen(heads[i]);

        for (int again = 0; again < 2; again++)
            assert_int_equal(cgi_head_read(&h, &arena, heads[i], len, &scanned, false),
                             CGI_HEAD_MORE);
        assert_int_equal(cgi_head_read(&h, &arena, heads[i], len, &scanned, true), CGI_HEAD_BAD);
        check_bad(heads[i]);
    }
}

/* `bytes` of head with the empty line, and a body. */
static void check_size(size_t bytes, bool fits)
{
    static const char begin[] = "Content-Type: a/b\nX: ";
    char *text = malloc(bytes + 4);
    size_t scanned = 0;
    struct cgi_head h;

    assert_non_null(text);
    memset(text, 'x', bytes);
    memcpy(text, begin, sizeof(begin) - 1);
    memcpy(text + bytes - 2, "\n\nbody", 6);
    assert_int_equal(cgi_head_read(&h, &arena, text, bytes + 4, &scanned, false),
                     fits ? CGI_HEAD_COMPLETE : CGI_HEAD_BAD);
    if (fits)
        assert_true(h.bytes == bytes && h.fields == 2);
    else
        assert_true(is_inside(h.line, text, bytes + 4));
    for (size_t piece = 8192; piece <= 65536; piece += 8191) {
        enum cgi_head_result result = CGI_HEAD_MORE;

        scanned = 0;
        for (size_t n = 0; n < bytes && result == CGI_HEAD_MORE;) {
            n = bytes - n < piece ? bytes : n + piece;
            result = cgi_head_read(&h, &arena, text, n, &scanned, false);
        }
        assert_int_equal(result, fits ? CGI_HEAD_COMPLETE : CGI_HEAD_BAD);
    }
    bd_arena_clear(&arena);
    free(text);
}

static void test_size(void **state)
{
    check_size(1000, true);
    check_size(CGI_HEAD_BYTES_MAX, true);
    check_size(CGI_HEAD_BYTES_MAX + 1, false);
    check_size(10 * CGI_HEAD_BYTES_MAX, false);
}

/* A head that never ends is given up, without the empty line and without an end of file. */
static void test_endless(void **state)
{
    static const char *const units[] = {"A: b\n", "A: b\r\n", "A", "Content-Type: "};
    size_t len = CGI_HEAD_BYTES_MAX + 1;
    char *text = malloc(len + 16);

    assert_non_null(text);
    for (size_t i = 0; i < LENGTH(units); i++) {
        size_t scanned = 0;
        struct cgi_head h;

        for (size_t n = 0; n < len; n += strlen(units[i]))
            memcpy(text + n, units[i], strlen(units[i]));
        assert_int_equal(cgi_head_read(&h, &arena, text, 1000, &scanned, false), CGI_HEAD_MORE);
        assert_int_equal(cgi_head_read(&h, &arena, text, len, &scanned, false), CGI_HEAD_BAD);
        assert_true(is_inside(h.line, text, len));
    }
    free(text);
}

static void check_count(size_t n, bool fits)
{
    char text[16 * (CGI_FIELDS_MAX + 4)];
    size_t len = 0, scanned = 0;
    struct cgi_head h;

    for (size_t i = 1; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X%zu: %zu\n", i, i);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "Content-Type:a/b\n\n");
    assert_true(len < sizeof(text));
    assert_int_equal(cgi_head_read(&h, &arena, text, len, &scanned, false),
                     fits ? CGI_HEAD_COMPLETE : CGI_HEAD_BAD);
    if (!fits)
        return;
    assert_int_equal(h.fields, n);
    assert_true(bd_slice_eq(h.field[0].name, BD_SLICE("X1")));
    assert_true(bd_slice_eq(h.field[n - 1].value, BD_SLICE("a/b")));
    bd_arena_clear(&arena);
}

static void test_number_of_fields(void **state)
{
    check_count(CGI_FIELDS_MAX - 1, true);
    check_count(CGI_FIELDS_MAX, true);
    check_count(CGI_FIELDS_MAX + 1, false);
    check_count(CGI_FIELDS_MAX + 2, false);
}

/* More names than the relay's own limit: such a head is refused, not half passed on. */
static void test_too_many_names_in_connection(void **state)
{
    char text[16 * (BD_CONNECTION_NAMES_MAX + 4)];
    size_t len = (size_t)snprintf(text, sizeof(text), "Content-Type: a/b\nConnection: close");

    for (int i = 0; i <= BD_CONNECTION_NAMES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, ", x%d", i);
    snprintf(text + len, sizeof(text) - len, "\n\n");
    check_bad(text);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_redirects_of_the_client),
        cmocka_unit_test(test_redirects_of_the_server),
        cmocka_unit_test(test_fields_of_one_hop),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_not_twice),
        cmocka_unit_test(test_none_of_the_three),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_refused_early),
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_number_of_fields),
        cmocka_unit_test(test_too_many_names_in_connection),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
