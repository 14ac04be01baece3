/*
 * assembly.c - see assembly.h
 */
#include "assembly.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "grow.h"
#include "ignore.h"
#include "template.h"

#define DOCKERIGNORE_BYTES_MAX (1 << 16)

static const char *made[] = {BUILD_FOLDER, TEMPLATE_FOLDER, NULL};
const struct texts assembly_made = {made, 2};

void assembly_init(struct assembly *y, struct bd_arena *a)
{
    *y = (struct assembly){.arena = a};
}

void assembly_add(struct assembly *y, struct item item)
{
    y->item = grow(y->arena, y->item, y->count, &y->room, sizeof(*y->item));
    y->item[y->count++] = item;
    y->item[y->count - 1].order = y->count;
}

/* --- planning -----------------------------------------------------------------------------------
 */

struct adding {
    struct assembly *to;
    const char *from, *as;
    const struct texts *but;
};

/* Is it one of these names, at the top? */
static bool is_left_out(const struct texts *but, const char *path)
{
    return !strchr(path, '/') && texts_have(but, path);
}

/* The engine reads these two itself, whatever they say of each other. */
static bool is_ignored(const struct assembly *y, const char *path)
{
    return y->ignore && strcmp(path, "Dockerfile") != 0 && strcmp(path, ".dockerignore") != 0 &&
           ignore_has(y->ignore, path);
}

static int on_found(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *err)
{
    const struct adding *adding = self;
    struct assembly *y = adding->to;
    struct item item = {.mode = mode, .is_folder = is_folder};

    (void)err;
    if (is_left_out(adding->but, path))
        return WALK_PRUNE;
    path = bd_arena_copy(y->arena, bd_slice_of(path));
    item.path = path_join(y->arena, adding->as, path);
    item.from = path_join(y->arena, adding->from, path);
    if (!is_ignored(y, item.path))
        assembly_add(y, item);
    else if (!y->ignore->takes_back)
        return WALK_PRUNE;
    return 0;
}

int assembly_add_folder(struct assembly *y, const char *from, const char *as,
                        const struct texts *but, struct bd_error *err)
{
    struct adding adding = {y, from, as, but};

    return folder_walk(from, on_found, &adding, err);
}

/* The path relative to the working folder, which it must be in. */
static int inside_project(struct bd_arena *a, const char *path, const char **ret,
                          struct bd_error *err)
{
    char project[PATH_MAX], real[PATH_MAX];
    const char *clean = path_clean(a, path);
    size_t len;

    if (!getcwd(project, sizeof(project)))
        return bd_fail(err, "the working folder: %s", strerror(errno));
    len = strlen(project);
    if (*clean == '/' && strncmp(clean, project, len) == 0 && (clean[len] == '/' || !clean[len]))
        clean = clean[len] ? clean + len + 1 : ".";
    if (!realpath(*clean ? clean : ".", real))
        return bd_fail(err, "%s: %s", path, strerror(errno));
    if (strcmp(real, project) == 0)
        return bd_fail(err, "forbidden path appears to equal the entire project: %s (%s)", path,
                       real);
    if (strncmp(real, project, len) != 0 || real[len] != '/' || *clean == '/' ||
        strcmp(clean, "..") == 0 || strncmp(clean, "../", 3) == 0)
        return bd_fail(err, "forbidden path appears to be outside of the build context: %s (%s)",
                       path, real);
    *ret = clean;
    return 0;
}

static void add_folders_above(struct assembly *y, const char *path)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        assembly_add(
            y, (struct item){
                   .path = bd_arena_copy(y->arena, (struct bd_slice){path, (size_t)(slash - path)}),
                   .is_folder = true});
}

static int add_extra(struct assembly *y, const char *extra, const char *as, struct bd_error *err)
{
    const struct texts none = {0};
    const char *path, *to;
    struct stat st;

    if (inside_project(y->arena, extra, &path, err))
        return -1;
    if (stat(path, &st))
        return bd_fail(err, "%s: %s", path, strerror(errno));
    to = path_join(y->arena, as, path);
    add_folders_above(y, to);
    assembly_add(y, (struct item){.path = to,
                                  .mode = st.st_mode & 07777,
                                  .is_folder = S_ISDIR(st.st_mode),
                                  .from = path});
    return S_ISDIR(st.st_mode) ? assembly_add_folder(y, path, to, &none, err) : 0;
}

