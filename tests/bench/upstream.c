/*
 * upstream.c - the function behind a proxy: an HTTP/1.1 server, as cheap as it can be
 *
 *     upstream PORT|/PATH...
 *
 * Listens on all addresses given, TCP on 127.0.0.1 (port 0: any free one) or unix sockets, and
 * prints `port=N` or `path=/PATH` for each. Every answer is 200, text/plain:
 *
 *     /bytes/N        N bytes
 *     /count          how many bytes the request's body had
 *     anything else   BODY
 *
 * One thread; a small request costs one epoll_wait(2), one read(2) and one send(2), and the first
 * of them is shared by all that have arrived. Only GET without a body and POST with Content-Length
 * are known, one at a time on a connection: a proxy that sends anything else ends the program,
 * which says what it was. It is killed together with the process that has started it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY "Hello, world" /* as load.c expects */
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
#define HEAD_BYTES 8192
#define BATCH 256
#define LENGTH_OF(text) (sizeof(text) - 1)

struct connection {
    int fd;
    bool listens;
    bool counts;       /* the answer is to be body_len */
    size_t len;        /* bytes in head, which is not complete */
    uint64_t to_read;  /* bytes of the request's body */
    uint64_t to_write; /* bytes of the answer's body */
    uint64_t body_len;
    char head[HEAD_BYTES + 1];
};

static const char small[] = HEAD "12\r\n\r\n" BODY;
static char large[256 * 1024], sink[256 * 1024];
static int epoll_fd;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "upstream: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

/* Level-triggered: what a short read leaves behind is reported again. */
static void watch(int operation, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(epoll_fd, operation, c->fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

static struct connection *add(int fd, bool listens)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c)
        fail("out of memory");
    c->fd = fd;
    c->listens = listens;
    watch(EPOLL_CTL_ADD, c, EPOLLIN);
    return c;
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c);
}

/* False when the connection is gone; a small answer always finds room. */
static bool write_whole(struct connection *c, const char *text, size_t len)
{
    if (send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len)
        return true;
    drop(c);
    return false;
}

static void answer_count(struct connection *c)
{
    char number[32], text[256];
    int digits = snprintf(number, sizeof(number), "%llu", (unsigned long long)c->body_len);
    int len = snprintf(text, sizeof(text), HEAD "%d\r\n\r\n%s", digits, number);

    write_whole(c, text, (size_t)len);
}

static void write_more(struct connection *c)
{
    while (c->to_write > 0) {
        size_t len = c->to_write < sizeof(large) ? (size_t)c->to_write : sizeof(large);
        ssize_t n = send(c->fd, large, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            drop(c);
            return;
        }
        c->to_write -= (uint64_t)n;
    }
    watch(EPOLL_CTL_MOD, c, EPOLLIN);
}

static void answer_bytes(struct connection *c, uint64_t bytes)
{
    char text[256];
    int len = snprintf(text, sizeof(text), HEAD "%llu\r\n\r\n", (unsigned long long)bytes);

    if (!write_whole(c, text, (size_t)len) || bytes == 0)
        return;
    c->to_write = bytes;
    watch(EPOLL_CTL_MOD, c, EPOLLOUT);
}

static void answer_post(struct connection *c)
{
    if (c->counts)
        answer_count(c);
    else
        write_whole(c, small, LENGTH_OF(small));
}

static void read_body(struct connection *c)
{
    size_t len = c->to_read < sizeof(sink) ? (size_t)c->to_read : sizeof(sink);
    ssize_t n = read(c->fd, sink, len);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->to_read -= (uint64_t)n;
    if (c->to_read == 0)
        answer_post(c);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* `rest` bytes of the body have come together with the head. */
static void start_post(struct connection *c, size_t rest)
{
    const char *value = strcasestr(c->head, "\ncontent-length:");

    if (!value)
        fail("a POST without Content-Length:\n%s", c->head);
    c->body_len = strtoull(value + LENGTH_OF("\ncontent-length:"), NULL, 10);
    if (rest > c->body_len)
        fail("more than the body after a POST:\n%s", c->head);
    c->to_read = c->body_len - rest;
    c->counts = starts(c->head + LENGTH_OF("POST "), "/count ");
    if (c->to_read == 0)
        answer_post(c);
}

static void read_head(struct connection *c)
{
    ssize_t n = read(c->fd, c->head + c->len, HEAD_BYTES - c->len);
    size_t rest;
    char *end;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->len += (size_t)n;
    c->head[c->len] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (!end) {
        if (c->len == HEAD_BYTES)
            fail("a head is too long:\n%s", c->head);
        return;
    }
    rest = c->len - (size_t)(end + 4 - c->head);
    c->len = 0;
    if (starts(c->head, "POST "))
        start_post(c, rest);
    else if (!starts(c->head, "GET ") || rest > 0)
        fail("this is not known:\n%s", c->head);
    else if (starts(c->head, "GET /bytes/"))
        answer_bytes(c, strtoull(c->head + LENGTH_OF("GET /bytes/"), NULL, 10));
    else
        write_whole(c, small, LENGTH_OF(small));
}

static void accept_one(struct connection *c)
{
    int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        add(fd, false);
    else if (errno != EAGAIN && errno != ECONNABORTED)
        fail("accept4: %s", strerror(errno));
}

static void serve(struct connection *c)
{
    if (c->listens)
        accept_one(c);
    else if (c->to_write > 0)
        write_more(c);
    else if (c->to_read > 0)
        read_body(c);
    else
        read_head(c);
}

static int listen_tcp(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    socklen_t len = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* its connections inherit it */
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        fail("cannot listen on port %s: %s", port, strerror(errno));
    printf("port=%d\n", ntohs(at.sin_port));
    return fd;
}

static int listen_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(at.sun_path))
        fail("%s is too long", path);
    strcpy(at.sun_path, path);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0)
        fail("cannot listen on %s: %s", path, strerror(errno));
    printf("path=%s\n", path);
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event event[BATCH];

    if (argc < 2) {
        fprintf(stderr, "usage: upstream PORT|/PATH...\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        fail("epoll_create1: %s", strerror(errno));
    for (int i = 1; i < argc; i++)
        add(argv[i][0] == '/' ? listen_unix(argv[i]) : listen_tcp(argv[i]), true);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, event, BATCH, -1);

        if (n < 0 && errno != EINTR)
            fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++)
            serve(event[i].data.ptr);
    }
}
