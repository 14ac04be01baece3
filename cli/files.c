/*
 * files.c - see files.h
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_DEEP 64
#define REMOVE_DEEP 256     /* each takes a descriptor */
#define ENTRIES_MAX 1000000 /* two links to a folder above make 2^64 */

const char *path_join(struct bd_arena *a, const char *folder, const char *name)
{
    if (*folder == '\0' || strcmp(folder, ".") == 0)
        return name;
    if (*name == '\0')
        return folder;
    return bd_arena_printf(a, "%s/%s", folder, name);
}

/* Takes the last step off what has been written; says whether there was one that can be taken. */
static bool step_back(char *start, char **at)
{
    char *p = *at;

    if (p == start ||
        (p - start >= 2 && p[-1] == '.' && p[-2] == '.' && (p - start == 2 || p[-3] == '/')))
        return false;
    while (p > start && p[-1] != '/')
        p--;
    *at = p > start ? p - 1 : p;
    return true;
}

const char *path_clean(struct bd_arena *a, const char *path)
{
    bool absolute = *path == '/';
    char *clean = bd_arena_alloc(a, strlen(path) + 3), *start, *at;

    *clean = '/';
    start = at = clean + absolute;
    while (*path) {
        size_t len = strcspn(path, "/");

        if (len == 2 && path[0] == '.' && path[1] == '.' && (step_back(start, &at) || absolute)) {
            /* gone */
        } else if (len > 0 && !(len == 1 && *path == '.')) {
            if (at > start)
                *at++ = '/';
            memcpy(at, path, len);
            at += len;
        }
        path += len + (path[len] == '/');
    }
    if (at == start && !absolute)
        *at++ = '.';
    *at = '\0';
    return clean;
}

bool path_is_below(const char *path)
{
    return *path != '/' && strcmp(path, ".") != 0 && strcmp(path, "..") != 0 &&
           strncmp(path, "../", 3) != 0;
}

bool path_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

bool path_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_read(struct bd_arena *a, const char *path, size_t max, struct bd_slice *ret,
              struct bd_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    struct stat st;
    char *text;
    size_t len = 0;

    if (fd < 0)
        return bd_fail(err, "open %s: %s", path, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return bd_fail(err, "%s is not a file", path);
    }
    if ((uint64_t)st.st_size > max) {
        close(fd);
        return bd_fail(err, "%s is larger than %zu bytes", path, max);
    }
    text = bd_arena_alloc(a, (size_t)st.st_size + 1);
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close(fd);
            return bd_fail(err, "read %s: %s", path, strerror(errno));
        }
        if (n == 0)
            break; /* it has just been cut */
        len += (size_t)n;
    }
    close(fd);
    text[len] = '\0';
    *ret = (struct bd_slice){text, len};
    return 0;
}

static int write_all(int fd, struct bd_slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text.p += n;
        text.len -= (size_t)n;
    }
    return 0;
}

/* `name` is the one for the user. Removes it where it cannot be written as a whole. */
static int write_new(const char *path, const char *name, struct bd_slice text, mode_t mode,
                     struct bd_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), failed;

    if (fd < 0)
        return bd_fail(err, "create %s: %s", name, strerror(errno));
    failed = write_all(fd, text) ? errno : 0;
    if (close(fd) && !failed)
        failed = errno;
    if (!failed)
        return 0;
    unlink(path);
    return bd_fail(err, "write %s: %s", name, strerror(failed));
}

int file_create(const char *path, struct bd_slice text, mode_t mode, struct bd_error *err)
{
    return write_new(path, path, text, mode, err);
}

const char *path_beside(struct bd_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;

    return bd_arena_printf(a, "%.*s.bandog.%d~", folder, path, (int)getpid());
}

static int write_beside(const char *path, const char *name, const char *beside,
                        struct bd_slice text, mode_t mode, struct bd_error *err)
{
    struct stat st;

    unlink(beside);
    if (write_new(beside, name, text, mode, err))
        return -1;
    if ((stat(path, &st) == 0 && chmod(beside, st.st_mode & 07777)) || rename(beside, path)) {
        bd_fail(err, "write %s: %s", name, strerror(errno));
        unlink(beside);
        return -1;
    }
    return 0;
}

