#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listener.h"

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static bool parse_port(const char *text, in_port_t *ret_port)
{
    char *end;
    long port = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;

    if (port < 1 || port > 65535 || (*end && *end != '/'))
        return false;
    *ret_port = htons((in_port_t)port);
    return true;
}

/* Numbers only: a static program has no resolver to rely on. */
static socklen_t parse_tcp(const char *rest, union address *a)
{
    bool is_six = *rest == '[';
    size_t len = strcspn(rest += is_six, is_six ? "]" : ":");
    const char *port = rest + len + is_six;
    char host[INET6_ADDRSTRLEN];

    if (len >= sizeof(host) || !rest[len] || *port != ':')
        return 0;
    memcpy(host, rest, len);
    host[len] = 0;
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");

    *a = (union address){0};
    if (is_six) {
        a->in6.sin6_family = AF_INET6;
        return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1 &&
                       parse_port(port + 1, &a->in6.sin6_port)
                   ? sizeof(a->in6)
                   : 0;
    }
    a->in.sin_family = AF_INET;
    return inet_pton(AF_INET, host, &a->in.sin_addr) == 1 && parse_port(port + 1, &a->in.sin_port)
               ? sizeof(a->in)
               : 0;
}

static socklen_t parse_unix(const char *path, union address *a)
{
    size_t len = strlen(path);

    *a = (union address){.un.sun_family = AF_UNIX};
    if (*path != '/' || !path[1] || len >= sizeof(a->un.sun_path) || strchr(path, '%'))
        return 0;
    memcpy(a->un.sun_path, path, len);
    return sizeof(a->un);
}

static socklen_t parse(const char *url, union address *a)
{
    if (strncmp(url, "http+unix://", 12) == 0)
        return parse_unix(url + 12, a);
    if (strncmp(url, "http://", 7) == 0)
        return parse_tcp(url + 7, a);
    return 0;
}

int listener_open(const char *upstream_url)
{
    union address a;
    socklen_t len = parse(upstream_url ? upstream_url : "", &a);
    int fd, on = 1;

    if (!len) {
        fprintf(stderr,
                "upstream_url must be http+unix:///PATH or http://ADDRESS:PORT, not \"%s\"\n",
                upstream_url ? upstream_url : "");
        return -1;
    }

    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a.any.sa_family == AF_UNIX)
        unlink(a.un.sun_path); /* that of a process that was killed is still there */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, &a.any, len) < 0 || listen(fd, SOMAXCONN) < 0) {
        fprintf(stderr, "cannot listen at %s: %s\n", upstream_url, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

void listener_close(int fd)
{
    union address a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, &a.any, &len) == 0 && a.any.sa_family == AF_UNIX)
        unlink(a.un.sun_path);
    close(fd);
}
