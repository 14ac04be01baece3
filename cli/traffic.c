/*
 * traffic.c - see traffic.h
 */
#include "traffic.h"

#include <string.h>

#define WAITING_MAX 64 /* bits of `heads` */

static int on_request_begin(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    t->in_request = true;
    return 0;
}

static int on_request_head(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    if (t->waiting == WAITING_MAX) {
        t->lost = true;
        return 0;
    }
    t->heads |= (uint64_t)(parser->method == HTTP_HEAD) << t->waiting++;
    return 0;
}

static int on_request_end(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    t->in_request = false;
    t->lost = t->lost || !llhttp_should_keep_alive(parser);
    return 0;
}

static int on_response_begin(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    t->in_response = true;
    return 0;
}

/* 1: it has no body, whatever its fields say. */
static int on_response_head(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    if (parser->status_code == 101)
        t->lost = true;
    return t->heads & 1;
}

static int on_response_end(llhttp_t *parser)
{
    struct traffic *t = parser->data;

    t->in_response = false;
    if (parser->status_code / 100 == 1) /* interim, the answer is still to come */
        return 0;
    if (t->waiting == 0) {
        t->lost = true;
        return 0;
    }
    t->waiting--;
    t->heads >>= 1;
    t->lost = t->lost || !llhttp_should_keep_alive(parser);
    return 0;
}

static const llhttp_settings_t request_settings = {
    .on_message_begin = on_request_begin,
    .on_headers_complete = on_request_head,
    .on_message_complete = on_request_end,
};

static const llhttp_settings_t response_settings = {
    .on_message_begin = on_response_begin,
    .on_headers_complete = on_response_head,
    .on_message_complete = on_response_end,
};

void traffic_init(struct traffic *t)
{
    memset(t, 0, sizeof(*t));
    llhttp_init(&t->request, HTTP_REQUEST, &request_settings);
    llhttp_init(&t->response, HTTP_RESPONSE, &response_settings);
    t->request.data = t->response.data = t;
}

static void parse(struct traffic *t, llhttp_t *parser, const char *buf, size_t len)
{
    while (!t->lost && len > 0) {
        llhttp_errno_t err = llhttp_execute(parser, buf, len);
        size_t done;

        if (err == HPE_OK)
            return;
        if (err != HPE_PAUSED_UPGRADE) {
            t->lost = true;
            return;
        }
        /* It asks for another protocol; until the server agrees this one goes on. */
        done = (size_t)(llhttp_get_error_pos(parser) - buf);
        llhttp_resume_after_upgrade(parser);
        buf += done;
        len -= done;
    }
}

void traffic_request(struct traffic *t, const char *buf, size_t len)
{
    parse(t, &t->request, buf, len);
}

void traffic_response(struct traffic *t, const char *buf, size_t len)
{
    parse(t, &t->response, buf, len);
}

bool traffic_is_between(const struct traffic *t)
{
    return !t->lost && !t->in_request && !t->in_response && t->waiting == 0;
}
