/*
 * server_writer.h - a client that writes much while the test reads
 */
#ifndef TESTS_UNIT_SERVER_WRITER_H
#define TESTS_UNIT_SERVER_WRITER_H

#include "server_run.h"

/* To be freed. */
static char *make_bytes(size_t n)
{
    char *p = malloc(n);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
    return p;
}

/* A client that writes while the test reads. */
struct writer {
    pthread_t thread;
    struct peer *peer;
    const char *buf;
    size_t len;
    size_t chunk; /* 0: as it is */
};

static void *write_all(void *arg)
{
    struct writer *w = arg;

    for (size_t at = 0; at < w->len;) {
        size_t n = w->chunk && w->chunk < w->len - at ? w->chunk : w->len - at;
        char line[32];

        if (w->chunk) {
            snprintf(line, sizeof(line), "%zx;ext=\"v\"\r\n", n);
            say_bytes(w->peer, line, strlen(line));
        }
        say_bytes(w->peer, w->buf + at, n);
        if (w->chunk)
            say_bytes(w->peer, "\r\n", 2);
        at += n;
    }
    if (w->chunk)
        say_bytes(w->peer, "0\r\nTrailer: x\r\n\r\n", 17);
    return NULL;
}

static void start_writing(struct writer *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, write_all, w), 0);
}

#endif
