/* fields.c: which fields are for the other end, and lists */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "../../watchdog/http/fields.c"

#define FIELDS_MAX 64
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* "Name: value" lines, each with a newline. */
static size_t read_fields(struct bd_field *to, const char *lines)
{
    size_t n = 0;

    while (*lines) {
        const char *colon = strchr(lines, ':'), *end = strchr(lines, '\n');

        assert_true(n < FIELDS_MAX);
        to[n].name = (struct bd_slice){lines, (size_t)(colon - lines)};
        to[n].value = (struct bd_slice){colon + 2, (size_t)(end - colon - 2)};
        n++;
        lines = end + 1;
    }
    return n;
}

static void check(const char *lines, const char *expected)
{
    struct bd_field from[FIELDS_MAX], to[FIELDS_MAX];
    size_t n = read_fields(from, lines), kept = bd_fields_end_to_end(to, from, n);
    char text[2048] = "";
    size_t len = 0;

    for (size_t i = 0; i < kept; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s: %.*s\n", (int)to[i].name.len,
                                to[i].name.p, (int)to[i].value.len, to[i].value.p);
    assert_string_equal(text, expected);
}

static void test_end_to_end(void **state)
{
    check("", "");
    check("A: 1\nb: 2\nA: 3\n", "A: 1\nb: 2\nA: 3\n");
    check("Host: h\nContent-Type: t\nTrailer: x\nDate: d\nVia: v\nExpect: 100-continue\n",
          "Host: h\nContent-Type: t\nTrailer: x\nDate: d\nVia: v\nExpect: 100-continue\n");
}

static void test_hop_by_hop(void **state)
{
    static const char *const names[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "cOnNECTION",
        "keep-alive",
        "te",
        "TRANSFER-ENCODING",
        "proxy-authorization",
        "upgradE",
        "content-length",
    };
    static const char *const others[] = {
        "Connectio", "Connections", "Keep_Alive", "Proxy-Connectio", "T",  "TEE", "TF",
        "Upgraded",  "Proxy",       "Xonnection", "Content-Lengt",   "Up",
    };
    char line[128];

    for (size_t i = 0; i < LENGTH(names); i++) {
        snprintf(line, sizeof(line), "A: 1\n%s: x\nB: 2\n", names[i]);
        check(line, "A: 1\nB: 2\n");
    }
    for (size_t i = 0; i < LENGTH(others); i++) {
        snprintf(line, sizeof(line), "%s: x\n", others[i]);
        check(line, line);
    }
}

static void test_named_by_connection(void **state)
{
    check("A: 1\nConnection: b\nB: 2\nC: 3\n", "A: 1\nC: 3\n");
    check("B: 2\nb: 3\nConnection: B\n", "");
    check("Connection: close, x-y ,\t, Z\nX-Y: 1\nz: 2\nX: 3\nClose: 4\n", "X: 3\nClose: 4\n");
    check("Connection: a\nA: 1\nB: 2\nC: 3\nConnection: b\n", "C: 3\n");
    check("Connection:  \nA: 1\n", "A: 1\n");
    check("Connection: ,,\nA: 1\n", "A: 1\n");
    check("Connection: \"a\"\nA: 1\n", "A: 1\n");
    check("Connection: keep-alive\nClose: 1\n", "Close: 1\n");
    check("Connection: keep-alive, Upgrade, TE\nUpgrade: h2c\nTE: trailers\nA: 1\n", "A: 1\n");
    /* Never about one hop only, whatever it says. */
    check("Connection: Host, Content-Length, expect\nHost: h\nExpect: 100-continue\n",
          "Host: h\nExpect: 100-continue\n");
    check("Connection: Authorization, Cookie\nAuthorization: a\nCookie: c\nD: d\n", "D: d\n");
}

/* More names than that are refused by whoever asks first. */
static void test_too_many_names(void **state)
{
    char text[40 * (BD_CONNECTION_NAMES_MAX + 4)];
    struct bd_field field[2] = {{BD_SLICE("connection"), {text, 0}},
                                {BD_SLICE("Connection"), {text, 0}}};
    size_t len = 0;

    assert_true(bd_connection_is_usable(field, 0));
    assert_true(bd_connection_is_usable(field, 2));
    for (int i = 0; i < BD_CONNECTION_NAMES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "x%d, close, TE,, Host ,", i);
    field[0].value.len = len;
    assert_true(bd_connection_is_usable(field, 2));
    field[1].value = BD_SLICE("Upgrade, keep-alive, Expect, Content-Length");
    assert_true(bd_connection_is_usable(field, 2));
    field[1].value = BD_SLICE("y");
    assert_false(bd_connection_is_usable(field, 2));
    field[1].name = BD_SLICE("Connectiom");
    assert_true(bd_connection_is_usable(field, 2));
    field[0].value.len += (size_t)snprintf(text + len, sizeof(text) - len, "y");
    assert_false(bd_connection_is_usable(field, 2));
}

/* What is copied may be copied onto itself. */
static void test_in_place(void **state)
{
    struct bd_field field[FIELDS_MAX];
    size_t n = read_fields(field, "TE: x\nA: 1\nUpgrade: y\nB: 2\n");

    assert_int_equal(bd_fields_end_to_end(field, field, n), 2);
    assert_true(bd_slice_eq(field[0].name, BD_SLICE("A")));
    assert_true(bd_slice_eq(field[1].name, BD_SLICE("B")));
}

static void test_list_has(void **state)
{
    static const struct {
        const char *list, *word;
        bool has;
    } rows[] = {
        {"close", "close", true},
        {"Close", "cLOSE", true},
        {"keep-alive, close", "close", true},
        {"close , keep-alive", "close", true},
        {" \tclose\t ", "close", true},
        {",,close,,", "close", true},
        {" , ,\t close \t,", "close", true},
        {"keep-alive,close", "keep-alive", true},
        {"", "close", false},
        {",", "close", false},
        {" ", "close", false},
        {"closed", "close", false},
        {"clos", "close", false},
        {"not close", "close", false},
        {"close now", "close", false},
        {"close;q=1", "close", false},
        {"\"close\"", "close", false},
        {"a close, b", "close", false},
        {"a b, c", "a b", true},
        {"close", "", false},
        {"", "", false},
        {",,", "", false},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        if (bd_list_has(bd_slice_of(rows[i].list), bd_slice_of(rows[i].word)) != rows[i].has)
            fail_msg("\"%s\" in \"%s\"", rows[i].word, rows[i].list);
    assert_false(bd_list_has((struct bd_slice){NULL, 0}, BD_SLICE("a")));
}

static void test_fields_list_has(void **state)
{
    struct bd_field field[FIELDS_MAX];
    size_t n = read_fields(field, "A: x\nConnection: a, b\nB: y\nconnection: c\n");
    struct bd_slice name = BD_SLICE("CONNECTION");

    assert_true(bd_fields_list_has(field, n, name, BD_SLICE("a")));
    assert_true(bd_fields_list_has(field, n, name, BD_SLICE("B")));
    assert_true(bd_fields_list_has(field, n, name, BD_SLICE("c")));
    assert_false(bd_fields_list_has(field, n, name, BD_SLICE("x")));
    assert_false(bd_fields_list_has(field, n, BD_SLICE("A"), BD_SLICE("a")));
    assert_false(bd_fields_list_has(field, 0, name, BD_SLICE("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_to_end),
        cmocka_unit_test(test_hop_by_hop),
        cmocka_unit_test(test_named_by_connection),
        cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_list_has),
        cmocka_unit_test(test_fields_list_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
