/* Children that are not waited for. */
#include "tests/unit/child_run.h"

static enum bd_flow leave_at_output(struct run *r, size_t len)
{
    leave(r);
    return BD_WAIT;
}

static void test_term_is_enough(void **state)
{
    struct run r = {.script = "trap 'echo bye >&2; exit' TERM; echo ready; read line",
                    .err = BD_STDERR_LINES,
                    .output = leave_at_output};

    go(&r);
    assert_string_equal(logged.bytes, "bye|");
    assert_int_equal(r.ends, 0);
    check_and_clear(&r);
    reap_orphans();
}

static void test_kill_after_grace(void **state)
{
    struct run r = {.script = "trap '' TERM; echo ready; sleep 60",
                    .output = leave_at_output,
                    .kill_grace_ns = 30 * MS};
    int64_t began_ns = bd_now_ns();

    go(&r);
    assert_true(bd_now_ns() - began_ns >= 30 * MS);
    check_and_clear(&r);
    reap_orphans();
}

/* The group is killed as soon as its leader is gone and nobody holds the output. */
static void test_rest_of_group_is_killed(void **state)
{
    struct run r = {.script =
                        "trap '' TERM; sleep 60 >&- 2>&- & trap - TERM; echo $!; exec sleep 60",
                    .output = leave_at_output};

    go(&r);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    no_children_left();
}

static void test_orphan_in_group_is_killed(void **state)
{
    struct run r = {.script = "trap '' TERM; sleep 60 & trap - TERM; echo $!; exec sleep 60",
                    .output = leave_at_output,
                    .kill_grace_ns = 20 * MS};

    go(&r);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGKILL);
    check_and_clear(&r);
    reap_orphans();
}

static void leave_when_exited(struct run *r)
{
    if (r->child->exited)
        leave(r);
    else
        later(r, MS, leave_when_exited);
}

static enum bd_flow leave_after_exit(struct run *r, size_t len)
{
    later(r, 0, leave_when_exited);
    return BD_GO;
}

static void test_kill_reaches_orphans(void **state)
{
    struct run r = {.script = "sleep 60 & echo $!; exit 0", .output = leave_after_exit};

    go(&r);
    assert_int_equal(r.ends, 0);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGTERM);
    check_and_clear(&r);
    no_children_left();
}

/* Another session holds the pipes; nobody waits for that. */
static void test_kill_with_stranger_on_the_pipe(void **state)
{
    struct run r = {.script = "setsid sh -c 'echo $$; exec sleep 60' & wait",
                    .output = leave_at_output,
                    .kill_grace_ns = 20 * MS};

    go(&r);
    kill_orphan(&r);
    check_and_clear(&r);
    no_children_left();
}

static enum bd_flow leave_half_sent(struct run *r, size_t len)
{
    assert(bd_child_write(r->child, "half", 4) == BD_GO);
    leave(r);
    return BD_GO;
}

static void test_half_sent_input_never_ends(void **state)
{
    struct run r = {.script = "trap '' TERM; echo ready; cat >/dev/null; echo EOF >&2",
                    .err = BD_STDERR_LINES,
                    .output = leave_half_sent,
                    .kill_grace_ns = 50 * MS};

    go(&r);
    assert_null(logged.bytes);
    check_and_clear(&r);
    reap_orphans();
}

/* The loan is over when bd_child_kill() returns. */
static void lend_and_leave(struct run *r)
{
    char *big = malloc(300000);

    assert(big);
    memset(big, 'x', 300000);
    assert(bd_child_write(r->child, big, 300000) == BD_WAIT);
    finish(r);
    leave(r);
    free(big);
}

static void test_kill_while_lent(void **state)
{
    struct run r = {.script = "trap '' TERM; cat >/dev/null; echo EOF >&2",
                    .err = BD_STDERR_LINES,
                    .started = lend_and_leave,
                    .kill_grace_ns = 50 * MS};

    go(&r);
    assert_int_equal(r.drains, 0);
    assert_false(has(&logged, "EOF"));
    check_and_clear(&r);
    reap_orphans();
}

static void leave_now(struct run *r)
{
    if (r->child)
        leave(r);
}

static enum bd_flow keep_then_leave(struct run *r, size_t len)
{
    later(r, 0, leave_now);
    return BD_WAIT;
}

/* A process that writes on and on cannot be blocked by a pipe that nobody reads. */
static void test_killed_child_is_drained(void **state)
{
    struct run r = {.script = "trap 'head -c 500000 /dev/zero; echo done >&2; exit' TERM;"
                              "echo ready; read line",
                    .err = BD_STDERR_LINES,
                    .output = keep_then_leave};

    go(&r);
    assert_string_equal(logged.bytes, "done|");
    check_and_clear(&r);
    reap_orphans();
}

