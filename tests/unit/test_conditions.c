/* conditions.c: which answer the conditions of a request lead to, row by row */
#include "request_of.h"

#undef skip /* cmocka's */
#include "../../watchdog/http/conditions.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define MODIFIED_S INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW_S INT64_C(1717200000)     /* 2024-06-01T00:00:00Z */
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

#define GO_ON BD_CONDITION_TRUE
#define NOT_MODIFIED BD_CONDITION_NOT_MODIFIED
#define FAILED BD_CONDITION_FAILED

static const struct bd_validators plain = {{"\"abc\"", 5}, MODIFIED_S};

struct row {
    const char *fields;
    enum bd_condition expected;
};

static void check(const struct bd_validators *v, const struct row *row, size_t rows)
{
    for (; rows-- > 0; row++) {
        struct bd_exchange *x = exchange_with_fields(row->fields);
        enum bd_condition got = bd_conditions_check(&x->req, v, NOW_S);

        if (got != row->expected)
            fail_msg("%sgave %d, not %d", row->fields, got, row->expected);
    }
}

static void test_no_condition(void **state)
{
    static const struct row rows[] = {
        {"", GO_ON},
        {"Range: bytes=0-1\r\nIf-Range: \"x\"\r\nETag: \"abc\"\r\nLast-Modified: " SAME "\r\n",
         GO_ON},
        {"If-Matches: \"x\"\r\nIf-None-Matc: *\r\nX-If-None-Match: *\r\n", GO_ON},
    };

    check(&plain, rows, LENGTH(rows));
}

static void test_if_match(void **state)
{
    static const struct row rows[] = {
        {"If-Match: *\r\n", GO_ON},
        {"If-Match: \"abc\"\r\n", GO_ON},
        {"iF-mATCH: \"abc\"\r\n", GO_ON},
        {"If-Match: \"x\", \"abc\"\r\n", GO_ON},
        {"If-Match: \"abc\", \"x\"\r\n", GO_ON},
        {"If-Match: \"x\",\"abc\"\r\n", GO_ON},
        {"If-Match: , ,\t\"x\" \t,, \"abc\" ,\r\n", GO_ON},
        {"If-Match: W/\"abc\", \"abc\"\r\n", GO_ON},
        {"If-Match: \"x\"\r\nIf-Match: \"abc\"\r\n", GO_ON}, /* one list (RFC 9110, 5.3) */
        {"If-Match: \"abc\"\r\nIf-Match: \"x\"\r\n", GO_ON},
        {"If-Match: \"x\"\r\n", FAILED},
        {"If-Match: \"ABC\"\r\n", FAILED},
        {"If-Match: \"abcd\"\r\n", FAILED},
        {"If-Match: \"ab\"\r\n", FAILED},
        {"If-Match: \"\"\r\n", FAILED},
        {"If-Match: W/\"abc\"\r\n", FAILED}, /* strong comparison */
        {"If-Match: W/\"abc\", \"x\"\r\n", FAILED},
        {"If-Match: \"x,\", \"y\"\r\n", FAILED},
        {"If-Match: \"*\"\r\n", FAILED},
        {"If-Match: abc\r\n", FAILED},
        {"If-Match: \"abc\r\n", FAILED},
        {"If-Match: abc\"\r\n", FAILED},
        {"If-Match: '\"abc\"'\r\n", FAILED},
        {"If-Match: 'abc'\r\n", FAILED},
    };

    check(&plain, rows, LENGTH(rows));
}

