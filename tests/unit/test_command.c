/* Command lines: how they are split, where the program is found, what is said when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/proc/outcome.c"
#include "watchdog/proc/quote.c"
#include "watchdog/proc/words.c"
#include "watchdog/proc/command.c"

/* Words in brackets, or the sentence. */
static const char *split(const char *line)
{
    static char text[1024];
    struct bd_error err = {""};
    char **word = words_split(line, &err);
    size_t used = 0;

    if (!word) {
        snprintf(text, sizeof(text), "%s", err.text);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; word[i]; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "[%s]", word[i]);
    free(word);
    return text;
}

static void test_single_spaces(void **state)
{
    assert_string_equal(split("cat"), "[cat]");
    assert_string_equal(split("prog a  b"), "[prog][a][][b]");
    assert_string_equal(split("cat "), "[cat][]");
    assert_string_equal(split(" cat"), "[][cat]");
    assert_string_equal(split(""), "[]");
    assert_string_equal(split("  "), "[][][]");
    assert_string_equal(split("a\tb c\nd"), "[a\tb][c\nd]");
    assert_string_equal(split("a $HOME *.c \\ ;|&"), "[a][$HOME][*.c][\\][;|&]");
}

static void test_quotes(void **state)
{
    assert_string_equal(split("prog \"c d\" e"), "[prog][c d][e]");
    assert_string_equal(split("sh -c 'echo \"$HOME\" \\n'"), "[sh][-c][echo \"$HOME\" \\n]");
    assert_string_equal(split("a''b \"\" ''"), "[ab][][]");
    assert_string_equal(split(" 'a' \t\n b  "), "[a][b]");
    assert_string_equal(split("a\\ b 'c'\\'d"), "[a b][c'd]");
    assert_string_equal(split("\"\\$\\`\\\"\\\\\\n\""), "[$`\"\\\\n]");
    assert_string_equal(split("\"a\\\nb\" c\\\nd"), "[ab][cd]");
    assert_string_equal(split("x \"a'b\" 'c\"d'"), "[x][a'b][c\"d]");
}

static void test_open_quotes(void **state)
{
    assert_string_equal(split("a 'b"),
                        "a single quote is not closed at byte 4 of the command line");
    assert_string_equal(split("a \"b"),
                        "a double quote is not closed at byte 5 of the command line");
    assert_string_equal(split("\"a\\"),
                        "a double quote is not closed at byte 4 of the command line");
    assert_string_equal(split("'a' \\"),
                        "nothing follows the backslash at byte 6 of the command line");
}

