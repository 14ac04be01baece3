/* Process 1: a process that reaps strangers stands in for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/proc/init.c"

/* Between the program and the test. */
static int say[2];

struct init {
    pid_t pid;     /* of the init */
    pid_t program; /* as it says itself */
};

/*
 * Becomes an init for `program`, which may run on. Orphans find no way past it, as if it were
 * process 1.
 */
static struct init start(int (*program)(void))
{
    struct init i;

    assert_int_equal(pipe(say), 0);
    i.pid = fork();
    if (i.pid == 0) {
        sigset_t all;

        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        if (init_fork() < 0)
            _exit(99);
        i.program = getpid();
        if (write(say[1], &i.program, sizeof(i.program)) < 0)
            _exit(98);
        _exit(program());
    }
    close(say[1]);
    assert_int_equal(read(say[0], &i.program, sizeof(i.program)), sizeof(i.program));
    assert_int_not_equal(i.program, i.pid);
    return i;
}

static int end(struct init i)
{
    int status;

    close(say[0]);
    assert_int_equal(waitpid(i.pid, &status, 0), i.pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int exits(void)
{
    return 7;
}

static void test_status_is_passed_on(void **state)
{
    assert_int_equal(end(start(exits)), 7);
}

static int dies(void)
{
    raise(SIGKILL);
    return 0;
}

static void test_death_is_passed_on(void **state)
{
    assert_int_equal(end(start(dies)), 128 + SIGKILL);
}

/* All signals are blocked: takes the next one. */
static int waits(void)
{
    sigset_t all;
    siginfo_t info;

    sigfillset(&all);
    sigwaitinfo(&all, &info);
    return info.si_signo;
}

static void test_signals_are_forwarded(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT,  SIGHUP,   SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct init one = start(waits);

        assert_int_equal(kill(one.pid, signals[i]), 0);
        assert_int_equal(end(one), signals[i]);
    }
}

/* Orphans a process; the program ends when that one is gone, which takes somebody to reap it. */
static int orphans(void)
{
    pid_t orphan;
    int tell[2];

    if (pipe(tell) < 0)
        return 1;
    if (fork() == 0) {
        orphan = fork();
        if (orphan == 0)
            _exit(5);
        if (write(tell[1], &orphan, sizeof(orphan)) < 0)
            _exit(1);
        _exit(0);
    }
    wait(NULL);
    if (read(tell[0], &orphan, sizeof(orphan)) != sizeof(orphan))
        return 1;
    while (kill(orphan, 0) == 0)
        sched_yield();
    return 0;
}

static void test_strangers_are_reaped(void **state)
{
    assert_int_equal(end(start(orphans)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_is_passed_on),
        cmocka_unit_test(test_death_is_passed_on),
        cmocka_unit_test(test_signals_are_forwarded),
        cmocka_unit_test(test_strangers_are_reaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
