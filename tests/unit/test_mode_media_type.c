/* media_type.c: which type belongs to which name, with and without a file of types */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../modes/media_type.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define NO_FILE "/dev/null/mime.types"
#define OFFICE "application/vnd.openxmlformats-officedocument."
#define UTF8 "; charset=utf-8"

/* The types after reading a file that holds these bytes. */
static struct media_types types_of_bytes(const char *bytes, size_t len)
{
    struct media_types t;
    char path[64];
    int fd = memfd_create("mime.types", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    media_types_init(&t, path);
    close(fd);
    return t;
}

static struct media_types types_of(const char *text)
{
    return types_of_bytes(text, strlen(text));
}

static void check(const struct media_types *t, const char *name, const char *expected)
{
    const char *got = media_type_of(t, bd_slice_of(name));

    if (!got != !expected || (got && strcmp(got, expected) != 0))
        fail_msg("%s gave %s, not %s", name, got ? got : "none", expected ? expected : "none");
}

/* The same with types from `text` alone; NULL: those that are built in. */
static void check_with(const char *text, const char *name, const char *expected)
{
    struct media_types t;

    if (text)
        t = types_of(text);
    else
        media_types_init(&t, NO_FILE);
    check(&t, name, expected);
    media_types_release(&t);
}

static void test_built_in(void **state)
{
    static const struct {
        const char *extensions, *type;
    } rows[] = {
        {"ai eps ps", "application/postscript"},
        {"apk", "application/vnd.android.package-archive"},
        {"apng", "image/apng"},
        {"avif", "image/avif"},
        {"bmp", "image/bmp"},
        {"gif", "image/gif"},
        {"png", "image/png"},
        {"webp", "image/webp"},
        {"jpg jpeg jfif pjp pjpeg", "image/jpeg"},
        {"ico", "image/vnd.microsoft.icon"},
        {"svg", "image/svg+xml"},
        {"tif tiff", "image/tiff"},
        {"xbm", "image/x-xbitmap"},
        {"bin com exe", "application/octet-stream"},
        {"css", "text/css" UTF8},
        {"csv", "text/csv" UTF8},
        {"htm html ehtml shtml", "text/html" UTF8},
        {"js mjs cjs", "text/javascript" UTF8},
        {"txt text", "text/plain" UTF8},
        {"ics", "text/calendar" UTF8},
        {"vtt", "text/vtt" UTF8},
        {"xml xsl xbl", "text/xml" UTF8},
        {"md", "text/markdown" UTF8},
        {"xht xhtml", "application/xhtml+xml"},
        {"json map", "application/json"},
        {"jsonld", "application/ld+json"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"zip", "application/zip"},
        {"rtf", "application/rtf"},
        {"gz", "application/gzip"},
        {"bz2", "application/x-bzip2"},
        {"xz", "application/x-xz"},
        {"zst", "application/zstd"},
        {"7z", "application/x-7z-compressed"},
        {"tar", "application/x-tar"},
        {"rdf", "application/rdf+xml"},
        {"atom", "application/atom+xml"},
        {"rss", "application/rss+xml"},
        {"yaml yml", "application/yaml"},
        {"webmanifest", "application/manifest+json"},
        {"m3u8", "application/vnd.apple.mpegurl"},
        {"doc", "application/msword"},
        {"xls", "application/vnd.ms-excel"},
        {"ppt", "application/vnd.ms-powerpoint"},
        {"docx", OFFICE "wordprocessingml.document"},
        {"xlsx", OFFICE "spreadsheetml.sheet"},
        {"pptx", OFFICE "presentationml.presentation"},
        {"eml", "message/rfc822"},
        {"flac", "audio/flac"},
        {"m4a", "audio/mp4"},
        {"mp3", "audio/mpeg"},
        {"oga ogg opus", "audio/ogg"},
        {"wav", "audio/wav"},
        {"weba", "audio/webm"},
        {"aac", "audio/aac"},
        {"webm", "video/webm"},
        {"mp4", "video/mp4"},
        {"ogv", "video/ogg"},
        {"mov", "video/quicktime"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"ts br woff3 htmlx htm5 unknown x", NULL},
    };
    struct media_types t;
    char words[64], name[96], *rest, *word;

    media_types_init(&t, NO_FILE);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        snprintf(words, sizeof(words), "%s", rows[i].extensions);
        for (word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            snprintf(name, sizeof(name), "x.%s", word);
            check(&t, name, rows[i].type);
        }
    }
    media_types_release(&t);
}

