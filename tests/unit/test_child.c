/* What goes in, what comes out, and how a child ends by itself. */
#include "tests/unit/child_run.h"

/* Output */

static void test_echo(void **state)
{
    struct run r = {.script = "cat", .started = feed, .input = "hello", .input_len = 5};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_string_equal(r.out.bytes, "hello");
    assert_int_equal(r.exit.status, 0);
    assert_int_equal(r.exit.signal, 0);
    assert_true(r.exit.usage.max_rss_bytes > 4096);
    check_and_clear(&r);
    no_children_left();
}

static void test_no_output(void **state)
{
    struct run r = {.script = "exit 3", .started = finish};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.outputs, 0);
    assert_int_equal(r.exit.status, 3);
    check_and_clear(&r);
    no_children_left();
}

static void test_signal(void **state)
{
    struct run r = {.script = "kill -KILL $$", .started = finish};

    go(&r);
    assert_int_equal(r.exit.status, -1);
    assert_int_equal(r.exit.signal, SIGKILL);
    check_and_clear(&r);
}

static void test_usage(void **state)
{
    struct run r = {.script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
                    .started = finish};

    go(&r);
    assert_true(r.exit.usage.user_us + r.exit.usage.system_us > 0);
    check_and_clear(&r);
}

static void test_environment(void **state)
{
    struct run r = {.script = "echo $COLOUR $PATH", .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "blue /usr/bin:/bin\n");
    check_and_clear(&r);
}

static void test_stderr_merged(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; echo c", .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\nb\nc\n");
    check_and_clear(&r);
}

static void test_stderr_lines(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; printf 'c\\nd' >&2",
                    .err = BD_STDERR_LINES,
                    .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\n");
    assert_string_equal(logged.bytes, "b|c|d|");
    check_and_clear(&r);
}

static void test_stderr_given(void **state)
{
    struct run r = {
        .script = "echo a; echo b >&2; exit 1", .err = BD_STDERR_GIVE, .started = finish};

    go(&r);
    assert_string_equal(r.out.bytes, "a\n");
    assert_string_equal(r.errs.bytes, "b\n");
    assert_int_equal(r.exit.status, 1);
    check_and_clear(&r);
}

static void test_stderr_outlives_stdout(void **state)
{
    struct run r = {.script = "exec >&-; read x; echo $x >&2",
                    .err = BD_STDERR_GIVE,
                    .started = feed,
                    .input = "late\n",
                    .input_len = 5};

    go(&r);
    assert_string_equal(r.errs.bytes, "late\n");
    check_and_clear(&r);
}

static void resume(struct run *r)
{
    bd_child_resume(r->child);
}

static enum bd_flow wait_for_timer(struct run *r, size_t len)
{
    later(r, 0, resume);
    return BD_WAIT;
}

static enum bd_flow resume_within(struct run *r, size_t len)
{
    bd_child_resume(r->child);
    return BD_WAIT;
}

static void check_big_echo(enum bd_flow (*output)(struct run *r, size_t len))
{
    enum { BYTES = 1000001 };
    char *big = malloc(BYTES);
    struct run r = {.script = "cat",
                    .started = feed,
                    .drained = feed,
                    .output = output,
                    .input = big,
                    .input_len = BYTES};

    assert_non_null(big);
    for (size_t i = 0; i < BYTES; i++)
        big[i] = (char)(i * 7 + i / 251);
    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.out.len, BYTES);
    assert_memory_equal(r.out.bytes, big, BYTES);
    assert_true(r.outputs >= BYTES / BD_BLOCK_BYTES);
    assert_true(r.drains > 0);
    check_and_clear(&r);
    free(big);
}

static void test_big_echo(void **state)
{
    check_big_echo(NULL);
}

static void test_big_echo_waiting(void **state)
{
    check_big_echo(wait_for_timer);
}

static void test_resume_within_output(void **state)
{
    check_big_echo(resume_within);
}