static void test_kill_flooding_child(void **state)
{
    struct run r = {
        .script = "trap '' TERM; yes", .output = leave_at_output, .kill_grace_ns = 20 * MS};

    go(&r);
    check_and_clear(&r);
    reap_orphans();
}

static void test_kill_at_start(void **state)
{
    struct run r = {.script = "sleep 60", .started = leave};

    go(&r);
    check_and_clear(&r);
    reap_orphans();
}

static void test_kill_in_errput(void **state)
{
    struct run r = {.script = "echo x >&2; exec sleep 60", .err = BD_STDERR_GIVE, .errput = leave};

    go(&r);
    assert_string_equal(r.errs.bytes, "x\n");
    check_and_clear(&r);
}

static void test_kill_in_drained_at_exit(void **state)
{
    static char big[300000];
    struct run r = {.script = "exec 3<&0; sleep 60 <&3 3<&- & echo $!",
                    .started = lend_and_finish,
                    .drained = leave,
                    .input = big,
                    .input_len = sizeof(big)};

    go(&r);
    assert_int_equal(r.ends, 0);
    assert_int_equal(WTERMSIG(orphan_status(&r)), SIGTERM);
    check_and_clear(&r);
}

static void test_kill_in_ended(void **state)
{
    struct run r = {.script = "exit 0", .started = finish, .ended = leave};

    go(&r);
    assert_int_equal(r.ends, 1);
    check_and_clear(&r);
    no_children_left();
}

static void kill_everyone(struct run *r)
{
    bd_child_kill_all(r->worker);
}

static enum bd_flow kill_everyone_at_output(struct run *r, size_t len)
{
    kill_everyone(r);
    return BD_GO;
}

static void test_kill_all(void **state)
{
    struct run list[] = {
        {.script = "exec sleep 60"},
        {.script = "trap '' TERM; exec sleep 60", .started = leave},
        {.script = "trap '' TERM; exec sleep 60"},
        {.script = "sleep 60 & echo $!; exec sleep 60", .output = kill_everyone_at_output},
        {.script = NULL},
    };

    work(on_start, list);
    assert_int_equal(list[0].exit.signal, SIGKILL);
    assert_int_equal(list[1].ends, 0);
    assert_int_equal(list[2].exit.signal, SIGKILL);
    assert_int_equal(list[3].exit.signal, SIGKILL);
    assert_int_equal(WTERMSIG(orphan_status(&list[3])), SIGKILL);
    for (size_t i = 0; i < 4; i++)
        check_and_clear(&list[i]);
    no_children_left();
}

static void kill_everyone_when_exited(struct run *r)
{
    struct bd_child *c = BD_CONTAINER(r->worker->children.next, struct bd_child, link);

    if (c->exited)
        kill_everyone(r);
    else
        later(r, MS, kill_everyone_when_exited);
}

static enum bd_flow leave_and_kill_later(struct run *r, size_t len)
{
    leave(r);
    later(r, 0, kill_everyone_when_exited);
    return BD_GO;
}

/* The process has been killed and has exited, a stranger holds the pipe. */
static void test_kill_all_ends_the_wait(void **state)
{
    struct run r = {.script = "setsid sh -c 'echo $$; exec sleep 60' & wait",
                    .output = leave_and_kill_later};

    go(&r);
    kill_orphan(&r);
    check_and_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_term_is_enough),
        cmocka_unit_test(test_kill_after_grace),
        cmocka_unit_test(test_rest_of_group_is_killed),
        cmocka_unit_test(test_orphan_in_group_is_killed),
        cmocka_unit_test(test_kill_reaches_orphans),
        cmocka_unit_test(test_kill_with_stranger_on_the_pipe),
        cmocka_unit_test(test_half_sent_input_never_ends),
        cmocka_unit_test(test_kill_while_lent),
        cmocka_unit_test(test_killed_child_is_drained),
        cmocka_unit_test(test_kill_flooding_child),
        cmocka_unit_test(test_kill_at_start),
        cmocka_unit_test(test_kill_in_errput),
        cmocka_unit_test(test_kill_in_drained_at_exit),
        cmocka_unit_test(test_kill_in_ended),
        cmocka_unit_test(test_kill_all),
        cmocka_unit_test(test_kill_all_ends_the_wait),
        ON_OLD_KERNELS(test_kill_after_grace),
        ON_OLD_KERNELS(test_kill_reaches_orphans),
        ON_OLD_KERNELS(test_kill_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
