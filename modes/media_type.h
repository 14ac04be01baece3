/*
 * media_type.h - the media type that belongs to a file's name
 */
#ifndef MODES_MEDIA_TYPE_H
#define MODES_MEDIA_TYPE_H

#include <stddef.h>

#include "bandog/slice.h"

struct media_type_row {
    const char *extension; /* without the dot */
    const char *type;      /* as sent: text types say their charset */
    size_t order;          /* when it was added */
};

/* Those of a file; the built-in ones are media_type.c's. */
struct media_types {
    struct media_type_row *row; /* in the order of `extension` */
    size_t rows, room;
};

/*
 * Built-in types, then those of `file`, which is like /etc/mime.types ("TYPE EXTENSION..." in
 * lines, # begins a comment) and wins; a file that cannot be read or lines that make no sense are
 * no error.
 */
void media_types_init(struct media_types *t, const char *file);

void media_types_release(struct media_types *t);

/*
 * The type for a file of that name, by what follows its last dot, as it is and then in lower case.
 * NULL when it is not known.
 */
const char *media_type_of(const struct media_types *t, struct bd_slice name);

#endif