/* What follows the last dot decides; a second try is in lower case. */
static void test_names(void **state)
{
    static const struct {
        const char *name, *type;
    } rows[] = {
        {"a.tar.gz", "application/gzip"},
        {"a.gz.tar", "application/x-tar"},
        {"..gz", "application/gzip"},
        {".gz", "application/gzip"},
        {"A.GZ", "application/gzip"},
        {"a.HtMl", "text/html" UTF8},
        {"a b.html", "text/html" UTF8},
        {"\xc3\xa9.html", "text/html" UTF8},
        {"a\n.html", "text/html" UTF8},
        {"html", NULL},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {"a.", NULL},
        {"a.html.", NULL},
        {"a.html ", NULL},
        {"a. html", NULL},
        {"a.html~", NULL},
        {"a.ht", NULL},
        {"a.htmll", NULL},
        {"html.a", NULL},
        {"a.\xc3\x89", NULL},
        {"a.0123456789abcdef0123456789abcdef", NULL},
        {"a.0123456789abcdef0123456789abcdef0", NULL},
    };
    struct media_types t;
    char name[300];

    media_types_init(&t, NO_FILE);
    for (size_t i = 0; i < LENGTH(rows); i++)
        check(&t, rows[i].name, rows[i].type);
    memset(name, 'h', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    check(&t, name, NULL);
    name[0] = '.';
    check(&t, name, NULL);
    memcpy(name + sizeof(name) - 6, ".html", 6);
    check(&t, name, "text/html" UTF8);
    assert_null(media_type_of(&t, (struct bd_slice){NULL, 0}));
    assert_null(media_type_of(&t, BD_SLICE("a.html\0")));
    assert_null(media_type_of(&t, BD_SLICE("a.\0html")));
    assert_null(media_type_of(&t, BD_SLICE("a.ht\0ml")));
    assert_string_equal(media_type_of(&t, BD_SLICE("a\0b.html")), "text/html" UTF8);
    media_types_release(&t);
}

/* A name is not read beyond its end. */
static void test_end_of_name(void **state)
{
    struct media_types t;
    char *exact = malloc(6); /* ends where AddressSanitizer sees it */

    assert_non_null(exact);
    memcpy(exact, "a.html", 6);
    media_types_init(&t, NO_FILE);
    assert_string_equal(media_type_of(&t, (struct bd_slice){exact, 6}), "text/html" UTF8);
    assert_string_equal(media_type_of(&t, (struct bd_slice){exact, 5}), "text/html" UTF8);
    assert_null(media_type_of(&t, (struct bd_slice){exact, 4}));
    assert_null(media_type_of(&t, (struct bd_slice){exact, 2}));
    free(exact);
    media_types_release(&t);
}

static void test_file_adds(void **state)
{
    static const char text[] = "# types\n"
                               "\n"
                               "audio/ac3\tac3\n"
                               "text/x-foo   foo\tfoo2  \n"
                               "  chemical/x-pdb pdb ent # structures\n"
                               "application/x-none\n"
                               "model/vnd.a+b-c_d!$&'*^`|~.9 odd\n"
                               "video/x-last last";
    struct media_types t = types_of(text);

    check(&t, "a.ac3", "audio/ac3");
    check(&t, "a.foo", "text/x-foo" UTF8);
    check(&t, "a.foo2", "text/x-foo" UTF8);
    check(&t, "a.pdb", "chemical/x-pdb");
    check(&t, "a.PDB", "chemical/x-pdb");
    check(&t, "a.ent", "chemical/x-pdb");
    check(&t, "a.odd", "model/vnd.a+b-c_d!$&'*^`|~.9");
    check(&t, "a.last", "video/x-last");
    check(&t, "a.structures", NULL);
    check(&t, "a.types", NULL);
    check(&t, "a.html", "text/html" UTF8);
    check(&t, "a.unknown", NULL);
    media_types_release(&t);
}

static void test_file_wins(void **state)
{
    check_with("application/javascript js\n", "a.js", "application/javascript");
    check_with("application/javascript js\n", "a.JS", "application/javascript");
    check_with("application/javascript js\n", "a.mjs", "text/javascript" UTF8);
    check_with("text/troff 7z zst md\n", "a.7z", "text/troff" UTF8); /* first, last, between */
    check_with("text/troff 7z zst md\n", "a.zst", "text/troff" UTF8);
    check_with("text/troff 7z zst md\n", "a.md", "text/troff" UTF8);
    check_with("a/b q\nc/d q\n", "x.q", "c/d"); /* the later line */
    check_with("a/b q p\nc/d q\n", "x.p", "a/b");
    check_with("a/b q q q\n", "x.q", "a/b");
    check_with("textile/a q\n", "x.q", "textile/a");
}

/* In a file the case of an extension counts; a name is looked for as it is first. */
static void test_case_of_extensions(void **state)
{
    static const char text[] = "text/x-c c\ntext/x-c++ C\na/b Up\n";

    check_with(text, "a.c", "text/x-c" UTF8);
    check_with(text, "a.C", "text/x-c++" UTF8);
    check_with(text, "a.Up", "a/b");
    check_with(text, "a.up", NULL);
    check_with(text, "a.UP", NULL);
    check_with("a/b HTML\n", "a.HTML", "a/b");
    check_with("a/b HTML\n", "a.html", "text/html" UTF8);
    check_with("a/b HTML\n", "a.Html", "text/html" UTF8);
}

static void test_ends_of_lines(void **state)
{
    check_with("a/b one\r\nc/d two\r\n", "x.one", "a/b");
    check_with("a/b one\r\nc/d two\r\n", "x.two", "c/d");
    check_with("\n\n\r\n \t \n#\n# a/b one\n#a/b two\na/b three", "x.three", "a/b");
    check_with("# a/b one\n#a/b two\n", "x.one", NULL);
    check_with("# a/b one\n#a/b two\n", "x.two", NULL);
    check_with("a/b one#two\n", "x.one", "a/b");
    check_with("a/b one#two\n", "x.two", NULL);
    check_with("", "a.html", "text/html" UTF8);
}

/* What is no type would be no field: it is passed over, and the lines around it are not. */
static void test_lines_without_sense(void **state)
{
    static const char *const lines[] = {
        "q",
        "plain q",
        "/ q",
        "a/ q",
        "/b q",
        "a/b/c q",
        "a//b q",
        "a/b;c=d q",
        "a/b; q",
        "a/\"b\" q",
        "a,b/c q",
        "a(b)/c q",
        "a\\b/c q",
        "a@b/c q",
        "a=b/c q",
        "<a/b> q",
        "{a/b} q",
        "a:b/c q",
        "a\x01/b q",
        "a/b\x7f q",
        "a/b\x1b[0m q",
        "a/b\rX-Evil:1 q",
        "a\vb/c q",
        "\xc3\xa9/b q",
        "a/\xff q",
    };
    char text[128];

    for (size_t i = 0; i < LENGTH(lines); i++) {
        struct media_types t;

        snprintf(text, sizeof(text), "c/before b\n%s\nd/after e\n", lines[i]);
        t = types_of(text);
        check(&t, "x.b", "c/before");
        check(&t, "x.q", NULL);
        check(&t, "x.e", "d/after");
        media_types_release(&t);
    }
}

static void test_odd_bytes(void **state)
{
    static const char nul[] = "a/b one\n\0a/b two\nc\0/d three\ne/f fo\0ur\ng/h five\n";
    struct media_types t = types_of_bytes(nul, sizeof(nul) - 1);

    check(&t, "x.one", "a/b");
    check(&t, "x.five", "g/h");
    check(&t, "x.three", NULL);
    check(&t, "x.four", NULL);
    media_types_release(&t);
    check_with("a/b \xc3\xa9\n", "x.\xc3\xa9", "a/b");
    check_with("a/b \xc3\xa9\n", "x.\xc3\x89", NULL); /* only ASCII has two cases */
    check_with("\xef\xbb\xbf"
               "a/b one\nc/d two\n",
               "x.two", "c/d"); /* a byte order mark */
}

static void test_files_that_are_none(void **state)
{
    static const char *const paths[] = {NO_FILE, "", "/", "/dev/null", "/nonexistent"};

    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct media_types t;

        media_types_init(&t, paths[i]);
        check(&t, "a.html", "text/html" UTF8);
        check(&t, "a.unknown", NULL);
        media_types_release(&t);
    }
}

