/* document.c: trees of YAML, where their parts stand, and what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/document.c"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_arena arena;

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

/* A copy without a NUL behind it, so that a sanitizer sees who reads on. */
static struct bd_slice exactly(struct bd_slice text)
{
    char *copy = malloc(text.len);

    assert_true(copy || text.len == 0);
    bd_slice_put(copy, text);
    return (struct bd_slice){copy, text.len};
}

static struct node *read_slice(struct bd_slice text)
{
    struct bd_slice copy = exactly(text);
    struct bd_error err = {""};
    struct node *root = NULL;

    if (document_read(&arena, "f", copy, &root, &err) < 0)
        fail_msg("\"%.80s\": %s", text.p, err.text);
    free((char *)copy.p);
    assert_non_null(root);
    return root;
}

static struct node *read_text(const char *text)
{
    return read_slice(bd_slice_of(text));
}

static void expect_refusal(struct bd_slice text, const char *reason)
{
    struct bd_slice copy = exactly(text);
    struct bd_error err = {"nothing"};
    struct node untouched, *root = &untouched;

    if (document_read(&arena, "f", copy, &root, &err) == 0)
        fail_msg("\"%.80s\" was read", text.p);
    free((char *)copy.p);
    assert_string_equal(err.text, reason);
    assert_ptr_equal(root, &untouched);
}

/* --- a tree as text: a, "b" (quoted), null, [a, b], {a: b}
 * ---------------------------------------- */

static void print(FILE *to, const struct node *n)
{
    if (n->kind == NODE_SCALAR) {
        fprintf(to, n->null ? "null" : n->plain ? "%s" : "\"%s\"", n->text);
        return;
    }
    fputc(n->kind == NODE_LIST ? '[' : '{', to);
    for (size_t i = 0; i < n->count; i++) {
        if (i > 0)
            fputs(", ", to);
        if (n->kind == NODE_MAP) {
            print(to, n->entry[i].key);
            fputs(": ", to);
        }
        print(to, n->kind == NODE_MAP ? n->entry[i].value : n->item[i]);
    }
    fputc(n->kind == NODE_LIST ? ']' : '}', to);
}

static void expect_tree(const char *text, const char *tree)
{
    char *got = NULL;
    size_t len;
    FILE *to = open_memstream(&got, &len);

    assert_non_null(to);
    print(to, read_text(text));
    fclose(to);
    if (strcmp(got, tree) != 0)
        fail_msg("\"%s\" gave %s, not %s", text, got, tree);
    free(got);
}

struct row {
    const char *text, *tree;
};

static void expect_trees(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_tree(rows[i].text, rows[i].tree);
}

