/* emit.c: what is written, and that libyaml's own parser reads the same back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/emit.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_arena arena;
static char *written; /* by the last run of finish() */
static size_t bytes;
static FILE *stream;

static struct emit *start(void)
{
    free(written);
    written = NULL;
    stream = open_memstream(&written, &bytes);
    assert_non_null(stream);
    return emit_open(&arena, stream);
}

static const char *finish(struct emit *e)
{
    struct bd_error err = {""};

    assert_int_equal(emit_close(e, &err), 0);
    assert_string_equal(err.text, "");
    fclose(stream);
    return written;
}

static int set_up(void **state)
{
    bd_arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    bd_arena_release(&arena);
    free(written);
    written = NULL;
    return 0;
}

static const struct {
    const char *text, *value; /* as a value of a map */
} rows[] = {
    /* texts that nothing else looks like stay as they are */
    {"a", "a"},
    {"node index.js", "node index.js"},
    {"it's", "it's"},
    {"say \"x\"", "say \"x\""},
    {"http://127.0.0.1:5000/a?b=c&d#e", "http://127.0.0.1:5000/a?b=c&d#e"},
    {"128Mi", "128Mi"},
    {"100m", "100m"},
    {"1m30s", "1m30s"},
    {"v1.5", "v1.5"},
    {"1.5.x", "1.5.x"},
    {"yes!", "yes!"},
    {"nullable", "nullable"},
    {"-x", "-x"},
    {"/_/ready", "/_/ready"},
    {"a{b}[c],d", "a{b}[c],d"},
    {"$(X) ${Y} $$", "$(X) ${Y} $$"},
    {"x\\n", "x\\n"},
    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac"},
    /* null */
    {"", "\"\""},
    {"~", "\"~\""},
    {"null", "\"null\""},
    {"Null", "\"Null\""},
    {"NULL", "\"NULL\""},
    /* bool of YAML 1.1 and 1.2 */
    {"true", "\"true\""},
    {"False", "\"False\""},
    {"yes", "\"yes\""},
    {"NO", "\"NO\""},
    {"on", "\"on\""},
    {"Off", "\"Off\""},
    {"y", "\"y\""},
    {"N", "\"N\""},
    /* int */
    {"0", "\"0\""},
    {"-1", "\"-1\""},
    {"+12", "\"+12\""},
    {"0123", "\"0123\""},
    {"0o17", "\"0o17\""},
    {"0x1F", "\"0x1F\""},
    {"0b101", "\"0b101\""},
    {"1_000", "\"1_000\""},
    {"1,000", "\"1,000\""},
    {"190:20:30", "\"190:20:30\""},
    /* float */
    {"1.5", "\"1.5\""},
    {"1.", "\"1.\""},
    {".5", "\".5\""},
    {"-.5", "\"-.5\""},
    {"1e3", "\"1e3\""},
    {"6.8523015e+5", "\"6.8523015e+5\""},
    {"1.2.3", "\"1.2.3\""},
    {".inf", "\".inf\""},
    {"-.INF", "\"-.INF\""},
    {".NaN", "\".NaN\""},
    /* timestamp */
    {"2001-01-01", "\"2001-01-01\""},
    {"2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
    /* value, merge */
    {"=", "\"=\""},
    {"<<", "\"<<\""},
    /* syntax */
    {" x", "' x'"},
    {"x ", "'x '"},
    {"a: b", "'a: b'"},
    {"a:", "'a:'"},
    {"# x", "'# x'"},
    {"a #b", "'a #b'"},
    {"- a", "'- a'"},
    {"-", "'-'"},
    {"---", "'---'"},
    {"...", "\"...\""},
    {"? a", "'? a'"},
    {"[a]", "'[a]'"},
    {"{a: b}", "'{a: b}'"},
    {"*a", "'*a'"},
    {"&a", "'&a'"},
    {"!a", "'!a'"},
    {"|", "'|'"},
    {">", "'>'"},
    {"%a", "'%a'"},
    {"@a", "'@a'"},
    {"`a", "'`a'"},
    {"'a", "'''a'"},
    {"\"a\"", "'\"a\"'"},
    /* what has no place in a line */
    {"a\nb", "\"a\\nb\""},
    {"\n", "\"\\n\""},
    {"a\n", "\"a\\n\""},
    {" \n x \n", "\" \\n x \\n\""},
    {"a\tb", "\"a\\tb\""},
    {"\r", "\"\\r\""},
    {"\x1b[31m", "\"\\e[31m\""},
    {"\x7f", "\"\\x7F\""},
    {"\xf0\x9f\x90\x95", "\"\\U0001F415\""},
    {"a\xc2\x85z", "\"a\\Nz\""},
    {"a\xe2\x80\xa8z", "\"a\\Lz\""},
    {"a\xe2\x80\xa9z", "\"a\\Pz\""},
    {"\xef\xbb\xbf", "\"\\uFEFF\""},
};

static void test_quotes(void **state)
{
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct emit *e = start();

        emit_map(e);
        emit_key_text(e, "k", rows[i].text);
        emit_end(e);
        assert_string_equal(finish(e), bd_arena_printf(&arena, "---\nk: %s\n", rows[i].value));
    }
}

