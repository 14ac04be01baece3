/* root.c: the folder itself, which comes and goes, who may, and a kernel that does not help */
#include "root_folder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* --- who may ---------------------------------------------------------------------------------- */

/* Runs as nobody in particular; 0 or the number of the check that failed. */
static int try_as_nobody(void)
{
    int fd;

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return 1;
    if (root_open(&root, "closed_file", NOW_NS) != -EACCES)
        return 2;
    if (root_open(&root, "closed", NOW_NS) != -EACCES)
        return 3;
    if (root_open(&root, "closed/file", NOW_NS) != -EACCES)
        return 4;
    if (root_open(&root, "to_closed", NOW_NS) != -EACCES)
        return 5;
    if (root_open(&root, "passage", NOW_NS) != -EACCES) /* it cannot be listed */
        return 6;
    fd = root_open(&root, "passage/file", NOW_NS); /* but passed through */
    if (fd < 0)
        return 7;
    close(fd);
    fd = root_open(&root, "passage/link", NOW_NS);
    return fd < 0 ? 8 : 0;
}

static void test_permissions(void **state)
{
    static const char *const closed[] = {"root/closed_file", "root/closed"};
    int status;
    pid_t pid;

    make_file("root/closed_file", "x");
    make_folder("root/closed");
    make_folder("root/passage");
    make_file("root/closed/file", "x");
    make_file("root/passage/file", "x");
    make_link("root/passage/link", "../passage/file");
    make_link("root/to_closed", "closed/file");
    for (size_t i = 0; i < LENGTH(closed); i++)
        assert_int_equal(chmod(at(closed[i]), 0), 0);
    assert_int_equal(chmod(at("root/passage"), 0111), 0);
    expect_folder("", "root"); /* so the folder itself is open */
    pid = fork();
    if (pid == 0)
        _exit(try_as_nobody());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t i = 0; i < LENGTH(closed); i++)
        assert_int_equal(chmod(at(closed[i]), 0755), 0);
    assert_int_equal(chmod(at("root/passage"), 0755), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- the folder itself ------------------------------------------------------------------------ */

static void test_folder_appears(void **state)
{
    open_root("later");
    expect_error("file", ENOENT);
    expect_error("", ENOENT);
    make_folder("later");
    make_file("later/file", "late");
    expect_text_at("file", "late", NOW_NS + 2 * S);
    expect_folder_at("", "later", NOW_NS + 2 * S);
}

static void test_folder_is_none(void **state)
{
    open_root("outside/secret");
    expect_error("file", ENOTDIR);
    expect_error("", ENOTDIR);
    assert_int_equal(remove(at("outside/secret")), 0);
    make_folder("outside/secret");
    make_file("outside/secret/file", "now");
    expect_text_at("file", "now", NOW_NS + 2 * S);
}

/* How it is opened while no descriptor is left. */
static int open_without_descriptors(const char *path, int64_t now_ns)
{
    struct rlimit usual, none;
    int fd;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    fd = root_open(&root, path, now_ns);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    return fd;
}

/* That is no reason to call the folder missing, or to let go of it. */
static void test_no_descriptors(void **state)
{
    assert_int_equal(open_without_descriptors("file", NOW_NS), -EMFILE);
    expect_text("file", "file");
    assert_int_equal(open_without_descriptors("dir/file", NOW_NS), -EMFILE);
    assert_int_equal(open_without_descriptors("dir/file", NOW_NS + 2 * S), -EMFILE);
    assert_true(root.fd >= 0);
    expect_text_at("dir/file", "file in dir", NOW_NS + 2 * S);
}

static void test_folder_is_replaced(void **state)
{
    expect_text("file", "file");
    assert_int_equal(rename(at("root"), at("old")), 0);
    make_folder("root");
    make_file("root/new", "new");
    expect_text_at("new", "new", NOW_NS + 2 * S);
    expect_error_at("file", ENOENT, NOW_NS + 2 * S);
    assert_int_equal(rename(at("root"), at("older")), 0);
    expect_error_at("new", ENOENT, NOW_NS + 4 * S);
    assert_int_equal(rename(at("old"), at("root")), 0);
    expect_text_at("file", "file", NOW_NS + 6 * S);
}

/* A removed one is missed at once. */
static void test_folder_is_removed(void **state)
{
    static const char *const paths[] = {"file", "dir/file", "link", "", "."};

    for (size_t i = 0; i < LENGTH(paths); i++) {
        make_folder("short_lived");
        open_root("short_lived");
        expect_folder("", "short_lived");
        assert_int_equal(remove(at("short_lived")), 0);
        expect_error(paths[i], ENOENT);
    }
}

static void test_folder_is_made_anew(void **state)
{
    static const char *const paths[] = {"file", "dir/file", "link", "", "."};

    for (size_t i = 0; i < LENGTH(paths); i++) {
        make_folder("short_lived");
        open_root("short_lived");
        expect_folder("", "short_lived");
        assert_int_equal(remove(at("short_lived")), 0);
        make_folder("short_lived");
        make_folder("short_lived/dir");
        make_file("short_lived/file", "again");
        make_file("short_lived/dir/file", "again");
        make_link("short_lived/link", "file");
        if (i < 3)
            expect_text(paths[i], "again");
        else
            expect_folder(paths[i], "short_lived");
        assert_int_equal(nftw(at("short_lived"), forget, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* Releases are often switched by a link; what is absolute goes by the folder's real path. */
static void test_folder_is_a_link(void **state)
{
    make_link("current", "root");
    make_link("root/a_file", at("root/file"));
    make_link("root/link", "dir/file");
    open_root("current");
    expect_text("file", "file");
    expect_text("link", "file in dir");
    expect_text("a_file", "file");
    make_folder("next");
    make_file("next/file", "next");
    make_link("next/link", "file");
    make_link("next/a_file", at("next/file"));
    make_link("next/a_old", at("root/file"));
    make_link("switch", "next");
    assert_int_equal(rename(at("switch"), at("current")), 0);
    expect_text_at("file", "next", NOW_NS + 2 * S);
    expect_text_at("link", "next", NOW_NS + 2 * S);
    expect_text_at("a_file", "next", NOW_NS + 2 * S);
    expect_error_at("a_old", EXDEV, NOW_NS + 2 * S);
}

static void test_other_spellings_of_the_folder(void **state)
{
    static const char *const names[] = {"root/", "root//", "./root", "outside/../root"};

    make_link("root/a_file", at("root/file"));
    for (size_t i = 0; i < LENGTH(names); i++) {
        open_root(names[i]);
        expect_text("file", "file");
        expect_text("a_file", "file");
        expect_error("nothing", ENOENT);
    }
    root_close(&root);
    root_init(&root, "/"); /* all there is */
    root.walks = forced;
    expect_text(at("root/a_file") + 1, "file");
    expect_text(at("root/file") + 1, "file");
    expect_error(at("root/nothing") + 1, ENOENT);
}

/* --- openat2(2) ------------------------------------------------------------------------------- */

static void test_kernel_without(void **state)
{
    static const int errors[] = {ENOSYS, EPERM};

    make_link("root/link", "dir/file");
    make_link("root/out", "../outside/secret");
    for (size_t i = 0; i < LENGTH(errors); i++) {
        open_root("root");
        root.walks = false;
        openat2_calls = 0;
        pretended_errno = errors[i];
        pretended_times = INT_MAX;
        expect_text("link", "file in dir");
        assert_true(root.walks);
        expect_error("out", EXDEV);
        expect_error("nothing", ENOENT);
        assert_int_equal(openat2_calls, 1); /* it is not asked again */
    }
}

static void test_kernel_that_is_disturbed(void **state)
{
    root.walks = false;
    expect_text("dir/file", "file in dir");
    if (root.walks)
        skip(); /* it has none */
    pretended_errno = EAGAIN;
    pretended_times = 1;
    expect_text("dir/file", "file in dir");
    assert_false(root.walks);
    pretended_times = INT_MAX;
    expect_text("dir/file", "file in dir");
    assert_false(root.walks);
    pretended_errno = EMFILE;
    expect_error("dir/file", EMFILE);
    assert_false(root.walks);
}

/* --- somebody moves things meanwhile ---------------------------------------------------------- */

#define OPENS 3000

static char turn[PATH_MAX], other[PATH_MAX];
static atomic_bool enough;

static void *swap(void *arg)
{
    while (!atomic_load(&enough))
        renameat2(AT_FDCWD, turn, AT_FDCWD, other, RENAME_EXCHANGE);
    return NULL;
}

/* A folder and a link out of the root change places: what is outside is never seen. */
static void test_swapped_meanwhile(void **state)
{
    int found = 0, outside = 0;
    pthread_t thread;

    make_folder("root/turn");
    make_file("root/turn/secret", "inside");
    make_link("root/other", "../outside");
    snprintf(turn, sizeof(turn), "%s", at("root/turn"));
    snprintf(other, sizeof(other), "%s", at("root/other"));
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    for (int i = 0; i < OPENS; i++) {
        char got[16] = "";
        int fd = root_open(&root, "turn/secret", NOW_NS);

        if (fd < 0)
            continue;
        found += read(fd, got, sizeof(got) - 1) > 0;
        outside += strcmp(got, "inside") != 0;
        close(fd);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    assert_int_equal(outside, 0);
    assert_in_range(found, 1, OPENS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_permissions),       IN_FOLDER(test_folder_appears),
        IN_FOLDER(test_folder_is_none),    IN_FOLDER(test_folder_is_replaced),
        IN_FOLDER(test_folder_is_removed), IN_FOLDER(test_folder_is_made_anew),
        IN_FOLDER(test_folder_is_a_link),  IN_FOLDER(test_other_spellings_of_the_folder),
        IN_FOLDER(test_kernel_without),    IN_FOLDER(test_kernel_that_is_disturbed),
        IN_FOLDER(test_swapped_meanwhile), IN_FOLDER(test_no_descriptors),
    };
    int failed = cmocka_run_group_tests_name("openat2", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("walk", tests, to_walk, NULL);
}
