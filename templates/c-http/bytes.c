#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

enum { SMALLEST = 4096 };

bool bytes_reserve(struct bytes *b, size_t more)
{
    size_t room = b->room ? b->room : SMALLEST;
    char *data;

    if (b->room - b->size >= more)
        return true;
    if (more > SIZE_MAX / 2 - b->size)
        return false;
    while (room - b->size < more)
        room *= 2;
    data = realloc(b->data, room);
    if (!data)
        return false;
    b->data = data;
    b->room = room;
    return true;
}

bool bytes_add(struct bytes *b, const void *data, size_t size)
{
    if (!bytes_reserve(b, size))
        return false;
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    return true;
}

void bytes_release(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}
