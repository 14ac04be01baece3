/*
 * file.h - a regular file as an answer (RFC 9110, sections 8, 12 to 14)
 *
 * Validators, conditions, ranges, content codings; the body goes with bd_send_file().
 */
#ifndef MODES_FILE_H
#define MODES_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "bandog/exchange.h"
#include "media_type.h"
#include "root.h"

struct file_conf {
    const char *cache_control; /* NULL: no such field */
    bool precompressed;        /* look for NAME.br and NAME.gz */
    struct media_types types;
};

/* A file on its way. Lives in the exchange's arena. */
struct file {
    struct bd_exchange *x;
    const struct file_conf *conf;
    const char *path; /* below the root */
    int fd;           /* owned; -1: closed */
    struct stat st;
    const char *type;
    struct bd_slice coding; /* empty: as it is */
    bool varies;            /* another client may get another coding */
    struct file_part *part;
    size_t parts, next;
    bool text_sent; /* of part `next` */
};

/*
 * Answers with the file `path` that was opened as `fd`, which it takes over. Ends the exchange, now
 * or by file_drain(): last statement. f->fd tells afterwards whether it goes on.
 */
void file_answer(struct file *f, struct root *root);

/* For the mode's callbacks of these names. */
void file_drain(struct file *f);
void file_abort(struct file *f);

#endif
