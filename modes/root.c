/*
 * root.c - see root.h
 */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_AGAIN_NS INT64_C(1000000000)
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define LINKS_MAX 40  /* as many as Linux follows */
#define RENAMES_MAX 3 /* openat2(2) gives up when something in the way was renamed meanwhile */

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* Of openat2(2), as <linux/openat2.h> has them. */
struct how {
    uint64_t flags, mode, resolve;
};
#define HOW_NO_MAGICLINKS 0x02
#define HOW_BENEATH 0x08

void root_init(struct root *r, const char *path)
{
    *r = (struct root){.path = path, .fd = -1};
}

void root_close(struct root *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

/* The walk */

struct walk {
    const struct root *root;
    int at;              /* where it has come to: root->fd, or a descriptor of its own */
    char done[PATH_MAX]; /* the way there, without links */
    char rest[PATH_MAX];
    int links;
};

static void go_to(struct walk *w, int fd)
{
    if (w->at != w->root->fd)
        close(w->at);
    w->at = fd;
}

/* From the root again: to `done`, then `target`, then the rest. */
static int go_anew(struct walk *w, const char *target)
{
    char way[PATH_MAX];
    int len = snprintf(way, sizeof(way), "%s/%s%s", w->done, target, w->rest);

    if (len < 0 || (size_t)len >= sizeof(way))
        return -ENAMETOOLONG;
    memcpy(w->rest, way, (size_t)len + 1);
    w->done[0] = '\0';
    go_to(w, w->root->fd);
    return 0;
}

static int go_up(struct walk *w)
{
    char *slash = strrchr(w->done, '/');

    if (!slash)
        return -EXDEV;
    *slash = '\0';
    return go_anew(w, "");
}

/* An absolute link counts when it names something in the folder, whose real path it must use. */
static int go_absolute(struct walk *w, const char *target)
{
    char real[PATH_MAX];
    size_t len;

    if (!realpath(w->root->path, real))
        return -errno;
    len = strcmp(real, "/") == 0 ? 0 : strlen(real);
    if (strncmp(target, real, len) != 0 || (target[len] != '/' && target[len] != '\0'))
        return -EXDEV;
    w->done[0] = '\0';
    return go_anew(w, target + len);
}

/* `name` could not be opened as what it should be: perhaps it is a link. */
static int follow(struct walk *w, const char *name, int err)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(w->at, name, target, sizeof(target));

    if (len < 0)
        return -err;
    if ((size_t)len == sizeof(target))
        return -ENAMETOOLONG;
    target[len] = '\0';
    if (++w->links > LINKS_MAX)
        return -ELOOP;
    return target[0] == '/' ? go_absolute(w, target) : go_anew(w, target);
}

/* Takes the next component off `rest`. False when there is none. */
static bool next_name(struct walk *w, char name[NAME_MAX + 1], int *ret_error)
{
    const char *begin = w->rest + strspn(w->rest, "/");
    size_t len = strcspn(begin, "/");

    *ret_error = 0;
    if (len == 0)
        return false;
    if (len > NAME_MAX) {
        *ret_error = -ENAMETOOLONG;
        return false;
    }
    memcpy(name, begin, len);
    name[len] = '\0';
    memmove(w->rest, begin + len, strlen(begin + len) + 1);
    return true;
}

static int enter(struct walk *w, const char *name)
{
    int fd = openat(w->at, name, FOLDER_FLAGS | O_NOFOLLOW);
    size_t len = strlen(w->done);

    if (fd < 0)
        return errno == ELOOP || errno == ENOTDIR ? follow(w, name, errno) : -errno;
    if (len + 1 + strlen(name) >= sizeof(w->done)) {
        close(fd);
        return -ENAMETOOLONG;
    }
    w->done[len] = '/';
    memcpy(w->done + len + 1, name, strlen(name) + 1);
    go_to(w, fd);
    return 0;
}

/* The last component: a descriptor, or 0 when it was a link and the walk goes on. */
static int open_last(struct walk *w, const char *name)
{
    int flags = READ_FLAGS | O_NOFOLLOW | (w->rest[0] ? O_DIRECTORY : 0);
    int fd = openat(w->at, name, flags);

    if (fd >= 0)
        return fd;
    return errno == ELOOP || errno == ENOTDIR ? follow(w, name, errno) : -errno;
}

static int walk_on(struct walk *w)
{
    char name[NAME_MAX + 1];
    int result = 0;

    while (result == 0) {
        if (!next_name(w, name, &result)) {
            if (result == 0)
                result = openat(w->at, ".", READ_FLAGS | O_DIRECTORY);
            return result == -1 ? -errno : result;
        }
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0)
            result = go_up(w);
        else if (w->rest[strspn(w->rest, "/")] == '\0')
            result = open_last(w, name);
        else
            result = enter(w, name);
    }
    return result;
}

static int walk(const struct root *r, const char *path)
{
    struct walk w = {.root = r, .at = r->fd};
    size_t len = strlen(path);
    int result;

    if (len >= sizeof(w.rest))
        return -ENAMETOOLONG;
    memcpy(w.rest, path, len + 1);
    result = walk_on(&w);
    go_to(&w, r->fd);
    return result;
}

/* Opening */

static bool is_unusable(int err)
{
    return err == ENOSYS || err == EPERM || err == EINVAL || err == E2BIG;
}

static int open_beneath(struct root *r, const char *path)
{
    const struct how how = {.flags = READ_FLAGS, .resolve = HOW_BENEATH | HOW_NO_MAGICLINKS};
    int fd = -1;

    if (*path == '\0')
        path = ".";
    for (int i = 0; i < RENAMES_MAX && !r->walks; i++) {
        fd = (int)syscall(SYS_openat2, r->fd, path, &how, sizeof(how));
        if (fd >= 0)
            return fd;
        if (is_unusable(errno))
            r->walks = true;
        else if (errno == EXDEV)
            break; /* the walk knows which absolute links lead into the folder */
        else if (errno != EAGAIN)
            return -errno;
    }
    return walk(r, path);
}

/* 0, or a negative errno when there is no folder. */
static int look(struct root *r, int64_t now_ns)
{
    int fd = open(r->path, FOLDER_FLAGS), err = errno;

    if (fd >= 0 || err == ENOENT || err == ENOTDIR) {
        root_close(r);
        r->fd = fd;
        r->opened_ns = now_ns;
    }
    return r->fd < 0 ? -err : 0; /* what we have is better than nothing */
}

static bool is_removed(const struct root *r)
{
    struct stat st;

    return fstat(r->fd, &st) == 0 && st.st_nlink == 0;
}

int root_open(struct root *r, const char *path, int64_t now_ns)
{
    int err = 0, fd;

    if (r->fd < 0 || now_ns - r->opened_ns > LOOK_AGAIN_NS)
        err = look(r, now_ns);
    if (err)
        return err;
    fd = open_beneath(r, path);
    /* A folder that was removed can still be opened itself. */
    if ((fd != -ENOENT && *path && strcmp(path, ".") != 0) || !is_removed(r))
        return fd;
    if (fd >= 0)
        close(fd);
    err = look(r, now_ns);
    return err ? err : open_beneath(r, path);
}