static void test_if_unmodified_since(void **state)
{
    static const struct row rows[] = {
        {"If-Unmodified-Since: " AFTER "\r\n", GO_ON},
        {"If-Unmodified-Since: " SAME "\r\n", GO_ON},
        {"If-Unmodified-Since: " BEFORE "\r\n", FAILED},
        {"if-unmodified-since: " BEFORE "\r\n", FAILED},
        {"If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT\r\n", FAILED},
        {"If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", GO_ON},
        {"If-Unmodified-Since: Sun Nov  6 08:49:36 1994\r\n", FAILED},
        {"If-Unmodified-Since: Sun Nov  6 08:49:37 1994\r\n", GO_ON},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36\r\n", GO_ON}, /* no date */
        {"If-Unmodified-Since: 0\r\n", GO_ON},
        {"If-Unmodified-Since:\r\n", GO_ON},
        {"If-Unmodified-Since: \"x\"\r\n", GO_ON},
        /* If-Match decides alone. */
        {"If-Match: \"abc\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", GO_ON},
        {"If-Unmodified-Since: " BEFORE "\r\nIf-Match: *\r\n", GO_ON},
        {"If-Match: \"x\"\r\nIf-Unmodified-Since: " AFTER "\r\n", FAILED},
    };

    check(&plain, rows, LENGTH(rows));
}

static void test_if_none_match(void **state)
{
    static const struct row rows[] = {
        {"If-None-Match: *\r\n", NOT_MODIFIED},
        {"If-None-Match: \"abc\"\r\n", NOT_MODIFIED},
        {"IF-NONE-MATCH: \"abc\"\r\n", NOT_MODIFIED},
        {"If-None-Match: W/\"abc\"\r\n", NOT_MODIFIED}, /* weak comparison */
        {"If-None-Match: \"x\", W/\"abc\"\r\n", NOT_MODIFIED},
        {"If-None-Match: W/\"x\",\"abc\",\"y\"\r\n", NOT_MODIFIED},
        {"If-None-Match: ,, \"x\"\t, \"abc\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"x\"\r\nA: b\r\nIf-None-Match: \"abc\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"x\"\r\n", GO_ON},
        {"If-None-Match: W/\"x\"\r\n", GO_ON},
        {"If-None-Match: w/\"abc\"\r\n", GO_ON}, /* W is case-sensitive (8.8.3) */
        {"If-None-Match: W\"abc\"\r\n", GO_ON},
        {"If-None-Match: W/ \"abc\"\r\n", GO_ON},
        {"If-None-Match: \"Abc\"\r\n", GO_ON},
        {"If-None-Match: \"\"\r\n", GO_ON},
        {"If-None-Match: abc\r\n", GO_ON},
        {"If-None-Match: \"*\"\r\n", GO_ON},
        {"If-None-Match: \"abc\r\n", GO_ON},
        /* What stands behind a mistake does not count. */
        {"If-None-Match: \"x\" \"abc\"\r\n", GO_ON},
        {"If-None-Match: \"x y\", \"abc\"\r\n", GO_ON},
        {"If-None-Match: x, \"abc\"\r\n", GO_ON},
        {"If-None-Match: *, \"abc\"\r\n", GO_ON},
    };

    check(&plain, rows, LENGTH(rows));
}

static void test_if_modified_since(void **state)
{
    static const struct row rows[] = {
        {"If-Modified-Since: " AFTER "\r\n", NOT_MODIFIED},
        {"If-Modified-Since: " SAME "\r\n", NOT_MODIFIED},
        {"If-Modified-Since: " BEFORE "\r\n", GO_ON},
        {"IF-modified-SINCE: " SAME "\r\n", NOT_MODIFIED},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", NOT_MODIFIED},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT\r\n", GO_ON},
        {"If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", NOT_MODIFIED},
        {"If-Modified-Since: Sun Nov  6 08:49:36 1994\r\n", GO_ON},
        {"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", NOT_MODIFIED},
        {"If-Modified-Since: Sat, 01 Jan 0000 00:00:00 GMT\r\n", GO_ON},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 UTC\r\n", GO_ON}, /* no date */
        {"If-Modified-Since: Fri, 31 Nov 2023 00:00:00 GMT\r\n", GO_ON},
        {"If-Modified-Since: 2147483647\r\n", GO_ON},
        {"If-Modified-Since: *\r\n", GO_ON},
        {"If-Modified-Since:\r\n", GO_ON},
        /* If-None-Match decides alone, whatever it holds. */
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " AFTER "\r\n", GO_ON},
        {"If-Modified-Since: " AFTER "\r\nIf-None-Match: x\r\n", GO_ON},
        {"If-None-Match: \"abc\"\r\nIf-Modified-Since: " BEFORE "\r\n", NOT_MODIFIED},
    };

    check(&plain, rows, LENGTH(rows));
}

