/* root.c: what is opened below a folder; nothing outside of it is, whatever links say */
#include "root_folder.h"

#include <sys/socket.h>
#include <sys/un.h>

static void make_absolute(const char *name, const char *target)
{
    make_link(name, at(target));
}

static void test_plain(void **state)
{
    expect_text("file", "file");
    expect_text("dir/file", "file in dir");
    expect_text("dir/sub/file", "file in sub");
    expect_text("./dir/./file", "file in dir");
    expect_folder("", "root");
    expect_folder(".", "root");
    expect_folder("dir", "root/dir");
    expect_folder("dir/", "root/dir");
    expect_folder("dir/sub", "root/dir/sub");
    expect_error("nothing", ENOENT);
    expect_error("dir/nothing", ENOENT);
    expect_error("nothing/file", ENOENT);
    expect_error("File", ENOENT);
    expect_error("file/x", ENOTDIR);
    expect_error("file/x/y", ENOTDIR);
    expect_error("file/", ENOTDIR);
    assert_true(forced ? openat2_calls == 0 : openat2_calls > 0);
}

/* The caller gives no such path; one that slips through must not lead out. */
static void test_paths_that_lead_out(void **state)
{
    expect_error("..", EXDEV);
    expect_error("../outside/secret", EXDEV);
    expect_error("dir/../../outside/secret", EXDEV);
    expect_error("dir/../..", EXDEV);
    assert_true(root_open(&root, at("outside/secret"), NOW_NS) < 0);
    assert_true(root_open(&root, at("root/../outside/secret"), NOW_NS) < 0);
}

static void test_links_that_stay(void **state)
{
    make_link("root/link", "file");
    make_link("root/dir/up", "../file");
    make_link("root/dir/same", "./file");
    make_link("root/dir/sub/up2", "../../passwd");
    make_link("root/to_dir", "dir");
    make_link("root/to_dir_too", "dir/");
    make_link("root/to_sub", ".//dir///sub");
    make_link("root/to_self", ".");
    make_link("root/there_and_back", "dir/../dir/sub/../../file");
    make_link("root/via", "to_dir/up");
    make_link("root/dir/home", "..");
    expect_text("link", "file");
    expect_text("dir/up", "file");
    expect_text("dir/same", "file in dir");
    expect_text("dir/sub/up2", "ours");
    expect_folder("to_dir", "root/dir");
    expect_folder("to_dir/", "root/dir");
    expect_folder("to_dir_too", "root/dir");
    expect_text("to_dir/file", "file in dir");
    expect_text("to_dir_too/sub/file", "file in sub");
    expect_text("to_dir/up", "file");
    expect_text("to_sub/file", "file in sub");
    expect_text("to_sub/up2", "ours");
    expect_folder("to_self", "root");
    expect_text("to_self/to_self/to_dir/file", "file in dir");
    expect_text("there_and_back", "file");
    expect_text("via", "file");
    expect_folder("dir/home", "root");
    expect_text("dir/home/dir/home/file", "file");
    expect_error("link/x", ENOTDIR);
    expect_error("link/", ENOTDIR);
    expect_error("to_dir/nothing", ENOENT);
}