/* The process is long gone when the owner takes its output. */
static void resume_when_exited(struct run *r)
{
    if (process_has_exited(r->child->pid))
        resume(r);
    else
        later(r, MS, resume_when_exited);
}

static enum bd_flow wait_for_exit(struct run *r, size_t len)
{
    if (r->outputs > 1)
        return BD_GO;
    later(r, 0, resume_when_exited);
    return BD_WAIT;
}

static void test_no_end_while_waiting(void **state)
{
    struct run r = {.script = "echo start; head -c 50000 /dev/zero; exit 4",
                    .started = finish,
                    .output = wait_for_exit};

    go(&r);
    assert_int_equal(r.out.len, 50006);
    assert_int_equal(r.exit.status, 4);
    check_and_clear(&r);
}

/* Input */

static void test_input_not_read(void **state)
{
    static char big[300000];
    struct run r = {.script = "exit 2",
                    .started = feed,
                    .drained = feed,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.status, 2);
    check_and_clear(&r);
}

static char two_lines[300000] = "x\n";

static void lend_two_lines(struct run *r)
{
    assert(bd_child_write(r->child, two_lines, sizeof(two_lines)) == BD_WAIT);
}

/* The lent bytes come back although the process lives on; what is written then is dropped. */
static void write_again(struct run *r)
{
    assert(bd_child_write(r->child, two_lines, sizeof(two_lines)) == BD_GO);
    assert(bd_child_write(r->child, "", 0) == BD_GO);
    finish(r);
    leave(r);
}

static void test_stdin_closed_early(void **state)
{
    struct run r = {.script = "read line; exec 0<&-; exec sleep 60",
                    .started = lend_two_lines,
                    .drained = write_again};

    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(r.ends, 0);
    check_and_clear(&r);
    no_children_left();
}

static void test_finish_while_lent(void **state)
{
    static char big[300000];
    struct run r = {
        .script = "wc -c", .started = lend_and_finish, .input = big, .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(strtol(r.out.bytes, NULL, 10), sizeof(big));
    check_and_clear(&r);
}

/* An orphan has stdin open, so that no EPIPE can come. */
static void test_lent_bytes_come_back_at_exit(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 3<&0; sleep 60 <&3 3<&- & echo $!",
                    .started = lend_and_finish,
                    .output_grace_ns = 20 * MS,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.drains, 1);
    assert_int_equal(r.ends, 1);
    kill_orphan(&r);
    check_and_clear(&r);
}

/* Ends */

static void test_lingers_without_output(void **state)
{
    struct run r = {
        .script = "exec >&- 2>&-; read x; exit 5", .started = feed, .input = "x\n", .input_len = 2};

    go(&r);
    assert_int_equal(r.exit.status, 5);
    check_and_clear(&r);
}

static void test_orphan_holds_output(void **state)
{
    struct run r = {
        .script = "sleep 60 & echo $!; exit 6", .started = finish, .output_grace_ns = 30 * MS};
    int64_t began_ns = bd_now_ns();

    go(&r);
    assert_true(bd_now_ns() - began_ns >= 30 * MS);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.status, 6);
    kill_orphan(&r); /* it was let live */
    check_and_clear(&r);
    no_children_left();
}

static void test_orphan_holds_stderr(void **state)
{
    struct run r = {.script = "sleep 60 >&- & echo $!; printf end >&2; exit 6",
                    .err = BD_STDERR_LINES,
                    .started = finish,
                    .output_grace_ns = 30 * MS};

    go(&r);
    assert_int_equal(r.exit.status, 6);
    assert_string_equal(logged.bytes, "end|");
    kill_orphan(&r);
    check_and_clear(&r);
}

static void test_orphan_ends_in_time(void **state)
{
    struct run r = {.script = "(read x; echo $x) <&0 & exit 0",
                    .started = finish,
                    .output_grace_ns = 30000 * MS};

    go(&r);
    assert_string_equal(r.out.bytes, "\n");
    assert_int_equal(r.ends, 1);
    check_and_clear(&r);
    reap_orphans();
}

