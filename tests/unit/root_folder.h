/*
 * root_folder.h - a folder for the tests of root.c, made for each of them, and what is found in it
 *
 * Each test runs twice: with openat2(2), if the kernel has it, and by walking.
 */
#ifndef TESTS_UNIT_ROOT_FOLDER_H
#define TESTS_UNIT_ROOT_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's answers to openat2(2), and others when a test wants them. */
static int pretended_errno, pretended_times, openat2_calls;

static long test_syscall(long number, int at, const char *path, const void *how, size_t size)
{
    openat2_calls++;
    if (pretended_times > 0) {
        pretended_times--;
        errno = pretended_errno;
        return -1;
    }
    return syscall(number, at, path, how, size);
}

#define syscall test_syscall
#include "../../modes/root.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define S INT64_C(1000000000)
#define NOW_NS (1000 * S)

/* BASE/root is the folder; BASE/outside and BASE/rootless are not in it. */
static char base[PATH_MAX];
static struct root root;
static bool forced; /* to walk */
static int open_before;

/* --- building --------------------------------------------------------------------------------- */

/* BASE/NAME, in one of four buffers. */
static const char *at(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % LENGTH(paths)];

    assert_true(snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX);
    return path;
}

static void make_folder(const char *name)
{
    if (mkdir(at(name), 0755) != 0)
        fail_msg("mkdir %s: %s", name, strerror(errno));
}

static void make_file(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        fail_msg("%s: %s", name, strerror(errno));
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make_link(const char *name, const char *target)
{
    if (symlink(target, at(name)) != 0)
        fail_msg("symlink %s: %s", name, strerror(errno));
}

static int count_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void open_root(const char *name)
{
    static char path[PATH_MAX];

    root_close(&root);
    memcpy(path, at(name), sizeof(path));
    root_init(&root, path);
    root.walks = forced;
}

static int set_up(void **state)
{
    char template[PATH_MAX];
    const char *tmp = getenv("TMPDIR");

    pretended_times = openat2_calls = 0;
    open_before = count_open();
    snprintf(template, sizeof(template), "%s/bandog-root-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(template) || !realpath(template, base) || chmod(base, 0755) != 0)
        return -1;
    make_folder("root");
    make_folder("root/dir");
    make_folder("root/dir/sub");
    make_folder("outside");
    make_folder("rootless");
    make_file("root/file", "file");
    make_file("root/dir/file", "file in dir");
    make_file("root/dir/sub/file", "file in sub");
    make_file("root/passwd", "ours");
    make_file("outside/secret", "secret");
    make_file("rootless/secret", "secret");
    root_init(&root, NULL);
    open_root("root");
    return 0;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int tear_down(void **state)
{
    root_close(&root);
    if (nftw(base, forget, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return -1;
    return count_open() == open_before ? 0 : -1; /* each test gives its descriptors back */
}

/* --- looking ---------------------------------------------------------------------------------- */

static void expect_text_at(const char *path, const char *text, int64_t now_ns)
{
    char got[64] = "";
    int fd = root_open(&root, path, now_ns);

    if (fd < 0)
        fail_msg("\"%s\" gave %s", path, strerror(-fd));
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    if (read(fd, got, sizeof(got) - 1) < 0)
        fail_msg("\"%s\": %s", path, strerror(errno));
    close(fd);
    if (strcmp(got, text) != 0)
        fail_msg("\"%s\" is \"%s\", not \"%s\"", path, got, text);
}

static void expect_text(const char *path, const char *text)
{
    expect_text_at(path, text, NOW_NS);
}

/* It is the folder BASE/NAME, and can be listed. */
static void expect_folder_at(const char *path, const char *name, int64_t now_ns)
{
    int fd = root_open(&root, path, now_ns);
    struct stat got, expected;
    bool listed;
    DIR *dir;

    if (fd < 0)
        fail_msg("\"%s\" gave %s", path, strerror(-fd));
    dir = fdopendir(fd);
    assert_non_null(dir);
    listed = fstat(fd, &got) == 0 && readdir(dir);
    closedir(dir);
    if (!listed)
        fail_msg("\"%s\" cannot be listed", path);
    assert_int_equal(stat(at(name), &expected), 0);
    if (got.st_dev != expected.st_dev || got.st_ino != expected.st_ino)
        fail_msg("\"%s\" is not %s", path, name);
}

static void expect_folder(const char *path, const char *name)
{
    expect_folder_at(path, name, NOW_NS);
}

static void expect_error_at(const char *path, int err, int64_t now_ns)
{
    int fd = root_open(&root, path, now_ns);

    if (fd >= 0) {
        close(fd);
        fail_msg("\"%.80s\" was opened", path);
    }
    if (fd != -err)
        fail_msg("\"%.80s\" gave %s, not %s", path, strerror(-fd), strerror(err));
}

static void expect_error(const char *path, int err)
{
    expect_error_at(path, err, NOW_NS);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* For a group: its tests do without openat2(2). */
static int to_walk(void **state)
{
    forced = true;
    return 0;
}

#endif
