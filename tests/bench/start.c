/*
 * start.c - how long a server takes from exec to listening
 *
 *     start RUNS PROGRAM [ARGUMENT...]
 *
 * Starts PROGRAM with port=N in its environment, N being free, and tries to connect to it without
 * a pause; prints the microseconds from just before the start to the first connection, one line for
 * each run. It keeps one processor busy meanwhile: with a single one the numbers mean little.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PORT 21000
#define PORTS 9000
#define PATIENCE_NS (10 * INT64_C(1000000000))

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/*
 * Below the ports that the kernel gives to clients: one of those, when nobody listens there, may be
 * given to our own end of the connection, which then is connected to itself.
 */
static struct sockaddr_in free_address(void)
{
    static uint16_t port = FIRST_PORT;
    struct sockaddr_in address = {.sin_family = AF_INET};

    for (; port < FIRST_PORT + PORTS; port++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

        address.sin_port = htons(port);
        err = bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (err == 0)
            break;
    }
    address.sin_port = htons(port++);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static pid_t start(char **argv)
{
    extern char **environ;
    pid_t pid;
    int err;

    /* vfork and exec, in musl and in glibc */
    err = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
    if (err) {
        errno = err;
        fail(argv[0]);
    }
    return pid;
}

static int try_connect(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ? errno : 0;

    close(fd);
    return err;
}

static double measure(char **argv)
{
    struct sockaddr_in to = free_address();
    int64_t start_ns, end_ns;
    char port[16];
    pid_t pid;
    int err;

    snprintf(port, sizeof(port), "%d", ntohs(to.sin_port));
    setenv("port", port, 1);
    start_ns = now_ns();
    pid = start(argv);
    do {
        err = try_connect(&to);
        end_ns = now_ns();
        if (err && (err != ECONNREFUSED || end_ns - start_ns > PATIENCE_NS)) {
            kill(pid, SIGKILL);
            errno = err;
            fail("cannot connect");
        }
    } while (err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return (double)(end_ns - start_ns) / 1e3;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: start RUNS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    for (int i = atoi(argv[1]); i > 0; i--)
        printf("%.1f\n", measure(argv + 2));
    return 0;
}
