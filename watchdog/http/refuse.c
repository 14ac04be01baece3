/*
 * refuse.c - see refuse.h
 *
 * The words are those of Go's server, which clients and tests of existing functions have seen.
 */
#include "refuse.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "status.h"

void refuse_head(struct conn *c, int status, const char *detail)
{
    struct bd_arena *arena = &c->x->pub.arena;
    struct bd_slice date = host_date(c->host);
    const char *reason = status_reason(status);
    char *phrase, *body, *text;
    uv_buf_t buf;

    if (status == 505)
        detail = "unsupported protocol version";
    phrase = bd_arena_printf(arena, "%d %s%s%s", status, reason, detail ? ": " : "",
                             detail ? detail : "");
    body = phrase;
    if (status == 501) {
        phrase = bd_arena_printf(arena, "%d %s", status, reason);
        body = (char *)detail;
    } else if (status == 417) {
        body = "";
    }
    text = bd_arena_printf(arena,
                           "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n"
                           "Date: %.*s\r\n\r\n%s",
                           phrase, *body ? "Content-Type: text/plain; charset=utf-8\r\n" : "",
                           strlen(body), (int)date.len, date.p, body);
    buf = uv_buf_init(text, (unsigned)strlen(text));
    conn_write(c, &buf, 1);
}
