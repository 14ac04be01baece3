/* dockerfile.c: the environment that a Dockerfile gives, as Docker would */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/dockerfile.c"

#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define FROM "FROM x\n"

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

static struct dockerfile read_text(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + !len); /* without a NUL behind it */
    struct dockerfile d;

    assert_non_null(copy);
    memcpy(copy, text, len);
    dockerfile_read(&arena, (struct bd_slice){copy, len}, &d);
    free(copy);
    return d;
}

/* The environment as "A=[1] B=[2]". */
static const char *environment_of(const char *text)
{
    struct dockerfile d = read_text(text);
    struct texts rows = {0};

    for (size_t i = 0; i < d.environment.count; i++)
        texts_add(&arena, &rows,
                  bd_arena_printf(&arena, "%s=[%s]", d.environment.row[i].name,
                                  d.environment.row[i].value));
    return texts_join(&arena, &rows, " ");
}

static void expect(const char *text, const char *environment)
{
    const char *got = environment_of(text);

    if (strcmp(got, environment) != 0)
        fail_msg("\"%s\" gave %s, not %s", text, got, environment);
}

struct row {
    const char *text, *environment;
};

static void expect_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect(rows[i].text, rows[i].environment);
}

static void expect_args(const char *text, const char *names)
{
    struct dockerfile d = read_text(text);

    assert_string_equal(texts_join(&arena, &d.args, " "), names);
}

static void test_forms(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"\n\n", ""},
        {FROM, ""},
        {FROM "ENV A=1", "A=[1]"},
        {FROM "ENV A=1 B=2\tC=3\n", "A=[1] B=[2] C=[3]"},
        {FROM "ENV A=\n", "A=[]"},
        {FROM "ENV A= B=2\n", "A=[] B=[2]"},
        {FROM "ENV A=b=c\n", "A=[b=c]"},
        {FROM "ENV A=1\nENV B=2\nENV A=3\n", "A=[3] B=[2]"},
        {FROM "ENV A=1   \n", "A=[1]"},
        {FROM "  \tENV \t A=1\n", "A=[1]"},
        /* the old form: one name, and all the rest */
        {FROM "ENV A 1\n", "A=[1]"},
        {FROM "ENV A  1 2  3 \n", "A=[1 2  3]"},
        {FROM "ENV A\tB=2 C=3\n", "A=[B=2 C=3]"},
        {FROM "ENV A =1\n", "A=[=1]"},
        {FROM "ENV A \"1 2\" '3'\n", "A=[1 2 3]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_case_of_instructions(void **state)
{
    expect("from x\nenv A=1\nEnv a=2\n", "A=[1] a=[2]");
    expect("FROM x as b\nENV A=1\nFrom b As c\n", "A=[1]");
    expect("FROM x aS b\nENV A=1\nfrom b\n", "A=[1]");
    expect("arg V=1\nfrom x\nArg V\nenv A=$V\n", "A=[1]");
}

static void test_other_instructions(void **state)
{
    expect(FROM "RUN A=1 make\nLABEL ENV=2\nENVIRONMENT A=3\nEN A=4\nCOPY ENV A=5\nCMD [\"ENV\"]\n"
                "ONBUILD ENV A=6\nENV B=7\n",
           "B=[7]");
    /* Docker refuses an ENV before the first stage; here it belongs to none */
    expect("ENV A=1\n" FROM "ARG A\nENV B=$A\n", "B=[]");
}

static void test_quotes(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=\"1 2\" B='3 4'\n", "A=[1 2] B=[3 4]"},
        {FROM "ENV A=1\" 2 \"3' 4 '5\n", "A=[1 2 3 4 5]"},
        {FROM "ENV A=\"it's\" B='say \"x\"'\n", "A=[it's] B=[say \"x\"]"},
        {FROM "ENV A=\"\" B=''\n", "A=[] B=[]"},
        {FROM "ENV A=\"# x\" B=#\n", "A=[# x] B=[#]"},
        {FROM "ENV A='$B ${B} \\'\n", "A=[$B ${B} \\]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_escapes(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=1\\ 2 B=3\n", "A=[1 2] B=[3]"},
        {FROM "ENV A=\\\"1\\\" B=\\'2\\'\n", "A=[\"1\"] B=['2']"},
        {FROM "ENV A=\\$B C=\\\\D\n", "A=[$B] C=[\\D]"},
        {FROM "ENV A=c:\\\\x\\y\n", "A=[c:\\xy]"},
        {FROM "ENV A=\"\\\"1\\\" \\$B \\\\\"\n", "A=[\"1\" $B \\]"},
        {FROM "ENV A='1\\'\n", "A=[1\\]"},
    };

    expect_rows(rows, LENGTH(rows));
}