static void test_json(void **state)
{
    assert_string_equal(split("[\"cat\"]"), "[cat]");
    assert_string_equal(split("[ \"a b\" ,\t\"\",\r\n\"c'd\" ] \n"), "[a b][][c'd]");
    assert_string_equal(split("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), "[\"\\/\b\f\n\r\t]");
    assert_string_equal(split("[\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"]"),
                        "[A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]");
    assert_string_equal(split("[\"\\uFFFF\\u07ff\\u0800\\udbff\\udfff\"]"),
                        "[\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80\xf4\x8f\xbf\xbf]");
    assert_string_equal(split("[\"\xff\"]"), "[\xff]");
}

static void test_bad_json(void **state)
{
    static const char *const bad[] = {
        "[",
        "[]",
        "[ -f x ]",
        "[1]",
        "[\"a\"",
        "[\"a\",]",
        "[\"a\",",
        "[\"a\" \"b\"]",
        "[\"a\"] x",
        "[\"a",
        "[\"a\\",
        "[\"a\\x\"]",
        "[\"a\nb\"]",
        "[\"\\u12\"]",
        "[\"\\u123g\"]",
        "[\"\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"\\ud800\\n\"]",
        "[\"\\ud800\\u0041\"]",
        "[\"\\udc00\"]",
        "[\"\\ud800\\u\"]",
        "[null]",
        "[[\"a\"]]",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct bd_error err = {""};

        assert_null(words_split(bad[i], &err));
        assert_non_null(strstr(err.text, " of the command line"));
    }
    assert_string_equal(split("[\"a\" 1]"), "wanted ',' or ']' at byte 6 of the command line");
}

static const char *quoted(const char *text)
{
    static char buf[256];

    return quote_go(buf, sizeof(buf), text);
}

static void test_quote(void **state)
{
    char small[8];

    assert_string_equal(quoted("cat"), "\"cat\"");
    assert_string_equal(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_string_equal(quoted("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\"");
    assert_string_equal(quoted("\x01\x1f\x7f"), "\"\\x01\\x1f\\x7f\"");
    assert_string_equal(quoted("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                        "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    assert_string_equal(quoted("\xff\xc3(\xc0\x80\xed\xa0\x80\xf8"),
                        "\"\\xff\\xc3(\\xc0\\x80\\xed\\xa0\\x80\\xf8\"");
    assert_string_equal(quoted("\xc2\x80\xc2\xad\xe2\x80\xae\xef\xbb\xbf\xf3\xa0\x80\x81"),
                        "\"\\u0080\\u00ad\\u202e\\ufeff\\U000e0001\"");
    assert_string_equal(quote_go(small, sizeof(small), "abcdefgh"), "\"abcde\"");
    assert_string_equal(quote_go(small, sizeof(small), "abcd\n"), "\"abcd\"");
}

/* The programs are looked for in a directory of their own. */
static char folder[] = "/tmp/test_command.XXXXXX";

static void make(const char *name, mode_t mode)
{
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    fputs("#!/bin/sh\n", f);
    fclose(f);
    assert_return_code(chmod(name, mode), errno);
}

static int enter_folder(void **state)
{
    assert_non_null(mkdtemp(folder));
    assert_return_code(chdir(folder), errno);
    assert_return_code(mkdir("one", 0755), errno);
    assert_return_code(mkdir("two", 0755), errno);
    assert_return_code(mkdir("one/dir", 0755), errno);
    make("here", 0755);
    make("one/plain", 0644);
    make("one/both", 0644);
    make("two/both", 0755);
    make("two/dir", 0755);
    make("two/prog", 0755);
    return 0;
}

static int leave_folder(void **state)
{
    static const char *const file[] = {"two/prog", "two/dir", "two/both",
                                       "one/both", "here",    "one/plain"};

    for (size_t i = 0; i < sizeof(file) / sizeof(*file); i++)
        unlink(file[i]);
    rmdir("one/dir");
    rmdir("one");
    rmdir("two");
    assert_return_code(chdir("/"), errno);
    return rmdir(folder);
}

/* The path relative to the folder, or what is said. */
static const char *find(const char *line, const char *search_path)
{
    static char text[1024];
    struct bd_command c;
    struct bd_error err;

    assert_int_equal(bd_command_parse(&c, line, search_path, &err), 0);
    assert_ptr_equal(c.line, line);
    if (!c.path)
        snprintf(text, sizeof(text), "%s", c.error.text);
    else if (strncmp(c.path, folder, strlen(folder)) == 0)
        snprintf(text, sizeof(text), "%s", c.path + strlen(folder));
    else
        snprintf(text, sizeof(text), "%s", c.path);
    free((void *)c.argv);
    free((void *)c.path);
    return text;
}

/* "DIR:DIR" of directories in the folder. */
static const char *in(const char *one, const char *two)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s:%s/%s", folder, one, folder, two);
    return path;
}

static void test_search(void **state)
{
    char text[256];

    assert_string_equal(find("prog x", in("one", "two")), "/two/prog");
    assert_string_equal(find("both", in("one", "two")), "/two/both");
    assert_string_equal(find("dir", in("one", "two")), "/two/dir");
    assert_string_equal(find("prog", in("one", "two/")), "/two/prog");
    assert_string_equal(find("plain", in("one", "two")),
                        "exec: \"plain\": executable file not found in $PATH");
    assert_string_equal(find("no\tsuch", in("one", "two")),
                        "exec: \"no\\tsuch\": executable file not found in $PATH");
    assert_string_equal(find("prog", NULL), "exec: \"prog\": executable file not found in $PATH");
    assert_string_equal(find("prog", ""), "exec: \"prog\": executable file not found in $PATH");
    assert_string_equal(find(".", in("one", "two")),
                        "exec: \".\": executable file not found in $PATH");
    snprintf(text, sizeof(text), "%s/two/prog", folder);
    assert_string_equal(find(text, NULL), "/two/prog");
}

static void test_relative_search(void **state)
{
    static const char *const path[] = {".", ":", "/nowhere:", "/nowhere::/nowhere", ":/bin"};

    for (size_t i = 0; i < sizeof(path) / sizeof(*path); i++)
        assert_string_equal(
            find("here", path[i]),
            "exec: \"here\": cannot run executable found relative to current directory");
    assert_string_equal(
        find("prog", "two"),
        "exec: \"prog\": cannot run executable found relative to current directory");
}

static void test_no_command(void **state)
{
    assert_string_equal(find("", "/bin"), "exec: no command");
    assert_string_equal(find(" cat", "/bin"), "exec: no command");
    assert_string_equal(find("[\"\"]", "/bin"), "exec: no command");
}

static void test_with_slash(void **state)
{
    assert_string_equal(find("./here", NULL), "./here");
    assert_string_equal(find("two/prog a", NULL), "two/prog");
    assert_string_equal(find("./none", NULL), "fork/exec ./none: no such file or directory");
    assert_string_equal(find("one/plain", NULL), "fork/exec one/plain: permission denied");
    assert_string_equal(find("one/dir", NULL), "fork/exec one/dir: permission denied");
    assert_string_equal(find("here/x", NULL), "fork/exec here/x: not a directory");
}

static void test_bad_line(void **state)
{
    struct bd_command c;
    struct bd_error err;

    assert_int_equal(bd_command_parse(&c, "['a']", "/bin", &err), -1);
    assert_string_equal(err.text, "wanted a string in double quotes at byte 2 of the command line");
}

static void test_find_again(void **state)
{
    struct bd_command c;
    struct bd_error err;
    char path[512], small[4];

    assert_int_equal(bd_command_parse(&c, "later", in("one", "two"), &err), 0);
    assert_null(c.path);
    assert_false(bd_command_find(&c, in("one", "two"), path, sizeof(path), &err));
    assert_string_equal(path, "");
    make("two/later", 0755);
    assert_true(bd_command_find(&c, in("one", "two"), path, sizeof(path), &err));
    assert_string_equal(path + strlen(folder), "/two/later");
    assert_false(bd_command_find(&c, in("one", "two"), small, sizeof(small), &err));
    assert_string_equal(small, "");
    unlink("two/later");
    free((void *)c.argv);
}

static void test_long_name(void **state)
{
    char name[8192];
    struct bd_command c;
    struct bd_error err;

    memset(name, '\n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(bd_command_parse(&c, name, "/bin", &err), 0);
    assert_null(c.path);
    assert_non_null(strstr(c.error.text, "\\n\": executable file not found in $PATH"));
    free((void *)c.argv);

    memset(name, '/', sizeof(name) - 1);
    assert_int_equal(bd_command_parse(&c, name, "/bin", &err), 0);
    assert_null(c.path);
    free((void *)c.argv);
}

static const char *exit_text(int status, int sig, bool core)
{
    static char buf[64];

    return bd_exit_text(buf,
                        &(struct bd_exit){.status = status, .signal = sig, .core_dumped = core});
}

static void test_exit_text(void **state)
{
    assert_string_equal(exit_text(0, 0, false), "exit status 0");
    assert_string_equal(exit_text(255, 0, false), "exit status 255");
    assert_string_equal(exit_text(-1, SIGKILL, false), "signal: killed");
    assert_string_equal(exit_text(-1, SIGTERM, false), "signal: terminated");
    assert_string_equal(exit_text(-1, SIGPIPE, false), "signal: broken pipe");
    assert_string_equal(exit_text(-1, SIGSEGV, true), "signal: segmentation fault (core dumped)");
    assert_string_equal(exit_text(-1, SIGABRT, true), "signal: aborted (core dumped)");
    assert_string_equal(exit_text(-1, SIGTRAP, false), "signal: trace/breakpoint trap");
    assert_string_equal(exit_text(-1, SIGUSR1, false), "signal: user defined signal 1");
    assert_string_equal(exit_text(-1, 40, false), "signal: signal 40");
}

static void test_child_error(void **state)
{
    struct bd_error err;

    bd_child_error(&err, "/bin/x", -E2BIG);
    assert_string_equal(err.text, "fork/exec /bin/x: argument list too long");
    bd_child_error(&err, "x", -ENOEXEC);
    assert_string_equal(err.text, "fork/exec x: exec format error");
    bd_child_error(&err, "x", -EMFILE);
    assert_string_equal(err.text, "fork/exec x: too many open files");
    bd_child_error(&err, "x", -999);
    assert_string_equal(err.text, "fork/exec x: errno 999");
    bd_child_error(&err, "x", -ENOTTY);
    assert_string_equal(err.text, "fork/exec x: errno 25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_spaces), cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_open_quotes),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_json),      cmocka_unit_test(test_quote),
        cmocka_unit_test(test_search),        cmocka_unit_test(test_relative_search),
        cmocka_unit_test(test_no_command),    cmocka_unit_test(test_with_slash),
        cmocka_unit_test(test_bad_line),      cmocka_unit_test(test_find_again),
        cmocka_unit_test(test_long_name),     cmocka_unit_test(test_exit_text),
        cmocka_unit_test(test_child_error),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
