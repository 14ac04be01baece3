/*
 * arena.c - see bandog/arena.h
 *
 * A list of chunks, the newest in front; `at`..`end` is what is left of it. A big request gets a
 * chunk of its own behind the front one, whose rest stays in use. Under AddressSanitizer the free
 * bytes are poisoned and a gap follows each allocation, so that a stale pointer and a run over the
 * end are found as with malloc.
 */
#include "bandog/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define GAP_BYTES 16
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define GAP_BYTES 0
#endif

struct bd_arena_chunk {
    struct bd_arena_chunk *next;
    size_t bytes;
    alignas(max_align_t) char data[];
};

/* With its head and malloc's own word a usual chunk fills a page. */
#define USUAL_BYTES (4096 - sizeof(struct bd_arena_chunk) - 2 * sizeof(size_t))
/* Above this the front chunk's rest would be too much to throw away. */
#define BIG_BYTES (USUAL_BYTES / 4)

static struct bd_arena_chunk *chunk_new(size_t bytes)
{
    struct bd_arena_chunk *c = malloc(sizeof(*c) + bytes);

    if (!c)
        abort();
    c->next = NULL;
    c->bytes = bytes;
    ASAN_POISON_MEMORY_REGION(c->data, bytes);
    return c;
}

/* Makes `c` the chunk that is allocated from. */
static void use(struct bd_arena *a, struct bd_arena_chunk *c)
{
    a->chunk = c;
    a->at = c->data;
    a->end = c->data + c->bytes;
    ASAN_POISON_MEMORY_REGION(c->data, c->bytes);
}

static void add_usual(struct bd_arena *a)
{
    struct bd_arena_chunk *c = chunk_new(USUAL_BYTES);

    c->next = a->chunk;
    use(a, c);
}

static char *alloc_big(struct bd_arena *a, size_t bytes)
{
    struct bd_arena_chunk *c = chunk_new(bytes);

    if (a->chunk) {
        c->next = a->chunk->next;
        a->chunk->next = c;
    } else {
        a->chunk = c;
    }
    return c->data;
}

void bd_arena_init(struct bd_arena *a)
{
    *a = (struct bd_arena){NULL, NULL, NULL};
}

void bd_arena_release(struct bd_arena *a)
{
    struct bd_arena_chunk *next;

    for (struct bd_arena_chunk *c = a->chunk; c; c = next) {
        next = c->next;
        free(c);
    }
    bd_arena_init(a);
}

void bd_arena_clear(struct bd_arena *a)
{
    struct bd_arena_chunk *kept = NULL, *next;

    for (struct bd_arena_chunk *c = a->chunk; c; c = next) {
        next = c->next;
        if (!kept && c->bytes == USUAL_BYTES)
            kept = c;
        else
            free(c);
    }
    bd_arena_init(a);
    if (kept) {
        kept->next = NULL;
        use(a, kept);
    }
}

void *bd_arena_alloc(struct bd_arena *a, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    size_t taken;
    char *p;

    assert(bytes <= PTRDIFF_MAX / 2);
    taken = (bytes + GAP_BYTES + align - 1) / align * align;
    if (taken > (size_t)(a->end - a->at)) {
        if (taken > BIG_BYTES) {
            p = alloc_big(a, taken);
            ASAN_UNPOISON_MEMORY_REGION(p, bytes);
            return p;
        }
        add_usual(a);
    }
    p = a->at;
    a->at += taken;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    return p;
}

char *bd_arena_copy(struct bd_arena *a, struct bd_slice s)
{
    char *copy = bd_arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.p, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *bd_arena_printf(struct bd_arena *a, const char *format, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);

    text = bd_arena_alloc(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}