/* A backslash that escapes nothing stays there. */
static void test_escapes_in_double_quotes(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=\"1\\n2\"\n", "A=[1\\n2]"},
        {FROM "ENV A=\"^\\d+\\.\\d+$\"\n", "A=[^\\d+\\.\\d+$]"},
        {FROM "ENV A=\"it\\'s\"\n", "A=[it\\'s]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_variables(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV V=1\nENV A=$V B=${V} C=x$V-y D=${V}y E=\"$V ${V}\"\n",
         "V=[1] A=[1] B=[1] C=[x1-y] D=[1y] E=[1 1]"},
        {FROM "ENV V=1\nENV A $V ${V} '$V'\n", "V=[1] A=[1 1 $V]"},
        {FROM "ENV A=$N B=x${N}y\n", "A=[] B=[xy]"},
        {FROM "ENV A=$ B=$- C=\"$\"\n", "A=[$] B=[$-] C=[$]"},
        {FROM "ENV V='a  b'\nENV A=$V B=1\n", "V=[a  b] A=[a  b] B=[1]"},
        {FROM "ENV PATH=/x:$PATH\n", "PATH=[/x:]"},
        {FROM "ENV V='$W'\nENV W=1\nENV A=$V\n", "V=[$W] W=[1] A=[$W]"}, /* only once */
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_defaults(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=${N:-x} B=${N:-} C=${N:-a b}c\n", "A=[x] B=[] C=[a bc]"},
        {FROM "ENV V=1 E=\nENV A=${V:-x} B=${E:-x}\n", "V=[1] E=[] A=[1] B=[x]"},
        {FROM "ENV V=1 E=\nENV A=${V:+x} B=${E:+x} C=${N:+x}\n", "V=[1] E=[] A=[x] B=[] C=[]"},
    };

    expect_rows(rows, LENGTH(rows));
}

/* What stands behind :- and :+ is a word like any other. */
static void test_words_of_defaults(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV V=1\nENV A=${N:-$V} B=${V:+${V}2}\n", "V=[1] A=[1] B=[12]"},
        {FROM "ENV A=${M:-${N:-x}}y\n", "A=[xy]"},
        {FROM "ENV A=${N:-'}'} B=2\n", "A=[}] B=[2]"},
    };

    expect_rows(rows, LENGTH(rows));
}

/* An instruction sees what was before it, and not itself. */
static void test_variables_of_the_same_instruction(void **state)
{
    expect(FROM "ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n",
           "abc=[bye] def=[hello] ghi=[bye]");
}

static void test_lines_that_go_on(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=1 \\\n    B=2 \\\n    C=3\nENV D=4\n", "A=[1] B=[2] C=[3] D=[4]"},
        {FROM "ENV A=1\\\n2\n", "A=[12]"},
        {FROM "ENV A=1 \\  \t\n B=2\n", "A=[1] B=[2]"},
        {FROM "ENV A=1 \\\n# x\n  # y \\\n B=2\n", "A=[1] B=[2]"},
        {FROM "ENV A=1 \\", "A=[1]"},
        {FROM "EN\\\nV A=1\n", "A=[1]"},
        {FROM "ENV A=\"1 \\\n2\"\n", "A=[1 2]"},
        {FROM "RUN x \\\nENV A=1\nENV B=2\n", "B=[2]"},
    };

    expect_rows(rows, LENGTH(rows));
}

/* Docker warns about these, and reads on. */
static void test_empty_lines_in_between(void **state)
{
    expect(FROM "ENV A=1 \\\n\n  B=2\nENV C=3\n", "A=[1] B=[2] C=[3]");
    expect(FROM "RUN x \\\n\nENV A=1\nENV B=2\n", "B=[2]");
}

