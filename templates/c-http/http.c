/*
 * http.c - the bytes of one connection
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "http.h"

enum { BODY_STEP = 64 * 1024 }; /* a body's memory grows as it comes, not as its length promises */

/* Reading */

static ssize_t receive(struct http *h, char *to, size_t room)
{
    ssize_t n;

    do
        n = recv(h->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

bool http_has_bytes(const struct http *h)
{
    return h->begin < h->end;
}

static bool fill(struct http *h)
{
    ssize_t n = receive(h, h->buffer, sizeof(h->buffer));

    h->begin = 0;
    h->end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Adds a line to `to`, with its CR LF. Returns 0, a status or -1, as http_receive() does. */
static int read_line(struct http *h, struct bytes *to, size_t max_bytes)
{
    size_t start = to->size;
    const char *line_feed;

    do {
        const char *from;
        size_t n;

        if (!http_has_bytes(h) && !fill(h))
            return -1;
        from = h->buffer + h->begin;
        line_feed = memchr(from, '\n', h->end - h->begin);
        n = line_feed ? (size_t)(line_feed - from) + 1 : h->end - h->begin;
        if (to->size + n > max_bytes)
            return 431;
        if (!bytes_add(to, from, n))
            return 503;
        h->begin += n;
    } while (!line_feed);
    return to->size - start >= 2 && to->data[to->size - 2] == '\r' ? 0 : 400;
}

/* Adds lines to `to` up to and with the empty one. */
static int read_lines(struct http *h, struct bytes *to)
{
    size_t start;
    int result;

    do {
        start = to->size;
        result = read_line(h, to, HTTP_HEAD_MAX);
    } while (result == 0 && to->size - start > 2);
    return result;
}

static int read_body(struct http *h, size_t size)
{
    struct bytes *body = &h->body;

    while (size > 0) {
        size_t n = h->end - h->begin;

        if (n > size)
            n = size;
        if (n > 0) {
            if (!bytes_add(body, h->buffer + h->begin, n))
                return 503;
            h->begin += n;
        } else {
            ssize_t got;

            if (!bytes_reserve(body, size < BODY_STEP ? size : BODY_STEP))
                return 503;
            n = body->room - body->size;
            got = receive(h, body->data + body->size, n < size ? n : size);
            if (got <= 0)
                return -1;
            n = (size_t)got;
            body->size += n;
        }
        size -= n;
    }
    return 0;
}

static int read_chunk(struct http *h, struct bytes *line, size_t *ret_size)
{
    int result;

    line->size = 0;
    result = read_line(h, line, HTTP_LINE_MAX);
    if (result)
        return result == 431 ? 400 : result;
    line->data[line->size - 2] = 0;
    if (strlen(line->data) != line->size - 2 || !http_parse_chunk(line->data, ret_size))
        return 400;
    result = read_body(h, *ret_size);
    if (result || *ret_size == 0)
        return result;

    line->size = 0;
    result = read_line(h, line, 2);
    return result == 431 ? 400 : result;
}

static int read_chunks(struct http *h)
{
    struct bytes line = {0};
    size_t size;
    int result;

    do
        result = read_chunk(h, &line, &size);
    while (result == 0 && size > 0);
    line.size = 0;
    if (result == 0)
        result = read_lines(h, &line); /* the trailers: nobody asks for them */
    bytes_release(&line);
    return result;
}

static bool write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t n = writev(fd, parts, count);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        for (; count > 0 && (size_t)n >= parts->iov_len; parts++, count--)
            n -= (ssize_t)parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return true;
}

static bool send_continue(struct http *h)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    return write_all(h->fd, &(struct iovec){text, sizeof(text) - 1}, 1);
}

int http_receive(struct http *h)
{
    int result = read_lines(h, &h->head);

    if (result == 0)
        result = bytes_add(&h->head, "", 1) ? http_parse_head(h) : 503;
    if (result)
        return result;

    if (h->expects_continue && !http_has_bytes(h) && !send_continue(h))
        return -1;
    result = h->is_chunked ? read_chunks(h) : read_body(h, h->length);
    if (result)
        return result;

    if (!bytes_reserve(&h->body, 1))
        return 503;
    h->body.data[h->body.size] = 0;
    h->request.body = h->body.data;
    h->request.body_size = h->body.size;
    return 0;
}

/* Writing */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

bool http_send(struct http *h, const struct response *response)
{
    bool is_head = h->request.method && strcmp(h->request.method, "HEAD") == 0;
    bool has_body = response->status != 204 && response->status != 304;
    char start[128], length[64] = "";
    struct iovec parts[] = {
        {start, 0},
        {response->fields.data, response->fields.size},
        {length, 0},
        {response->body.data, has_body && !is_head ? response->body.size : 0},
    };

    parts[0].iov_len =
        (size_t)snprintf(start, sizeof(start), "HTTP/1.1 %d %s\r\n%s", response->status,
                         reason(response->status), h->keep ? "" : "Connection: close\r\n");
    if (has_body)
        parts[2].iov_len = (size_t)snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n",
                                            response->body.size);
    else
        parts[2].iov_len = (size_t)snprintf(length, sizeof(length), "\r\n");
    return write_all(h->fd, parts, sizeof(parts) / sizeof(*parts));
}

void http_reset(struct http *h)
{
    bytes_release(&h->head);
    bytes_release(&h->fields);
    bytes_release(&h->body);
    h->request = (struct request){0};
    h->length = 0;
    h->has_length = h->is_chunked = h->expects_continue = h->keep = false;
}
