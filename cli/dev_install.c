/*
 * dev_install.c - see dev_install.h
 */
#include "dev_install.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "md5.h"
#include "say.h"

#define FILE_BYTES_MAX (64 << 20) /* a lock file of a large project has some megabytes */
#define DEPTH_MAX 100

/* What the dependencies in `folder` are; NULL: no file names any. */
static const char *key_of(struct bd_arena *a, const char *folder, const struct dev_section *dev)
{
    struct bd_slice text;
    struct bd_error ignored;
    struct md5 sum;
    bool found = false;
    char *key = bd_arena_alloc(a, 33);

    md5_init(&sum);
    md5_add(&sum, bd_slice_of(dev->install));
    for (size_t i = 0; i < dev->install_files.count; i++) {
        if (file_read(a, path_join(a, folder, dev->install_files.text[i]), FILE_BYTES_MAX, &text,
                      &ignored))
            continue;
        found = true;
        md5_add(&sum, bd_slice_of(dev->install_files.text[i]));
        md5_add(&sum, text);
    }
    md5_hex(&sum, key);
    return found ? key : NULL;
}

static bool is_installed(struct bd_arena *a, const char *folder, const char *key)
{
    struct bd_slice text;
    struct bd_error ignored;

    return file_read(a, path_join(a, folder, DEV_INSTALL_FILE), 64, &text, &ignored) == 0 &&
           strcmp(text.p, key) == 0;
}

bool dev_install_is_due(struct bd_arena *a, const char *folder, const struct dev_section *dev,
                        const char **ret_key)
{
    *ret_key = dev->install ? key_of(a, folder, dev) : NULL;
    return *ret_key && !is_installed(a, folder, *ret_key);
}

/* --- borrowing ----------------------------------------------------------------------------------
 */

static int link_tree(struct bd_arena *a, const char *from, const char *to, int depth);

static int link_entry(struct bd_arena *a, const char *from, const char *to, int depth)
{
    struct stat st;
    char target[PATH_MAX];
    ssize_t len;

    if (lstat(from, &st))
        return -1;
    if (S_ISDIR(st.st_mode))
        return mkdir(to, st.st_mode & 0777) || link_tree(a, from, to, depth + 1) ? -1 : 0;
    if (!S_ISLNK(st.st_mode))
        return link(from, to);
    len = readlink(from, target, sizeof(target) - 1);
    if (len < 0)
        return -1;
    target[len] = '\0';
    return symlink(target, to);
}

static int link_tree(struct bd_arena *a, const char *from, const char *to, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(from) : NULL;
    struct dirent *d;
    int failed = 0;

    if (!dir)
        return -1;
    while (!failed && (d = readdir(dir)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            failed =
                link_entry(a, path_join(a, from, d->d_name), path_join(a, to, d->d_name), depth);
    closedir(dir);
    return failed;
}

void dev_install_borrow(struct bd_arena *a, const char *from, const char *to,
                        const struct dev_section *dev)
{
    const char *key = dev->install ? key_of(a, to, dev) : NULL;
    struct bd_error ignored;

    if (!key || is_installed(a, to, key) || !is_installed(a, from, key))
        return;
    for (size_t i = 0; i < dev->keep.count; i++) {
        const char *old = path_join(a, from, dev->keep.text[i]),
                   *new = path_join(a, to, dev->keep.text[i]);

        if (!path_exists(old))
            continue;
        if (folder_remove(new, &ignored) || link_entry(a, old, new, 0))
            return; /* then it is installed */
    }
    dev_install_done(a, to, key);
}

void dev_install_done(struct bd_arena *a, const char *folder, const char *key)
{
    struct bd_error err;

    if (file_write(path_join(a, folder, DEV_INSTALL_FILE), bd_slice_of(key), 0666, &err))
        warn("%s", err.text); /* it will be done once more */
}
