/*
 * place.h - where an upstream listens
 */
#ifndef WATCHDOG_HTTP_PLACE_H
#define WATCHDOG_HTTP_PLACE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define PLACE_ADDRESSES_MAX 8

union place_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct bd_upstream_place {
    char *text;              /* what the others point into */
    const char *socket_path; /* of a unix socket; NULL: TCP */
    const char *host, *port; /* TCP */
    /* Known from the start: an IP address, or localhost. Else the name has to be looked up. */
    union place_address address[PLACE_ADDRESSES_MAX];
    unsigned addresses;
};

#endif
