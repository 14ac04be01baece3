/*
 * upstream.c - the address of an upstream: bd_upstream_parse()
 *
 * Runs at start, so memory comes from malloc and is never freed.
 */
#include "bandog/upstream.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "bandog/base64.h"
#include "bandog/log.h"
#include "place.h"

static char *copy(const char *p, size_t len)
{
    char *to = malloc(len + 1);

    if (!to)
        abort();
    memcpy(to, p, len);
    to[len] = '\0';
    return to;
}

static struct bd_slice joined(const char *a, const char *b, const char *c)
{
    size_t len = strlen(a) + strlen(b) + strlen(c);
    char *to = malloc(len + 1);

    if (!to)
        abort();
    snprintf(to, len + 1, "%s%s%s", a, b, c);
    return (struct bd_slice){to, len};
}

/* In place. False on a bad escape, or one of NUL. */
static bool decode(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (*s != '%') {
            *to++ = *s;
            continue;
        }
        if (!bd_is_hex(s[1]) || !bd_is_hex(s[2]) || bd_hex_byte(s + 1) == 0)
            return false;
        *to++ = (char)bd_hex_byte(s + 1);
        s += 2;
    }
    *to = '\0';
    return true;
}

/* RFC 7617: user and password, decoded, in base64. */
static struct bd_slice basic(const char *userinfo)
{
    const unsigned char *in = (const unsigned char *)userinfo;
    size_t len = strlen(userinfo);
    char *text = malloc(6 + (len + 2) / 3 * 4), *to;

    if (!text)
        abort();
    to = bd_slice_put(text, BD_SLICE("Basic "));
    for (size_t i = 0; i < len; i += 3)
        to = bd_base64_put(to, in + i, len - i < 3 ? len - i : 3);
    return (struct bd_slice){text, (size_t)(to - text)};
}

/* Bytes that may stand in a request line and in a log as they are. */
static bool is_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
            return false;
    return true;
}

/* "/a/b/" means what "/a/b" does: a target, which begins with '/', follows. */
static struct bd_slice base_of(const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    return (struct bd_slice){copy(path, len), len};
}

/* Unix sockets */

static int parse_unix(struct bd_upstream *u, const char *rest, struct bd_error *err)
{
    const char *slash = strchr(rest, '/');
    size_t len = slash && slash != rest ? (size_t)(slash - rest) : strlen(rest);
    char *path = u->place->text = copy(rest, len), shown[512];

    if (!decode(path) || *path != '/' || !path[1])
        return bd_fail(err, "names no socket; allowed: http+unix:///path/of/socket");
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return bd_fail(err, "names a socket with too long a path; at most %zu bytes are possible",
                       sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    u->place->socket_path = path;
    u->base = base_of(rest + len);
    u->authority = BD_SLICE("localhost");
    u->url = joined("http+unix://", bd_printable_text(shown, sizeof(shown), path), u->base.p).p;
    return 0;
}

/* TCP */

static void add_address(struct bd_upstream_place *place, const char *ip, int port)
{
    union place_address *a = &place->address[place->addresses];

    if (uv_ip4_addr(ip, port, &a->four) == 0 || uv_ip6_addr(ip, port, &a->six) == 0)
        place->addresses++;
}

static bool parse_port(const char *text, int *ret_port)
{
    int port = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (*text - '0');
        if (port > 65535)
            return false;
    }
    *ret_port = port;
    return port > 0;
}

static bool is_name(const char *host)
{
    if (!*host || strlen(host) > 253)
        return false;
    for (; *host; host++)
        if (!(*host >= '0' && *host <= '9') && !(*host >= 'a' && *host <= 'z') &&
            !(*host >= 'A' && *host <= 'Z') && *host != '-' && *host != '.' && *host != '_')
            return false;
    return true;
}

/* "host", "host:port" or "[v6]:port" into its parts, which are cut out of `authority`. */
static bool split_authority(char *authority, const char **ret_host, const char **ret_port)
{
    char *end = authority, *colon;

    *ret_port = "80";
    *ret_host = authority;
    if (*authority == '[') {
        end = strchr(authority, ']');
        if (!end)
            return false;
        *ret_host = authority + 1;
        *end++ = '\0';
        if (*end != '\0' && *end != ':')
            return false;
    }
    colon = strchr(end, ':');
    if (colon) {
        *colon = '\0';
        *ret_port = colon + 1;
    }
    return true;
}

static int parse_tcp(struct bd_upstream *u, const char *rest, struct bd_error *err)
{
    size_t len = strcspn(rest, "/");
    struct bd_upstream_place *place = u->place;
    char *text = place->text = copy(rest, len), *at = strrchr(text, '@');
    const char *authority = at ? rest + (at - text) + 1 : rest;
    bool six = *authority == '[', has_password;
    int port;

    if (at)
        *at = '\0';
    has_password = at && strchr(text, ':');
    if (at && !decode(text))
        return bd_fail(err, "has a bad escape in its user or password");
    if (!split_authority(at ? at + 1 : text, &place->host, &place->port) ||
        !parse_port(place->port, &port))
        return bd_fail(err, "has no valid port; allowed: http://HOST:PORT with PORT 1 to 65535");
    if (strcmp(place->host, "localhost") == 0) { /* without asking: there may be no /etc/hosts */
        add_address(place, "127.0.0.1", port);
        add_address(place, "::1", port);
    } else {
        add_address(place, place->host, port);
    }
    if (six ? place->addresses == 0 || place->address->any.sa_family != AF_INET6
            : place->addresses == 0 && !is_name(place->host))
        return bd_fail(err, "names no host; allowed: http://HOST:PORT");
    if (at) {
        struct bd_slice userinfo = joined(text, has_password ? "" : ":", "");

        u->authorization = basic(userinfo.p);
        free((char *)userinfo.p);
    }
    u->authority = bd_slice_of(copy(authority, (size_t)(rest + len - authority)));
    u->base = base_of(rest + len);
    u->url = joined("http://", u->authority.p, u->base.p).p;
    return 0;
}

int bd_upstream_parse(struct bd_upstream *ret_upstream, const char *url, struct bd_error *err)
{
    struct bd_upstream u = {0};
    int result;

    if (!is_clean(url))
        return bd_fail(err, "has a blank, a control character or a byte that is not ASCII");
    if (strchr(url, '?') || strchr(url, '#'))
        return bd_fail(err, "has a query or fragment; the request's own is what is sent");
    u.place = calloc(1, sizeof(*u.place));
    if (!u.place)
        abort();
    if (strncmp(url, "http://", 7) == 0)
        result = parse_tcp(&u, url + 7, err);
    else if (strncmp(url, "http+unix://", 12) == 0)
        result = parse_unix(&u, url + 12, err);
    else if (strncmp(url, "https://", 8) == 0)
        result = bd_fail(err, "asks for TLS, which this program does not speak; allowed: "
                              "http://HOST:PORT or http+unix:///path/of/socket");
    else
        result = bd_fail(err, "is no URL that can be called; allowed: http://HOST:PORT or "
                              "http+unix:///path/of/socket");
    if (result == 0) {
        *ret_upstream = u;
    } else {
        free(u.place->text);
        free(u.place);
    }
    return result;
}
