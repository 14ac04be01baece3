/*
 * http.h - requests and answers of HTTP/1.1 (RFC 9112) on one connection
 *
 * The peer is the watchdog, but nothing that it sends is trusted: every limit is here, and what is
 * not exactly what the RFC allows is refused. The size of a body is limited by the watchdog
 * (max_body) and by memory.
 */
#ifndef HTTP_H
#define HTTP_H

#include "bytes.h"

enum {
    HTTP_HEAD_MAX = 2 << 20, /* bytes of a head, and of trailers; the watchdog's limit is 1 MiB */
    HTTP_LINE_MAX = 4096,    /* bytes of the line before a chunk */
    HTTP_BUFFER = 16 * 1024,
};

struct http {
    int fd;
    size_t begin, end; /* in `buffer`: what has come and is not used up */
    char buffer[HTTP_BUFFER];

    /* The request under way: http_reset() ends it. */
    struct request request; /* its texts are in `head`, its body in `body` */
    struct bytes head, fields, body;
    size_t length; /* of the body, unless it is chunked */
    bool has_length, is_chunked, expects_continue, keep;
};

/* True when bytes of another request are there already. */
bool http_has_bytes(const struct http *h);

/*
 * Reads a request, whole, into h->request. Returns 0; the status that refuses it, after which the
 * connection is good for nothing but an answer; or -1 when the peer has gone.
 */
int http_receive(struct http *h);

/* Sends the answer; h->keep false tells the peer that it is the last. False: the peer has gone. */
bool http_send(struct http *h, const struct response *response);

/* Forgets the request: an idle connection holds little memory. */
void http_reset(struct http *h);

/* Of http_parse.c, which takes heads and lines apart */

bool http_is_token(const char *text);
bool http_is_value(const char *text); /* no control characters but the tab */

/*
 * Fills h->request and what follows it from h->head, a text, which it changes. Returns 0 or the
 * status that refuses it.
 */
int http_parse_head(struct http *h);

/* Reads the line before a chunk. False: it is none. */
bool http_parse_chunk(const char *line, size_t *ret_size);

#endif
