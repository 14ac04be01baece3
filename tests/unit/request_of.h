/*
 * request_of.h - an exchange without a server: its request is read from text by head.c
 */
#ifndef TESTS_UNIT_REQUEST_OF_H
#define TESTS_UNIT_REQUEST_OF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "bandog/exchange.h"
#include "watchdog/http/head.h"

static struct bd_exchange exchange;
static struct head exchange_head;
static char *exchange_text;

static void forget_exchange(void)
{
    bd_arena_release(&exchange.arena);
    free(exchange_text);
    exchange_text = NULL;
}

/* The exchange of the request that `text` is the head of, until the next call. */
static struct bd_exchange *exchange_of_bytes(const char *text, size_t len)
{
    forget_exchange();
    exchange_text = malloc(len);
    assert_non_null(exchange_text);
    memcpy(exchange_text, text, len);
    exchange = (struct bd_exchange){.began_ns = bd_now_ns()};
    bd_arena_init(&exchange.arena);
    head_init(&exchange_head, &exchange.arena, &exchange.req);
    if (head_feed(&exchange_head, exchange_text, len) != HEAD_COMPLETE)
        fail_msg("no good head: %.*s", (int)len, text);
    return &exchange;
}

static struct bd_exchange *exchange_with(const char *text)
{
    return exchange_of_bytes(text, strlen(text));
}

/* Of a simple request with these fields, each with its line end. */
static struct bd_exchange *exchange_with_fields(const char *fields)
{
    char text[4096];

    assert_true((size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n",
                                 fields) < sizeof(text));
    return exchange_with(text);
}

#endif
