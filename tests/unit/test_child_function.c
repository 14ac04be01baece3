/* What a long-lived function needs of a child: its lines, the end of its group, a decent end. */
#include "tests/unit/child_run.h"

/* Lines */

static void test_stdout_lines(void **state)
{
    struct run r = {
        .script = "echo a; echo; printf 'b\\nc'", .out_as = BD_STDOUT_LINES, .started = finish};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.outputs, 0);
    assert_string_equal(logged.bytes, "stdout: a|stdout: |stdout: b|stdout: c|");
    check_and_clear(&r);
    no_children_left();
}

static void test_both_as_lines(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; echo c; echo d >&2",
                    .out_as = BD_STDOUT_LINES,
                    .err = BD_STDERR_LINES,
                    .started = finish};

    go(&r);
    assert_true(has(&logged, "stdout: a|") && has(&logged, "stdout: c|"));
    assert_true(has(&logged, "b|") && has(&logged, "d|"));
    assert_int_equal(logged.len, strlen("stdout: a|stdout: c|b|d|"));
    check_and_clear(&r);
}

static void test_both_in_one_pipe(void **state)
{
    struct run r = {.script = "echo a; echo b >&2; echo c",
                    .out_as = BD_STDOUT_LINES,
                    .err = BD_STDERR_MERGE,
                    .started = finish};

    go(&r);
    assert_string_equal(logged.bytes, "stdout: a|stdout: b|stdout: c|");
    check_and_clear(&r);
}

/* Lines are cut at line_bytes, 100 here. */
static void test_long_lines(void **state)
{
    struct run r = {.script = "printf '%0250d\\n' 0", .out_as = BD_STDOUT_LINES, .started = finish};

    go(&r);
    assert_int_equal(logged.len, 250 + 3 * strlen("stdout: |"));
    check_and_clear(&r);
}

static void test_much_as_lines(void **state)
{
    struct run r = {.script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done",
                    .out_as = BD_STDOUT_LINES,
                    .started = finish};
    const char *at;

    go(&r);
    at = logged.bytes;
    for (int i = 0; i < 20000; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "stdout: %d|", i);

        assert_true(strncmp(at, line, (size_t)len) == 0);
        at += len;
    }
    assert_string_equal(at, "");
    check_and_clear(&r);
}

/* Whoever is left of the group */

static void test_group_is_ended(void **state)
{
    struct run r = {.script = "trap '' TERM; sleep 60 <&- >&- 2>&- & echo $!; exit 7",
                    .ends_group = true,
                    .started = finish};

    go(&r);
    assert_int_equal(r.exit.status, 7);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    no_children_left();
}

/* It holds the output: nobody waits for that then. */
static void test_group_with_output_is_ended(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; exit 7", .ends_group = true, .started = finish};

    go(&r);
    assert_int_equal(r.exit.status, 7);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    no_children_left();
}

static void test_group_is_left_alone(void **state)
{
    struct run r = {.script = "sleep 60 <&- >&- 2>&- & echo $!", .started = finish};

    go(&r);
    assert_int_equal(kill(orphan(&r), 0), 0);
    kill_orphan(&r);
    check_and_clear(&r);
    no_children_left();
}

/* It must end, and the owner stays */

static enum bd_flow end_at_output(struct run *r, size_t len)
{
    if (r->outputs == 1) {
        bd_child_end(r->child);
        bd_child_end(r->child); /* once more is fine */
    }
    return BD_GO;
}

static void test_end(void **state)
{
    struct run r = {.script = "trap 'echo bye; exit 5' TERM; echo ready; read line",
                    .output = end_at_output};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_string_equal(r.out.bytes, "ready\nbye\n");
    assert_int_equal(r.exit.status, 5);
    check_and_clear(&r);
    no_children_left();
}

static void test_end_of_who_does_not_listen(void **state)
{
    struct run r = {.script = "trap '' TERM; echo ready; read line",
                    .output = end_at_output,
                    .kill_grace_ns = 30 * MS};
    int64_t began_ns = bd_now_ns();

    go(&r);
    assert_true(bd_now_ns() - began_ns >= 30 * MS);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.signal, SIGKILL);
    check_and_clear(&r);
    reap_orphans();
}

/* Whatever the owner keeps: it would wait for itself. */
static enum bd_flow end_and_keep(struct run *r, size_t len)
{
    bd_child_end(r->child);
    return BD_WAIT;
}

static void test_end_while_output_is_kept(void **state)
{
    struct run r = {
        .script = "echo ready; read line", .output = end_and_keep, .kill_grace_ns = 30 * MS};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.outputs, 1);
    assert_int_equal(r.exit.signal, SIGTERM);
    check_and_clear(&r);
    no_children_left();
}

static void end_at_once(struct run *r)
{
    bd_child_end(r->child);
}

static void test_end_at_once(void **state)
{
    struct run r = {.script = "read line", .started = end_at_once};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.signal, SIGTERM);
    check_and_clear(&r);
    no_children_left();
}

/* The owner may still leave afterwards. */
static void end_and_leave(struct run *r)
{
    bd_child_end(r->child);
    leave(r);
}

static void test_end_and_leave(void **state)
{
    struct run r = {.script = "read line", .started = end_and_leave};

    go(&r);
    assert_int_equal(r.ends, 0);
    check_and_clear(&r);
    no_children_left();
}

/* A process that has exited, while somebody holds its output. */
static void end_if_exited(struct run *r)
{
    if (r->child->state == CHILD_GRACE)
        bd_child_end(r->child);
    else
        later(r, 1 * MS, end_if_exited);
}

static enum bd_flow wait_for_exit(struct run *r, size_t len)
{
    later(r, 1 * MS, end_if_exited);
    return BD_GO;
}

static void test_end_of_what_has_exited(void **state)
{
    struct run r = {
        .script = "sleep 60 & echo $!; exit 7", .started = finish, .output = wait_for_exit};

    go(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.exit.status, 7);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGTERM);
    check_and_clear(&r);
    no_children_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stdout_lines),
        cmocka_unit_test(test_both_as_lines),
        cmocka_unit_test(test_both_in_one_pipe),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_much_as_lines),
        cmocka_unit_test(test_group_is_ended),
        cmocka_unit_test(test_group_with_output_is_ended),
        cmocka_unit_test(test_group_is_left_alone),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_end_of_who_does_not_listen),
        cmocka_unit_test(test_end_while_output_is_kept),
        cmocka_unit_test(test_end_at_once),
        cmocka_unit_test(test_end_and_leave),
        cmocka_unit_test(test_end_of_what_has_exited),
        ON_OLD_KERNELS(test_group_is_ended),
        ON_OLD_KERNELS(test_group_with_output_is_ended),
        ON_OLD_KERNELS(test_end),
        ON_OLD_KERNELS(test_end_while_output_is_kept),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
