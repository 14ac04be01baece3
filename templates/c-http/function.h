/*
 * function.h - what a function in C is: handle() below, and what it is given
 *
 * handle() runs for several requests at a time, each in a thread of its own with a stack of 1 MiB.
 * Everything here belongs to the server and lasts as long as the call: copy what you want to keep.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include <stdbool.h>
#include <stddef.h>

struct field {
    const char *name, *value;
};

struct request {
    const char *method; /* as sent, such as "GET" */
    const char *path;   /* as sent, not decoded, up to the '?' */
    const char *query;  /* what is behind the '?'; "" when there is nothing */
    const struct field *fields;
    size_t field_count;
    const char *body; /* any bytes; a 0 that does not count is behind them. Never NULL */
    size_t body_size;
};

struct bytes {
    char *data; /* NULL while room is 0 */
    size_t size, room;
};

struct response {
    int status;          /* 200 to 599; 200 unless you set another */
    struct bytes fields; /* lines as they are sent: see response_field() */
    struct bytes body;
    bool failed; /* sent as 500: something below did not succeed, and said why on stderr */
};

/* Yours: answers `request` in `response`. */
void handle(const struct request *request, struct response *response);

/* The value of the first field called `name`, in any case; NULL when there is none. */
const char *request_field(const struct request *request, const char *name);

/*
 * Adds a field. A name that is no token or a value with a control character in it makes the answer
 * a 500. Content-Length, Transfer-Encoding and Connection are the server's own: yours are left out.
 */
void response_field(struct response *response, const char *name, const char *value);

/* Adds bytes to the body. */
void response_write(struct response *response, const void *data, size_t size);

/* Adds text to the body, made as by printf(3). */
void response_printf(struct response *response, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For tests of handle(), which begin with a `struct response` of {.status = 200}. */
void response_release(struct response *response);

#endif
