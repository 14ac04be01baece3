/*
 * environ.h - a request as environment variables of its process
 */
#ifndef MODES_ENVIRON_H
#define MODES_ENVIRON_H

#include <stddef.h>

#include "bandog/exchange.h"

enum environ_flag {
    ENVIRON_REQUEST = 1, /* the Http_* set at all */
    ENVIRON_CLASSIC = 2, /* with Http_Host, Http_ContentLength and Http_Content_Length always */
    ENVIRON_CGI = 4,     /* and the meta-variables of RFC 3875 */
};

/* The watchdog's own environment, sorted out once. */
struct environ_base {
    char **plain; /* rows no request can replace */
    size_t plains;
    char **http; /* inherited Http_ rows: replaced by a request's of the same name */
    size_t https;
    size_t bytes; /* all of them, as execve(2) counts */
};

/*
 * Takes the strings as they are in `rows` (they must stay). With ENVIRON_CGI those are left out
 * that a program would take for a request's.
 */
void environ_init(struct environ_base *base, char *const *rows, unsigned flags);

enum environ_result {
    ENVIRON_OK,
    ENVIRON_TARGET_TOO_LONG, /* execve(2) would refuse it: 414 */
    ENVIRON_FIELDS_TOO_LONG, /* the same: 431 */
    ENVIRON_NUL,             /* %00 in the path cannot be passed on */
};

/* Builds envp in the exchange's arena. */
enum environ_result environ_build(char ***ret_envp, const struct environ_base *base,
                                  struct bd_exchange *x, unsigned flags);

/* "content-type" to "Content-Type", in the arena: the form Go gives to field names. */
struct bd_slice environ_canonical(struct bd_arena *arena, struct bd_slice name);

#endif
