/*
 * exchange.h - one request and its answer, as a mode sees them
 *
 * Who calls what, in which order, is the contract of mode.h. An exchange belongs to one worker and
 * is touched on its thread only.
 */
#ifndef BANDOG_EXCHANGE_H
#define BANDOG_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "flow.h"
#include "slice.h"
#include "worker.h"

struct bd_mode;

/* The head, as received (RFC 9112, sections 3 and 5). Valid until the exchange is over. */
struct bd_request {
    struct bd_slice method; /* any token, case kept */
    struct bd_slice target; /* request-target, byte for byte */
    struct bd_slice path;   /* of the target, still percent-encoded; "*" for OPTIONS * */
    struct bd_slice query;  /* without '?'; empty when there is none */
    struct bd_slice host;   /* authority of an absolute-form target, else Host; empty when absent */
    const struct bd_field *field; /* every one, in order */
    size_t fields;
    int minor; /* HTTP/1.minor: 0 or 1 */
    bool chunked;
    int64_t content_length;         /* declared, 0 without body, -1 when chunked */
    const struct bd_field *trailer; /* behind a chunked body; from body_end() on */
    size_t trailers;
};

/* Why an exchange ends without bd_end(). The texts go into logs. */
enum bd_abort {
    BD_ABORT_GONE,          /* the client closed or reset its connection */
    BD_ABORT_BODY,          /* the request body is short or malformed */
    BD_ABORT_READ_TIMEOUT,  /* the request body did not arrive within read_timeout */
    BD_ABORT_DEADLINE,      /* bd_set_deadline() */
    BD_ABORT_WRITE_TIMEOUT, /* the answer was not complete within write_timeout */
    BD_ABORT_SHUTDOWN,      /* the server gave up waiting for it */
    BD_ABORT_SOURCE,        /* the file of a bd_send_file() ended early or cannot be read */
    BD_ABORT_LIMIT,         /* the request body is larger than max_body */
};

struct bd_exchange {
    struct bd_worker *worker;
    const struct bd_mode *mode;
    const void *conf; /* the mode's settings */
    struct bd_request req;
    struct bd_arena arena;   /* for whatever lives as long as the exchange */
    void *state;             /* the mode's own; NULL at start() */
    int64_t began_ns;        /* bd_now_ns() when the head was complete */
    struct bd_slice call_id; /* X-Call-Id; made, and added to the fields, where there is none */

    /* What the client was told, for finish(): */
    int status;         /* 0 while there is no answer; 499 when the client left before one */
    int64_t sent_bytes; /* of the answer's body, without framing */
    int64_t body_bytes; /* of the request's body, as received so far */
    bool cut;           /* the answer was begun and could not be completed */
    const char *reason; /* one sentence why the engine ended it, NULL after bd_end() */
};

/* The first field of that name (ASCII case ignored); NULL when there is none. */
const struct bd_field *bd_request_field(const struct bd_request *r, struct bd_slice name);

/* Is it a HEAD, whose answer has no body? */
static inline bool bd_is_head(const struct bd_exchange *x)
{
    return bd_slice_eq(x->req.method, BD_SLICE("HEAD"));
}

/*
 * The path percent-decoded, in the exchange's arena. It may hold any byte, NUL included. The
 * escapes were checked when the head was read, so this cannot fail.
 */
struct bd_slice bd_request_path(struct bd_exchange *x);

/*
 * Makes it a request for another target: a path, perhaps with a query (origin-form, RFC 9112,
 * 3.2.1), whose bytes live as long. False when it is none, and then `r` is of no use.
 */
bool bd_request_set_target(struct bd_request *r, struct bd_slice target);

/* How much body follows a head, where it is no number of bytes. */
#define BD_LENGTH_UNKNOWN INT64_C(-1)
#define BD_LENGTH_NONE INT64_C(-2) /* a head alone (HEAD, 304) that promises no length either */

/*
 * The answer's head. The engine adds Date if there is none, Connection and the framing: `length`
 * bytes of body will follow, or one of the above. Fields are copied; none of them is about framing
 * or the connection. Once per exchange; nothing leaves before the end of the loop turn or the first
 * piece of body that does not fit the head's packet.
 */
void bd_respond(struct bd_exchange *x, int status, const struct bd_field *field, size_t fields,
                int64_t length);

/* The same with a reason phrase of one's own (empty is one, too). */
void bd_respond_with(struct bd_exchange *x, int status, struct bd_slice reason,
                     const struct bd_field *field, size_t fields, int64_t length);

/*
 * An interim answer (1xx, but neither 100 nor 101), at once, before bd_respond(). Dropped for a
 * client that does not know them (HTTP/1.0) or is slow to read.
 */