static void test_links_that_lead_out(void **state)
{
    static const struct {
        const char *name, *target;
    } rows[] = {
        {"root/out", "../outside/secret"},
        {"root/out_folder", "../outside"},
        {"root/parent", ".."},
        {"root/sibling", "../rootless/secret"},
        {"root/out_and_in", "../root/file"},
        {"root/nowhere", "../nothing"},
        {"root/far", "../../../../../../../../../../etc/passwd"},
        {"root/hidden", "dir/sub/../../../outside/secret"},
        {"root/dir/out", "../../outside/secret"},
        {"root/dir/parent", "../.."},
        {"root/etc", "/etc/passwd"},
        {"root/etc_folder", "/etc"},
        {"root/slash", "/"},
        {"root/proc", "/proc/self/cwd"},
        {"root/chain", "dir/chain"},
        {"root/dir/chain", "../out"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        make_link(rows[i].name, rows[i].target);
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_error(rows[i].name + 5, EXDEV);
    expect_error("out_folder/secret", EXDEV);
    expect_error("parent/outside/secret", EXDEV);
    expect_error("parent/root/file", EXDEV);
    expect_error("dir/parent/outside/secret", EXDEV);
    expect_error("etc_folder/passwd", EXDEV);
    expect_error("slash/etc/passwd", EXDEV);
    expect_error("proc/", EXDEV);
}

static void test_absolute_links_that_stay(void **state)
{
    make_absolute("root/a_file", "root/file");
    make_absolute("root/a_dir", "root/dir");
    make_absolute("root/a_root", "root");
    make_absolute("root/a_root_too", "root/");
    make_absolute("root/dir/a_file", "root/file");
    make_absolute("root/dir/sub/a_sub", "root/dir/sub");
    make_absolute("root/a_dots", "root/./dir//sub/../file");
    make_absolute("root/a_nothing", "root/nothing");
    make_absolute("root/a_loop", "root/a_loop");
    make_link("root/to_a_file", "a_file");
    make_absolute("root/a_to_a", "root/a_dir/a_file");
    make_link("root/dir/up", "../file");
    expect_text("a_file", "file");
    expect_folder("a_dir", "root/dir");
    expect_folder("a_root", "root");
    expect_folder("a_root_too", "root");
    expect_text("a_dir/file", "file in dir");
    expect_text("a_dir/up", "file");
    expect_text("a_dir/sub/a_sub/a_sub/file", "file in sub");
    expect_text("a_root/dir/file", "file in dir");
    expect_text("a_root/a_root_too/a_root/file", "file");
    expect_text("dir/a_file", "file");
    expect_text("a_dots", "file in dir");
    expect_text("to_a_file", "file");
    expect_text("a_to_a", "file");
    expect_error("a_file/x", ENOTDIR);
    expect_error("a_nothing", ENOENT);
    expect_error("a_loop", ELOOP);
    expect_error("a_loop/x", ELOOP);
}

static void test_absolute_links_that_lead_out(void **state)
{
    make_absolute("root/a_out", "outside/secret");
    make_absolute("root/a_prefix", "rootless/secret");
    make_absolute("root/a_up", "root/../outside/secret");
    make_absolute("root/a_up_late", "root/dir/../../outside/secret");
    make_absolute("root/a_base", "");
    make_absolute("root/dir/a_out", "outside");
    make_link("root/out", "../outside");
    make_absolute("root/a_to_out", "root/out");
    expect_error("a_out", EXDEV);
    expect_error("a_prefix", EXDEV);
    expect_error("a_up", EXDEV);
    expect_error("a_up_late", EXDEV);
    expect_error("a_base", EXDEV);
    expect_error("a_base/root/file", EXDEV);
    expect_error("dir/a_out", EXDEV);
    expect_error("dir/a_out/secret", EXDEV);
    expect_error("a_to_out", EXDEV);
    expect_error("a_to_out/secret", EXDEV);
}

static void test_links_to_nothing(void **state)
{
    make_link("root/dangling", "nothing");
    make_link("root/dangling_deep", "dir/nothing/file");
    make_link("root/through_file", "file/x");
    make_link("root/file_slash", "file/");
    make_link("root/loop", "loop");
    make_link("root/ping", "dir/pong");
    make_link("root/dir/pong", "../ping");
    make_link("root/deeper", "deeper/x");
    expect_error("dangling", ENOENT);
    expect_error("dangling/x", ENOENT);
    expect_error("dangling_deep", ENOENT);
    expect_error("through_file", ENOTDIR);
    expect_error("file_slash", ENOTDIR);
    expect_error("loop", ELOOP);
    expect_error("loop/x", ELOOP);
    expect_error("ping", ELOOP);
    expect_error("dir/pong/x", ELOOP);
    expect_error("deeper", ELOOP);
}

/* As many links as Linux follows, and one more. */
static void test_chains(void **state)
{
    char name[32], target[32];

    make_link("root/c1", "file");
    for (int i = 2; i <= 41; i++) {
        snprintf(name, sizeof(name), "root/c%d", i);
        snprintf(target, sizeof(target), "c%d", i - 1);
        make_link(name, target);
    }
    expect_text("c1", "file");
    expect_text("c20", "file");
    expect_text("c40", "file");
    expect_error("c41", ELOOP);
}

static void test_other_kinds(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    struct stat st;

    assert_int_equal(mkfifo(at("root/fifo"), 0644), 0);
    make_link("root/to_fifo", "fifo");
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/root/socket", base);
    assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
    for (int i = 0; i < 2; i++) {
        fd = root_open(&root, i ? "to_fifo" : "fifo", NOW_NS); /* nobody writes: it must not wait */
        assert_true(fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
        close(fd);
    }
    expect_error("socket", ENXIO);
    expect_error("fifo/x", ENOTDIR);
    close(s);
}

static void test_long_names(void **state)
{
    char name[5001], path[PATH_MAX], *end = path;
    int fd = open(at("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);

    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    expect_error(name, ENAMETOOLONG);
    snprintf(path, sizeof(path), "%.256s/x", name);
    expect_error(path, ENAMETOOLONG);
    name[255] = '\0';
    expect_error(name, ENOENT);
    for (int i = 0; i < 15; i++) { /* a way of nearly 4 KiB */
        int next;

        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
        memcpy(end, name, 255);
        end[255] = '/';
        end += 256;
    }
    assert_int_equal(linkat(AT_FDCWD, at("root/file"), fd, "far", 0), 0);
    assert_int_equal(symlinkat("far", fd, "near"), 0);
    close(fd);
    memcpy(end, "far", 4);
    expect_text(path, "file");
    memcpy(end, "near", 5);
    expect_text(path, "file");
    memset(name, '/', sizeof(name));
    for (size_t i = 0; i < sizeof(name); i += 2)
        name[i] = 'd';
    name[sizeof(name) - 1] = '\0';
    expect_error(name, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_plain),
        IN_FOLDER(test_paths_that_lead_out),
        IN_FOLDER(test_links_that_stay),
        IN_FOLDER(test_links_that_lead_out),
        IN_FOLDER(test_absolute_links_that_stay),
        IN_FOLDER(test_absolute_links_that_lead_out),
        IN_FOLDER(test_links_to_nothing),
        IN_FOLDER(test_chains),
        IN_FOLDER(test_other_kinds),
        IN_FOLDER(test_long_names),
    };
    int failed = cmocka_run_group_tests_name("openat2", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("walk", tests, to_walk, NULL);
}
