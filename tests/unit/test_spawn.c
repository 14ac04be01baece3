/* How processes start and what they are given. */
#include "tests/unit/child_run.h"

struct bad_start {
    const char *path;
    size_t argument_bytes;
    int error;
};

static int on_bad_start(struct bd_worker *w, void *arg)
{
    const struct bad_start *b = arg;
    char *argument = malloc(b->argument_bytes + 1);
    char *argv[] = {(char *)"x", argument, NULL}, *envp[] = {NULL};
    struct bd_child_spec spec = {.path = b->path, .argv = argv, .envp = envp};
    struct bd_child *c = NULL;

    assert(argument);
    memset(argument, 'x', b->argument_bytes);
    argument[b->argument_bytes] = '\0';
    assert(bd_child_start(&c, w, &spec, &ops, NULL) == b->error);
    assert(!c);
    free(argument);
    worker_close_mail(w);
    return 0;
}

static void check_bad_start(const char *path, size_t argument_bytes, int error)
{
    struct bad_start b = {path, argument_bytes, error};

    work(on_bad_start, &b);
    no_children_left();
}

static void test_bad_start(void **state)
{
    char script[] = "/tmp/test_child.XXXXXX";
    int fd;

    if (getenv("VALGRIND"))
        skip(); /* there a vfork is a fork, and the error is lost */
    check_bad_start("/no/such", 0, UV_ENOENT);
    check_bad_start("/bin", 0, UV_EACCES);
    check_bad_start("/bin/true", 200000, UV_E2BIG);

    fd = mkstemp(script);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "echo hi\n", 8), 8);
    assert_return_code(fchmod(fd, 0755), errno);
    close(fd);
    check_bad_start(script, 0, -ENOEXEC);
    unlink(script);
}

/* One more descriptor each time, until it starts: every step on the way has failed once. */
static int on_start_with_few_files(struct bd_worker *w, void *arg)
{
    struct run *r = arg;
    int lowest = dup(0), more = 0;

    close(lowest);
    do
        limit_files((rlim_t)(lowest + more++));
    while (begin(r, w) == UV_EMFILE);
    assert(more > 5); /* the epoll set and two pipes */
    limit_files(1000);
    worker_close_mail(w);
    return 0;
}

static void test_too_few_descriptors(void **state)
{
    struct run r = {.script = "echo hi", .started = finish};

    if (getenv("VALGRIND"))
        skip(); /* it does not survive a clone(2) that fails */
    work(on_start_with_few_files, &r);
    assert_string_equal(r.out.bytes, "hi\n");
    check_and_clear(&r);
    no_children_left();
}

static void test_standard_streams_only(void **state)
{
    struct run r = {.script = "ls /proc/self/fd; cat /proc/self/fdinfo/[012]", .started = finish};

    go(&r);
    assert_memory_equal(r.out.bytes, "0\n1\n2\n3\npos", 11); /* 3 is the directory */
    assert_false(has(&r.out, "4000\n"));                     /* O_NONBLOCK */
    check_and_clear(&r);
}

static void test_stdin_can_be_opened(void **state)
{
    struct run r = {
        .script = "cat /dev/stdin >/dev/stdout", .started = feed, .input = "in", .input_len = 2};

    go(&r);
    assert_string_equal(r.out.bytes, "in");
    check_and_clear(&r);
}

static void test_own_group(void **state)
{
    struct run r = {.script = "read pid x y z group rest </proc/self/stat; echo $((pid - group))",
                    .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "0\n");
    check_and_clear(&r);
}

/* Both were changed after spawn_init(). */
static void test_mask_and_limit_are_given_back(void **state)
{
    struct run r = {.script = "ulimit -n; grep -E 'Sig(Blk|Ign)' /proc/self/status",
                    .started = finish};

    if (getenv("VALGRIND"))
        skip(); /* it keeps limits of its own */
    go(&r);
    assert_int_equal(strtol(r.out.bytes, NULL, 10), INHERITED_FILES);
    assert_true(has(&r.out, "SigBlk:\t0000000000000000\n"));
    check_and_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_start),
        cmocka_unit_test(test_too_few_descriptors),
        cmocka_unit_test(test_standard_streams_only),
        cmocka_unit_test(test_stdin_can_be_opened),
        cmocka_unit_test(test_own_group),
        cmocka_unit_test(test_mask_and_limit_are_given_back),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
