/* flag.c: command lines, what is said about wrong ones, and the text of --help */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/flag.c"

#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

struct options {
    bool all, quiet;
    const char *file, *shape;
    struct texts tags;
    struct pairs labels;
    int64_t count;
};

static const char *const shapes[] = {"round", "square", NULL};

static const struct flag rows[] = {
    {"all", 'a', FLAG_SWITCH, .offset = offsetof(struct options, all), .help = "everything"},
    {"quiet", 'q', FLAG_SWITCH, .offset = offsetof(struct options, quiet), .help = "say less"},
    {"file", 'f', FLAG_TEXT, .offset = offsetof(struct options, file), .value = "FILE",
     .initial = "stack.yml", .help = "the file"},
    {"tag", 0, FLAG_LIST, .offset = offsetof(struct options, tags), .value = "TAG",
     .help = "a tag"},
    {"label", 'l', FLAG_PAIRS, .offset = offsetof(struct options, labels), .value = "KEY=VALUE",
     .help = "a label"},
    {"count", 'c', FLAG_NUMBER, .offset = offsetof(struct options, count), .value = "N",
     .initial = "3", .min = -2, .max = 10, .help = "how many"},
    {"shape", 0, FLAG_WORD, .offset = offsetof(struct options, shape), .value = "SHAPE",
     .words = shapes, .help = "of it"},
    {0},
};

/* "cut [X] [Y]" */
static const struct command cut = {
    .name = "cut", .operands = "X", .min = 0, .max = 2, .flags = rows};

static struct bd_arena arena;
static struct options options;
static struct texts operands;
static char *complaint; /* what the last run of read_as() wrote to stderr */

static int set_up(void **state)
{
    bd_arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    bd_arena_release(&arena);
    free(complaint);
    complaint = NULL;
    return 0;
}

static int read_as(const struct command *c, const char *const *argv)
{
    FILE *before = stderr;
    size_t len;
    int argc = 0, status;

    while (argv[argc])
        argc++;
    free(complaint);
    complaint = NULL;
    stderr = open_memstream(&complaint, &len);
    assert_non_null(stderr);
    say_through(stdout, stderr);
    options = (struct options){0};
    operands = (struct texts){0};
    status = flags_read(c, argc, (char **)argv, &options, &operands, &arena);
    fclose(stderr);
    stderr = before;
    return status;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void take_all(const char *const *argv)
{
    if (read_as(&cut, argv) != 0)
        fail_msg("%s: %s", argv[0], complaint);
    assert_string_equal(complaint, "");
}

#define TAKE(...) take_all(ARGS(__VA_ARGS__))

static void refuse_all(const char *sentence, const char *const *argv)
{
    assert_int_equal(read_as(&cut, argv), EXIT_USAGE);
    assert_string_equal(
        complaint,
        bd_arena_printf(&arena, "bandog: cut: %s\nSee 'bandog cut --help'.\n", sentence));
}

#define REFUSE(sentence, ...) refuse_all(sentence, ARGS(__VA_ARGS__))

static void expect_operands(const char *joined)
{
    assert_string_equal(texts_join(&arena, &operands, ","), joined);
}

static void test_nothing(void **state)
{
    take_all(&(const char *){NULL});
    assert_false(options.all);
    assert_string_equal(options.file, "stack.yml");
    assert_null(options.shape);
    assert_int_equal(options.count, 3);
    assert_int_equal(options.tags.count, 0);
    assert_int_equal(options.labels.count, 0);
    expect_operands("");
}

static void test_switches(void **state)
{
    static const struct {
        const char *arg;
        bool value;
    } forms[] = {
        {"--all", true},   {"-a", true},           {"--all=true", true},
        {"--all=1", true}, {"--all=false", false}, {"--all=0", false},
    };

    for (size_t i = 0; i < LENGTH(forms); i++) {
        TAKE(forms[i].arg, "x");
        assert_int_equal(options.all, forms[i].value);
        assert_false(options.quiet);
        expect_operands("x");
    }
    TAKE("-qa");
    assert_true(options.all && options.quiet);
    TAKE("--all", "--all=false");
    assert_false(options.all);
}

static void test_bad_switches(void **state)
{
    REFUSE("--all is 'yes', allowed are true and false", "--all=yes");
    REFUSE("--all is '', allowed are true and false", "--all=");
    REFUSE("unknown option -=", "-a=true");
}

static void test_texts(void **state)
{
    static const char *const forms[][3] = {
        {"--file=a.yml"}, {"--file", "a.yml"}, {"-f", "a.yml"}, {"-fa.yml"}, {"-f=a.yml"},
    };

    for (size_t i = 0; i < LENGTH(forms); i++) {
        take_all(forms[i]);
        assert_string_equal(options.file, "a.yml");
        expect_operands("");
    }
    TAKE("-aqfx");
    assert_true(options.all && options.quiet);
    assert_string_equal(options.file, "x");
    TAKE("--file=a=b");
    assert_string_equal(options.file, "a=b");
    TAKE("-f==");
    assert_string_equal(options.file, "=");
    TAKE("--file=");
    assert_string_equal(options.file, "");
    TAKE("-f=");
    assert_string_equal(options.file, "");
    TAKE("--file", "");
    assert_string_equal(options.file, "");
    TAKE("--file", "--all"); /* a value, whatever it looks like */
    assert_string_equal(options.file, "--all");
    assert_false(options.all);
    TAKE("-f", "a", "-f", "b");
    assert_string_equal(options.file, "b");
}

static void test_missing_values(void **state)
{
    REFUSE("--file needs a value: FILE", "--file");
    REFUSE("--file needs a value: FILE", "-f");
    REFUSE("--file needs a value: FILE", "x", "-af");
    REFUSE("--label needs a value: KEY=VALUE", "-l");
}

static void test_lists(void **state)
{
    TAKE("--tag", "a", "x", "--tag=b", "--tag", "a");
    assert_string_equal(texts_join(&arena, &options.tags, ","), "a,b,a");
    expect_operands("x");
}

static void test_pairs(void **state)
{
    TAKE("-l", "a=1", "--label=b=x=y", "-lc=", "-l=a=2");
    assert_int_equal(options.labels.count, 4);
    assert_string_equal(options.labels.row[0].name, "a");
    assert_string_equal(options.labels.row[0].value, "1");
    assert_string_equal(options.labels.row[1].name, "b");
    assert_string_equal(options.labels.row[1].value, "x=y");
    assert_string_equal(options.labels.row[2].value, "");
    assert_string_equal(options.labels.row[3].name, "a");
    assert_string_equal(options.labels.row[3].value, "2");
    REFUSE("--label is 'a', it must have the form KEY=VALUE", "-l", "a");
    REFUSE("--label is '=a', it must have the form KEY=VALUE", "--label==a");
    REFUSE("--label is '', it must have the form KEY=VALUE", "-l=");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t n;
    } good[] = {{"0", 0}, {"10", 10}, {"-2", -2}, {"-0", 0}, {"007", 7}};
    static const char *const bad[] = {"11",
                                      "-3",
                                      "",
                                      "-",
                                      "--1",
                                      "+1",
                                      "1 ",
                                      " 1",
                                      "1.0",
                                      "0x1",
                                      "1k",
                                      "99999999999999999999",
                                      "-99999999999999999999"};

    for (size_t i = 0; i < LENGTH(good); i++) {
        TAKE("-c", good[i].text);
        assert_int_equal(options.count, good[i].n);
    }
    for (size_t i = 0; i < LENGTH(bad); i++)
        refuse_all(
            bd_arena_printf(&arena, "--count is '%s', allowed are numbers from -2 to 10", bad[i]),
            ARGS("-c", bad[i]));
}

