/*
 * log.h - the watchdog's log lines and the function's
 *
 * A line is gathered in a buffer of the calling thread and leaves with the others of the same loop
 * turn in one write(2), by bd_log_flush(). Nothing here ever blocks: what a full or dead stderr
 * does not take waits in the bounded buffer, and when that is full lines are dropped and counted,
 * and the count is logged when the descriptor takes bytes again.
 *
 * Any thread may log; a thread that wants its lines gathered calls bd_log_thread_start(), in the
 * others each line is written at once.
 */
#ifndef BANDOG_LOG_H
#define BANDOG_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "slice.h"

enum bd_log_stream { BD_LOG_STDOUT = 1, BD_LOG_STDERR = 2 };

enum bd_level { BD_LEVEL_ERROR, BD_LEVEL_WARNING, BD_LEVEL_INFO };

struct bd_log_conf {
    bool json;           /* each line is an object, else they are as described below */
    bool wraps;          /* with `json`: those of the function, too */
    bool call_ids;       /* behind the request lines */
    enum bd_level least; /* of our own lines, less important ones are not written */
};

/* Once, before the threads; until then: text, all lines. */
void bd_log_configure(const struct bd_log_conf *conf);
const struct bd_log_conf *bd_log_conf(void);

/*
 * Once, before the threads and before anything else may get number 1 or 2: finds a way to write to
 * them without blocking and without changing the flags of a file description that others share.
 * SIGPIPE must be blocked.
 */
void bd_log_open(void);

void bd_log_thread_start(void);
/* Writes what is left, waits for a slow reader for a second at most, then forgets the buffers. */
void bd_log_thread_stop(void);

/* Writes this thread's gathered lines as far as the descriptors take them. True when all are out.
 */
bool bd_log_flush(void);

/*
 * True while so much waits that more would soon be dropped: who can make a function wait should do
 * so, for a while. Tries to write first.
 */
bool bd_log_is_behind(void);

/*
 * "2006/01/02 15:04:05 TEXT\n" on stderr, local time; or {"time":"2006-01-02T15:04:05.000000Z",
 * "level":"info","message":"TEXT"}. TEXT holds no newline. bd_log() is for the level info.
 */
void bd_log_at(enum bd_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bd_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a line in pieces, for lines that are written for each request; text only. */
void bd_log_pieces(const struct bd_slice *piece, size_t pieces);

/* The same with further members; json only. */
struct bd_log_member {
    struct bd_slice name; /* needs no escape */
    struct bd_slice value;
    bool is_number; /* `value` is one, as it is written in JSON */
};

void bd_log_object(struct bd_slice message, const struct bd_log_member *member, size_t members);

/*
 * The same for a line of a function: "DATE TIME [LABEL: ]BYTES\n", or "BYTES\n" without `stamp`.
 * Any bytes of any length; `label` may be NULL. Where lines are wrapped: an object with a member
 * "stream", whatever `stamp` and `label` are.
 */
void bd_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf, size_t len);

/* Bytes as they are, for copies of a function's output. A piece is kept or dropped as a whole. */
void bd_log_raw(enum bd_log_stream to, const char *buf, size_t len);

/*
 * What the network sent, made safe for a line: every byte outside 0x20..0x7e becomes \xNN. The
 * result is `s` itself when it is clean, else lives in `a`.
 */
struct bd_slice bd_printable(struct bd_arena *a, struct bd_slice s);

/* The same for a text, into a buffer that cuts it; returns `buf`. */
char *bd_printable_text(char *buf, size_t bytes, const char *text);

/* For printf: ("%.*s", BD_ARG(slice)). */
#define BD_ARG(s) (int)(s).len, (s).p

#endif
