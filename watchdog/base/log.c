/*
 * log.c - see bandog/log.h
 *
 * log_stream.c writes without waiting, log_buffer.c keeps what has not left, log_stamp.c says when;
 * here lines are put together in the buffers of the calling thread. A thread that has none gets one
 * for the length of the call.
 */
#include "bandog/log.h"

#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bandog/json.h"
#include "log_buffer.h"
#include "log_stamp.h"

#define LOG_PIECES_MAX 20
#define OBJECT_BYTES 128 /* of a line in JSON, without message and members */

#define LAST_WAIT_MS 1000 /* for a slow reader, when a thread ends */

#define LINE_WAIT_MS 100 /* for another thread to come to the end of a long line */

/* Up to bd_log_open() they are written to as they are. */
static struct log_stream streams[] = {
    {.fd = 1, .name = "stdout", .lock = PTHREAD_MUTEX_INITIALIZER},
    {.fd = 2, .name = "stderr", .lock = PTHREAD_MUTEX_INITIALIZER},
};

#define STREAMS (sizeof(streams) / sizeof(*streams))

/* Both descriptors are the same file: everything goes through stderr's stream, in order. */
static bool joined;

static struct bd_log_conf configured = {.least = BD_LEVEL_INFO};

static _Thread_local struct {
    bool gathers;
    struct log_buffer buffer[STREAMS];
} thread;

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

void bd_log_open(void)
{
    tzset(); /* while there is one thread: localtime_r(3) need not */
    joined = same_file(streams[0].fd, streams[1].fd);
    for (size_t i = joined ? 1 : 0; i < STREAMS; i++)
        log_stream_open(&streams[i]);
}

void bd_log_configure(const struct bd_log_conf *conf)
{
    configured = *conf;
}

const struct bd_log_conf *bd_log_conf(void)
{
    return &configured;
}

void bd_log_thread_start(void)
{
    assert(!thread.gathers);
    for (size_t i = 0; i < STREAMS; i++)
        thread.buffer[i] = (struct log_buffer){.stream = &streams[i]};
    thread.gathers = true;
}

bool bd_log_flush(void)
{
    bool done = true;

    if (!thread.gathers)
        return true;
    for (size_t i = 0; i < STREAMS; i++)
        done = log_buffer_flush(&thread.buffer[i]) && done;
    return done;
}

bool bd_log_is_behind(void)
{
    bool behind = false;

    for (size_t i = 0; thread.gathers && i < STREAMS; i++)
        behind = log_buffer_is_behind(&thread.buffer[i]) || behind;
    return behind;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void bd_log_thread_stop(void)
{
    int64_t end_ms = now_ms() + LAST_WAIT_MS;

    if (!thread.gathers)
        return;
    for (size_t i = 0; i < STREAMS; i++) {
        while (!log_buffer_flush(&thread.buffer[i]) &&
               log_stream_wait(&streams[i], (int)(end_ms - now_ms()))) {
            /* the reader has made room */
        }
        log_buffer_release(&thread.buffer[i]);
    }
    thread.gathers = false;
}

/* The thread's buffer, or `own`, prepared for this one call. Give it back by put_down(). */
static struct log_buffer *take_up(struct log_buffer *own, enum bd_log_stream to)
{
    size_t i = joined || to == BD_LOG_STDERR ? 1 : 0;

    if (thread.gathers)
        return &thread.buffer[i];
    *own = (struct log_buffer){.stream = &streams[i]};
    return own;
}

static void put_down(struct log_buffer *b, struct log_buffer *own)
{
    if (b != own)
        return;
    for (int i = 0; !log_buffer_flush(own) && i < LINE_WAIT_MS; i++) {
        if (log_stream_is_free(own->stream, own))
            break; /* it is the reader who does not take it */
        poll(NULL, 0, 1);
    }
    log_buffer_release(own);
}

/* A whole line in place, its newline where vsnprintf(3) leaves the NUL. */
__attribute__((format(printf, 2, 0))) static void print_line(struct log_buffer *b,
                                                             const char *format, va_list args)
{
    size_t text_bytes = 256; /* the first guess */
    va_list again;
    char *room;
    int len;

    va_copy(again, args);
    room = log_buffer_room(b, LOG_STAMP_BYTES + text_bytes);
    if (!room)
        goto out;
    len = vsnprintf(room + LOG_STAMP_BYTES, text_bytes, format, args);
    assert(len >= 0);
    if ((size_t)len >= text_bytes) {
        text_bytes = (size_t)len + 1;
        room = log_buffer_room(b, LOG_STAMP_BYTES + text_bytes);
        if (!room)
            goto out;
        vsnprintf(room + LOG_STAMP_BYTES, text_bytes, format, again);
    }
    memcpy(room, log_stamp(), LOG_STAMP_BYTES);
    room[LOG_STAMP_BYTES + len] = '\n';
    log_buffer_commit(b, LOG_STAMP_BYTES + (size_t)len + 1);
out:
    va_end(again);
}

/* An object in a line; `stream` NULL: one of ours. */
static void put_object(enum bd_log_stream to, enum bd_level level, const char *stream,
                       struct bd_slice message, const struct bd_log_member *member, size_t members)
{
    static const char *const level_name[] = {"error", "warning", "info"};
    struct log_buffer own, *b = take_up(&own, to);
    size_t bytes = OBJECT_BYTES + bd_json_bytes(message);
    char *room, *end;

    for (size_t i = 0; i < members; i++)
        bytes += member[i].name.len + 4 + bd_json_bytes(member[i].value);
    room = end = log_buffer_room(b, bytes);
    if (room) {
        end = bd_slice_put(end, BD_SLICE("{\"time\":\""));
        end = bd_slice_put(end, (struct bd_slice){log_stamp_utc(), LOG_STAMP_UTC_BYTES});
        end = bd_slice_put(end, BD_SLICE("\",\"level\":\""));
        end = bd_slice_put(end, bd_slice_of(level_name[level]));
        if (stream) {
            end = bd_slice_put(end, BD_SLICE("\",\"stream\":\""));
            end = bd_slice_put(end, bd_slice_of(stream));
        }
        end = bd_slice_put(end, BD_SLICE("\",\"message\":"));
        end = bd_json_put(end, message);
        for (size_t i = 0; i < members; i++) {
            end = bd_slice_put(end, BD_SLICE(",\""));
            end = bd_slice_put(end, member[i].name);
            end = bd_slice_put(end, BD_SLICE("\":"));
            end = member[i].is_number ? bd_slice_put(end, member[i].value)
                                      : bd_json_put(end, member[i].value);
        }
        end = bd_slice_put(end, BD_SLICE("}\n"));
        log_buffer_commit(b, (size_t)(end - room));
    }
    put_down(b, &own);
}

/* Of any length, formatted, then escaped. */
__attribute__((format(printf, 2, 0))) static void put_message(enum bd_level level,
                                                              const char *format, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, format, args);

    if (len < 0)
        return;
    put_object(BD_LOG_STDERR, level, NULL, (struct bd_slice){text, (size_t)len}, NULL, 0);
    free(text);
}