void bd_interim(struct bd_exchange *x, int status, struct bd_slice reason,
                const struct bd_field *field, size_t fields);

/* The body is wanted: 100 to a client that waits for it. For modes that say `expects`. */
void bd_continue(struct bd_exchange *x);

/* True while the client holds its body back for a 100 (RFC 9110, 10.1.1). */
bool bd_expects_continue(const struct bd_exchange *x);

/*
 * Instead of bd_respond(): 101, and the connection is a pair of byte streams from here on (RFC
 * 9110, 7.8). body() and bd_send() carry them, body_end() is the client's end of file, bd_end()
 * ours. No timeout of the server applies any more. The request's body must be complete. `field`
 * names the protocol in Upgrade; the engine adds Connection.
 */
void bd_upgrade(struct bd_exchange *x, struct bd_slice reason, const struct bd_field *field,
                size_t fields);

/* Fields behind the body, sent where the framing has a place for them (chunked). Before bd_end().
 */
void bd_trailer(struct bd_exchange *x, const struct bd_field *field, size_t fields);

/*
 * A piece of the answer's body. BD_WAIT: lent until drain() or the end of the exchange. For HEAD,
 * 204 and 304 the bytes are counted and dropped.
 */
enum bd_flow bd_send(struct bd_exchange *x, const char *buf, size_t len);

/*
 * A piece that is `len` bytes of a file from `at` on, for an answer that has a length. BD_WAIT: the
 * descriptor is lent like bytes are. When the file ends before them, or cannot be read, abort()
 * comes, though not from within this call.
 */
enum bd_flow bd_send_file(struct bd_exchange *x, int fd, int64_t at, int64_t len);

/* The answer is complete. The last call: x is gone. Not while bytes are lent. */
void bd_end(struct bd_exchange *x);

/*
 * The answer cannot be completed: the client will see that (no final chunk, connection closed).
 * Needs a bd_respond() before it. The last call, like bd_end(). `reason` is for the log.
 */
void bd_cut(struct bd_exchange *x, const char *reason);

/*
 * A whole answer: respond, send, end. `buf` lives in x->arena or is static. The last call.
 */
void bd_reply(struct bd_exchange *x, int status, const struct bd_field *field, size_t fields,
              const char *buf, size_t len);

/* The same for a text, sent as text/plain in UTF-8; it lives as long. */
void bd_reply_text(struct bd_exchange *x, int status, const char *text);

/*
 * For a private path that becomes a call after all: takes a place under max_inflight, until the end
 * of the exchange. False: there is none.
 */
bool bd_take_place(struct bd_exchange *x);

/*
 * The mode is done with the bytes that its body() kept. May call body() again: call it last, and
 * not from inside body().
 */
void bd_body_resume(struct bd_exchange *x);

/* True once the whole request body has been handed to body(), or there is none. */
bool bd_body_complete(const struct bd_exchange *x);

/*
 * The exchange must be over `ns` from now; again moves it, 0 takes it away. `name` and `value` say
 * in answers and logs which setting it was ("exec_timeout", "10s"). When it comes: mode->deadline,
 * else abort with BD_ABORT_DEADLINE, which the client sees as 504, or as a cut connection when the
 * answer had begun.
 */
void bd_set_deadline(struct bd_exchange *x, int64_t ns, const char *name, const char *value);

/* An end of the connection: a numeric address, "" when the connection is gone, and a port. */
struct bd_address {
    char text[48];
    int port;
};

void bd_peer_address(const struct bd_exchange *x, struct bd_address *ret);
void bd_local_address(const struct bd_exchange *x, struct bd_address *ret);

/* X-Duration-Seconds: from began_ns to `at_ns`, with six decimals; the value lives in the arena. */
struct bd_field bd_duration_field(struct bd_exchange *x, int64_t at_ns);

/* Seconds since began_ns. */
double bd_elapsed_s(const struct bd_exchange *x);

/*
 * The request line of the log, as of-watchdog writes it:
 * "METHOD URI - STATUS - ContentLength: SIZE (0.0021s)", with call_ids " [ID]" behind it. Nothing
 * for kube-probe user agents.
 */
void bd_log_request(struct bd_exchange *x);

/* The same line with more or other things in it: "... - STATUS REASON - WHAT: SIZE (TIME)". */
struct bd_log_call {
    const struct bd_field *agent; /* the request's User-Agent, NULL: there is none */
    bool with_reason;
    struct bd_slice reason; /* `p` NULL: the standard one */
    const char *what;
    int64_t bytes; /* -1: unknown */
    int64_t ns;
};

void bd_log_call(struct bd_exchange *x, const struct bd_log_call *call);

#endif
