/*
 * head.c - see head.h
 *
 * RFC 9112 sections 2 to 6 for the grammar. Where that leaves a choice the strict one is taken:
 * whatever two parsers on a path could read differently (bare LF, folded fields, both framings,
 * repeated lengths) is refused, since that is what request smuggling is made of.
 */
#include "head.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "bandog/fields.h"
#include "target.h"

/* token characters of RFC 9110, 5.6.2 */
static bool is_token_byte(unsigned char c)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";

    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr(extra, c));
}

/* host and port, as far as any of them is ever written: RFC 3986, 3.2.2 */
static bool is_host_byte(unsigned char c)
{
    static const char extra[] = "!$%&'()*+,-.:;=[]_~";

    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr(extra, c));
}

static enum head_result refuse(struct head *h, int status, const char *detail)
{
    h->refusal = (struct head_refusal){status, detail};
    return HEAD_BAD;
}

/* What the fields say together */

static enum head_result check_host(struct head *h)
{
    bool found = false;

    for (size_t i = 0; i < h->msg.fields; i++) {
        struct bd_slice v = h->msg.field[i].value;

        if (!bd_slice_ieq(h->msg.field[i].name, BD_SLICE("host")))
            continue;
        if (found)
            return refuse(h, 400, NULL);
        found = true;
        for (size_t j = 0; j < v.len; j++)
            if (!is_host_byte((unsigned char)v.p[j]))
                return refuse(h, 400, "malformed Host header");
        if (h->req->host.len == 0)
            h->req->host = v;
    }
    if (!found && h->req->minor > 0)
        return refuse(h, 400, "missing required Host header");
    return HEAD_COMPLETE;
}

/* "close" or "keep-alive" anywhere in Connection; llhttp has collected them as flags. */
static bool wants_keep_alive(const struct head *h)
{
    if (h->msg.parser.flags & F_CONNECTION_CLOSE)
        return false;
    return h->req->minor > 0 || (h->msg.parser.flags & F_CONNECTION_KEEP_ALIVE);
}

static enum head_result check_framing(struct head *h)
{
    struct bd_request *r = h->req;
    unsigned codings = 0;

    if (!bd_connection_is_usable(h->msg.field, h->msg.fields))
        return refuse(h, 400, NULL);
    for (size_t i = 0; i < h->msg.fields; i++) {
        if (!bd_slice_ieq(h->msg.field[i].name, BD_SLICE("transfer-encoding")))
            continue;
        if (++codings > 1 || !bd_slice_ieq(h->msg.field[i].value, BD_SLICE("chunked")))
            return refuse(h, 501, "Unsupported transfer encoding");
    }
    if (codings > 0 && r->minor == 0)
        return refuse(h, 400, NULL); /* RFC 9112, 6.1 */
    r->chunked = codings > 0;
    if (r->chunked)
        r->content_length = -1;
    else if (h->msg.parser.content_length > INT64_MAX)
        return refuse(h, 400, NULL);
    else
        r->content_length = (int64_t)h->msg.parser.content_length;
    return HEAD_COMPLETE;
}

static enum head_result check_expect(struct head *h)
{
    const struct bd_field *expect = bd_request_field(h->req, BD_SLICE("expect"));

    if (!expect)
        return HEAD_COMPLETE;
    if (!bd_slice_ieq(expect->value, BD_SLICE("100-continue")))
        return refuse(h, 417, NULL);
    h->expect_continue = h->req->minor > 0 && h->req->content_length != 0;
    return HEAD_COMPLETE;
}

