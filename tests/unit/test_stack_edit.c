/* stack_edit.c: a function more in a stack file, and every byte that was there still in it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/stack_edit.c"

#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define GATEWAY "http://127.0.0.1:8080"
#define NO_PLACE "s.yml: found no place for the function: add it by hand"
#define NO_BLOCK "s.yml: functions must be a map in block style to be added to"

/* With names two to the right, keys four. */
#define ENTRY "  new:\n    lang: l\n    handler: ./new\n    image: new:latest\n\n"

static struct bd_arena arena;
static struct function added;

static int set_up(void **state)
{
    bd_arena_init(&arena);
    added =
        (struct function){.name = "new", .lang = "l", .handler = "./new", .image = "new:latest"};
    return 0;
}

static int tear_down(void **state)
{
    bd_arena_release(&arena);
    return 0;
}

static int add(const char *text, struct bd_slice *ret, struct bd_error *err)
{
    size_t len = text ? strlen(text) : 0;
    char *copy = text ? malloc(len + !len) : NULL; /* without a NUL behind it */
    int result;

    assert_true(copy || !text);
    if (text)
        memcpy(copy, text, len);
    result = stack_add(&arena, "s.yml", (struct bd_slice){copy, len}, GATEWAY, &added, ret, err);
    free(copy);
    return result;
}

/* The whole result. */
static void expect(const char *text, const char *result)
{
    struct bd_slice got;
    struct bd_error err = {""};

    if (add(text, &got, &err))
        fail_msg("\"%s\": %s", text, err.text);
    if (!bd_slice_eq(got, bd_slice_of(result)))
        fail_msg("\"%s\" gave \"%.*s\"", text, (int)got.len, got.p);
}

/* `inserted` between `before` and `after`. */
static void expect_between(const char *before, const char *inserted, const char *after)
{
    expect(bd_arena_printf(&arena, "%s%s", before, after),
           bd_arena_printf(&arena, "%s%s%s", before, inserted, after));
}

static void expect_refusal(const char *text, const char *reason)
{
    struct bd_slice got;
    struct bd_error err = {"nothing"};

    if (add(text, &got, &err) == 0)
        fail_msg("\"%s\" gave \"%.*s\"", text, (int)got.len, got.p);
    assert_string_equal(err.text, reason);
}

static void test_new_file(void **state)
{
    static const char file[] = "version: 1.0\nprovider:\n  name: openfaas\n"
                               "  gateway: " GATEWAY "\nfunctions:\n" ENTRY;

    expect(NULL, file);
    expect("", file);
    expect_between("# ours\n\n", file, "");
    expect_between("---\n", file, "");
    expect_between("\xef\xbb\xbf# x\n", file, "");
    expect("# x", bd_arena_printf(&arena, "# x\n%s", file));
}

static void test_behind_the_last(void **state)
{
    expect_between("functions:\n  a:\n    lang: x\n", ENTRY, "");
    expect_between("functions:\n  a:\n    lang: x\n\n", ENTRY, "");
    expect_between("functions:\n  b:\n    lang: x\n  a:\n    lang: x\n", ENTRY, "");
    expect_between("version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  a:\n    lang: x\n",
                   ENTRY, "");
    expect_between("functions:\n  a: {lang: x}\n", ENTRY, "");
    expect_between("functions:\n  a:\n", ENTRY, "");
    expect_between("functions:\n  a:\n    lang: x\n    secrets:\n    - s\n    - t\n", ENTRY, "");
    expect_between("functions:\n  a:\n    lang: x\n    labels: {\n      b: c,\n  }\n", ENTRY, "");
    expect_between("functions:\n  a:\n    lang: >\n      x\n\n      y\n", ENTRY, "");
    expect_between("functions:\n  a:\n    lang: 'x\n      y'\n", ENTRY, "");
}