int file_write(const char *path, struct bd_slice text, mode_t mode, struct bd_error *err)
{
    char *real = realpath(path, NULL); /* what a link points to is replaced, not the link */
    struct bd_arena a;
    int failed;

    bd_arena_init(&a);
    failed = write_beside(real ? real : path, path, path_beside(&a, real ? real : path), text, mode,
                          err);
    bd_arena_release(&a);
    free(real);
    return failed;
}

int folder_make(const char *path, mode_t mode, struct bd_error *err)
{
    char step[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof(step))
        return bd_fail(err, "%s: the path is too long", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(step, path, i);
        step[i] = '\0';
        if (mkdir(step, mode) && errno != EEXIST)
            return bd_fail(err, "create %s: %s", step, strerror(errno));
    }
    return path_is_folder(path) ? 0 : bd_fail(err, "%s is not a folder", path);
}

/* Empties a folder; `fd` is taken over. */
static int empty(int fd, int depth)
{
    DIR *dir = fd < 0 || depth > REMOVE_DEEP ? NULL : fdopendir(fd);
    struct dirent *d;
    int failed = 0, why;

    if (depth > REMOVE_DEEP)
        errno = ELOOP;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while (!failed && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), d->d_name, 0) == 0 || errno == ENOENT)
            continue;
        failed =
            (errno != EISDIR && errno != EPERM) ||
            empty(openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                  depth + 1) ||
            (unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR) && errno != ENOENT);
    }
    why = errno;
    closedir(dir);
    errno = why;
    return failed ? -1 : 0;
}

int folder_remove(const char *path, struct bd_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP) && unlink(path) == 0)
        return 0; /* a file or a link */
    if (empty(fd, 0) || (rmdir(path) && errno != ENOENT))
        return bd_fail(err, "remove %s: %s", path, strerror(errno));
    return 0;
}

/* --- walking ------------------------------------------------------------------------------------
 */

struct walk {
    int (*found)(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *err);
    void *self;
    struct bd_error *err;
    size_t root; /* bytes of the root and its slash in `path` */
    size_t entries;
    char path[PATH_MAX];
};

static int no_dots(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_folder(struct walk *w, int depth);

static int walk_entry(struct walk *w, const char *name, int depth)
{
    size_t len = strlen(w->path);
    struct stat st;
    int result;

    if ((size_t)snprintf(w->path + len, sizeof(w->path) - len, "/%s", name) >=
        sizeof(w->path) - len)
        return bd_fail(w->err, "%s: the path is too long", w->path);
    if (++w->entries > ENTRIES_MAX)
        return bd_fail(w->err, "%s: more than %d files", w->path, ENTRIES_MAX);
    if (stat(w->path, &st)) {
        if (errno != ENOENT || (path_exists(w->path) && strncmp(name, ".#", 2) != 0))
            return bd_fail(w->err, "%s: %s", w->path, strerror(errno));
        w->path[len] = '\0'; /* it has just gone, or it is Emacs' sign that it edits a file */
        return 0;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return bd_fail(w->err, "%s is neither a file nor a folder", w->path);
    result = w->found(w->self, w->path + w->root, S_ISDIR(st.st_mode), st.st_mode & 07777, w->err);
    if (result == WALK_PRUNE)
        result = 0;
    else if (!result && S_ISDIR(st.st_mode))
        result = walk_folder(w, depth + 1);
    w->path[len] = '\0';
    return result;
}

static int walk_folder(struct walk *w, int depth)
{
    struct dirent **entries;
    int n, result = 0;

    if (depth > FOLDERS_DEEP) /* a symbolic link to a folder above */
        return bd_fail(w->err, "%s: folders are nested too deeply", w->path);
    n = scandir(w->path, &entries, no_dots, by_bytes);
    if (n < 0)
        return bd_fail(w->err, "%s: %s", w->path, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (!result)
            result = walk_entry(w, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return result;
}

int folder_walk(const char *root,
                int (*found)(void *self, const char *path, bool is_folder, mode_t mode,
                             struct bd_error *err),
                void *self, struct bd_error *err)
{
    struct walk w = {.found = found, .self = self, .err = err, .root = strlen(root) + 1};

    if (w.root >= sizeof(w.path))
        return bd_fail(err, "%s: the path is too long", root);
    memcpy(w.path, root, w.root);
    return walk_folder(&w, 0);
}
