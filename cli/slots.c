/*
 * slots.c - see slots.h
 */
#include "slots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembly.h"
#include "files.h"

int slots_open(struct slots *s, const char *function, struct bd_error *err)
{
    char path[PATH_MAX];

    *s = (struct slots){.function = function};
    if (folder_make(BUILD_FOLDER "/.dev", 0777, err))
        return -1;
    snprintf(path, sizeof(path), BUILD_FOLDER "/.dev/%s.lock", function);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock < 0)
        return bd_fail(err, "create %s: %s", path, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(s->lock);
    return bd_fail(err, "%s is run by another bandog dev in this folder", function);
}

bool slots_are_used(const char *function)
{
    char path[PATH_MAX];
    int fd;
    bool used;

    snprintf(path, sizeof(path), BUILD_FOLDER "/.dev/%s.lock", function);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    used = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return used;
}

void slots_close(struct slots *s)
{
    close(s->lock);
}

/* That build/NAME is a link to; SLOTS: it is none. */
static unsigned shown(const struct slots *s)
{
    char place[PATH_MAX], target[PATH_MAX], wanted[PATH_MAX];
    ssize_t len;

    snprintf(place, sizeof(place), BUILD_FOLDER "/%s", s->function);
    len = readlink(place, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        snprintf(wanted, sizeof(wanted), ".dev/%s.%u", s->function, slot);
        if (strcmp(target, wanted) == 0)
            return slot;
    }
    return SLOTS;
}

int slots_choose(const struct slots *s, unsigned *ret_slot)
{
    unsigned last = shown(s);

    if (last < SLOTS && !s->used[last]) {
        *ret_slot = last;
        return 0;
    }
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (!s->used[slot]) {
            *ret_slot = slot;
            return 0;
        }
    return -1;
}

const char *slots_folder(struct bd_arena *a, const struct slots *s, unsigned slot)
{
    return bd_arena_printf(a, BUILD_FOLDER "/.dev/%s.%u", s->function, slot);
}

int slots_show(struct bd_arena *a, const struct slots *s, unsigned slot, struct bd_error *err)
{
    const char *place = bd_arena_printf(a, BUILD_FOLDER "/%s", s->function);
    const char *beside = bd_arena_printf(a, "%s~", place);
    struct stat st;

    if (lstat(place, &st) == 0 && S_ISDIR(st.st_mode) && folder_remove(place, err))
        return -1;
    unlink(beside);
    /* relative to the link's own folder */
    if (symlink(slots_folder(a, s, slot) + sizeof(BUILD_FOLDER), beside) || rename(beside, place))
        return bd_fail(err, "create %s: %s", place, strerror(errno));
    return 0;
}
