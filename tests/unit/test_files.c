/* files.c: paths, whole files, and folders */
#include "files_folder.h"

#include <signal.h>
#include <sys/resource.h>

/* --- paths ---------------------------------------------------------------------------------------
 */

static void test_join(void **state)
{
    static const struct {
        const char *folder, *name, *path;
    } rows[] = {
        {"a", "b", "a/b"},   {"", "b", "b"}, {".", "b", "b"},
        {"a", "", "a"},      {"", "", ""},   {"a/b", "c/d", "a/b/c/d"},
        {"..", "b", "../b"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(path_join(&arena, rows[i].folder, rows[i].name), rows[i].path);
}

static void test_clean(void **state)
{
    static const struct {
        const char *path, *clean;
    } rows[] = {
        {"", "."},
        {".", "."},
        {"./", "."},
        {"a", "a"},
        {"a/", "a"},
        {"a//b", "a/b"},
        {"./a/./b/.", "a/b"},
        {"a/..", "."},
        {"a/../b", "b"},
        {"a/b/../../c", "c"},
        {"a/../..", ".."},
        {"..", ".."},
        {"../..", "../.."},
        {"../a", "../a"},
        {"../a/..", ".."},
        {"../a/../../b", "../../b"},
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/../a", "/a"},
        {"/a/../../b", "/b"},
        {"/a/b/..", "/a"},
        {"/a/./b//c/", "/a/b/c"},
        {"...", "..."},
        {"a/.../b", "a/.../b"},
        {".a", ".a"},
        {"a..", "a.."},
        {"a../..", "."},
        {"..a/..", "."},
        {"/a../..", "/"},
        {"x../../y", "y"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        if (strcmp(path_clean(&arena, rows[i].path), rows[i].clean) != 0)
            fail_msg("\"%s\" gave \"%s\", not \"%s\"", rows[i].path,
                     path_clean(&arena, rows[i].path), rows[i].clean);
}

/* A clean path has no step that could be left out. */
static void expect_clean(const char *path)
{
    const char *clean = path_clean(&arena, path), *p = clean + (*clean == '/');
    bool named = *clean == '/'; /* a step that ".." could take away, or the root */

    if ((*clean == '/') != (*path == '/') || strcmp(path_clean(&arena, clean), clean) != 0)
        fail_msg("\"%s\" gave \"%s\"", path, clean);
    if (strcmp(clean, ".") == 0 || strcmp(clean, "/") == 0)
        return;
    for (;;) {
        size_t len = strcspn(p, "/");
        bool up = len == 2 && memcmp(p, "..", 2) == 0;

        if (len == 0 || (len == 1 && *p == '.') || (up && named))
            fail_msg("\"%s\" gave \"%s\"", path, clean);
        named = named || !up;
        if (!p[len])
            break;
        p += len + 1;
    }
}

static void test_clean_exhaustively(void **state)
{
    static const char letters[] = "a./";
    char path[9];

    for (size_t len = 0; len < sizeof(path); len++) {
        size_t all = 1;

        for (size_t i = 0; i < len; i++)
            all *= 3;
        path[len] = '\0';
        for (size_t n = 0; n < all; n++) {
            size_t rest = n;

            for (size_t i = 0; i < len; i++, rest /= 3)
                path[i] = letters[rest % 3];
            expect_clean(path);
        }
        bd_arena_clear(&arena);
    }
}

static void test_below(void **state)
{
    static const char *const below[] = {"a", "a/b", "..a", "...", ".a", "..a/b"};
    static const char *const elsewhere[] = {".", "..", "../a", "../..", "/", "/a"};

    for (size_t i = 0; i < LENGTH(below); i++)
        assert_true(path_is_below(below[i]));
    for (size_t i = 0; i < LENGTH(elsewhere); i++)
        assert_false(path_is_below(elsewhere[i]));
}

static void test_exists(void **state)
{
    make_folder("d");
    make_file("f", "");
    make_link("to-d", "d");
    make_link("to-f", "f");
    make_link("to-nothing", "nothing");
    assert_true(path_exists(at("d")));
    assert_true(path_exists(at("f")));
    assert_true(path_exists(at("to-nothing")));
    assert_false(path_exists(at("nothing")));
    assert_true(path_is_folder(at("d")));
    assert_true(path_is_folder(at("to-d")));
    assert_false(path_is_folder(at("f")));
    assert_false(path_is_folder(at("to-f")));
    assert_false(path_is_folder(at("to-nothing")));
    assert_false(path_is_folder(at("nothing")));
}

/* --- files ---------------------------------------------------------------------------------------
 */

static void test_read(void **state)
{
    static const char bytes[] = "a\0b\xff\n";
    struct bd_slice got;

    assert_int_equal(file_create(at("f"), (struct bd_slice){bytes, sizeof(bytes) - 1}, 0644, &err),
                     0);
    assert_int_equal(file_read(&arena, at("f"), 5, &got, &err), 0);
    assert_int_equal(got.len, 5);
    assert_memory_equal(got.p, bytes, sizeof(bytes)); /* a NUL behind it, too */
    assert_int_equal(file_read(&arena, at("f"), 4, &got, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is larger than 4 bytes", at("f")));
    make_file("empty", "");
    assert_int_equal(file_read(&arena, at("empty"), 0, &got, &err), 0);
    assert_int_equal(got.len, 0);
    assert_string_equal(got.p, "");
}

static void test_read_no_file(void **state)
{
    struct bd_slice got;

    assert_int_equal(file_read(&arena, at("nothing"), 9, &got, &err), -1);
    expect_error(bd_arena_printf(&arena, "open %s: No such file or directory", at("nothing")));
    make_folder("d");
    assert_int_equal(file_read(&arena, at("d"), 9, &got, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is not a file", at("d")));
    assert_int_equal(mkfifo(at("fifo"), 0644), 0); /* with nobody at its other end */
    assert_int_equal(file_read(&arena, at("fifo"), 9, &got, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is not a file", at("fifo")));
}

static void test_write(void **state)
{
    assert_int_equal(file_write(at("f"), BD_SLICE("one"), 0666, &err), 0);
    expect_text("f", "one");
    assert_int_equal(mode_of("f"), 0644); /* less the umask */
    assert_int_equal(chmod(at("f"), 0711), 0);
    assert_int_equal(file_write(at("f"), BD_SLICE("2"), 0666, &err), 0);
    expect_text("f", "2");
    assert_int_equal(mode_of("f"), 0711);
    assert_int_equal(file_write(at("f"), BD_SLICE(""), 0600, &err), 0);
    expect_text("f", "");
    assert_int_equal(count_entries(base), 1); /* nothing is left beside it */
}

static void test_write_through_links(void **state)
{
    struct stat st;

    make_folder("d");
    make_file("d/f", "one");
    make_link("l", "d/f");
    assert_int_equal(file_write(at("l"), BD_SLICE("two"), 0644, &err), 0);
    expect_text("d/f", "two");
    assert_int_equal(lstat(at("l"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(count_entries(at("d")), 1);
}

/* Who has it open still reads what was there. */
static void test_write_replaces(void **state)
{
    char got[8] = "";
    int fd;

    make_file("f", "before");
    fd = open(at("f"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_write(at("f"), BD_SLICE("after"), 0644, &err), 0);
    assert_int_equal(read(fd, got, sizeof(got) - 1), 6);
    assert_string_equal(got, "before");
    close(fd);
    expect_text("f", "after");
}

static void test_write_fails(void **state)
{
    assert_int_equal(file_write(at("nothing/f"), BD_SLICE("x"), 0644, &err), -1);
    assert_non_null(strstr(err.text, "No such file or directory"));
    make_folder("d");
    assert_int_equal(file_write(at("d"), BD_SLICE("x"), 0644, &err), -1);
    expect_error(bd_arena_printf(&arena, "write %s: Is a directory", at("d")));
    assert_int_equal(count_entries(base), 1);
}

static void test_create(void **state)
{
    assert_int_equal(file_create(at("f"), BD_SLICE("x"), 0777, &err), 0);
    expect_text("f", "x");
    assert_int_equal(mode_of("f"), 0755);
    assert_int_equal(file_create(at("f"), BD_SLICE("y"), 0644, &err), -1);
    expect_error(bd_arena_printf(&arena, "create %s: File exists", at("f")));
    expect_text("f", "x");
    make_link("l", "nothing"); /* no way to a file elsewhere */
    assert_int_equal(file_create(at("l"), BD_SLICE("y"), 0644, &err), -1);
    expect_error(bd_arena_printf(&arena, "create %s: File exists", at("l")));
    assert_false(path_exists(at("nothing")));
}

/* A file that cannot be written as a whole is not there at all. */
static void test_no_half_files(void **state)
{
    struct rlimit before, small;
    char *text = bd_arena_alloc(&arena, 100000);
    int created, written;
    char reasons[2][sizeof(err.text)];

    memset(text, 'x', 100000);
    make_file("old", "one");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){50000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    created = file_create(at("new"), (struct bd_slice){text, 100000}, 0644, &err);
    memcpy(reasons[0], err.text, sizeof(err.text));
    written = file_write(at("old"), (struct bd_slice){text, 100000}, 0644, &err);
    memcpy(reasons[1], err.text, sizeof(err.text));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(created, -1);
    assert_int_equal(written, -1);
    assert_non_null(strstr(reasons[0], "File too large"));
    assert_non_null(strstr(reasons[1], "File too large"));
    expect_text("old", "one");
    assert_int_equal(count_entries(base), 1);
}

/* --- folders -------------------------------------------------------------------------------------
 */

static void test_make(void **state)
{
    assert_int_equal(folder_make(at("a/b/c"), 0777, &err), 0);
    assert_true(path_is_folder(at("a/b/c")));
    assert_int_equal(mode_of("a"), 0755);
    assert_int_equal(mode_of("a/b/c"), 0755);
    assert_int_equal(folder_make(at("a/b/c"), 0700, &err), 0);
    assert_int_equal(mode_of("a/b/c"), 0755);
    assert_int_equal(folder_make(at("a//d/"), 0700, &err), 0);
    assert_true(path_is_folder(at("a/d")));
    make_link("l", "a");
    assert_int_equal(folder_make(at("l/e"), 0700, &err), 0);
    assert_true(path_is_folder(at("a/e")));
    assert_int_equal(folder_make("/", 0700, &err), 0);
}

static void test_make_fails(void **state)
{
    char long_path[PATH_MAX + 10];

    make_file("f", "");
    assert_int_equal(folder_make(at("f"), 0755, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is not a folder", at("f")));
    assert_int_equal(folder_make(at("f/d/e"), 0755, &err), -1);
    expect_error(bd_arena_printf(&arena, "create %s: Not a directory", at("f/d")));
    make_link("l", "nothing");
    assert_int_equal(folder_make(at("l"), 0755, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is not a folder", at("l")));
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(folder_make(long_path, 0755, &err), -1);
    assert_non_null(strstr(err.text, "aaaa"));
}

static void test_remove(void **state)
{
    make_folder("keep");
    make_file("keep/f", "kept");
    assert_int_equal(folder_make(at("d/e/f"), 0755, &err), 0);
    make_file("d/e/g", "");
    make_file("d/.h", "");
    make_link("d/to-folder", "../keep");
    make_link("d/e/to-file", "../../keep/f");
    make_link("d/to-nothing", "nothing");
    assert_int_equal(mkfifo(at("d/fifo"), 0644), 0);
    assert_int_equal(folder_remove(at("d"), &err), 0);
    assert_false(path_exists(at("d")));
    expect_text("keep/f", "kept");
    assert_int_equal(folder_remove(at("d"), &err), 0); /* again */
}

static void test_remove_what_is_no_folder(void **state)
{
    make_folder("keep");
    make_file("keep/f", "kept");
    make_link("l", "keep");
    make_file("f", "");
    assert_int_equal(folder_remove(at("l"), &err), 0);
    assert_int_equal(folder_remove(at("f"), &err), 0);
    assert_int_equal(count_entries(base), 1);
    expect_text("keep/f", "kept");
}

static void test_remove_many(void **state)
{
    make_folder("d");
    for (int i = 0; i < 2000; i++)
        make_file(bd_arena_printf(&arena, "d/%d", i), "");
    assert_int_equal(folder_remove(at("d"), &err), 0);
    assert_false(path_exists(at("d")));
}

static void test_remove_deep(void **state)
{
    make_deep(REMOVE_DEEP);
    assert_int_equal(folder_remove(at("d"), &err), 0);
    assert_false(path_exists(at("d")));
    make_deep(REMOVE_DEEP + 1);
    assert_int_equal(folder_remove(at("d"), &err), -1);
    expect_error(bd_arena_printf(&arena, "remove %s: %s", at("d"), strerror(ELOOP)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_join),
        IN_FOLDER(test_clean),
        IN_FOLDER(test_clean_exhaustively),
        IN_FOLDER(test_below),
        IN_FOLDER(test_exists),
        IN_FOLDER(test_read),
        IN_FOLDER(test_read_no_file),
        IN_FOLDER(test_write),
        IN_FOLDER(test_write_through_links),
        IN_FOLDER(test_write_replaces),
        IN_FOLDER(test_write_fails),
        IN_FOLDER(test_create),
        IN_FOLDER(test_no_half_files),
        IN_FOLDER(test_make),
        IN_FOLDER(test_make_fails),
        IN_FOLDER(test_remove),
        IN_FOLDER(test_remove_what_is_no_folder),
        IN_FOLDER(test_remove_many),
        IN_FOLDER(test_remove_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