static void test_words(void **state)
{
    TAKE("--shape", "square");
    assert_string_equal(options.shape, "square");
    REFUSE("--shape is 'Round', allowed: round, square", "--shape=Round");
    REFUSE("--shape is '', allowed: round, square", "--shape=");
}

static void test_unknown(void **state)
{
    REFUSE("unknown option --fil (did you mean --file?)", "--fil");
    REFUSE("unknown option --fle (did you mean --file?)", "--fle=x");
    REFUSE("unknown option --zzzzzzzz", "--zzzzzzzz");
    REFUSE("unknown option --", "--=x");
    REFUSE("unknown option -z", "-z");
    REFUSE("unknown option -z", "-azf");
    REFUSE("unknown option -\\xc3", "-\xc3\xbc");
    REFUSE("unknown option --\\x1b[2J", "--\033[2J");
}

static void test_operands(void **state)
{
    TAKE("x", "-a", "y");
    expect_operands("x,y");
    assert_true(options.all);
    TAKE("--", "-a", "--all");
    expect_operands("-a,--all");
    assert_false(options.all);
    TAKE("x", "--", "--");
    expect_operands("x,--");
    TAKE("-", "");
    expect_operands("-,");
    REFUSE("unexpected 'z'", "x", "y", "z", "w");
    REFUSE("unexpected '-a'", "--", "x", "y", "-a");
}

static void test_missing_operand(void **state)
{
    static const struct command needy = {.name = "cut", .operands = "X", .min = 1, .max = 1};

    assert_int_equal(read_as(&needy, &(const char *){NULL}), EXIT_USAGE);
    assert_string_equal(complaint, "bandog: cut: X is missing\nSee 'bandog cut --help'.\n");
    assert_int_equal(read_as(&needy, ARGS("--")), EXIT_USAGE);
    assert_int_equal(read_as(&needy, ARGS("--file")), EXIT_USAGE); /* it has no options at all */
    assert_string_equal(complaint,
                        "bandog: cut: unknown option --file\nSee 'bandog cut --help'.\n");
    assert_int_equal(read_as(&needy, ARGS("x")), 0);
}

/* What is wrong first is told, and nothing else. */
static void test_first_problem_only(void **state)
{
    REFUSE("--count is 'x', allowed are numbers from -2 to 10", "-c", "x", "--nothing", "1", "2",
           "3");
}

static void expect_help(const struct flag *flags, const char *text)
{
    FILE *before = stdout;
    char *got = NULL;
    size_t len;

    stdout = open_memstream(&got, &len);
    assert_non_null(stdout);
    flags_explain(flags);
    fclose(stdout);
    stdout = before;
    assert_string_equal(got, text);
    free(got);
}

static void test_help(void **state)
{
    expect_help(rows, "  -a, --all                    everything\n"
                      "  -q, --quiet                  say less\n"
                      "  -f, --file FILE              the file (default: stack.yml)\n"
                      "      --tag TAG                a tag\n"
                      "  -l, --label KEY=VALUE        a label\n"
                      "  -c, --count N                how many (default: 3)\n"
                      "      --shape SHAPE            of it: round, square\n"
                      "  -h, --help                   show this text\n");
    expect_help(NULL, "  -h, --help                   show this text\n");
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_nothing),
        IN_ARENA(test_switches),
        IN_ARENA(test_bad_switches),
        IN_ARENA(test_texts),
        IN_ARENA(test_missing_values),
        IN_ARENA(test_lists),
        IN_ARENA(test_pairs),
        IN_ARENA(test_numbers),
        IN_ARENA(test_words),
        IN_ARENA(test_unknown),
        IN_ARENA(test_operands),
        IN_ARENA(test_missing_operand),
        IN_ARENA(test_first_problem_only),
        IN_ARENA(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
