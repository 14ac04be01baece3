/* cgi_head.c: what the client and the log are told of a head */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "bandog/exchange.h"
#include "bandog/log.h"

static struct bd_exchange exchange;
static char logged[1024], replied[1024];
static int status;

__attribute__((format(printf, 2, 3))) static void test_log(enum bd_level level, const char *format,
                                                           ...)
{
    va_list args;

    assert_int_equal(level, BD_LEVEL_ERROR);

    assert_string_equal(logged, ""); /* one line */
    va_start(args, format);
    vsnprintf(logged, sizeof(logged), format, args);
    va_end(args);
}

static void test_reply_text(struct bd_exchange *x, int with, const char *text)
{
    assert_ptr_equal(x, &exchange);
    status = with;
    snprintf(replied, sizeof(replied), "%s", text);
}

#define bd_log_at test_log
#define bd_reply_text test_reply_text
#include "../../modes/cgi_head.c"

static struct cgi_head head_of(const char *text, size_t len, enum cgi_head_result expected)
{
    size_t scanned = 0;
    struct cgi_head h;

    assert_int_equal(cgi_head_read(&h, &exchange.arena, text, len, &scanned, true), expected);
    return h;
}

static void check_fields(const char *text, const char *type, const char *expected)
{
    struct cgi_head h = head_of(text, strlen(text), CGI_HEAD_COMPLETE);
    struct bd_field *field;
    size_t n = cgi_head_fields(&field, &exchange, &h, bd_slice_of(type)), len = 0;
    char got[512] = "";

    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s: %.*s\n", BD_ARG(field[i].name),
                                BD_ARG(field[i].value));
    assert_string_equal(got, expected);
    field[n] = field[0]; /* there is room for one more */
}

static void test_type_is_added(void **state)
{
    check_fields("Content-Type: a/b\nX: 1\n\n", "c/d", "Content-Type: a/b\nX: 1\n");
    check_fields("X: 1\ncontent-TYPE: a/b\n\n", "c/d", "X: 1\ncontent-TYPE: a/b\n");
    check_fields("Status: 200\nX: 1\n\n", "c/d", "X: 1\nContent-Type: c/d\n");
    check_fields("Status: 404\n\n", "c/d", "Content-Type: c/d\n");
    check_fields("Status: 201\nLocation: /x\n\n", "c/d", "Location: /x\nContent-Type: c/d\n");
    check_fields("Status: 200\nX: 1\n\n", "", "X: 1\n");
    check_fields("Status: 200\n\n", "", "");
}

/* Nor where there is usually no body. */
static void test_type_is_not_added(void **state)
{
    check_fields("Status: 204\n\n", "c/d", "");
    check_fields("Status: 304\nETag: \"x\"\n\n", "c/d", "ETag: \"x\"\n");
    check_fields("Status: 301\nLocation: http://h/\n\n", "c/d", "Location: http://h/\n");
    check_fields("Location: http://h/\nX: 1\n\n", "c/d", "Location: http://h/\nX: 1\n");
    check_fields("Status: 303\nContent-Type: a/b\n\n", "c/d", "Content-Type: a/b\n");
}

static void check_refused(const char *text, size_t len)
{
    struct cgi_head h = head_of(text, len, CGI_HEAD_BAD);

    logged[0] = replied[0] = '\0';
    cgi_head_refuse(&exchange, &h);
    assert_int_equal(status, 502);
    for (const char *p = logged; *p; p++)
        assert_in_range(*p, 0x20, 0x7e);
    assert_true(strncmp(replied, "malformed head from the function", 32) == 0);
    assert_ptr_equal(strchr(replied, '\n'), replied + strlen(replied) - 1);
}

/* The log shows the line, so that nothing in it acts; the client does not see it at all. */
static void test_refused(void **state)
{
    static const char escape[] = "Content-Type: a/b\nSecret\x1b[31m\x01\xff\0: x\n\n";

    check_refused("Traceback: \x7f\n", 13);
    assert_non_null(strstr(logged, "\"Traceback: \\x7f\""));
    assert_null(strstr(replied, "Traceback"));
    check_refused(escape, sizeof(escape) - 1);
    assert_non_null(strstr(logged, "\"Secret\\x1b[31m\\x01\\xff\\x00: x\""));
    assert_null(strstr(replied, "Secret"));
    check_refused("X: 1\n\n", 6);
    check_refused("", 0);
    check_refused("Content-Type: Secret", 20);
    assert_null(strstr(replied, "Secret"));
}

static void test_refused_at_length(void **state)
{
    size_t len = CGI_HEAD_BYTES_MAX + 1;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, '\x01', len);
    check_refused(text, len);
    assert_in_range(strlen(logged), 100, 700);
    text[1000] = '\n';
    check_refused(text, len);
    assert_in_range(strlen(logged), 100, 700);
    assert_in_range(strlen(replied), 1, 200);
    free(text);
}

static int set_up(void **state)
{
    bd_arena_init(&exchange.arena);
    return 0;
}

static int tear_down(void **state)
{
    bd_arena_release(&exchange.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_is_added),
        cmocka_unit_test(test_type_is_not_added),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_at_length),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
