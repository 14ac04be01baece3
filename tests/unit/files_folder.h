/*
 * files_folder.h - a folder for the tests of files.c, made for each of them
 */
#ifndef TESTS_UNIT_FILES_FOLDER_H
#define TESTS_UNIT_FILES_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/files.c"

#include <ftw.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_arena arena;
static struct bd_error err;
static char base[PATH_MAX];
static int open_before;

static const char *at(const char *name)
{
    return bd_arena_printf(&arena, "%s/%s", base, name);
}

static void make_folder(const char *name)
{
    if (mkdir(at(name), 0755))
        fail_msg("mkdir %s: %s", name, strerror(errno));
}

static void make_file(const char *name, const char *text)
{
    if (file_create(at(name), bd_slice_of(text), 0644, &err))
        fail_msg("%s", err.text);
}

static void make_link(const char *name, const char *target)
{
    if (symlink(target, at(name)))
        fail_msg("symlink %s: %s", name, strerror(errno));
}

static void expect_text(const char *name, const char *text)
{
    struct bd_slice got;

    if (file_read(&arena, at(name), 1 << 20, &got, &err))
        fail_msg("%s", err.text);
    assert_string_equal(got.p, text);
}

static mode_t mode_of(const char *name)
{
    struct stat st;

    if (stat(at(name), &st))
        fail_msg("%s: %s", name, strerror(errno));
    return st.st_mode & 07777;
}

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void expect_error(const char *text)
{
    assert_string_equal(err.text, text);
    err.text[0] = '\0';
}

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char template[PATH_MAX];

    bd_arena_init(&arena);
    err.text[0] = '\0';
    umask(022);
    open_before = (int)count_entries("/proc/self/fd");
    snprintf(template, sizeof(template), "%s/bandog-files-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(template) && realpath(template, base) ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

/* Every test gives its descriptors back. */
static int tear_down(void **state)
{
    bd_arena_release(&arena);
    if (nftw(base, forget, 16, FTW_DEPTH | FTW_PHYS))
        return -1;
    return (int)count_entries("/proc/self/fd") == open_before ? 0 : -1;
}

static const char *make_deep(size_t depth)
{
    const char *path = at("d");

    for (size_t i = 0; i < depth; i++)
        path = path_join(&arena, path, "e");
    if (folder_make(path, 0755, &err))
        fail_msg("%s", err.text);
    return path;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
