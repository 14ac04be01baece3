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

#define GRACE_MS 250

extern char **environ;

/* What comes through a pipe. */
struct collected {
    int fd; /* -1: closed */
    char *text;
    size_t len;
};

/* What goes through the pipes. */
struct exchange {
    int in;                /* -1: closed */
    struct bd_slice input; /* still to be written */
    struct collected out, err;
};

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

static void drain(struct collected *c)
{
    char rest[4096];
    bool full = c->len == PROCESS_OUTPUT_MAX;
    ssize_t n = full ? read(c->fd, rest, sizeof(rest))
                     : read(c->fd, c->text + c->len, PROCESS_OUTPUT_MAX - c->len);

    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0)
        finish(&c->fd);
    else if (!full)
        c->len += (size_t)n;
}

/* Asks whether it has ended; with `wait`, until it has. */
static bool has_ended(pid_t pid, bool wait, int *ret_status)
{
    int status, got;

    do {
        got = waitpid(pid, &status, wait ? 0 : WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    *ret_status = got < 0               ? 127
                  : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                        : WEXITSTATUS(status);
    return true;
}

/* Until its output has ended; when it has left somebody behind who holds that, a moment longer than
 * itself. */
static int talk(struct exchange *x, pid_t pid)
{
    bool ended = false;
    int status = 0;

    while (x->in >= 0 || x->out.fd >= 0 || x->err.fd >= 0) {
        struct pollfd fds[3] = {{.fd = x->in, .events = POLLOUT},
                                {.fd = x->out.fd, .events = POLLIN},
                                {.fd = x->err.fd, .events = POLLIN}};
        int n = poll(fds, 3, GRACE_MS);

        if (n == 0 && ended)
            break;
        ended = ended || has_ended(pid, false, &status);
        if (n <= 0)
            continue;
        if (x->in >= 0 && fds[0].revents)
            feed(x);
        if (x->out.fd >= 0 && fds[1].revents)
            drain(&x->out);
        if (x->err.fd >= 0 && fds[2].revents)
            drain(&x->err);
    }
    for (int *fd = (int[]){x->in, x->out.fd, x->err.fd, -2}; *fd != -2; fd++)
        if (*fd >= 0)
            close(*fd);
    if (!ended)
        has_ended(pid, true, &status);
    return status;
}

static int spawn(const struct process *p, const int *fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t pipe_only;
    int err;

    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < (p->pass_errors ? 2 : 3); i++)
        posix_spawn_file_actions_adddup2(&actions, fd[i], i);
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

/* Three pipes: ours[0] is for writing, the others are for reading. */
static int open_pipes(int *ours, int *theirs)
{
    for (int i = 0; i < 3; i++) {
        int fd[2];

        if (pipe2(fd, O_CLOEXEC)) {
            int err = errno;

            while (i-- > 0) {
                close(ours[i]);
                close(theirs[i]);
            }
            return err;
        }
        ours[i] = fd[i == 0];
        theirs[i] = fd[i != 0];
    }
    return 0;
}

static void collect(struct collected *c, int fd)
{
    *c = (struct collected){.fd = fd, .text = malloc(PROCESS_OUTPUT_MAX)};
    if (!c->text)
        abort();
}

static struct bd_slice text_of(struct bd_arena *a, struct collected *c)
{
    struct bd_slice text;

    while (c->len > 0 && strchr(" \t\r\n", c->text[c->len - 1]))
        c->len--;
    text = (struct bd_slice){bd_arena_copy(a, (struct bd_slice){c->text, c->len}), c->len};
    free(c->text);
    return text;
}

int process_run(struct bd_arena *a, const struct process *p, struct process_output *ret_output,
                struct bd_error *err)
{
    struct exchange x = {.input = p->input};
    struct process_output output;
    int ours[3], theirs[3], status, failed = open_pipes(ours, theirs);
    pid_t pid;

    if (failed)
        return bd_fail(err, "pipe: %s", strerror(failed));
    failed = spawn(p, theirs, &pid);
    for (int i = 0; i < 3; i++) {
        close(theirs[i]);
        if (failed)
            close(ours[i]);
    }
    if (failed)
        return bd_fail(err, "cannot run %s: %s", p->argv[0], strerror(failed));
    x.in = ours[0];
    collect(&x.out, ours[1]);
    collect(&x.err, ours[2]);
    fcntl(x.in, F_SETFL, O_NONBLOCK);
    if (p->input.len == 0)
        finish(&x.in);
    status = talk(&x, pid);
    output.out = text_of(a, &x.out);
    output.err = text_of(a, &x.err);
    if (ret_output)
        *ret_output = output;
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
