/*
 * response.c - see response.h
 */
#include "response.h"

#include "bandog/fields.h"

void response_init(struct response *r, struct bd_arena *arena, bool to_head, size_t at)
{
    message_init(&r->msg, HTTP_RESPONSE, arena);
    r->at = r->began = at;
    r->to_head = to_head;
    r->keep_alive = false;
    r->error = NULL;
}

static enum response_result refuse(struct response *r, const char *why)
{
    r->error = why;
    return RESPONSE_BAD;
}

static bool has_no_body(const struct response *r)
{
    return r->to_head || r->pub.status < 200 || r->pub.status == 204 || r->pub.status == 304;
}

/* Transfer-Encoding is absent or exactly "chunked"; false when it is anything else. */
static bool check_codings(const struct response *r, bool *ret_chunked)
{
    unsigned found = 0;

    for (size_t i = 0; i < r->msg.fields; i++) {
        const struct bd_field *f = &r->msg.field[i];

        if (f->name.len != 17 || !bd_slice_ieq(f->name, BD_SLICE("transfer-encoding")))
            continue;
        if (++found > 1 || !bd_slice_ieq(f->value, BD_SLICE("chunked")))
            return false;
    }
    *ret_chunked = found > 0;
    return true;
}

static bool wants_keep_alive(const struct response *r)
{
    if (r->msg.parser.flags & F_CONNECTION_CLOSE)
        return false;
    return r->msg.parser.http_minor > 0 || (r->msg.parser.flags & F_CONNECTION_KEEP_ALIVE);
}

static enum response_result complete(struct response *r)
{
    const llhttp_t *parser = &r->msg.parser;
    bool chunked = false;

    r->pub = (struct bd_response){
        .status = parser->status_code,
        .reason = r->msg.reason,
        .field = r->msg.field,
        .fields = r->msg.fields,
        .declared = -1,
    };
    if (parser->http_major != 1)
        return refuse(r, "malformed answer: not HTTP/1");
    if (r->pub.status < 100 || r->pub.status > 999)
        return refuse(r, "malformed answer: no such status");
    if (!bd_connection_is_usable(r->pub.field, r->pub.fields))
        return refuse(r, "malformed answer: too many names in Connection");
    if (!check_codings(r, &chunked))
        return refuse(r, "malformed answer: unknown Transfer-Encoding");
    if (parser->flags & F_CONTENT_LENGTH) {
        if (parser->content_length > INT64_MAX)
            return refuse(r, "malformed answer: Content-Length too large");
        r->pub.declared = (int64_t)parser->content_length;
    }
    if (has_no_body(r))
        r->pub.body = 0;
    else if (chunked)
        r->pub.body = BD_BODY_CHUNKED;
    else if (r->pub.declared >= 0)
        r->pub.body = r->pub.declared;
    else
        r->pub.body = BD_BODY_UNTIL_CLOSE;
    r->keep_alive = r->pub.body != BD_BODY_UNTIL_CLOSE && wants_keep_alive(r) &&
                    !(chunked && parser->http_minor == 0); /* RFC 9112, 6.1 */
    return RESPONSE_COMPLETE;
}

enum response_result response_feed(struct response *r, const char *buf, size_t len)
{
    llhttp_errno_t err = message_feed(&r->msg, buf + r->at, len - r->at);

    if (err == HPE_OK || err == HPE_PAUSED) {
        r->at = err == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&r->msg.parser) - buf);
        if (r->at - r->began > MESSAGE_HEAD_BYTES_MAX)
            return refuse(r, "malformed answer: head too large");
    }
    if (err == HPE_OK)
        return RESPONSE_MORE;
    if (err != HPE_PAUSED)
        return refuse(r, bd_arena_printf(r->msg.arena, "malformed answer: %s",
                                         llhttp_get_error_reason(&r->msg.parser)));
    return complete(r);
}