static void test_comments(void **state)
{
    expect(FROM "# ENV A=1\n  # ENV A=2\n#ENV A=3\n", "");
    expect(FROM "# x \\\nENV A=1\n", "A=[1]");
}

static void test_windows_lines(void **state)
{
    expect("FROM x\r\nENV A=1 \\\r\n  B=2\r\n\r\nENV C 3\r\n# x\r\nENV D=\"4\"\r\n",
           "A=[1] B=[2] C=[3] D=[4]");
}

static void test_global_args(void **state)
{
    static const struct row rows[] = {
        {"ARG V=1\n" FROM "ENV A=$V\n", "A=[]"}, /* not in a stage */
        {"ARG V=1\n" FROM "ARG V\nENV A=$V\n", "A=[1]"},
        {"ARG V=1\n" FROM "ARG V=2\nENV A=$V\n", "A=[2]"},
        {"ARG V\n" FROM "ARG V\nENV A=x$V\n", "A=[x]"},
        {"ARG V=1\nARG W=$V.2\n" FROM "ARG W\nENV A=$W\n", "A=[1.2]"},
        {"ARG V=1\nFROM x AS b\nARG V=2\nFROM y\nARG V\nENV A=$V\n", "A=[1]"},
        {"ARG V=1 W=2\n" FROM "ARG V W\nENV A=$V$W\n", "A=[12]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_args_of_stages(void **state)
{
    static const struct row rows[] = {
        {FROM "ENV A=$V\nARG V=1\nENV B=$V\n", "A=[] B=[1]"},
        {FROM "ARG V=1\nFROM y\nENV A=$V\n", "A=[]"},
        /* ENV wins, whichever is last */
        {FROM "ENV V=1\nARG V=2\nENV A=$V\n", "V=[1] A=[1]"},
        {FROM "ARG V=2\nENV V=1\nENV A=$V\n", "V=[1] A=[1]"},
        {FROM "ARG V=1\nENV V=${V}2\n", "V=[12]"},
        {FROM "ARG V='1 2'\nENV A=$V\n", "A=[1 2]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_args_of_the_base(void **state)
{
    expect("FROM x AS b\nARG V=1\nFROM b\nENV A=$V\n", "A=[1]");
    expect("ARG V=1\nFROM x AS b\nARG V\nFROM b AS c\nFROM c\nENV A=$V\n", "A=[1]");
}

static void test_names_of_args(void **state)
{
    expect_args("", "");
    expect_args("ARG A=1\nFROM x\nARG B\nARG C=2 D\nARG A\nFROM y\nARG E='x y'\n", "A B C D E");
    expect_args("arg A\nENV B=1\n", "A");
}

static void test_stages(void **state)
{
    static const struct row rows[] = {
        {"FROM x\nENV A=1\nFROM y\nENV B=2\n", "B=[2]"},
        {"FROM x AS b\nENV A=1 B=1\nFROM b\nENV B=2\n", "A=[1] B=[2]"},
        {"FROM x AS b\nENV A=1\nFROM b AS c\nENV B=2\nFROM y\nFROM c\n", "A=[1] B=[2]"},
        {"FROM x AS b\nENV A=1\nFROM b\nENV A=2\nFROM b\n", "A=[1]"},
        {"FROM --platform=linux/amd64 x AS b\nENV A=1\nFROM  --platform=$P  b\n", "A=[1]"},
        {"ARG S=b\nFROM x AS b\nENV A=1\nFROM $S\n", "A=[1]"},
        {"ARG S=b\nFROM x AS b\nENV A=1 S=c\nFROM ${S}\n", "A=[1] S=[c]"},
        {"FROM x AS b\nENV A=1\nFROM x AS c\nENV A=2\nFROM bc\n", ""},
        {"FROM x AS x\nENV A=1\nFROM x\n", "A=[1]"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_case_of_stages(void **state)
{
    expect("FROM x AS Base\nENV A=1\nFROM base\n", "A=[1]");
    expect("FROM x AS base\nENV A=1\nFROM BASE\n", "A=[1]");
}

static void test_many_stages(void **state)
{
    struct texts lines = {0};

    texts_add(&arena, &lines, "FROM x AS s0\nENV E0=1");
    for (int i = 1; i < 40; i++)
        texts_add(&arena, &lines,
                  bd_arena_printf(&arena, "FROM s%d AS s%d\nENV E%d=1", i - 1, i, i));
    assert_int_equal(read_text(texts_join(&arena, &lines, "\n")).environment.count, 40);
}

/* Braces in braces call one another: not more often than the stack can take. */
static void test_braces_in_braces(void **state)
{
    struct texts steps = {0};

    texts_add(&arena, &steps, FROM "ENV A=");
    for (int i = 0; i < 100000; i++)
        texts_add(&arena, &steps, "${N:-");
    assert_int_equal(read_text(texts_join(&arena, &steps, "")).environment.count, 1);
    expect(FROM "ENV A=${N:-${N:-${N:-${N:-${N:-${N:-${N:-${N:-x}}}}}}}}y\n", "A=[xy]");
}

/* 40 times twice as much. */
static void test_values_that_double(void **state)
{
    struct texts lines = {0};
    struct dockerfile d;

    texts_add(&arena, &lines, FROM "ENV A=xx");
    for (int i = 0; i < 40; i++)
        texts_add(&arena, &lines, "ENV A=$A$A");
    texts_add(&arena, &lines, "ENV B=$A$A C=1");
    d = read_text(texts_join(&arena, &lines, "\n"));
    assert_int_equal(strlen(pairs_get(&d.environment, "A")), VALUE_BYTES_MAX);
    assert_int_equal(strlen(pairs_get(&d.environment, "B")), VALUE_BYTES_MAX);
    assert_string_equal(pairs_get(&d.environment, "C"), "1");
}

/* Docker refuses all of these; here nothing may break. */
static void test_broken(void **state)
{
    static const char *const rows[] = {
        "FROM",
        "FROM\n",
        "FROM x AS\n",
        "FROM --\n",
        "FROM \"\n",
        "FROM x AS \"\nFROM \"\n",
        FROM "ENV",
        FROM "ENV =1",
        FROM "ENV A=\"1",
        FROM "ENV A='1",
        FROM "ENV A=${",
        FROM "ENV A=${V",
        FROM "ENV A=${V:",
        FROM "ENV A=${V:-",
        FROM "ENV A=${V:}",
        FROM "ENV A=${}",
        FROM "ENV A=$",
        FROM "ENV A=1\\",
        FROM "\\",
        "\\\n\\\n",
        "ARG",
        "ARG =",
        "ENV A=1",
        FROM "ENV A=\xff\xfe",
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        environment_of(rows[i]);
}

static void test_nul_byte(void **state)
{
    struct dockerfile d;

    dockerfile_read(&arena, BD_SLICE(FROM "ENV A=1\0B=2\nENV C=3\n"), &d);
    assert_string_equal(pairs_get(&d.environment, "C"), "3");
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_forms),
        IN_ARENA(test_case_of_instructions),
        IN_ARENA(test_other_instructions),
        IN_ARENA(test_quotes),
        IN_ARENA(test_escapes),
        IN_ARENA(test_escapes_in_double_quotes),
        IN_ARENA(test_variables),
        IN_ARENA(test_defaults),
        IN_ARENA(test_words_of_defaults),
        IN_ARENA(test_variables_of_the_same_instruction),
        IN_ARENA(test_lines_that_go_on),
        IN_ARENA(test_empty_lines_in_between),
        IN_ARENA(test_comments),
        IN_ARENA(test_windows_lines),
        IN_ARENA(test_global_args),
        IN_ARENA(test_args_of_stages),
        IN_ARENA(test_args_of_the_base),
        IN_ARENA(test_names_of_args),
        IN_ARENA(test_stages),
        IN_ARENA(test_case_of_stages),
        IN_ARENA(test_many_stages),
        IN_ARENA(test_braces_in_braces),
        IN_ARENA(test_values_that_double),
        IN_ARENA(test_broken),
        IN_ARENA(test_nul_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
