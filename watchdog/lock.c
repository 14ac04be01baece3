/*
 * lock.c - see lock.h
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bandog/temp.h"

const char *lock_path(void)
{
    static char path[PATH_MAX];

    if (!*path)
        snprintf(path, sizeof(path), "%s/.lock", bd_temp_dir());
    return path;
}

/* Every folder above the file that is not there yet. */
static void make_folders(const char *path)
{
    char part[PATH_MAX];

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - path);

        memcpy(part, path, len);
        part[len] = '\0';
        mkdir(part, 0755);
    }
}

int lock_write(void)
{
    int fd;

    make_folders(lock_path());
    fd = open(lock_path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

int lock_remove(void)
{
    return unlink(lock_path()) ? errno : 0;
}

bool lock_exists(void)
{
    struct stat st;

    return stat(lock_path(), &st) == 0 || errno != ENOENT;
}