__attribute__((format(printf, 2, 0))) static void log_line(enum bd_level level, const char *format,
                                                           va_list args)
{
    struct log_buffer own, *b;

    if (level > configured.least)
        return;
    if (configured.json) {
        put_message(level, format, args);
        return;
    }
    b = take_up(&own, BD_LOG_STDERR);
    print_line(b, format, args);
    put_down(b, &own);
}

void bd_log_at(enum bd_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(level, format, args);
    va_end(args);
}

void bd_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(BD_LEVEL_INFO, format, args);
    va_end(args);
}

void bd_log_object(struct bd_slice message, const struct bd_log_member *member, size_t members)
{
    if (configured.least >= BD_LEVEL_INFO)
        put_object(BD_LOG_STDERR, BD_LEVEL_INFO, NULL, message, member, members);
}

/* The pieces one behind the other, all or none. */
static void put(enum bd_log_stream to, const struct bd_slice *piece, size_t pieces)
{
    struct log_buffer own, *b = take_up(&own, to);
    size_t bytes = 0;
    char *room;

    for (size_t i = 0; i < pieces; i++)
        bytes += piece[i].len;
    room = log_buffer_room(b, bytes);
    for (size_t i = 0; room && i < pieces; i++)
        room = bd_slice_put(room, piece[i]);
    if (room)
        log_buffer_commit(b, bytes);
    put_down(b, &own);
}

void bd_log_pieces(const struct bd_slice *piece, size_t pieces)
{
    struct bd_slice line[LOG_PIECES_MAX + 2] = {{log_stamp(), LOG_STAMP_BYTES}};

    assert(pieces <= LOG_PIECES_MAX);
    if (configured.least < BD_LEVEL_INFO)
        return;
    memcpy(line + 1, piece, pieces * sizeof(*piece));
    line[pieces + 1] = BD_SLICE("\n");
    put(BD_LOG_STDERR, line, pieces + 2);
}

void bd_log_line(enum bd_log_stream to, bool stamp, const char *label, const char *buf, size_t len)
{
    struct bd_slice line[5];
    size_t pieces = 0;

    if (configured.json && configured.wraps) {
        put_object(to, BD_LEVEL_INFO, to == BD_LOG_STDOUT ? "stdout" : "stderr",
                   (struct bd_slice){buf, len}, NULL, 0);
        return;
    }
    if (stamp)
        line[pieces++] = (struct bd_slice){log_stamp(), LOG_STAMP_BYTES};
    if (stamp && label) {
        line[pieces++] = bd_slice_of(label);
        line[pieces++] = BD_SLICE(": ");
    }
    line[pieces++] = (struct bd_slice){buf, len};
    line[pieces++] = BD_SLICE("\n");
    put(to, line, pieces);
}

void bd_log_raw(enum bd_log_stream to, const char *buf, size_t len)
{
    if (len)
        put(to, &(struct bd_slice){buf, len}, 1);
}
