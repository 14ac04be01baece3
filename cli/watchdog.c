/*
 * watchdog.c - see watchdog.h
 */
#include "watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blobs.h"
#include "parent.h"

extern char **environ;

bool watchdog_is_meant(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[0], WATCHDOG_ARGV0) == 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "bandog: cannot start the watchdog: %s: %s\n", what, strerror(errno));
    return 127;
}

int watchdog_become(char **argv)
{
    struct bd_slice program = blob_fwatchdog();
    int fd = memfd_create("fwatchdog", MFD_CLOEXEC);
    char path[32];

    if (fd < 0)
        return fail("memfd_create");
    while (program.len > 0) {
        ssize_t n = write(fd, program.p, program.len);

        if (n < 0 && errno != EINTR)
            return fail("write");
        program.p += n > 0 ? n : 0;
        program.len -= n > 0 ? (size_t)n : 0;
    }
    if (parent_is_gone(argv[1])) /* SIGTERM: it takes its function with it, a SIGKILL would not */
        return 1;
    snprintf(path, sizeof(path), "%d", (int)getpid());
    setenv("LISTEN_PID", path, 1); /* sd_listen_fds(3) */
    setenv("LISTEN_FDS", "1", 1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    argv[0] = "fwatchdog";
    argv[1] = NULL;
    execve(path, argv, environ);
    return fail(path);
}
