/*
 * request.c - what modes ask about a request, and its line in the log
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>

#include "bandog/duration.h"
#include "bandog/exchange.h"
#include "bandog/log.h"
#include "conn.h"
#include "exchange.h"
#include "status.h"

const struct bd_field *bd_request_field(const struct bd_request *r, struct bd_slice name)
{
    for (size_t i = 0; i < r->fields; i++)
        if (bd_slice_ieq(r->field[i].name, name))
            return &r->field[i];
    return NULL;
}

struct bd_slice bd_request_path(struct bd_exchange *x)
{
    struct bd_slice raw = x->req.path;
    char *out;
    size_t n = 0;

    if (raw.len == 0 || !memchr(raw.p, '%', raw.len))
        return raw;
    out = bd_arena_alloc(&x->arena, raw.len);
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.p[i] == '%') {
            out[n++] = (char)bd_hex_byte(raw.p + i + 1);
            i += 2;
        } else {
            out[n++] = raw.p[i];
        }
    }
    return (struct bd_slice){out, n};
}

typedef int name_of(const uv_tcp_t *tcp, struct sockaddr *name, int *len);

static void print_address(const struct bd_exchange *pub, name_of *name, struct bd_address *ret)
{
    const struct exchange *x = (const struct exchange *)(const void *)pub;
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in6 six;
    int len = sizeof(six);

    *ret = (struct bd_address){.port = 0};
    if (name(&x->conn->tcp, (struct sockaddr *)&six, &len))
        return;
    ret->port = ntohs(six.sin6_port); /* the same place in sockaddr_in */
    if (six.sin6_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)(void *)&six, ret->text, sizeof(ret->text));
    else if (memcmp(&six.sin6_addr, mapped, sizeof(mapped)) == 0) /* IPv4 on our IPv6 socket */
        inet_ntop(AF_INET, six.sin6_addr.s6_addr + 12, ret->text, sizeof(ret->text));
    else
        uv_ip6_name(&six, ret->text, sizeof(ret->text));
}

void bd_peer_address(const struct bd_exchange *x, struct bd_address *ret)
{
    print_address(x, uv_tcp_getpeername, ret);
}

void bd_local_address(const struct bd_exchange *x, struct bd_address *ret)
{
    print_address(x, uv_tcp_getsockname, ret);
}

struct bd_field bd_duration_field(struct bd_exchange *x, int64_t at_ns)
{
    char *seconds = bd_arena_alloc(&x->arena, BD_DURATION_BYTES);

    bd_seconds_print(seconds, at_ns - x->began_ns, 6);
    return (struct bd_field){BD_SLICE("X-Duration-Seconds"), bd_slice_of(seconds)};
}

double bd_elapsed_s(const struct bd_exchange *x)
{
    return (double)(bd_now_ns() - x->began_ns) / 1e9;
}

/* "1.049MB": four significant digits, units of 1000, as existing log scrapers expect. */
static struct bd_slice print_size(char buf[32], int64_t bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double n = (double)bytes;
    size_t i = 0;

    if (bytes < 0)
        return BD_SLICE("-1B"); /* unknown */
    if (bytes < 1000) {
        struct bd_slice digits = bd_slice_digits(buf + 31, (uint64_t)bytes);

        buf[31] = 'B';
        return (struct bd_slice){digits.p, digits.len + 1};
    }
    while (n >= 1000 && i + 1 < sizeof(unit) / sizeof(unit[0])) {
        n /= 1000;
        i++;
    }
    snprintf(buf, 32, "%.4g%s", n, unit[i]);
    return bd_slice_of(buf);
}

static struct bd_slice reason_of(struct bd_exchange *x, const struct bd_log_call *call)
{
    const char *standard = status_reason(x->status);

    if (call->reason.p)
        return bd_printable(&x->arena, call->reason);
    return bd_slice_of(standard ? standard : "");
}

static void log_object(struct bd_exchange *x, const struct bd_log_call *call)
{
    const struct bd_field *trace = bd_request_field(&x->req, BD_SLICE("traceparent"));
    char status[20], bytes[20], seconds[BD_DURATION_BYTES];
    struct bd_log_member member[] = {
        {BD_SLICE("method"), x->req.method, false},
        {BD_SLICE("target"), x->req.target, false},
        {BD_SLICE("status"), bd_slice_digits(status + sizeof(status), (unsigned)x->status), true},
        {BD_SLICE("bytes"), bd_slice_digits(bytes + sizeof(bytes), (uint64_t)x->sent_bytes), true},
        {BD_SLICE("duration"), bd_slice_of(bd_seconds_print(seconds, call->ns, 6)), true},
        {BD_SLICE("call_id"), x->call_id, false},
        {BD_SLICE("traceparent"), trace ? trace->value : BD_SLICE(""), false},
    };

    bd_log_object(BD_SLICE("request"), member, sizeof(member) / sizeof(member[0]) - !trace);
}

void bd_log_call(struct bd_exchange *x, const struct bd_log_call *call)
{
    char status[8], size[32], seconds[BD_DURATION_BYTES];
    struct bd_slice piece[20];
    size_t n = 0;

    if (call->agent && bd_slice_starts(call->agent->value, BD_SLICE("kube-probe")))
        return;
    if (bd_log_conf()->json) {
        log_object(x, call);
        return;
    }
    piece[n++] = bd_printable(&x->arena, x->req.method);
    piece[n++] = BD_SLICE(" ");
    piece[n++] = bd_printable(&x->arena, x->req.target);
    piece[n++] = BD_SLICE(" - ");
    piece[n++] = bd_slice_digits(status + sizeof(status), (unsigned)x->status);
    if (call->with_reason) {
        piece[n++] = BD_SLICE(" ");
        piece[n++] = reason_of(x, call);
    }
    piece[n++] = BD_SLICE(" - ");
    piece[n++] = bd_slice_of(call->what);
    piece[n++] = BD_SLICE(": ");
    piece[n++] = print_size(size, call->bytes);
    piece[n++] = BD_SLICE(" (");
    piece[n++] = bd_slice_of(bd_seconds_print(seconds, call->ns, 4));
    piece[n++] = BD_SLICE("s)");
    if (bd_log_conf()->call_ids) {
        piece[n++] = BD_SLICE(" [");
        piece[n++] = bd_printable(&x->arena, x->call_id);
        piece[n++] = BD_SLICE("]");
    }
    bd_log_pieces(piece, n);
}

void bd_log_request(struct bd_exchange *x)
{
    bd_log_call(x, &(struct bd_log_call){.agent = bd_request_field(&x->req, BD_SLICE("user-agent")),
                                         .what = "ContentLength",
                                         .bytes = x->sent_bytes,
                                         .ns = bd_now_ns() - x->began_ns});
}