static void test_other_keys_behind(void **state)
{
    static const char *const behind[] = {
        "configuration:\n  templates:\n    - name: t\n",
        "# about the next\nconfiguration:\n  copy: [a]\n",
        "x: y",
        "? z\n: y\n",
        "...\n",
        "# the end",
    };

    for (size_t i = 0; i < LENGTH(behind); i++) {
        expect_between("functions:\n  a:\n    lang: x\n", ENTRY, behind[i]);
        expect_between("functions:\n  a:\n    lang: x\n\n\n", ENTRY, behind[i]);
        expect_between("functions:\n", ENTRY, behind[i]);
    }
}

static void test_no_functions_yet(void **state)
{
    expect_between("functions:\n", ENTRY, "");
    expect_between("functions: # none yet\n", ENTRY, "# x\n");
    expect_between("functions: &all\n", ENTRY, "");
    expect_between("version: 1.0\n", "functions:\n" ENTRY, "");
    expect_between("version: 1.0\nprovider:\n  name: openfaas\n# x\n", "functions:\n" ENTRY, "");
    expect("functions:", "functions:\n" ENTRY);
    expect("version: 1.0", "version: 1.0\nfunctions:\n" ENTRY);
}

static void test_comments_of_the_last(void **state)
{
    expect_between("functions:\n  a:\n    lang: x\n    # more: y\n\n   # z\n", ENTRY,
                   "  # about what follows\n# x\nx: y\n");
    expect_between("functions:\n  a:\n    lang: x # y\n    # z", "\n" ENTRY, "");
    expect_between("functions:\n  a:\n    lang: |\n      # no comment\n", ENTRY, "# x\n");
}

static void test_indentation(void **state)
{
    static const char *const keys[] = {"lang: l", "handler: ./new", "image: new:latest"};
    static const struct {
        int name, step;
    } rows[] = {{1, 1}, {2, 2}, {2, 1}, {4, 4}, {3, 5}, {8, 2}};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        int name = rows[i].name, key = name + rows[i].step;
        const char *entry = bd_arena_printf(&arena, "%*snew:\n", name, "");

        for (size_t k = 0; k < LENGTH(keys); k++)
            entry = bd_arena_printf(&arena, "%s%*s%s\n", entry, key, "", keys[k]);
        expect_between(
            bd_arena_printf(&arena, "functions:\n%*sa:\n%*slang: x\n", name, "", key, ""),
            bd_arena_printf(&arena, "%s\n", entry), "x: y\n");
    }
    /* a flow map says nothing about the step */
    expect_between("functions:\n    a: {\n     lang: x}\n",
                   "    new:\n      lang: l\n      handler: ./new\n      image: new:latest\n\n",
                   "");
}

static void test_windows_lines(void **state)
{
    expect_between("functions:\r\n  a:\r\n    lang: x\r\n\r\n",
                   "  new:\r\n    lang: l\r\n    handler: ./new\r\n    image: new:latest\r\n\r\n",
                   "x: y\r\n");
    expect("functions:\r\n  a:\r\n    lang: x",
           "functions:\r\n  a:\r\n    lang: x\r\n"
           "  new:\r\n    lang: l\r\n    handler: ./new\r\n    image: new:latest\r\n\r\n");
}

static void test_no_last_newline(void **state)
{
    expect_between("functions:\n  a:\n    lang: x", "\n" ENTRY, "");
    expect_between("functions:\n  a:\n    lang: x\n    # y", "\n" ENTRY, "");
    expect_between("functions:\n  a:\n    lang: x\n  ", "\n" ENTRY, "");
}

static void test_resources(void **state)
{
    added.requests = (struct resources){.cpu = "100m", .memory = "64Mi"};
    added.limits = (struct resources){.memory = "1Gi"};
    expect_between("functions:\n   a:\n       lang: x\n",
                   "   new:\n"
                   "       lang: l\n"
                   "       handler: ./new\n"
                   "       image: new:latest\n"
                   "       requests:\n"
                   "           cpu: 100m\n"
                   "           memory: 64Mi\n"
                   "       limits:\n"
                   "           memory: 1Gi\n\n",
                   "");
    added.requests = (struct resources){0};
    added.limits = (struct resources){.cpu = "2", .memory = "1e3"}; /* texts, no numbers */
    expect_between("functions:\n",
                   "  new:\n    lang: l\n    handler: ./new\n    image: new:latest\n"
                   "    limits:\n      cpu: \"2\"\n      memory: \"1e3\"\n\n",
                   "");
}

