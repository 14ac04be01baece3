/* Any text as the URL of an upstream. What is taken must be fit for a request line and a log. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/upstream.h"
#include "place.h"

static void check_clean(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        assert((unsigned char)s.p[i] > ' ' && (unsigned char)s.p[i] < 0x7f);
}

static void check_tcp(const struct bd_upstream *u)
{
    const struct bd_upstream_place *place = u->place;
    long port = strtol(place->port, NULL, 10);

    assert(port > 0 && port < 65536 && place->host && *place->host);
    assert(place->addresses <= PLACE_ADDRESSES_MAX && u->authority.len > 0);
    assert(!memchr(u->authority.p, '@', u->authority.len));
    assert(!memchr(u->authority.p, '/', u->authority.len));
    assert(strncmp(u->url, "http://", 7) == 0);
    check_clean(bd_slice_of(u->url));
    check_clean(u->authority);
    if (u->authorization.len > 0)
        assert(bd_slice_starts(u->authorization, BD_SLICE("Basic ")));
    free((char *)u->authority.p);
}

static void check_unix(const struct bd_upstream *u)
{
    const char *path = u->place->socket_path;

    assert(*path == '/' && strlen(path) > 1 && strlen(path) < 108);
    assert(strncmp(u->url, "http+unix:///", 13) == 0);
    assert(u->authorization.len == 0 && u->place->addresses == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = malloc(size + 1);
    struct bd_error err = {""};
    struct bd_upstream u;

    assert(url);
    if (size > 0)
        memcpy(url, data, size);
    url[size] = '\0';
    if (bd_upstream_parse(&u, url, &err)) {
        assert(strlen(err.text) > 0);
    } else {
        check_clean(u.base);
        assert(u.base.len == 0 || (*u.base.p == '/' && u.base.p[u.base.len - 1] != '/'));
        if (u.place->socket_path)
            check_unix(&u);
        else
            check_tcp(&u);
        free((char *)u.url);
        free((char *)u.base.p);
        free((char *)u.authorization.p);
        free(u.place->text);
        free(u.place);
    }
    free(url);
    return 0;
}
