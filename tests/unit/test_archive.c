/* archive.c: what is written is read back, also by GNU tar; archives of GNU tar; broken ones */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/archive.c"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct bd_arena arena;
static char folder[PATH_MAX];

/* --- files, and GNU tar on them ------------------------------------------------------------------
 */

static const char *at(const char *name)
{
    return bd_arena_printf(&arena, "%s/%s", folder, name);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0755), 0);
}

static void make_file(const char *name, struct bd_slice text, mode_t mode)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        fail_msg("%s: %s", name, strerror(errno));
    assert_int_equal(write(fd, text.p, text.len), text.len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct bd_slice read_file(const char *name)
{
    int fd = open(at(name), O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;

    if (fd < 0 || fstat(fd, &st))
        fail_msg("%s: %s", name, strerror(errno));
    text = bd_arena_alloc(&arena, (size_t)st.st_size);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    return (struct bd_slice){text, (size_t)st.st_size};
}

static void run_tar(const char *const *argv)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        execvp("tar", (char **)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define TAR(...) run_tar((const char *const[]){"tar", "-C", folder, __VA_ARGS__, NULL})

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");

    bd_arena_init(&arena);
    snprintf(folder, sizeof(folder), "%s/bandog-archive-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int tear_down(void **state)
{
    bd_arena_release(&arena);
    return nftw(folder, forget, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- reading -------------------------------------------------------------------------------------
 */

/* Without room behind it, so that a sanitizer sees who reads on. */
static struct bd_slice exactly(struct bd_slice archive)
{
    char *copy = malloc(archive.len + !archive.len);

    assert_non_null(copy);
    memcpy(copy, archive.p, archive.len);
    return (struct bd_slice){copy, archive.len};
}

static void expect_next(struct bd_slice archive, size_t *where, const char *path, mode_t mode,
                        struct bd_slice content)
{
    struct archive_file file;

    if (!archive_next(&arena, archive, where, &file))
        fail_msg("%s is missing", path);
    assert_string_equal(file.path, path);
    assert_int_equal(file.mode, mode);
    if (!bd_slice_eq(file.content, content))
        fail_msg("%s has other content", path);
    assert_true(file.content.p >= archive.p &&
                file.content.p + file.content.len <= archive.p + archive.len);
}

static void expect_end(struct bd_slice archive, size_t *where)
{
    struct archive_file file;

    if (archive_next(&arena, archive, where, &file))
        fail_msg("%s is too much", file.path);
    assert_true(*where <= archive.len);
    assert_false(archive_next(&arena, archive, where, &file)); /* stays there */
}

static struct bd_slice filled(size_t len)
{
    char *text = bd_arena_alloc(&arena, len + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 31 + i / 256);
    return (struct bd_slice){text, len};
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 5000, 100000};

static void test_round_trip(void **state)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct bd_slice content = filled(sizes[i]);
        struct bd_slice archive = exactly(archive_of(&arena, "a/b.txt", 0640, content));
        size_t where = 0;

        assert_int_equal(archive.len % BLOCK, 0);
        expect_next(archive, &where, "a/b.txt", 0640, content);
        expect_end(archive, &where);
        free((char *)archive.p);
    }
}

/* A slice without bytes may have no place. */
static void test_nothing_in_it(void **state)
{
    struct bd_slice archive = archive_of(&arena, "a", 0644, (struct bd_slice){NULL, 0});
    size_t where = 0;

    expect_next(archive, &where, "a", 0644, BD_SLICE(""));
    expect_end(archive, &where);
}

static void test_longest_name(void **state)
{
    char name[100];
    struct bd_slice archive;
    size_t where = 0;

    memset(name, 'n', 99);
    name[99] = '\0';
    archive = archive_of(&arena, name, 07777, BD_SLICE("x"));
    expect_next(archive, &where, name, 07777, BD_SLICE("x"));
    expect_end(archive, &where);
}

static void test_tar_reads_ours(void **state)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct bd_slice content = filled(sizes[i]);
        struct stat st;

        make_file("a.tar", archive_of(&arena, "there", 0751, content), 0600);
        TAR("--warning=no-timestamp", "-xpf", at("a.tar"));
        assert_true(bd_slice_eq(read_file("there"), content));
        assert_int_equal(stat(at("there"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0751);
        assert_int_equal(st.st_mtime, 0);
        assert_int_equal(unlink(at("there")), 0);
        assert_int_equal(unlink(at("a.tar")), 0);
    }
}

/* Files only, in the order of the archive: no folders, no links. */
static void test_reads_tar(void **state)
{
    static const char *const formats[] = {"--format=ustar", "--format=gnu", "--format=posix"};

    make_folder("z");
    make_folder("z/y");
    make_file("z/run", BD_SLICE("#!/bin/sh\n"), 0755);
    make_file("z/y/empty", BD_SLICE(""), 0600);
    make_file("z/y/block", filled(512), 04711);
    make_file("big", filled(70000), 0644);
    assert_int_equal(symlink("big", at("z/link")), 0);
    assert_int_equal(link(at("big"), at("z/hard")), 0);
    assert_int_equal(mkfifo(at("z/fifo"), 0644), 0);
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct bd_slice archive;
        size_t where = 0;

        TAR(formats[i], "--no-recursion", "-cf", at("t.tar"), "z", "z/run", "z/link", "z/y",
            "z/y/empty", "big", "z/hard", "z/fifo", "z/y/block");
        archive = exactly(read_file("t.tar"));
        expect_next(archive, &where, "z/run", 0755, BD_SLICE("#!/bin/sh\n"));
        expect_next(archive, &where, "z/y/empty", 0600, BD_SLICE(""));
        expect_next(archive, &where, "big", 0644, filled(70000));
        expect_next(archive, &where, "z/y/block", 04711, filled(512));
        expect_end(archive, &where);
        free((char *)archive.p);
    }
}

/* A long path is cut at a slash into two fields. */
static void test_long_paths(void **state)
{
    char step[91], longest[156], exact[101], path[400];
    struct bd_slice archive;
    size_t where = 0;

    memset(step, 's', sizeof(step) - 1);
    step[sizeof(step) - 1] = '\0';
    memset(longest, 'l', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memset(exact, 'e', sizeof(exact) - 1);
    exact[sizeof(exact) - 1] = '\0';
    make_folder(step);
    snprintf(path, sizeof(path), "%s/%s", step, step);
    make_file(path, BD_SLICE("1"), 0644);
    make_folder(longest);
    make_file(bd_arena_printf(&arena, "%s/%s", longest, exact), BD_SLICE("2"), 0644);
    make_file(exact, BD_SLICE("3"), 0644);
    TAR("--format=ustar", "--no-recursion", "-cf", at("t.tar"), path,
        bd_arena_printf(&arena, "%s/%s", longest, exact), exact);
    archive = read_file("t.tar");
    expect_next(archive, &where, path, 0644, BD_SLICE("1"));
    expect_next(archive, &where, bd_arena_printf(&arena, "%s/%s", longest, exact), 0644,
                BD_SLICE("2"));
    expect_next(archive, &where, exact, 0644, BD_SLICE("3"));
    expect_end(archive, &where);
}

static void test_empty_archives(void **state)
{
    static const char zeros[4 * BLOCK];
    size_t where = 0;

    expect_end((struct bd_slice){NULL, 0}, &where);
    expect_end((struct bd_slice){zeros, sizeof(zeros)}, &where);
    TAR("-cf", at("t.tar"), "-T", "/dev/null");
    expect_end(read_file("t.tar"), &where);
}

/*
 * Wherever it is cut: only what is there as a whole is given, and nothing behind it is looked at.
 * The first file looks like an archive itself, which must not be taken for more of this one.
 */
static void test_cut(void **state)
{
    struct bd_slice inner = {archive_of(&arena, "inner", 0644, filled(80)).p, BLOCK + 88};
    struct bd_slice first = archive_of(&arena, "a", 0644, inner);
    struct bd_slice second = archive_of(&arena, "b", 0600, filled(10));
    size_t a = BLOCK + 2 * BLOCK, b = a + 2 * BLOCK;
    char *both = bd_arena_alloc(&arena, b);

    memcpy(both, first.p, a);
    memcpy(both + a, second.p, b - a);
    for (size_t len = 0; len <= b; len++) {
        struct bd_slice archive = exactly((struct bd_slice){both, len});
        size_t where = 0;

        if (len >= BLOCK + inner.len)
            expect_next(archive, &where, "a", 0644, inner);
        if (len >= a + BLOCK + 10)
            expect_next(archive, &where, "b", 0600, filled(10));
        expect_end(archive, &where);
        free((char *)archive.p);
    }
}

/* Some write what kind of file it is into the mode, too. */
static void test_mode_with_more_bits(void **state)
{
    struct bd_slice archive = archive_of(&arena, "a", 0644, BD_SLICE("x"));
    size_t where = 0;

    memcpy((char *)archive.p + offsetof(struct header, mode), "0104755", 7);
    expect_next(archive, &where, "a", 04755, BD_SLICE("x"));
}

/* 3072 bytes follow the head. */
static void test_sizes_larger_than_the_rest(void **state)
{
    static const char *const rows[] = {"00000006001", "77777777777", "777777777777"};
    struct bd_slice ours = archive_of(&arena, "a", 0644, filled(4 * BLOCK));

    assert_int_equal(ours.len, 7 * BLOCK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bd_slice archive = exactly(ours);
        size_t where = 0;

        memcpy((char *)archive.p + offsetof(struct header, size), rows[i], strlen(rows[i]));
        expect_end(archive, &where);
        free((char *)archive.p);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_round_trip),          IN_FOLDER(test_nothing_in_it),
        IN_FOLDER(test_longest_name),        IN_FOLDER(test_tar_reads_ours),
        IN_FOLDER(test_reads_tar),           IN_FOLDER(test_long_paths),
        IN_FOLDER(test_empty_archives),      IN_FOLDER(test_cut),
        IN_FOLDER(test_mode_with_more_bits), IN_FOLDER(test_sizes_larger_than_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