/* What each part of the entry says when it is read: always this text. */
static void test_texts_that_need_quotes(void **state)
{
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        {"node", true},
        {"a-b_c/d.e", true},
        {"./a", true},
        {"../a b", false},
        {"registry.example.com:5000/a/b:1.2", true},
        {"python3@v1", true},
        {"node20+x", true},
        {"http://127.0.0.1:8080", true},
        {"y", false},
        {"No", false},
        {"TRUE", false},
        {"off", false},
        {"null", false},
        {"~", false},
        {"1", false},
        {"1.5", false},
        {"1e3", false},
        {"0x1F", false},
        {"0o7", false},
        {"1_000", false},
        {"1:30", false},
        {".5", false},
        {"-1", false},
        {"+1", false},
        {".inf", false},
        {".NaN", false},
        {"2001-01-01", false},
        {"a: b", false},
        {"a:", false},
        {":a", false},
        {"a #b", false},
        {"#a", false},
        {"- a", false},
        {"-", false},
        {"---", false},
        {"?", false},
        {"@a", false},
        {"`a", false},
        {"*a", false},
        {"&a", false},
        {"!a", false},
        {"%a", false},
        {"|", false},
        {">", false},
        {"{a}", false},
        {"[a]", false},
        {"a, b", false},
        {"'a'", false},
        {"\"a\"", false},
        {"a\\b", false},
        {" a ", false},
        {"a\nb\n", false},
        {"\t\r\x01\x7f", false},
        {"<<", false},
        {"=", false},
        {"${A:-b}", false},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", false},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *text = rows[i].text;
        struct bd_slice got;
        struct bd_error err = {""};
        struct node *root;
        const struct node *function;

        added = (struct function){
            .name = text, .lang = text, .handler = text, .image = text, .limits = {.cpu = text}};
        if (add("functions:\n", &got, &err) || document_read(&arena, "got", got, &root, &err))
            fail_msg("\"%s\": %s", text, err.text);
        function = node_get(node_get(root, "functions"), text);
        assert_string_equal(node_get(function, "lang")->text, text);
        assert_string_equal(node_get(function, "handler")->text, text);
        assert_string_equal(node_get(function, "image")->text, text);
        assert_string_equal(node_get(node_get(function, "limits"), "cpu")->text, text);
        assert_int_equal(node_get(function, "lang")->plain, rows[i].plain);
        assert_false(node_get(function, "lang")->null);
    }
}

static void test_already_there(void **state)
{
    expect_refusal("functions:\n  a:\n    lang: x\n  new:\n    lang: x\n",
                   "function new already exists in s.yml (line 4)");
    expect_refusal("functions:\n  'new': {}\n", "function new already exists in s.yml (line 2)");
    expect_refusal("functions:\n  new:\n", "function new already exists in s.yml (line 2)");
}

static void test_flow_is_refused(void **state)
{
    expect_refusal("functions: {}\n", NO_BLOCK);
    expect_refusal("functions: {a: {lang: x}}\n", NO_BLOCK);
    expect_refusal("functions: {\n  a: {lang: x}\n}\n", NO_BLOCK);
    expect_refusal("{functions: {a: {lang: x}}}\n", NO_BLOCK);
    expect_refusal("{}", NO_BLOCK);
    expect_refusal("functions: []\n", NO_BLOCK);
    expect_refusal("functions:\n  - a\n", NO_BLOCK);
    expect_refusal("functions: a\n", NO_BLOCK);
    expect_refusal("functions: ''\n", NO_BLOCK);
    expect_refusal("- functions:\n", NO_BLOCK);
    expect_refusal("text\n", NO_BLOCK);
}

