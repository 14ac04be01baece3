/*
 * cgi_head.h - the head that a CGI program prints before its body (RFC 3875, section 6)
 *
 * Lines of fields up to an empty one, each ended by LF or CRLF. At least one of Content-Type,
 * Location and Status has to be there, none of them twice.
 */
#ifndef MODES_CGI_HEAD_H
#define MODES_CGI_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bandog/exchange.h"
#include "bandog/slice.h"

#define CGI_HEAD_BYTES_MAX 65536 /* with the empty line */
#define CGI_FIELDS_MAX 256

struct cgi_head {
    int status;             /* 200 to 599: Status, else 302 with Location, else 200 */
    bool has_status;        /* it was printed */
    struct bd_slice reason; /* `p` NULL: the standard one */
    /* All but Status, Content-Length and those of one hop (bandog/fields.h), in order. */
    struct bd_field *field;
    size_t fields;
    int64_t length;        /* Content-Length; -1: it was not printed */
    struct bd_slice local; /* of a local redirect: its path and query; else empty (6.2.2) */
    size_t bytes;          /* with the empty line: where the body begins */

    const char *error;    /* CGI_HEAD_BAD: what is wrong, without the bytes */
    struct bd_slice line; /* and where, not yet escaped; may be empty */
};

enum cgi_head_result { CGI_HEAD_MORE, CGI_HEAD_COMPLETE, CGI_HEAD_BAD };

/*
 * Reads what was printed so far. `*scanned` is 0 at first and then how far an earlier call has
 * looked for the end. The head's slices point into `buf`, its fields are in the arena. `over`: no
 * more comes, so CGI_HEAD_MORE is no answer.
 */
enum cgi_head_result cgi_head_read(struct cgi_head *ret_head, struct bd_arena *arena,
                                   const char *buf, size_t len, size_t *scanned, bool over);

/*
 * The fields to answer with, in the arena, with room for one more: the head's and, where a body may
 * follow and none is there, Content-Type.
 */
size_t cgi_head_fields(struct bd_field **ret_field, struct bd_exchange *x, const struct cgi_head *h,
                       struct bd_slice type);

/* bd_respond() with its status, and its reason if it has one. */
void cgi_head_respond(struct bd_exchange *x, const struct cgi_head *h, const struct bd_field *field,
                      size_t fields, int64_t length);

/* CGI_HEAD_BAD: a line in the log, and 502 to the client. The last call. */
void cgi_head_refuse(struct bd_exchange *x, const struct cgi_head *h);

#endif