/* Scheme and authority of an absolute-form target (RFC 9112, 3.2.2); false when it is none. */
static bool cut_authority(struct bd_request *r, struct bd_slice *rest)
{
    size_t i = 0;

    while (i < rest->len && is_token_byte((unsigned char)rest->p[i]))
        i++;
    if (i == 0 || rest->len - i < 3 || memcmp(rest->p + i, "://", 3) != 0)
        return false;
    rest->p += i + 3;
    rest->len -= i + 3;
    for (i = 0; i < rest->len && rest->p[i] != '/' && rest->p[i] != '?'; i++)
        if (!is_host_byte((unsigned char)rest->p[i]) && rest->p[i] != '@')
            return false;
    if (i == 0 || rest->p[i - 1] == '@')
        return false; /* RFC 9110, 4.2.1: no host, no http URI */
    r->host = (struct bd_slice){rest->p, i};
    rest->p += i;
    rest->len -= i;
    return true;
}

/* Fills path, query and, from an absolute form, host. */
static bool split_target(struct bd_request *r)
{
    struct bd_slice rest = r->target;

    if (bd_slice_eq(r->method, BD_SLICE("CONNECT")) || bd_slice_eq(rest, BD_SLICE("*"))) {
        r->path = rest; /* authority-form and asterisk-form name no resource */
        return true;
    }
    if (rest.p[0] != '/' && !cut_authority(r, &rest))
        return false;
    return target_split(r, rest);
}

static enum head_result complete(struct head *h)
{
    struct bd_request *r = h->req;
    enum head_result result;

    r->minor = h->msg.parser.http_minor;
    r->field = h->msg.field;
    r->fields = h->msg.fields;
    h->client_keep_alive = wants_keep_alive(h);
    if (h->msg.parser.http_major == 2)
        return refuse(h, 505, NULL);
    if (h->msg.parser.http_major != 1 || r->minor > 1)
        return refuse(h, 400, NULL);
    if (!split_target(r))
        return refuse(h, 400, NULL);
    result = check_host(h);
    if (result == HEAD_COMPLETE)
        result = check_framing(h);
    return result == HEAD_COMPLETE ? check_expect(h) : result;
}

/* The steps */

static enum head_result skip_empty_lines(struct head *h, const char *buf, size_t len)
{
    while (h->at < len && (buf[h->at] == '\r' || buf[h->at] == '\n')) {
        if (buf[h->at] == '\n' && (h->at == 0 || buf[h->at - 1] != '\r'))
            return refuse(h, 400, NULL);
        if (buf[h->at] == '\r' && h->at > 0 && buf[h->at - 1] == '\r')
            return refuse(h, 400, NULL);
        h->at++;
    }
    if (h->at == len)
        return HEAD_MORE;
    if (h->at > 0 && buf[h->at - 1] == '\r')
        return refuse(h, 400, NULL);
    h->step = HEAD_METHOD;
    h->req->method.p = buf + h->at;
    return HEAD_COMPLETE;
}

/* A word of the request line: bytes that are `good` up to one blank. */
static enum head_result take_word(struct head *h, const char *buf, size_t len,
                                  bool good(unsigned char), struct bd_slice *word)
{
    while (h->at < len && good((unsigned char)buf[h->at]))
        h->at++;
    word->len = (size_t)(buf + h->at - word->p);
    if (h->at == len)
        return HEAD_MORE;
    if (buf[h->at] != ' ' || word->len == 0)
        return refuse(h, 400, NULL);
    return HEAD_COMPLETE;
}

static enum head_result begin_fields(struct head *h, const char *buf, size_t len)
{
    static const char line[] = "POST / ";
    llhttp_errno_t err;

    if (h->at == len)
        return HEAD_MORE;
    if (buf[h->at] != 'H')
        return refuse(h, 400, NULL); /* llhttp skips blanks, and knows RTSP and ICE too */

    /* llhttp never sees the real method and target, only what follows them. */
    err = message_feed(&h->msg, line, sizeof(line) - 1);
    assert(err == HPE_OK);
    (void)err;
    h->step = HEAD_FIELDS;
    return HEAD_COMPLETE;
}

