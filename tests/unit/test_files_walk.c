/* files.c: everything below a folder */
#include "files_folder.h"

#include "texts.h"

struct seen {
    struct texts rows; /* "path mode", folders with a slash */
    size_t stop_at;
};

static int see(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *e)
{
    struct seen *s = self;

    assert_ptr_equal(e, &err);
    texts_add(&arena, &s->rows,
              bd_arena_printf(&arena, "%s%s %o", path, is_folder ? "/" : "", (unsigned)mode));
    return s->rows.count == s->stop_at ? 7 : 0;
}

static void test_walk(void **state)
{
    struct seen s = {0};

    make_folder("d");
    make_folder("d/b");
    make_file("d/b/x", "");
    make_file("d/b-c", ""); /* '-' is before '/', but folders are walked at once */
    make_folder("d/a");
    make_file("d/B", "");
    make_file("d/.hidden", "");
    make_file("d/\xc3\xbc", "");
    assert_int_equal(chmod(at("d/B"), 0751), 0);
    assert_int_equal(chmod(at("d/a"), 01777), 0);
    assert_int_equal(folder_walk(at("d"), see, &s, &err), 0);
    assert_string_equal(texts_join(&arena, &s.rows, ", "),
                        ".hidden 644, B 751, a/ 1777, b/ 755, b/x 644, b-c 644, \xc3\xbc 644");
}

static void test_walk_empty(void **state)
{
    struct seen s = {0};

    make_folder("d");
    assert_int_equal(folder_walk(at("d"), see, &s, &err), 0);
    assert_int_equal(s.rows.count, 0);
}

static void test_walk_through_links(void **state)
{
    struct seen s = {0};

    make_folder("d");
    make_folder("e");
    make_file("e/f", "");
    assert_int_equal(chmod(at("e/f"), 0600), 0);
    make_link("d/to-file", "../e/f");
    make_link("d/to-folder", "../e");
    make_link("root", "d");
    assert_int_equal(folder_walk(at("root"), see, &s, &err), 0);
    assert_string_equal(texts_join(&arena, &s.rows, ", "),
                        "to-file 600, to-folder/ 755, to-folder/f 600");
}

/* Emacs' sign that it edits a file: who, where. */
static void test_walk_passes_over_locks(void **state)
{
    struct seen s = {0};

    make_folder("d");
    make_link("d/.#f", "user@host.123");
    make_file("d/f", "");
    make_file("d/.#g", "");
    make_folder("d/z");
    assert_int_equal(folder_walk(at("d"), see, &s, &err), 0);
    assert_string_equal(texts_join(&arena, &s.rows, ", "), ".#g 644, f 644, z/ 755");
}

static void test_walk_stops(void **state)
{
    struct seen s = {.stop_at = 2};

    make_folder("d");
    make_folder("d/a");
    make_file("d/a/b", "");
    make_file("d/c", "");
    assert_int_equal(folder_walk(at("d"), see, &s, &err), 7);
    assert_string_equal(texts_join(&arena, &s.rows, ", "), "a/ 755, a/b 644");
}

static void test_walk_fails(void **state)
{
    struct seen s = {0};

    assert_int_equal(folder_walk(at("nothing"), see, &s, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s: No such file or directory", at("nothing")));
    make_folder("d");
    make_link("d/l", "nothing");
    assert_int_equal(folder_walk(at("d"), see, &s, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s: No such file or directory", at("d/l")));
    make_folder("e");
    assert_int_equal(mkfifo(at("e/fifo"), 0644), 0);
    assert_int_equal(folder_walk(at("e"), see, &s, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s is neither a file nor a folder", at("e/fifo")));
    assert_int_equal(s.rows.count, 0);
}

static void test_walk_in_circles(void **state)
{
    struct seen s = {0};

    make_folder("d");
    make_folder("d/e");
    make_link("d/e/up", "..");
    assert_int_equal(folder_walk(at("d"), see, &s, &err), -1);
    assert_non_null(strstr(err.text, "/e/up/e: folders are nested too deeply"));
    assert_int_equal(s.rows.count, FOLDERS_DEEP + 1);
}

static void test_walk_too_deep(void **state)
{
    struct seen s = {0};
    const char *path;

    make_deep(FOLDERS_DEEP);
    assert_int_equal(folder_walk(at("d"), see, &s, &err), 0);
    assert_int_equal(s.rows.count, FOLDERS_DEEP);
    path = make_deep(FOLDERS_DEEP + 1);
    assert_int_equal(folder_walk(at("d"), see, &s, &err), -1);
    expect_error(bd_arena_printf(&arena, "%s: folders are nested too deeply", path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_walk),
        IN_FOLDER(test_walk_empty),
        IN_FOLDER(test_walk_through_links),
        IN_FOLDER(test_walk_passes_over_locks),
        IN_FOLDER(test_walk_stops),
        IN_FOLDER(test_walk_fails),
        IN_FOLDER(test_walk_in_circles),
        IN_FOLDER(test_walk_too_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
