/*
 * http_parse.c - request lines, fields and the lines of chunks
 *
 * Strict, because two programs that read the same bytes in two ways can be played against each
 * other: one length or chunks, never both; no folded lines, no bare line feeds, no blank before a
 * colon.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "http.h"

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

bool http_is_token(const char *text)
{
    static const char symbols[] = "!#$%&'*+-.^_`|~";

    if (!*text)
        return false;
    for (; *text; text++) {
        bool is_letter = (*text | 0x20) >= 'a' && (*text | 0x20) <= 'z';
        bool is_digit = *text >= '0' && *text <= '9';

        if (!is_letter && !is_digit && !strchr(symbols, *text))
            return false;
    }
    return true;
}

bool http_is_value(const char *text)
{
    for (; *text; text++)
        if (is_control(*text) && *text != '\t')
            return false;
    return true;
}

static bool is_target(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (is_control(*text) || *text == ' ')
            return false;
    return true;
}

static bool has_word(const char *list, const char *word)
{
    while (*list) {
        size_t blanks = strspn(list, " \t,"), len = strcspn(list + blanks, " \t,");

        list += blanks;
        if (len == strlen(word) && strncasecmp(list, word, len) == 0)
            return true;
        list += len;
    }
    return false;
}

static bool parse_length(const char *text, size_t *ret_length)
{
    size_t length = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || length > (SIZE_MAX - 9) / 10)
            return false;
        length = length * 10 + (size_t)(*text - '0');
    }
    *ret_length = length;
    return true;
}

bool http_parse_chunk(const char *line, size_t *ret_size)
{
    static const char digits[] = "0123456789abcdef";
    const char *start = line, *digit;
    size_t size = 0;

    while (*line && (digit = strchr(digits, *line >= 'A' && *line <= 'F' ? *line | 0x20 : *line))) {
        if (size > SIZE_MAX >> 4)
            return false;
        size = size * 16 + (size_t)(digit - digits);
        line++;
    }
    *ret_size = size;
    /* What is behind a semicolon are extensions, which may be ignored. */
    return line > start && (!*line || (*line == ';' && http_is_value(line)));
}

static int parse_request_line(struct http *h, char *line)
{
    char *target = strchr(line, ' '), *version, *query;

    if (!target)
        return 400;
    *target++ = 0;
    version = strchr(target, ' ');
    if (!version)
        return 400;
    *version++ = 0;
    if (!http_is_token(line) || !is_target(target))
        return 400;
    if (strncmp(version, "HTTP/", 5) != 0)
        return 400;
    if (strcmp(version, "HTTP/1.1") == 0)
        h->keep = true;
    else if (strcmp(version, "HTTP/1.0") != 0)
        return 505;

    query = strchr(target, '?');
    if (query)
        *query++ = 0;
    h->request.method = line;
    h->request.path = target;
    h->request.query = query ? query : "";
    return 0;
}

/* What a field says about the message itself. */
static int interpret(struct http *h, const struct field *f)
{
    if (strcasecmp(f->name, "Content-Length") == 0) {
        if (h->has_length || !parse_length(f->value, &h->length))
            return 400;
        h->has_length = true;
    } else if (strcasecmp(f->name, "Transfer-Encoding") == 0) {
        if (h->is_chunked)
            return 400;
        if (strcasecmp(f->value, "chunked") != 0)
            return 501;
        h->is_chunked = true;
    } else if (strcasecmp(f->name, "Connection") == 0) {
        h->keep = h->keep && !has_word(f->value, "close");
    } else if (strcasecmp(f->name, "Expect") == 0) {
        h->expects_continue = strcasecmp(f->value, "100-continue") == 0;
    }
    return 0;
}

static int parse_field(struct http *h, char *line)
{
    char *value = strchr(line, ':'), *end;
    struct field field;

    if (!value)
        return 400;
    *value++ = 0;
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && strchr(" \t", end[-1]); end--)
        end[-1] = 0;
    if (!http_is_token(line) || !http_is_value(value))
        return 400;
    field = (struct field){line, value};
    if (!bytes_add(&h->fields, &field, sizeof(field)))
        return 503;
    return interpret(h, &field);
}

int http_parse_head(struct http *h)
{
    char *line = h->head.data, *next;
    bool is_http_1_1;
    int status;

    if (strlen(line) != h->head.size - 1)
        return 400;
    next = strstr(line, "\r\n");
    *next = 0;
    status = parse_request_line(h, line);
    is_http_1_1 = h->keep;
    for (line = next + 2; !status && *line != '\r'; line = next + 2) {
        next = strstr(line, "\r\n");
        *next = 0;
        status = parse_field(h, line);
    }
    if (!status && h->is_chunked && (h->has_length || !is_http_1_1))
        status = 400;
    h->expects_continue = h->expects_continue && is_http_1_1;
    h->request.fields = (const struct field *)h->fields.data;
    h->request.field_count = h->fields.size / sizeof(struct field);
    return status;
}
