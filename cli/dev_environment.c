/*
 * dev_environment.c - see dev_environment.h
 */
#include "dev_environment.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dockerfile.h"
#include "match.h"

extern char **environ;

#define SECRETS ".secrets"

static void inherit(struct bd_arena *a, struct pairs *to)
{
    static const char *const names[] = {"PATH", "HOME", "USER", "LANG", "LC_*", "TZ"};

    for (char **row = environ; *row; row++) {
        const char *equals = strchr(*row, '=');
        const char *name =
            equals ? bd_arena_copy(a, (struct bd_slice){*row, (size_t)(equals - *row)}) : "";

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (match_filter(names[i], name))
                pairs_set(a, to, name, equals + 1);
    }
}

/* A TCP port on this machine that nobody has at the moment; 0: there is none. */
static int free_port(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;

    if (fd < 0) { /* a machine without IPv6 */
        struct sockaddr_in v4 = {.sin_family = AF_INET};

        len = sizeof(v4);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && bind(fd, (struct sockaddr *)&v4, len) == 0 &&
            getsockname(fd, (struct sockaddr *)&v4, &len) == 0)
            port = ntohs(v4.sin_port);
    } else if (bind(fd, (struct sockaddr *)&address, len) == 0 &&
               getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        port = ntohs(address.sin6_port);
    }
    if (fd >= 0)
        close(fd);
    return port;
}

/*
 * Where the function listens. Only a template that knows about `dev` has an entry program that
 * surely reads upstream_url; what the stack file says is meant as it is.
 */
static void move_upstream(struct bd_arena *a, const struct template *t, const struct pairs *own,
                          const char *folder, struct dev_environment *e)
{
    static const char *const names[] = {"upstream_url", "http_upstream_url"};

    e->is_movable = strcmp(e->mode, "http") != 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !e->is_movable; i++) {
        const char *url = pairs_get(&e->rows, names[i]);

        if (!url || pairs_get(own, names[i]) || !t || !t->has_dev)
            continue;
        e->is_movable = true;
        pairs_set(a, &e->rows, names[i],
                  strncmp(url, "http+unix:", 10) == 0
                      ? bd_arena_printf(a, "http+unix://%s/function.sock", folder)
                      : bd_arena_printf(a, "http://127.0.0.1:%d", free_port()));
    }
}

int dev_environment(struct bd_arena *a, const struct function *f, const struct template *t,
                    struct bd_slice dockerfile, const char *folder, struct dev_environment *ret,
                    struct bd_error *err)
{
    struct dev_environment e = {0};
    struct pairs own = {0};
    struct dockerfile d;
    char cwd[PATH_MAX];
    const char *mode;

    inherit(a, &e.rows);
    dockerfile_read(a, dockerfile, &d);
    pairs_set_all(a, &e.rows, &d.environment);
    if (t && t->fprocess)
        pairs_set(a, &e.rows, "fprocess", t->fprocess);
    if (t)
        pairs_set_all(a, &e.rows, &t->dev.environment);
    if (function_environment(a, f, &own, err))
        return -1;
    if (f->fprocess)
        pairs_set(a, &own, "fprocess", f->fprocess);
    pairs_set_all(a, &e.rows, &own);
    mode = pairs_get(&e.rows, "mode");
    e.mode = mode && *mode ? mode : "classic";
    move_upstream(a, t, &own, folder, &e);
    if (getcwd(cwd, sizeof(cwd)))
        pairs_set(a, &e.rows, "secret_mount_path", bd_arena_printf(a, "%s/" SECRETS, cwd));
    pairs_set(a, &e.rows, "port", "8080"); /* as in the container; the socket is passed */
    pairs_set(a, &e.rows, "metrics_port", "0");
    pairs_set(a, &e.rows, "TMPDIR", folder);
    /* Long enough to read the requests that are on their way when it is told to end. */
    pairs_set(a, &e.rows, "healthcheck_interval", "200ms");
    *ret = e;
    return 0;
}

char **dev_environment_rows(struct bd_arena *a, const struct pairs *rows)
{
    char **all = bd_arena_alloc(a, (rows->count + 1) * sizeof(*all));

    for (size_t i = 0; i < rows->count; i++)
        all[i] = bd_arena_printf(a, "%s=%s", rows->row[i].name, rows->row[i].value);
    all[rows->count] = NULL;
    return all;
}
