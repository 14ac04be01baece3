/*
 * reply.c - see reply.h
 */
#include "reply.h"

#include <assert.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "status.h"

#define TAIL_BYTES 192  /* what the engine adds to a head, about */
#define COPY_BYTES 512  /* of body: a copy is cheaper than an iovec more */
#define HEAD_BYTES 512  /* most heads are shorter */
#define INTERIMS_MAX 16 /* of an exchange: each needs memory until its end */

/* Room for `len` more bytes behind what is there; returns where they go. */
static char *reserve(struct exchange *x, size_t len)
{
    struct reply *r = &x->reply;

    if (r->room - r->len < len) {
        size_t room = r->room ? (r->room + len) * 2 : HEAD_BYTES + len;
        char *out = bd_arena_alloc(&x->pub.arena, room);

        if (r->len > 0)
            memcpy(out, r->out, r->len);
        r->out = out;
        r->room = room;
    }
    return r->out + r->len;
}

static void put(struct exchange *x, const char *p, size_t len)
{
    bd_slice_put(reserve(x, len), (struct bd_slice){p, len});
    x->reply.len += len;
}

/* May it hold CR, LF or NUL? Looks at eight bytes at a time, for any below 14. */
static bool is_suspicious(struct bd_slice value)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t found = 0, word;
    size_t i = 0;

    for (; i + 8 <= value.len; i += 8) {
        memcpy(&word, value.p + i, 8);
        found |= (word - ones * 14) & ~word & ones * 128;
    }
    for (; i < value.len; i++)
        found |= (unsigned char)value.p[i] < 14;
    return found != 0;
}

/* A line break in a value would begin a field of its own (RFC 9110, 5.5). */
static char *put_value(char *to, struct bd_slice value)
{
    char *end = bd_slice_put(to, value);

    if (is_suspicious(value))
        for (; to < end; to++)
            if (*to == '\r' || *to == '\n' || *to == '\0')
                *to = ' ';
    return end;
}

/* Nothing reads a reason phrase but people, on terminals (RFC 9112, 4). */
static void put_reason(char *to, struct bd_slice reason)
{
    for (size_t i = 0; i < reason.len; i++)
        to[i] = (unsigned char)reason.p[i] < 0x20 || reason.p[i] == 0x7f ? ' ' : reason.p[i];
}

static void put_text(struct exchange *x, const char *text)
{
    put(x, text, strlen(text));
}

static void put_number(struct exchange *x, int64_t n)
{
    char room[20];
    struct bd_slice digits = bd_slice_digits(room + sizeof(room), (uint64_t)n);

    assert(n >= 0);
    put(x, digits.p, digits.len);
}

static struct bd_slice standard_reason(struct exchange *x, int status)
{
    const char *reason = status_reason(status);

    return bd_slice_of(reason ? reason : bd_arena_printf(&x->pub.arena, "status code %d", status));
}

static void put_status_line(struct exchange *x, int status, struct bd_slice reason)
{
    put_text(x, x->pub.req.minor > 0 ? "HTTP/1.1 " : "HTTP/1.0 ");
    put_number(x, status);
    put(x, " ", 1);
    put_reason(reserve(x, reason.len), reason);
    x->reply.len += reason.len;
    put(x, "\r\n", 2);
}

static void put_fields(struct exchange *x, const struct bd_field *field, size_t fields)
{
    size_t bytes = 0;
    char *to;

    for (size_t i = 0; i < fields; i++)
        bytes += field[i].name.len + field[i].value.len + 4;
    to = reserve(x, bytes + TAIL_BYTES);
    for (size_t i = 0; i < fields; i++) {
        to = bd_slice_put(to, field[i].name);
        to = bd_slice_put(to, BD_SLICE(": "));
        to = put_value(to, field[i].value);
        to = bd_slice_put(to, BD_SLICE("\r\n"));
    }
    x->reply.len += bytes;
}

/* Framing */

bool reply_has_no_body(const struct exchange *x)
{
    return x->pub.status == 204 || x->pub.status == 304 || bd_is_head(&x->pub);
}

