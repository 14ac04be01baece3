/*
 * cgi.c - mode=cgi: the Common Gateway Interface, RFC 3875
 *
 * A process for each request, told about it by the meta-variables; its output begins with the head
 * of the answer. It is streaming mode but for that, and for local redirects.
 */
#include "bandog/log.h"
#include "modes_list.h"
#include "stream.h"

#define CGI_FLAGS (ENVIRON_REQUEST | ENVIRON_CGI)
#define REDIRECTS_MAX 10

static const struct bd_option cgi_options[] = {
    OF_WATCHDOG_FORK_OPTIONS(struct stream_conf),
    {.name = NULL},
};

static int cgi_init(void *conf, struct bd_error *err)
{
    return fork_init(&((struct stream_conf *)conf)->fork, CGI_FLAGS, err);
}

/* About a body that the new request does not have. */
static bool is_about_body(struct bd_slice name)
{
    static const char *const about[] = {"content-length",   "content-type",      "expect",
                                        "content-encoding", "transfer-encoding", "trailer"};

    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++)
        if (bd_slice_ieq(name, bd_slice_of(about[i])))
            return true;
    return false;
}

/* The request that would have come, had the client asked for `target` itself. */
static struct bd_request redirected(struct bd_exchange *x, struct bd_slice target)
{
    struct bd_request r = x->req;
    struct bd_field *field = bd_arena_alloc(&x->arena, (r.fields + 1) * sizeof(*field));
    size_t n = 0;

    for (size_t i = 0; i < r.fields; i++)
        if (!is_about_body(r.field[i].name))
            field[n++] = r.field[i];
    r.field = field;
    r.fields = n;
    r.content_length = 0;
    r.chunked = false;
    if (!bd_is_head(x))
        r.method = BD_SLICE("GET");
    bd_request_set_target(&r, target); /* cgi_head.c has seen that it is one */
    return r;
}

/* RFC 3875, 6.2.2: answered as if the client had asked for that path. */
static void follow(struct stream *s)
{
    struct bd_exchange *x = s->call.x;
    struct bd_request sent = x->req;

    if (++s->redirects > REDIRECTS_MAX) {
        x->reason = bd_arena_printf(&x->arena, "more than %d local redirects", REDIRECTS_MAX);
        bd_reply_text(x, 502, "too many local redirects\n");
        return;
    }
    x->req = redirected(x, s->local);
    stream_reset(s);
    if (!fork_prepare(&s->call))
        return; /* it has been refused, and x is gone */
    x->req = sent;
    fork_again(&s->call);
}

static void cgi_start(struct bd_exchange *x)
{
    struct stream *s = stream_new(x, CGI_FLAGS);

    s->headed = true;
    s->redirect = follow;
    stream_begin(s);
}

const struct bd_mode mode_cgi = {
    .name = "cgi",
    .summary = "a process for each request, which answers as a CGI program (RFC 3875)",
    .family = BD_OTHERS,
    .option = cgi_options,
    .conf_bytes = sizeof(struct stream_conf),
    .init = cgi_init,
    .check = stream_check,
    .lingers = true,
    .start = cgi_start,
    .body = fork_body,
    .body_end = fork_body_end,
    .drain = stream_drain,
    .abort = stream_abort,
    .finish = stream_finish,
};
