/*
 * main.c - fwatchdog: flags, settings, and off it goes
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "activation.h"
#include "bandog/hash.h"
#include "bandog/log.h"
#include "bandog/version.h"
#include "conf.h"
#include "flags.h"
#include "init.h"
#include "lifecycle.h"
#include "lock.h"
#include "spawn.h"

/* So that no pipe or socket of ours ever gets one of these numbers. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

/*
 * An ignored signal would stay so in every process of the function. The system call, because libc
 * does not touch the signals that it keeps for itself, and those may have been ignored by somebody
 * with another libc. SIG_DFL and everything that goes with it is zero, and the handler comes first.
 */
static void heed_all_signals(void)
{
    for (int i = 1; i <= 64; i++) {
        unsigned long action[8] = {0};

        if (syscall(SYS_rt_sigaction, i, NULL, action, 8) == 0 &&
            action[0] == (unsigned long)SIG_IGN) {
            memset(action, 0, sizeof(action));
            syscall(SYS_rt_sigaction, i, action, NULL, 8);
        }
    }
}

/*
 * Signals are read by the main thread when it wants to, see lifecycle.c. SIGPIPE stays blocked
 * instead of ignored: processes of the function must not inherit that.
 */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGTRAP);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* As many connections as the system allows; processes get the old limit back. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void log_version(void)
{
    bd_log("Version: %s\tSHA: %s", bd_version, bd_sha);
}

static int run_healthcheck(void)
{
    if (lock_exists())
        return 0;
    fprintf(stderr, "unable to find lock file.\n");
    return 1;
}

static int check(void)
{
    static struct conf conf; /* what it points to lives as long as the program */
    struct conf_problems found = conf_load(&conf, environ, stdout);

    if (fflush(stdout)) {
        bd_log_at(BD_LEVEL_ERROR, "Error: cannot write to stdout: %s", strerror(errno));
        return 1;
    }
    return found.warnings + found.errors > 0;
}

static int serve(void)
{
    static struct conf conf; /* what it points to lives as long as the program */
    struct bd_error err;
    int listener = activation_socket(&err);

    log_version();
    if (listener == -2)
        bd_log_at(BD_LEVEL_ERROR, "Error: %s", err.text);
    if (conf_load(&conf, environ, NULL).errors > 0 || listener == -2)
        return 1;
    raise_descriptor_limit();
    return lifecycle_run(&conf, listener > 0 ? listener : 0);
}

int main(int argc, char **argv)
{
    struct flags flags;
    int status;

    open_standard_descriptors();
    spawn_init();
    heed_all_signals();
    block_signals();
    bd_log_open();
    bd_hash_init();
    conf_log(environ);
    status = flags_parse(&flags, argc, argv);
    if (status)
        return status;
    if (flags.help) {
        flags_help(argv[0]);
        return 0;
    }
    if (flags.version) {
        log_version();
        return 0;
    }
    if (flags.run_healthcheck)
        return run_healthcheck();
    if (flags.check)
        return check();
    if (getpid() == 1)
        init_fork();
    return serve();
}
