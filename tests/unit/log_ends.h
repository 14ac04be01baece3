/*
 * log_ends.h - for the tests of the log: streams that end in pipes, sockets and files of the test
 *
 * 1 and 2 stay cmocka's.
 */
#ifndef TESTS_UNIT_LOG_ENDS_H
#define TESTS_UNIT_LOG_ENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "../../watchdog/base/log.c"
#include "../../watchdog/base/log_buffer.c"
#include "../../watchdog/base/log_stamp.c"
#include "../../watchdog/base/log_stream.c"

#define MIB (1 << 20)

enum end { READ_END, WRITE_END };

/* Both streams as they are before bd_log_open(), on these descriptors. */
static void point_streams_at(int out, int err)
{
    const char *names[] = {"stdout", "stderr"};
    const int fds[] = {out, err};

    for (size_t i = 0; i < STREAMS; i++) {
        streams[i].fd = fds[i];
        streams[i].way = LOG_WAY_WRITE;
        streams[i].name = names[i];
        atomic_store(&streams[i].lost, 0);
    }
    joined = false;
}

static void close_again(int fd)
{
    if (streams[1].fd != fd && streams[1].way == LOG_WAY_WRITE)
        close(streams[1].fd);
}

/* stderr goes to a pipe or socket pair, stdout nowhere. */
static void open_pipe(int fd[2])
{
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    point_streams_at(-1, fd[WRITE_END]);
    bd_log_open();
}

static void open_sockets(int fd[2], int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
    point_streams_at(-1, fd[WRITE_END]);
    bd_log_open();
}

static void close_both(int fd[2])
{
    close_again(fd[WRITE_END]);
    close(fd[READ_END]);
    close(fd[WRITE_END]);
}

/* What can be read without waiting, NUL-terminated; to be freed. */
static char *take(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t len = 0, room = 4 * MIB;
    char *text = malloc(room + 1);

    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(fd, text + len, room - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

/* Reads what there is, which is one line with a stamp in front of `rest`. */
static void assert_stamped(const char *line, const char *rest)
{
    const char *form = "dddd/dd/dd dd:dd:dd ";

    assert_true(strlen(line) > LOG_STAMP_BYTES);
    for (size_t i = 0; i < LOG_STAMP_BYTES; i++)
        if (form[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], form[i]);
    assert_string_equal(line + LOG_STAMP_BYTES, rest);
}

static int block_sigpipe(void **state)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#endif
