/* substitute.c and glob.c: ${variables} in the text of a stack file */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/substitute.c"
#include "../../cli/glob.c"

#define TOO_MUCH "Too much text after substitution, more than 1 MiB"
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define UMLAUTS "\xc3\xa4\xc3\xb6\xc3\xbc"

/* E is set but empty, N is not set. */
static const struct {
    const char *name, *value;
} variables[] = {
    {"A", "hello"},
    {"B_2", "World"},
    {"5", "five"},
    {"E", ""},
    {"P", "aba/b/aca"},
    {"R", "aaaa"},
    {"U", UMLAUTS},
    {"M", "${A}$$\\"},
    {"LINES", "1\n2"},
    {"MINUS", "-2"},
    {"SLASH", "/"},
    {"STARS", "a*b*"},
    {"IMAGE", "registry.example.com:5000/media/thumb:1.4.2-rc1"},
};

/* Notes which were asked for, first letters only. */
struct asked {
    char names[64];
    size_t n;
};

static const char *look_up(void *self, struct bd_slice name)
{
    struct asked *asked = self;

    assert_true(name.len > 0);
    if (asked && asked->n < sizeof(asked->names) - 1)
        asked->names[asked->n++] = name.p[0];
    for (size_t i = 0; i < LENGTH(variables); i++)
        if (bd_slice_eq(bd_slice_of(variables[i].name), name))
            return variables[i].value;
    return NULL;
}

static void expect(struct bd_slice text, struct bd_slice result)
{
    struct bd_arena arena;
    struct bd_error err = {"nothing"};
    struct bd_slice got;
    size_t at = 0;

    bd_arena_init(&arena);
    if (substitute(&arena, text, look_up, NULL, &got, &at, &err) < 0)
        fail_msg("%s failed at %zu: %s", text.p, at, err.text);
    if (!bd_slice_eq(got, result))
        fail_msg("%s gave %.*s", text.p, (int)got.len, got.p);
    bd_arena_release(&arena);
}

struct row {
    const char *text, *result;
};

static void expect_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect(bd_slice_of(rows[i].text), bd_slice_of(rows[i].result));
}

static void expect_failure(struct bd_slice text, size_t at, const char *reason)
{
    struct bd_arena arena;
    struct bd_error err = {"nothing"};
    struct bd_slice got;
    size_t got_at = SIZE_MAX;

    bd_arena_init(&arena);
    if (substitute(&arena, text, look_up, NULL, &got, &got_at, &err) == 0)
        fail_msg("%.40s gave %.*s", text.p, (int)got.len, got.p);
    if (strcmp(err.text, reason) != 0 || got_at != at)
        fail_msg("%.40s: %s at %zu", text.p, err.text, got_at);
    bd_arena_release(&arena);
}

