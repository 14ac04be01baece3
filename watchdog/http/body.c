/*
 * body.c - see body.h
 *
 * A body of known length is only counted; chunks go through the parser that has read the head
 * (RFC 9112, section 7.1). Trailers are the message's, chunk extensions are read and dropped.
 */
#include "body.h"

#include <assert.h>
#include <string.h>

void body_init(struct body *b, struct message *msg, int64_t length)
{
    b->msg = msg;
    b->left = length;
    b->error = NULL;
}

static enum body_result count(struct body *b, char *buf, size_t len, struct bd_slice *ret_piece,
                              size_t *ret_used)
{
    size_t n = (uint64_t)b->left < len ? (size_t)b->left : len;

    b->left -= (int64_t)n;
    *ret_piece = (struct bd_slice){buf, n};
    *ret_used = n;
    return b->left == 0 ? BODY_COMPLETE : BODY_MORE;
}

static const char *error_text(const llhttp_t *parser, llhttp_errno_t err)
{
    const char *reason = llhttp_get_error_reason(parser);

    if (err == HPE_USER)
        return reason;
    if (strncmp(reason, "Missing expected CR", 19) == 0)
        return "chunked line ends with bare LF";
    if (err != HPE_INVALID_CHUNK_SIZE)
        return "malformed chunked encoding";
    return strstr(reason, "overflow") ? "http chunk length too large"
                                      : "invalid byte in chunk length";
}

static enum body_result unchunk(struct body *b, char *buf, size_t len, struct bd_slice *ret_piece,
                                size_t *ret_used)
{
    llhttp_t *parser = &b->msg->parser;
    llhttp_errno_t err;

    if (llhttp_get_errno(parser) == HPE_PAUSED)
        llhttp_resume(parser); /* it stopped at the end of the head */
    b->msg->body = buf;
    err = message_feed(b->msg, buf, len);
    *ret_piece = (struct bd_slice){buf, (size_t)(b->msg->body - buf)};
    if (err == HPE_OK) {
        *ret_used = len;
        return BODY_MORE;
    }
    if (err == HPE_PAUSED) {
        *ret_used = (size_t)(llhttp_get_error_pos(parser) - buf);
        b->left = 0;
        return BODY_COMPLETE;
    }
    *ret_used = len;
    b->error = error_text(parser, err);
    return BODY_BAD;
}

enum body_result body_feed(struct body *b, char *buf, size_t len, struct bd_slice *ret_piece,
                           size_t *ret_used)
{
    assert(!body_complete(b) && len > 0);
    switch (b->left) {
    case BODY_CHUNKED:
        return unchunk(b, buf, len, ret_piece, ret_used);
    case BODY_UNTIL_CLOSE:
        *ret_piece = (struct bd_slice){buf, len};
        *ret_used = len;
        return BODY_MORE;
    default:
        return count(b, buf, len, ret_piece, ret_used);
    }
}

size_t body_print_size_line(char line[BODY_SIZE_LINE_BYTES], size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t at = sizeof(digits), len;

    do {
        digits[--at] = hex[n & 15];
        n >>= 4;
    } while (n > 0);
    len = sizeof(digits) - at;
    memcpy(line, digits + at, len);
    memcpy(line + len, "\r\n", 2);
    return len + 2;
}
