/*
 * response.c - what function.h offers to handle()
 *
 * Errors stick: handle() need not look at each call, and the server asks once.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bytes.h"
#include "http.h"

const char *request_field(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (strcasecmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    return NULL;
}

static void fail(struct response *response, const char *why)
{
    fprintf(stderr, "%s\n", why);
    response->failed = true;
}

static void add(struct response *response, struct bytes *to, const void *data, size_t size)
{
    if (!response->failed && !bytes_add(to, data, size))
        fail(response, "no memory for the answer");
}

static bool is_framing(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0 ||
           strcasecmp(name, "Connection") == 0;
}

void response_field(struct response *response, const char *name, const char *value)
{
    struct bytes *fields = &response->fields;

    if (!http_is_token(name)) {
        fail(response, "response_field: the name is not a token");
    } else if (!http_is_value(value)) {
        fail(response, "response_field: there is a control character in the value");
    } else if (!is_framing(name)) {
        add(response, fields, name, strlen(name));
        add(response, fields, ": ", 2);
        add(response, fields, value, strlen(value));
        add(response, fields, "\r\n", 2);
    }
}

void response_write(struct response *response, const void *data, size_t size)
{
    add(response, &response->body, data, size);
}

void response_printf(struct response *response, const char *format, ...)
{
    struct bytes *body = &response->body;
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || !bytes_reserve(body, (size_t)size + 1)) {
        fail(response, "response_printf: the text cannot be made");
        return;
    }

    va_start(args, format);
    vsnprintf(body->data + body->size, (size_t)size + 1, format, args);
    va_end(args);
    body->size += (size_t)size;
}

void response_release(struct response *response)
{
    bytes_release(&response->fields);
    bytes_release(&response->body);
}
