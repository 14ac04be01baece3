/*
 * response.h - an upstream's answer: bytes in, a head out
 *
 * The counterpart of head.h. What is ambiguous about framing is refused here too: a client behind
 * us must never see two answers where the upstream meant one (RFC 9112, 6.3 and 11.1).
 */
#ifndef WATCHDOG_HTTP_RESPONSE_H
#define WATCHDOG_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#include "bandog/upstream.h"
#include "message.h"

enum response_result { RESPONSE_MORE, RESPONSE_COMPLETE, RESPONSE_BAD };

struct response {
    struct message msg;
    struct bd_response pub;
    size_t began, at;  /* in the buffer: its first byte, and the first one not looked at */
    bool to_head;      /* it answers HEAD, and has no body */
    bool keep_alive;   /* the link can be used again after it */
    const char *error; /* RESPONSE_BAD: what is wrong */
};

/* Ready for an answer that begins at buf[at]. */
void response_init(struct response *r, struct bd_arena *arena, bool to_head, size_t at);

/* Looks at buf[r->at .. len). When COMPLETE, r->at is the first byte behind the head. */
enum response_result response_feed(struct response *r, const char *buf, size_t len);

#endif
