/* held.c: output kept in memory and on disk; the exchange is a bd_send() of the test */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bandog/exchange.h"
#include "watchdog/loop/worker.h"

static enum bd_flow test_send(struct bd_exchange *x, const char *buf, size_t len);

#define bd_send test_send
#include "../../modes/held.c"

#define BYTES (HELD_MEMORY_BYTES * 5 + 12345)

static struct bd_worker worker;
static struct bd_exchange exchange = {.worker = &worker};
static struct held held;
static char *bytes; /* what is held */

/* The consumer: what it has got, and how it answers. */
static struct {
    size_t len;
    const char *lent; /* the last piece, until drained */
    size_t lent_len;
    int pieces, wait_each; /* BD_WAIT for each n-th piece; 0: never */
} got;

static enum bd_flow test_send(struct bd_exchange *x, const char *buf, size_t len)
{
    assert_ptr_equal(x, &exchange);
    assert_null(got.lent);
    assert_true(len > 0 && got.len + len <= BYTES);
    assert_memory_equal(buf, bytes + got.len, len);
    got.len += len;
    if (got.wait_each == 0 || ++got.pieces % got.wait_each != 0)
        return BD_GO;
    got.lent = buf;
    got.lent_len = len;
    return BD_WAIT;
}

static void drained(void)
{
    assert_non_null(got.lent);
    assert_memory_equal(got.lent, bytes + got.len - got.lent_len, got.lent_len);
    got.lent = NULL;
}

static void begin(int wait_each)
{
    memset(&got, 0, sizeof(got));
    got.wait_each = wait_each;
    held_init(&held, &worker);
}

static void add_pieces(size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece)
        assert_int_equal(held_add(&held, bytes + at, piece < len - at ? piece : len - at), 0);
    assert_int_equal(held.len, len);
}

static void send_all(size_t len)
{
    int rounds = 0;

    for (;;) {
        switch (held_send(&held, &exchange)) {
        case HELD_SENT:
            assert_int_equal(got.len, len);
            assert_null(got.lent);
            return;
        case HELD_WAIT:
            drained();
            break;
        case HELD_PAUSE:
            break;
        case HELD_LOST:
            fail_msg("lost at %zu of %zu", got.len, len);
        }
        assert_true(rounds++ < 10000);
    }
}