static void resume_after_grace(struct run *r)
{
    if (r->child->out.left != UINT64_MAX)
        resume(r);
    else
        later(r, MS, resume_after_grace);
}

static enum bd_flow wait_for_grace(struct run *r, size_t len)
{
    if (r->outputs > 1)
        return BD_GO;
    later(r, 0, resume_after_grace);
    return BD_WAIT;
}

/* What the process wrote is given even if the owner was slow and an orphan holds the pipe. */
static void test_rest_is_given_after_grace(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; head -c 50000 /dev/zero; exit 0",
                    .started = finish,
                    .output = wait_for_grace,
                    .output_grace_ns = 5 * MS};

    go(&r);
    assert_true(r.out.len > 50000);
    assert_int_equal(r.ends, 1);
    kill_orphan(&r);
    check_and_clear(&r);
}

static void test_orphan_floods_output(void **state)
{
    struct run r = {.script = "yes & echo $! >&2; exit 0",
                    .err = BD_STDERR_GIVE,
                    .started = finish,
                    .output_grace_ns = 10 * MS};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_true(WIFSIGNALED(orphan_status(&r))); /* SIGPIPE */
    check_and_clear(&r);
}

/* Many */

static void test_many_at_once(void **state)
{
    enum { MANY = 100 };
    struct run *list = calloc(MANY + 1, sizeof(*list));

    assert_non_null(list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = (struct run){.script = i % 2 ? "cat; cat >&2; exit 1" : "cat",
                               .started = feed,
                               .input = "abc",
                               .input_len = 3};
    work(on_start, list);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(list[i].exit.status, i % 2);
        assert_string_equal(list[i].out.bytes, "abc");
        check_and_clear(&list[i]);
    }
    free(list);
    no_children_left();
}

/* Each is started by the end of the one before, in the same memory. */
static void next(struct run *r)
{
    assert(r->worker->spare_child_count <= 1);
    if (r[1].script)
        begin(&r[1], r->worker);
}

static int start_first(struct bd_worker *w, void *arg)
{
    begin(arg, w);
    worker_close_mail(w);
    return 0;
}

static void test_one_after_the_other(void **state)
{
    enum { MANY = 50 };
    struct run *list = calloc(MANY + 1, sizeof(*list));

    assert_non_null(list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = (struct run){
            .script = "cat", .started = feed, .ended = next, .input = "abc", .input_len = 3};
    work(start_first, list);
    for (size_t i = 0; i < MANY; i++) {
        assert_string_equal(list[i].out.bytes, "abc");
        check_and_clear(&list[i]);
    }
    free(list);
    no_children_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_no_output),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_stderr_merged),
        cmocka_unit_test(test_stderr_lines),
        cmocka_unit_test(test_stderr_given),
        cmocka_unit_test(test_stderr_outlives_stdout),
        cmocka_unit_test(test_big_echo),
        cmocka_unit_test(test_big_echo_waiting),
        cmocka_unit_test(test_resume_within_output),
        cmocka_unit_test(test_no_end_while_waiting),
        cmocka_unit_test(test_input_not_read),
        cmocka_unit_test(test_stdin_closed_early),
        cmocka_unit_test(test_finish_while_lent),
        cmocka_unit_test(test_lent_bytes_come_back_at_exit),
        cmocka_unit_test(test_lingers_without_output),
        cmocka_unit_test(test_orphan_holds_output),
        cmocka_unit_test(test_orphan_holds_stderr),
        cmocka_unit_test(test_orphan_ends_in_time),
        cmocka_unit_test(test_rest_is_given_after_grace),
        cmocka_unit_test(test_orphan_floods_output),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_one_after_the_other),
        ON_OLD_KERNELS(test_echo),
        ON_OLD_KERNELS(test_lingers_without_output),
        ON_OLD_KERNELS(test_orphan_holds_output),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