/* Is it a blank in a name, or between it and its colon? (RFC 9112, 5.1) */
static bool has_blank_before_colon(const char *buf, const char *pos, const char *end)
{
    if (pos == buf || pos >= end || (*pos != ' ' && *pos != '\t') ||
        !is_token_byte((unsigned char)pos[-1]))
        return false;
    while (pos < end && *pos != ':' && *pos != '\r')
        pos++;
    return pos < end && *pos == ':';
}

/* What llhttp did not like, as a status and a detail. */
static enum head_result refuse_fields(struct head *h, llhttp_errno_t err, const char *buf,
                                      size_t len)
{
    const char *pos = llhttp_get_error_pos(&h->msg.parser);

    switch ((int)err) {
    case HPE_INVALID_VERSION:
        return refuse(h, h->msg.parser.http_major >= 2 || h->msg.parser.http_minor > 1 ? 505 : 400,
                      NULL);
    case HPE_INVALID_TRANSFER_ENCODING:
        if (h->msg.parser.flags & F_CONTENT_LENGTH)
            return refuse(h, 400, NULL); /* both framings */
        return refuse(h, 501, "Unsupported transfer encoding");
    case HPE_INVALID_HEADER_TOKEN:
        if (has_blank_before_colon(buf, pos, buf + len))
            return refuse(h, 400, "invalid header name");
        return refuse(h, 400, NULL);
    default:
        return refuse(h, 400, NULL);
    }
}

static enum head_result take_fields(struct head *h, const char *buf, size_t len)
{
    llhttp_errno_t err = message_feed(&h->msg, buf + h->at, len - h->at);

    if (err == HPE_OK) {
        h->at = len;
        return HEAD_MORE;
    }
    if (err != HPE_PAUSED)
        return refuse_fields(h, err, buf, len);
    h->at = (size_t)(llhttp_get_error_pos(&h->msg.parser) - buf);
    return h->at > HEAD_BYTES_MAX ? refuse(h, 431, NULL) : complete(h);
}

void head_init(struct head *h, struct bd_arena *arena, struct bd_request *req)
{
    message_init(&h->msg, HTTP_REQUEST, arena);
    h->step = HEAD_EMPTY_LINE;
    h->at = 0;
    h->req = req;
    h->refusal = (struct head_refusal){0, NULL};
    h->client_keep_alive = false;
    h->expect_continue = false;
    *req = (struct bd_request){.minor = 1};
}

enum head_result head_feed(struct head *h, const char *buf, size_t len)
{
    for (;;) {
        enum head_step step = h->step;
        enum head_result result = HEAD_BAD;

        switch (step) {
        case HEAD_EMPTY_LINE:
            result = skip_empty_lines(h, buf, len);
            break;
        case HEAD_METHOD:
            result = take_word(h, buf, len, is_token_byte, &h->req->method);
            if (result == HEAD_COMPLETE) {
                h->at++;
                h->req->target.p = buf + h->at;
                h->step = HEAD_TARGET;
            }
            break;
        case HEAD_TARGET:
            result = take_word(h, buf, len, is_target_byte, &h->req->target);
            if (result == HEAD_COMPLETE) {
                h->at++;
                h->step = HEAD_VERSION;
            }
            break;
        case HEAD_VERSION:
            result = begin_fields(h, buf, len);
            break;
        case HEAD_FIELDS:
            result = take_fields(h, buf, len);
            break;
        }
        if (result == HEAD_MORE && len > HEAD_BYTES_MAX)
            return refuse(h, 431, NULL);
        if (result != HEAD_COMPLETE || step == HEAD_FIELDS)
            return result;
    }
}

void head_moved(struct head *h, const char *from, size_t len, const char *to)
{
    struct bd_request *r = h->req;

    /* The "/" of an absolute form without a path is a constant and stays. */
    message_slice_moved(&r->method, from, len, to);
    message_slice_moved(&r->target, from, len, to);
    message_slice_moved(&r->path, from, len, to);
    message_slice_moved(&r->query, from, len, to);
    message_slice_moved(&r->host, from, len, to);
    message_moved(&h->msg, from, len, to);
}