static int by_path(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->path, y->path);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Sorted by path, of each path the last one. */
static void finish_plan(struct assembly *y)
{
    size_t kept = 0;

    if (y->count == 0)
        return;
    qsort(y->item, y->count, sizeof(*y->item), by_path);
    for (size_t i = 1; i < y->count; i++) {
        if (strcmp(y->item[i].path, y->item[kept].path) != 0)
            kept++;
        y->item[kept] = y->item[i];
    }
    y->count = kept + 1;
}

/* Before all others, so that a file of such a name would win. */
static void add_all_folders_above(struct assembly *y)
{
    size_t count = y->count;

    for (size_t i = 0; i < count; i++)
        add_folders_above(y, y->item[i].path);
    for (size_t i = count; i < y->count; i++)
        y->item[i].order = 0;
}

/* The .dockerignore that the engine will see, but for one that the handler has for a template. */
static int read_ignore(struct assembly *y, const struct function *f, const struct template *t,
                       struct ignore *ret, struct bd_error *err)
{
    struct bd_slice text = {"", 0};
    const char *path = path_join(y->arena, f->handler, ".dockerignore");

    if (t)
        text = t->dockerignore;
    else if (path_exists(path) && file_read(y->arena, path, DOCKERIGNORE_BYTES_MAX, &text, err))
        return -1;
    ignore_read(y->arena, text, ret);
    return 0;
}

static int add_author_files(struct assembly *y, const struct function *f, const char *as,
                            const struct texts *extra, struct bd_error *err)
{
    if (assembly_add_folder(y, f->handler, as, &assembly_made, err))
        return -1;
    for (size_t i = 0; i < extra->count; i++)
        if (add_extra(y, extra->text[i], as, err))
            return -1;
    return 0;
}

int assembly_plan(struct assembly *y, const struct function *f, const struct template *t,
                  const struct texts *extra, struct bd_error *err)
{
    struct ignore ignore;
    int failed;

    if (!f->handler)
        return bd_fail(err, "function %s has no handler", f->name);
    if (!path_is_folder(f->handler))
        return bd_fail(err, "building %s, %s is an invalid path", f->name, f->handler);
    if ((t && template_add(t, "", "", y, err)) || read_ignore(y, f, t, &ignore, err))
        return -1;
    y->ignore = &ignore; /* for the author's files: the template knows its own */
    failed = add_author_files(y, f, t ? t->handler_folder : "", extra, err);
    y->ignore = NULL;
    return failed;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static int copy_content(int from, int to)
{
    char buf[65536];

    for (;;) {
        ssize_t n = read(from, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        for (ssize_t at = 0; at < n;) {
            ssize_t put = write(to, buf + at, (size_t)(n - at));

            if (put < 0 && errno != EINTR)
                return -1;
            at += put > 0 ? put : 0;
        }
    }
}

/* The copy of a file on disk, new. */
static int copy_new(const char *from, const char *to, mode_t mode, struct bd_error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out, failed, why;

    if (in < 0 && errno == ENOENT)
        return 0; /* it has gone since it was listed */
    if (in < 0)
        return bd_fail(err, "open %s: %s", from, strerror(errno));
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) {
        close(in);
        return bd_fail(err, "create %s: %s", to, strerror(errno));
    }
    failed = copy_content(in, out) || fchmod(out, mode);
    why = errno;
    if (close(out) && !failed) {
        failed = -1;
        why = errno;
    }
    if (failed) {
        bd_fail(err, "copy %s to %s: %s", from, to, strerror(why));
        unlink(to);
    }
    close(in);
    return failed ? -1 : 0;
}

static int create_item(const struct item *i, const char *path, struct bd_error *err)
{
    if (i->is_folder)
        return folder_make(path, 0777, err);
    if (i->from)
        return copy_new(i->from, path, i->mode, err);
    if (file_create(path, i->content, 0600, err))
        return -1;
    return chmod(path, i->mode) ? bd_fail(err, "chmod %s: %s", path, strerror(errno)) : 0;
}

int assembly_create(struct assembly *y, const char *folder, struct bd_error *err)
{
    if (folder_make(folder, 0777, err))
        return -1;
    add_all_folders_above(y);
    finish_plan(y);
    for (size_t i = 0; i < y->count; i++)
        if (create_item(&y->item[i], path_join(y->arena, folder, y->item[i].path), err))
            return -1;
    return 0;
}

/* Does the file hold just these bytes? */
static bool holds(int fd, struct bd_slice content)
{
    char buf[16384];

    while (content.len > 0) {
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n <= 0 || (size_t)n > content.len || memcmp(buf, content.p, (size_t)n) != 0)
            return false;
        content.p += n;
        content.len -= (size_t)n;
    }
    return read(fd, buf, 1) == 0;
}

