/*
 * traffic.h - how far the HTTP/1.1 on a connection that is passed on has come
 *
 * It reads along, changes nothing, and answers one question: is this a moment between two requests,
 * in which the server behind may be exchanged without the client noticing? After anything it does
 * not understand, and after a change of protocol, the answer is always no.
 */
#ifndef BANDOG_CLI_TRAFFIC_H
#define BANDOG_CLI_TRAFFIC_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traffic {
    llhttp_t request, response;
    bool in_request, in_response; /* a message has begun and is not complete */
    bool lost;                    /* it cannot be told any more */
    unsigned waiting; /* requests whose answer is not complete, those under way included */
    uint64_t heads;   /* the oldest in bit 0: is it a HEAD, whose answer has no body? */
};

void traffic_init(struct traffic *t);

/* What the client has sent, what the server has sent. */
void traffic_request(struct traffic *t, const char *buf, size_t len);
void traffic_response(struct traffic *t, const char *buf, size_t len);

bool traffic_is_between(const struct traffic *t);

#endif
