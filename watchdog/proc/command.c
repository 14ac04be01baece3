/*
 * command.c - the program of bandog/child.h's struct bd_command: what to run, and where it is
 *
 * Looked up as Go's os/exec does, and failing in its words: what is a readable error in the answer
 * of an original watchdog must stay the same one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bandog/child.h"
#include "quote.h"
#include "words.h"

/* 0, or why execve(2) would refuse it. */
static int check_executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static bool refuse(struct bd_error *err, const char *name, const char *why)
{
    char quoted[sizeof(err->text)];

    bd_fail(err, "exec: %s: %s", quote_go(quoted, sizeof(quoted) / 2, name), why);
    return false;
}

/* DIR/NAME, an empty DIR being the current one. False when it does not fit. */
static bool join(const char *dir, size_t dir_len, const char *name, char *ret_path, size_t bytes)
{
    int n;

    if (dir_len == 0)
        n = snprintf(ret_path, bytes, "./%s", name);
    else
        n = snprintf(ret_path, bytes, "%.*s%s%s", (int)dir_len, dir,
                     dir[dir_len - 1] == '/' ? "" : "/", name);
    return n > 0 && (size_t)n < bytes;
}

static bool search(const char *name, const char *search_path, char *ret_path, size_t bytes,
                   struct bd_error *err)
{
    const char *dir = search_path && *search_path ? search_path : NULL;

    while (dir) {
        size_t len = strcspn(dir, ":");

        if (join(dir, len, name, ret_path, bytes) && check_executable(ret_path) == 0)
            return *ret_path == '/' || refuse(err, name,
                                              "cannot run executable found relative to current "
                                              "directory");
        dir = dir[len] ? dir + len + 1 : NULL;
    }
    return refuse(err, name, "executable file not found in $PATH");
}

/* A name with a slash is not searched for. */
static bool take_as_is(const char *name, char *ret_path, size_t bytes, struct bd_error *err)
{
    int code = check_executable(name);

    if (code == 0 && (size_t)snprintf(ret_path, bytes, "%s", name) >= bytes)
        code = -ENAMETOOLONG;
    if (code)
        bd_child_error(err, name, code);
    return code == 0;
}

bool bd_command_find(const struct bd_command *c, const char *search_path, char *ret_path,
                     size_t path_bytes, struct bd_error *err)
{
    const char *name = c->argv[0];
    bool found;

    if (!*name) {
        bd_fail(err, "exec: no command");
        found = false;
    } else if (strchr(name, '/')) {
        found = take_as_is(name, ret_path, path_bytes, err);
    } else {
        found = search(name, search_path, ret_path, path_bytes, err);
    }
    if (!found)
        *ret_path = '\0';
    return found;
}

int bd_command_parse(struct bd_command *ret_command, const char *line, const char *search_path,
                     struct bd_error *err)
{
    struct bd_command c = {.line = line};
    char path[PATH_MAX];

    c.argv = words_split(line, err);
    if (!c.argv)
        return -1;
    if (bd_command_find(&c, search_path, path, sizeof(path), &c.error)) {
        c.path = strdup(path);
        if (!c.path)
            abort();
    }
    *ret_command = c;
    return 0;
}