/* `whole`: everything there will ever be is in `held`. */
static void decide_framing(struct exchange *x, bool whole)
{
    struct reply *r = &x->reply;

    if (whole && r->length == BD_LENGTH_UNKNOWN)
        r->length = x->pub.sent_bytes;
    if (r->framing == REPLY_RAW)
        return;
    if (reply_has_no_body(x))
        r->framing = REPLY_EMPTY;
    else if (r->length >= 0)
        r->framing = REPLY_LENGTH;
    else
        r->framing = x->pub.req.minor > 0 ? REPLY_CHUNKED : REPLY_CLOSE;
}

static bool can_keep_alive(const struct exchange *x)
{
    if (!x->head.client_keep_alive || x->host->draining || x->close)
        return false;
    if (x->reply.framing == REPLY_CLOSE || x->reply.framing == REPLY_RAW || x->expect_continue)
        return false;
    /* A long upload that nobody is going to read. */
    return x->reply.length < 0 || x->body.left <= CONN_DROP_BYTES_MAX;
}

static void put_framing(struct exchange *x)
{
    struct reply *r = &x->reply;

    if (r->framing == REPLY_CHUNKED) {
        put_text(x, "Transfer-Encoding: chunked\r\n");
    } else if (r->length >= 0 && r->framing != REPLY_CLOSE && x->pub.status != 204 &&
               (x->pub.status != 304 || r->length > 0)) {
        put_text(x, "Content-Length: ");
        put_number(x, r->length);
        put(x, "\r\n", 2);
    }
    r->keep_alive = can_keep_alive(x);
    if (r->framing == REPLY_RAW)
        put_text(x, "Connection: Upgrade\r\n");
    else if (!r->keep_alive)
        put_text(x, "Connection: close\r\n");
    else if (x->pub.req.minor == 0)
        put_text(x, "Connection: keep-alive\r\n");
}

/* Completes the head and puts the held piece behind it. */
static void seal(struct exchange *x, bool whole)
{
    struct reply *r = &x->reply;

    assert(r->begun && !r->out_sealed);
    bd_turn_cancel(&r->flush);
    decide_framing(x, whole);
    put_framing(x);
    if (!r->dated) {
        struct bd_slice date = host_date(x->host);

        put_text(x, "Date: ");
        put(x, date.p, date.len);
        put(x, "\r\n", 2);
    }
    put(x, "\r\n", 2);
    if (r->held_len > 0 && r->framing != REPLY_EMPTY) {
        if (r->framing == REPLY_CHUNKED)
            put(x, r->size_line, body_print_size_line(r->size_line, r->held_len));
        put(x, r->held, r->held_len);
        if (r->framing == REPLY_CHUNKED)
            put(x, "\r\n", 2);
    }
    r->out_sealed = true;
}

/* Writing */

static enum bd_flow write_head(struct exchange *x, bool whole)
{
    uv_buf_t buf;

    seal(x, whole);
    buf = uv_buf_init(x->reply.out, (unsigned)x->reply.len);
    return conn_write(x->conn, &buf, 1);
}

enum bd_flow reply_send_head(struct exchange *x)
{
    uv_buf_t buf;

    seal(x, false);
    buf = uv_buf_init(x->reply.out, (unsigned)x->reply.len);
    return conn_write_more(x->conn, &buf);
}

static enum bd_flow write_piece(struct exchange *x, const char *p, size_t len)
{
    static char crlf[] = "\r\n";
    struct reply *r = &x->reply;
    uv_buf_t buf[4];
    unsigned n = 0;

