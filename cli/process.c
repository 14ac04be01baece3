/*
 * process.c - see process.h
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What goes through the pipes. */
struct exchange {
    int in, out;           /* ours; -1: closed */
    struct bd_slice input; /* still to be written */
    char *output;
    size_t len;
};

static void close_pair(int *fd)
{
    close(fd[0]);
    close(fd[1]);
}

static void finish(int *fd)
{
    close(*fd);
    *fd = -1;
}

static void feed(struct exchange *x)
{
    ssize_t n = write(x->in, x->input.p, x->input.len);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        x->input.p += n;
        x->input.len -= (size_t)n;
    }
    if (n < 0 || x->input.len == 0)
        finish(&x->in); /* it need not read all of it */
}

static void drain(struct exchange *x)
{
    char rest[4096];
    bool full = x->len == PROCESS_OUTPUT_MAX;
    ssize_t n = full ? read(x->out, rest, sizeof(rest))
                     : read(x->out, x->output + x->len, PROCESS_OUTPUT_MAX - x->len);

    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0)
        finish(&x->out);
    else if (!full)
        x->len += (size_t)n;
}

static void talk(struct exchange *x)
{
    while (x->in >= 0 || x->out >= 0) {
        struct pollfd fds[2] = {{.fd = x->in, .events = POLLOUT}, {.fd = x->out, .events = POLLIN}};

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (x->in >= 0 && fds[0].revents)
            feed(x);
        if (x->out >= 0 && fds[1].revents)
            drain(x);
    }
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int spawn(const struct process *p, int in, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t pipe_only;
    int err;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!p->pass_errors)
        posix_spawn_file_actions_adddup2(&actions, out, 2);
    if (p->folder)
        posix_spawn_file_actions_addchdir_np(&actions, p->folder);
    posix_spawnattr_init(&attr);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE); /* we ignore it, and that would be inherited */
    posix_spawnattr_setsigdefault(&attr, &pipe_only);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    err =
        posix_spawnp(ret_pid, p->argv[0], &actions, &attr, (char *const *)(void *)p->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return err;
}

int process_run(struct bd_arena *a, const struct process *p, struct bd_slice *ret_output,
                struct bd_error *err)
{
    struct exchange x = {.input = p->input};
    int in[2], out[2], failed, status;
    pid_t pid;

    if (pipe2(in, O_CLOEXEC))
        return bd_fail(err, "pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC)) {
        close_pair(in);
        return bd_fail(err, "pipe: %s", strerror(errno));
    }
    failed = spawn(p, in[0], out[1], &pid);
    close(in[0]);
    close(out[1]);
    if (failed) {
        close(in[1]);
        close(out[0]);
        return bd_fail(err, "cannot run %s: %s", p->argv[0], strerror(failed));
    }
    x.in = in[1];
    x.out = out[0];
    x.output = malloc(PROCESS_OUTPUT_MAX);
    if (!x.output)
        abort();
    fcntl(x.in, F_SETFL, O_NONBLOCK);
    if (p->input.len == 0)
        finish(&x.in);
    talk(&x);
    status = wait_for(pid);
    while (x.len > 0 && strchr(" \t\r\n", x.output[x.len - 1]))
        x.len--;
    if (ret_output)
        *ret_output =
            (struct bd_slice){bd_arena_copy(a, (struct bd_slice){x.output, x.len}), x.len};
    free(x.output);
    return status;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* So that it can be run from another folder. No link is followed: some programs look at their own
 * name. */
static const char *absolute(struct bd_arena *a, const char *path)
{
    char folder[PATH_MAX];

    return *path == '/' || !getcwd(folder, sizeof(folder))
               ? path
               : bd_arena_printf(a, "%s/%s", folder, path);
}

const char *process_find(struct bd_arena *a, const char *program)
{
    const char *path = getenv("PATH");

    if (strchr(program, '/'))
        return is_program(program) ? absolute(a, program) : NULL;
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t len = strcspn(path, ":");
        const char *full =
            bd_arena_printf(a, "%.*s%s%s", (int)len, path, len ? "/" : "./", program);

        if (is_program(full))
            return absolute(a, full);
        if (path[len] == '\0')
            return NULL;
        path += len + 1;
    }
}