static void test_plain_scalars(void **state)
{
    static const struct row rows[] = {
        {"a", "a"},
        {"a b\n", "a b"},
        {"a\n b\n\n c", "a b\nc"},
        {"1.50", "1.50"},
        {"0x1F", "0x1F"},
        {"1_000", "1_000"},
        {"true", "true"},
        {"a#b", "a#b"},
        {"a # b", "a"},
        {"http://x:1/y", "http://x:1/y"},
        {"-x", "-x"},
        {"<<", "<<"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_quoted_scalars(void **state)
{
    static const struct row rows[] = {
        {"'a'", "\"a\""},
        {"''", "\"\""},
        {"'it''s'", "\"it's\""},
        {"'a\\n'", "\"a\\n\""},
        {"'a\n  b\n\n  c'", "\"a b\nc\""},
        {"\"a\"", "\"a\""},
        {"\"\"", "\"\""},
        {"\"\\t\\\"\\\\\\x41\\u00fc\\U0001F600\"", "\"\t\"\\A\xc3\xbc\xf0\x9f\x98\x80\""},
        {"\"a \\\n  b\"", "\"a b\""},
        {"'null'", "\"null\""},
        {"\"~\"", "\"~\""},
        {"!!str 'x'", "\"x\""},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_block_scalars(void **state)
{
    static const struct row rows[] = {
        {"|\n a\n b\n", "\"a\nb\n\""},
        {"|-\n a\n b\n\n", "\"a\nb\""},
        {"|+\n a\n\n", "\"a\n\n\""},
        {"|2\n   a\n", "\" a\n\""},
        {"|\n a", "\"a\""},
        {">\n a\n b\n\n c\n", "\"a b\nc\n\""},
        {">-\n a\n  b\n", "\"a\n b\""}, /* a line further right keeps its end */
        {"|\n", "\"\""},
        {"|\n # a\n", "\"# a\n\""},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_null(void **state)
{
    static const struct row rows[] = {
        {"", "null"},           {"\n\n", "null"},         {"# a", "null"},
        {"---", "null"},        {"---\n...", "null"},     {"~", "null"},
        {"null", "null"},       {"Null", "null"},         {"NULL", "null"},
        {"nULL", "nULL"},       {"a:", "{a: null}"},      {"a: ~", "{a: null}"},
        {"-", "[null]"},        {"- \n- a", "[null, a]"}, {"{a}", "{a: null}"},
        {"{a: }", "{a: null}"}, {"a: # b", "{a: null}"},  {"\xef\xbb\xbf", "null"},
    };

    expect_trees(rows, LENGTH(rows));
    assert_string_equal(read_text("~")->text, "");
    assert_true(read_text("")->plain);
    assert_int_equal(read_text("\n\n")->line, 1);
    assert_int_equal(read_text("\n\n")->column, 1);
}

static void test_lists_and_maps(void **state)
{
    static const struct row rows[] = {
        {"[]", "[]"},
        {"{}", "{}"},
        {"[a, 'b', [c]]", "[a, \"b\", [c]]"},
        {"{a: b, c: {d: e}}", "{a: b, c: {d: e}}"},
        {"- a\n- b\n", "[a, b]"},
        {"a: b\nc:\n  d: e\n", "{a: b, c: {d: e}}"},
        {"a:\n- b\n- c\nd: e\n", "{a: [b, c], d: e}"},
        {"- - a\n  - b\n- c: d\n  e: f\n", "[[a, b], {c: d, e: f}]"},
        {"? a\n: b\n", "{a: b}"},
        {"? a\n", "{a: null}"},
        {"\"a\": b\n'c': d\n1: e\n", "{\"a\": b, \"c\": d, 1: e}"},
        {"a: |\n  b\nc: d\n", "{a: \"b\n\", c: d}"},
        {"z: 1\na: 2\nm: 3\n", "{z: 1, a: 2, m: 3}"},
        {"[1, 2, 3, 4, 5, 6, 7, 8, 9]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"},
        {"--- # x\na: b\n...\n# y\n", "{a: b}"},
        {"%YAML 1.1\n---\na: b\n", "{a: b}"},
        {"a: b\r\nc: d\r\n", "{a: b, c: d}"},
        {"\xef\xbb\xbf"
         "a: b",
         "{a: b}"},
        {"!!map\na: !x b", "{a: b}"},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_styles(void **state)
{
    struct node *root = read_text("a: [b]\nc: {d: e}\nf:\n- g\n");

    assert_false(root->flow);
    assert_true(node_get(root, "a")->flow);
    assert_true(node_get(root, "c")->flow);
    assert_false(node_get(root, "f")->flow);
}

static void test_aliases(void **state)
{
    static const struct row rows[] = {
        {"a: &x 1\nb: *x\n", "{a: 1, b: 1}"},
        {"a: &x {b: c}\nd: *x\n", "{a: {b: c}, d: {b: c}}"},
        {"- &x [a]\n- *x\n- *x\n", "[[a], [a], [a]]"},
        {"- &x ~\n- *x\n", "[null, null]"},
        {"- &x\n- *x\n", "[null, null]"},
        {"- &x 'a'\n- *x\n", "[\"a\", \"a\"]"},
        /* the last one before it counts */
        {"- &x 1\n- *x\n- &x 2\n- *x\n", "[1, 1, 2, 2]"},
        {"- &x [1, &x 2, *x]\n- *x\n", "[[1, 2, 2], 2]"},
        {"&x a: *x\n", "{a: a}"},
        {"- &x a\n- *x : b\n", "[a, {a: b}]"},
        {"&x\na: b\n", "{a: b}"},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_merges(void **state)
{
    static const struct row rows[] = {
        {"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n", "{a: {b: 1, c: 2}, d: {b: 1, c: 2}}"},
        /* its own comes first, wherever << stands */
        {"<<: {b: 1, c: 2}\nc: 3\nd: 4\n", "{c: 3, d: 4, b: 1}"},
        {"c: 3\n<<: {b: 1, c: 2}\n", "{c: 3, b: 1}"},
        {"c: ~\n<<: {c: 2}\n", "{c: null}"},
        /* of several the first */
        {"<<: [{a: 1}, {a: 2, b: 3}]\n", "{a: 1, b: 3}"},
        {"<<: {a: 1}\n<<: {a: 2, b: 3}\n", "{a: 1, b: 3}"},
        {"<<: []\n", "{}"},
        {"<<: {<<: {a: 1}, b: 2}\n", "{b: 2, a: 1}"},
        {"[{<<: {a: 1}}]", "[{a: 1}]"},
        /* a text, no merge */
        {"\"<<\": a\n", "{\"<<\": a}"},
        {"a: <<\n", "{a: <<}"},
    };

    expect_trees(rows, LENGTH(rows));
}

static void test_refused_merges(void **state)
{
    static const char reason[] = "a map or a list of maps must stand behind <<";
    static const struct row rows[] = {
        {"<<: a\n", "f:1:5: "},
        {"<<:\n", "f:1:4: "},
        {"a: b\n<<: [{c: d}, e]\n", "f:2:14: "},
        {"<<: [[{c: d}]]\n", "f:1:6: "},
        {"- &x a\n- <<: *x\n", "f:2:7: "},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        char expected[128];

        snprintf(expected, sizeof(expected), "%s%s", rows[i].tree, reason);
        expect_refusal(bd_slice_of(rows[i].text), expected);
    }
}

static void test_duplicates(void **state)
{
    static const struct row rows[] = {
        {"a: 1\nb: 2\na: 3\n", "f:3:1: mapping key \"a\" already defined at line 1"},
        {"x:\n  a: 1\n  'a': 2\n", "f:3:3: mapping key \"a\" already defined at line 2"},
        {"{a: 1, \"\\x61\": 2}", "f:1:8: mapping key \"a\" already defined at line 1"},
        {"- &x a\n- a: 1\n  *x : 2\n", "f:3:3: mapping key \"a\" already defined at line 2"},
        {"'<<': 1\n'<<': 2\n", "f:2:1: mapping key \"<<\" already defined at line 1"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_refusal(bd_slice_of(rows[i].text), rows[i].tree);
    expect_tree("a: {a: {a: 1}}\nb: {a: 1}\n", "{a: {a: {a: 1}}, b: {a: 1}}");
}

static void test_refusals(void **state)
{
    static const struct row rows[] = {
        {"[a]: b\n", "f:1:1: a key must be a text"},
        {"{{a: b}: c}", "f:1:2: a key must be a text"},
        {"- &x [a]\n- *x : b\n", "f:2:3: a key must be a text"},
        {"a: *x\n", "f:1:4: an alias of an unknown anchor"},
        {"a: *x\nb: &x 1\n", "f:1:4: an alias of an unknown anchor"},
        {"a: &x [b, *x]\n", "f:1:11: an alias inside of what it stands for"},
        {"&x\na:\n  b: *x\n", "f:3:6: an alias inside of what it stands for"},
        {"a\n---\nb\n", "f:2:1: a second document"},
        {"a: b\n...\n---\n", "f:3:1: a second document"},
        {"--- a\n--- b\n", "f:2:1: a second document"},
        {"a: \"x\\0y\"\n", "f:1:4: a text with a NUL byte in it"},
        {"\"\\0\": a\n", "f:1:1: a text with a NUL byte in it"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_refusal(bd_slice_of(rows[i].text), rows[i].tree);
}

/* libyaml's own sentences; where they stand is what counts here. */
static void test_malformed(void **state)
{
    static const struct row rows[] = {
        {"a: b: c\n", "f:1:5: "},         {"a:\n\tb: c\n", "f:2:1: "},
        {"a: 'b\n", "f:2:1: "},           {"a: [b\nc: d\n", "f:2:2: "},
        {"a: b\n c: d\n", "f:2:3: "},     {"a: b\n]\n", "f:2:1: "},
        {"a: @b\n", "f:1:4: "},           {"\n\n  a: \"\\q\"\n", "f:3:7: "},
        {"%YAML 2.0\n---\na", "f:1:1: "}, {"!y!x a", "f:1:1: "},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct bd_error err = {""};
        struct node *root;

        assert_int_equal(document_read(&arena, "f", bd_slice_of(rows[i].text), &root, &err), -1);
        if (strncmp(err.text, rows[i].tree, strlen(rows[i].tree)) != 0 ||
            strlen(err.text) < strlen(rows[i].tree) + 10)
            fail_msg("\"%s\": %s", rows[i].text, err.text);
    }
}

/* What libyaml's reader refuses has a byte only. */
static void test_bytes_that_are_no_text(void **state)
{
    expect_refusal(BD_SLICE("a: \xff\n"), "f: byte 3: invalid leading UTF-8 octet");
    expect_refusal(BD_SLICE("a: \xc3"), "f: byte 3: incomplete UTF-8 octet sequence");
    expect_refusal(BD_SLICE("a: \xc3 "), "f: byte 4: invalid trailing UTF-8 octet");
    expect_refusal(BD_SLICE("a: \xc0\x80"), "f: byte 3: invalid length of a UTF-8 sequence");
    expect_refusal(BD_SLICE("a: \xed\xa0\x80"), "f: byte 3: invalid Unicode character");
    expect_refusal(BD_SLICE("a\0b"), "f: byte 1: control characters are not allowed");
    expect_refusal(BD_SLICE("a: \033[31m"), "f: byte 3: control characters are not allowed");
    expect_refusal(BD_SLICE("a: \x7f"), "f: byte 3: control characters are not allowed");
}

/* --- places --------------------------------------------------------------------------------------
 */

static void expect_place(const struct node *n, size_t line, size_t column, size_t next_line)
{
    assert_non_null(n);
    if (n->line != line || n->column != column || n->next_line != next_line)
        fail_msg("\"%s\" stands at %zu:%zu, %zu behind it, not at %zu:%zu, %zu", n->text, n->line,
                 n->column, n->next_line, line, column, next_line);
}

static void test_places_of_scalars(void **state)
{
    struct node *root = read_text("a: b\n"                           /* 1 */
                                  "'c':   \"d\"\n"                   /* 2 */
                                  "e: f\n"                           /* 3 */
                                  "   g\n"                           /* 4 */
                                  "\n"                               /* 5 */
                                  "h: |\n"                           /* 6 */
                                  "  i\n"                            /* 7 */
                                  "\n"                               /* 8 */
                                  "  j\n"                            /* 9 */
                                  "\n"                               /* 10 */
                                  "\xc3\xbc: \xc3\xbc\xc3\xbc # x\n" /* 11 */
                                  "k: 'l\n"                          /* 12 */
                                  "  m'\n"                           /* 13 */
                                  "n:\n"                             /* 14 */
                                  "o: p");                           /* 15 */

    expect_place(root->entry[0].key, 1, 1, 1);
    expect_place(root->entry[0].value, 1, 4, 1);
    expect_place(root->entry[1].key, 2, 1, 2);
    expect_place(root->entry[1].value, 2, 8, 2);
    expect_place(node_get(root, "e"), 3, 4, 4);
    expect_place(node_get(root, "h"), 6, 4, 10);
    expect_place(node_get(root, "\xc3\xbc"), 11, 4, 11);
    expect_place(node_get(root, "k"), 12, 4, 13);
    assert_int_equal(node_get(root, "n")->line, 14);
    assert_int_equal(node_get(root, "n")->next_line, 14);
    expect_place(node_get(root, "o"), 15, 4, 15);
    expect_place(root, 1, 1, 15);
}

static void test_places_of_lists_and_maps(void **state)
{
    struct node *root = read_text("# x\n"       /* 1 */
                                  "a:\n"        /* 2 */
                                  "  b: c\n"    /* 3 */
                                  "  d:\n"      /* 4 */
                                  "    - e\n"   /* 5 */
                                  "    # x\n"   /* 6 */
                                  "\n"          /* 7 */
                                  "f: [g,\n"    /* 8 */
                                  "    h\n"     /* 9 */
                                  "  ]\n"       /* 10 */
                                  "i: {j: k}\n" /* 11 */
                                  "l:\n"        /* 12 */
                                  "- m\n"       /* 13 */
                                  "- n:\n"      /* 14 */
                                  "# x\n");     /* 15 */

    expect_place(root, 2, 1, 14);
    expect_place(node_get(root, "a"), 3, 3, 5);
    expect_place(node_get(node_get(root, "a"), "d"), 5, 5, 5);
    expect_place(node_get(root, "f"), 8, 4, 10);
    expect_place(node_get(root, "i"), 11, 4, 11);
    expect_place(node_get(root, "l"), 13, 1, 14);
    expect_place(node_get(root, "l")->item[1], 14, 3, 14);
}

/* An alias stands where it is written; what is in it stands where the anchor is. */
static void test_places_of_aliases(void **state)
{
    struct node *root = read_text("a: &x\n"   /* 1 */
                                  "  b: c\n"  /* 2 */
                                  "d:\n"      /* 3 */
                                  "  e: *x\n" /* 4 */
                                  "f: g\n");  /* 5 */
    struct node *alias_of = node_get(node_get(root, "d"), "e");

    expect_place(alias_of, 4, 6, 4);
    expect_place(node_get(alias_of, "b"), 2, 6, 2);
    expect_place(node_get(root, "d"), 4, 3, 4);
    expect_place(root, 1, 1, 5);
}

static void test_places_with_other_line_ends(void **state)
{
    struct node *root = read_text("a: b\r\nc: |\r\n  d\r\ne: f\r\n");

    expect_place(node_get(root, "a"), 1, 4, 1);
    expect_place(node_get(root, "c"), 2, 4, 3);
    expect_place(node_get(root, "e"), 4, 4, 4);
}

/* --- bounds --------------------------------------------------------------------------------------
 */

static char *repeated(const char *text, size_t times)
{
    size_t len = strlen(text);
    char *all = malloc(len * times + 1);

    assert_non_null(all);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * len, text, len);
    all[len * times] = '\0';
    return all;
}

static void test_bytes_max(void **state)
{
    char *text = repeated("#", DOCUMENT_BYTES_MAX + 1);

    assert_true(read_slice((struct bd_slice){text, DOCUMENT_BYTES_MAX})->null);
    expect_refusal((struct bd_slice){text, DOCUMENT_BYTES_MAX + 1}, "f: larger than 1048576 bytes");
    free(text);
}

static void test_depth_max(void **state)
{
    char *open = repeated("[", DOCUMENT_DEPTH_MAX + 1), *shut = repeated("]", DOCUMENT_DEPTH_MAX);
    char text[2 * DOCUMENT_DEPTH_MAX + 8];
    const struct node *n;
    int depth = 0;

    snprintf(text, sizeof(text), "%.*s%s", DOCUMENT_DEPTH_MAX, open, shut);
    for (n = read_text(text); n->count > 0; n = n->item[0])
        depth++;
    assert_int_equal(depth, DOCUMENT_DEPTH_MAX - 1);
    snprintf(text, sizeof(text), "%s%s]", open, shut);
    expect_refusal(bd_slice_of(text), "f:1:65: lists and maps are nested too deeply");
    free(open);
    free(shut);
}

static void test_nodes_max(void **state)
{
    static const char reason[] = "the document is too large once its aliases are followed";
    char *text = repeated("- a\n", DOCUMENT_NODES_MAX);
    char expected[128];

    assert_int_equal(read_slice((struct bd_slice){text, 4 * (DOCUMENT_NODES_MAX - 1)})->count,
                     DOCUMENT_NODES_MAX - 1);
    snprintf(expected, sizeof(expected), "f:%d:3: %s", DOCUMENT_NODES_MAX, reason);
    expect_refusal(bd_slice_of(text), expected);
    free(text);
}

static void test_weight(void **state)
{
    struct node *root = read_text("a: &x [1, 2]\nb: {c: *x, d: *x}\n");

    assert_int_equal(node_get(root, "a")->weight, 3);
    assert_int_equal(node_get(root, "b")->weight, 9);
    assert_int_equal(root->weight, 1 + 2 + 3 + 9);
}

/* Ten lists, each of ten aliases of the one before. */
static void test_billion_laughs(void **state)
{
    char text[1024];
    size_t len = (size_t)snprintf(text, sizeof(text), "a0: &a0 x\n");

    for (int i = 1; i <= 9; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "*a%d,", i - 1);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "]\n");
    }
    assert_true(len < sizeof(text));
    /* 11111 nodes in a4: the second one in a5 is too much */
    expect_refusal((struct bd_slice){text, len},
                   "f:6:14: the document is too large once its aliases are followed");
}

/* Through merges, where no list grows. */
static void test_merges_that_double(void **state)
{
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof(text), "- &m0 {k: v}\n");
    struct bd_error err = {""};
    struct node *root;

    for (int i = 1; i <= 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "- &m%d {<<: [*m%d, *m%d]}\n", i,
                                i - 1, i - 1);
    assert_true(len < sizeof(text));
    assert_int_equal(document_read(&arena, "f", (struct bd_slice){text, len}, &root, &err), -1);
    assert_non_null(strstr(err.text, "too large once its aliases are followed"));
}

static void test_get(void **state)
{
    struct node *root = read_text("a: 1\nb: [c]\n");

    assert_string_equal(node_get(root, "a")->text, "1");
    assert_null(node_get(root, "c"));
    assert_null(node_get(root, ""));
    assert_null(node_get(node_get(root, "b"), "c"));
    assert_null(node_get(node_get(root, "a"), "1"));
    assert_null(node_get(NULL, "a"));
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_plain_scalars),
        IN_ARENA(test_quoted_scalars),
        IN_ARENA(test_block_scalars),
        IN_ARENA(test_null),
        IN_ARENA(test_lists_and_maps),
        IN_ARENA(test_styles),
        IN_ARENA(test_aliases),
        IN_ARENA(test_merges),
        IN_ARENA(test_refused_merges),
        IN_ARENA(test_duplicates),
        IN_ARENA(test_refusals),
        IN_ARENA(test_malformed),
        IN_ARENA(test_bytes_that_are_no_text),
        IN_ARENA(test_places_of_scalars),
        IN_ARENA(test_places_of_lists_and_maps),
        IN_ARENA(test_places_of_aliases),
        IN_ARENA(test_places_with_other_line_ends),
        IN_ARENA(test_bytes_max),
        IN_ARENA(test_depth_max),
        IN_ARENA(test_nodes_max),
        IN_ARENA(test_weight),
        IN_ARENA(test_billion_laughs),
        IN_ARENA(test_merges_that_double),
        IN_ARENA(test_get),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