    if (!r->out_sealed) {
        seal(x, false);
        if (len <= COPY_BYTES && r->framing == REPLY_LENGTH) {
            put(x, p, len);
            len = 0;
        }
        buf[n++] = uv_buf_init(r->out, (unsigned)r->len);
    }
    if (r->framing == REPLY_EMPTY || len == 0) {
        len = 0;
    } else if (r->framing == REPLY_CHUNKED) {
        size_t line = body_print_size_line(r->size_line, len);

        buf[n++] = uv_buf_init(r->size_line, (unsigned)line);
        buf[n++] = uv_buf_init((char *)p, (unsigned)len);
        buf[n++] = uv_buf_init(crlf, 2);
    } else {
        buf[n++] = uv_buf_init((char *)p, (unsigned)len);
    }
    return n > 0 ? conn_write(x->conn, buf, n) : BD_GO;
}

static void flush_at_turn_end(struct bd_turn *t)
{
    struct reply *r = BD_CONTAINER(t, struct reply, flush);
    struct exchange *x = BD_CONTAINER(r, struct exchange, reply);

    write_head(x, false); /* the head is the arena's: nobody has to wait for it */
}

/* What modes call */

static void begin(struct exchange *x, int status, struct bd_slice reason,
                  const struct bd_field *field, size_t fields)
{
    struct reply *r = &x->reply;

    assert(x->state == EXCHANGE_OPEN && !r->begun);
    r->begun = true;
    x->pub.status = status;
    put_status_line(x, status, reason);
    put_fields(x, field, fields);
    for (size_t i = 0; i < fields && !r->dated; i++)
        r->dated = bd_slice_ieq(field[i].name, BD_SLICE("date"));
    bd_turn_add(x->host->worker, &r->flush, flush_at_turn_end);
}

void bd_respond_with(struct bd_exchange *pub, int status, struct bd_slice reason,
                     const struct bd_field *field, size_t fields, int64_t length)
{
    struct exchange *x = exchange_of(pub);

    assert(status >= 200 && status <= 999);
    x->reply.length = length;
    begin(x, status, reason, field, fields);
}

void bd_respond(struct bd_exchange *pub, int status, const struct bd_field *field, size_t fields,
                int64_t length)
{
    bd_respond_with(pub, status, standard_reason(exchange_of(pub), status), field, fields, length);
}

void bd_upgrade(struct bd_exchange *pub, struct bd_slice reason, const struct bd_field *field,
                size_t fields)
{
    struct exchange *x = exchange_of(pub);

    assert(body_complete(&x->body));
    begin(x, 101, reason, field, fields);
    x->reply.framing = REPLY_RAW;
    exchange_upgraded(x);
}

void bd_interim(struct bd_exchange *pub, int status, struct bd_slice reason,
                const struct bd_field *field, size_t fields)
{
    struct exchange *x = exchange_of(pub);
    struct reply *r = &x->reply;
    uv_buf_t buf;

    assert(x->state == EXCHANGE_OPEN && !r->begun && status > 101 && status < 200);
    if (pub->req.minor == 0 || x->conn->out.under_way > 0 || r->interims == INTERIMS_MAX)
        return;
    r->interims++;
    put_status_line(x, status, reason);
    put_fields(x, field, fields);
    put(x, "\r\n", 2);
    buf = uv_buf_init(r->out, (unsigned)r->len);
    conn_write(x->conn, &buf, 1);
    r->out = NULL; /* the socket may still need it; the answer gets room of its own */
    r->len = r->room = 0;
}

void bd_continue(struct bd_exchange *pub)
{
    struct exchange *x = exchange_of(pub);

    assert(x->state == EXCHANGE_OPEN);
    if (!x->expect_continue || x->reply.begun)
        return;
    x->expect_continue = false;
    conn_write_continue(x->conn);
}

bool bd_expects_continue(const struct bd_exchange *pub)
{
    return ((const struct exchange *)(const void *)pub)->expect_continue;
}

void bd_trailer(struct bd_exchange *pub, const struct bd_field *field, size_t fields)
{
    struct reply *r = &exchange_of(pub)->reply;

    r->trailer = field;
    r->trailers = fields;
}

static bool can_hold(const struct exchange *x, size_t len)
{
    const struct reply *r = &x->reply;

    return !r->out_sealed && r->length == BD_LENGTH_UNKNOWN && r->framing != REPLY_RAW &&
           r->held_len + len <= REPLY_HOLD_BYTES;
}