/* Many on one line, too. */
static void test_long_line(void **state)
{
    char text[2048] = "a/b", name[32];
    size_t len = 3;
    struct media_types t;

    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, " ext%d", i);
    t = types_of(text);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "x.ext%d", i);
        check(&t, name, "a/b");
    }
    media_types_release(&t);
}

/* Every one of thousands is found, in whatever order they come; so is a line behind a huge one. */
static void test_large_file(void **state)
{
    enum { MANY = 5000, LONG = 300000 };
    char *text = malloc(MANY * 32 + LONG), name[32], type[32];
    struct media_types t;
    size_t len = 0;

    assert_non_null(text);
    for (int i = 0; i < MANY; i++) {
        int k = i * 1237 % MANY;

        len += (size_t)snprintf(text + len, 32, "t/n%d e%d\n", k, k);
    }
    text[len++] = '#';
    memset(text + len, 'x', LONG - 64);
    len += LONG - 64;
    len += (size_t)snprintf(text + len, 32, "\na/b behind\n");
    t = types_of_bytes(text, len);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "a.e%d", i);
        snprintf(type, sizeof(type), "t/n%d", i);
        check(&t, name, type);
    }
    check(&t, "a.behind", "a/b");
    check(&t, "a.html", "text/html" UTF8);
    media_types_release(&t);
    free(text);
}

/* The machine's own, if there is one. */
static void test_system_file(void **state)
{
    struct media_types t;
    const char *type;

    media_types_init(&t, "/etc/mime.types");
    type = media_type_of(&t, BD_SLICE("index.html"));
    assert_non_null(type);
    assert_string_equal(type, "text/html" UTF8);
    check(&t, "a.png", "image/png");
    media_types_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_end_of_name),   cmocka_unit_test(test_file_adds),
        cmocka_unit_test(test_file_wins),     cmocka_unit_test(test_case_of_extensions),
        cmocka_unit_test(test_ends_of_lines), cmocka_unit_test(test_lines_without_sense),
        cmocka_unit_test(test_odd_bytes),     cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_long_line),     cmocka_unit_test(test_large_file),
        cmocka_unit_test(test_system_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