/* 412 comes before 304 (13.2.2). */
static void test_both_steps(void **state)
{
    static const struct row rows[] = {
        {"If-Match: \"abc\"\r\nIf-None-Match: \"abc\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"abc\"\r\nIf-Match: \"x\"\r\n", FAILED},
        {"If-Match: \"abc\"\r\nIf-None-Match: \"x\"\r\n", GO_ON},
        {"If-Match: *\r\nIf-Modified-Since: " SAME "\r\n", NOT_MODIFIED},
        {"If-Match: \"x\"\r\nIf-Modified-Since: " SAME "\r\n", FAILED},
        {"If-Unmodified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n", NOT_MODIFIED},
        {"If-Unmodified-Since: " BEFORE "\r\nIf-Modified-Since: " SAME "\r\n", FAILED},
        {"If-Unmodified-Since: " AFTER "\r\nIf-None-Match: *\r\n", NOT_MODIFIED},
        {"If-Unmodified-Since: " BEFORE "\r\nIf-None-Match: *\r\n", FAILED},
        {"If-Unmodified-Since: junk\r\nIf-None-Match: \"x\"\r\n", GO_ON},
    };

    check(&plain, rows, LENGTH(rows));
}

/* Quotes end a tag, and nothing else does. */
static void test_bytes_of_tags(void **state)
{
    static const struct bd_validators comma = {{"\"a,b\"", 5}, MODIFIED_S};
    static const struct bd_validators odd = {{"\"\\!#~\xc3\xa9W/\"", 10}, MODIFIED_S};
    static const struct bd_validators weak_like = {{"\"W/\"", 4}, MODIFIED_S};
    static const struct row comma_rows[] = {
        {"If-None-Match: \"a,b\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"a\", \"b\"\r\n", GO_ON},
        {"If-None-Match: \"x,\",\"a,b\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"b\",\"a\"\r\n", GO_ON},
        {"If-Match: \"a,b\"\r\n", GO_ON},
        {"If-Match: \"x\"a,b\"\r\n", FAILED},
    };
    static const struct row odd_rows[] = {
        {"If-None-Match: \"\\!#~\xc3\xa9W/\"\r\n", NOT_MODIFIED},
        {"If-None-Match: \"\\!#~\xc3\xa8W/\"\r\n", GO_ON},
    };
    static const struct row weak_like_rows[] = {
        {"If-Match: \"W/\"\r\n", GO_ON},
        {"If-Match: W/\"\"\r\n", FAILED},
        {"If-Match: W/\"W/\"\r\n", FAILED},
        {"If-None-Match: W/\"W/\"\r\n", NOT_MODIFIED},
    };

    check(&comma, comma_rows, LENGTH(comma_rows));
    check(&odd, odd_rows, LENGTH(odd_rows));
    check(&weak_like, weak_like_rows, LENGTH(weak_like_rows));
}

/* What has no tag can only be met by its date, or by "*". */
static void test_without_tag(void **state)
{
    static const struct bd_validators dated = {{NULL, 0}, MODIFIED_S};
    static const struct row rows[] = {
        {"If-None-Match: \"abc\"\r\n", GO_ON},
        {"If-None-Match: \"\"\r\n", GO_ON},
        {"If-None-Match:\r\n", GO_ON},
        {"If-None-Match: ,\r\n", GO_ON},
        {"If-None-Match: *\r\n", NOT_MODIFIED},
        {"If-Match: \"\"\r\n", FAILED},
        {"If-Match: \"abc\"\r\n", FAILED},
        {"If-Match: *\r\n", GO_ON},
        {"If-Modified-Since: " SAME "\r\n", NOT_MODIFIED},
        {"If-Modified-Since: " BEFORE "\r\n", GO_ON},
    };

    check(&dated, rows, LENGTH(rows));
    assert_false(
        bd_if_range_holds(&exchange_with_fields("If-Range: \"\"\r\n")->req, &dated, NOW_S));
    assert_false(bd_if_range_holds(&exchange_with_fields("If-Range:\r\n")->req, &dated, NOW_S));
}

