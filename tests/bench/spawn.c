/*
 * spawn.c - the peer of bench-fork: a bare loop of pipe, spawn and wait
 *
 *     spawn posix_spawn|clone SECONDS PROGRAM
 *
 * As many threads as there are processors start PROGRAM over and over, each one process at a time:
 * two pipes, a process group of its own, BODY in, what comes out is checked, wait4(2). No event
 * loop, no HTTP: what a watchdog does beyond this is its own cost.
 *
 * musl's posix_spawn(3) lets one thread at a time start a process and opens a third pipe to hear of
 * failures; with `clone` the same is done with no system call but those needed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BODY "Hello, world" /* 12 bytes, as load.c sends */
#define THREADS_MAX 256

#define STACK_BYTES 16384

struct birth {
    const int *in, *out;
};

static char *program;
static pid_t (*start)(const int in[2], const int out[2]);
static int64_t end_ns;

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

static pid_t start_posix(const int in[2], const int out[2])
{
    char *argv[] = {program, NULL}, *envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 0);
    if (posix_spawn(&pid, program, &actions, &attr, argv, envp) != 0)
        fail("posix_spawn");
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* In the new process, on the memory of the old one. */
static int run_program(void *arg)
{
    char *argv[] = {program, NULL}, *envp[] = {NULL};
    const struct birth *b = arg;

    setpgid(0, 0);
    dup2(b->in[0], 0);
    dup2(b->out[1], 1);
    execve(program, argv, envp);
    _exit(127);
}

static pid_t start_clone(const int in[2], const int out[2])
{
    char stack[STACK_BYTES] __attribute__((aligned(16)));
    struct birth birth = {in, out};
    pid_t pid = clone(run_program, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);

    if (pid < 0)
        fail("clone");
    return pid;
}

static void call(void)
{
    int in[2], out[2], status;
    char answer[64];
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        fail("pipe2");
    pid = start(in, out);
    close(in[0]);
    close(out[1]);
    if (write(in[1], BODY, strlen(BODY)) != (ssize_t)strlen(BODY))
        fail("write");
    close(in[1]);
    while ((n = read(out[0], answer + len, sizeof(answer) - len)) > 0)
        len += (size_t)n;
    close(out[0]);
    if (len != strlen(BODY) || memcmp(answer, BODY, len) != 0)
        fail("the answer is not the body");
    if (wait4(pid, &status, 0, NULL) != pid || status != 0)
        fail("wait4");
}

static void *run(void *arg)
{
    uint64_t *calls = arg;

    while (now_ns() < end_ns) {
        call();
        (*calls)++;
    }
    return NULL;
}

static double cpu_us(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    static struct {
        _Alignas(128) uint64_t calls;
        pthread_t id;
    } thread[THREADS_MAX];
    uint64_t calls = 0;
    cpu_set_t cpus;
    int64_t start_ns;
    double seconds;
    int threads;

    if (argc == 4 && strcmp(argv[1], "posix_spawn") == 0) {
        start = start_posix;
    } else if (argc == 4 && strcmp(argv[1], "clone") == 0) {
        start = start_clone;
    } else {
        fprintf(stderr, "usage: spawn posix_spawn|clone SECONDS PROGRAM\n");
        return 2;
    }
    program = argv[3];
    signal(SIGPIPE, SIG_IGN);
    sched_getaffinity(0, sizeof(cpus), &cpus);
    threads = CPU_COUNT(&cpus) < THREADS_MAX ? CPU_COUNT(&cpus) : THREADS_MAX;
    start_ns = now_ns();
    end_ns = start_ns + (int64_t)(atof(argv[2]) * 1e9);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i].id, NULL, run, &thread[i].calls) != 0)
            fail("pthread_create");
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i].id, NULL);
        calls += thread[i].calls;
    }
    seconds = (double)(now_ns() - start_ns) / 1e9;
    printf("threads=%d calls=%llu seconds=%.3f rate=%.1f self_us=%.2f children_us=%.2f\n", threads,
           (unsigned long long)calls, seconds, (double)calls / seconds,
           cpu_us(RUSAGE_SELF) / (double)calls, cpu_us(RUSAGE_CHILDREN) / (double)calls);
    return 0;
}