static bool equal_files(int a, int b)
{
    char x[16384], y[16384];

    for (;;) { /* regular files, so a read is short only at the end */
        ssize_t n = read(a, x, sizeof(x)), m = read(b, y, sizeof(y));

        if (n != m || n < 0 || (n > 0 && memcmp(x, y, (size_t)n) != 0))
            return false;
        if (n == 0)
            return true;
    }
}

static bool is_up_to_date(const struct item *i, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), from;
    struct stat st;
    bool same = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == (i->mode & 0777)) {
        if (!i->from) {
            same = holds(fd, i->content);
        } else if ((from = open(i->from, O_RDONLY | O_CLOEXEC)) >= 0) {
            same = equal_files(fd, from);
            close(from);
        }
    }
    close(fd);
    return same;
}

/* Beside it first: whoever is reading the old one must not see half of the new one. */
static int replace(const struct item *i, const char *path, struct bd_arena *a, struct bd_error *err)
{
    const char *beside = path_beside(a, path);

    unlink(beside);
    if (create_item(i, beside, err))
        return -1;
    if (rename(beside, path) == 0)
        return 0;
    if (errno == EISDIR && folder_remove(path, err) == 0 && rename(beside, path) == 0)
        return 0;
    bd_fail(err, "write %s: %s", path, strerror(errno));
    unlink(beside);
    return -1;
}

static int update_item(const struct item *i, const char *path, struct bd_arena *a, size_t *changed,
                       struct bd_error *err)
{
    struct stat st;

    if (i->is_folder) {
        if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode) && unlink(path))
            return bd_fail(err, "remove %s: %s", path, strerror(errno));
        return folder_make(path, 0777, err);
    }
    if (is_up_to_date(i, path))
        return 0;
    ++*changed;
    return replace(i, path, a, err);
}

static int compare_path(const void *path, const void *item)
{
    return strcmp(path, ((const struct item *)item)->path);
}

/* What is kept, is in it, or has it in it. */
static bool is_kept(const struct texts *keep, const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < keep->count; i++) {
        const char *k = keep->text[i];
        size_t n = strlen(k);

        if (strncmp(k, path, n < len ? n : len) == 0 &&
            (n == len || (n < len ? path[n] == '/' : k[len] == '/')))
            return true;
    }
    return false;
}

/* Removes what the plan does not have from the folder at `base`/`below`. */
static int sweep(const struct assembly *y, const char *base, const char *below,
                 const struct texts *keep, size_t *changed, struct bd_error *err)
{
    DIR *dir = opendir(path_join(y->arena, base, below));
    struct dirent *d;
    int failed = 0;

    if (!dir)
        return bd_fail(err, "open %s/%s: %s", base, below, strerror(errno));
    while (!failed && (d = readdir(dir))) {
        const char *path, *full;
        const struct item *item;

        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        path = path_join(y->arena, below, bd_arena_copy(y->arena, bd_slice_of(d->d_name)));
        full = path_join(y->arena, base, path);
        item = bsearch(path, y->item, y->count, sizeof(*y->item), compare_path);
        if (item && item->is_folder) {
            failed = sweep(y, base, path, keep, changed, err);
        } else if (!item && !is_kept(keep, path)) {
            ++*changed;
            failed = folder_remove(full, err);
        }
    }
    closedir(dir);
    return failed;
}

int assembly_update(struct assembly *y, const char *folder, const struct texts *keep,
                    size_t *ret_changed, struct bd_error *err)
{
    *ret_changed = 0;
    if (folder_make(folder, 0777, err))
        return -1;
    add_all_folders_above(y);
    finish_plan(y);
    for (size_t i = 0; i < y->count; i++)
        if (update_item(&y->item[i], path_join(y->arena, folder, y->item[i].path), y->arena,
                        ret_changed, err))
            return -1;
    return sweep(y, folder, "", keep, ret_changed, err);
}