static void hold(struct exchange *x, const char *buf, size_t len)
{
    struct reply *r = &x->reply;

    if (!r->held)
        r->held = bd_arena_alloc(&x->pub.arena, REPLY_HOLD_BYTES);
    memcpy(r->held + r->held_len, buf, len);
    r->held_len += len;
}

enum bd_flow bd_send(struct bd_exchange *pub, const char *buf, size_t len)
{
    struct exchange *x = exchange_of(pub);
    struct reply *r = &x->reply;

    assert(x->state == EXCHANGE_OPEN && r->begun);
    assert(r->length < 0 || pub->sent_bytes + (int64_t)len <= r->length || reply_has_no_body(x));
    if (len == 0)
        return BD_GO;
    pub->sent_bytes += (int64_t)len;
    if (reply_has_no_body(x))
        return BD_GO;
    if (can_hold(x, len)) {
        hold(x, buf, len);
        return BD_GO;
    }
    assert(!r->lent);
    if (pub->sent_bytes == r->length && !pub->mode->lingers)
        exchange_leave(x);
    r->lent = write_piece(x, buf, len) == BD_WAIT;
    return r->lent ? BD_WAIT : BD_GO;
}

/* The last chunk and what follows it. */
static void write_end(struct exchange *x)
{
    struct reply *r = &x->reply;
    uv_buf_t buf;

    r->out = NULL; /* what is there may still be on its way */
    r->len = r->room = 0;
    put(x, "0\r\n", 3);
    put_fields(x, r->trailer, r->trailers);
    put(x, "\r\n", 2);
    buf = uv_buf_init(r->out, (unsigned)r->len);
    conn_write(x->conn, &buf, 1);
}

void bd_end(struct bd_exchange *pub)
{
    struct exchange *x = exchange_of(pub);
    struct reply *r = &x->reply;

    assert(x->state == EXCHANGE_OPEN && r->begun);
    assert(r->length < 0 || reply_has_no_body(x) || pub->sent_bytes == r->length);
    exchange_leave(x);
    if (!r->out_sealed)
        write_head(x, r->trailers == 0);
    if (r->framing == REPLY_CHUNKED)
        write_end(x);
    exchange_ended(x);
}

void bd_cut(struct bd_exchange *pub, const char *reason)
{
    struct exchange *x = exchange_of(pub);

    assert(x->state == EXCHANGE_OPEN && x->reply.begun);
    pub->cut = true;
    pub->reason = reason;
    if (!x->reply.out_sealed)
        write_head(x, false);
    exchange_ended(x);
}

void bd_reply(struct bd_exchange *pub, int status, const struct bd_field *field, size_t fields,
              const char *buf, size_t len)
{
    bd_respond(pub, status, field, fields, (int64_t)len);
    exchange_leave(exchange_of(pub));
    bd_send(pub, buf, len);
    bd_end(pub);
}

void bd_reply_text(struct bd_exchange *pub, int status, const char *text)
{
    static const struct bd_field type = {BD_SLICE("Content-Type"),
                                         BD_SLICE("text/plain; charset=utf-8")};

    bd_reply(pub, status, &type, 1, text, strlen(text));
}

/* What the exchange calls */

void reply_init(struct reply *r)
{
    r->out = r->held = NULL;
    r->len = r->room = r->held_len = 0;
    r->length = BD_LENGTH_UNKNOWN;
    r->trailer = NULL;
    r->trailers = 0;
    r->interims = 0;
    r->framing = REPLY_UNDECIDED;
    r->begun = r->dated = r->out_sealed = r->lent = r->keep_alive = false;
    r->file = (struct reply_file){.fd = -1};
}

void reply_reset(struct exchange *x)
{
    assert(!x->reply.out_sealed);
    bd_turn_cancel(&x->reply.flush);
    reply_file_stop(x);
    reply_init(&x->reply);
    x->pub.status = 0;
    x->pub.sent_bytes = 0;
}
