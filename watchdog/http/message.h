/*
 * message.h - what requests and answers have in common: fields, then perhaps chunks
 *
 * llhttp, with every lenient flag off, reads them; who owns the message has read, or reads next to
 * it, what only one of the two has. Slices of fields point into the buffer that was fed: whoever
 * moves it calls message_moved(). Trailers come in pieces of a body that nobody keeps, so they are
 * copied into the arena, up to MESSAGE_TRAILER_BYTES.
 */
#ifndef WATCHDOG_HTTP_MESSAGE_H
#define WATCHDOG_HTTP_MESSAGE_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>

#include "bandog/arena.h"
#include "bandog/slice.h"

#define MESSAGE_HEAD_BYTES_MAX ((size_t)(1024 * 1024 + 4096)) /* up to and with the blank line */
#define MESSAGE_FIELDS_INLINE 24
#define MESSAGE_TRAILER_BYTES 8192

struct message {
    llhttp_t parser;
    struct bd_arena *arena;
    struct bd_slice reason; /* of an answer's status line */
    struct bd_field *field; /* `inl`, or in the arena once there are more */
    size_t fields, room;
    struct bd_field *trailer; /* behind the fields, once the last chunk was read */
    size_t trailers;
    bool value_begun; /* the newest field has its whole name */
    char *text;       /* the trailers' bytes; NULL: none has come */
    size_t text_len;
    char *body; /* where the next body bytes go, once the head is over; see body.c */
    struct bd_field inl[MESSAGE_FIELDS_INLINE];
};

void message_init(struct message *m, llhttp_type_t type, struct bd_arena *arena);

/* Parses; HPE_PAUSED at the end of the head, and again at the end of a chunked body. */
llhttp_errno_t message_feed(struct message *m, const char *buf, size_t len);

/* The buffer of `len` bytes, which was at `from`, is at `to` now. */
void message_moved(struct message *m, const char *from, size_t len, const char *to);

/* One slice of it likewise; those that point elsewhere stay. */
void message_slice_moved(struct bd_slice *s, const char *from, size_t len, const char *to);

#endif