static void test_text_without_substitutions(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"image: a:b\n", "image: a:b\n"},
        {"$NAME $5 $} $", "$NAME $5 $} $"},
        {"{A} } }} {{", "{A} } }} {{"},
        {"# it's a \"comment\" `x`", "# it's a \"comment\" `x`"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_pairs_of_dollars(void **state)
{
    static const struct row rows[] = {
        {"$$", "$"},
        {"$$$", "$$"},
        {"$$$$", "$$"},
        {"$${A}", "${A}"},
        {"$$$x", "$$x"},
        {"$$${A}", "$hello"},
        {"$$$${A}", "$${A}"},
        {"${N:-$$}", "$"},
        {"${N:-$${A}}", "${A}"},
        {"${N:-$$${A}}", "$hello"},
        {"${N:-$}", "$"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_backslashes_stay(void **state)
{
    static const struct row rows[] = {
        {"\"x\\\\y\" \\/ \\n", "\"x\\\\y\" \\/ \\n"},
        {"\\${A}", "\\hello"},
        {"\\$${A}", "\\${A}"},
        {"${N:-\\}", "\\"},
        {"${N:-\\\\a\\/b}", "\\\\a\\/b"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_value(void **state)
{
    static const struct row rows[] = {
        {"${A}", "hello"},         {"<${A}${B_2}>", "<helloWorld>"},
        {"${5}", "five"},          {"${N}${E}", ""},
        {"# ${A}\n", "# hello\n"}, {"${M}", "${A}$$\\"}, /* not expanded again */
        {"${LINES}", "1\n2"},      {"${a}${A_}${_A}", ""},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_default(void **state)
{
    static const struct row rows[] = {
        {"${N:-x} ${N:=x} ${N=x}", "x x x"},
        {"${E:-x} ${E:=x} ${E=x}", "x x x"},
        {"${A:-x} ${A:=x} ${A=x}", "hello hello hello"},
        {"${N:=x}${N}", "x"},
        {"${N:-} ${N:=} ${N=}", "  "},
        {"${N:-a:b/c \"d\" 'e' #%^,=?+-}", "a:b/c \"d\" 'e' #%^,=?+-"},
        {"${N:-a\nb}", "a\nb"},
        {"${N:-{x}}", "{x}"},
        {"${A:-{x}}", "hello}"},
        {"${N:--1}", "-1"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_alternative(void **state)
{
    static const struct row rows[] = {
        {"${A:+x}", "x"}, {"${N:+x}", ""},           {"${E:+x}", ""},
        {"${A:+}", ""},   {"${A:+${B_2}}", "World"}, {"${N:+${B_2}}", ""},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_demand(void **state)
{
    expect(BD_SLICE("${A:?x}"), BD_SLICE("hello"));
    expect(BD_SLICE("${A:?${N:?x}}"), BD_SLICE("hello"));
    expect_failure(BD_SLICE("tag: ${N:?set it first}"), 5, "N: set it first");
    expect_failure(BD_SLICE("${E:?set ${A}}"), 0, "E: set hello");
    expect_failure(BD_SLICE("${A}${N:?}"), 4, "N: not set or empty");
    expect_failure(BD_SLICE("${N:?${E:?x}}"), 5, "E: x");
}

static void test_long_demand_is_cut(void **state)
{
    char text[2000], reason[sizeof(((struct bd_error *)0)->text)];

    memset(text, 'x', sizeof(text));
    memcpy(text, "${N:?", 5);
    text[sizeof(text) - 1] = '}';
    memset(reason, 'x', sizeof(reason));
    memcpy(reason, "N: ", 3);
    reason[sizeof(reason) - 1] = '\0';
    expect_failure((struct bd_slice){text, sizeof(text)}, 0, reason);
}

static void test_nested(void **state)
{
    static const struct row rows[] = {
        {"${N:-${A}}", "hello"},
        {"${N:-p${A}q}", "phelloq"},
        {"${N:-${E:-${N=${B_2}}}}!", "World!"},
        {"${N:-${A}${B_2}}", "helloWorld"},
        {"${N:-${A:-}}}", "hello}"},
        {"${A:-${B_2}}", "hello"},
        {"${N:-${M}}", "${A}$$\\"},
        {"${N:-<${A#${N:-he}}>}", "<llo>"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_only_what_is_used_is_looked_up(void **state)
{
    struct asked asked = {.n = 0};
    struct bd_arena arena;
    struct bd_error err;
    struct bd_slice got;
    size_t at;

    bd_arena_init(&arena);
    assert_int_equal(substitute(&arena,
                                BD_SLICE("${A:-${X}} ${N:-${A}} ${N:+${X#${Y}} ${Z:?z}} "
                                         "${A:-${P/${X}/${Y}} ${P:${X}:${Y}} ${#X}} ${B_2}"),
                                look_up, &asked, &got, &at, &err),
                     0);
    assert_true(bd_slice_eq(got, BD_SLICE("hello hello  hello World")));
    assert_string_equal(asked.names, "ANANAB");
    bd_arena_release(&arena);
}

static void test_length(void **state)
{
    static const struct row rows[] = {
        {"${#A}", "5"}, {"${#N}${#E}", "00"}, {"${#U}", "3"}, {"${#IMAGE}", "47"}, {"${#5}", "4"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_case(void **state)
{
    static const struct row rows[] = {
        {"${A^} ${A^^}", "Hello HELLO"},  {"${B_2,} ${B_2,,}", "world world"},
        {"${B_2^} ${A,}", "World hello"}, {"${N^}${N^^}${E,}${E,,}", ""},
        {"${U^}${U^^}", UMLAUTS UMLAUTS}, {"<${P^^}>", "<ABA/B/ACA>"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_part(void **state)
{
    static const struct row rows[] = {
        {"${A:1} ${A:1:2}", "ello el"},
        {"${A:0} ${A:0:0}.", "hello ."},
        {"${A:5}${A:6}${A:9:2}${N:1}", ""},
        {"${A:3:9} ${A:+1}", "lo 1"}, /* + begins an alternative */
        {"${A: -2} ${A:${MINUS}} ${A: -9}", "lo lo hello"},
        {"${A: +1}", "ello"},
        {"${A:1:-1} ${A:1:${MINUS}} ${A:4:-3}.", "ell el ."},
        {"${A:${N:-2}:${N:-1}}", "l"},
        {"${A:x} ${A:1x} ${A:} ${A:1:} ${A:1:y} ${A:x:1} ${A:1:2:3}",
         "hello hello hello hello hello hello hello"},
        {"${A:9223372036854775807} ${A:1:9223372036854775807}.", " ello."},
        {"${A: -9223372036854775807} ${A:1:-9223372036854775807}.", "hello ."},
        {"${A:9223372036854775808}", "hello"}, /* no number that is understood */
        {"${U:1:1} ${U:2} ${U: -1}", "\xc3\xb6 \xc3\xbc \xc3\xbc"},
        {"${LINES:2}", "2"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_trim(void **state)
{
    static const struct row rows[] = {
        {"${P#*/} ${P##*/} ${P%/*} ${P%%/*}", "b/aca aca aba/b aba"},
        {"${P#aba} ${P%aca} ${P#b} ${P%b}", "/b/aca aba/b/ aba/b/aca aba/b/aca"},
        {"${P#} ${P##} ${P%} ${P%%}", "aba/b/aca aba/b/aca aba/b/aca aba/b/aca"},
        {"${P#*} ${P%*} <${P##*}> <${P%%*}>", "aba/b/aca aba/b/aca <> <>"},
        {"${P#aba/b/aca} ${P%aba/b/aca}", " "},
        {"${P#aba/b/aca!} ${P%!aba/b/aca}", "aba/b/aca aba/b/aca"},
        {"${A#?} ${A%?} ${A#???} ${A%%??}", "ello hell lo hel"},
        {"${A#??????}", "hello"},
        {"${A##*l} ${A#*l} ${A%l*} ${A%%l*}", "o lo hel he"},
        {"${P##a*a} ${P#a*a} ${P%a*a} ${P%%a*a}.", " /b/aca aba/b/ ."},
        {"${P##*/*/} ${P#*/*/} ${P%/*/*}", "aca aca aba"},
        {"${P#*[/]} ${P#[a-c]} ${P%[!a-c]*} ${P%%[^a-c]*}", "b/aca ba/b/aca aba/b aba"},
        {"${A#[]h]} ${A#[!]h]} ${A#[^x-z]} ${A#[a-]}", "ello hello ello hello"},
        {"${A%[z-a]} ${A%[o-]} ${A%[!-o]}", "hello hell hello"},
        {"${STARS#a[*]} ${STARS%[*]} ${STARS#a\\*}", "b* a*b a*b*"},
        {"${N:-[}${A#[} ${A#[h} ${A#[]} ${A#[!]}", "[hello hello hello hello"},
        {"${N#*}${E%%*}", ""},
        {"${IMAGE##*/} ${IMAGE%:*}", "thumb:1.4.2-rc1 registry.example.com:5000/media/thumb"},
        {"${IMAGE##*:} ${IMAGE%%[-+]*}", "1.4.2-rc1 registry.example.com:5000/media/thumb:1.4.2"},
        {"${P#${N:-*}/} ${P%${SLASH}*}", "b/aca aba/b"},
        {"${U%?}", "\xc3\xa4\xc3\xb6\xc3"}, /* patterns are made of bytes */
        {"${U#[\xc3]}", "\xa4\xc3\xb6\xc3\xbc"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_replace(void **state)
{
    static const struct row rows[] = {
        {"${P/a/X} ${P//a/X}", "Xba/b/aca XbX/b/XcX"},
        {"${P/#a/X} ${P/%a/X}", "Xba/b/aca aba/b/acX"},
        {"${P/#b/X} ${P/%b/X} ${P/z/X} ${P//z/X}", "aba/b/aca aba/b/aca aba/b/aca aba/b/aca"},
        {"${P/a} ${P//a} ${P//a/} ${P/#a} ${P/%a}", "ba/b/aca b/b/c b/b/c ba/b/aca aba/b/ac"},
        {"${R/aa/b} ${R//aa/b} ${R//aaa/b} ${R//a/aa}", "baa bb ba aaaaaaaa"},
        {"${R/aaaa/x} ${R/#aaaaa/x} ${R/%aaaaa/x} ${R/%aaa/x}", "x aaaa aaaa ax"},
        {"${P/} ${P//} ${P///X}", "aba/b/aca aba/b/aca aba/b/aca"},
        {"${A/#/X} ${A/%/X}", "Xhello helloX"},
        {"${STARS/*/X} ${STARS//[*]/X} ${STARS/?/X}", "aXb* a*b* a*b*"},
        {"${P//${SLASH}/_} ${P//${N:-/}/${A}}", "aba_b_aca abahellobhelloaca"},
        {"${A/l/a/b} ${A//l/{}}", "hea/blo he{{o}"},
        {"${N/a/X}${E//a/X}${N/#/X}", "X"},
        {"${M//\\/-}", "${A}$$-"},
    };

    expect_rows(rows, LENGTH(rows));
}

static void test_malformed(void **state)
{
    static const char brace[] = "Missing closing brace";
    static const char name[] = "Unable to parse variable name";
    static const char word[] = "Unable to parse substitution within function";
    static const struct {
        const char *text;
        size_t at;
        const char *reason;
    } rows[] = {
        {"${A-x}", 0, brace},       {"a\n${A+x}", 2, brace},
        {"${A?x}", 0, brace},       {"${A.B}", 0, brace},
        {"${A B}", 0, brace},       {"${ A}", 0, name},
        {"${A }", 0, brace},        {"x${A", 1, brace},
        {"${A${B_2}}", 0, brace},   {"${A^", 0, brace},
        {"${A^^^}", 0, brace},      {"${A,x}", 0, brace},
        {"${#A", 0, brace},         {"${#A:-x}", 0, brace},
        {"${A}${}", 4, name},       {"${", 0, name},
        {"${${A}}", 0, name},       {"${-}", 0, name},
        {"${#}", 0, name},          {"${:-x}", 0, name},
        {"${\xc3\xa4}", 0, name},   {"${A:-x", 0, word},
        {"${A:-", 0, word},         {"${A:", 0, word},
        {"${A=", 0, word},          {"${A:1", 0, word},
        {"${A:1:2", 0, word},       {"${A#x", 0, word},
        {"${A%%", 0, word},         {"${A/x", 0, word},
        {"${A/x/y", 0, word},       {"${N:-a ${A:-x}", 0, word},
        {"${N:-a ${A", 7, brace},   {"${A:-a ${}}", 7, name}, /* also where it is not used */
        {"${N:-${A}${}}", 9, name}, {"${N:-${A}", 0, word},
        {"${A:-$$", 0, word},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_failure(bd_slice_of(rows[i].text), rows[i].at, rows[i].reason);
}

static void test_nul_bytes_are_bytes(void **state)
{
    expect(BD_SLICE("\0a\0${A}\0"), BD_SLICE("\0a\0hello\0"));
    expect(BD_SLICE("${N:-\0}"), BD_SLICE("\0"));
    expect(BD_SLICE("${A/l/\0}"), BD_SLICE("he\0lo"));
    expect(BD_SLICE("$\0{A}"), BD_SLICE("$\0{A}"));
    expect_failure(BD_SLICE("${A\0}"), 0, "Missing closing brace");
    expect_failure(BD_SLICE("${\0}"), 0, "Unable to parse variable name");
}

static void test_result_is_bounded(void **state)
{
    const size_t len = SUBSTITUTE_BYTES_MAX;
    char *text = malloc(len + 1), *result = malloc(len);

    assert_non_null(text);
    assert_non_null(result);
    memset(text, '.', len + 1);
    memset(result, '.', len);
    expect((struct bd_slice){text, len}, (struct bd_slice){result, len});
    expect_failure((struct bd_slice){text, len + 1}, len, TOO_MUCH);

    memcpy(text + len - 5, "${A}", 4);
    memcpy(result + len - 5, "hello", 5);
    expect((struct bd_slice){text, len - 1}, (struct bd_slice){result, len});
    expect_failure((struct bd_slice){text, len}, len - 1, TOO_MUCH);
    memcpy(text + len - 5, ".${A}", 5);
    expect_failure((struct bd_slice){text, len}, len - 4, TOO_MUCH);
    free(result);
    free(text);
}

/* Each puts the one in it four times. */
static void test_growth_is_bounded(void **state)
{
    char text[30 * 7 + 1 + 30];
    size_t n = 0;

    for (int i = 0; i < 30; i++, n += 7)
        memcpy(text + n, "${R//a/", 7);
    text[n++] = 'x';
    memset(text + n, '}', 30);
    /* 4 to the power of 9 are a quarter of the bytes; the tenth has no room for both. */
    expect_failure((struct bd_slice){text, n + 30}, (30 - 10) * 7, TOO_MUCH);
}

static void test_what_is_not_used_does_not_count(void **state)
{
    const size_t len = SUBSTITUTE_BYTES_MAX;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, '.', len);
    memcpy(text, "${A:-${P//a/", 12);
    memcpy(text + len - 10, "}${P}${P}}", 10);
    expect((struct bd_slice){text, len}, BD_SLICE("hello"));
    text[2] = 'N';
    expect_failure((struct bd_slice){text, len}, 5, TOO_MUCH);
    free(text);
}

static void test_depth_is_bounded(void **state)
{
    char text[6 * SUBSTITUTE_DEPTH_MAX + 20];
    size_t n = 0;

    for (int i = 0; i < SUBSTITUTE_DEPTH_MAX; i++, n += 5)
        memcpy(text + n, "${N:-", 5);
    memset(text + n, '}', SUBSTITUTE_DEPTH_MAX);
    expect((struct bd_slice){text, n + SUBSTITUTE_DEPTH_MAX}, BD_SLICE(""));

    memcpy(text + n, "${A}", 4);
    expect_failure((struct bd_slice){text, n + 4}, n, "Too many substitutions within each other");
}

/* One after the other they are not nested. */
static void test_number_is_not_bounded(void **state)
{
    char text[4 * 1000], result[5 * 1000];

    for (int i = 0; i < 1000; i++) {
        memcpy(text + 4 * i, "${A}", 4);
        memcpy(result + 5 * i, "hello", 5);
    }
    expect((struct bd_slice){text, sizeof(text)}, (struct bd_slice){result, sizeof(result)});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_without_substitutions),
        cmocka_unit_test(test_pairs_of_dollars),
        cmocka_unit_test(test_backslashes_stay),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_alternative),
        cmocka_unit_test(test_demand),
        cmocka_unit_test(test_long_demand_is_cut),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_only_what_is_used_is_looked_up),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_part),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nul_bytes_are_bytes),
        cmocka_unit_test(test_result_is_bounded),
        cmocka_unit_test(test_growth_is_bounded),
        cmocka_unit_test(test_what_is_not_used_does_not_count),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_number_is_not_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