static int files_in(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

static int open_descriptors(void)
{
    return files_in("/proc/self/fd");
}

static void check(size_t len, size_t piece, int wait_each, bool on_disk)
{
    int before = open_descriptors();
    struct bd_slice first;

    begin(wait_each);
    add_pieces(len, piece);
    assert_int_equal(held.fd >= 0, on_disk);
    assert_int_equal(files_in(bd_temp_dir()), 0);
    first = held_begin(&held);
    assert_int_equal(first.len, len < BD_BLOCK_BYTES ? len : BD_BLOCK_BYTES);
    if (first.len)
        assert_memory_equal(first.p, bytes, first.len);
    send_all(len);
    held_release(&held);
    assert_int_equal(held.len, 0);
    assert_int_equal(open_descriptors(), before);
    held_release(&held); /* an empty one */
}

static void test_in_memory(void **state)
{
    check(0, 1, 0, false);
    check(1, 1, 0, false);
    check(BD_BLOCK_BYTES, 1000, 0, false);
    check(BD_BLOCK_BYTES + 1, 70000, 1, false);
    check(HELD_MEMORY_BYTES, 99999, 1, false);
    check(HELD_MEMORY_BYTES, HELD_MEMORY_BYTES, 2, false);
}

static void test_on_disk(void **state)
{
    check(HELD_MEMORY_BYTES + 1, HELD_MEMORY_BYTES, 1, true);
    check(HELD_MEMORY_BYTES + 1, BYTES, 0, true);
    check(BYTES, BYTES, 0, true);
    check(BYTES, BYTES, 1, true);
    check(BYTES, 4096, 3, true);
    check(BYTES, BD_BLOCK_BYTES, 1, true);
    check(BYTES, 65537, 0, true);
}

/* Used again after a release. */
static void test_again(void **state)
{
    begin(0);
    add_pieces(BYTES, 50000);
    send_all(BYTES);
    held_release(&held);
    memset(&got, 0, sizeof(got));
    add_pieces(100, 10);
    send_all(100);
    held_release(&held);
}

/* Given up in the middle. */
static void test_release_early(void **state)
{
    begin(1);
    add_pieces(BYTES, 50000);
    assert_int_equal(held_send(&held, &exchange), HELD_WAIT);
    held_release(&held);
}

/* One call never sends for ever, however fast the consumer is. */
static void test_pauses(void **state)
{
    begin(0);
    add_pieces(BYTES, BYTES);
    assert_int_equal(held_send(&held, &exchange), HELD_PAUSE);
    assert_int_equal(got.len, PIECES_PER_TURN * BD_BLOCK_BYTES);
    send_all(BYTES);
    held_release(&held);
}

/* Files */

static char dir[] = "/tmp/test_mode_held-XXXXXX";

static void test_private_and_unnamed(void **state)
{
    struct stat s;

    begin(0);
    add_pieces(BYTES, BYTES);
    assert_int_equal(fstat(held.fd, &s), 0);
    assert_int_equal(s.st_nlink, 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(s.st_size, BYTES - HELD_MEMORY_BYTES);
    assert_true(fcntl(held.fd, F_GETFD) & FD_CLOEXEC);
    held_release(&held);
}

static void test_dir(void **state)
{
    unsetenv("TMPDIR");
    assert_string_equal(bd_temp_dir(), "/tmp");
    setenv("TMPDIR", "", 1);
    assert_string_equal(bd_temp_dir(), "/tmp");
    setenv("TMPDIR", dir, 1);
    assert_string_equal(bd_temp_dir(), dir);
}

/* Nothing of what could not be kept was kept; what was there before is sent, and more can be tried.
 */
static void check_no_room(int expected)
{
    begin(0);
    add_pieces(1000, 100);
    assert_int_equal(held_add(&held, bytes + 1000, BYTES - 1000), expected);
    assert_int_equal(held.len, 1000);
    assert_int_equal(held_add(&held, bytes + 1000, HELD_MEMORY_BYTES - 1000), 0);
    assert_int_equal(held_add(&held, bytes + HELD_MEMORY_BYTES, BYTES - HELD_MEMORY_BYTES),
                     expected);
    assert_int_equal(held.len, HELD_MEMORY_BYTES);
    send_all(HELD_MEMORY_BYTES);
    held_release(&held);
}

static void test_no_dir(void **state)
{
    setenv("TMPDIR", "/nowhere", 1);
    check_no_room(ENOENT);
    setenv("TMPDIR", "/dev/null", 1);
    check_no_room(ENOTDIR);
    setenv("TMPDIR", dir, 1);
}

static void test_long_dir(void **state)
{
    char name[5000];

    memset(name, 'x', sizeof(name) - 1);
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    setenv("TMPDIR", name, 1);
    check_no_room(ENAMETOOLONG);
    setenv("TMPDIR", dir, 1);
}

static void limit_file_size(rlim_t bytes_max)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes_max < limit.rlim_max ? bytes_max : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A disk that is full after some bytes: part of a piece was written before it failed. */
static void test_full_disk(void **state)
{
    size_t room = HELD_MEMORY_BYTES + 100000;

    limit_file_size(100000);
    check_no_room(EFBIG);

    begin(0);
    add_pieces(room, 50000);
    assert_int_equal(held_add(&held, bytes + room, 50000), EFBIG);
    assert_int_equal(held.len, room);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(held_add(&held, bytes + room, 50000), 0);
    send_all(room + 50000);
    held_release(&held);
}

/* Somebody has cut the file. */
static void test_lost(void **state)
{
    enum held_result result;

    begin(0);
    add_pieces(BYTES, BYTES);
    assert_int_equal(ftruncate(held.fd, 70000), 0);
    while ((result = held_send(&held, &exchange)) == HELD_PAUSE)
        ;
    assert_int_equal(result, HELD_LOST);
    assert_int_equal(got.len, HELD_MEMORY_BYTES + 70000);
    held_release(&held);
}

static int set_up(void **state)
{
    signal(SIGXFSZ, SIG_IGN);
    bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    assert_non_null(mkdtemp(dir));
    return setenv("TMPDIR", dir, 1);
}

static int tear_down(void **state)
{
    while (worker.spare_blocks > 0)
        free(worker.spare_block[--worker.spare_blocks]);
    free(bytes);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory), cmocka_unit_test(test_on_disk),
        cmocka_unit_test(test_again),     cmocka_unit_test(test_release_early),
        cmocka_unit_test(test_pauses),    cmocka_unit_test(test_private_and_unnamed),
        cmocka_unit_test(test_dir),       cmocka_unit_test(test_no_dir),
        cmocka_unit_test(test_long_dir),  cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