static void test_quotes_of_keys(void **state)
{
    struct emit *e = start();

    emit_map(e);
    emit_key_text(e, "yes", "x");
    emit_key_text(e, "0123", "x");
    emit_key_text(e, "a: b", "x");
    emit_key_text(e, "", "x");
    emit_key_map(e, "~");
    emit_end(e);
    emit_key_list(e, "1.5");
    emit_end(e);
    emit_end(e);
    assert_string_equal(finish(e), "---\n\"yes\": x\n\"0123\": x\n'a: b': x\n\"\": x\n"
                                   "\"~\": {}\n\"1.5\": []\n");
}

/* A map of one text to itself, and a list of it, as libyaml reads them. */
static void assert_reads_back(const char *text)
{
    struct emit *e = start();
    yaml_parser_t parser;
    yaml_event_t event;
    int texts = 0;

    emit_map(e);
    emit_key_text(e, text, text);
    emit_key_list(e, "list");
    emit_text(e, text);
    emit_text(e, "end");
    emit_end(e);
    emit_end(e);
    finish(e);

    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)written, bytes);
    for (bool more = true; more;) {
        assert_true(yaml_parser_parse(&parser, &event));
        if (event.type == YAML_SCALAR_EVENT) {
            const char *expected = texts == 2 ? "list" : texts == 4 ? "end" : text;

            assert_string_equal((const char *)event.data.scalar.value, expected);
            assert_int_equal(event.data.scalar.length, strlen(expected));
            texts++;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    assert_int_equal(texts, 5);
}

static void test_reads_back(void **state)
{
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_reads_back(rows[i].text);
}

static void test_reads_back_long_texts(void **state)
{
    char text[5000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_reads_back(text);
    for (size_t i = 7; i < sizeof(text) - 1; i += 8)
        text[i] = ' ';
    assert_reads_back(text);
    for (size_t i = 31; i < sizeof(text) - 1; i += 32)
        text[i] = '\n';
    assert_reads_back(text);
}

static void test_a_long_text_is_one_line(void **state)
{
    struct emit *e = start();
    char text[1000];

    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = i % 7 == 6 ? ' ' : 'x';
    text[sizeof(text) - 1] = '\0';
    emit_map(e);
    emit_key_text(e, "k", text);
    emit_end(e);
    assert_string_equal(finish(e), bd_arena_printf(&arena, "---\nk: %s\n", text));
}

/* Made of pieces that mean something to YAML somewhere; the same on every run. */
static void test_reads_back_what_is_made_of_pieces(void **state)
{
    static const char *const pieces[] = {
        " ",   "  ",  "\n", "\n\n", "\t", "\r", ": ", " #",  "- ",   "? ",       "'",
        "\"",  "\\",  "%",  "@",    "&a", "*a", "!",  "|",   ">",    "{",        "}",
        "[",   "]",   ",",  "~",    "0",  "1",  ".",  "e",   "-",    "\xc3\xbc", "\xe2\x80\xa8",
        "---", "...", "a",  "b",    ":",  "#",  "<<", "yes", "\x01",
    };
    uint32_t seed = 1;

    for (int run = 0; run < 3000; run++) {
        char text[64] = "";
        size_t len = 0, count;

        seed = seed * 1664525 + 1013904223;
        count = (seed >> 16) % 9;
        for (size_t i = 0; i < count; i++) {
            const char *piece;

            seed = seed * 1664525 + 1013904223;
            piece = pieces[(seed >> 16) % LENGTH(pieces)];
            memcpy(text + len, piece, strlen(piece) + 1);
            len += strlen(piece);
        }
        assert_reads_back(text);
        bd_arena_clear(&arena);
    }
}

static void test_structure(void **state)
{
    static const char *words[] = {"b", "a", NULL};
    static struct pair pair[] = {{"x", "1"}, {"y", "z"}};
    const struct texts texts = {words, 2}, no_texts = {NULL, 0};
    const struct pairs pairs = {pair, 2}, no_pairs = {NULL, 0};
    struct emit *e = start();

    emit_map(e);
    emit_key_int(e, "least", INT64_MIN);
    emit_key_int(e, "most", INT64_MAX);
    emit_key_bool(e, "right", true);
    emit_key_bool(e, "wrong", false);
    emit_key_pairs(e, "pairs", &pairs);
    emit_key_pairs(e, "none", &no_pairs);
    emit_key_texts(e, "texts", &texts);
    emit_key_texts(e, "none", &no_texts);
    emit_key_list(e, "rows");
    emit_map(e);
    emit_key_text(e, "name", "a");
    emit_key_map(e, "deep");
    emit_key_text(e, "er", "x");
    emit_end(e);
    emit_end(e);
    emit_list(e);
    emit_text(e, "in a list");
    emit_end(e);
    emit_int(e, 5);
    emit_bool(e, true);
    emit_end(e);
    emit_end(e);
    emit_list(e);
    emit_text(e, "second");
    emit_end(e);
    assert_string_equal(finish(e), "---\n"
                                   "least: -9223372036854775808\n"
                                   "most: 9223372036854775807\n"
                                   "right: true\n"
                                   "wrong: false\n"
                                   "pairs:\n"
                                   "  x: \"1\"\n"
                                   "  \"y\": z\n"
                                   "texts:\n"
                                   "- b\n"
                                   "- a\n"
                                   "rows:\n"
                                   "- name: a\n"
                                   "  deep:\n"
                                   "    er: x\n"
                                   "- - in a list\n"
                                   "- 5\n"
                                   "- true\n"
                                   "---\n"
                                   "- second\n");
}

static void test_nothing(void **state)
{
    assert_string_equal(finish(start()), "");
}

static void test_what_is_no_utf8(void **state)
{
    static const char *const texts[] = {"\xff", "a\xc3", "\xc3(", "\xc0\x80"};

    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct emit *e = start();
        struct bd_error err = {""};

        emit_map(e);
        emit_key_text(e, "a", texts[i]);
        emit_key_text(e, "b", "what follows is harmless");
        emit_key_list(e, "c");
        emit_end(e);
        emit_end(e);
        assert_int_equal(emit_close(e, &err), -1);
        assert_string_equal(err.text, "cannot write YAML: a text is not valid UTF-8");
        fclose(stream);
    }
}

static void test_a_stream_that_is_full(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    struct emit *e = emit_open(&arena, full);
    struct bd_error err;

    emit_list(e);
    for (int i = 0; i < 10000; i++)
        emit_text(e, "more than a buffer holds");
    emit_end(e);
    assert_int_equal(emit_close(e, &err), 0);
    assert_true(ferror(full));
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_quotes_of_keys),
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_reads_back_long_texts),
        cmocka_unit_test(test_a_long_text_is_one_line),
        cmocka_unit_test(test_reads_back_what_is_made_of_pieces),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_what_is_no_utf8),
        cmocka_unit_test(test_a_stream_that_is_full),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