/* Without a date of its own, dates in the request say nothing (13.1.3, 13.1.4). */
static void test_without_date(void **state)
{
    static const struct bd_validators undated = {{"\"abc\"", 5}, BD_MODIFIED_UNKNOWN};
    static const struct row rows[] = {
        {"If-Modified-Since: " SAME "\r\n", GO_ON},
        {"If-Modified-Since: Sat, 01 Jan 0000 00:00:00 GMT\r\n", GO_ON},
        {"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", GO_ON},
        {"If-Unmodified-Since: Sat, 01 Jan 0000 00:00:00 GMT\r\n", GO_ON},
        {"If-Unmodified-Since: " SAME "\r\nIf-None-Match: \"abc\"\r\n", NOT_MODIFIED},
        {"If-Match: \"x\"\r\nIf-Unmodified-Since: " SAME "\r\n", FAILED},
    };

    check(&undated, rows, LENGTH(rows));
    assert_true(
        bd_if_range_holds(&exchange_with_fields("If-Range: \"abc\"\r\n")->req, &undated, NOW_S));
    assert_false(
        bd_if_range_holds(&exchange_with_fields("If-Range: " SAME "\r\n")->req, &undated, NOW_S));
}

static void test_if_range(void **state)
{
    static const struct {
        const char *fields;
        bool holds;
    } rows[] = {
        {"", true},
        {"Range: bytes=0-1\r\n", true},
        {"If-Range: \"abc\"\r\n", true},
        {"if-range: \"abc\"\r\n", true},
        {"If-Range: \"x\"\r\n", false},
        {"If-Range: W/\"abc\"\r\n", false},
        {"If-Range: abc\r\n", false},
        {"If-Range: *\r\n", false},
        {"If-Range: \"abc\", \"x\"\r\n", false}, /* one tag, no list (13.1.5) */
        {"If-Range: \"x\", \"abc\"\r\n", false},
        {"If-Range: \"abc\"x\r\n", false},
        {"If-Range: \"abc\r\n", false},
        {"If-Range:\r\n", false},
        {"If-Range: " SAME "\r\n", true},
        {"If-Range: Sunday, 06-Nov-94 08:49:37 GMT\r\n", true},
        {"If-Range: Sun Nov  6 08:49:37 1994\r\n", true},
        {"If-Range: " BEFORE "\r\n", false}, /* exactly that date */
        {"If-Range: " AFTER "\r\n", false},
        {"If-Range: Sun, 06 Nov 1994 08:49:37\r\n", false},
        {"If-Range: 784111777\r\n", false},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        if (bd_if_range_holds(&exchange_with_fields(rows[i].fields)->req, &plain, NOW_S) !=
            rows[i].holds)
            fail_msg("%s", rows[i].fields);
}

/* Two digits of a year mean another one when the clock says so. */
static void test_now_matters(void **state)
{
    static const char fields[] = "If-Modified-Since: Sunday, 06-Nov-94 08:49:38 GMT\r\n";
    struct bd_exchange *x = exchange_with_fields(fields);
    struct bd_validators v = {{"\"abc\"", 5}, INT64_C(2000000000)}; /* in 2033 */

    assert_int_equal(bd_conditions_check(&x->req, &v, NOW_S), GO_ON);
    assert_int_equal(bd_conditions_check(&x->req, &v, INT64_C(3000000000)), NOT_MODIFIED);
}

/* Without a word about it, identity is acceptable, but everything else that is comes first. */
static void test_coding_weight(void **state)
{
    static const struct {
        const char *fields;
        int gzip, br, identity;
    } rows[] = {
        {"", 0, 0, 1},
        {"Accept: gzip\r\nX-Accept-Encoding: br\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip\r\n", 1000, 0, 1},
        {"accept-encoding: gzip\r\n", 1000, 0, 1},
        {"Accept-Encoding:\r\n", 0, 0, 1},
        {"Accept-Encoding: ,\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip, deflate, br, zstd\r\n", 1000, 1000, 1},
        {"Accept-Encoding: gzip,br\r\n", 1000, 1000, 1},
        {"Accept-Encoding: ,gzip ,\t, br\t,\r\n", 1000, 1000, 1},
        {"Accept-Encoding: GZip;Q=0.5, bR\r\n", 500, 1000, 1},
        {"Accept-Encoding: gzip\r\nB: c\r\nAccept-Encoding: br;q=0.2\r\n", 1000, 200, 1},
        {"Accept-Encoding: gzip;q=1, br;q=0\r\n", 1000, 0, 1},
        {"Accept-Encoding: gzip;q=1.000, br;q=0.000\r\n", 1000, 0, 1},
        {"Accept-Encoding: gzip;q=0.001, br;q=0.999\r\n", 1, 999, 1},
        {"Accept-Encoding: gzip;q=0.05, br;q=0.5\r\n", 50, 500, 1},
        {"Accept-Encoding: gzip;q=0., br;q=1.\r\n", 0, 1000, 1},
        {"Accept-Encoding: gzip ; q=0.5, br\t;\tq=0.25\r\n", 500, 250, 1},
        {"Accept-Encoding: *\r\n", 1000, 1000, 1000},
        {"Accept-Encoding: *;q=0.5\r\n", 500, 500, 500},
        {"Accept-Encoding: *;q=0\r\n", 0, 0, 0},
        {"Accept-Encoding: gzip;q=0, *\r\n", 0, 1000, 1000}, /* the more specific one */
        {"Accept-Encoding: *, gzip;q=0\r\n", 0, 1000, 1000},
        {"Accept-Encoding: *;q=0, gzip\r\n", 1000, 0, 0},
        {"Accept-Encoding: *;q=0, identity;q=0.1\r\n", 0, 0, 100},
        {"Accept-Encoding: identity\r\n", 0, 0, 1000},
        {"Accept-Encoding: identity;q=0\r\n", 0, 0, 0},
        {"Accept-Encoding: Identity;q=0.3, gzip\r\n", 1000, 0, 300},
        {"Accept-Encoding: identity;q=0, *\r\n", 1000, 1000, 0},
        {"Accept-Encoding: gzipped, brotli, b, gzi, xgzip\r\n", 0, 0, 1},
        {"Accept-Encoding: \"gzip\"\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip br\r\n", 0, 0, 1},
        /* A weight that is none is no reason to send what cannot be read. */
        {"Accept-Encoding: gzip;q=, br;q=x\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=1.1, br;q=2\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=1.001, br;q=10\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=-1, br;q=+1\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=0.1234, br;q=0.0001\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=.5, br;q=0,5\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;q=0.5x, br;q=00.5\r\n", 0, 0, 1},
        {"Accept-Encoding: gzip;x=1, br;q\r\n", 1000, 0, 1},
        {"Accept-Encoding: gzip;x=1;q=0.5, br;q=0.25;x\r\n", 500, 250, 1},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct bd_request *r = &exchange_with_fields(rows[i].fields)->req;
        int gzip = bd_coding_weight(r, BD_SLICE("gzip")), br = bd_coding_weight(r, BD_SLICE("br")),
            identity = bd_coding_weight(r, BD_SLICE("identity"));

        if (gzip != rows[i].gzip || br != rows[i].br || identity != rows[i].identity)
            fail_msg("%sgave gzip %d, br %d, identity %d", rows[i].fields, gzip, br, identity);
    }
}

static int tear_down(void **state)
{
    forget_exchange();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_condition),        cmocka_unit_test(test_if_match),
        cmocka_unit_test(test_if_unmodified_since), cmocka_unit_test(test_if_none_match),
        cmocka_unit_test(test_if_modified_since),   cmocka_unit_test(test_both_steps),
        cmocka_unit_test(test_bytes_of_tags),       cmocka_unit_test(test_without_tag),
        cmocka_unit_test(test_without_date),        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_now_matters),         cmocka_unit_test(test_coding_weight),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
