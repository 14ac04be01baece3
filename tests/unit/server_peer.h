/*
 * server_peer.h - a blocking client that looks at every byte of what it hears
 *
 * It fails the test when nothing comes, so no test needs a time of its own.
 */
#ifndef TESTS_UNIT_SERVER_PEER_H
#define TESTS_UNIT_SERVER_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 20 /* for what must come: only a failing test waits that long */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

struct peer {
    int fd;
    char *buf;
    size_t len, cap, at; /* at: taken by answers so far */
    int end;             /* 0: open; else 1 end of file, or -errno */
};

static int connect_to(int port, int rcvbuf)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void hang_up(struct peer *p)
{
    close(p->fd);
    free(p->buf);
    p->buf = NULL;
}

/* RST instead of FIN. */
static void slam(struct peer *p)
{
    struct linger none = {.l_onoff = 1};

    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    hang_up(p);
}

/* False when the server has closed. */
static bool say_bytes(struct peer *p, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, buf, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("the server does not read");
        if (n < 0)
            return false;
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static void say(struct peer *p, const char *text)
{
    assert_true(say_bytes(p, text, strlen(text)));
}

/* False at the end. */
static bool hear(struct peer *p)
{
    ssize_t n;

    if (p->end)
        return false;
    if (p->cap - p->len < 65537) {
        p->cap = p->cap * 2 + 131072;
        p->buf = realloc(p->buf, p->cap);
        assert_non_null(p->buf);
    }
    do {
        n = recv(p->fd, p->buf + p->len, 65536, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing comes after: %.*s", (int)(p->len - p->at < 300 ? p->len - p->at : 300),
                 p->buf + p->at);
    if (n <= 0) {
        p->end = n == 0 ? 1 : -errno;
        return false;
    }
    p->len += (size_t)n;
    p->buf[p->len] = '\0';
    return true;
}

struct answer {
    int status;
    char head[2048];  /* with its blank line */
    const char *body; /* in the peer's buffer until the next answer; chunks removed */
    size_t len;
    bool whole; /* as far as its framing tells */
};

static const char *find_bytes(const char *buf, size_t len, const char *text)
{
    return len ? memmem(buf, len, text, strlen(text)) : NULL;
}

static bool has(const struct answer *a, const char *text)
{
    return strstr(a->head, text) != NULL;
}

/* One line of the stream, without its end; NULL: the stream has ended. */
static const char *hear_line(struct peer *p)
{
    const char *cr;
    char *line;

    while (!(cr = find_bytes(p->buf + p->at, p->len - p->at, "\r\n")))
        if (!hear(p))
            return NULL;
    line = p->buf + p->at;
    line[cr - line] = '\0';
    p->at = (size_t)(cr + 2 - p->buf);
    return line;
}

static bool hear_bytes(struct peer *p, size_t n)
{
    while (p->len - p->at < n)
        if (!hear(p))
            return false;
    return true;
}

static void hear_chunks(struct peer *p, struct answer *a)
{
    size_t begin = p->at, to = p->at;

    for (;;) {
        const char *line = hear_line(p);
        char *last;
        size_t n;

        if (!line)
            break;
        n = strtoul(line, &last, 16);
        assert_true(*last == '\0' && last > line);
        if (!hear_bytes(p, n + 2))
            break;
        memmove(p->buf + to, p->buf + p->at, n);
        to += n;
        assert_memory_equal(p->buf + p->at + n, "\r\n", 2);
        p->at += n + 2;
        if (n == 0) {
            a->whole = true;
            break;
        }
    }
    a->body = p->buf + begin;
    a->len = to - begin;
}

static struct answer hear_answer_to(struct peer *p, const char *method)
{
    struct answer a = {.status = 0};
    const char *blank, *field;
    size_t n;

    while (!(blank = find_bytes(p->buf + p->at, p->len - p->at, "\r\n\r\n")))
        if (!hear(p))
            return a;
    n = (size_t)(blank + 4 - p->buf) - p->at;
    assert_true(n < sizeof(a.head));
    memcpy(a.head, p->buf + p->at, n);
    p->at += n;
    assert_int_equal(sscanf(a.head, "HTTP/1.%*1[01] %d ", &a.status), 1);
    if (strcmp(method, "HEAD") == 0 || a.status < 200 || a.status == 204 || a.status == 304) {
        a.whole = true;
    } else if (has(&a, "\r\nTransfer-Encoding: chunked\r\n")) {
        assert_false(has(&a, "Content-Length"));
        hear_chunks(p, &a);
    } else if ((field = strstr(a.head, "\r\nContent-Length: "))) {
        a.len = strtoul(field + 18, NULL, 10);
        a.whole = hear_bytes(p, a.len);
        a.body = p->buf + p->at;
        if (!a.whole)
            a.len = p->len - p->at;
        p->at += a.len;
    } else {
        size_t begin = p->at;

        assert_true(has(&a, "\r\nConnection: close\r\n"));
        while (hear(p))
            ;
        a.whole = p->end == 1;
        a.body = p->buf + begin;
        a.len = p->len - begin;
        p->at = p->len;
    }
    return a;
}

static struct answer hear_answer(struct peer *p)
{
    return hear_answer_to(p, "GET");
}

static void assert_body(const struct answer *a, const char *text)
{
    assert_true(a->whole);
    assert_int_equal(a->len, strlen(text));
    assert_memory_equal(a->body, text, a->len);
}

/* The next answer, with this status and body. */
static void expect(struct peer *p, int status, const char *text)
{
    struct answer a = hear_answer(p);

    if (a.status != status)
        fail_msg("status %d instead of %d: %.*s", a.status, status, (int)a.len,
                 a.body ? a.body : "");
    assert_body(&a, text);
}

/* Nothing follows but the server's FIN. */
static void expect_end(struct peer *p)
{
    if (p->at < p->len || hear(p))
        fail_msg("more: %.*s", (int)(p->len - p->at), p->buf + p->at);
    assert_int_equal(p->end, 1);
}

#endif
