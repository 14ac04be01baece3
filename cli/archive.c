/*
 * archive.c - see archive.h
 */
#include "archive.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, linkname[100];
    char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static uint64_t octal(const char *digits, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len && digits[i] >= '0' && digits[i] <= '7'; i++)
        n = n << 3 | (uint64_t)(digits[i] - '0');
    return n;
}

static size_t rounded(size_t bytes)
{
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

bool archive_next(struct bd_arena *a, struct bd_slice archive, size_t *at, struct archive_file *ret)
{
    while (archive.len - *at >= BLOCK) {
        struct header h;
        size_t size, left;

        memcpy(&h, archive.p + *at, BLOCK);
        if (h.name[0] == '\0') /* two blocks of zeros end it */
            return false;
        size = octal(h.size, sizeof(h.size));
        left = archive.len - *at - BLOCK;
        if (size > left)
            return false;
        *ret = (struct archive_file){
            .path = h.prefix[0] ? bd_arena_printf(a, "%.155s/%.100s", h.prefix, h.name)
                                : bd_arena_printf(a, "%.100s", h.name),
            .mode = (mode_t)octal(h.mode, sizeof(h.mode)) & 07777,
            .content = {archive.p + *at + BLOCK, size},
        };
        *at += BLOCK + (rounded(size) < left ? rounded(size) : left);
        if (h.type == '0' || h.type == '\0')
            return true;
    }
    return false;
}

static void seal(struct header *h)
{
    unsigned sum = 0;

    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t i = 0; i < BLOCK; i++)
        sum += ((const unsigned char *)h)[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum); /* NUL, and the blank that is there */
}

struct bd_slice archive_of(struct bd_arena *a, const char *name, mode_t mode,
                           struct bd_slice content)
{
    size_t bytes = BLOCK + rounded(content.len) + 2 * BLOCK;
    char *archive = bd_arena_alloc(a, bytes);
    struct header h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};

    assert(strlen(name) < sizeof(h.name));
    snprintf(h.name, sizeof(h.name), "%s", name);
    snprintf(h.mode, sizeof(h.mode), "%07o", (unsigned)mode & 07777);
    snprintf(h.uid, sizeof(h.uid), "%07o", 0U);
    snprintf(h.gid, sizeof(h.gid), "%07o", 0U);
    snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)content.len);
    snprintf(h.mtime, sizeof(h.mtime), "%011o", 0U);
    seal(&h);
    memset(archive, 0, bytes);
    memcpy(archive, &h, BLOCK);
    bd_slice_put(archive + BLOCK, content);
    return (struct bd_slice){archive, bytes};
}