/* Where nothing can be written behind it, or only into something else. */
static void test_no_place(void **state)
{
    static const char *const rows[] = {
        "functions: ~\n",
        "functions: null\n",
        "~\n",
        "x: &f\n  a:\n    lang: x\nfunctions: *f\n",
        "  version: 1.0\n  x: y\n",
        "version: 1.0\n...\n",
        "? functions\n",
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_refusal(rows[i], NO_PLACE);
}

static void test_aliases_and_merges(void **state)
{
    /* anchors and aliases of others are no matter */
    expect_between("x: &x {lang: y}\nfunctions:\n  a: *x\n", ENTRY, "z: *x\n");
    expect_between("x: &x {lang: y}\nfunctions:\n  a:\n    <<: *x\n", ENTRY, "z: *x\n");
    expect_between("functions: &f\n  a:\n    lang: x\n", ENTRY, "");
    /* what comes with a merge stands elsewhere, its own decide */
    expect_between("x: &x\n      b:\n        lang: y\nfunctions:\n  a:\n    lang: y\n  <<: *x\n",
                   ENTRY, "z: y\n");
    expect_between("x: &x\n      b:\n        lang: y\nfunctions:\n  <<: *x\n  a:\n    lang: y\n",
                   ENTRY, "z: y\n");
    expect_between("x: &x\n      b:\n        lang: y\nfunctions:\n  <<: *x\n  a: {lang: y}\n",
                   ENTRY, "z: y\n");
    expect_between("x: &x\n      b:\n        lang: y\nfunctions:\n  <<: *x\n", ENTRY, "z: y\n");
    expect_between("functions:\n  <<: {}\n", ENTRY, "z: y\n");
}

static void test_malformed(void **state)
{
    struct bd_slice got;
    struct bd_error err = {""};

    assert_int_equal(add("functions:\n  a: b: c\n", &got, &err), -1);
    assert_non_null(strstr(err.text, "s.yml:2:7: "));
    expect_refusal("a: 1\na: 2\n", "s.yml:2:1: mapping key \"a\" already defined at line 1");
    expect_refusal("a\n---\nb\n", "s.yml:2:1: a second document");
}

static void test_too_long(void **state)
{
    static char image[TEXT_MAX];

    memset(image, 'a', sizeof(image) - 1);
    added.image = image;
    expect_refusal("functions:\n", "s.yml: the new entry would be too long");
    expect_refusal(NULL, "s.yml: the new entry would be too long");
    for (size_t len = sizeof(image) - 1; len > sizeof(image) - 200; len--) {
        struct bd_slice got;
        struct bd_error err = {""};

        image[len] = '\0';
        if (add("functions:\n", &got, &err) == 0)
            return; /* it does fit once */
        assert_string_equal(err.text, "s.yml: the new entry would be too long");
    }
    fail_msg("never fits");
}

/* One after the other, each is found behind the last. */
static void test_many(void **state)
{
    struct bd_slice text = {NULL, 0};
    struct bd_error err = {""};
    struct node *root;

    for (int i = 0; i < 50; i++) {
        added.name = bd_arena_printf(&arena, "f%d", i);
        if (stack_add(&arena, "s.yml", text, GATEWAY, &added, &text, &err))
            fail_msg("%d: %s", i, err.text);
    }
    assert_int_equal(document_read(&arena, "s.yml", text, &root, &err), 0);
    assert_int_equal(node_get(root, "functions")->count, 50);
    for (size_t i = 0; i < 50; i++)
        assert_string_equal(node_get(root, "functions")->entry[i].key->text,
                            bd_arena_printf(&arena, "f%zu", i));
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_new_file),
        IN_ARENA(test_behind_the_last),
        IN_ARENA(test_other_keys_behind),
        IN_ARENA(test_no_functions_yet),
        IN_ARENA(test_comments_of_the_last),
        IN_ARENA(test_indentation),
        IN_ARENA(test_windows_lines),
        IN_ARENA(test_no_last_newline),
        IN_ARENA(test_resources),
        IN_ARENA(test_texts_that_need_quotes),
        IN_ARENA(test_already_there),
        IN_ARENA(test_flow_is_refused),
        IN_ARENA(test_no_place),
        IN_ARENA(test_aliases_and_merges),
        IN_ARENA(test_malformed),
        IN_ARENA(test_too_long),
        IN_ARENA(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
